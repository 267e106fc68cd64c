"""Keysight BT2200 charge/discharge platforms: up to 256 channels that run their sequences by themselves."""
