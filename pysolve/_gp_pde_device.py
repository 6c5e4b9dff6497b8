"""What GP solves need of arrays that live on the host or on the GPU, where the two have it under other names.

The tensors of a problem, of the size of its grid or of its features, stay where its arrays are. The one-axis matrices
are made on the host and moved up; to the host come, by `on_host`, arrays of the size of an axis or of the features.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import scipy.linalg

from pysolve._backend import beside, namespace, on_device, same_device


def spread(value: Any, shape: tuple[int, ...], like: Any) -> Any:
    """A number, or an array where `like` is, as a view of this shape; TypeError for one that is elsewhere."""
    if np.ndim(value):
        same_device(problem=like, values=value)
    xp = namespace(like)
    return xp.broadcast_to(xp.asarray(value, dtype=np.float64), shape)


def triangle(A: Any) -> Any:
    """R of A = Q R, of min(m, n) rows or (on the host) m; `A` may be overwritten."""
    if on_device(A):
        return namespace(A).linalg.qr(A, mode="r")
    return scipy.linalg.qr(A, mode="r", overwrite_a=True, check_finite=False)[0]


def solve_triangular(R: Any, b: Any, trans: str = "N", lower: bool = False) -> Any:
    """R^-1 b, or R^-T b with trans="T"."""
    if on_device(R):
        from cupyx.scipy.linalg import solve_triangular as solve

        return solve(R, beside(b, R), trans=trans, lower=lower, check_finite=False)
    return scipy.linalg.solve_triangular(R, b, trans=trans, lower=lower, check_finite=False)


def lower_cholesky(A: Any) -> Any:
    """L of the device matrix A = L L^T; None where rounding makes A indefinite."""
    import cupyx

    try:
        with cupyx.errstate(linalg="raise"):
            return namespace(A).linalg.cholesky(A)
    except np.linalg.LinAlgError:
        return None


def cholesky_solve(L: Any, b: Any) -> Any:
    """A^-1 b for A = L L^T."""
    if on_device(L):
        return solve_triangular(L, solve_triangular(L, b, lower=True), "T", lower=True)
    return scipy.linalg.cho_solve((L, True), b, check_finite=False)


def reciprocal_condition(R: Any, size: float) -> float:
    """About 1 / (size ||(R^T R)^-1||_1), by Hager's estimate, as LAPACK's pocon: five pairs of solves at most."""
    xp, n = namespace(R), R.shape[0]
    x = xp.full(n, 1.0 / n)
    estimate, before = 0.0, -1
    for _ in range(5):
        y = solve_triangular(R, solve_triangular(R, x, "T"))
        found = float(xp.abs(y).sum())
        z = solve_triangular(R, solve_triangular(R, xp.where(y >= 0, 1.0, -1.0), "T"))
        at = int(xp.abs(z).argmax())
        if found <= estimate or at == before:
            break
        estimate, before = found, at
        x = xp.zeros(n)
        x[at] = 1.0
    return 1.0 / (size * estimate) if estimate > 0 else 0.0


class Uploads:
    """Copies of host matrices where `like` is, one of each; the matrices themselves where that is the host."""

    def __init__(self, like: Any) -> None:
        self.like, self.needed = like, on_device(like)
        self._made: dict[int, tuple[Any, Any]] = {}

    def __call__(self, A: np.ndarray) -> Any:
        if not self.needed or on_device(A):
            return A
        if id(A) not in self._made:
            self._made[id(A)] = (A, beside(A, self.like))  # the matrix is kept, so that its id stays its own
        return self._made[id(A)][1]
