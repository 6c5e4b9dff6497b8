"""What the default arm has cost lately: the yardstick of the backstop."""

from __future__ import annotations

import math
from collections import deque
from operator import itemgetter
from typing import Any

KEPT = 8  # measurements, the latest
NEAREST = 3  # of them count: the largest of those whose contexts are nearest
OFF = 4  # a measurement is, where it differs by more than this factor
FIRST_GAP, LAST_GAP = 16, 1024  # calls between two measurements


class Yardstick:
    """Costs of the default arm, with the contexts at which they were measured.

    A new measurement is wanted at the first call, after `gap` calls without one (16, 32, ... 1024; 16 again when one
    is off by more than a factor of four), and where the context lies farther outside the contexts measured than these
    lie apart, so that a context that drifts is met by few measurements, each at twice the range.
    """

    def __init__(self) -> None:
        self.measured: deque[tuple[float, float]] = deque(maxlen=KEPT)
        self.n_calls = 0  # since the last measurement
        self.gap = FIRST_GAP

    def is_wanted(self, context: float | None) -> bool:
        """Whether the default has to be measured at this call."""
        if not self.measured or self.n_calls >= self.gap:
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
        """The default has cost this much; infinite where it failed, which counts until it has not."""
        known = self.cost(context)
        agrees = not self.measured or cost / OFF <= known <= OFF * cost
        self.gap = min(2 * self.gap, LAST_GAP) if agrees else FIRST_GAP
        self.n_calls = 0
        if math.isinf(known):
            self.measured.clear()
        elif math.isinf(cost):
            return
        self.measured.append((0.0 if context is None else context, cost))

    def state(self) -> dict[str, Any]:
        """All there is, for a file."""
        return {"measured": [list(pair) for pair in self.measured], "n_calls": self.n_calls, "gap": self.gap}

    @classmethod
    def from_state(cls, state: dict[str, Any]) -> Yardstick:
        """What `state` gave; ValueError, TypeError or KeyError where it is something else."""
        made = cls()
        made.measured.extend((float(context), float(cost)) for context, cost in state["measured"])
        made.n_calls, made.gap = int(state["n_calls"]), int(state["gap"])
        return made
