"""Streamed entries put in order by rows and by columns on disk: a bucket sort.

The counts say where each row begins. Buckets of rows that fit in memory are filled in one pass over the entries, and
each is then sorted by itself. The order is that of the sort in memory: stable by rows, then from there by columns.
   bytes on disk: 28 N at most (44 N with weights); read and written: twice that of an entry for each copy
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from pysolve._matrix_completion_entries import Side, sorted_side
from pysolve._matrix_completion_stored import Stored, pieces, rows_of

Block = tuple[np.ndarray, np.ndarray, np.ndarray, Any]  # keys, others, values, weights


def both_orders(entries: Any, folder: str) -> tuple[Side, Side]:
    """Both copies of streamed entries; ValueError that names the first pair in one place."""

    entries.squares = 0.0

    def as_given() -> Iterator[Block]:
        for block in entries.blocks():
            squares = np.square(block.values)
            entries.squares += float((squares if block.weights is None else squares * block.weights).sum())
            yield block.rows, block.cols, block.values, block.weights

    by_rows = _sorted(as_given(), entries, 0, folder, None)

    def turned() -> Iterator[Block]:
        for first in range(0, len(entries), entries.block):
            last = min(first + entries.block, len(entries))
            weights = None if by_rows.weights is None else by_rows.weights[first:last]
            rows = rows_of(by_rows.begin, first, last)
            yield by_rows.indices[first:last], rows, by_rows.values[first:last], weights

    return by_rows, _sorted(turned(), entries, 1, folder, entries.refuse_pair)


def _sorted(
    blocks: Iterator[Block], entries: Any, side: int, folder: str, refuse: Callable[[int, int], Any] | None
) -> Side:
    counts, weighted = entries.counts[side], entries.weights is not None
    end = np.cumsum(counts)
    begin = end - counts
    buckets = np.array([(i, j) for i, j in pieces(begin, end, entries.block)], dtype=np.int64)
    types = [np.int32, np.int32, np.float64, *([np.float64] if weighted else [])]
    columns = [entries.stored(folder, dtype) for dtype in types]
    _fill(columns, blocks, begin, buckets)
    for i, j in buckets:
        first, last = int(begin[i]), int(end[j - 1])
        if last > first:
            _sort_bucket(columns, first, last, int(i), int(j), refuse)
    keys, others, values, *rest = columns
    keys.close()
    return Side(begin, end, others, values, rest[0] if rest else None)


def _fill(columns: list[Stored], blocks: Iterator[Block], begin: np.ndarray, buckets: np.ndarray) -> None:
    """Every entry into the bucket of its key, in the order in which they come."""
    n_buckets = len(buckets)
    kind = np.uint16 if n_buckets < 1 << 16 else np.int64
    bucket_of = np.repeat(np.arange(n_buckets, dtype=kind), buckets[:, 1] - buckets[:, 0])
    free = begin[buckets[:, 0]].copy()
    for block in blocks:
        bucket = bucket_of[block[0]]
        order = np.argsort(bucket, kind="stable")
        many = np.bincount(bucket, minlength=n_buckets)
        stop = np.cumsum(many)
        for column, x in zip(columns, block, strict=False):
            x = x[order]
            for b in np.flatnonzero(many):
                column.write(int(free[b]), x[stop[b] - many[b] : stop[b]])
        free += many


def _sort_bucket(
    columns: list[Stored], first: int, last: int, i: int, j: int, refuse: Callable[[int, int], Any] | None
) -> None:
    keys, others = columns[0].read(first, last), columns[1].read(first, last)
    if j - i > 1:
        values, *weights = (column.read(first, last) for column in columns[2:])
        keys -= np.int32(i)
        part = sorted_side(keys, others, values, weights[0] if weights else None, j - i)
        keys, others = np.repeat(np.arange(i, j, dtype=np.int32), part.counts), part.indices
        for column, x in zip(columns[1:], (part.indices, part.values, part.weights), strict=False):
            column.write(first, np.asarray(x))
    if refuse is not None:
        same = np.flatnonzero((others[1:] == others[:-1]) & (keys[1:] == keys[:-1]))
        if same.size:
            refuse(int(others[same[0]]), int(keys[same[0]]))
