"""Entries for validation: a fraction of those observed, or those that are given."""

from __future__ import annotations

import numbers
from typing import Any

import numpy as np

from pysolve import _backend
from pysolve._arrays import largest_magnitude
from pysolve._matrix_completion_entries import Triplets
from pysolve._matrix_completion_numbers import real
from pysolve._matrix_completion_pairs import places, refuse_shared, refuse_split_pair, refuse_twice
from pysolve._matrix_completion_stream import IN_MEMORY, entries_of

FARTHEST = 1e15  # in units of the scale: their squares must have a sum in float32


def checked_validation(given: Any, count: int, shape: tuple[int, int]) -> Triplets | int | None:
    """Entries for validation, or how many of the `count` observed are to be taken."""
    if given is None:
        return None
    if isinstance(given, numbers.Real):
        fraction = real(given, "validation", 0.0, 1.0)
        wanted = round(fraction * count)
        if not 0 < wanted < count:
            raise ValueError(f"validation must leave entries on both sides, but is {given} of {count}")
        return wanted
    found, its_shape = entries_of(given, IN_MEMORY)
    if its_shape != shape:
        raise ValueError(f"validation must have the shape of observed, {shape}, not {its_shape}")
    if len(found) == 0:
        raise ValueError("validation must have at least one entry")
    refuse_twice(found, shape[1])
    return found


def taken_from(
    validation: Triplets | int | None, entries: Triplets, shape: tuple[int, int], rng: np.random.Generator
) -> Triplets | None:
    """The entries for validation; those that are a number are taken out of `entries`: those of the lowest lots."""
    if validation is None:
        return None
    if isinstance(validation, Triplets):
        _backend.same_device(observed=entries.values, validation=validation.values)
        refuse_shared(entries, places(validation, shape[1]), shape[1])
        return validation
    lots = rng.random(len(entries))  # on the host, so that the same are taken everywhere
    chosen = _backend.beside(lots <= np.partition(lots, validation - 1)[validation - 1], entries.values)
    taken = entries.leave(~chosen)
    refuse_split_pair(entries, taken, shape[1])
    return taken


def check_size(validation: Triplets | None) -> None:
    """ValueError where errors relative to the scale would be infinite."""
    largest = 0.0 if validation is None else largest_magnitude(validation.values)
    if not largest <= FARTHEST:
        raise ValueError(
            f"validation must be in the units of observed, but has a value {largest:.3g} times the root mean square of "
            "the entries to fit"
        )
