"""What happens to a cell, sample by sample: the pure step machine and the asynchronous shell around it."""
