"""Runs of `gp_pde` and of its peers: error, CPU seconds, and how often the truth lies within two deviations."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

REPEAT = 3


@dataclass
class Run:
    """One call: CPU seconds of this process, what it returned, and if asked for error and share within 2 sd."""

    seconds: float
    result: Any
    error: float = np.nan
    share: float = np.nan


def cpu(call: Callable[[], Any], repeat: int = 1) -> Run:
    """The fastest of some calls; the first one also warms up."""
    taken, result = [], None
    for _ in range(repeat):
        start = time.process_time()
        result = call()
        taken.append(time.process_time() - start)
    return Run(min(taken), result)


def fastest(call: Callable[[], Any]) -> Run:
    """Several calls of what takes less than a second or two, one of what takes longer."""
    first = cpu(call)
    if first.seconds > 2:
        return first
    again = cpu(call, REPEAT - 1)
    return Run(min(first.seconds, again.seconds), again.result)


def relative(found: Any, exact: Any) -> float:
    """2-norm of the error over that of the exact values."""
    return float(np.linalg.norm(np.asarray(found) - exact) / np.linalg.norm(exact))


def within(found: Any, std: Any, exact: Any) -> float:
    """The share of points whose truth lies within two standard deviations."""
    return float(np.mean(np.abs(np.asarray(found) - exact) <= 2 * np.asarray(std)))


def spread(values: Any, form: str = ".1e") -> str:
    """Median, and the least and largest in brackets."""
    values = np.asarray(values)
    return f"{np.median(values):{form}} ({values.min():{form}} to {values.max():{form}})"
