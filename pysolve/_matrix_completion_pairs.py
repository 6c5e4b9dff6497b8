"""Entries in one place: those of `observed`, those for validation, and one of each."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from pysolve import _backend

if TYPE_CHECKING:
    from pysolve._matrix_completion_entries import Triplets


def refuse_pair(first: int, second: int, i: int, j: int) -> None:
    """ValueError for two entries in one place."""
    raise ValueError(
        f"observed must not have two entries in one place, but entries {first} and {second} are both at "
        f"({i}, {j}): add or average them first"
    )


def places(entries: Triplets, n_cols: int) -> np.ndarray:
    """A number for each place in the matrix."""
    return entries.rows.astype(np.int64) * n_cols + entries.cols


def refuse_shared(entries: Triplets, validation: np.ndarray, n_cols: int) -> None:
    """ValueError if one of the entries is in one of these places, which are those of the validation."""
    both = _among(places(entries, n_cols), validation)
    if both.size:
        first = int(both[0])
        raise ValueError(
            "validation must not share entries with observed, but both have one at "
            f"({entries.rows[first]}, {entries.cols[first]})"
        )


def _among(found: np.ndarray, wanted: np.ndarray) -> np.ndarray:
    """Where `found` has one of the numbers `wanted`: a table tells which are worth a look."""
    bits = max(10, int(16 * wanted.size).bit_length())

    def cells(x: np.ndarray) -> np.ndarray:
        return (x.astype(np.uint64) * np.uint64(0x9E3779B97F4A7C15)) >> np.uint64(64 - bits)

    table = _backend.zeros(1 << bits, bool, wanted)
    table[cells(wanted)] = True
    near = np.flatnonzero(table[cells(found)])
    return near[np.isin(found[near], wanted)]


def refuse_twice(entries: Triplets, n_cols: int) -> None:
    """ValueError if two of the entries for validation are in one place."""
    found = places(entries, n_cols)
    order = np.argsort(found, kind="stable")
    same = np.flatnonzero(found[order[1:]] == found[order[:-1]])
    if same.size:
        first, second = (int(at) for at in order[same[0] : same[0] + 2])
        raise ValueError(
            f"validation must not have two entries in one place, but entries {first} and {second} are both at "
            f"({entries.rows[first]}, {entries.cols[first]})"
        )


def refuse_split_pair(rest: Triplets, taken: Triplets, n_cols: int) -> None:
    """ValueError if observed has two entries in one place, of which one or both were taken for validation."""
    wanted = places(taken, n_cols)
    order = np.argsort(wanted, kind="stable")
    same = order[np.flatnonzero(wanted[order[1:]] == wanted[order[:-1]])]
    both = _among(places(rest, n_cols), wanted)
    if same.size:
        place = wanted[same[0]]
    elif both.size:
        place = places(rest, n_cols)[both[0]]
    else:
        return
    pair = [part.numbers(np.flatnonzero(places(part, n_cols) == place)) for part in (rest, taken)]
    first, second = np.sort(np.concatenate(pair))[:2]
    refuse_pair(int(first), int(second), int(place // n_cols), int(place % n_cols))
