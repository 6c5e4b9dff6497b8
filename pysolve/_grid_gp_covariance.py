"""The prior covariance of a grid, a K_1 x ... x K_d + noise^2 I, its spectrum, and its products with other places.

The matrices of the axes are made on the host, decomposed and multiplied where the values are.
"""

from __future__ import annotations

import dataclasses
import functools
import math
from typing import Any

import numpy as np

from pysolve._backend import beside, empty, zeros
from pysolve._gp_pde_joint_kernel import AxisKernel
from pysolve._kron import KronOperator
from pysolve._spectral_derivatives import GAUSSIAN, partials
from pysolve._spectral_mixture import SpectralMixture

NUGGET = 1e-10  # least noise variance, as part of the prior's: below it the equations have no digits left


def correlation(kind: str, length_scale: float) -> SpectralMixture:
    """exp(-d^2 / (2 l^2)) for ``"se"``, Matern 5/2 of length scale l for ``"matern52"``."""
    rho = 1 / (math.sqrt(2) * length_scale) if kind in GAUSSIAN else 1 / length_scale
    return SpectralMixture(0.0, 1.0, rho, kind)


@dataclasses.dataclass
class Grid:
    """The axes, on the host, and which cells have a value: flat indices in C order, where the values are."""

    axes: tuple[np.ndarray, ...]
    seen: np.ndarray
    missing: np.ndarray

    def __post_init__(self) -> None:
        self.shape = tuple(x.size for x in self.axes)
        self.size = math.prod(self.shape)
        self.pairs = [AxisKernel(x, "se") for x in self.axes]

    def matrix(self, j: int, kernel: SpectralMixture) -> np.ndarray:
        """Covariances of the points of axis j."""
        return beside(self.pairs[j].spread(np.asarray(kernel.covariance(self.pairs[j].d))), self.seen)

    def slope(self, j: int, kernel: SpectralMixture) -> np.ndarray:
        """The derivative of `matrix` by the logarithm of the length scale, for one component without a wave."""
        _, _, by_log_rho = partials(self.pairs[j].d, kernel.frequencies, kernel.rho, kernel.kind, 0)
        return beside(self.pairs[j].spread(-by_log_rho @ kernel.weights), self.seen)

    def whole(self, x: np.ndarray) -> np.ndarray:
        """Values of the cells that are seen as those of all, 0 for the others."""
        found = zeros((self.size, *x.shape[1:]), np.float64, x)
        found[self.seen] = x
        return found


class Covariance:
    """a K_1 x ... x K_d + s2 I on a grid."""

    def __init__(self, grid: Grid, kernels: Any, amplitude: float, noise: float) -> None:
        self.grid, self.kernels, self.amplitude = grid, tuple(kernels), amplitude
        self.matrices = [grid.matrix(j, kernel) for j, kernel in enumerate(self.kernels)]
        self.variance = amplitude**2 * math.prod(kernel.variance for kernel in self.kernels)
        self.s2 = max(noise**2, NUGGET * self.variance)

    @functools.cached_property
    def K(self) -> KronOperator:
        """K_1 x ... x K_d, without the amplitude."""
        return KronOperator(*self.matrices)

    @functools.cached_property
    def decompositions(self) -> list[tuple[np.ndarray, np.ndarray]]:
        """Eigenvalues, none negative, and eigenvectors of each axis."""
        found = [np.linalg.eigh(K) for K in self.matrices]
        return [(np.maximum(values, 0.0), Q) for values, Q in found]

    @functools.cached_property
    def Q(self) -> KronOperator:
        return KronOperator(*(Q for _, Q in self.decompositions))

    @functools.cached_property
    def eigenvalues(self) -> np.ndarray:
        """Those of a K_1 x ... x K_d in the order of the columns of Q."""
        return self.amplitude**2 * outer([values for values, _ in self.decompositions])

    def inverse(self, X: np.ndarray) -> np.ndarray:
        """(a K + s2 I)^-1 X on the whole grid, X of shape (N,) or (N, columns)."""
        scale = 1.0 / (self.eigenvalues + self.s2)
        turned = self.Q.T @ X
        return self.Q @ (turned * (scale if X.ndim == 1 else scale[:, None]))

    def observed(self, X: np.ndarray) -> np.ndarray:
        """(S a K S^T + s2 I) X for values at the cells that are seen."""
        return self.amplitude**2 * (self.K @ self.grid.whole(X))[self.grid.seen] + self.s2 * X


def outer(rows: list[np.ndarray]) -> np.ndarray:
    """The Kronecker product of vectors."""
    return functools.reduce(lambda left, right: (left[:, None] * right).ravel(), rows)


class Places:
    """Where to predict: a grid of its own, or points; `rows` are the covariances with each axis of the data."""

    AT_ONCE = 1 << 22  # numbers that a contraction over points may hold

    def __init__(self, where: Any, covariance: Covariance, is_grid: bool) -> None:
        grid = covariance.grid
        columns = [beside(column, grid.seen) for column in (where if is_grid else where.T)]
        self.is_grid, self.grid = is_grid, grid
        self.shape = tuple(column.size for column in columns) if is_grid else (len(where),)
        self.size = math.prod(self.shape)
        self.rows = [
            kernel.covariance(column[:, None] - beside(x, column))
            for kernel, column, x in zip(covariance.kernels, columns, grid.axes, strict=True)
        ]

    def apply(self, rows: list[np.ndarray], X: np.ndarray) -> np.ndarray:
        """sum over the grid of prod_j rows_j times X, for every place: of shape (places,) + X.shape[1:]."""
        if self.is_grid:
            return KronOperator(*rows) @ X
        found = empty((self.size, *X.shape[1:]), np.float64, X)
        step = max(1, self.AT_ONCE // max(1, X.size // self.grid.shape[0]))
        for first in range(0, self.size, step):
            some = slice(first, first + step)
            total = rows[0][some] @ X.reshape(self.grid.shape[0], -1)
            for row in rows[1:]:
                total = total.reshape(total.shape[0], row.shape[1], -1)
                total = np.einsum("pn,pnr->pr", row[some], total)
            found[some] = total.reshape(-1, *X.shape[1:])
        return found

    def columns(self, some: np.ndarray, cells: np.ndarray) -> np.ndarray:
        """Covariances of grid cells with some of the places, without the amplitude: (cells, places)."""
        at = np.unravel_index(cells, self.grid.shape)
        places = np.unravel_index(some, self.shape) if self.is_grid else (some,) * len(self.rows)
        total: Any = 1.0
        for row, place, cell in zip(self.rows, places, at, strict=True):
            total = total * row[place[None, :], cell[:, None]]
        return total
