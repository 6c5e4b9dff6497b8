"""A completion on several ranks: from the entries of each to the state it starts from, and the word of all after each
iteration."""

from __future__ import annotations

from typing import Any

import numpy as np

from pysolve import _backend
from pysolve._distributed_entries import Parts
from pysolve._distributed_ranks import Ranks
from pysolve._matrix_completion_als import State, size_of
from pysolve._matrix_completion_arguments import Request
from pysolve._matrix_completion_entries import Triplets
from pysolve._matrix_completion_factors import first_other, padded, spectral_start, stride
from pysolve._matrix_completion_progress import Reporter
from pysolve._matrix_completion_run import n_held
from pysolve._matrix_completion_start import UNEVEN

CHUNK = 1 << 16  # rows drawn at a time


def prepared(ranks: Ranks, request: Request) -> tuple[State, Parts]:
    """Both copies of the entries of this rank's rows and columns, some held out, and its rows of the first factors."""
    parts = Parts(ranks, request.entries, request.shape)
    by_rows, by_columns = parts.by_rows, parts.by_columns
    whole = by_rows.end, by_columns.end
    held = None
    if request.validation is not None:
        held = parts.watch(ranks, parts.to_owners(ranks, request.validation))
    elif request.reg == 0:
        count = n_held(ranks.sum(len(request.entries)), request.k, request.shape)
        held = parts.watch(ranks, parts.hold_out(ranks, request.k, count, request.rng)) if count > 0 else None
        held = held if held is not None and ranks.sum(len(held)) else None
    state = State(
        by_rows=by_rows,
        by_columns=by_columns,
        held=held,
        k=request.k,
        U=np.empty(0),
        V=np.empty(0),
        size=_size(ranks, request.entries),
        held_size=1.0 if held is None else _size(ranks, held),
        whole=whole,
        reg=request.reg,
        group=ranks,
    )
    _start(ranks, request, state, parts)
    return state, parts


def _size(ranks: Ranks, entries: Triplets) -> float:
    own = size_of(entries) if len(entries) and entries.values.any() else 0.0
    return ranks.sum(own**2) ** 0.5 or 1.0


def _start(ranks: Ranks, request: Request, state: State, parts: Parts) -> None:
    k, counts = request.k, (parts.rows.counts, parts.cols.counts)
    if request.x0 is not None:
        state.U = padded(request.x0[0][parts.rows.own], request.dtype)
        state.V = padded(request.x0[1][parts.cols.own], request.dtype)
        state.U[counts[0][parts.rows.own] == 0] = 0
        state.V[counts[1][parts.cols.own] == 0] = 0
        return
    state.V = _random_rows(request, parts)
    state.U = _backend.zeros((parts.rows.end - parts.rows.begin, stride(k)), np.float32)
    even = all(c.std() <= UNEVEN * max(c.mean(), 1.0) ** 0.5 for c in counts)
    sides = state.sides(np.dtype("f4"))
    init = request.init if request.init != "auto" else "spectral" if even else "degree"
    if init != "random":
        spectral_start(*sides, state.V, state.U, k, group=ranks, by_degree=init == "degree")
    first_other(sides[0], state.V, state.U, k, group=ranks)


def _random_rows(request: Request, parts: Parts) -> np.ndarray:
    """This rank's rows of the factor that one process would draw: all are drawn, the others forgotten."""
    n, k, own = request.shape[1], request.k, parts.cols
    V: np.ndarray = _backend.zeros((own.end - own.begin, stride(k)), np.float32)
    for begin in range(0, n, CHUNK):
        drawn = request.rng.standard_normal((min(CHUNK, n - begin), k), dtype=np.float32)
        low, high = max(begin, own.begin), min(begin + len(drawn), own.end)
        if low < high:
            V[low - own.begin : high - own.begin, :k] = drawn[low - begin : high - begin] / n**0.5
    V[own.counts[own.own] == 0] = 0
    return V


class Agreement:
    """After each iteration: what one rank wants to stop, all stop."""

    def __init__(self, ranks: Ranks, report: Reporter) -> None:
        self.ranks, self.report = ranks, report
        self.interrupted = False

    def __call__(self, *figures: Any) -> None:
        stopped = False
        if self.ranks.rank == 0:
            try:
                self.report(*figures)
            except StopIteration:
                stopped = True
        interrupted, stopped_by = self.ranks.sum(np.array([self.interrupted, stopped], dtype=np.int64))
        if interrupted:
            raise KeyboardInterrupt
        if stopped_by:
            raise StopIteration

    def interrupt(self, *_: Any) -> None:
        """Instead of Python's handler of SIGINT: the iteration ends everywhere at once."""
        self.interrupted = True
