"""A run of `matrix_completion`: from the request to the state it starts from, and from its end to the result."""

from __future__ import annotations

import dataclasses

import numpy as np

from pysolve import _backend
from pysolve._matrix_completion_als import State, Watch, alternate, iterate, size_of
from pysolve._matrix_completion_arguments import Request
from pysolve._matrix_completion_entries import Side, Triplets, by_rows_and_columns, hold_out, put_back
from pysolve._matrix_completion_factors import (
    first_other,
    gauge,
    padded,
    random_factor,
    spectral_start,
    stride,
)
from pysolve._matrix_completion_newton import HOPELESS, recover
from pysolve._matrix_completion_result import CompletionResult, CompletionStatus

HELD_AT_MOST = 500
SCATTERED = 16  # ranks up to this read all of a factor from L2, in any order
# Entries over unknowns below which Gauss-Newton ends what a continuation begins, and below which that goes slowly:
# the factor by which the regularisation falls in an alternation, and the alternations without any.
NEAR, VERY_NEAR = 2.5, 1.75
SCATTER = 15  # and that many entries a row on top, lest some rows have hardly any
QUICK, SLOW, SLOWEST = (0.8, 5), (0.92, 20), (0.95, 20)
MOST_BLOCKS = 1 << 30  # bytes of Gauss-Newton's blocks
UNEVEN = 4.0  # standard deviation over mean, in units of what chance gives, beyond which a start is random


def prepared(request: Request) -> State:
    """Both copies of the entries, some held out, and the first factors."""
    by_rows, by_columns = by_rows_and_columns(request.entries, request.shape, request.k > SCATTERED)
    whole = by_rows.end, by_columns.end
    held = request.validation
    if held is None and request.reg == 0:
        held = _held_out(request, by_rows, by_columns)
    state = State(
        by_rows=by_rows,
        by_columns=by_columns,
        held=held,
        k=request.k,
        U=np.empty(0),
        V=np.empty(0),
        size=size_of(request.entries),
        held_size=1.0 if held is None else size_of(held),
        whole=whole,
        reg=request.reg,
    )
    _start(request, state)
    return state


def _held_out(request: Request, by_rows: Side, by_columns: Side) -> Triplets | None:
    """A fiftieth of the entries, but no more than a tenth of those beyond the unknowns."""
    m, n = request.shape
    beyond = len(request.entries) - request.k * (m + n - request.k)
    wanted = min(HELD_AT_MOST, -(-len(request.entries) // 50), -(-beyond // 10))
    if wanted <= 0:
        return None
    held = hold_out(by_rows, by_columns, request.k, wanted, request.rng)
    return held if len(held) else None


def _start(request: Request, state: State) -> None:
    (m, n), k = request.shape, request.k
    rows, cols = state.by_rows.counts, state.by_columns.counts
    if request.x0 is not None:
        state.U, state.V = (padded(factor, request.dtype) for factor in request.x0)
        state.U[rows == 0] = 0
        state.V[cols == 0] = 0
        return
    state.V = random_factor(n, k, cols > 0, request.rng, np.float32)
    state.U = _backend.zeros((m, stride(k)), np.float32)
    even = all(c.std() <= UNEVEN * max(c.mean(), 1.0) ** 0.5 for c in (rows, cols))
    if request.init == "spectral" or (request.init == "auto" and even):
        spectral_start(*state.sides(np.dtype("f4")), state.V, state.U, k)
    first_other(state.sides(np.dtype("f4"))[0], state.V, state.U, k)


def run(request: Request, state: State, watch: Watch) -> CompletionStatus:
    """Iterates to an end; on an interrupt or StopIteration keeps the best factors so far."""
    try:
        status = _iterated(request, state, watch)
        if status is CompletionStatus.RECOVERED and request.validation is None:
            _use_all(state, watch)
    except StopIteration:
        status = CompletionStatus.STOPPED
    except KeyboardInterrupt:
        status = CompletionStatus.INTERRUPTED
    if status is not CompletionStatus.RECOVERED and watch.best is not None:
        state.U, state.V = watch.best
    return status


def _iterated(request: Request, state: State, watch: Watch) -> CompletionStatus:
    """The method asked for. Where "auto" finds nothing, it tries once more: slowly, and from a random start.

    Then the start was wrong, not the noise large: with few entries a row the leading singular vectors are those of
    some large entries.
    """
    paces = _paces(request)
    for pace in paces:
        status = recover(state, watch, *pace) if pace else alternate(state, watch, request.dtype)
        lost = status is CompletionStatus.STALLED and watch.best_error > HOPELESS
        if not lost or pace is paces[-1]:
            break
        _start(dataclasses.replace(request, init="random"), state)
        watch.best_error, watch.best, watch.best_at = np.inf, None, watch.iterations
    return status


def _paces(request: Request) -> list[tuple[float, int] | None]:
    """How fast the regularisation is to fall, try after try; None: alternations without any."""
    (m, n), k = request.shape, request.k
    oversampling = len(request.entries) / (k * (m + n - k))
    a_row = len(request.entries) / max(m, n)
    alone = request.reg == 0 and request.validation is None and request.x0 is None
    pace = QUICK if oversampling > VERY_NEAR and a_row > VERY_NEAR * k + SCATTER else SLOW
    if request.method != "auto":
        return [pace if request.method == "gauss-newton" else None]
    if not alone or (m + n) * k * stride(k) * 4 > MOST_BLOCKS:
        return [None]
    near = oversampling < NEAR or a_row < NEAR * k + SCATTER
    return [pace, SLOWEST] if near else [None, SLOWEST]


def _use_all(state: State, watch: Watch) -> None:
    """The last iteration, on all entries: those held out have done their duty."""
    put_back(state.by_rows, state.whole[0])
    put_back(state.by_columns, state.whole[1])
    state.held = None
    iterate(state)
    watch.record(state)


def finished(request: Request, state: State, watch: Watch, status: CompletionStatus) -> CompletionResult:
    """The factors in the balanced gauge and in the units of the values."""
    k = request.k
    state.convert(np.dtype("f8"))
    lengths = gauge(state.V, state.U, k)
    root = np.sqrt(np.maximum(lengths, np.finfo(np.float64).tiny))
    unit = np.sqrt(request.scale)
    U = np.ascontiguousarray(state.U[:, :k] * (unit / root), dtype=request.dtype)
    V = np.ascontiguousarray(state.V[:, :k] * (unit * root), dtype=request.dtype)
    empty = [
        int((end == side.begin).sum())
        for side, end in zip((state.by_rows, state.by_columns), state.whole, strict=True)
    ]
    return CompletionResult(
        U=U,
        V=V,
        status=status,
        iterations=watch.iterations,
        history=watch.history(),
        message=_message(status, watch, empty),
        empty_rows=empty[0],
        empty_cols=empty[1],
    )


def _message(status: CompletionStatus, watch: Watch, empty: list[int]) -> str:
    text = f"{status} after {watch.iterations} iterations"
    if watch.iterations:
        text += f": relative residual {watch.training[-1]:.3g} on the entries fitted"
        held = [error for error in watch.held_out if np.isfinite(error)]
        if held:
            text += f", {min(held):.3g} on those held out"
    for count, what in zip(empty, ("rows", "columns"), strict=True):
        if count:
            text += f"; {count} {what} without entries are predicted as 0"
    return text
