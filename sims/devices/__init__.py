"""Simulated instruments that live in this process and are driven by the contract alone: no wire, no bytes."""
