"""What the default arm has cost lately: the yardstick of the backstop."""

from __future__ import annotations

import math
from operator import itemgetter
from typing import Any

KEPT = 8  # measurements, the latest
NEAREST = 3  # of them count: the largest of those whose contexts are nearest
OFF = 4  # a measurement is, where it differs by more than this factor
FIRST_GAP, LAST_GAP = 16, 1024  # calls between two measurements


class Yardstick:
    """Costs of the default arm, each from the start to the tolerance, with the contexts at which they were measured.

    A new measurement is wanted at the first call, after `gap` calls without one (16, 32, ... 1024; 16 again when one
    is off by more than a factor of four), and where the context lies farther outside the contexts measured than these
    lie apart, so that a context that drifts is met by few measurements, each at twice the range. The lowest and the
    highest context stay among those kept.
    """

    # The costs kept are all finite, or all infinite: as long as the default has not got to a tolerance.

    def __init__(self) -> None:
        self.measured: list[tuple[float, float]] = []  # (context, cost), the latest last
        self.n_calls = 0  # since the last measurement
        self.gap = FIRST_GAP
        self.tried = 0.0  # the largest `maxiter` that was too small where no cost is known

    def is_wanted(self, context: float | None, maxiter: int | None = None) -> bool:
        """Whether the default has to be measured at this call."""
        if not self.measured or self.n_calls >= self.gap:
            return True
        if self.measured[0][1] == math.inf and _most(maxiter) > self.tried:
            return True
        if context is None:
            return False
        low, high = min(self.measured)[0], max(self.measured)[0]
        return not 2 * low - high <= context <= 2 * high - low

    def cost(self, context: float | None) -> float:
        """The default's recent cost near this context; infinite where it is not known."""
        if len(self.measured) <= NEAREST:
            return max((cost for _, cost in self.measured), default=math.inf)
        c = 0.0 if context is None else context
        latest_first = reversed(self.measured)
        nearest = sorted(latest_first, key=lambda measured: abs(measured[0] - c))[:NEAREST]
        return max(nearest, key=itemgetter(1))[1]

    def add(self, context: float | None, cost: float) -> None:
        """The default has got to the tolerance at this cost."""
        known = self.cost(context)
        agrees = cost / OFF <= known <= OFF * cost
        if math.isinf(known):
            self.measured.clear()
        self._keep(context, cost, agrees)

    def missed(self, context: float | None, spent: float, maxiter: int | None) -> None:
        """It has not: `spent`, infinite where it failed, is less than its cost, and so no measurement.

        What is known from near there stands in, so that the contexts measured are all kept.
        """
        known = self.cost(context)
        if math.isinf(known):
            self.tried = max(self.tried, _most(maxiter))
        self._keep(context, known, spent <= OFF * known)

    def _keep(self, context: float | None, cost: float, agrees: bool) -> None:
        self.gap = min(2 * self.gap, LAST_GAP) if agrees and self.measured else FIRST_GAP
        self.n_calls = 0
        self.measured.append((0.0 if context is None else context, cost))
        if len(self.measured) > KEPT:
            self.measured.pop(next(filter(self._lies_between, range(KEPT))))

    def _lies_between(self, k: int) -> bool:
        """Whether the range of the contexts is the same without this one."""
        others = [context for context, _ in self.measured[:k] + self.measured[k + 1 :]]
        return min(others) <= self.measured[k][0] <= max(others)

    def state(self) -> dict[str, Any]:
        """All there is, for a file."""
        return {**self.__dict__, "measured": [list(pair) for pair in self.measured]}

    @classmethod
    def from_state(cls, state: dict[str, Any]) -> Yardstick:
        """What `state` gave; ValueError, TypeError or KeyError where it is something else."""
        made = cls()
        made.measured = [(float(context), float(cost)) for context, cost in state["measured"]]
        made.n_calls, made.gap = int(state["n_calls"]), int(state["gap"])
        made.tried = float(state["tried"])
        costs = [cost for _, cost in made.measured]
        sound = (
            len(costs) <= KEPT
            and all(math.isfinite(context) for context, _ in made.measured)
            and all(cost > 0 for cost in costs)
            and len({math.isinf(cost) for cost in costs}) <= 1
            and (made.n_calls >= 0 and FIRST_GAP <= made.gap <= LAST_GAP and made.tried >= 0)
        )
        if not sound:
            raise ValueError(f"no measurements of a default: {state!r}")
        return made


def _most(maxiter: int | None) -> float:
    return math.inf if maxiter is None else maxiter
