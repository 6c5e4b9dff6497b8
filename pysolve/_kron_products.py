"""The chain of mode products, y = (A_1 x ... x A_d) x: the order of the factors and the buffers between them."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from pysolve._backend import kernels, namespace
from pysolve._kron_workspace import Workspace

# Rows or columns of a factor up to which the compiled kernel is ahead of NumPy's BLAS, and on the device of cuBLAS: as
# far as factors share a pass through memory there.
MOST_IN_KERNEL = {"cpu": 160, "cuda": 64}


class Chain:
    """Products with all factors one after another.

    ``x`` has shape (n_1, ..., n_d, columns) in C order, ``y`` (m_1, ..., m_d, columns). A factor along axis j is
    one product of A_j with the array (left, n_j, right) for the axes before and after it; identities are skipped.
    """

    def __init__(self, factors: tuple) -> None:
        self.factors = factors
        axes = [axis for axis, factor in enumerate(factors) if not factor.is_identity]
        # i before j costs nnz_i n_j + nnz_j m_i for the same rest: least in falling order of (n - m) / nnz.
        self.order = sorted(axes, key=lambda axis: -_shrinkage(factors[axis]))
        self.fused = _for_the_kernel(factors)
        self._asked = -1, 0  # columns, and the work that the kernel needs for so many
        # One product with a large matrix for each mode is what cuBLAS does best.
        self.turns = factors[0].place == "cuda" and _all_are_large(factors)

    def apply(self, x: np.ndarray, y: np.ndarray, workspace: Workspace) -> None:
        """Write the product into `y`; both contiguous, of one type, (N, columns) and not overlapping."""
        if not self.order:
            y[...] = x
            return
        if self.fused and x.size and y.size:
            self._apply_fused(x, y, workspace)
            return
        alike = (
            x.dtype.kind == self.factors[0].dtype.kind
        )  # else a real factor takes pairs of real numbers, below
        if self.turns and alike and x.shape[1] == 1 and x.size and y.size:
            self._apply_by_turns(x, y)
            return
        dims = [factor.shape[1] for factor in self.factors]
        columns, source = x.shape[1], x.reshape(-1)
        for step, axis in enumerate(self.order):
            factor = self.factors[axis]
            left, right = math.prod(dims[:axis]), math.prod(dims[axis + 1 :]) * columns
            dims[axis] = factor.shape[0]
            size = math.prod(dims) * columns
            to_come = len(self.order) - 1 - step
            if to_come % 2 == 0 and size <= y.size:  # y itself is every other buffer
                target = y.reshape(-1)[:size]
            else:
                target = workspace.array(("chain", to_come % 2), (size,), x.dtype, x)
            mode_product(factor, source, target, left, right, workspace)
            source = target

    def _apply_by_turns(self, x: Any, y: Any) -> None:
        """One vector: each mode is the last axis, and its result the first, so that d turns restore the order.

        y_(i, rest) = sum_k A_ik x_(rest, k): a matrix product for each mode, whose transpose BLAS reads in place.
        """
        xp = namespace(x)
        first, *others = (factor.toarray() for factor in self.factors)
        for A in reversed(others):
            x = xp.matmul(A, x.reshape(-1, A.shape[1]).T)
        xp.matmul(first, x.reshape(-1, first.shape[1]).T, out=y.reshape(first.shape[0], -1))

    def _apply_fused(self, x: np.ndarray, y: np.ndarray, workspace: Workspace) -> None:
        """The whole chain by the compiled kernel; trailing identities make columns, and so do complex numbers."""
        dtype = self.fused[0].dtype
        n, m = (math.prod(A.shape[side] for A in self.fused) for side in (1, 0))
        x, y = x.view(dtype).reshape(n, -1), y.view(dtype).reshape(m, -1)
        backend = kernels(x)
        work = workspace.array("kernel", (self._work_size(backend, x.shape[1]),), dtype, x)
        backend.kron_matvec(self.fused, x, y, work)

    def _work_size(self, backend: Any, columns: int) -> int:
        """Of the kernel; on the host it goes by the number of threads, and is asked for each time."""
        asked = self._asked  # another thread may ask for another number
        if self.factors[0].place == "cpu" or asked[0] != columns:
            asked = self._asked = columns, backend.kron_work_size(self.fused, columns)
        return asked[1]


def _for_the_kernel(factors: tuple) -> list[np.ndarray]:
    """The arrays of real dense factors without identities between them, if the kernel is the fastest for all."""
    last = max((axis for axis, factor in enumerate(factors) if not factor.is_identity), default=-1)
    arrays = [getattr(factor, "real_array", None) for factor in factors[: last + 1]]
    small = [A for A in arrays if A is not None and max(A.shape) <= MOST_IN_KERNEL[factors[0].place]]
    return small if len(small) == len(arrays) else []


def _all_are_large(factors: tuple) -> bool:
    least = MOST_IN_KERNEL[factors[0].place]
    return all(hasattr(factor, "real_array") and min(factor.shape) > least for factor in factors)


def _shrinkage(factor: Any) -> float:
    return (factor.shape[1] - factor.shape[0]) / max(factor.n_multiplied, 1)


def mode_product(
    factor: Any, x: np.ndarray, y: np.ndarray, left: int, right: int, workspace: Workspace
) -> None:
    """y[l, :, r] = A x[l, :, r] on flat arrays; a real factor takes complex numbers as pairs of real ones."""
    if y.size == 0:
        return
    if x.size == 0:
        y.fill(0)
        return
    if x.dtype.kind == "c" and factor.dtype.kind == "f":
        x, y, right = x.view(factor.dtype), y.view(factor.dtype), 2 * right
    m, n = factor.shape
    factor.apply(x.reshape(left, n, right), y.reshape(left, m, right), workspace)


def dense_product(A: np.ndarray, x: np.ndarray, y: np.ndarray) -> None:
    """y[l, :, r] = A x[l, :, r] for x (left, n, right), by matrix products that write into y."""
    xp = namespace(x)
    if A.dtype.kind == "f" and max(A.shape) <= MOST_IN_KERNEL["cpu" if xp is np else "cuda"]:
        kernels(x).kron_mode_product(A, x, y)
    elif x.shape[2] == 1:
        xp.matmul(x[:, :, 0], A.T, out=y[:, :, 0])
    elif x.shape[0] == 1:
        xp.matmul(A, x[0], out=y[0])
    else:
        xp.matmul(A, x, out=y)
