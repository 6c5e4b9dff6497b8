"""Checks of what policies are given."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

LARGEST = 1e300  # of a context or an end of a domain: differences of two are finite


def as_float(value: Any, name: str) -> float:
    """`value` as a float, infinite where it is an int too large for one."""
    try:
        return float(value)
    except (TypeError, ValueError):
        raise TypeError(f"{name} must be a number, got {value!r}") from None
    except OverflowError:
        return math.inf if value > 0 else -math.inf


def checked_cost(cost: Any, failed: bool) -> float:
    value = as_float(cost, "cost")
    if not value >= 0 or (value == math.inf and not failed):
        raise ValueError(f"cost must be finite and at least 0, got {value!r}")
    return value


def checked_context(context: Any, domain: tuple[float, float] | None) -> float:
    value = as_float(context, "context")
    if not abs(value) <= LARGEST:
        raise ValueError(f"context must be finite and of size {LARGEST:g} at most, got {value!r}")
    if domain is not None and not domain[0] <= value <= domain[1]:
        raise ValueError(f"context must lie in the domain {domain}, got {value!r}")
    return value


def checked_domain(domain: Any) -> tuple[float, float]:
    """A pair (lo, hi) of numbers, lo < hi, neither beyond LARGEST."""
    try:
        lo, hi = (as_float(end, "domain") for end in domain)
    except (TypeError, ValueError):
        raise TypeError(f"domain must be a pair of numbers (lo, hi), got {domain!r}") from None
    if not -LARGEST <= lo < hi <= LARGEST:
        raise ValueError(
            f"domain must be finite with lo < hi, neither beyond {LARGEST:g} in size, got {domain!r}"
        )
    return lo, hi


def checked_discount(discount: Any) -> float:
    if not isinstance(discount, float | int) or not 0 < discount <= 1:
        raise ValueError(f"discount must be a number above 0 and at most 1, got {discount!r}")
    return float(discount)


def checked_count(value: Any, name: str) -> int:
    if isinstance(value, bool) or not isinstance(value, int | np.integer):
        raise TypeError(f"{name} must be an int, got {value!r}")
    if value < 1:
        raise ValueError(f"{name} must be at least 1, got {value}")
    return int(value)
