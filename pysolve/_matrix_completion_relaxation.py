"""By how much more than its own solution a half step of the alternation goes."""

from __future__ import annotations

from typing import Any

import numpy as np

MOST_RELAXED = 1.5


def relaxation(entries: tuple[Any, ...], V: np.ndarray, U: np.ndarray, state: Any) -> float:
    """Best factor of the half steps' corrections (successive over-relaxation of two blocks).

    The derivatives of U V^T by U and by V span shares a and b of the space of the entries. Were these random subspaces,
    the cosine c of their least angle would have c^2 = (sqrt(a (1 - b)) + sqrt(b (1 - a)))^2: that is what exact
    alternations shrink the error by. With omega = 2 / (1 + sqrt(1 - c^2)) it is omega - 1, 0.11 for 0.36. A row's
    sum of squares falls with any factor below 2.
    """
    total = state.group.sum
    count = max(total(float((entries[1] - entries[0]).sum())), 1.0)
    a, b = (min(state.k * total(n) / count, 0.5) for n in (U.shape[0], V.shape[0]))
    cosine = min((a * (1 - b)) ** 0.5 + (b * (1 - a)) ** 0.5, 1.0)
    return float(min(2 / (1 + (1 - cosine**2) ** 0.5), MOST_RELAXED))
