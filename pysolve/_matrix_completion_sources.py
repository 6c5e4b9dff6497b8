"""Entries in files and memory-mapped arrays, read in blocks."""

from __future__ import annotations

import contextlib
import dataclasses
import os
import zipfile
import zlib
from collections.abc import Iterator
from typing import Any

import numpy as np

from pysolve._matrix_completion_stored import rows_of

Block = tuple[np.ndarray, np.ndarray, np.ndarray]  # rows, cols, values
DAMAGE = (OSError, ValueError, KeyError, EOFError, NotImplementedError, zipfile.BadZipFile, zlib.error)


@dataclasses.dataclass
class Mapped:
    """Triplets in arrays, of which some are memory-mapped."""

    arrays: tuple[np.ndarray, np.ndarray, np.ndarray]
    shape: tuple[int, int]
    folder: str | None

    def __post_init__(self) -> None:
        self.sizes = [x.size for x in self.arrays]
        self.dtypes = [x.dtype for x in self.arrays]

    def blocks(self, most: int) -> Iterator[Block]:
        """All entries in their order, at most so many at a time."""
        for first in range(0, self.sizes[0], most):
            rows, cols, values = (np.array(x[first : first + most]) for x in self.arrays)
            yield rows, cols, values


class Archive:
    """Triplets in an .npz file, compressed or not: `rows`, `cols`, `values` and `shape`, or SciPy's `save_npz`."""

    def __init__(self, path: Any) -> None:
        self.path = os.fspath(path)
        self.folder = os.path.dirname(os.path.realpath(self.path))
        with self._opened() as archive:
            self.members, self.format = _layout(archive)
            shape = _Member(archive, "shape").rest()
            if shape.shape != (2,) or shape.dtype.kind not in "iu" or not (shape > 0).all():
                raise ValueError(f"its shape must be two positive integers, not {shape.tolist()!r}")
            self.shape = int(shape[0]), int(shape[1])
            heads = [_Member(archive, name) for name in self.members]
            self.sizes, self.dtypes = [head.size for head in heads], [head.dtype for head in heads]
            if self.major is not None:
                self._use_indptr(heads[self.major].rest())

    @property
    def major(self) -> int | None:
        """Which of the members is an indptr: 0 for CSR, 1 for CSC."""
        return {"csr": 0, "csc": 1}.get(self.format)

    def _use_indptr(self, indptr: np.ndarray) -> None:
        at, count = self.major or 0, self.sizes[2]
        if indptr.dtype.kind not in "iu" or indptr.size != self.shape[at] + 1:
            raise ValueError("its indptr does not fit its shape")
        if indptr[0] != 0 or indptr[-1] != count or (indptr[1:] < indptr[:-1]).any():
            raise ValueError("its indptr does not fit its entries")
        self.begin = indptr[:-1].astype(np.int64)
        self.sizes[at] = count

    @contextlib.contextmanager
    def _opened(self) -> Iterator[zipfile.ZipFile]:
        try:
            with open(self.path, "rb") as file:
                start = file.read(2)
            if start != b"PK":
                raise ValueError(f"it is no file of arrays (.npz): it starts with {start!r}, not b'PK'")
            with zipfile.ZipFile(self.path) as archive:
                yield archive
        except FileNotFoundError:
            raise
        except DAMAGE as error:
            reason = f"it has no {error.args[0]}" if isinstance(error, KeyError) else str(error)
            raise ValueError(f"observed: the file {self.path!r} cannot be read: {reason}") from None

    def blocks(self, most: int) -> Iterator[Block]:
        """All entries in their order, at most so many at a time."""
        count = self.sizes[2]
        with self._opened() as archive:
            streams = [
                None if place == self.major else _Member(archive, name)
                for place, name in enumerate(self.members)
            ]
            for first in range(0, count, most):
                last = min(first + most, count)
                rows, cols, values = (
                    rows_of(self.begin, first, last) if stream is None else stream.read(last - first)
                    for stream in streams
                )
                yield rows, cols, values


def _layout(archive: zipfile.ZipFile) -> tuple[tuple[str, str, str], str]:
    """The members that hold rows, columns and values, and the format."""
    names = {name.removesuffix(".npy") for name in archive.namelist()}
    if "format" not in names:
        return ("rows", "cols", "values"), "triplets"
    kind = _Member(archive, "format").rest()
    found = (
        bytes(kind.astype("S8")).rstrip(b"\0").decode("ascii", "replace") if kind.dtype.kind in "SU" else "?"
    )
    layouts = {
        "csr": ("indptr", "indices", "data"),
        "csc": ("indices", "indptr", "data"),
        "coo": ("row", "col", "data"),
    }
    if found not in layouts:
        raise ValueError(f"its sparse matrix must be CSR, CSC or COO, not {found.upper()}")
    return layouts[found], found


class _Member:
    """An array of an archive, read from its start to its end."""

    def __init__(self, archive: zipfile.ZipFile, name: str) -> None:
        try:
            self.stream = archive.open(f"{name}.npy")
        except KeyError:
            raise KeyError(name) from None
        self.name = name
        version = np.lib.format.read_magic(self.stream)
        if version == (1, 0):
            header = np.lib.format.read_array_header_1_0(self.stream)
        elif version == (2, 0):
            header = np.lib.format.read_array_header_2_0(self.stream)
        else:
            raise ValueError(f"{name} has version {version}")
        self.shape, _, self.dtype = header
        if self.dtype.hasobject:
            raise ValueError(f"{name} is an array of Python objects")
        if len(self.shape) > 1:
            raise ValueError(f"{name} must be one-dimensional, but its shape is {self.shape}")
        self.size = int(np.prod(self.shape, dtype=np.int64))

    def read(self, count: int) -> np.ndarray:
        """The next values."""
        data = self.stream.read(count * self.dtype.itemsize)
        if len(data) != count * self.dtype.itemsize:
            raise ValueError(f"{self.name} is cut short")
        return np.frombuffer(data, self.dtype)

    def rest(self) -> np.ndarray:
        """All of it, of its shape."""
        return self.read(self.size).reshape(self.shape)
