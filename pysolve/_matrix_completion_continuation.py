"""Near the information limit: a regularisation lowered from a large value, then Gauss-Newton steps.

Rows and columns with hardly more entries than unknowns tell next to nothing about the others, but a fit that is wrong
there holds up all of it. They are set aside; where Gauss-Newton stalls, so are those that are fitted worst, and the
matrix of the others has more entries for each of its unknowns. Once it is exact, the rows and columns that were set
aside are solved from it, one after the other, and a few Gauss-Newton steps on all of them end the run.

Phases (`State.phase`): "lowering" -> "newton" (with more and more set aside) -> "all".
"""

from __future__ import annotations

import numpy as np

from pysolve import _backend
from pysolve._matrix_completion_als import State, iterate, size_of
from pysolve._matrix_completion_aside import core_of, grow, worst_fitted
from pysolve._matrix_completion_factors import gauge, gram
from pysolve._matrix_completion_newton import DAMPED, UNDAMPED, WIDE, gauss_newton, observed_share, squares_of
from pysolve._matrix_completion_result import CompletionStatus
from pysolve._matrix_completion_watch import Watch

FIRST = 0.5  # regularisation to begin with, in units of share observed times the largest singular value
LAST = 1e-3  # and to end with, in units of the smallest
SMALLEST = 1e-7  # but no less than this, in units of the largest
SPARE = 1.4  # rows with fewer entries than this, times the rank (but at least three more), are set aside
ASIDE = (0.0, 0.05, 0.1, 0.15, 0.2)  # shares of the rows and columns that are set aside, try after try
NOISY = 0.86  # setting the first of these aside shrinks the residual of noise by no more than this factor,
ALIKE = 0.02
HELPED = 0.5  # and that of a matrix that is nearly found by at least this
HOPELESS = 0.3  # relative error on entries held out, beyond which nothing has been found yet
FEW = 10  # entries held out: the error on fewer may be small by chance, and rise although nothing is noise
RISEN = 4.0  # times the least error on entries held out: beyond, less regularisation fits noise
DONE = CompletionStatus.RECOVERED, CompletionStatus.FITTED


def recover(state: State, watch: Watch, factor: float, n_plain: int) -> CompletionStatus:
    """The whole of it, from the stage the state is in to the end. The factors are float64 from Gauss-Newton on.

    The regularisation falls by `factor` in an alternation; n_plain alternations without any lead to Gauss-Newton.
    """
    if state.phase == "":
        _begin(state)
    status = None
    if state.phase == "lowering":
        status = lower_regularisation(state, watch, factor, n_plain)
        _remember(state, watch)
        if status is None:
            state.lowered = state.best()
            _to_newton(state, watch)
    if state.phase == "newton":
        status = _with_worst_aside(state, watch)
        if status in DONE:
            _to_all(state, watch)
            status = watch.end(watch.maxiter)
    if state.phase == "all" and status is None:
        status = gauss_newton(state, watch)
    if status not in DONE:
        _fall_back(state, watch)
    assert status is not None
    return status


def _begin(state: State) -> None:
    none = np.zeros(state.U.shape[0], bool), np.zeros(state.V.shape[0], bool)
    state.all_held = state.held, state.held_size
    state.poor = core_of(state, *none, max(int(np.ceil(SPARE * state.k)), state.k + 3))
    _set_aside(state, *state.poor)
    state.lengths = gauge(state.V, state.U, state.k)
    state.reg = FIRST * observed_share(state) * float(state.lengths[0])
    state.plain, state.tried, state.noise = 0, 0, False
    state.phase = "lowering"


def _set_aside(state: State, rows: np.ndarray, cols: np.ndarray) -> None:
    state.set_aside(rows, cols)
    held = state.all_held[0] if state.all_held else None
    if held is not None:
        state.held = held.where(~(rows[held.rows] | cols[held.cols]))
        state.held_size = size_of(state.held)


def lower_regularisation(state: State, watch: Watch, factor: float, n_plain: int) -> CompletionStatus | None:
    """Alternations with ever less regularisation, each warm from the one before, and some with none."""
    share = observed_share(state)
    while state.plain < n_plain:
        watch.keep(state, watch)
        lengths = state.lengths
        # Not "reg < ...": where nothing is left of the factors, there is nothing to wait for.
        if not state.reg >= share * max(LAST * float(lengths[-1]), SMALLEST * float(lengths[0])) > 0:
            state.reg = 0.0
            state.plain += 1
        iterate(state)
        state.lengths = np.sqrt(np.linalg.eigvalsh(gram(state.V, state.k)).clip(0))[::-1]
        watch.record(state)
        state.reg *= factor
        if watch.iterations >= watch.maxiter:
            return CompletionStatus.MAXITER
        told = state.held is not None and len(state.held) >= FEW
        if told and watch.best_error < HOPELESS and watch.held_out[-1] > RISEN * watch.best_error:
            state.noise = True
            return CompletionStatus.STALLED
    return None


def _to_newton(state: State, watch: Watch) -> None:
    state.phase = "newton"
    _anew(state, watch)


def _anew(state: State, watch: Watch) -> None:
    """A stage begins: what was best in the one before is not to be compared."""
    state.damping = DAMPED * observed_share(state)
    state.began = watch.iterations
    watch.best_error, watch.best, watch.best_at = np.inf, None, watch.iterations


def _with_worst_aside(state: State, watch: Watch) -> CompletionStatus:
    """Gauss-Newton from the end of the lowering, with ever more of those set aside that are fitted worst there."""
    while True:
        status = gauss_newton(state, watch)
        before, state.fitted = state.fitted, state.training
        state.tried += 1
        if state.tried == 1:  # two starts that end at the same residual have found the least there is
            state.noise, state.ended = abs(state.fitted - state.ended) < ALIKE * state.fitted, state.fitted
        state.noise = state.noise or (state.tried == 2 and state.fitted > NOISY * before)
        far = state.noise or (state.tried == 2 and state.fitted > HELPED * before)
        if status is not CompletionStatus.STALLED or far or state.tried >= len(ASIDE):
            return status
        assert state.lowered is not None
        state.U, state.V = (_backend.empty(x.shape, WIDE) for x in state.lowered)
        state.U[...], state.V[...] = state.lowered
        _set_aside(state, *worst_fitted(state, *state.poor, ASIDE[state.tried]))
        _anew(state, watch)


def _to_all(state: State, watch: Watch) -> None:
    """Rows and columns set aside are solved from those that were not."""
    state.grown = state.aside is not None
    grow(state)
    state.phase = "all"
    bring_held_back(state)
    _anew(state, watch)
    state.damping = UNDAMPED * observed_share(state)
    state.training = float(np.sqrt(squares_of(state, state.U, state.V))) / state.size
    watch.record(state)


def bring_held_back(state: State) -> None:
    """All that was held out counts again."""
    if state.all_held is not None:
        (state.held, state.held_size), state.all_held = state.all_held, None


def _remember(state: State, watch: Watch) -> None:
    """Keeps the best factors of all tries: what is returned where none recovers the matrix."""
    if watch.best is not None and watch.best_error < state.fallback_error:
        state.fallback_error, state.fallback = watch.best_error, watch.best


def _fall_back(state: State, watch: Watch) -> None:
    """The best factors of all tries, with what has hardly any entries fitted to them."""
    if state.phase == "all":
        return
    if state.fallback is not None:
        state.U, state.V = state.fallback
    _set_aside(state, *state.poor)
    _to_all(state, watch)
