"""A simulated Keysight BT2200 mainframe: the instrument, and its wire as bytes."""
