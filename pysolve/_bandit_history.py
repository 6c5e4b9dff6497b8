"""The answers that a policy has had: 30 bytes each."""

from __future__ import annotations

import math
from array import array
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


class History:
    _kept: ClassVar[dict[str, str]] = dict.fromkeys(
        ("trials", "indices", "contexts", "costs", "censored", "failed"), "column"
    )

    def __init__(self) -> None:
        self.trials, self.indices = array("q"), array("i")
        self.contexts, self.costs = array("d"), array("d")
        self.censored, self.failed = array("b"), array("b")

    def append(
        self, trial: int, index: int, context: float | None, cost: float, censored: bool, failed: bool
    ) -> None:
        self.trials.append(trial)
        self.indices.append(index)
        self.contexts.append(math.nan if context is None else context)
        self.costs.append(cost)
        self.censored.append(bool(censored))
        self.failed.append(bool(failed))

    def __len__(self) -> int:
        return len(self.costs)

    def table(self) -> np.ndarray:
        """A structured array, a copy."""
        table = np.empty(len(self), FIELDS)
        columns = self.trials, self.indices, self.contexts, self.costs, self.censored, self.failed
        for (name, _), column in zip(FIELDS, columns, strict=True):
            table[name] = column
        return table
