"""Entries held out of the fit, as a proof: chosen, taken out of both copies, and put back."""

from __future__ import annotations

import numpy as np

from pysolve import _backend
from pysolve._matrix_completion_entries import Side, Triplets


def hold_out(by_rows: Side, by_columns: Side, rank: int, wanted: int, rng: np.random.Generator) -> Triplets:
    """Takes up to `wanted` entries out of both copies, at most one of a row or a column, and returns them.

    They are moved behind the end of their row and column, so that `put_back` is free. No row or column is left with
    fewer than rank + 1 entries.
    """
    rows, offset = some_of_each_row(by_rows.counts, rank, wanted, rng)
    cols = by_rows.indices[by_rows.begin[rows] + offset]
    chosen = one_of_each_column(cols, by_columns.counts, rank, wanted)
    rows, cols = rows[chosen].astype(np.int32), cols[chosen].astype(np.int32)
    at = by_rows.begin[rows] + offset[chosen]
    held = Triplets(rows, cols, by_rows.values[at].copy())
    if by_rows.weights is not None:
        held.weights = by_rows.weights[at].copy()
    move_to_end(by_rows, rows, at)
    move_to_end(by_columns, cols, places_of(rows, by_columns, cols))
    return held


def some_of_each_row(
    counts: np.ndarray, rank: int, wanted: int, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Rows that can spare an entry, and which of their entries."""
    rows = np.flatnonzero(counts > rank + 1)
    some = rng.permutation(rows.size)[: min(rows.size, 2 * wanted)]
    rows = rows[_backend.beside(some, rows)]
    return rows, (_backend.beside(rng.random(rows.size), rows) * counts[rows]).astype(np.int64)


def one_of_each_column(cols: np.ndarray, counts: np.ndarray, rank: int, wanted: int) -> np.ndarray:
    """Which of these entries to hold out: no two of a column, none of a column that cannot spare it."""
    good = counts[cols] > rank + 1
    places = _backend.beside(np.arange(cols.size), cols)
    _, first = np.unique(np.where(good, cols, -1 - places), return_index=True)
    return np.sort(first[good[first]][:wanted])


def places_of(indices: np.ndarray, side: Side, rows: np.ndarray) -> np.ndarray:
    """Where the entries (row of the side, index) are; the indices of a row rise."""
    low, high = side.begin[rows], side.end[rows] - 1
    longest = int((high - low).max()) + 1 if rows.size else 0
    for _ in range(longest.bit_length()):  # all searches halve together
        middle = (low + high) // 2
        before = side.indices[middle] < indices
        low, high = np.where(before, np.minimum(middle + 1, high), low), np.where(before, high, middle)
    return low


def move_to_end(side: Side, rows: np.ndarray, at: np.ndarray) -> None:
    last = side.end[rows] - 1
    for values in (side.indices, side.values, side.weights):
        if values is not None:
            values[at], values[last] = values[last], values[at]
    side.end = side.end.copy()
    side.end[rows] -= 1


def put_back(side: Side, whole_end: np.ndarray) -> None:
    """Gives a side the entries back that `hold_out` took."""
    side.end = whole_end
