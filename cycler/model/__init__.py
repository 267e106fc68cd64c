"""The things that a formation rack is about: cells, trays, bays, runs and what is known of them. All frozen."""
