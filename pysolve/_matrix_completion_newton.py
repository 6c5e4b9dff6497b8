"""Near the information limit: a regularisation lowered from a large value, then Gauss-Newton steps with damping.

Gauss-Newton in the gauge M = U V^T with U = Uo diag(s), Uo and V = Vo orthonormal. A step changes M by dU Vo^T + Uo dV^T
to first order; in these variables J^T J is close to p (the share of entries observed) whatever the condition of M, and
its k^2 zero eigenvalues (dU = Uo X, dV = -Vo X^T) are not seen by conjugate gradients, which begin from 0.
"""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np

from pysolve import _backend
from pysolve._matrix_completion_als import State, Watch, iterate
from pysolve._matrix_completion_factors import KERNELS, gauge, of_type
from pysolve._matrix_completion_result import CompletionStatus

N_CG = 200
FIRST = 0.5  # regularisation to begin with, in units of share observed times the largest singular value
LAST = 1e-3  # and to end with


def lower_regularisation(state: State, watch: Watch, factor: float) -> CompletionStatus | None:
    """Alternations with ever less regularisation, each warm from the one before."""
    lengths = gauge(state.V, state.U, state.k)
    top = observed_share(state) * float(lengths[0])
    state.reg = FIRST * top
    while state.reg > LAST * top:
        iterate(state)
        watch.record(state)
        state.reg *= factor
        if watch.iterations >= watch.maxiter:
            return CompletionStatus.MAXITER
    state.reg = 0.0
    return None


def observed_share(state: State) -> float:
    return float(state.by_rows.counts.sum()) / (state.U.shape[0] * state.V.shape[0])


@dataclasses.dataclass
class Normal:
    """J^T J + damping on pairs (dU, dV), for orthonormal Uo and Vo."""

    rows: tuple[Any, ...]
    cols: tuple[Any, ...]
    Uo: np.ndarray
    Vo: np.ndarray
    k: int

    def times(self, P: np.ndarray, Q: np.ndarray, PP: np.ndarray, QQ: np.ndarray, damping: float) -> float:
        """(PP, QQ) = (J^T J + damping) (P, Q); returns the product of the two."""
        first = KERNELS.matrix_completion_normal(self.rows, self.Uo, self.Vo, P, Q, PP, self.k, damping)
        second = KERNELS.matrix_completion_normal(self.cols, self.Vo, self.Uo, Q, P, QQ, self.k, damping)
        return float(first) + float(second)


def solve(
    normal: Normal, gU: np.ndarray, gV: np.ndarray, damping: float, rtol: float, n_cg: int
) -> tuple[np.ndarray, np.ndarray, int]:
    """(dU, dV) with (J^T J + damping) (dU, dV) = (gU, gV), by conjugate gradients in the type of gU."""
    r = [gU.copy(), gV.copy()]
    p = [gU.copy(), gV.copy()]
    d = [np.zeros_like(gU), np.zeros_like(gV)]
    q = [_backend.empty(g.shape, g.dtype) for g in (gU, gV)]
    rr = first = sum(float(np.vdot(x, x)) for x in r)
    steps = 0
    while steps < n_cg and rr > rtol**2 * first:
        curvature = normal.times(*p, *q, damping)
        if not curvature > 0:
            break
        alpha = rr / curvature
        for x, direction, rest, product in zip(d, p, r, q, strict=True):
            x += x.dtype.type(alpha) * direction
            rest -= x.dtype.type(alpha) * product
        after = sum(float(np.vdot(x, x)) for x in r)
        for direction, rest in zip(p, r, strict=True):
            direction *= direction.dtype.type(after / rr)
            direction += rest
        rr = after
        steps += 1
    return d[0], d[1], steps


def residual_squares(state: State, U: np.ndarray, V: np.ndarray) -> float:
    out = _backend.empty(U.shape, U.dtype)
    return float(KERNELS.matrix_completion_gradient(state.sides(U.dtype)[0], V, U, out, state.k))


def gauss_newton(state: State, watch: Watch, patience: int = 30) -> CompletionStatus:
    """Damped Gauss-Newton steps (Levenberg-Marquardt) until an end. The factors are float64 from here on."""
    wide = np.dtype("f8")
    state.convert(wide)
    share = observed_share(state)
    damping, k = 1e-2 * share, state.k
    while True:
        lengths = gauge(state.V, state.U, k)
        padded = np.ones(state.U.shape[1])
        padded[:k] = np.maximum(lengths, 1e-14 * lengths[0])
        Uo = state.U / padded
        rows, cols = state.sides(wide)
        gU, gV = np.empty_like(state.U), np.empty_like(state.V)
        squares = KERNELS.matrix_completion_gradient(rows, state.V, state.U, gU, k)
        KERNELS.matrix_completion_gradient(cols, Uo, state.V * padded, gV, k)
        relative = float(np.sqrt(squares)) / state.size
        narrow = np.dtype("f4")
        normal = Normal(*state.sides(narrow), of_type(Uo, narrow), of_type(state.V, narrow), k)
        size = float(np.sqrt(np.vdot(gU, gU) + np.vdot(gV, gV)))
        dU, dV, steps = solve(
            normal,
            (gU / size).astype(narrow),
            (gV / size).astype(narrow),
            damping,
            min(0.1, max(relative, 1e-3)),
            N_CG,
        )
        dU, dV = dU * size, dV * size
        state.cg_steps += steps
        U, V = state.U + dU, state.V + dV / padded
        after = residual_squares(state, U, V)
        # what the linear model promised
        promised = 0.5 * (float(np.vdot(gU, dU)) + float(np.vdot(gV, dV)))
        gain = (squares - after) / max(2 * promised, 1e-300)
        if after < squares:
            state.U, state.V = U, V
            state.training = float(np.sqrt(after)) / state.size
        damping = max(damping / 5, 1e-9 * share) if gain > 0.7 else damping * (4 if gain < 0.25 else 1)
        watch.record(state)
        end = watch.end(patience)
        if end is not None:
            return end
