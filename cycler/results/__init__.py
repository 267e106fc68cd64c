"""What a run says about its cells: pure functions on the model's values."""
