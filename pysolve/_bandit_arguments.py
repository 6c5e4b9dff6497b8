"""Checks of what policies are given."""

from __future__ import annotations

import math
from typing import Any

import numpy as np


def checked_cost(cost: Any, failed: bool) -> float:
    try:
        value = float(cost)
    except (TypeError, ValueError):
        raise TypeError(f"cost must be a number, got {cost!r}") from None
    if not value >= 0 or (value == math.inf and not failed):
        raise ValueError(f"cost must be finite and at least 0, got {value!r}")
    return value


def checked_domain(domain: Any) -> tuple[float, float]:
    """A pair (lo, hi) of finite numbers, lo < hi."""
    try:
        lo, hi = (float(end) for end in domain)
    except (TypeError, ValueError):
        raise TypeError(f"domain must be a pair of numbers (lo, hi), got {domain!r}") from None
    if not (math.isfinite(lo) and math.isfinite(hi) and lo < hi):
        raise ValueError(f"domain must be finite with lo < hi, got {domain!r}")
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
