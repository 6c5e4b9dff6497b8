"""Conjugate gradients by each library as calls of no arguments, on the same system to the same tolerance.

A call returns (x, iterations or None where the library does not count them). Loads the libraries when called.
"""

from collections.abc import Callable
from typing import Any

import numpy as np

Solve = Callable[[], tuple[np.ndarray, int | None]]


def pysolve_cg(A: Any, b: np.ndarray, make_inverse: Any = None, method: str = "cg", **options: Any) -> Solve:
    """A method of pysolve; `make_inverse(A)` makes M within the call."""
    import pysolve

    def run() -> tuple[np.ndarray, int]:
        M = make_inverse(A) if make_inverse else None
        result = getattr(pysolve, method)(A, b, M=M, **options)
        return result.x, result.iterations

    return run


def scipy_cg(A: Any, b: np.ndarray, make_inverse: Any = None, **options: Any) -> Solve:
    """scipy's cg, which does not count."""
    import scipy.sparse.linalg as spla

    def run() -> tuple[np.ndarray, None]:
        M = make_inverse(A) if make_inverse else None
        return spla.cg(A, b, M=M, **options)[0], None

    return run


def pyamg_cg(
    A: Any, b: np.ndarray, make_inverse: Any = None, rtol: float = 1e-5, maxiter: int | None = None
) -> Solve:
    """pyamg's cg."""
    import pyamg

    def run() -> tuple[np.ndarray, int]:
        norms: list[float] = []
        M = make_inverse(A) if make_inverse else None
        x, _ = pyamg.krylov.cg(A, b, tol=rtol, criteria="rr", maxiter=maxiter, M=M, residuals=norms)
        return x, len(norms) - 1

    return run


def scipy_jacobi_matrix(A: Any) -> Any:
    """The inverse diagonal as a sparse matrix."""
    import scipy.sparse as sp

    return sp.dia_array((1.0 / A.diagonal()[None, :], [0]), shape=A.shape)


def petsc_solve(solver: Any, b: np.ndarray) -> Solve:
    """A solve with a solver that has been set up."""

    def run() -> tuple[np.ndarray, int]:
        right, x = solver.getOperators()[0].createVecs()
        right.setArray(b)
        solver.solve(right, x)
        return x.getArray().real.copy(), solver.getIterationNumber()

    return run


def memory_of(call: Callable[[], Any]) -> int:
    """Bytes at the peak of a call beyond what there was before it, as Python and NumPy allocate them."""
    import gc
    import tracemalloc

    gc.collect()
    tracemalloc.start()
    try:
        before = tracemalloc.get_traced_memory()[0]
        tracemalloc.reset_peak()
        kept = call()
        peak = tracemalloc.get_traced_memory()[1]
        del kept
    finally:
        tracemalloc.stop()
    return peak - before
