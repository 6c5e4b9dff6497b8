"""Random numbers on the device."""

import numpy as np

from cupy_double.arrays import wrapped


class RandomState:
    def __init__(self, seed=None):
        self._host = np.random.RandomState(seed)

    def standard_normal(self, size=None, dtype=float):
        return wrapped(np.asarray(self._host.standard_normal(size), dtype))


class Generator:
    def __init__(self, seed=None):
        self._host = np.random.default_rng(seed)

    def standard_normal(self, size=None, dtype=np.float64):
        return wrapped(np.asarray(self._host.standard_normal(size, dtype)))


def default_rng(seed=None):
    return Generator(seed)
