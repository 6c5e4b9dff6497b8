"""Entries larger than memory: where they come from, and the passes over blocks of them that check and scale them."""

from __future__ import annotations

import copy
import os
import tempfile
from collections.abc import Iterator
from typing import Any

import numpy as np

from pysolve._arrays import as_numbers, check_finite
from pysolve._matrix_completion_entries import (
    Side,
    Triplets,
    check_indices,
    check_kinds,
    check_shape,
    check_weights,
    rounded,
    triplets_from,
    weight_for_each,
)
from pysolve._matrix_completion_pairs import places, refuse_pair, refuse_shared
from pysolve._matrix_completion_sort import both_orders
from pysolve._matrix_completion_sources import Archive, Mapped
from pysolve._matrix_completion_stored import Stored

BYTES = 64  # of memory for an entry that is worked on: itself, its copies in order and as float32, weights
IN_MEMORY = 1 << 62  # as much as it takes


def entries_of(observed: Any, memory: int = IN_MEMORY) -> tuple[Any, tuple[int, int]]:
    """The entries of any form of `observed`, in memory or, where they are larger than that, streamed; and the shape."""
    source = _source(observed)
    if source is None:
        return triplets_from(observed)
    shape = check_shape(source.shape)
    check_kinds(*source.dtypes)
    if len(set(source.sizes)) > 1:
        raise ValueError(
            f"rows, cols and values of observed must be of one length, but have {source.sizes} values"
        )
    if source.sizes[2] * BYTES > memory:
        return Streamed(source, memory // BYTES), shape
    whole = tuple(np.empty(source.sizes[2], dtype) for dtype in source.dtypes)
    first = 0
    for block in source.blocks(1 << 20):
        for x, part in zip(whole, block, strict=True):
            x[first : first + part.size] = part
        first += block[2].size
    return triplets_from((whole, shape))


def dtype_of(observed: Any) -> np.dtype:
    """The type of the values of any form of `observed`; float64 where it tells none."""
    if isinstance(observed, str | os.PathLike):
        return Archive(observed).dtypes[2]
    values = observed[0][2] if isinstance(observed, tuple) else observed
    return np.dtype(getattr(values, "dtype", "f8"))


def _source(observed: Any) -> Any:
    if isinstance(observed, str | os.PathLike):
        return Archive(observed)
    mapped = isinstance(observed, tuple) and len(observed) == 2 and isinstance(observed[0], tuple)
    if not mapped or len(observed[0]) != 3 or not any(isinstance(x, np.memmap) for x in observed[0]):
        return None
    rows, cols, values = observed[0]
    arrays = as_numbers(rows, "rows"), as_numbers(cols, "cols"), as_numbers(values, "values")
    if any(x.ndim != 1 for x in arrays) or np.shape(observed[1]) != (2,):
        return None  # refused like arrays in memory
    names = [str(x.filename) for x in observed[0] if getattr(x, "filename", None)]
    return Mapped(arrays, observed[1], os.path.dirname(os.path.realpath(names[0])) if names else None)


class Streamed:
    """The entries to fit of a source, which stay there: `blocks` gives them scaled and in their order."""

    def __init__(self, source: Any, block: int) -> None:
        self.source, self.block = source, block
        self.shape: tuple[int, int] = source.shape
        self.dtype: np.dtype = source.dtypes[2]
        self.count = source.sizes[2]
        self.scale = self.largest_weight = 1.0
        self.squares = 0.0  # sum of w y^2 of the entries to fit
        self.weights: np.ndarray | None = None
        self.rng: np.random.Generator | None = None  # as it was before it drew the entries for validation
        self.threshold = 0.0
        self._files: list[Stored] = []

    def __len__(self) -> int:
        return int(self.count)

    @property
    def values(self) -> np.ndarray:
        """Not there all at once: ValueError for whatever needs that (losses, biases)."""
        raise ValueError(
            f"memory must be {self.source.sizes[2] * BYTES} bytes at least for this: biases and losses other than 'l2' "
            "need all entries of observed in memory"
        )

    def norm(self) -> float:
        """Norm of the values to fit, weighted; 1 where they are all 0. Known once they are in order."""
        return float(np.sqrt(self.squares)) or 1.0

    def raw(self) -> Iterator[tuple[int, Triplets, np.ndarray | None]]:
        """Blocks of all entries as given, the number of the first, and the mask of those for validation."""
        first, rng = 0, copy.deepcopy(self.rng)
        for rows, cols, values in self.source.blocks(self.block):
            last = first + rows.size
            block = Triplets(rows, cols, values.astype(np.float64))
            if self.weights is not None:
                block.weights = np.asarray(self.weights[first:last], dtype=np.float64)
            yield first, block, None if rng is None else rng.random(rows.size) <= self.threshold
            first = last

    def blocks(self) -> Iterator[Triplets]:
        """The entries to fit."""
        for _, block, out in self.raw():
            if out is not None:
                block = block.where(~out)
            block = _weighing(block)
            block.values /= self.scale
            if block.weights is not None:
                block.weights /= self.largest_weight
            yield block

    def survey(self, weights: Any, validation: Any, rng: np.random.Generator) -> Triplets | None:
        """The pass that checks all entries: finds the scale, the largest weight and the entries for validation, a
        number of them or those given."""
        if weights is not None:
            self.weights, self.largest_weight = weight_for_each(weights, self.count), 0.0
        given = isinstance(validation, Triplets)
        if validation is not None and not given:
            self._draw(validation, rng)
        avoided = places(validation, self.shape[1]) if given else None
        taken, size, self.counts = [], _Size(), [np.zeros(n, np.int64) for n in self.shape]
        for first, block, out in self.raw():
            self._check(block, first, avoided)
            if out is not None:
                taken.append(_weighing(block.where(out)))
                block = block.where(~out)
            block = _weighing(block)
            size.add(block.values)
            for counts, index in zip(self.counts, (block.rows, block.cols), strict=True):
                counts += np.bincount(index, minlength=counts.size)
        if self.largest_weight == 0:
            raise ValueError("weights must not all be 0")
        self.count, self.scale = int(self.counts[0].sum()), size.root_mean_square()
        if not taken:
            return validation if given else None
        parts = [[getattr(t, name) for t in taken] for name in ("rows", "cols", "values")]
        rows, cols, values = (np.concatenate(x) for x in parts)
        w = None if weights is None else np.concatenate([t.weights for t in taken]) / self.largest_weight
        return Triplets(rows.astype(np.int32), cols.astype(np.int32), values, w)

    def _check(self, block: Triplets, first: int, avoided: np.ndarray | None) -> None:
        check_indices(block.rows, self.shape[0], "rows", first)
        check_indices(block.cols, self.shape[1], "cols", first)
        check_finite(block.values, "values", first)
        if block.weights is not None:
            self.largest_weight = max(self.largest_weight, check_weights(block.weights, first))
        if avoided is not None:
            refuse_shared(block, avoided, self.shape[1])

    def _draw(self, wanted: int, rng: np.random.Generator) -> None:
        """Lots are drawn for all entries, and the `wanted` lowest are for validation: as in memory, where all lots are
        there at once. Two passes find the highest of them."""
        self.rng = copy.deepcopy(rng)
        n_bins, n = 1 << 16, self.count
        sizes = [min(self.block, n - first) for first in range(0, n, self.block)]
        below = np.zeros(n_bins, np.int64)
        for size in sizes:
            below += np.bincount((rng.random(size) * n_bins).astype(np.int64), minlength=n_bins)
        below = np.cumsum(below)
        bin_of_last = int(np.searchsorted(below, wanted))
        again, near = copy.deepcopy(self.rng), []
        for size in sizes:
            lots = again.random(size)
            near.append(lots[(lots * n_bins).astype(np.int64) == bin_of_last])
        before = int(below[bin_of_last - 1]) if bin_of_last else 0
        self.threshold = float(np.sort(np.concatenate(near))[wanted - before - 1])

    def sides(self) -> tuple[Side, Side]:
        """Both copies in order, in temporary files beside the source or, where it has no place that can be written to,
        in the folder for temporary files."""
        self.close()
        folder = self.source.folder
        if folder is None or not os.access(folder, os.W_OK):
            folder = tempfile.gettempdir()
        return both_orders(self, folder)

    def stored(self, folder: str, dtype: Any) -> Stored:
        """A temporary file with a value for each entry to fit."""
        self._files.append(Stored(folder, dtype, len(self), self.block))
        return self._files[-1]

    def close(self) -> None:
        """The temporary files are gone."""
        for file in self._files:
            file.close()
        self._files = []

    def refuse_pair(self, i: int, j: int) -> None:
        """ValueError for two entries at (i, j)."""
        found: list[int] = []
        for first, block, out in self.raw():
            here = (block.rows == i) & (block.cols == j)
            found += (first + np.flatnonzero(here if out is None else here & ~out)).tolist()
            if len(found) > 1:
                refuse_pair(found[0], found[1], i, j)


def _weighing(block: Triplets) -> Triplets:
    """Without the entries that have no weight."""
    return block if block.weights is None or block.weights.all() else block.where(block.weights > 0)


class _Size:
    """Root mean square of values that come in blocks. No square overflows or is lost."""

    def __init__(self) -> None:
        self.largest, self.squares, self.count = 0.0, 0.0, 0

    def add(self, values: np.ndarray) -> None:
        largest = float(np.abs(values).max(initial=0.0))
        if largest > self.largest:
            self.squares *= (self.largest / largest) ** 2
            self.largest = largest
        if self.largest > 0:
            self.squares += float(np.square(values / self.largest).sum())
        self.count += values.size

    def root_mean_square(self) -> float:
        if self.largest == 0:
            return 1.0
        return rounded(self.largest * (self.squares / self.count) ** 0.5)
