"""A Keithley 2450, 2460 or 2461 SourceMeter, as it answers on its socket."""
