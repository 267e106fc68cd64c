"""Watlow F4T chamber controllers."""
