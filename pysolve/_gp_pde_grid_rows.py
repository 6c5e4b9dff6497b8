"""Rows of the least-squares problem: sums of Kronecker products, weighted, and rows at scattered points.

Both kinds have ``forward(Z)``, which is W A z, ``adjoint(Y)``, A^T W y, ``right``, W b, and ``dense()``, W A formed.
The factors of rows on a grid are on the host, with copies (`placed`) where the right-hand side is, on which all
products are made; those of points are where the points are.
"""

from __future__ import annotations

import dataclasses
import functools
import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from pysolve._backend import as_array, beside, on_host, zeros
from pysolve._gp_pde_device import Uploads, spread
from pysolve._gp_pde_grid_products import chain, kron_all, mode_product, rowwise_kron

Coefficient = float | np.ndarray
Term = tuple[Coefficient, list[np.ndarray]]


def weights(sd: float | np.ndarray, right: np.ndarray) -> tuple[float | np.ndarray, np.ndarray]:
    """1 / sd, zero where the right-hand side is not known, and the right-hand side without NaN."""
    known = np.isfinite(right)
    w = 1.0 / as_array(sd)
    first = w[(0,) * w.ndim]
    if bool(known.all()) and bool((w == first).all()):
        return float(first), right
    return np.where(known, spread(w, right.shape, right), 0.0), np.where(known, right, 0.0)


@dataclasses.dataclass(eq=False)
class KronRows:
    """W (sum_t a_t F_t1 x ... x F_td) z = W b on a grid of rows (m_1, ..., m_d); a_t a number or an array on that grid.

    `outside` is the sum of squares of W b that no z can reach, taken away by `compressed`; `count` is the number of
    rows that it stands for, and `log_weight` the sum of their log weights.
    """

    terms: list[Term]
    weight: Coefficient
    values: np.ndarray
    outside: float = 0.0
    count: int = -1
    log_weight: float = 0.0

    def __post_init__(self) -> None:
        if self.count < 0:
            w = spread(self.weight, self.values.shape, self.values)
            self.count = int((w > 0).sum())
            self.log_weight = float(np.log(w[w > 0]).sum())

    @functools.cached_property
    def placed(self) -> list[Term]:
        """The terms with their factors where the right-hand side is; one that is shared is copied once."""
        up = Uploads(self.values)
        return [(a, [up(F) for F in factors]) for a, factors in self.terms] if up.needed else self.terms

    @property
    def right(self) -> np.ndarray:
        return self.weight * self.values

    @property
    def constant(self) -> bool:
        """Whether weight and coefficients are numbers: then the rows are a plain sum of Kronecker products."""
        return np.ndim(self.weight) == 0 and all(np.ndim(a) == 0 for a, _ in self.terms)

    def unweighted(self, Z: np.ndarray) -> np.ndarray:
        total, made = zeros(self.values.shape, np.float64, self.values), {}
        for a, factors in self.placed:
            # Terms often share the factor of an axis: its product is made once.
            key = id(factors[0])
            if key not in made:
                made[key] = mode_product(factors[0], Z, 0)
            total += a * chain([None, *factors[1:]], made[key])
        return total

    def forward(self, Z: np.ndarray) -> np.ndarray:
        return self.weight * self.unweighted(Z)

    def adjoint(self, Y: np.ndarray) -> np.ndarray:
        Y = self.weight * Y
        parts: dict[int, tuple[np.ndarray, np.ndarray]] = {}
        for a, factors in self.placed:
            part = chain([None, *(F.T for F in factors[1:])], a * Y)
            key = id(factors[0])
            parts[key] = (factors[0], parts[key][1] + part if key in parts else part)
        return sum(mode_product(F.T, part, 0) for F, part in parts.values())  # type: ignore[return-value]

    def dense(self) -> np.ndarray:
        return sum(
            spread(self.weight * a, self.values.shape, self.values).reshape(-1, 1) * kron_all(factors)
            for a, factors in self.placed
        )

    def separated(self) -> KronRows:
        """Coefficients that vary along one axis only, or are a sum of few such products, moved into the factors."""
        terms = [piece for a, factors in self.terms for piece in split_term(a, factors, self.values.shape)]
        return dataclasses.replace(self, terms=terms)

    def compressed(self, rtol: float = 1e-15) -> KronRows:
        """The same normal equations with fewer rows: projected on what the factors of each axis can reach."""
        if not self.constant:
            return self
        reach = [
            common_range([factors[j] for _, factors in self.terms], rtol) for j in range(self.values.ndim)
        ]
        moved = [None if Q is None else beside(Q, self.values) for Q in reach]
        inside = chain([None if Q is None else Q.T for Q in moved], self.values)
        lost = self.values - chain(moved, inside)
        made: dict[tuple[int, int], np.ndarray] = {}
        for _, factors in self.terms:
            for j, (Q, F) in enumerate(zip(reach, factors, strict=True)):
                made.setdefault((j, id(F)), F if Q is None else Q.T @ F)
        terms: list[Term] = [
            (a, [made[j, id(F)] for j, F in enumerate(factors)]) for a, factors in self.terms
        ]
        outside = self.outside + float((self.weight * lost).ravel() @ (self.weight * lost).ravel())
        return dataclasses.replace(self, terms=terms, values=inside, outside=outside)


def common_range(factors: Sequence[np.ndarray], rtol: float) -> np.ndarray | None:
    """An orthonormal basis of what the factors' columns span to `rtol` of each factor's norm; None: everything."""
    distinct = {id(F): F for F in factors}.values()
    stacked = np.hstack([F / (np.linalg.norm(F) or 1.0) for F in distinct])
    if stacked.shape[0] == 1:
        return None
    U, sigma, _ = np.linalg.svd(stacked, full_matrices=False)
    rank = max(int((sigma > rtol * sigma[0]).sum()), 1)
    return None if rank == stacked.shape[0] else U[:, :rank]


def split_term(
    a: Coefficient, factors: list[np.ndarray], shape: tuple[int, ...], most: int = 6
) -> list[Term]:
    """a F_1 x ... x F_d as terms with numbers for coefficients; as it is where the coefficient is not of low rank."""
    if np.ndim(a) == 0:
        return [(a, factors)]
    field: np.ndarray = as_array(a)
    varying = [j for j, n in enumerate(field.shape) if n > 1]
    if len(varying) <= 1:
        line = on_host(field.reshape(-1, 1))
        scaled = [line * F if j in varying else F for j, F in enumerate(factors)]
        return [(1.0 if varying else float(line[0, 0]), scaled)]
    if len(shape) != 2:
        return [(a, factors)]
    U, sigma, Vt = np.linalg.svd(spread(field, shape, field), full_matrices=False)
    rank = int((sigma > 1e-15 * max(float(sigma[0]), 1e-300)).sum())
    if rank > most:
        return [(a, factors)]
    U, sigma, Vt = on_host(U[:, :rank]), on_host(sigma), on_host(Vt[:rank])
    return [(sigma[k], [U[:, k : k + 1] * factors[0], Vt[k][:, None] * factors[1]]) for k in range(rank)]


@dataclasses.dataclass(eq=False)
class PointRows:
    """w_p sum_t a_t(p) (f_t1(p) x ... x f_td(p)) z = w_p b_p at n scattered points; the factors are (n, r_j)."""

    terms: list[Term]
    weight: Any
    values: np.ndarray
    outside: float = 0.0

    def __post_init__(self) -> None:
        self.weight = spread(self.weight, self.values.shape, self.values)
        self.count = int((self.weight > 0).sum())
        self.log_weight = float(np.log(self.weight[self.weight > 0]).sum())

    @property
    def right(self) -> np.ndarray:
        return self.weight * self.values

    def forward(self, Z: np.ndarray) -> np.ndarray:
        total = zeros(self.values.shape, np.float64, self.values)
        for a, factors in self.terms:
            part = mode_product(factors[0], Z, 0).reshape(self.values.size, -1)
            for F in factors[1:]:
                part = np.einsum("pj,pjk->pk", F, part.reshape(part.shape[0], F.shape[1], -1))
            total += a * part.reshape(-1)
        return self.weight * total

    def adjoint(self, Y: np.ndarray) -> np.ndarray:
        shape = [F.shape[1] for F in self.terms[0][1]]
        total = zeros((shape[0], math.prod(shape[1:])), np.float64, self.values)
        for a, factors in self.terms:
            y = (a * self.weight * Y)[:, None]
            total += factors[0].T @ (y * rowwise_kron(factors[1:]) if len(factors) > 1 else y)
        return total.reshape(shape)

    def dense(self) -> np.ndarray:
        columns = [a if np.ndim(a) == 0 else as_array(a).reshape(-1, 1) for a, _ in self.terms]
        rows = sum(a * rowwise_kron(factors) for a, (_, factors) in zip(columns, self.terms, strict=True))
        return self.weight[:, None] * rows


Rows = KronRows | PointRows
