"""A simulated ESPEC P-300 or SCP-220: the controller and its commands, at a simulated chamber."""
