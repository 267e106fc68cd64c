"""A simulated EA PSB 9000: the device, and its two ports as bytes."""
