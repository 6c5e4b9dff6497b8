"""Rows and columns set aside near the information limit: which, and how they are brought back."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from pysolve import _backend
from pysolve._matrix_completion_als import State
from pysolve._matrix_completion_entries import Side
from pysolve._matrix_completion_factors import KERNELS, stride
from pysolve._matrix_completion_stored import Stored, pieces, rows_of

PIECES = 10  # the worst are found a piece at a time: what one row did wrong, its columns are not blamed for
WIDE = np.dtype("f8")
Masks = tuple[np.ndarray, np.ndarray]


def blocks_of(side: Side, values: bool = False) -> Iterator[tuple[np.ndarray, ...]]:
    """Row, column and position of the fitted entries of a side (those held out are not), and their `values`: all at
    once, or what may be in memory of entries on disk."""
    parts: Any = [(0, side.begin.size)]
    if isinstance(side.indices, Stored):
        parts = pieces(side.begin, side.end, side.indices.block)
    for first, last in parts:
        begin, end = int(side.begin[first]), int(side.end[last - 1])
        rows = rows_of(side.begin, begin, end)
        at = np.flatnonzero(np.arange(begin, end) < side.end[rows])
        found = (rows[at], side.indices[begin:end][at], begin + at)
        if at.size:
            yield (*found, side.values[begin:end][at]) if values else found


def core_of(state: State, rows: np.ndarray, cols: np.ndarray, least: int) -> Masks:
    """Adds to the masks, in turn, the rows and columns with fewer than `least` entries among those not in them."""
    while True:
        counts = np.zeros(rows.size, np.int64), np.zeros(cols.size, np.int64)
        for i, j, _ in blocks_of(state.by_rows):
            counted = ~(rows[i] | cols[j])
            for x, count in zip((i, j), counts, strict=True):
                count += np.bincount(x[counted], minlength=count.size)
        more_rows, more_cols = rows | (counts[0] < least), cols | (counts[1] < least)
        if min(np.count_nonzero(~more_rows), np.count_nonzero(~more_cols)) <= state.k:
            return rows, cols  # what would be left has no rank to find
        if more_rows.sum() + more_cols.sum() == rows.sum() + cols.sum():
            return rows, cols
        rows, cols = more_rows, more_cols


def worst_fitted(state: State, rows: np.ndarray, cols: np.ndarray, share: float) -> Masks:
    """Adds to the masks a share of all rows and columns: those with the largest mean square residual."""
    m = rows.size
    out = np.concatenate((rows, cols))
    wanted = int(share * out.size)
    while out.sum() < wanted:
        means = _mean_squares(state, out[:m], out[m:])
        means[out] = -1.0  # where all others are fitted exactly, these are not to be found again
        out[np.argsort(means)[-max(1, wanted // PIECES) :]] = True
    return core_of(state, out[:m], out[m:], state.k + 2)


def _mean_squares(state: State, rows: np.ndarray, cols: np.ndarray) -> np.ndarray:
    """Of the residuals of rows and columns, without the entries of those in the masks."""
    sums = np.zeros((2, rows.size + cols.size))
    for i, j, at, values in blocks_of(state.by_rows, values=True):
        squares = np.empty(i.size, state.U.dtype)
        here = values.astype(state.U.dtype)
        KERNELS.matrix_completion_residual(i, j, here, None, state.U, state.V, state.k, squares)
        squares *= squares
        if state.by_rows.weights is not None:
            squares *= state.by_rows.weights[int(at[0]) : int(at[-1]) + 1][at - at[0]]
        counted = ~(rows[i] | cols[j])
        for x in i[counted], rows.size + j[counted]:
            sums[0] += np.bincount(x, squares[counted], sums.shape[1])
            sums[1] += np.bincount(x, minlength=sums.shape[1])
    return np.asarray(sums[0] / sums[1].clip(1))


def grow(state: State) -> None:
    """Brings back what is set aside, row by row and column by column, each solved from those known already.

    Those with more entries there than unknowns come first, then those with as many; whatever is left is fitted last.
    """
    state.convert(WIDE)
    if state.aside is None:
        return
    aside = [mask.copy() for mask in state.aside]
    for least in state.k + 1, state.k, 1, 0:
        more = True
        while more and (aside[0].any() or aside[1].any()):
            more = False
            for side in 0, 1:
                chosen = aside[side] & (_known(state, side, aside[1 - side]) >= least)
                if chosen.any():
                    _solve(state, side, chosen, aside[1 - side])
                    aside[side] &= ~chosen
                    more = True
    state.set_aside(np.zeros_like(aside[0]), np.zeros_like(aside[1]))


def _known(state: State, side: int, unknown: np.ndarray) -> np.ndarray:
    """How many entries of each row (side 0) or column are in columns or rows that are not `unknown`."""
    counts = np.zeros((state.U, state.V)[side].shape[0], np.int64)
    for i, j, _ in blocks_of(state.by_rows):
        mine, others = (i, j) if side == 0 else (j, i)
        counts += np.bincount(mine[~unknown[others]], minlength=counts.size)
    return counts


def _solve(state: State, side: int, chosen: np.ndarray, unknown: np.ndarray) -> None:
    """The chosen rows (side 0) or columns solve their equations, without the entries in `unknown` ones."""
    masks = [np.zeros(state.U.shape[0], bool), np.zeros(state.V.shape[0], bool)]
    masks[1 - side] = unknown
    state.set_aside(*masks)
    V, U = (state.V, state.U) if side == 0 else (state.U, state.V)
    exact_half_step(state, state.sides(WIDE)[side], V, U, chosen)


def exact_half_step(state: State, entries: Any, V: np.ndarray, U: np.ndarray, chosen: np.ndarray) -> None:
    """The chosen rows of U solve their equations, by the inverse of their blocks and two refinements."""
    k = state.k
    some = np.flatnonzero(chosen)
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
