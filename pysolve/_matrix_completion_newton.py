"""Gauss-Newton in the gauge M = Uo diag(s) Vo^T with orthonormal Uo and Vo, damped after Levenberg and Marquardt.

A step changes M by dU Vo^T + Uo dV^T to first order; in these variables J^T J is close to p (the share of entries
observed) whatever the condition of M, and its k^2 zero eigenvalues (dU = Uo X, dV = -Vo X^T) are not seen by conjugate
gradients, which begin from 0. dU is eliminated by the inverses of its k x k blocks, and dV's blocks precondition: half
the condition's root, and half the steps.
"""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np

from pysolve import _backend
from pysolve._matrix_completion_als import State
from pysolve._matrix_completion_factors import KERNELS, gauge, of_type, stride
from pysolve._matrix_completion_result import CompletionStatus
from pysolve._matrix_completion_watch import Watch

N_CG = 150  # most conjugate-gradient steps of a Gauss-Newton step
DAMPED = 1e-2  # damping to begin with, in units of the share observed
UNDAMPED = 1e-7  # and the least
PATIENCE, PROGRESS = (
    6,
    0.98,
)  # Gauss-Newton steps that must shrink the residual by this factor, or it is given up
MOST_STEPS = 40
WIDE, NARROW = np.dtype("f8"), np.dtype("f4")


def observed_share(state: State) -> float:
    return float(state.by_rows.counts.sum()) / (state.U.shape[0] * state.V.shape[0])


@dataclasses.dataclass
class Normal:
    """J^T J + damping at orthonormal Uo and Vo, with dU eliminated."""

    rows: tuple[Any, ...]
    cols: tuple[Any, ...]
    Uo: np.ndarray
    Vo: np.ndarray
    k: int
    damping: float

    def __post_init__(self) -> None:
        self.HU = _backend.empty((self.Uo.shape[0], self.k, stride(self.k)), self.Uo.dtype)
        self.HV = _backend.empty((self.Vo.shape[0], self.k, stride(self.k)), self.Vo.dtype)
        KERNELS.matrix_completion_blocks(self.rows, self.Vo, self.k, self.damping, self.HU)
        KERNELS.matrix_completion_blocks(self.cols, self.Uo, self.k, self.damping, self.HV)
        self.x = _backend.empty(self.Uo.shape, self.Uo.dtype)

    def across(self, Q: np.ndarray) -> np.ndarray:
        """-(dU's block)^-1 B Q: the dU that belongs to dV = Q."""
        KERNELS.matrix_completion_normal(self.rows, self.Uo, self.Vo, None, Q, self.x, self.k, 0.0)
        KERNELS.matrix_completion_apply_blocks(self.HU, self.x, self.k, -1.0)
        return self.x

    def times(self, Q: np.ndarray, out: np.ndarray) -> float:
        """out = S Q, returns Q's product with it."""
        return float(
            KERNELS.matrix_completion_normal(
                self.cols, self.Vo, self.Uo, Q, self.across(Q), out, self.k, self.damping
            )
        )

    def solve(
        self, gU: np.ndarray, gV: np.ndarray, rtol: float, n_cg: int
    ) -> tuple[np.ndarray, np.ndarray, int]:
        """(dU, dV) with (J^T J + damping) (dU, dV) = (gU, gV), by conjugate gradients in the type of Uo."""
        first_dU = gU.copy()
        KERNELS.matrix_completion_apply_blocks(self.HU, first_dU, self.k, 1.0)
        r, z = np.empty_like(gV), np.empty_like(gV)
        KERNELS.matrix_completion_normal(self.cols, self.Vo, self.Uo, None, first_dU, r, self.k, 0.0)
        np.subtract(gV, r, out=r)
        d, q, p = np.zeros_like(gV), np.empty_like(gV), np.zeros_like(gV)
        rz, start = 1.0, None
        for step in range(n_cg):
            z[...] = r
            KERNELS.matrix_completion_apply_blocks(self.HV, z, self.k, 1.0)
            before, rz = rz, float(np.vdot(r, z))
            start = rz if start is None else start
            if not rz > rtol**2 * start:
                break
            p *= p.dtype.type(rz / before if step else 0.0)
            p += z
            curvature = self.times(p, q)
            if not curvature > 0:
                break
            alpha = p.dtype.type(rz / curvature)
            q *= alpha
            r -= q
            np.multiply(p, alpha, out=q)
            d += q
        return first_dU + self.across(d), d, step + 1


def squares_of(state: State, U: np.ndarray, V: np.ndarray) -> float:
    """The sum of squared residuals on the fitted entries."""
    out = _backend.empty(U.shape, U.dtype)
    return float(KERNELS.matrix_completion_gradient(state.sides(U.dtype)[0], V, U, out, state.k))


def newton_step(state: State, damping: float) -> float:
    """One step, taken if it makes the residual smaller. Returns the share of the promised decrease that came."""
    k = state.k
    lengths = gauge(state.V, state.U, k)
    s = np.ones(stride(k))
    s[:k] = np.maximum(lengths, max(1e-14 * lengths[0], np.finfo(np.float64).tiny))
    Uo = state.U / s
    rows, cols = state.sides(WIDE)
    gU, gV = np.empty_like(state.U), np.empty_like(state.V)
    squares = KERNELS.matrix_completion_gradient(rows, state.V, state.U, gU, k)
    KERNELS.matrix_completion_gradient(cols, Uo, state.V * s, gV, k)
    size = float(np.sqrt(np.vdot(gU, gU) + np.vdot(gV, gV)))
    if not size > 0:
        return 1.0
    normal = Normal(*state.sides(NARROW), of_type(Uo, NARROW), of_type(state.V, NARROW), k, damping)
    rtol = min(0.1, max((float(np.sqrt(squares)) / state.size) ** 0.5, 1e-3))
    dU, dV, steps = normal.solve((gU / size).astype(NARROW), (gV / size).astype(NARROW), rtol, N_CG)
    state.cg_steps += steps
    U, V = state.U + size * dU, state.V + size * dV / s
    state.moved = size * float(np.sqrt(np.vdot(dU, dU) + np.vdot(dV, dV)) / np.linalg.norm(lengths))
    after = squares_of(state, U, V)
    promised = size * (float(np.vdot(gU, dU)) + float(np.vdot(gV, dV)))
    if after < squares:
        state.U, state.V = U, V
        state.training = float(np.sqrt(after)) / state.size
    return float((squares - after) / max(promised, 1e-300))


def gauss_newton(state: State, watch: Watch) -> CompletionStatus:
    """Gauss-Newton steps from `state.damping` on, until an end. The stage began at iteration `state.began`."""
    state.convert(WIDE)
    share = observed_share(state)
    while True:
        watch.keep(state, watch)
        gain = newton_step(state, state.damping)
        if gain > 0.7:
            state.damping = max(state.damping / 5, UNDAMPED * share)
        elif gain < 0.25:
            state.damping *= 4
        watch.record(state)
        end = watch.end(watch.maxiter)
        if end is not None:
            return end
        if _no_progress(watch, watch.iterations - state.began):
            return CompletionStatus.STALLED


def _no_progress(watch: Watch, steps: int) -> bool:
    t = watch.training
    return steps >= MOST_STEPS or (steps > PATIENCE and not t[-1] < PROGRESS * t[-1 - PATIENCE])
