"""Near the information limit: a regularisation lowered from a large value, then Gauss-Newton steps with damping.

Rows and columns with hardly more entries than unknowns are set aside: they tell next to nothing about the others, but a
fit that is wrong there holds up all of it. They are solved exactly once everything else is known.

Gauss-Newton in the gauge M = Uo diag(s) Vo^T with orthonormal Uo and Vo. A step changes M by dU Vo^T + Uo dV^T to first
order; in these variables J^T J is close to p (the share of entries observed) whatever the condition of M, and its k^2
zero eigenvalues (dU = Uo X, dV = -Vo X^T) are not seen by conjugate gradients, which begin from 0. dU is eliminated by
the inverses of its k x k blocks, and dV's blocks precondition: half the condition's root, and half the steps.
"""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np

from pysolve import _backend
from pysolve._matrix_completion_als import NONE, State, iterate, size_of
from pysolve._matrix_completion_factors import KERNELS, gauge, gram, of_type, stride
from pysolve._matrix_completion_result import CompletionStatus
from pysolve._matrix_completion_watch import Watch

FIRST = 0.5  # regularisation to begin with, in units of share observed times the largest singular value
LAST = 1e-3  # and to end with
SPARE = 1.4  # rows with fewer entries than this, times the rank (but at least two more), are set aside
HOPELESS = 0.3  # relative error on entries held out, beyond which nothing has been found yet
NOISE = 1.5  # times the least error on entries held out: beyond, less regularisation fits noise
FEW = 10  # entries held out: the error on fewer may be small by chance, and rise although nothing is noise
ROUNDS = 3  # exact half steps on rows and columns that were set aside
N_CG = 150  # most conjugate-gradient steps of a Gauss-Newton step
FIRST_DAMPING = 1e-2  # in units of the share observed
PATIENCE = 12  # Gauss-Newton steps without progress before it is given up
WIDE, NARROW = np.dtype("f8"), np.dtype("f4")


def recover(state: State, watch: Watch, factor: float, n_plain: int) -> CompletionStatus:
    """The whole of it, from the first factors to the end. The factors are float64 from Gauss-Newton on.

    The regularisation falls by `factor` in an alternation; n_plain alternations without any lead to Gauss-Newton.
    """
    status = None
    if state.phase == "":
        _set_poor_aside(state)
        _begin_lowering(state)
    if state.phase == "lowering":
        status = lower_regularisation(state, watch, factor, n_plain)
        if status is None:
            begin_newton(state)
    if status is None:
        status = gauss_newton(state, watch)
    if state.aside is not None:
        _bring_back(state)
        state.training = float(np.sqrt(_squares(state, state.U, state.V))) / state.size
        watch.best_error, watch.best, watch.best_at = np.inf, None, watch.iterations
        watch.record(state)
        if status is CompletionStatus.RECOVERED:
            # Rows and columns set aside that share entries need each other: a few steps on all of them.
            begin_newton(state)
            status = watch.end(PATIENCE) or gauss_newton(state, watch)
    return status


def _set_poor_aside(state: State) -> None:
    least = max(SPARE * state.k, state.k + 3)
    rows, cols = (side.counts < least for side in (state.by_rows, state.by_columns))
    if min(np.count_nonzero(~rows), np.count_nonzero(~cols)) <= state.k:
        return  # what would be left has no rank to find
    state.set_aside(rows, cols)
    if state.aside is not None:
        state.all_held = state.held, state.held_size
    if state.aside is not None and state.held is not None:
        state.held = state.held.where(~(rows[state.held.rows] | cols[state.held.cols]))
        state.held_size = size_of(state.held)


def _bring_back(state: State) -> None:
    """Rows and columns set aside are solved from those that were not, and then from all."""
    state.convert(WIDE)
    if state.all_held is not None:
        (state.held, state.held_size), state.all_held = state.all_held, None
    rows, cols = state.aside or (NONE, NONE)
    no_row, no_col = np.zeros_like(rows), np.zeros_like(cols)
    state.set_aside(no_row, cols)
    exact_half_step(state, state.sides(WIDE)[0], state.V, state.U, rows)
    state.set_aside(rows, no_col)
    exact_half_step(state, state.sides(WIDE)[1], state.U, state.V, cols)
    state.set_aside(no_row, no_col)
    for _ in range(ROUNDS):
        exact_half_step(state, state.sides(WIDE)[0], state.V, state.U, rows)
        exact_half_step(state, state.sides(WIDE)[1], state.U, state.V, cols)


def exact_half_step(state: State, entries: Any, V: np.ndarray, U: np.ndarray, chosen: np.ndarray) -> None:
    """The chosen rows of U solve their equations, by the inverse of their blocks and one refinement."""
    k = state.k
    some = np.flatnonzero(chosen)
    if some.size == 0:
        return
    part = (np.ascontiguousarray(entries[0][some]), np.ascontiguousarray(entries[1][some]), *entries[2:])
    H = _backend.empty((some.size, k, stride(k)), WIDE)
    scale = V.shape[0] / max(np.square(V).sum(), 1e-300)
    KERNELS.matrix_completion_blocks(part, V, k, 1e-14 / scale, H)
    u, step = U[some], np.empty((some.size, stride(k)))
    for _ in range(3):
        KERNELS.matrix_completion_gradient(part, V, u, step, k)
        KERNELS.matrix_completion_apply_blocks(H, step, k, 1.0)
        u += step
    U[some] = u


def _begin_lowering(state: State) -> None:
    state.lengths = gauge(state.V, state.U, state.k)
    state.reg = FIRST * observed_share(state) * float(state.lengths[0])
    state.plain, state.phase = 0, "lowering"


def begin_newton(state: State) -> None:
    """What Gauss-Newton starts from, at the factors that are there."""
    state.convert(WIDE)
    state.damping, state.phase = FIRST_DAMPING * observed_share(state), "newton"


def lower_regularisation(state: State, watch: Watch, factor: float, n_plain: int) -> CompletionStatus | None:
    """Alternations with ever less regularisation, each warm from the one before, and some with none."""
    share = observed_share(state)
    while state.plain < n_plain:
        watch.keep(state, watch)
        lengths = state.lengths
        if state.reg < LAST * share * float(lengths[-1]) or state.reg < 1e-7 * share * lengths[0]:
            state.reg = 0.0
            state.plain += 1
        iterate(state)
        state.lengths = np.sqrt(np.linalg.eigvalsh(gram(state.V, state.k)).clip(0))[::-1]
        watch.record(state)
        state.reg *= factor
        if watch.iterations >= watch.maxiter:
            return CompletionStatus.MAXITER
        told = state.held is not None and len(state.held) >= FEW
        noisy = told and watch.best_error < HOPELESS and watch.held_out[-1] > NOISE * watch.best_error
        if noisy and watch.iterations - watch.best_at > 5:
            return CompletionStatus.STALLED
    return None


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


def _squares(state: State, U: np.ndarray, V: np.ndarray) -> float:
    out = _backend.empty(U.shape, U.dtype)
    return float(KERNELS.matrix_completion_gradient(state.sides(U.dtype)[0], V, U, out, state.k))


def _newton_step(state: State, damping: float) -> float:
    """One step, taken if it makes the residual smaller. Returns the share of the promised decrease that came."""
    k = state.k
    lengths = gauge(state.V, state.U, k)
    s = np.ones(stride(k))
    s[:k] = np.maximum(lengths, 1e-14 * lengths[0])
    Uo = state.U / s
    rows, cols = state.sides(WIDE)
    gU, gV = np.empty_like(state.U), np.empty_like(state.V)
    squares = KERNELS.matrix_completion_gradient(rows, state.V, state.U, gU, k)
    KERNELS.matrix_completion_gradient(cols, Uo, state.V * s, gV, k)
    size = float(np.sqrt(np.vdot(gU, gU) + np.vdot(gV, gV)))
    if not size > 0:
        return 1.0
    normal = Normal(*state.sides(NARROW), of_type(Uo, NARROW), of_type(state.V, NARROW), k, damping)
    rtol = min(0.1, max(float(np.sqrt(squares)) / state.size, 1e-3))
    dU, dV, steps = normal.solve((gU / size).astype(NARROW), (gV / size).astype(NARROW), rtol, N_CG)
    state.cg_steps += steps
    U, V = state.U + size * dU, state.V + size * dV / s
    after = _squares(state, U, V)
    promised = size * (float(np.vdot(gU, dU)) + float(np.vdot(gV, dV)))
    if after < squares:
        state.U, state.V = U, V
        state.training = float(np.sqrt(after)) / state.size
    return float((squares - after) / max(promised, 1e-300))


def gauss_newton(state: State, watch: Watch, patience: int = PATIENCE) -> CompletionStatus:
    """Gauss-Newton steps with Levenberg and Marquardt's damping, until an end."""
    share = observed_share(state)
    while True:
        watch.keep(state, watch)
        gain = _newton_step(state, state.damping)
        if gain > 0.7:
            state.damping = max(state.damping / 5, 1e-7 * share)
        elif gain < 0.25:
            state.damping *= 4
        watch.record(state)
        end = watch.end(patience)
        if end is not None:
            return end
