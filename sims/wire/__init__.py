"""Simulated instruments' ends of the wire."""
