"""The cells of a simulated rack: their tables, their physics, and how they differ from one another."""
