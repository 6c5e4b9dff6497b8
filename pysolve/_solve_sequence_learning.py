"""What a sequence learns from a call: the cost of the choice, for the policy, and the default's, for the backstop."""

from __future__ import annotations

import math
from typing import Any

from pysolve._solve_sequence_backstop import Yardstick
from pysolve._solve_sequence_system import Attempt


def spent(attempts: list[Attempt], kind: str) -> tuple[int, float]:
    """Iterations and cost of all attempts."""
    iterations, seconds = 0, 0.0
    for attempt in attempts:
        iterations += attempt.iterations
        seconds += attempt.seconds
    return iterations, float(iterations) if kind == "iterations" else seconds


def measure(
    yardstick: Yardstick,
    attempts: list[Attempt],
    default: Any,
    counts_iterations: bool,
    context: float | None,
    maxiter: int | None,
) -> None:
    """Keep what the default has cost where it began at the start."""
    for attempt in attempts:
        if attempt.arm != default or not attempt.from_start:
            continue
        cost = float(attempt.iterations) if counts_iterations else attempt.seconds
        if attempt.end == "converged":
            yardstick.add(context, cost)
        else:
            yardstick.missed(context, math.inf if attempt.end == "failed" else cost, maxiter)


def tell(policy: Any, trial: Any, attempts: list[Attempt], kind: str, cost: float) -> None:
    """Tell the policy what its choice has cost; nothing where everything failed."""
    first, is_solved = attempts[0], attempts[-1].end == "converged"
    if first.end == "cut" or (first.end == "short" and not is_solved):
        policy.tell(trial, spent([first], kind)[1], censored=True)
    elif is_solved:
        policy.tell(trial, cost, failed=first.end == "failed")
