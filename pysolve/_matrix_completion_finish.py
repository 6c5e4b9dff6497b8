"""The end of a run of `matrix_completion`: its factors in the units of the values, and what is said about it."""

from __future__ import annotations

import numpy as np

from pysolve import _backend
from pysolve._matrix_completion_als import State
from pysolve._matrix_completion_arguments import Request
from pysolve._matrix_completion_bias import center_all
from pysolve._matrix_completion_even import scale_factors
from pysolve._matrix_completion_factors import gauge
from pysolve._matrix_completion_group import ALONE
from pysolve._matrix_completion_nonneg import balance
from pysolve._matrix_completion_result import CompletionBias, CompletionResult, CompletionStatus
from pysolve._matrix_completion_stored import Stored
from pysolve._matrix_completion_top import Seen
from pysolve._matrix_completion_watch import Watch


def finished(request: Request, state: State, watch: Watch, status: CompletionStatus) -> CompletionResult:
    """The factors in the balanced gauge and in the units of the values."""
    k = request.k
    state.convert(np.dtype("f8"))
    scale_factors(state, None)
    bias = None if state.bias is None else _unscaled(request, state)
    root = 1.0
    if state.nonneg:
        balance(state.U, state.V)
    else:
        lengths = gauge(state.V, state.U, k, group=state.group)
        root = np.sqrt(np.maximum(lengths, np.finfo(np.float64).tiny))
    unit = np.sqrt(request.scale)
    U = _backend.contiguous(state.U[:, :k] * (unit / root), request.dtype)
    V = _backend.contiguous(state.V[:, :k] * (unit * root), request.dtype)
    empty = [
        state.group.sum(int((end == side.begin).sum()))
        for side, end in zip((state.by_rows, state.by_columns), state.whole, strict=True)
    ]
    return CompletionResult(
        U=U,
        V=V,
        status=status,
        iterations=watch.iterations,
        history=watch.history(),
        message=_message(status, watch, empty, bias is not None),
        empty_rows=empty[0],
        empty_cols=empty[1],
        reg=request.given_reg,
        nonneg=request.nonneg,
        seen=_seen(state),
        bias=bias,
    )


def _seen(state: State) -> Seen | None:
    """The places of the entries; None where they are on disk, on a GPU or with other ranks."""
    if state.group is not ALONE or isinstance(state.by_rows.indices, Stored):
        return None
    if _backend.on_device(state.U):
        return None
    begin = np.append(state.by_rows.begin, state.by_rows.indices.size)
    return Seen(begin, state.by_rows.indices)


def _unscaled(request: Request, state: State) -> CompletionBias:
    """The biases in the units of the values."""
    assert state.bias is not None
    mean = center_all(state) if state.reg == 0 else 0.0
    rows, cols = (request.scale * x for x in (state.bias.rows, state.bias.cols))
    return CompletionBias(request.mean + request.scale * mean, rows, cols)


def _message(status: CompletionStatus, watch: Watch, empty: list[int], bias: bool) -> str:
    text = f"{status} after {watch.iterations} iterations"
    if watch.choice:
        text = f"{watch.choice}: {text}"
    if watch.iterations:
        text += f": relative residual {watch.training[-1]:.3g} on the entries fitted"
        held = [error for error in watch.held_out if np.isfinite(error)]
        if held:
            text += f", {min(held):.3g} on those held out"
    by = "by the mean and the other bias" if bias else "as 0"
    for count, what in zip(empty, ("rows", "columns"), strict=True):
        if count:
            text += f"; {count} {what} without entries are predicted {by}"
    return text
