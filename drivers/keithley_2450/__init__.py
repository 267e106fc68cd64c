"""Keithley 2450, 2460 and 2461 SourceMeters: one channel for small cells, over SCPI."""
