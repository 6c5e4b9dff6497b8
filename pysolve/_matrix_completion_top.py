"""The largest predictions of rows, and which entries of them were fitted."""

from __future__ import annotations

import dataclasses
import numbers
from typing import Any

import numpy as np

from pysolve import _backend

BLOCK_BYTES = 1 << 25  # of predictions that are there at one time


@dataclasses.dataclass(frozen=True, eq=False)
class Seen:
    """Where the fitted entries are: those of row i in the columns indices[begin[i]:begin[i + 1]]. Read-only."""

    begin: np.ndarray
    indices: np.ndarray

    def __post_init__(self) -> None:
        for name in "begin", "indices":
            array = getattr(self, name).view()
            array.flags.writeable = False
            object.__setattr__(self, name, array)

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self.__post_init__()

    def columns(self, row: int) -> np.ndarray:
        return self.indices[self.begin[row] : self.begin[row + 1]]

    def __repr__(self) -> str:
        return f"Seen({self.begin.size - 1} rows, {self.indices.size} entries)"


def top(result: Any, rows: np.ndarray, n: Any, seen: Seen | None) -> tuple[np.ndarray, np.ndarray]:
    """(columns, values) of the n largest predictions of each row, -1 and NaN where there are fewer."""
    if isinstance(n, (bool, np.bool_)) or not isinstance(n, numbers.Integral):
        raise TypeError(f"n must be an integer, not {n!r}")
    if n < 1:
        raise ValueError(f"n must be at least 1, not {n}")
    n_cols = result.shape[1]
    n = min(int(n), n_cols)
    cols = np.full((rows.size, n), -1, dtype=np.int64)
    values = np.full((rows.size, n), np.nan, dtype=result.U.dtype)
    at_once = max(1, BLOCK_BYTES // (n_cols * result.U.itemsize))
    for first in range(0, rows.size, at_once):
        some = rows[first : first + at_once]
        for place, (row, scores) in enumerate(zip(some, result.block(some, slice(None)), strict=True), first):
            allowed = n_cols
            if seen is not None:
                known = seen.columns(row)
                scores[known] = -np.inf
                allowed -= known.size
            best = largest(scores, min(n, allowed))
            cols[place, : best.size], values[place, : best.size] = best, scores[best]
    return cols, values


def largest(scores: np.ndarray, count: int) -> np.ndarray:
    """Where the `count` largest are, the largest first; of equal ones those that come first."""
    if count == 0:
        return np.empty(0, np.int64)
    least = np.partition(scores, scores.size - count)[scores.size - count]
    found = np.flatnonzero(scores >= least)
    return found[np.lexsort((found, -scores[found]))[:count]]


def indices_of(x: Any, name: str, extent: int) -> np.ndarray:
    """An index, or some, from -extent to extent - 1, as an array; errors name the argument."""
    if _backend.on_device(x):
        raise TypeError(f"{name} is on a GPU, but indices are taken from the host: use cupy.asnumpy({name})")
    x = np.asarray(x)
    if x.size == 0 and x.dtype.kind == "f":  # an empty list
        x = x.astype(np.int64)
    if x.dtype.kind not in "iu":
        raise TypeError(f"{name} must be integers, not of dtype {x.dtype}")
    if x.size and not (-extent <= x.min() and x.max() < extent):
        raise IndexError(f"{name} must be below {extent}, but reaches from {x.min()} to {x.max()}")
    return x
