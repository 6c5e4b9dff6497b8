"""Observed entries in every form they come in, checked, and laid out by rows and by columns for the kernels."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import scipy.sparse as sp

from pysolve import _backend
from pysolve._arrays import as_numbers, check_finite, largest_magnitude

KERNELS: Any = _backend.kernels(np.empty(0))
LARGEST_SIDE = np.iinfo(np.int32).max


@dataclasses.dataclass
class Side:
    """The entries by rows, or by columns: those of row i are begin[i] <= e < end[i]."""

    begin: np.ndarray
    end: np.ndarray
    indices: np.ndarray
    values: np.ndarray
    weights: np.ndarray | None

    def of_type(self, dtype: Any) -> tuple[Any, ...]:
        """What the kernels take, with values and weights of this type."""
        weights = None if self.weights is None else self.weights.astype(dtype, copy=False)
        return self.begin, self.end, self.indices, self.values.astype(dtype, copy=False), weights

    @property
    def counts(self) -> np.ndarray:
        return self.end - self.begin


@dataclasses.dataclass
class Triplets:
    """Entries in any order."""

    rows: np.ndarray
    cols: np.ndarray
    values: np.ndarray
    weights: np.ndarray | None = None

    def __len__(self) -> int:
        return self.rows.size

    def where(self, chosen: np.ndarray) -> Triplets:
        """Those of the mask."""
        weights = None if self.weights is None else self.weights[chosen]
        return Triplets(self.rows[chosen], self.cols[chosen], self.values[chosen], weights)


def triplets_from(observed: Any) -> tuple[Triplets, tuple[int, int]]:
    """The entries and the shape of the matrix from any form of `observed`."""
    if sp.issparse(observed):
        return _from_sparse(observed)
    if isinstance(observed, tuple):
        return _from_tuple(observed)
    if isinstance(observed, np.ma.MaskedArray):
        data, seen = np.ma.getdata(observed), ~np.ma.getmaskarray(observed)
        return _from_dense(as_numbers(data, "observed"), seen)
    dense = as_numbers(observed, "observed")
    return _from_dense(dense, None)


def _from_sparse(A: Any) -> tuple[Triplets, tuple[int, int]]:
    if A.ndim != 2:
        raise ValueError(f"observed must have two dimensions, but its shape is {A.shape}")
    if A.format not in ("csr", "csc", "coo"):
        raise TypeError(
            f"observed must be CSR, CSC or COO, not {A.format.upper()}: other formats do not tell a stored "
            "zero, which is an observation, from an entry that is missing"
        )
    if A.format == "coo":
        return _checked(A.row, A.col, A.data, A.shape)
    major = np.repeat(np.arange(len(A.indptr) - 1, dtype=np.int32), _row_lengths(A))
    rows, cols = (major, A.indices) if A.format == "csr" else (A.indices, major)
    return _checked(rows, cols, A.data, A.shape)


def _row_lengths(A: Any) -> np.ndarray:
    lengths = np.diff(A.indptr)
    if A.indptr[0] != 0 or (lengths < 0).any() or A.indptr[-1] != A.indices.size != A.data.size:
        raise ValueError("observed must be a valid sparse matrix, but its indptr does not fit its entries")
    return lengths


def _from_tuple(observed: tuple[Any, ...]) -> tuple[Triplets, tuple[int, int]]:
    if len(observed) != 2 or not isinstance(observed[0], tuple) or len(observed[0]) != 3:
        raise ValueError("observed, as a tuple, must be ((rows, cols, values), shape)")
    (rows, cols, values), shape = observed
    try:
        m, n = (int(extent) for extent in shape)
    except (TypeError, ValueError):
        raise ValueError(f"the shape of observed must be two integers, not {shape!r}") from None
    return _checked(as_numbers(rows, "rows"), as_numbers(cols, "cols"), as_numbers(values, "values"), (m, n))


def _from_dense(dense: np.ndarray, seen: np.ndarray | None) -> tuple[Triplets, tuple[int, int]]:
    if dense.ndim != 2:
        raise ValueError(f"observed must have two dimensions, but its shape is {dense.shape}")
    if seen is None:
        seen = ~np.isnan(dense) if dense.dtype.kind == "f" else np.ones(dense.shape, bool)
    rows, cols = np.nonzero(seen)
    return _checked(rows, cols, dense[rows, cols], dense.shape)


def _checked(rows: Any, cols: Any, values: Any, shape: Any) -> tuple[Triplets, tuple[int, int]]:
    m, n = int(shape[0]), int(shape[1])
    if not (0 < m <= LARGEST_SIDE and 0 < n <= LARGEST_SIDE):
        raise ValueError(f"observed must have from 1 to {LARGEST_SIDE} rows and columns, but is {m} x {n}")
    if not rows.ndim == cols.ndim == values.ndim == 1 or not rows.size == cols.size == values.size:
        raise ValueError(
            "rows, cols and values must be one-dimensional and of one length, but their shapes are "
            f"{rows.shape}, {cols.shape} and {values.shape}"
        )
    if values.dtype.kind == "c":
        raise TypeError("observed must be real, not complex")
    for index, extent, name in (rows, m, "rows"), (cols, n, "cols"):
        if index.dtype.kind not in "iu":
            raise TypeError(f"{name} must be integers, not of dtype {index.dtype}")
        if index.size and not (index.min() >= 0 and index.max() < extent):
            first = int(np.argmax((index < 0) | (index >= extent)))
            raise ValueError(f"{name} must be from 0 to {extent - 1}, but {name}[{first}] is {index[first]}")
    values = np.ascontiguousarray(values, dtype=np.float64)
    check_finite(values, "values")
    return Triplets(
        np.ascontiguousarray(rows, dtype=np.int32), np.ascontiguousarray(cols, dtype=np.int32), values
    ), (m, n)


def weights_of(weights: Any, count: int) -> tuple[float, np.ndarray | None]:
    """The largest weight, and the weights over it: one for each entry, in the order of the entries."""
    if weights is None:
        return 1.0, None
    if sp.issparse(weights):
        weights = weights.data
    w = as_numbers(weights, "weights")
    if w.dtype.kind == "c" or w.shape != (count,):
        raise ValueError(
            f"weights must be {count} real numbers, one for each entry of observed in its order, "
            f"but are of dtype {w.dtype} and shape {w.shape}"
        )
    w = w.astype(np.float64)
    check_finite(w, "weights")
    if (w < 0).any():
        first = int(np.argmax(w < 0))
        raise ValueError(f"weights must not be negative, but weights[{first}] is {w[first]}")
    largest = largest_magnitude(w)
    if largest == 0:
        raise ValueError("weights must not all be 0")
    return largest, w / largest


def by_rows_and_columns(
    entries: Triplets, shape: tuple[int, int], rising: bool = False
) -> tuple[Side, Side]:
    """Both copies; ValueError that names the first pair of entries in one place.

    Within a column the rows rise; within a row the columns do where `rising`, at the price of one more sort.
    """
    by_rows = _sorted(entries.rows, entries.cols, entries.values, entries.weights, shape[0])
    by_columns = _turned(by_rows, shape[1])
    _check_unique(by_columns, entries)
    return _turned(by_columns, shape[0]) if rising else by_rows, by_columns


def _turned(side: Side, n: int) -> Side:
    """The entries by columns from those by rows, or the other way."""
    rows = np.repeat(np.arange(len(side.begin), dtype=np.int32), side.counts)
    return _sorted(side.indices, rows, side.values, side.weights, n)


def _sorted(keys: np.ndarray, others: Any, values: Any, weights: Any, n: int) -> Side:
    begin, sorted_weights = np.empty(n + 1, np.int64), None if weights is None else np.empty_like(weights)
    indices, sorted_values = np.empty_like(others), np.empty_like(values)
    KERNELS.matrix_completion_sort(
        keys, others, values, weights, begin, indices, sorted_values, sorted_weights
    )
    return Side(begin[:-1], begin[1:], indices, sorted_values, sorted_weights)


def _check_unique(by_columns: Side, entries: Triplets) -> None:
    """Within a column the rows rise: two entries in one place are neighbours."""
    begin, rows = by_columns.begin, by_columns.indices
    same = np.flatnonzero(rows[1:] == rows[:-1])
    if same.size == 0:
        return
    column = np.searchsorted(begin, same, side="right")
    same = same[column == np.searchsorted(begin, same + 1, side="right")]
    if same.size:
        i, j = int(rows[same[0]]), int(np.searchsorted(begin, same[0], side="right")) - 1
        at = np.flatnonzero((entries.rows == i) & (entries.cols == j))
        raise ValueError(
            f"observed must not have two entries in one place, but entries {at[0]} and {at[1]} are both at "
            f"({i}, {j}): add or average them first"
        )


def hold_out(by_rows: Side, by_columns: Side, rank: int, wanted: int, rng: np.random.Generator) -> Triplets:
    """Takes up to `wanted` entries out of both copies, at most one of a row or a column, and returns them.

    They are moved behind the end of their row and column, so that `put_back` is free. No row or column is left with
    fewer than rank + 1 entries.
    """
    rows = np.flatnonzero(by_rows.counts > rank + 1)
    rows = rng.permutation(rows)[: min(rows.size, 2 * wanted)]
    at = by_rows.begin[rows] + (rng.random(rows.size) * by_rows.counts[rows]).astype(np.int64)
    cols = by_rows.indices[at]
    good = by_columns.counts[cols] > rank + 1
    _, first = np.unique(np.where(good, cols, -1 - np.arange(rows.size)), return_index=True)
    first = first[good[first]][:wanted]
    first.sort()
    rows, at, cols = rows[first].astype(np.int32), at[first], cols[first].astype(np.int32)
    held = Triplets(rows, cols, by_rows.values[at].copy())
    if by_rows.weights is not None:
        held.weights = by_rows.weights[at].copy()
    _move_to_end(by_rows, rows, at)
    there = [
        b + np.searchsorted(by_columns.indices[b:e], i)
        for i, b, e in zip(rows, by_columns.begin[cols], by_columns.end[cols], strict=True)
    ]
    _move_to_end(by_columns, cols, np.array(there, dtype=np.int64))
    return held


def _move_to_end(side: Side, rows: np.ndarray, at: np.ndarray) -> None:
    last = side.end[rows] - 1
    for values in (side.indices, side.values, side.weights):
        if values is not None:
            values[at], values[last] = values[last], values[at]
    side.end = side.end.copy()
    side.end[rows] -= 1


def put_back(side: Side, whole_end: np.ndarray) -> None:
    """Gives a side the entries back that `hold_out` took."""
    side.end = whole_end
