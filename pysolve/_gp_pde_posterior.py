"""The posterior of a dense system, asked for on grids and at points."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Sequence

import numpy as np

from pysolve._backend import beside, on_host, zeros
from pysolve._gp_pde_evidence import Fit
from pysolve._gp_pde_grid_products import kron_all, rowwise_kron

ENTRIES_AT_ONCE = 8_000_000


@dataclasses.dataclass(frozen=True)
class DensePosterior:
    """Normal distribution of the coefficients, of which the first are the features'.

    Attributes
    ----------
    fit : Fit
        Mean, weights and triangle.
    shape : tuple of int
        Features of every axis.
    """

    fit: Fit
    shape: tuple[int, ...]

    @property
    def log_evidence(self) -> float:
        """Logarithm of the probability density of all data."""
        return self.fit.log_evidence

    @property
    def size(self) -> int:
        """How many coefficients are those of features."""
        return int(np.prod(self.shape))

    @functools.cached_property
    def unknowns_covariance(self) -> np.ndarray:
        """Covariance of the unknown numbers."""
        half = self.fit.half(beside(np.eye(len(self.fit.c))[self.size :], self.fit.R))
        return on_host(half.T @ half)

    def variance_grid(self, matrices: Sequence[np.ndarray]) -> np.ndarray:
        """Variance of a linear functional on a grid; `matrices` are the axes' features there."""
        n = tuple(len(part) for part in matrices)
        others = [kron_all(matrices[1:])] if len(matrices) > 1 else []
        step = max(1, ENTRIES_AT_ONCE // max(1, int(np.prod(n[1:])) * self.size))
        parts = [
            self._variance(kron_all([matrices[0][start : start + step], *others]))
            for start in range(0, n[0], step)
        ]
        return np.concatenate([*parts, zeros(0, np.float64, self.fit.R)]).reshape(n)

    def variance_points(self, matrices: Sequence[np.ndarray]) -> np.ndarray:
        """Variance at points; row i of every matrix is the axis's features at point i. Shape (n,)."""
        return self._variance(rowwise_kron(matrices))

    def _variance(self, rows: np.ndarray) -> np.ndarray:
        flat = zeros((len(rows), len(self.fit.c) - self.size), np.float64, rows)
        return self.fit.variance(np.hstack([rows, flat]))

    def sample(self, n: int, rng: np.random.Generator) -> np.ndarray:
        """Draws of the features' coefficients, shape (n, *shape)."""
        return self.fit.sample(n, rng)[:, : self.size].reshape(n, *self.shape)
