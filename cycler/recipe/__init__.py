"""From text to plan: the strict loader, units, conditions, recipes, their static check, and what a channel executes."""
