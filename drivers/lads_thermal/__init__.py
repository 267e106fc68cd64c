"""Chambers and thermostats that follow the OPC UA companion specification LADS."""
