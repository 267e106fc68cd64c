"""ESPEC P-300 and SCP-220 chamber controllers."""
