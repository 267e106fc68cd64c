"""Moxa ioLogik E1200 remote I/O as interlock inputs and contactor outputs."""
