"""Random signs of entries, the same wherever an entry is stored."""

from __future__ import annotations

from typing import Any

import numpy as np

from pysolve._matrix_completion_stored import Stored, rows_of


class Signs:
    """Weights of stored entries times their signs, made as they are read."""

    def __init__(self, entries: tuple[Any, ...], turned: bool) -> None:
        self.begin, _, self.indices, values, self.weights = entries
        self.dtype, self.turned = values.dtype, turned

    def lend(self, begin: int, end: int) -> np.ndarray:
        """Those of the entries begin .. end - 1."""
        rows, cols = rows_of(self.begin, begin, end), self.indices.read(begin, end)
        found = sign(cols, rows, self.dtype) if self.turned else sign(rows, cols, self.dtype)
        return found if self.weights is None else found * self.weights.lend(begin, end)


def signs(entries: tuple[Any, ...], turned: bool) -> Any:
    """The weights of a side times random signs; `turned`: a side by columns."""
    begin, _, indices, values, weights = entries
    if isinstance(indices, Stored):
        return Signs(entries, turned)
    rows = rows_of(begin, 0, indices.size)
    found = sign(indices, rows, values.dtype) if turned else sign(rows, indices, values.dtype)
    return found if weights is None else found * weights


def sign(rows: np.ndarray, cols: np.ndarray, dtype: Any) -> np.ndarray:
    """1 or -1 by a hash of the place (the finaliser of MurmurHash3)."""
    h = rows.astype(np.uint32) * np.uint32(0x9E3779B1) ^ cols.astype(np.uint32) * np.uint32(0x85EBCA77)
    h ^= h >> np.uint32(16)
    h *= np.uint32(0x85EBCA6B)
    h ^= h >> np.uint32(13)
    h *= np.uint32(0xC2B2AE35)
    return np.where(h >> np.uint32(31), -1, 1).astype(dtype)
