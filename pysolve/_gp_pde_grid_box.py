"""A preconditioner for more unknowns than a factor can hold: a factor of the leading box, the diagonal elsewhere.

The bases are sorted by prior deviation, so the leading coefficients of every axis are those that the data can move, and
what lies outside is mostly held by the prior, whose normal matrix is diagonal.
"""

from __future__ import annotations

import dataclasses

import numpy as np

from pysolve._gp_pde_grid_factor import Factor, cholesky_factor
from pysolve._gp_pde_grid_products import kron_all, mode_product
from pysolve._gp_pde_grid_rows import KronRows, PointRows, Rows, Term
from pysolve._gp_pde_grid_system import RowSet


def leading(block: Rows, box: tuple[int, ...]) -> Rows:
    """The same rows with the leading columns of each axis only."""
    cut: dict[tuple[int, int], np.ndarray] = {}
    for _, factors in block.terms:
        for j, F in enumerate(factors):
            cut.setdefault((j, id(F)), F[:, : box[j]])
    terms: list[Term] = [(a, [cut[j, id(F)] for j, F in enumerate(factors)]) for a, factors in block.terms]
    return dataclasses.replace(block, terms=terms)


def kron_diagonal(block: KronRows) -> np.ndarray:
    total = np.zeros([F.shape[1] for F in block.terms[0][1]])
    for a, left in block.terms:
        for b, right in block.terms:
            products = [F * H for F, H in zip(left, right, strict=True)]
            field = block.weight**2 * a * b
            if np.ndim(field) == 0:
                sums = [F.sum(axis=0)[:, None] for F in products]
                total += field * kron_all(sums).reshape(total.shape)
                continue
            field = np.broadcast_to(field, block.values.shape)
            for j, F in enumerate(products):
                field = mode_product(F.T, field, j)
            total += field
    return total


def point_diagonal(block: PointRows, piece: int = 64) -> np.ndarray:
    shape = tuple(F.shape[1] for F in block.terms[0][1])
    total = np.zeros(int(np.prod(shape)))
    for start in range(0, block.values.size, piece):
        part = slice(start, start + piece)
        terms: list[Term] = [
            (a if np.ndim(a) == 0 else np.asarray(a)[part], [F[part] for F in factors])
            for a, factors in block.terms
        ]
        total += (PointRows(terms, block.weight[part], block.values[part]).dense() ** 2).sum(axis=0)
    return total.reshape(shape)


def diagonal(system: RowSet) -> np.ndarray:
    """The diagonal of A^T W^2 A + diag(s^-2)."""
    total = system.s**-2.0
    for block in system.blocks:
        total = total + (kron_diagonal(block) if isinstance(block, KronRows) else point_diagonal(block))
    return total


def leading_box(size: tuple[int, ...], most: int) -> tuple[int, ...]:
    """The largest box of nearly equal sides with at most `most` coefficients."""
    box = [1] * len(size)
    while True:
        open_axes = [j for j in range(len(size)) if box[j] < size[j]]
        for j in sorted(open_axes, key=lambda j: box[j] / size[j]):
            if np.prod(box) / box[j] * (box[j] + 1) <= most:
                box[j] += 1
                break
        else:
            return tuple(box)


class BoxPreconditioner:
    """P^-1 for coefficients inside the box by its factor, outside by the root of the diagonal."""

    def __init__(self, system: RowSet, most: int) -> None:
        self.shape = system.s.shape
        self.box = tuple(slice(0, k) for k in leading_box(self.shape, most))
        sides = tuple(part.stop for part in self.box)
        inner = RowSet(
            [leading(block, sides) for block in system.blocks],
            [s[:k] for s, k in zip(system.axis_s, sides, strict=True)],
            [B[:, :k] for B, k in zip(system.functionals, sides, strict=True)],
        )
        self.factor: Factor = cholesky_factor(inner)
        self.scale = 1 / np.sqrt(diagonal(system))

    def _apply(self, y: np.ndarray, transposed: bool) -> np.ndarray:
        Y = y.reshape(self.shape)
        out = self.scale * Y
        inner = np.ascontiguousarray(Y[self.box]).ravel()
        done = self.factor.solve_transposed(inner) if transposed else self.factor.solve(inner)
        out[self.box] = done.reshape(out[self.box].shape)
        return out.ravel()

    def solve(self, y: np.ndarray) -> np.ndarray:
        return self._apply(y, False)

    def solve_transposed(self, x: np.ndarray) -> np.ndarray:
        return self._apply(x, True)
