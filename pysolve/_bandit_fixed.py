"""Policies without chance: always one arm, and successive rejects."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any, ClassVar

import numpy as np

from pysolve._bandit import Policy, Trial
from pysolve._bandit_arguments import checked_count


class FixedArm(Policy):
    """Always the same arm: the baseline that a policy has to beat, with the same protocol.

    Parameters
    ----------
    arms : sequence
        The values to choose among, or one of them.
    index : int
        Which of them is chosen.
    rng : None, int or Generator
        Not used; all policies take it.

    Examples
    --------
    >>> import pysolve
    >>> policy = pysolve.FixedArm([1.0, 1.5, 1.9], index=1)
    >>> trial = policy.ask()
    >>> trial.value
    1.5
    >>> policy.tell(trial, 40)
    >>> policy.history["cost"]
    array([40.])
    """

    def __init__(self, arms: Iterable[Any], index: int = 0, *, rng: Any = None) -> None:
        super().__init__(arms, rng, index=index)
        if isinstance(index, bool) or not isinstance(index, int | np.integer):
            raise TypeError(f"index must be an int, got {index!r}")
        if not 0 <= index < len(self.arms):
            raise ValueError(f"index must be from 0 to {len(self.arms) - 1}, got {index}")
        self._parameters["index"] = int(index)

    def _choose(self, context: float | None) -> tuple[int, Any]:
        return self._parameters["index"], None

    def _learn(self, trial: Trial, cost: float, censored: bool) -> None:
        pass

    def _ranking(self, context: float | None) -> list[bool]:
        return [index != self._parameters["index"] for index in range(len(self.arms))]


class SuccessiveReject(Policy):
    r"""Tries arms in turn for a given number of solves, dropping the worst one by one, then stays with the best.

    For systems that are much alike, and for arms that differ in kind (whole solvers), a choice that can be explained:
    in phase :math:`k` of :math:`d - 1` every remaining arm is brought to
    :math:`n_k = \lceil (n - d) / (\log^*(d) (d + 1 - k)) \rceil` answers, with
    :math:`\log^*(d) = 1/2 + \sum_{i=2}^d 1/i`, and that of the largest mean cost is dropped [1]_. It follows no drift.

    Parameters
    ----------
    arms : sequence
        The values to choose among.
    n_trials : int, optional
        How many solves the choice may take; 10 an arm if not given.
    rng : None, int or Generator
        Not used; all policies take it.

    References
    ----------
    .. [1] J.-Y. Audibert, S. Bubeck, R. Munos, *Best arm identification in multi-armed bandits*, COLT 2010.

    Examples
    --------
    >>> import pysolve
    >>> policy = pysolve.SuccessiveReject(["cg", "ssor_cg", "multilevel"], n_trials=12)
    >>> for _ in range(12):
    ...     trial = policy.ask()
    ...     policy.tell(trial, {"cg": 3.0, "ssor_cg": 1.5, "multilevel": 1.0}[trial.value])
    >>> policy.ask().value
    'multilevel'
    """

    _kept: ClassVar[dict[str, str]] = {"_phase": "int"} | dict.fromkeys(
        ("_asked_of", "_told_of", "_sums", "_out"), "floats"
    )

    def __init__(self, arms: Iterable[Any], n_trials: int | None = None, *, rng: Any = None) -> None:
        n_trials = None if n_trials is None else checked_count(n_trials, "n_trials")
        super().__init__(arms, rng, n_trials=n_trials)
        d = len(self.arms)
        self._asked_of, self._told_of, self._sums, self._out = ([0.0] * d for _ in range(4))
        self._phase = 1

    def _target(self) -> int:
        """n_k of the phase at hand."""
        d = len(self.arms)
        n = self._parameters["n_trials"] or 10 * d
        log_star = 0.5 + sum(1 / i for i in range(2, d + 1))
        return max(1, math.ceil((n - d) / (log_star * (d + 1 - self._phase))))

    def _left(self) -> list[int]:
        return [index for index, out in enumerate(self._out) if not out]

    def _mean(self, index: int) -> float:
        return self._sums[index] / self._told_of[index] if self._told_of[index] else 0.0

    def _choose(self, context: float | None) -> tuple[int, Any]:
        # The fewest answers first, so that an unanswered trial is made up for.
        index = min(self._left(), key=lambda arm: (self._told_of[arm], self._asked_of[arm]))
        self._asked_of[index] += 1
        return index, None

    def _learn(self, trial: Trial, cost: float, censored: bool) -> None:
        self._sums[trial.index] += cost
        self._told_of[trial.index] += 1
        left = self._left()
        while len(left) > 1 and min(self._told_of[arm] for arm in left) >= self._target():
            worst = max(left, key=self._mean)
            self._out[worst] = 1.0
            left.remove(worst)
            self._phase += 1

    def _ranking(self, context: float | None) -> Any:
        return [self._mean(index) if not out else math.inf for index, out in enumerate(self._out)]
