"""Any Modbus device of which a register map says what stands where."""
