"""A preconditioner for more unknowns than a factor can hold: a factor of the leading ones, the diagonal elsewhere.

Leading are the coefficients that the rows say most of beside the prior, going by the diagonals. The others are mostly
held by the prior, and in the coordinates of the conditions the diagonal is near enough there.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from pysolve._backend import beside, namespace, zeros
from pysolve._gp_pde_device import spread
from pysolve._gp_pde_grid_factor import Factor, eliminated, factor_of
from pysolve._gp_pde_grid_gram import Piece, plane_pairs, separable_pairs
from pysolve._gp_pde_grid_products import chain
from pysolve._gp_pde_grid_rows import KronRows, PointRows, Rows
from pysolve._gp_pde_grid_system import RowSet

Indices = tuple[np.ndarray, ...]


def averaged(block: KronRows) -> KronRows:
    """The block with means for its fields: near enough for a preconditioner in three dimensions."""
    weight = float(np.sqrt(np.mean(np.square(block.weight))))
    return dataclasses.replace(
        block, weight=weight, terms=[(float(np.mean(a)), factors) for a, factors in block.terms]
    )


def pieces_of(blocks: Sequence[Rows]) -> list[Piece]:
    """A^T W^2 A of all blocks on grids, as Kronecker products."""
    pieces: list[Piece] = []
    for block in blocks:
        if isinstance(block, PointRows):
            continue
        if block.constant:
            pieces += separable_pairs(block)
        else:
            pieces += plane_pairs(block) if block.values.ndim == 2 else separable_pairs(averaged(block))
    return pieces


def diagonal(pieces: Sequence[Piece], shape: tuple[int, ...], like: Any) -> np.ndarray:
    total = zeros(shape, np.float64, like)
    for scale, factors in pieces:
        part = namespace(like).full((), scale)
        for F in factors:
            part = part[..., None] * beside(np.diag(F), like)
        total += part
    return total


def point_columns(block: PointRows, at: Indices, piece: slice) -> np.ndarray:
    """Some of the rows, in the columns asked for."""
    rows: np.ndarray | float = 0.0
    for a, factors in block.terms:
        product: np.ndarray | float = 1.0
        for F, i in zip(factors, at, strict=True):
            product = product * F[piece][:, i]
        rows = rows + spread(a, block.values.shape, block.values)[piece].reshape(-1, 1) * product
    return block.weight[piece, None] * rows


def point_diagonal(block: PointRows, shape: tuple[int, ...]) -> np.ndarray:
    total = zeros(math.prod(shape), np.float64, block.values)
    everywhere = np.unravel_index(namespace(total).arange(total.size), shape)
    for start in range(0, block.values.size, 16):
        total += (point_columns(block, everywhere, slice(start, start + 16)) ** 2).sum(axis=0)
    return total.reshape(shape)


def gathered(pieces: Sequence[Piece], blocks: Sequence[Rows], at: Indices) -> np.ndarray:
    """The rows and columns `at` of the normal matrix; n^2 multiplications per piece and axis."""
    n = at[0].size
    matrix = zeros((n, n), np.float64, at[0])
    pieces = [(scale, [beside(F, matrix) for F in factors]) for scale, factors in pieces]
    for start in range(0, n, 256):
        part = slice(start, start + 256)
        for scale, factors in pieces:
            product: np.ndarray | float = scale
            for F, i in zip(factors, at, strict=True):
                product = product * F[i[part]][:, i]
            matrix[part] += product
    for block in blocks:
        if isinstance(block, PointRows):
            for start in range(0, block.values.size, 1024):
                rows = point_columns(block, at, slice(start, start + 1024))
                matrix += rows.T @ rows
    return matrix


class LeadingPreconditioner:
    """P^-1 in the coordinates of the conditions: a factor for the leading coefficients, the diagonal for the others."""

    def __init__(self, system: RowSet, most: int) -> None:
        self.shape = system.s.shape
        E, blocks, prior = eliminated(system)
        self.E = [beside(part, system.like) for part in E]
        pieces, own = pieces_of(blocks), [(1.0, list(prior))]
        data, precision = (diagonal(part, self.shape, system.like) for part in (pieces, own))
        for block in blocks:
            if isinstance(block, PointRows):
                data += point_diagonal(block, self.shape)
        self.scale = 1 / np.sqrt(data + precision).ravel()
        order = np.argsort(-(data / precision).ravel(), kind="stable")
        self.leading = np.sort(order[:most])
        at = np.unravel_index(self.leading, self.shape)
        matrix = gathered([*pieces, *own], blocks, at)
        self.factor: Factor = factor_of(matrix, [])

    def solve(self, y: np.ndarray) -> np.ndarray:
        """E times the two parts of y, each solved for."""
        out = self.scale * y
        out[self.leading] = self.factor.solve(y[self.leading])
        return chain(self.E, out.reshape(self.shape)).ravel()

    def solve_transposed(self, x: np.ndarray) -> np.ndarray:
        """Both parts of E^T x solved for."""
        y = chain([E.T for E in self.E], x.reshape(self.shape)).ravel()
        out = self.scale * y
        out[self.leading] = self.factor.solve_transposed(y[self.leading])
        return out
