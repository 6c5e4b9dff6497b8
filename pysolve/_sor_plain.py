"""Whole solves in one compiled call, where the arguments are plain: what small systems and time steps need."""

from __future__ import annotations

import dataclasses
import time
from typing import Any

import numpy as np

from pysolve import _arrays
from pysolve._backend import device_of, empty, kernels, on_device, zeros
from pysolve._csr import is_sparse, symmetry_tolerance
from pysolve._iterate import SPARE, summary
from pysolve._result import SolveResult, Status
from pysolve._sor_matrix import SorWorkspace, relative_asymmetry, split_of
from pysolve._stencil import StencilOperator

N_VECTORS = 7  # the residual twice, and those of ssor_cg
ENDS = {"converged": Status.CONVERGED, "maxiter": Status.MAXITER}
MOST = 1 << 62  # iterations, as the kernels count them
INDEX_TYPES = (np.dtype(np.int32), np.dtype(np.int64))


@dataclasses.dataclass(frozen=True)
class Relaxation:
    """What is to be done with a system: `sweep` is None for CG with the symmetric sweep as its preconditioner."""

    omega: float
    order: str
    sweep: int | None


def solve_plain(
    A: Any,
    b: Any,
    x0: Any,
    control: tuple[float, float, int | None],
    method: Relaxation,
    workspace: SorWorkspace | None,
) -> SolveResult | None:
    """The result, or None where anything about the arguments or the solve asks for a closer look.

    That look is what `solve_columns` does: it starts anew, words what is wrong with an argument, and has an answer
    to every numerical outcome.
    """
    start = time.perf_counter()
    if not _is_plain(A, b, x0):
        return None
    if workspace is not None and not workspace._lock.acquire(blocking=False):
        workspace = None
    try:
        with device_of(b):
            return _solve(A, b, x0, control, method, workspace, start)
    finally:
        if workspace is not None:
            workspace._lock.release()


def _is_plain(A: Any, b: Any, x0: Any) -> bool:
    if isinstance(A, StencilOperator):
        if A._keeps_arrays and on_device(A) != on_device(b):
            return False
        shifted = isinstance(A.shift, float) and A.shift > 0
        if not shifted and (A._decoupled.size or A.n_components):
            return False
    elif not _is_plain_csr(A) or on_device(A) != on_device(b):
        return False
    shape, dtype = (A.shape[0],), A.dtype
    return _is_plain_vector(b, shape, dtype) and (
        x0 is None or (type(x0) is type(b) and _is_plain_vector(x0, shape, dtype))
    )


def _is_plain_vector(v: Any, shape: tuple[int], dtype: np.dtype) -> bool:
    known = type(v) is np.ndarray or (type(v).__module__ == "cupy" and hasattr(v, "dtype"))
    return known and v.shape == shape and v.dtype == dtype and _is_dense(v)


def _is_plain_csr(A: Any) -> bool:
    if not is_sparse(A) or A.format != "csr":
        return False
    (indptr, indices, data), shape = (A.indptr, A.indices, A.data), A.shape
    return (
        len(shape) == 2
        and shape[0] == shape[1] == indptr.size - 1 > 0
        and indices.size == data.size
        and data.dtype in _arrays.VALUE_TYPES
        and indptr.dtype == indices.dtype
        and indptr.dtype in INDEX_TYPES
        and _is_dense(indptr)
        and _is_dense(indices)
        and _is_dense(data)
    )


def _is_dense(v: Any) -> bool:
    flags = v.flags
    return flags.c_contiguous and (on_device(v) or flags.aligned)


def _solve(
    A: Any,
    b: np.ndarray,
    x0: np.ndarray | None,
    control: tuple[float, float, int | None],
    method: Relaxation,
    workspace: SorWorkspace | None,
    start: float,
) -> SolveResult | None:
    n, dtype, (rtol, atol, maxiter) = b.size, b.dtype, control
    most = 10 * n + SPARE if maxiter is None else min(maxiter, MOST)
    matrix = _matrix(A, b, method, workspace)
    if matrix is None:
        return None
    n_values = N_VECTORS * n
    work = empty(n_values, dtype, b) if workspace is None else workspace.vectors(n_values, dtype, b)
    x = zeros(n, dtype, b) if x0 is None else x0.copy()
    ready = time.perf_counter()
    if isinstance(A, StencilOperator):
        solve = kernels(b).sor_solve_stencil
        matrix = (matrix, method.order)
    else:
        solve = kernels(b).sor_solve_csr
        matrix = (matrix, A.indptr, A.indices, A.data)
    end, norms, tolerance = solve(*matrix, b, x, work, method.omega, method.sweep, rtol, atol, most)
    status = ENDS.get(end)
    if status is None:
        return None
    iterations = norms.size - 1
    return SolveResult(
        x=x,
        info=0 if status is Status.CONVERGED else max(iterations, 1),
        status=status,
        iterations=iterations,
        residual_norms=norms,
        message=summary(status, norms.item(iterations), tolerance, iterations),
        setup_time=ready - start,
        solve_time=time.perf_counter() - ready,
    )


def _matrix(A: Any, b: Any, method: Relaxation, workspace: SorWorkspace | None) -> Any:
    """What the kernels take, or None where there is something to be said about A."""
    if isinstance(A, StencilOperator):
        return A._at(b)._kernel_args[0]
    arrays = A.indptr, A.indices, A.data
    split = split_of(arrays, method.order, workspace)
    if split.fault != "none":
        return None
    if method.sweep is None and relative_asymmetry(split) > symmetry_tolerance(A.dtype):
        return None
    return split
