"""Entries in parts, drawn independently of each other: what the proof of the paper needs.

A half step that sees its part alone sees entries that the factor it starts from has not been made of.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from pysolve._matrix_completion_stored import rows_of
from pysolve._matrix_completion_stream import Streamed


def parts_of(rows: np.ndarray, cols: np.ndarray, n_parts: int, seed: int) -> np.ndarray:
    """The part of each entry, a number that depends on its place and the seed alone (splitmix64)."""
    z = (rows.astype(np.uint64) << np.uint64(32)) + cols.astype(np.uint64) + np.uint64(seed)
    z *= np.uint64(0x9E3779B97F4A7C15)
    for shift, factor in (30, 0xBF58476D1CE4E5B9), (27, 0x94D049BB133111EB):
        z = (z ^ (z >> np.uint64(shift))) * np.uint64(factor)
    z ^= z >> np.uint64(31)
    return np.asarray(z % np.uint64(n_parts)).astype(np.int64)


def only_part(entries: tuple[Any, ...], turned: bool, part: int, n_parts: int, seed: int) -> tuple[Any, ...]:
    """The same entries, those of other parts without weight. `turned`: they are by columns."""
    begin, end, indices, values, weights = entries
    mine = rows_of(begin, 0, indices.size)
    rows, cols = (indices, mine) if turned else (mine, indices)
    counted = (parts_of(rows, cols, n_parts, seed) == part).astype(values.dtype)
    return begin, end, indices, values, counted if weights is None else weights * counted


def checked_split(split: Any, entries: Any, method: Any) -> bool:
    """The argument `split`."""
    if not isinstance(split, bool | np.bool_):
        raise TypeError(f"split must be True or False, not {split!r}")
    if split and isinstance(entries, Streamed):
        raise ValueError("split must be False where the entries do not fit into memory, not True")
    if split and method == "gauss-newton":
        raise ValueError(
            "split must be False with method='gauss-newton', whose steps need all entries, not True"
        )
    return bool(split)
