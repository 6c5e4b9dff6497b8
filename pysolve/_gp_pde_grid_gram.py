"""The matrix of the normal equations, A^T W^2 A and the prior, built from small Gram matrices per axis.

A sum of T Kronecker products gives T^2 Kronecker products of (r_j, r_j) matrices, summed in n^2 T multiplications,
whatever the number of grid points. A coefficient or a mask on a plane grid is split by its SVD into products first.
The equations are squared here, so the factor of this matrix is a preconditioner and the answer is refined.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from pysolve._backend import as_array, beside, namespace, on_host, zeros
from pysolve._gp_pde_device import spread
from pysolve._gp_pde_grid_products import kron_all, mode_product, rowwise_kron
from pysolve._gp_pde_grid_rows import KronRows, PointRows, Rows

Piece = tuple[float, list[np.ndarray]]


def separable_pairs(block: KronRows) -> list[Piece]:
    """The block's A^T W^2 A as a sum of Kronecker products; None of the fields varies on the grid."""
    w, grams = float(block.weight), {}
    pieces = []
    for a, left in block.placed:
        for b, right in block.placed:
            factors = []
            for F, H in zip(left, right, strict=True):
                key = (id(F), id(H))
                if key not in grams:
                    grams[key] = F.T @ H
                factors.append(grams[key])
            pieces.append((w * w * float(a) * float(b), factors))
    return pieces


def plane_pairs(block: KronRows) -> list[Piece]:
    """The same for fields that vary on a plane grid: w^2 a b = sum_k alpha_k beta_k^T."""
    pieces: list[Piece] = []
    for a, left in block.placed:
        for b, right in block.placed:
            field = spread(block.weight**2 * a * b, block.values.shape, block.values)
            U, sigma, Vt = np.linalg.svd(field, full_matrices=False)
            sigma = on_host(sigma)
            for k in np.flatnonzero(sigma > 1e-16 * sigma[0]).tolist():
                G = (left[0] * U[:, k : k + 1]).T @ right[0]
                H = (left[1] * Vt[k][:, None]).T @ right[1]
                pieces.append((float(sigma[k]), [G, H]))
    return pieces


def add_pieces(matrix: np.ndarray, pieces: list[Piece]) -> None:
    """Add the Kronecker products to the lower block triangle of the matrix: block (i, k) is n_rest x n_rest, k <= i."""
    if not pieces:
        return
    pieces = [(scale, [beside(F, matrix) for F in factors]) for scale, factors in pieces]
    first = np.stack([scale * factors[0] for scale, factors in pieces])
    rest = np.stack([rest_of(factors) for _, factors in pieces])
    r, n_rest = first.shape[1], round(rest.shape[1] ** 0.5)
    for i in range(r):
        made = (first[:, i, : i + 1].T @ rest).reshape(i + 1, n_rest, n_rest)
        rows = matrix[i * n_rest : (i + 1) * n_rest].reshape(n_rest, r, n_rest)
        rows[:, : i + 1] += made.transpose(1, 0, 2)


def rest_of(factors: list[np.ndarray]) -> np.ndarray:
    """The Kronecker product of all factors but the first, flat."""
    return kron_all(factors[1:]).ravel() if len(factors) > 1 else namespace(factors[0]).ones(1)


def add_general(matrix: np.ndarray, block: KronRows) -> None:
    """Add a block whose fields vary on a grid of any dimension: the field is contracted axis by axis."""
    d = block.values.ndim
    for a, left in block.placed:
        for b, right in block.placed:
            field = spread(block.weight**2 * a * b, block.values.shape, block.values).copy()
            for j in range(d):
                field = mode_product(rowwise_kron([left[j], right[j]]).T, field, j)
            sizes = [F.shape[1] for F in left]
            field = field.reshape([r for r in sizes for _ in range(2)])
            order = [*range(0, 2 * d, 2), *range(1, 2 * d, 2)]
            matrix += field.transpose(order).reshape(matrix.shape)


def add_points(matrix: np.ndarray, block: PointRows, piece: int = 4096) -> None:
    for start in range(0, block.values.size, piece):
        part = slice(start, start + piece)
        terms: list[Any] = [
            (a if np.ndim(a) == 0 else as_array(a)[part], [F[part] for F in factors])
            for a, factors in block.terms
        ]
        rows = PointRows(terms, block.weight[part], block.values[part]).dense()
        matrix += rows.T @ rows


def gram(blocks: Sequence[Rows], prior: Sequence[np.ndarray]) -> np.ndarray:
    """A^T W^2 A + prior_1 x ... x prior_d; only the lower triangle is right; n^2 multiplications per piece."""
    n = math.prod(len(P) for P in prior)
    matrix = zeros((n, n), np.float64, blocks[0].values if blocks else None)
    pieces: list[Piece] = [(1.0, list(prior))]
    for block in blocks:
        if isinstance(block, PointRows):
            add_points(matrix, block)
        elif block.constant:
            pieces += separable_pairs(block)
        elif block.values.ndim == 2:
            pieces += plane_pairs(block)
        else:
            add_general(matrix, block)
    add_pieces(matrix, pieces)
    return matrix
