"""Checks of the gallery's arguments: a message names the argument, its value and what was expected."""

import math
import operator
from collections.abc import Callable
from typing import Any

import numpy as np

from pysolve._stencil_faces import is_number


def check_number(value: Any, name: str, expected: str, allowed: Callable[[float], bool]) -> float:
    """`value` as a float for which `allowed` holds; `expected` says in words what that is."""
    if not is_number(value):
        raise TypeError(f"{name} must be a number, {expected}, got {value!r}")
    try:
        number = float(value)
    except OverflowError:  # an int or a fraction beyond the largest float
        number = math.inf if value > 0 else -math.inf
    if not allowed(number):
        raise ValueError(f"{name} must be {expected}, got {value}")
    return number


def check_positive(value: Any, name: str) -> float:
    """`value` as a float, finite and positive."""
    return check_number(value, name, "finite and positive", lambda number: 0 < number < math.inf)


def check_finite(value: Any, name: str) -> float:
    """`value` as a finite float."""
    return check_number(value, name, "finite", math.isfinite)


def check_count(value: Any, name: str, least: int) -> int:
    """`value` as an int that is at least `least`."""
    message = f"{name} must be an integer, at least {least}, got {value!r}"
    try:
        count = operator.index(value)
    except TypeError:
        raise TypeError(message) from None
    if count < least or isinstance(value, bool):
        raise ValueError(message)
    return count


def check_axis(axis: Any, extents: tuple[int, ...]) -> int:
    """`axis` as an int that counts an axis of the box, from the end where it is negative."""
    message = f"axis must be an axis of the shape {extents}, an integer, got {axis!r}"
    try:
        index = operator.index(axis)
    except TypeError:
        raise TypeError(message) from None
    if not -len(extents) <= index < len(extents):
        raise ValueError(message)
    return index


def check_array(values: Any, name: str, expected: str) -> np.ndarray:
    """`values` as an array of real numbers or bools, of the type that it has."""
    try:
        array = np.asarray(values)
    except (TypeError, ValueError) as error:  # rows of different lengths, or an array of another device
        raise type(error)(f"{name} must be {expected}: {error}") from None
    if array.dtype.kind not in "biuf":
        got = repr(values) if array.ndim == 0 else f"an array of {array.dtype}"
        raise TypeError(f"{name} must be {expected}, got {got}")
    return array


def generator(rng: Any) -> np.random.Generator:
    """The generator that `rng` names; a fixed one for None."""
    try:
        return np.random.default_rng(0 if rng is None else rng)
    except (TypeError, ValueError) as error:
        expected = "None, an integer that is at least 0, or a numpy.random.Generator"
        raise type(error)(f"rng must be {expected}, got {rng!r}") from None
