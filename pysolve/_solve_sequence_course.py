"""The course of one call: the arm, then the default as far as is promised, then whatever may still solve the system."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable
from typing import Any

from pysolve._solve_sequence_system import Attempt, System


class Course:
    """The attempts at one system, in order.

    With Y the recent cost of the default and s the backstop an arm may cost s Y; the default then Y, from where the
    arm stood; then whatever it takes from the start. So all of it costs at most ceil(s Y) + ceil(Y) more than the
    default alone, whatever the arm has done to x.
    """

    def __init__(self, method: Any, default: Any, system: System, attempts: list[Attempt]) -> None:
        self.method, self.default, self.system = method, default, system
        self.attempts = attempts  # to which others are added

    @property
    def is_solved(self) -> bool:
        return self.attempts[-1].end == "converged"

    def go_on(self, arm: Any, Y: float, others: Callable[[], list[Any]]) -> None:
        """After an attempt by `arm` that has not solved it: the default and, where that fails too, the others."""
        if arm != self.default:
            self._default_goes_on(Y)
        if not self.is_solved:
            for other in others():
                self._attempt_anew(other)

    def _default_goes_on(self, Y: float) -> None:
        nearer = self.system.after(self.attempts[0])
        if nearer is not self.system and self.method.can_stop(self.default):
            self._attempt(self.default, nearer, Y)
        if not self.is_solved:
            self._attempt(self.default, self.system, math.inf)

    def _attempt_anew(self, arm: Any) -> None:
        """From the start, to its own end: unless it was there, or the system is solved, or at fault itself."""
        ended = [attempt.arm for attempt in self.attempts if attempt.from_start and attempt.end != "cut"]
        if not self.is_solved and arm not in ended and not self.method.is_hopeless(self.attempts[-1]):
            self._attempt(arm, self.system, math.inf)

    def _attempt(self, arm: Any, system: System, limit: float) -> None:
        from_start = system is self.system
        if self.method.shares_maxiter and system.maxiter is not None:
            left = system.maxiter - sum(attempt.iterations for attempt in self.attempts)
            if left <= 0:
                return
            system = copy.copy(system)
            system.maxiter = left
        attempt = self.method.attempt(arm, system, limit)
        attempt.from_start = from_start
        self.attempts.append(attempt)
