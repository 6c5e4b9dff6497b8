"""Observed entries in every form they come in, checked, and laid out by rows and by columns for the kernels."""

from __future__ import annotations

import dataclasses
import math
from typing import Any

import numpy as np
import scipy.sparse as sp

from pysolve import _backend
from pysolve._arrays import as_numbers, check_finite, largest_magnitude
from pysolve._matrix_completion_group import ALONE
from pysolve._matrix_completion_pairs import refuse_pair

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
    given: np.ndarray | None = dataclasses.field(default=None, metadata={"kept": False})  # mask: those of the
    # entries that were given which these are; None: all

    def __len__(self) -> int:
        return self.rows.size

    def where(self, chosen: np.ndarray) -> Triplets:
        """Those of the mask."""
        weights = None if self.weights is None else self.weights[chosen]
        return Triplets(self.rows[chosen], self.cols[chosen], self.values[chosen], weights)

    def leave(self, chosen: np.ndarray) -> Triplets:
        """Leaves those of the mask alone here; returns the others."""
        rest, others = self.where(chosen), self.where(~chosen)
        for part, mask in (rest, chosen), (others, ~chosen):
            part.given = mask
            if self.given is not None:
                part.given = self.given.copy()
                part.given[self.given] = mask
        for field in dataclasses.fields(Triplets):
            setattr(self, field.name, getattr(rest, field.name))
        return others

    def numbers(self, at: np.ndarray) -> np.ndarray:
        """The numbers that entries here have among those that were given."""
        return at if self.given is None else np.flatnonzero(self.given)[at]


def triplets_from(observed: Any) -> tuple[Triplets, tuple[int, int]]:
    """The entries and the shape of the matrix from any form of `observed`."""
    if sp.issparse(observed) or (hasattr(observed, "format") and _backend.on_device(observed)):
        return _from_sparse(observed)
    if isinstance(observed, tuple):
        return _from_tuple(observed)
    if isinstance(observed, np.ma.MaskedArray):
        data, seen = np.ma.getdata(observed), ~np.ma.getmaskarray(observed)
        return _from_dense(as_numbers(data, "observed"), seen)
    dense = as_numbers(observed, "observed", device=True)
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
    _check_row_lengths(A)
    major = row_numbers(A.indptr[:-1], A.indices.size)
    rows, cols = (major, A.indices) if A.format == "csr" else (A.indices, major)
    return _checked(rows, cols, A.data, A.shape)


def _check_row_lengths(A: Any) -> None:
    lengths = np.diff(A.indptr)
    if A.indptr[0] != 0 or (lengths < 0).any() or A.indptr[-1] != A.indices.size != A.data.size:
        raise ValueError("observed must be a valid sparse matrix, but its indptr does not fit its entries")


def row_numbers(begin: Any, n_entries: int) -> Any:
    """The row of each entry, in rows that begin there and lie one behind the other."""
    if not _backend.on_device(begin):
        return np.repeat(np.arange(begin.size, dtype=np.int32), np.diff(np.append(begin, n_entries)))
    numbers = _backend.namespace(begin).arange(n_entries, dtype=np.int64)
    return (np.searchsorted(begin, numbers, side="right") - 1).astype(np.int32)


def _from_tuple(observed: tuple[Any, ...]) -> tuple[Triplets, tuple[int, int]]:
    if len(observed) != 2 or not isinstance(observed[0], tuple) or len(observed[0]) != 3:
        raise ValueError("observed, as a tuple, must be ((rows, cols, values), shape)")
    (rows, cols, values), shape = observed
    try:
        m, n = (int(extent) for extent in shape)
    except (TypeError, ValueError):
        raise ValueError(f"the shape of observed must be two integers, not {shape!r}") from None
    _backend.same_device(rows=rows, cols=cols, values=values)
    rows, cols = as_numbers(rows, "rows", device=True), as_numbers(cols, "cols", device=True)
    return _checked(rows, cols, as_numbers(values, "values", device=True), (m, n))


def _from_dense(dense: np.ndarray, seen: np.ndarray | None) -> tuple[Triplets, tuple[int, int]]:
    if dense.ndim != 2:
        raise ValueError(f"observed must have two dimensions, but its shape is {dense.shape}")
    if seen is None:
        seen = ~np.isnan(dense) if dense.dtype.kind == "f" else np.ones_like(dense, bool)
    rows, cols = np.nonzero(seen)
    return _checked(rows, cols, dense[rows, cols], dense.shape)


def _checked(rows: Any, cols: Any, values: Any, shape: Any) -> tuple[Triplets, tuple[int, int]]:
    m, n = check_shape(shape)
    if not rows.ndim == cols.ndim == values.ndim == 1 or not rows.size == cols.size == values.size:
        raise ValueError(
            "rows, cols and values must be one-dimensional and of one length, but their shapes are "
            f"{rows.shape}, {cols.shape} and {values.shape}"
        )
    check_kinds(rows.dtype, cols.dtype, values.dtype)
    for index, extent, name in (rows, m, "rows"), (cols, n, "cols"):
        check_indices(index, extent, name)
    values = _backend.contiguous(values, np.float64)
    check_finite(values, "values")
    rows, cols = (_backend.contiguous(index, np.int32) for index in (rows, cols))
    return Triplets(rows, cols, values), (m, n)


def check_shape(shape: Any) -> tuple[int, int]:
    """Rows and columns of a matrix that can be completed."""
    m, n = int(shape[0]), int(shape[1])
    if not (0 < m <= LARGEST_SIDE and 0 < n <= LARGEST_SIDE):
        raise ValueError(f"observed must have from 1 to {LARGEST_SIDE} rows and columns, but is {m} x {n}")
    return m, n


def check_kinds(rows: np.dtype, cols: np.dtype, values: np.dtype) -> None:
    """TypeError unless these are the types of indices and of values."""
    if values.kind == "c":
        raise TypeError("observed must be real, not complex")
    for dtype, name in (rows, "rows"), (cols, "cols"):
        if dtype.kind not in "iu":
            raise TypeError(f"{name} must be integers, not of dtype {dtype}")


def check_indices(index: np.ndarray, extent: int, name: str, before: int = 0) -> None:
    """ValueError that names the first index out of its range, `before` entries having come before these."""
    if index.size and not (index.min() >= 0 and index.max() < extent):
        first = int(np.argmax((index < 0) | (index >= extent)))
        raise ValueError(
            f"{name} must be from 0 to {extent - 1}, but {name}[{before + first}] is {index[first]}"
        )


def weights_of(weights: Any, count: int, group: Any = ALONE) -> tuple[float, np.ndarray | None]:
    """The largest weight, and the weights over it: one for each entry, in the order of the entries."""
    if weights is None:
        return 1.0, None
    w = weight_for_each(weights, count).astype(np.float64)
    largest = group.largest(check_weights(w))
    if largest == 0 and group.sum(count):
        raise ValueError("weights must not all be 0")
    return largest or 1.0, w / (largest or 1.0)


def weight_for_each(weights: Any, count: int) -> np.ndarray:
    """The weights as they were given, one for each entry."""
    if sp.issparse(weights) or (hasattr(weights, "format") and _backend.on_device(weights)):
        weights = weights.data
    w = as_numbers(weights, "weights", device=True)
    if w.dtype.kind == "c" or w.shape != (count,):
        raise ValueError(
            f"weights must be {count} real numbers, one for each entry of observed in its order, "
            f"but are of dtype {w.dtype} and shape {w.shape}"
        )
    return w


def check_weights(w: np.ndarray, before: int = 0) -> float:
    """The largest of these weights; ValueError that names the first that is none."""
    check_finite(w, "weights", before)
    if (w < 0).any():
        first = int(np.argmax(w < 0))
        raise ValueError(f"weights must not be negative, but weights[{before + first}] is {w[first]}")
    return largest_magnitude(w)


def by_rows_and_columns(entries: Any, shape: tuple[int, int], rising: bool = False) -> tuple[Side, Side]:
    """Both copies; ValueError that names the first pair of entries in one place.

    Within a column the rows rise; within a row the columns do where `rising`, at the price of one more sort (of entries
    in memory).
    """
    if not isinstance(entries, Triplets):
        return entries.sides()
    by_rows = sorted_side(entries.rows, entries.cols, entries.values, entries.weights, shape[0])
    by_columns = _turned(by_rows, shape[1])
    _check_unique(by_columns, entries)
    return _turned(by_columns, shape[0]) if rising else by_rows, by_columns


def _turned(side: Side, n: int) -> Side:
    """The entries by columns from those by rows, or the other way."""
    rows = row_numbers(side.begin, side.indices.size)
    return sorted_side(side.indices, rows, side.values, side.weights, n)


def sorted_side(keys: np.ndarray, others: Any, values: Any, weights: Any, n: int) -> Side:
    """Entries in the stable order of their keys, which are from 0 to n - 1."""
    begin = _backend.empty(n + 1, np.int64, keys)
    sorted_weights = None if weights is None else np.empty_like(weights)
    indices, sorted_values = np.empty_like(others), np.empty_like(values)
    with _backend.device_of(keys):
        _backend.kernels(keys).matrix_completion_sort(
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
        at = entries.numbers(np.flatnonzero((entries.rows == i) & (entries.cols == j)))
        refuse_pair(int(at[0]), int(at[1]), i, j)


def rounded(scale: float) -> float:
    """To 20 bits: a scale need not be exact, but not depend on the order in which values were added."""
    mantissa, exponent = math.frexp(scale)
    return math.ldexp(round(mantissa * (1 << 20)), exponent - 20)
