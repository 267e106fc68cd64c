"""Hioki BT3561A, BT3562 and BT3563 battery testers: open-circuit voltage and 1 kHz resistance."""
