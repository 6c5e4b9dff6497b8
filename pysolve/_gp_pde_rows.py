"""Rows of the least-squares problem, written out: one for each equation, boundary value and measurement.

A row of u at the point x is the Kronecker product of the axes' rows of features, so a block of rows on a grid is the
Kronecker product of the axes' matrices.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from pysolve._backend import beside
from pysolve._gp_pde_features import Features
from pysolve._gp_pde_grid_products import kron_all, rowwise_kron
from pysolve._gp_pde_problem import Face, Problem

ROWS_AT_ONCE = 4_000_000  # entries of the rows that are written out at a time


class GridRows:
    """Matrices of an axis's features on the points of the grid, each made once on the host and moved to where f is.

    Parameters
    ----------
    problem : Problem
        The problem.
    features : sequence of Features
        One for each axis.
    """

    def __init__(self, problem: Problem, features: Sequence[Features]) -> None:
        self.problem = problem
        self.features = tuple(features)
        self._matrices: dict[tuple[int, int], np.ndarray] = {}

    @property
    def size(self) -> int:
        """Number of coefficients."""
        return int(np.prod([part.size for part in self.features]))

    def matrix(self, axis: int, order: int) -> np.ndarray:
        """Derivatives of the axis's features on its points."""
        key = (axis, order)
        if key not in self._matrices:
            made = self.features[axis].matrix(self.problem.axes[axis], order)
            self._matrices[key] = beside(made, self.problem.f)
        return self._matrices[key]

    def derivative(self, orders: Sequence[int], first: slice = slice(None)) -> np.ndarray:
        """Rows of d^orders u on the points of the grid, those of a slice of the first axis."""
        parts = [self.matrix(axis, order) for axis, order in enumerate(orders)]
        return kron_all([parts[0][first], *parts[1:]])

    def slices(self) -> Iterator[slice]:
        """Slices of the first axis, each of a bounded number of entries."""
        n = self.problem.shape[0]
        step = max(1, ROWS_AT_ONCE // max(1, self.size * int(np.prod(self.problem.shape[1:]))))
        return (slice(start, min(n, start + step)) for start in range(0, n, step))

    def face(self, face: Face) -> tuple[np.ndarray, np.ndarray]:
        """Rows and values of a side."""
        x = self.problem.axes[face.axis]
        end = x[:1] if face.end == 0 else x[-1:]
        outward = -1.0 if face.end == 0 else 1.0
        part = self.features[face.axis]
        normal = np.zeros((1, part.size))
        if face.a != 0:
            normal = normal + face.a * part.matrix(end)
        if face.b != 0:
            normal = normal + face.b * outward * part.matrix(end, 1)
        known = np.isfinite(face.g).ravel()
        return self._across(face.axis, normal)[known], face.g.ravel()[known]

    def period(self, axis: int, order: int) -> np.ndarray:
        """Rows of the difference of a derivative between the two ends of an axis."""
        x = self.problem.axes[axis]
        ends = self.features[axis].matrix(x[[0, -1]], order)
        return self._across(axis, ends[1:] - ends[:1])

    def _across(self, axis: int, normal: np.ndarray) -> np.ndarray:
        normal = beside(normal, self.problem.f)
        return kron_all([normal if j == axis else self.matrix(j, 0) for j in range(len(self.features))])

    def points(self, x: np.ndarray, orders: Sequence[int] | None = None) -> np.ndarray:
        """Rows of d^orders u (default: u itself) at scattered points of shape (n, d)."""
        return point_rows(self.features, x, orders)


def point_rows(
    features: Sequence[Features], x: np.ndarray, orders: Sequence[int] | None = None
) -> np.ndarray:
    """Rows of d^orders u (default: u itself) at points of shape (n, d), shape (n, size)."""
    orders = orders or (0,) * len(features)
    return rowwise_kron([part.matrix(at, k) for part, at, k in zip(features, x.T, orders, strict=True)])
