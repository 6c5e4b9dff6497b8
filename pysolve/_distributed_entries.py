"""Entries given to any rank, sent to those that own their rows and their columns, and checked over all ranks."""

from __future__ import annotations

from typing import Any

import numpy as np

from pysolve._distributed_ranks import Halo, Ranks
from pysolve._matrix_completion_entries import Side, Triplets, sorted_side
from pysolve._matrix_completion_held import move_to_end, one_of_each_column, places_of, some_of_each_row

ROW_COST = 16  # of a row without entries, in entries


class Blocks:
    """The block of rows (or columns) of every rank, with about the same work in each."""

    def __init__(self, ranks: Ranks, indices: np.ndarray, extent: int) -> None:
        self.counts = ranks.sum(np.bincount(indices, minlength=extent).astype(np.int64))
        cost = np.cumsum(self.counts + ROW_COST)
        inner = np.searchsorted(cost, cost[-1] * np.arange(1, ranks.size) / ranks.size)
        self.bounds = np.concatenate([[0], inner, [extent]]).astype(np.int64)
        self.begin, self.end = (int(bound) for bound in self.bounds[ranks.rank : ranks.rank + 2])

    def owners(self, indices: np.ndarray) -> np.ndarray:
        return np.searchsorted(self.bounds, indices, side="right") - 1

    @property
    def own(self) -> slice:
        return slice(self.begin, self.end)


class Parts:
    """This rank's two copies of the entries: its rows', and its columns'. Indices are places in a halo."""

    def __init__(self, ranks: Ranks, entries: Triplets, shape: tuple[int, int]) -> None:
        self.rows = Blocks(ranks, entries.rows, shape[0])
        self.cols = Blocks(ranks, entries.cols, shape[1])
        mine = _sent(ranks, entries, self.rows.owners(entries.rows))
        self.by_rows, self.needed_cols = _side(mine.rows, mine.cols, mine, self.rows)
        # By columns from those by rows, so that the order within a column is that of one process.
        rows = np.repeat(np.arange(self.rows.begin, self.rows.end, dtype=np.int32), self.by_rows.counts)
        cols = self.needed_cols[self.by_rows.indices].astype(np.int32)
        turned = Triplets(rows, cols, self.by_rows.values, self.by_rows.weights)
        theirs = _sent(ranks, turned, self.cols.owners(cols))
        self.by_columns, self.needed_rows = _side(theirs.cols, theirs.rows, theirs, self.cols)
        _check_unique(self)
        ranks.halos["V"] = Halo(ranks, self.needed_cols, self.cols.bounds)
        ranks.halos["U"] = Halo(ranks, self.needed_rows, self.rows.bounds)

    def hold_out(self, ranks: Ranks, rank: int, wanted: int, rng: np.random.Generator) -> Triplets:
        """As `hold_out` of one process: the same entries; returns those of this rank's rows."""
        rows, offset = some_of_each_row(self.rows.counts, rank, wanted, rng)
        mine = (rows >= self.rows.begin) & (rows < self.rows.end)
        at = self.by_rows.begin[rows[mine] - self.rows.begin] + offset[mine]
        cols = np.zeros(rows.size, np.int64)
        cols[mine] = self.needed_cols[self.by_rows.indices[at]]
        cols = ranks.sum(cols)
        chosen = one_of_each_column(cols, self.cols.counts, rank, wanted)
        return self._take(rows[chosen], cols[chosen], offset[chosen])

    def _take(self, rows: np.ndarray, cols: np.ndarray, offset: np.ndarray) -> Triplets:
        mine = (rows >= self.rows.begin) & (rows < self.rows.end)
        here = rows[mine] - self.rows.begin
        at = self.by_rows.begin[here] + offset[mine]
        held = Triplets(here.astype(np.int32), cols[mine], self.by_rows.values[at].copy())
        if self.by_rows.weights is not None:
            held.weights = self.by_rows.weights[at].copy()
        theirs = (cols >= self.cols.begin) & (cols < self.cols.end)
        columns = cols[theirs] - self.cols.begin
        places = places_of(np.searchsorted(self.needed_rows, rows[theirs]), self.by_columns, columns)
        move_to_end(self.by_rows, here, at)
        move_to_end(self.by_columns, columns, places)
        return held

    def watch(self, ranks: Ranks, held: Triplets) -> Triplets:
        """Entries (global columns, rows of this rank) that are only looked at, with a halo of their own."""
        needed, places = np.unique(held.cols, return_inverse=True)
        ranks.halos["held"] = Halo(ranks, needed.astype(np.int64), self.cols.bounds)
        return Triplets(held.rows, places.astype(np.int32).reshape(-1), held.values, held.weights)

    def to_owners(self, ranks: Ranks, entries: Triplets) -> Triplets:
        """Entries of the whole matrix, sent to the owners of their rows."""
        mine = _sent(ranks, entries, self.rows.owners(entries.rows))
        return Triplets((mine.rows - self.rows.begin).astype(np.int32), mine.cols, mine.values, mine.weights)


def _sent(ranks: Ranks, entries: Triplets, owners: np.ndarray) -> Triplets:
    order = np.argsort(owners, kind="stable")
    counts = np.bincount(owners, minlength=ranks.size)

    def send(values: Any) -> Any:
        return None if values is None else ranks.exchange(values[order], counts)[0]

    return Triplets(send(entries.rows), send(entries.cols), send(entries.values), send(entries.weights))


def _side(keys: Any, others: Any, entries: Triplets, blocks: Blocks) -> tuple[Side, np.ndarray]:
    needed, places = np.unique(others, return_inverse=True)
    keys = (keys - blocks.begin).astype(np.int32)
    side = sorted_side(
        keys, places.astype(np.int32).reshape(-1), entries.values, entries.weights, blocks.end - blocks.begin
    )
    return side, needed.astype(np.int64)


def _check_unique(parts: Parts) -> None:
    side = parts.by_columns
    cols = np.repeat(np.arange(side.begin.size), side.counts)
    same = np.flatnonzero((side.indices[1:] == side.indices[:-1]) & (cols[1:] == cols[:-1]))
    if same.size:
        i, j = parts.needed_rows[side.indices[same[0]]], cols[same[0]] + parts.cols.begin
        raise ValueError(f"observed must not have two entries in one place, but has two at ({i}, {j})")
