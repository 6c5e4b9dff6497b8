"""Entries that do not fit into memory: arrays in temporary files, and the kernels over blocks of rows of them.

A kernel takes the rows of a block with their slice of the factor. What it does to a row depends on that row alone: the
factors have the same bits as in memory; sums over all entries are added block by block, in another order.
"""

from __future__ import annotations

import tempfile
import weakref
from collections.abc import Iterator
from copy import copy as shallow_copy
from typing import Any

import numpy as np

from pysolve import _backend

# The arguments with a row for every row of the entries, and whether the kernel needs the values.
BY_ROW: dict[str, tuple[tuple[int, ...], bool]] = {
    "matrix_completion_half_step": ((2, 6), True),
    "matrix_completion_gradient": ((2, 3), True),
    "matrix_completion_normal": ((1, 3, 5), False),
    "matrix_completion_blocks": ((4,), False),
}


class Stored:
    """A one-dimensional array in a file without a name, which is gone with the process, however that ends.

    It is read and written in pieces by explicit calls, not mapped: memory holds what was asked for and no more, and a
    full disk is an OSError, not a signal. `block` is the number of values that may be in memory at a time.
    """

    def __init__(self, folder: str, dtype: Any, size: int, block: int) -> None:
        self.dtype, self.size, self.block = np.dtype(dtype), size, block
        self._folder, self._on_disk = folder, self.dtype
        self._owner: Stored | None = None
        self._raw, self._typed = np.empty(0, self.dtype), np.empty(0, self.dtype)
        try:
            self._file: Any = tempfile.TemporaryFile(buffering=0, dir=folder)  # noqa: SIM115 (closed with this)
        except OSError as error:
            raise self._failure(error) from None
        weakref.finalize(self, self._file.close)

    def _failure(self, error: OSError) -> OSError:
        size = self.size * self._on_disk.itemsize
        reason = f"{error.strerror or error} (of the temporary file of {size} bytes for the entries in order)"
        return OSError(error.errno, reason, self._folder)

    def read(self, begin: int, end: int) -> np.ndarray:
        """The values begin .. end - 1, in memory."""
        return self._read(begin, np.empty(end - begin, self._on_disk)).astype(self.dtype, copy=False)

    def lend(self, begin: int, end: int) -> np.ndarray:
        """The same in memory that the next call takes again: fresh pages cost more than the copy from the disk's
        cache."""
        found = self._read(begin, self._scratch("_raw", end - begin, self._on_disk))
        if self.dtype == self._on_disk:
            return found
        typed = self._scratch("_typed", end - begin, self.dtype)
        typed[...] = found
        return typed

    def _scratch(self, name: str, size: int, dtype: np.dtype) -> np.ndarray:
        old = getattr(self, name)
        if old.size < size:
            setattr(self, name, old := np.empty(max(size, min(self.block, self.size)), dtype))
        return np.asarray(old[:size])

    def _read(self, begin: int, found: np.ndarray) -> np.ndarray:
        view = memoryview(found.data).cast("B")
        self._file.seek(begin * self._on_disk.itemsize)
        done = 0
        while done < len(view):
            count = self._file.readinto(view[done:])
            if not count:
                raise OSError(f"a temporary file in {self._folder!r} has been cut short")
            done += count
        return found

    def write(self, begin: int, values: np.ndarray) -> None:
        """Values from `begin` on."""
        view = memoryview(np.ascontiguousarray(values, dtype=self._on_disk).data).cast("B")
        try:
            self._file.seek(begin * self._on_disk.itemsize)
            done = 0
            while done < len(view):
                done += self._file.write(view[done:])
        except OSError as error:
            raise self._failure(error) from None

    def close(self) -> None:
        """The file is gone."""
        self._file.close()

    def astype(self, dtype: Any, copy: bool = True) -> Stored:
        """The same file, read as another type."""
        if dtype == self.dtype:
            return self
        view = shallow_copy(self)
        view.dtype, view._owner, view._typed = np.dtype(dtype), self, np.empty(0, dtype)
        return view

    def __getitem__(self, at: Any) -> np.ndarray:
        if isinstance(at, slice):
            begin, end, _ = at.indices(self.size)
            return self.read(begin, max(begin, end))
        return np.array([self.read(e, e + 1)[0] for e in at], self.dtype)

    def __setitem__(self, at: np.ndarray, values: np.ndarray) -> None:
        for e, value in zip(at, values, strict=True):
            self.write(int(e), np.array([value]))


class Counted:
    """Weights of stored entries: 0 for the rows and columns of the masks, else those there are."""

    def __init__(
        self, begin: np.ndarray, indices: Stored, weights: Stored | None, dtype: Any, mine: Any, others: Any
    ) -> None:
        self.begin, self.indices, self.weights = begin, indices, weights
        self.dtype, self.mine, self.others = np.dtype(dtype), mine, others

    def lend(self, begin: int, end: int) -> np.ndarray:
        """The weights of the entries begin .. end - 1, in memory."""
        out = self.mine[rows_of(self.begin, begin, end)] | self.others[self.indices.read(begin, end)]
        counted = (~out).astype(self.dtype)
        return counted if self.weights is None else counted * self.weights.read(begin, end)


def rows_of(begin: np.ndarray, first: int, last: int) -> np.ndarray:
    """The rows of the entries first .. last - 1, where row i starts at begin[i]."""
    if last <= first:
        return np.empty(0, np.int32)
    top = int(np.searchsorted(begin, first, side="right")) - 1
    bottom = int(np.searchsorted(begin, last, side="left"))
    bounds = np.clip(np.append(begin[top:bottom], last), first, last)
    return np.repeat(np.arange(top, bottom, dtype=np.int32), np.diff(bounds))


def pieces(begin: np.ndarray, end: np.ndarray, most: int) -> Iterator[tuple[int, int]]:
    """Rows i .. j - 1 whose entries are at most so many together, or a single row."""
    i = 0
    while i < begin.size:
        j = max(i + 1, int(np.searchsorted(end, begin[i] + most, side="right")))
        yield i, j
        i = j


class Blockwise:
    """The kernels, for entries in memory, of the host or of a GPU, and for stored ones."""

    def __getattr__(self, name: str) -> Any:
        kernel = _where_the_arrays_are(name)
        if name in BY_ROW:
            kernel = _by_blocks(kernel, *BY_ROW[name])
        elif name == "matrix_completion_sketched_step":
            kernel = _chosen_by_blocks(kernel)
        setattr(self, name, kernel)
        return kernel


def _where_the_arrays_are(name: str) -> Any:
    """The kernel of the backend of its first argument that is an array."""
    on_host = getattr(_backend.kernels(np.empty(0)), name)

    def run(*args: Any) -> Any:
        first = args[0][0] if isinstance(args[0], tuple) else args[0]
        if not _backend.on_device(first):
            return on_host(*args)
        with _backend.device_of(first):
            return getattr(_backend.kernels(first), name)(*args)

    return run


def _part(entries: tuple[Any, ...], first: int, last: int, with_values: bool) -> tuple[Any, ...]:
    """indices, values and weights of these entries in memory."""
    indices, values, weights = entries[2:]
    return (
        indices.lend(first, last),
        values.lend(first, last) if with_values else None,
        None if weights is None else weights.lend(first, last),
    )


def _by_blocks(kernel: Any, by_row: tuple[int, ...], with_values: bool) -> Any:
    def run(entries: tuple[Any, ...], *rest: Any) -> float:
        if not isinstance(entries[2], Stored):
            return float(kernel(entries, *rest))
        begin, end, total = entries[0], entries[1], 0.0
        for i, j in pieces(begin, end, entries[2].block):
            first, part = begin[i], list(rest)
            for at in by_row:
                part[at - 1] = None if rest[at - 1] is None else rest[at - 1][i:j]
            read = _part(entries, int(first), int(end[j - 1]), with_values)
            total += kernel((begin[i:j] - first, end[i:j] - first, *read), *part)
        return total

    return run


def _chosen_by_blocks(kernel: Any) -> Any:
    """Rows keep their numbers, of which their sketches are drawn: those of other blocks are given no entries."""

    def run(entries: tuple[Any, ...], V: Any, U: Any, *rest: Any) -> float:
        if not isinstance(entries[2], Stored):
            return float(kernel(entries, V, U, *rest))
        k, reg, n_cg, chosen, kind, n_sketch, seed, shrunk = rest
        begin, end, total = entries[0][chosen], entries[1][chosen], 0.0
        for i, j in pieces(begin, end, entries[2].block):
            here, first = chosen[i:j], begin[i]
            b, e = np.zeros_like(entries[0]), np.zeros_like(entries[1])
            b[here], e[here] = begin[i:j] - first, end[i:j] - first
            part = (b, e, *_part(entries, int(first), int(end[j - 1]), True))
            of_these = None if shrunk is None else shrunk[i:j]
            total += kernel(part, V, U, k, reg, n_cg, here, kind, n_sketch, seed, of_these)
        return total

    return run


def without_aside(entries: tuple[Any, ...], aside: Any, turned: bool) -> tuple[Any, ...]:
    """The entries of a side, those in rows and columns of the masks without weight."""
    if aside is None:
        return entries
    begin, end, indices, values, weights = entries
    mine, others = aside[::-1] if turned else aside
    if isinstance(indices, Stored):
        return begin, end, indices, values, Counted(begin, indices, weights, values.dtype, mine, others)
    out = np.repeat(mine, np.diff(np.append(begin, indices.size))) | others[indices]
    counted = (~out).astype(values.dtype)
    return begin, end, indices, values, counted if weights is None else weights * counted
