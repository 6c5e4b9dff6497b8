"""A run of `matrix_completion`: from the request to the state it starts from, and to its end."""

from __future__ import annotations

import dataclasses

import numpy as np

from pysolve._matrix_completion_als import State, alternate, iterate, size_of
from pysolve._matrix_completion_arguments import Request
from pysolve._matrix_completion_bias import Bias
from pysolve._matrix_completion_continuation import HOPELESS, recover
from pysolve._matrix_completion_entries import Side, Triplets, by_rows_and_columns
from pysolve._matrix_completion_even import give_back, scales_of, typical_sizes
from pysolve._matrix_completion_factors import leave_finite, spiky, stride
from pysolve._matrix_completion_held import hold_out, put_back
from pysolve._matrix_completion_losses import Robust, cut_far, kept_norm
from pysolve._matrix_completion_newton import newton_step
from pysolve._matrix_completion_nonneg import Momentum
from pysolve._matrix_completion_refit import few_suffice, refit, short_of_one
from pysolve._matrix_completion_result import CompletionStatus
from pysolve._matrix_completion_start import first_factors
from pysolve._matrix_completion_watch import Watch, overfitted

HELD_AT_MOST = 500
SCATTERED = 16  # ranks up to this read all of a factor from L2, in any order
# Entries over unknowns below which Gauss-Newton ends what a continuation begins, and below which that goes slowly:
# the factor by which the regularisation falls in an alternation, and the alternations without any.
NEAR, VERY_NEAR = 2.5, 1.75
SCATTER = 15  # and that many entries a row on top, lest some rows have hardly any
QUICK, SLOW, SLOWER = (0.8, 5), (0.92, 20), ((0.98, 20), (0.99, 20), (0.995, 20))
MOST_LAST = 5  # Gauss-Newton steps on all entries, at most
MOST_BLOCKS = 1 << 30  # bytes of Gauss-Newton's blocks
LAST, DONE = "last", "done: "  # phases of a run


def prepared(request: Request, start: bool = True) -> State:
    """Both copies of the entries, some held out, and the first factors (`start`)."""
    by_rows, by_columns = by_rows_and_columns(request.entries, request.shape, request.k > SCATTERED)
    whole = by_rows.end, by_columns.end
    even = None
    if request.loss != "l2":
        sizes = typical_sizes((by_rows, by_columns))
        cut_far((by_rows, by_columns), *sizes)
        plain = request.delta is None and request.reg == 0 and request.bias_reg is None
        even = scales_of(*sizes) if plain else None
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
        sketch=request.sketch,
        even=even,
    )
    if request.nonneg:
        state.nonneg, state.momentum = True, Momentum()
    if request.bias_reg is not None:
        m, n = request.shape
        state.bias = Bias(np.zeros(m), np.zeros(n), request.bias_reg)
    if request.loss != "l2":
        size = kept_norm(request.entries.values, request.entries.weights) or 1.0
        state.robust = Robust(request.loss, request.delta, size)
        state.held_size = 1.0 if held is None else kept_norm(held.values, held.weights) or 1.0
    if request.split:
        state.n_parts, state.seed = 2 * n_alternations(request) + 1, int(request.rng.integers(1 << 62))
    if start:
        first_factors(request, state)
    return state


def n_alternations(request: Request) -> int:
    """Alternations of split entries: as many as asked for, or one for each decimal of rtol."""
    return min(request.maxiter, max(1, int(np.ceil(-np.log10(max(request.rtol, 1e-16))))))


def n_held(n_entries: int, k: int, shape: tuple[int, int]) -> int:
    """A fiftieth of the entries, but no more than a tenth of those beyond the unknowns."""
    beyond = n_entries - k * (shape[0] + shape[1] - k)
    return min(HELD_AT_MOST, -(-n_entries // 50), -(-beyond // 10))


def _held_out(request: Request, by_rows: Side, by_columns: Side) -> Triplets | None:
    wanted = n_held(len(request.entries), request.k, request.shape)
    if wanted <= 0:
        return None
    held = hold_out(by_rows, by_columns, request.k + (request.bias_reg is not None), wanted, request.rng)
    return held if len(held) else None


def run(request: Request, state: State, watch: Watch) -> CompletionStatus:
    """Iterates to an end; on an interrupt or StopIteration keeps the best factors so far."""
    try:
        status = _to_the_end(request, state, watch)
    except StopIteration:
        status = CompletionStatus.STOPPED
    except KeyboardInterrupt:
        status = CompletionStatus.INTERRUPTED
    except np.linalg.LinAlgError:  # of numbers that are not finite
        status = CompletionStatus.STALLED
    of_the_last = status in (CompletionStatus.RECOVERED, CompletionStatus.STATIONARY)
    if not of_the_last and watch.best is not None:
        state.restore(watch.best)
    if status is CompletionStatus.MINIMUM and watch.best_error >= 1:
        status = CompletionStatus.STALLED  # zeros predict as well: nothing was found
    leave_finite(state)
    if watch.noise and status in (
        CompletionStatus.STALLED,
        CompletionStatus.MINIMUM,
        CompletionStatus.STATIONARY,
    ):
        status = CompletionStatus.NOISE
    return status


def _iterated(request: Request, state: State, watch: Watch) -> CompletionStatus:
    """The method asked for. Where "auto" finds nothing, it tries again, ever more slowly.

    The first of these tries begins as the run did, the others from a random start: with few entries a row the leading
    singular vectors may be those of some large entries.
    """
    paces = _paces(request)
    while True:
        pace = paces[state.attempt]
        last = state.attempt == len(paces) - 1
        if pace:
            status = recover(state, watch, *pace)
        else:
            continued = not last and paces[state.attempt + 1] is not None
            status = alternate(state, watch, request.dtype, noise=_noise(request) if continued else np.inf)
        if status is not CompletionStatus.MAXITER and _goes_on(state, watch, status):
            continue
        if last or status is not CompletionStatus.STALLED or not _lost(state, watch, request):
            return status
        _begin_anew(request, state, watch)


def _goes_on(state: State, watch: Watch, status: CompletionStatus) -> bool:
    """Whether rows or columns have been given their size back, and the iteration goes on from the best factors."""
    if status is CompletionStatus.RECOVERED or state.even is None or state.given_back:
        return False
    if watch.best is not None:
        state.restore(watch.best)
    if not give_back(state):
        return False
    watch.best_error, watch.best, watch.best_at = np.inf, None, watch.iterations
    return True


def _noise(request: Request) -> float:
    """By what factor noise makes the residual on entries held out larger than that on those fitted."""
    unknowns = request.k * (sum(request.shape) - request.k)
    return len(request.entries) / max(len(request.entries) - unknowns, 1)


def _lost(state: State, watch: Watch, request: Request) -> bool:
    """Whether what stalled did so for another reason than noise."""
    if state.phase != "" or watch.best_error > HOPELESS:
        return not state.noise
    if request.loss != "l2" or request.bias_reg is not None or request.nonneg:
        return False
    return overfitted(watch, _noise(request)) or spiky(state.V, state.U, state.k)


def _begin_anew(request: Request, state: State, watch: Watch) -> None:
    state.attempt, state.phase, state.reg = state.attempt + 1, "", 0.0
    init = request.init if state.attempt == 1 and _paces(request)[0] is None else "random"
    first_factors(dataclasses.replace(request, init=init), state)
    watch.best_error, watch.best, watch.best_at = np.inf, None, watch.iterations


def _to_the_end(request: Request, state: State, watch: Watch) -> CompletionStatus:
    """The iterations, and the last one on all entries; what a checkpoint has seen done is not done again."""
    if state.phase.startswith(DONE):
        return CompletionStatus[state.phase.removeprefix(DONE)]
    if state.phase != LAST:
        status = _iterated(request, state, watch)
        if status is CompletionStatus.MAXITER:
            return status  # the checkpoint is left where more iterations can follow
        if status is CompletionStatus.RECOVERED and request.validation is None:
            state.phase = LAST
            watch.keep(state, watch)
    if state.phase == LAST:
        status = CompletionStatus.RECOVERED
        _use_all(request, state, watch)
    state.phase = DONE + status.name
    watch.keep(state, watch)
    return status


def _paces(request: Request) -> list[tuple[float, int] | None]:
    """How fast the regularisation is to fall, try after try; None: alternations without any."""
    (m, n), k = request.shape, request.k
    oversampling = len(request.entries) / (k * (m + n - k))
    a_row = len(request.entries) / max(m, n)
    plain = request.loss == "l2" and request.bias_reg is None and not request.nonneg
    alone = plain and request.reg == 0 and request.validation is None and request.x0 is None
    pace = QUICK if oversampling > VERY_NEAR and a_row > VERY_NEAR * k + SCATTER else SLOW
    if request.split:
        return [None]
    if request.method != "auto":
        return [pace if request.method == "gauss-newton" else None]
    if not alone or (m + n) * k * stride(k) * 4 > MOST_BLOCKS:
        return [None] if plain or request.x0 is not None else [None, None]
    near = oversampling < NEAR or a_row < NEAR * k + SCATTER
    return [pace, *SLOWER] if near else [None, QUICK, SLOWER[0]]


def _use_all(request: Request, state: State, watch: Watch) -> None:
    """The last iterations, on all entries: those held out have done their duty."""
    some, error = short_of_one(state), state.held_out()
    few = few_suffice(state, error, request.rtol)
    put_back(state.by_rows, state.whole[0])
    put_back(state.by_columns, state.whole[1])
    state.held, state.n_parts = None, 0
    if few:
        refit(state, some, error)
        watch.record(state)
        return
    if state.robust is not None:
        state.robust.weights = None  # those put back have none yet
    for _ in range(MOST_LAST):
        # Rows with hardly any entries are wrong by more than those held out tell: Gauss-Newton, until M stands still.
        newton = state.damping > 0 and (state.grown or state.moved > 10 * request.rtol)
        if newton:
            newton_step(state, state.damping)
        else:
            iterate(state)
        watch.record(state)
        if not newton or state.moved <= 0.1 * request.rtol:
            break
