"""A simulated Watlow F4T: the controller, its registers and its text, at a simulated chamber."""
