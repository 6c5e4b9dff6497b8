"""What is left uncertain: the covariance of the coefficients, variances on grids and points, samples, determinant."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Protocol

import numpy as np

from pysolve._backend import as_array, beside, namespace, on_device, zeros
from pysolve._gp_pde_grid_basis import AxisBasis
from pysolve._gp_pde_grid_factor import Factor
from pysolve._gp_pde_grid_products import chain, rowwise_kron


class GridPosterior(Protocol):
    """What both kinds of posterior can do; rows are feature rows (n_j, R_j) of the caller, one matrix per axis."""

    exact: bool

    def variance(self, rows: Sequence[np.ndarray]) -> np.ndarray:
        """On the grid of the rows: an array (n_1, ..., n_d)."""
        ...

    def variance_at(self, rows: Sequence[np.ndarray]) -> np.ndarray:
        """At points, each with one row of every matrix: an array (n,)."""
        ...

    def samples(self, count: int, rng: np.random.Generator) -> np.ndarray:
        """Deviations of the coefficients z from their mean: (count, r_1, ..., r_d)."""
        ...


def contracted_squares(rows: Sequence[np.ndarray], M: np.ndarray) -> np.ndarray:
    """sum_m ((a_1 x ... x a_k) . M[..., m])^2 for every combination of rows, for M (r_1, ..., r_k, m).

    An orthogonal factor on the right changes nothing, so M is made square by QR before the next axis is contracted:
    some n_1 (n^2 + n r^2) multiplications in the plane in place of n_1 n_2 n^2. On the device products are cheaper.
    """
    inside = math.prod(M.shape[:-1])
    if M.shape[-1] > inside and not on_device(M):
        triangle = as_array(np.linalg.qr(M.reshape(inside, -1).T, mode="r"))
        M = triangle.T.reshape(*M.shape[:-1], -1)
    if len(rows) == 1:
        return ((rows[0] @ M) ** 2).sum(axis=1)
    flat = M.reshape(M.shape[0], -1)
    return np.stack([contracted_squares(rows[1:], (row @ flat).reshape(M.shape[1:])) for row in rows[0]])


class ExactPosterior:
    """From a triangular factor of the precision matrix."""

    exact = True

    def __init__(self, bases: Sequence[AxisBasis], factor: Factor, s: np.ndarray) -> None:
        self.bases, self.factor, self.s = bases, factor, s
        self._inverse: np.ndarray | None = None

    def _rows(self, rows: Sequence[np.ndarray]) -> list[np.ndarray]:
        return [beside(basis.rows(F), self.s) for basis, F in zip(self.bases, rows, strict=True)]

    def inverse(self) -> np.ndarray:
        """P^-1 = E D R^-1, formed once: n^3 / 3 multiplications, n^2 doubles."""
        if self._inverse is None:
            self._inverse = self.factor.solve(namespace(self.s).eye(self.factor.D.size))
        return self._inverse

    def variance(self, rows: Sequence[np.ndarray]) -> np.ndarray:
        return contracted_squares(self._rows(rows), self.inverse().reshape(*self.s.shape, -1))

    def variance_at(self, rows: Sequence[np.ndarray], piece: int = 512) -> np.ndarray:
        turned = self._rows(rows)
        found = []
        for start in range(0, turned[0].shape[0], piece):
            points = rowwise_kron([F[start : start + piece] for F in turned])
            found.append((self.factor.solve_transposed(points.T) ** 2).sum(axis=0))
        return np.concatenate(found) if found else zeros(0, np.float64, self.s)

    def covariance(self, Z: np.ndarray) -> np.ndarray:
        """The posterior covariance of the coefficients z, applied to Z."""
        return self.factor.solve(self.factor.solve_transposed(Z.ravel())).reshape(Z.shape)

    def samples(self, count: int, rng: np.random.Generator) -> np.ndarray:
        drawn = self.factor.solve(beside(rng.standard_normal((self.factor.D.size, count)), self.s))
        return np.moveaxis(drawn.reshape(*self.s.shape, count), -1, 0)

    @property
    def logdet(self) -> float:
        """log det(I + S A^T W^2 A S): the precision matrix relative to the prior's."""
        return self.factor.logdet + 2.0 * float(np.log(self.s).sum())


class SampledPosterior:
    """From solves with perturbed data: z_0 from the prior, noise on every row, z_0 + solve(b - A z_0 + noise) - mean.

    Each draw costs a solve. A variance from n draws is off by sqrt(2 / n) of itself; `count` says how many are taken.
    """

    exact = False

    def __init__(
        self,
        bases: Sequence[AxisBasis],
        draw: Callable[[np.random.Generator], np.ndarray],
        count: int = 32,
        rng: np.random.Generator | None = None,
    ) -> None:
        self.bases, self.draw, self.count = bases, draw, count
        self.rng = np.random.default_rng(0) if rng is None else rng
        self._kept: list[np.ndarray] = []

    @property
    def drawn(self) -> bool:
        """Whether the draws have been made."""
        return bool(self._kept)

    def _draws(self) -> list[np.ndarray]:
        while len(self._kept) < self.count:
            self._kept.append(self.draw(self.rng))
        return self._kept

    def variance(self, rows: Sequence[np.ndarray]) -> np.ndarray:
        turned = [basis.rows(F) for basis, F in zip(self.bases, rows, strict=True)]
        return sum(chain(turned, Z) ** 2 for Z in self._draws()) / self.count  # type: ignore[return-value]

    def variance_at(self, rows: Sequence[np.ndarray], piece: int = 512) -> np.ndarray:
        turned = [basis.rows(F) for basis, F in zip(self.bases, rows, strict=True)]
        flat = np.stack([Z.ravel() for Z in self._draws()])
        total = zeros(turned[0].shape[0], np.float64, flat)
        for start in range(0, total.size, piece):
            points = rowwise_kron([F[start : start + piece] for F in turned])
            total[start : start + piece] = ((points @ flat.T) ** 2).mean(axis=1)
        return total

    def samples(self, count: int, rng: np.random.Generator) -> np.ndarray:
        return np.stack([self.draw(rng) for _ in range(count)])
