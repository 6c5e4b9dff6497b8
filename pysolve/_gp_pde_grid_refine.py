"""Conjugate gradients on the least-squares problem itself, preconditioned by a triangular factor (CGLS).

The residual W (b - A z) is carried, never the squared equations: with the factor of the normal equations one or two
steps bring back the digits that squaring lost. Each step costs one product with A and one with its transpose.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Protocol

import numpy as np

from pysolve._gp_pde_grid_system import RowSet


class Preconditioner(Protocol):
    """A matrix P with P^T P near the normal matrix."""

    def solve(self, y: np.ndarray) -> np.ndarray:
        """P^-1 y."""
        ...

    def solve_transposed(self, x: np.ndarray) -> np.ndarray:
        """P^-T x."""
        ...


def squares(Y: list[np.ndarray]) -> float:
    return sum(float(np.vdot(y, y)) for y in Y)


def refine(
    system: RowSet,
    factor: Preconditioner,
    Z: np.ndarray,
    *,
    right: list[np.ndarray] | None = None,
    tol: float = 1e-15,
    maxiter: int = 100,
    patience: int = 3,
    watch: Callable[[int, float], bool] | None = None,
) -> tuple[np.ndarray, int, float]:
    """Minimise from Z on. Returns z, the steps made, and the gradient at the end relative to that at z = 0.

    `watch(step, gradient)` may stop it by returning True. Stops too where `patience` steps in a row did not halve the
    gradient's square: rounding has been reached. Under a poor preconditioner the gradient swings: have more patience.
    """

    def gradient(Y: list[np.ndarray]) -> np.ndarray:
        return factor.solve_transposed(system.adjoint(Y).ravel())

    right = system.right if right is None else right
    scale = float(np.linalg.norm(gradient(right)))
    if scale == 0.0 or not math.isfinite(scale):
        return np.zeros_like(Z), 0, scale
    residual = [b - y for b, y in zip(right, system.forward(Z), strict=True)]
    g = gradient(residual)
    p, now = g.copy(), float(g @ g)
    best, stalled, step = now, 0, 0
    while step < maxiter and math.sqrt(now) > tol * scale and stalled < patience:
        move = factor.solve(p).reshape(Z.shape)
        q = system.forward(move)
        length = squares(q)
        if not 0.0 < length < math.inf:
            break
        alpha = now / length
        Z = Z + alpha * move
        residual = [y - alpha * v for y, v in zip(residual, q, strict=True)]
        g = gradient(residual)
        before, now = now, float(g @ g)
        p = g + (now / before) * p
        step += 1
        stalled = 0 if now < 0.5 * best else stalled + 1
        best = min(best, now)
        if watch is not None and watch(step, math.sqrt(now) / scale):
            break
    return Z, step, math.sqrt(now) / scale


def excess(system: RowSet, factor: Preconditioner, Z: np.ndarray) -> float:
    """An estimate of the part of the sum of squares that further steps would take away, by one Newton step."""
    residual = system.residual(Z)
    g = factor.solve_transposed(system.adjoint(residual).ravel())
    return float(g @ g) / (squares(residual) or 1.0)
