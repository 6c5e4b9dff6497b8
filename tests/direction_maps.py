"""Maps that propose directions, good and bad, a clock that is the same on every machine, and what must hold."""

import itertools

import numpy as np
import pytest
from contract_cases import true_norms


class Clock:
    """A clock that advances by 1 with every look at it, and by what M adds: the same on every machine."""

    def __init__(self):
        self.now = 0

    def perf_counter(self):
        self.now += 1
        return self.now


class Map:
    """function(r, k) for the k-th call."""

    dtype = np.dtype("f8")

    def __init__(self, function, n):
        self.function, self.shape, self.calls = function, (n, n), itertools.count(1)

    def matvec(self, r):
        with np.errstate(all="ignore"):
            return self.function(r, next(self.calls))


def without_r(v, r):
    return v - r * (r @ v) / (r @ r)


def noise(r, k):
    return np.random.default_rng(1000 + k).standard_normal(r.size)


def check_converged(A, b, result, rtol):
    A = A.tocsr() if hasattr(A, "tocsr") else A
    norm = float(true_norms(A, b, result.x))
    assert result.converged, result.message
    assert norm <= rtol * np.linalg.norm(b) * (1 + 1e-6)
    assert result.residual_norms[-1] == pytest.approx(norm, rel=1e-4, abs=1e-15 * np.linalg.norm(b))
