"""Recipes to and from the formats of others: aurora-unicycler's JSON and PyBaMM's step strings."""
