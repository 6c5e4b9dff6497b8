"""Products of a tensor with one small matrix per axis: y[l, :, r] = A x[l, :, r], axis after axis."""

from __future__ import annotations

import functools
import math
from collections.abc import Sequence

import numpy as np


def mode_product(A: np.ndarray, X: np.ndarray, axis: int) -> np.ndarray:
    """The tensor X (..., n_axis, ...) with A (m, n_axis) applied along `axis`; 2 m prod(n) flops."""
    left, right = math.prod(X.shape[:axis]), math.prod(X.shape[axis + 1 :])
    shape = (*X.shape[:axis], A.shape[0], *X.shape[axis + 1 :])
    if right == 1:
        return (X.reshape(left, X.shape[axis]) @ A.T).reshape(shape)
    return np.matmul(A, X.reshape(left, X.shape[axis], right)).reshape(shape)


def chain(factors: Sequence[np.ndarray | None], X: np.ndarray) -> np.ndarray:
    """All modes in turn, (A_1 x ... x A_d) X; None stands for the identity. The most shrinking mode comes first."""

    def growth(axis: int) -> float:
        A = factors[axis]
        return 1.0 if A is None else A.shape[0] / max(A.shape[1], 1)

    for axis in sorted(range(len(factors)), key=growth):
        A = factors[axis]
        if A is not None:
            X = mode_product(A, X, axis)
    return X


def rowwise_kron(factors: Sequence[np.ndarray]) -> np.ndarray:
    """Row p is the Kronecker product of the rows p of the factors (n, r_j): an (n, prod r_j) matrix."""
    product = factors[0]
    for F in factors[1:]:
        product = (product[:, :, None] * F[:, None, :]).reshape(product.shape[0], -1)
    return product


def kron_all(factors: Sequence[np.ndarray]) -> np.ndarray:
    """The Kronecker product of the matrices, formed."""
    return functools.reduce(np.kron, factors) if len(factors) else np.ones((1, 1))
