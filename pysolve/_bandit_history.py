"""The answers that a policy has had: 30 bytes each, and at most 16 more where trials stay without answer."""

from __future__ import annotations

import math
from array import array
from bisect import bisect_left, bisect_right
from typing import ClassVar

import numpy as np

FIELDS = [
    ("trial", "i8"),
    ("index", "i4"),
    ("context", "f8"),
    ("cost", "f8"),
    ("censored", "?"),
    ("failed", "?"),
]


class Numbers:
    """A set of whole numbers as the ends of its runs: [a, b), [c, d), ... are a, b, c, d, ...

    Trials answered in turn are one run, and those that are never answered take nothing of their own.
    """

    def __init__(self) -> None:
        self.ends = array("q")

    def __contains__(self, number: int) -> bool:
        return bisect_right(self.ends, number) % 2 == 1

    def add(self, number: int) -> None:
        """One that is not in it: the run [number, number + 1), joined to the runs that it meets."""
        for end in number, number + 1:
            place = bisect_left(self.ends, end)
            if place < len(self.ends) and self.ends[place] == end:
                del self.ends[place]
            else:
                self.ends.insert(place, end)


class History:
    _kept: ClassVar[dict[str, str]] = dict.fromkeys(
        ("trials", "indices", "contexts", "costs", "censored", "failed"), "column"
    )

    def __init__(self) -> None:
        self.trials, self.indices = array("q"), array("i")
        self.contexts, self.costs = array("d"), array("d")
        self.censored, self.failed = array("b"), array("b")
        self.told = Numbers()  # those of `trials`; not kept in files

    def append(
        self, trial: int, index: int, context: float | None, cost: float, censored: bool, failed: bool
    ) -> None:
        self.trials.append(trial)
        self.indices.append(index)
        self.contexts.append(math.nan if context is None else context)
        self.costs.append(cost)
        self.censored.append(bool(censored))
        self.failed.append(bool(failed))
        self.told.add(trial)

    def __len__(self) -> int:
        return len(self.costs)

    def check(self, n_trials: int, n_arms: int) -> None:
        """What a file held: trials that were asked, each told once, of arms that there are. Sets `told`."""
        if len(self) == 0:
            return
        if not 0 <= min(self.indices) <= max(self.indices) < n_arms:
            raise ValueError("its history names arms that it has not")
        trials = np.sort(np.array(self.trials))
        steps = np.diff(trials)
        if trials[0] < 0 or trials[-1] >= n_trials or not steps.all():
            raise ValueError("its history names trials that were not asked, or one of them twice")
        last = np.append(steps > 1, True)
        first = np.append(True, last[:-1])
        self.told.ends = array("q", np.column_stack([trials[first], trials[last] + 1]).ravel().tolist())

    def table(self) -> np.ndarray:
        """A structured array, a copy."""
        table = np.empty(len(self), FIELDS)
        columns = self.trials, self.indices, self.contexts, self.costs, self.censored, self.failed
        for (name, _), column in zip(FIELDS, columns, strict=True):
            table[name] = column
        return table
