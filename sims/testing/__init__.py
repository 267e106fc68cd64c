"""A whole simulated rack for tests."""
