"""Chance that can be repeated: a stream of its own for each name, so that one more name changes no other."""

import numpy as np


def generator(seed: int, name: str) -> np.random.Generator:
    """Fresh; equal streams for equal seeds and names."""
    return np.random.default_rng([seed, *name.encode()])
