"""The rank of a matrix from some of its entries: rank="auto" of `matrix_completion`.

From a fit of rank r, the leading singular values of what is left on the entries tell how many directions stand out from
chance, which is the largest singular value of the same with random signs. As many columns are added (one, to see, where
none stands out), the fit goes on from where it stands, and so on until the error on entries held out falls no further,
or is nothing. The rank is the least whose columns predict them as well.
   cost: some rounds, each of 2 N_POWERS power steps and up to MOST_STEPS alternations
"""

from __future__ import annotations

import copy
import dataclasses
from collections.abc import Callable
from typing import Any

import numpy as np

from pysolve import _backend
from pysolve._matrix_completion_als import State, iterate, relative_residual, size_of
from pysolve._matrix_completion_arguments import LARGEST_RANK, Request
from pysolve._matrix_completion_entries import by_rows_and_columns
from pysolve._matrix_completion_factors import KERNELS, gauge, stride
from pysolve._matrix_completion_held import hold_out
from pysolve._matrix_completion_signs import signs

BLOCK, MOST_BLOCK, CHANCE_BLOCK = 8, 64, 4  # directions looked for at a time
N_POWERS = 3
ABOVE = 1.1  # times what chance gives, from which a direction stands out
EXACT = 1e-4  # relative error on entries held out that only the right rank reaches
BETTER = 0.99  # of the error on entries held out, to be worth more columns
LEVEL = 1.01  # of the least error: ranks within it predict as well
NOTHING = 0.98  # relative error on entries held out beyond which nothing is predicted
LEAST_STEPS, MOST_STEPS = 4, 25  # alternations of a round
SLOW = 0.93  # of the error before, beyond which a round ends
HELD = 2000  # entries held out at most
NARROW = np.dtype("f4")
Factors = tuple[np.ndarray, np.ndarray, int]


@dataclasses.dataclass
class Chosen:
    """The rank, and the errors on entries held out that speak for it."""

    rank: int
    errors: dict[int, float]  # of the ranks looked at
    state: State | None = None  # where an interrupt ended the search
    start: tuple[np.ndarray, np.ndarray] | None = None  # factors that are all but exact

    @property
    def noise(self) -> bool:
        """Whether no rank predicts anything."""
        return min(self.errors.values()) > NOTHING

    def __str__(self) -> str:
        near = sorted(self.errors, key=lambda rank: (abs(rank - self.rank), rank))[:3]
        tried = ", ".join(f"{self.errors[rank]:.2g} with {rank}" for rank in sorted(near))
        return f"rank {self.rank} chosen by the error on entries held out ({tried})"


def choose_rank(request: Request, tell: Callable[[int, int, float], None]) -> Chosen:
    """The rank that predicts entries held out best; `tell` is called after each alternation. Interrupted, the best so
    far, if there is one."""
    rng = copy.deepcopy(request.rng)
    state, errors = _without_columns(request, rng), {0: 1.0}
    best = [(state.U, state.V, state.k)]
    try:
        _grow_on(state, errors, best, largest_rank(request), rng, tell)
    except KeyboardInterrupt:
        if best[-1][2] == 0:
            raise
        state.U, state.V, state.k = best[-1]
        return Chosen(state.k, {k: error for k, error in errors.items() if k}, state)
    state.U, state.V, state.k = best[-1]
    rank, shorter = _least(state)
    exact = state.k == rank and errors[rank] < EXACT
    tried = shorter | {k: error for k, error in errors.items() if k}
    return Chosen(rank, tried, start=(state.U, state.V) if exact else None)


def _grow_on(
    state: State,
    errors: dict[int, float],
    best: list[Factors],
    most: int,
    rng: np.random.Generator,
    tell: Any,
) -> None:
    """Rounds of more columns. What is tried is added to `errors`, and the factors of the least error become the last
    of `best`."""
    block, in_vain = BLOCK, 0
    while state.k < most:
        found, V = _left(state, block, rng)
        _grow(state, V[:, : min(max(found, 1), most - state.k)])
        errors[state.k] = _settle(state, tell)
        better = errors[state.k] < BETTER * errors[best[-1][2]]
        if better or best[-1][2] == 0:
            best[:] = [(state.U, state.V, state.k)]
        in_vain = 0 if better else in_vain + 1
        # Equal singular values are worth little one by one: while some stand out, two more rounds are tried.
        if errors[state.k] < EXACT or (not better and (found == 0 or in_vain > 2)):
            break
        block = min(2 * block, MOST_BLOCK) if found == block else block


def largest_rank(request: Request) -> int:
    """The largest rank with no more unknowns than nine tenths of the entries; at least 1."""
    (m, n), count = request.shape, 0.9 * len(request.entries)
    half = (m + n) / 2
    most = half - max(half**2 - count, 0.0) ** 0.5  # k (m + n - k) = count
    return max(1, min(int(most), m, n, LARGEST_RANK))


def _without_columns(request: Request, rng: np.random.Generator) -> State:
    by_rows, by_columns = by_rows_and_columns(request.entries, request.shape)
    whole, held = (by_rows.end, by_columns.end), request.validation
    if held is None:
        held = hold_out(by_rows, by_columns, 1, min(HELD, -(-len(request.entries) // 20)), rng)
        if len(held) == 0:
            raise ValueError(
                "rank must be a number: 'auto' needs entries to hold out, but no row has three entries"
            )
    U, V = (np.zeros((extent, 0), NARROW) for extent in request.shape)
    size = size_of(request.entries)
    return State(by_rows, by_columns, held, 0, U, V, size, size_of(held), whole, reg=request.reg)


def _left(state: State, block: int, rng: np.random.Generator) -> tuple[int, np.ndarray]:
    """How many right singular vectors of the residual stand out from chance, and the leading ones."""
    sides = state.sides(NARROW)
    signed = tuple(
        (*entries[:4], signs(entries, turned)) for entries, turned in zip(sides, (False, True), strict=True)
    )
    chance, _ = _leading(state, signed, CHANCE_BLOCK, rng)
    lengths, V = _leading(state, sides, block, rng)
    return int((lengths > ABOVE * chance[0]).sum()), V


def _leading(
    state: State, sides: tuple, block: int, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """The leading singular values of the residual, and its right singular vectors, by power steps."""
    (rows, cols), k = sides, state.k
    block = min(block, state.U.shape[0], state.V.shape[0])
    U, V = (_wider(factor, k, block) for factor in (state.U, state.V))
    no_U, no_V, out_U, out_V = U.copy(), V.copy(), np.empty_like(U), np.empty_like(V)
    new = slice(k, k + block)
    V[:, new] = rng.standard_normal((V.shape[0], block), dtype=np.float32)
    for _ in range(N_POWERS):
        KERNELS.matrix_completion_gradient(rows, V, no_U, out_U, k + block)
        U[:, new] = np.linalg.qr(out_U[:, new])[0]
        KERNELS.matrix_completion_gradient(cols, U, no_V, out_V, k + block)
        V[:, new], lengths, _ = np.linalg.svd(out_V[:, new], full_matrices=False)
    return lengths, V[:, new]


def _wider(factor: np.ndarray, k: int, more: int) -> np.ndarray:
    """Room for more columns, which are 0."""
    wide: np.ndarray = _backend.zeros((factor.shape[0], stride(k + more)), NARROW)
    wide[:, :k] = factor[:, :k]
    return wide


def _grow(state: State, V: np.ndarray) -> None:
    more = V.shape[1]
    state.U, wide = _wider(state.U, state.k, more), _wider(state.V, state.k, more)
    wide[:, state.k : state.k + more] = V
    state.V, state.k = wide, state.k + more
    state.iterations, state.training = 0, np.inf


def _settle(state: State, tell: Callable[[int, int, float], None]) -> float:
    """Alternations until the error on entries held out hardly falls; the factors of the least, and that error."""
    least, best, before = np.inf, state.best(), np.inf
    for step in range(MOST_STEPS):
        iterate(state)
        error = state.held_out()
        tell(state.k, step + 1, error)
        if error < least:
            least, best = error, state.best()
        if error < EXACT / 10 or (step + 1 >= LEAST_STEPS and not error < SLOW * before):
            break
        before = error
    state.U, state.V = best
    return least


def _least(state: State) -> tuple[int, dict[int, float]]:
    """The fewest leading columns that predict entries held out as well as any; the errors of all their numbers."""
    gauge(state.V, state.U, state.k)
    errors = {}
    for rank in range(1, state.k + 1):
        U = state.U.copy()
        U[:, rank:] = 0
        errors[rank] = relative_residual(state.held, U, state.V, state.k, state.held_size)
    least = min(errors.values())
    limit = max(LEVEL * least, EXACT) if least < EXACT else LEVEL * least
    return min(rank for rank, error in errors.items() if error <= limit), errors
