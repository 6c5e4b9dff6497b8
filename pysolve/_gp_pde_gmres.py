"""GMRES for right-hand sides on the device: the basis stays there, its small triangle is on the host."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from pysolve._backend import beside, namespace, on_host


def gmres(
    image: Callable[[np.ndarray], np.ndarray],
    right: np.ndarray,
    tol: float,
    most: int,
    watch: Callable[[int, float], bool] | None,
) -> tuple[np.ndarray, int]:
    """At most `most` steps from zero, without a restart, to `tol` of the right side: the result, and the steps.

    The new direction is made orthogonal by two products with all before it, so that a step waits for the device twice,
    for its coefficients and its norm. The least-squares problem of k + 1 rows is solved anew each step: k is small.
    """
    xp, shape = namespace(right), right.shape
    V = xp.empty((most + 1, right.size))
    H = np.zeros((most + 1, most))
    size = float(np.linalg.norm(right))
    if size == 0:
        return right, 0
    V[0] = right.ravel() / size
    wanted = np.zeros(most + 1)
    wanted[0] = size
    y: np.ndarray = np.zeros(0)
    for k in range(most):
        w = image(V[k].reshape(shape)).ravel()
        for _ in range(2):
            h = V[: k + 1] @ w
            w = w - h @ V[: k + 1]
            H[: k + 1, k] += on_host(h)
        H[k + 1, k] = float(np.linalg.norm(w))
        if not np.isfinite(H[: k + 2, k]).all():
            break
        y = np.linalg.lstsq(H[: k + 2, : k + 1], wanted[: k + 2], rcond=None)[0]
        left = float(np.linalg.norm(wanted[: k + 2] - H[: k + 2, : k + 1] @ y)) / size
        if watch is not None:
            watch(k + 1, left)
        if left <= tol or H[k + 1, k] == 0:
            break
        V[k + 1] = w / H[k + 1, k]
    if y.size == 0:
        return right, 0
    return (beside(y, V) @ V[: y.size]).reshape(shape), y.size
