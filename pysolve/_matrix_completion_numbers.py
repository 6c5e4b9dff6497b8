"""Numbers, names and flags among the arguments of `matrix_completion`: their checks and messages."""

from __future__ import annotations

import numbers
from typing import Any

import numpy as np


def generator_of(rng: Any) -> np.random.Generator:
    """NumPy's generator; errors name the argument."""
    try:
        return np.random.default_rng(rng)
    except (TypeError, ValueError) as error:
        raise type(error)(
            f"rng must be None, a non-negative int or a Generator, not {rng!r}: {error}"
        ) from None


def flag(x: Any, name: str) -> bool:
    if not isinstance(x, (bool, np.bool_)):
        raise TypeError(f"{name} must be True or False, not {x!r}")
    return bool(x)


def integer(x: Any, name: str, least: int, most: int) -> int:
    if isinstance(x, (bool, np.bool_)) or not isinstance(x, numbers.Integral):
        raise TypeError(f"{name} must be an integer, not {x!r}")
    if not least <= int(x) <= most:
        raise ValueError(f"{name} must be from {least} to {most}, not {x}")
    return int(x)


def real(x: Any, name: str, least: float, most: float) -> float:
    if isinstance(x, (bool, np.bool_)) or not isinstance(x, numbers.Real):
        raise TypeError(f"{name} must be a real number, not {x!r}")
    if not least <= float(x) <= most or not np.isfinite(float(x)):
        raise ValueError(f"{name} must be from {least:g} to {most:g} and finite, not {x}")
    return float(x)


def choice(x: Any, name: str, choices: tuple[str, ...]) -> str:
    if not isinstance(x, str) or x not in choices:
        raise ValueError(f"{name} must be one of {', '.join(map(repr, choices))}, not {x!r}")
    return str(x)
