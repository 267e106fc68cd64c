"""A simulated Moxa ioLogik E1200: the module, and its Modbus port."""
