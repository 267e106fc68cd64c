"""A thermal chamber that speaks OPC UA by the LADS standard."""
