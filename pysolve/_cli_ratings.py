"""Ratings read from files: lines of user, item and rating, or sparse matrices, checked so that no later step fails."""

import os
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import scipy.sparse as sp

from pysolve._cli_files import MATRIX_MARKET, InputError, must_be_file, open_npz, reading
from pysolve._cli_matrix_market import OPEN, read_matrix_market
from pysolve._cli_ratings_lines import Lines, Wrong, line_of_entry, parsed

CHUNK = 1 << 23  # bytes that are read at one time
TEXTS = (".csv", ".tsv", ".txt", ".dat", ".data")
Say = Callable[[str], None]


@dataclass
class Ratings:
    """Entries of a matrix of users and items; the ids are None where the file has row and column numbers."""

    rows: np.ndarray
    cols: np.ndarray
    values: np.ndarray
    shape: tuple[int, int]
    row_ids: np.ndarray | None = None
    col_ids: np.ndarray | None = None


def read_ratings(path: str, say: Say = lambda text: None) -> Ratings:
    """The ratings in `path`; `say` hears how many were read so far."""
    must_be_file(path)
    with reading(path):
        if path.lower().endswith(MATRIX_MARKET):
            return _from_matrix(read_matrix_market(path), path)
        if path.lower().endswith(".npz"):
            open_npz(path).close()
            return _from_matrix(sp.load_npz(path), path)
        return _from_text(path, say)


def _from_matrix(A: Any, path: str) -> Ratings:
    if A.ndim != 2 or A.dtype.kind not in "biuf":
        raise InputError(f"the matrix in '{path}' must be real and have two dimensions")
    if sp.issparse(A):
        A = sp.coo_array(A)
        rows, cols, values = A.row, A.col, A.data
    else:  # every entry is known
        rows, cols = (place.ravel() for place in np.indices(A.shape, dtype=np.int32))
        values = A.ravel()
    if values.size == 0:
        raise InputError(f"'{path}' holds no ratings")
    ratings = Ratings(rows, cols, values.astype(np.float64), (int(A.shape[0]), int(A.shape[1])))
    for place, extent in (ratings.rows, ratings.shape[0]), (ratings.cols, ratings.shape[1]):
        if not (place.min() >= 0 and place.max() < extent):
            raise InputError(
                f"the matrix in '{path}' has entries outside its {ratings.shape[0]} x {ratings.shape[1]}"
            )
    if not np.isfinite(ratings.values).all():
        raise InputError(f"the matrix in '{path}' has entries that are not finite (NaN or infinity)")
    twice = _twice(ratings)
    if twice is not None:
        row, col = ratings.rows[twice[0]], ratings.cols[twice[0]]
        raise InputError(f"the matrix in '{path}' has two entries in row {row}, column {col}")
    return ratings


def _from_text(path: str, say: Say) -> Ratings:
    names = [False, False]  # whether the ids of users, of items, are taken as text
    while True:
        try:
            ratings = _read_lines(path, names, say)
            break
        except Wrong as wrong:
            if wrong.column is None or names[wrong.column]:
                raise InputError(f"line {wrong.line} of '{path}' {wrong}") from None
            names[wrong.column] = True  # from the beginning: 007 and 7 are two names, but one number
    twice = _twice(ratings)
    if twice is not None:
        first, second = (line_of_entry(_chunks(path), entry) for entry in twice)
        raise InputError(
            f"line {second} of '{path}' holds the same user and item as line {first}: leave one of them"
        )
    return ratings


def _chunks(path: str) -> Any:
    """Whole lines, some megabytes at a time."""
    with OPEN.get(os.path.splitext(path)[1].lower(), open)(path, "rb") as file:
        rest = b""
        while part := file.read(CHUNK):
            end = part.rfind(b"\n") + 1
            if end:
                yield rest + part[:end]
                rest = part[end:]
            else:
                rest += part
        if rest:
            yield rest


def _read_lines(path: str, names: list[bool], say: Say) -> Ratings:
    """Chunk by chunk: ids as numbers, or as places in a table of texts."""
    lines = Lines()
    tables: tuple[dict[bytes, int], dict[bytes, int]] = ({}, {})
    ids: tuple[list[np.ndarray], list[np.ndarray]] = ([], [])
    values: list[np.ndarray] = []
    count = 0
    for chunk in _chunks(path):
        *columns, ratings = parsed(lines, chunk, names)
        for column, found in enumerate(columns):
            ids[column].append(_places(found, tables[column]) if names[column] else found)
        values.append(ratings)
        count += ratings.size
        say(f"{count / 1e6:.1f} million ratings")
    if count == 0:
        raise InputError(f"'{path}' holds no ratings")
    rows, row_ids = _numbered(np.concatenate(ids[0]), tables[0] if names[0] else None)
    cols, col_ids = _numbered(np.concatenate(ids[1]), tables[1] if names[1] else None)
    return Ratings(rows, cols, np.concatenate(values), (row_ids.size, col_ids.size), row_ids, col_ids)


def _places(found: np.ndarray, table: dict[bytes, int]) -> np.ndarray:
    return np.array([table.setdefault(name, len(table)) for name in found.tolist()], np.int32)


def _numbered(found: np.ndarray, table: dict[bytes, int] | None) -> tuple[np.ndarray, np.ndarray]:
    """Places among the ids in rising order, and these."""
    if table is not None:
        ids, place = np.unique([name.decode().strip() for name in table], return_inverse=True)
        return place.astype(np.int32)[found], ids
    least, span = int(found.min()), int(found.max()) - int(found.min()) + 1
    if span > 4 * found.size + 1000:
        ids, place = np.unique(found, return_inverse=True)
        return place.astype(np.int32), ids
    there = np.zeros(span, bool)  # no sorting where they are dense
    there[found - least] = True
    return (np.cumsum(there, dtype=np.int32) - 1)[found - least], np.flatnonzero(there) + least


def _twice(ratings: Ratings) -> tuple[int, int] | None:
    """The first two entries in one place."""
    places = ratings.rows.astype(np.int64) * ratings.shape[1] + ratings.cols
    ordered = np.sort(places)
    again = ordered[1:] == ordered[:-1]
    if not again.any():
        return None
    first, second = np.flatnonzero(places == ordered[:-1][again][0])[:2]
    return int(first), int(second)
