"""Sums of Kronecker products as lists of (coefficient, factors): products, matrices, diagonals."""

from __future__ import annotations

import functools
import math
from typing import Any

import numpy as np
import scipy.sparse as sp

from pysolve._backend import namespace, zeros
from pysolve._kron_factors import DenseFactor, Factor, SparseFactor

Terms = list[tuple[Any, tuple[Factor, ...]]]


def multiply(A: Factor, B: Factor) -> Factor:
    """The product of two factors along one axis."""
    if A.is_identity:
        return B
    if B.is_identity:
        return A
    if isinstance(A, SparseFactor) and isinstance(B, SparseFactor):
        product = sp.csr_array(A.A @ B.A)
        product.sum_duplicates()
        return SparseFactor(product)
    return DenseFactor(A.toarray() @ B.toarray())


def multiply_terms(left: Terms, right: Terms) -> Terms:
    """(sum_s A_s)(sum_t B_t), term by term; ValueError where the factors do not fit."""
    for one, other in zip(left[0][1], right[0][1], strict=False):
        if one.shape[1] != other.shape[0] or len(left[0][1]) != len(right[0][1]):
            raise ValueError(
                f"the factors must fit axis by axis: those of the left operator have shapes {_shapes(left)}, "
                f"those of the right one {_shapes(right)}"
            )
    return [
        (a * b, tuple(multiply(A, B) for A, B in zip(As, Bs, strict=True)))
        for a, As in left
        for b, Bs in right
    ]


def check_same_axes(terms: Terms, name: str = "terms") -> None:
    """ValueError for a term whose factors have other shapes than those of the first."""
    expected = [factor.shape for factor in terms[0][1]]
    for t, (_, factors) in enumerate(terms):
        found = [factor.shape for factor in factors]
        if found != expected:
            raise ValueError(f"{name}[{t}] must have factors of shapes {expected} as {name}[0], got {found}")


def shape_of(factors: tuple[Factor, ...]) -> tuple[int, int]:
    """Shape of the Kronecker product."""
    return math.prod(A.shape[0] for A in factors), math.prod(A.shape[1] for A in factors)


def to_csr(terms: Terms, dtype: np.dtype) -> sp.csr_array:
    """The sum as one sparse matrix."""
    matrices = [c * _kron_csr(factors) for c, factors in terms]
    total = sp.csr_array(functools.reduce(lambda one, other: one + other, matrices))
    total.sum_duplicates()
    return total.astype(dtype)


def _kron_csr(factors: tuple[Factor, ...]) -> Any:
    m, n = shape_of(factors)
    if m * n == 0:
        return sp.csr_array((m, n), dtype=np.result_type(*(A.dtype for A in factors)))
    return functools.reduce(lambda A, B: sp.kron(A, B, format="csr"), (A.tocsr() for A in factors))


def to_array(terms: Terms, dtype: np.dtype) -> np.ndarray:
    """The sum as one dense matrix."""
    total: Any = None
    for c, factors in terms:
        matrices = [A.toarray() for A in factors]
        product = c * functools.reduce(namespace(*matrices).kron, matrices)
        total = product if total is None else total + product
    return total.astype(dtype, copy=False)


def diagonal(terms: Terms, dtype: np.dtype) -> np.ndarray:
    """The diagonal of the sum, without its matrix."""
    total = zeros(min(shape_of(terms[0][1])), dtype, terms[0][1][0].diagonal())
    for c, factors in terms:
        if all(A.is_square for A in factors):
            total += c * functools.reduce(
                lambda a, b: (a[:, None] * b).ravel(), [A.diagonal() for A in factors]
            )
        else:
            total += c * _diagonal_of_rectangles(factors, total.size)
    return total


def _diagonal_of_rectangles(factors: tuple[Factor, ...], size: int) -> np.ndarray:
    """Entry p is the product of A_j[i_j, k_j], where p is (i_1, ..., i_d) in the rows and (k_1, ...) in the columns."""
    matrices = [A.toarray() for A in factors]
    xp = namespace(*matrices)
    rows = xp.unravel_index(xp.arange(size), tuple(A.shape[0] for A in factors))
    columns = xp.unravel_index(xp.arange(size), tuple(A.shape[1] for A in factors))
    entries = (A[i, k] for A, i, k in zip(matrices, rows, columns, strict=True))
    return functools.reduce(np.multiply, entries)


def _shapes(terms: Terms) -> list[tuple[int, int]]:
    return [factor.shape for factor in terms[0][1]]
