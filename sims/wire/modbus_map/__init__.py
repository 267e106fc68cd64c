"""A simulated device of which only a register map is known: exactly the map's registers, and a plant behind them."""
