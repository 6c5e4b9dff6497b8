"""Thompson sampling with one model for all arms, and the policy that is made of it for those who choose none."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, ClassVar

import numpy as np

from pysolve._bandit import Policy, Trial
from pysolve._bandit_arguments import checked_discount, checked_domain
from pysolve._bandit_learners import ContextLearner, PlainLearner

Learner = PlainLearner | ContextLearner


class _Learning(Policy):
    """A policy whose learners are made at the first `ask`, which shows whether there is a context."""

    def __init__(self, arms: Iterable[Any], domain: Any, rng: Any, **parameters: Any) -> None:
        domain = None if domain is None else checked_domain(domain)
        super().__init__(arms, rng, domain=domain, **parameters)
        self._learners: list[Learner] = []
        self._mode = -1  # 0: without context, 1: with
        if domain is not None:
            self._begin(1)

    def _made(self, mode: int) -> list[Learner]:
        raise NotImplementedError

    def _begin(self, mode: int) -> None:
        self._mode, self._learners = mode, self._made(mode)

    def _prepare(self, arrays: dict[str, np.ndarray]) -> None:
        mode = int(arrays["mode"])
        if mode not in (-1, 0, 1):
            raise ValueError(f"mode must be -1, 0 or 1, not {mode}")
        if mode >= 0:
            self._begin(mode)

    def _check_restored(self) -> None:
        super()._check_restored()
        for learner in self._learners:
            learner.check(len(self.arms))

    def _checked_context(self, context: Any, peek: bool = False) -> float | None:
        context = super()._checked_context(context, peek)
        given = int(context is not None)
        if self._mode < 0 and not peek:
            self._begin(given)
        if self._mode >= 0 and given != self._mode:
            if self._mode:
                raise ValueError(
                    "context must be a number, as in the first ask or in the domain, but none was given"
                )
            raise ValueError(f"context must be None as in the first ask, got {context!r}")
        return context


class ThompsonSampling(_Learning):
    r"""Learns costs as one smooth function of the arm and the context, and tries what may be the least.

    The logarithm of the cost is a Gaussian process over (arm, context), written as a Bayesian linear model in products
    of the leading eigenfunctions of Matern kernels. Each `ask` draws one function from what is still possible and
    returns its least arm, so arms that are certainly bad are not tried, and one answer teaches about all arms near it.
    Without context it is the cost itself, divided by the mean cost, that is modelled.

    Parameters
    ----------
    arms : sequence
        The values to choose among. Numbers share what is learned with their neighbours (they are placed half by value,
        half by rank); strings, dicts, callables have in common only how the context acts on all of them. More than
        eight numbers whose costs jump from one to the next are not told apart: give strings in their place.
    domain : (float, float), optional
        The range of the contexts; others are then refused. Without it contexts may be any numbers: they are placed
        half by value, half by rank among those seen, anew as their range grows. For a simulation whose coefficient has
        no known range leave it out.
    discount : float
        Below 1, what was learned fades by this factor with every answer, and the policy follows a drift.
    exploration : float, optional
        Factor on the standard deviation of the draw: 0 is greedy, 1 is Thompson sampling proper. By default 0.5 with
        context, where the systems themselves bring variety, and 1 without.
    rng : None, int or Generator
        Source of the draws.

    Notes
    -----
    The cost of a solve that was given up (``censored=True``) is taken for the mean of what it can have been.
    Whether there is a context is decided by the first `ask`, unless `domain` is given. Where the systems drift and no
    context tells how, use `AutoPolicy`, or a discount.

    References
    ----------
    .. [1] D. J. Russo, B. Van Roy, A. Kazerouni, I. Osband, Z. Wen, *A tutorial on Thompson sampling*, Foundations and
           Trends in Machine Learning 11 (2018).

    Examples
    --------
    >>> import pysolve
    >>> policy = pysolve.ThompsonSampling([1.0 + 0.05 * i for i in range(20)], rng=0)
    >>> for i in range(200):
    ...     trial = policy.ask(context=i % 11 / 10)
    ...     policy.tell(trial, 20 + 50 * abs(trial.value - 1.8 + 0.6 * trial.context))
    >>> abs(policy.best(0.5) - 1.5) < 0.06
    True
    """

    _kept: ClassVar[dict[str, str]] = {"_mode": "int", "_learners": "parts"}

    def __init__(
        self,
        arms: Iterable[Any],
        domain: tuple[float, float] | None = None,
        *,
        discount: float = 1.0,
        exploration: float | None = None,
        rng: Any = None,
    ) -> None:
        if exploration is not None and not 0 <= exploration < np.inf:
            raise ValueError(f"exploration must be at least 0 and finite, got {exploration!r}")
        exploration = None if exploration is None else float(exploration)
        super().__init__(arms, domain, rng, discount=checked_discount(discount), exploration=exploration)

    def _made(self, mode: int) -> list[Learner]:
        discount, spread = self._parameters["discount"], self._parameters["exploration"]
        if mode:
            return [
                ContextLearner(
                    self.arms, self._parameters["domain"], discount, 0.5 if spread is None else spread
                )
            ]
        return [PlainLearner(self.arms, discount, 1.0 if spread is None else spread)]

    def _choose(self, context: float | None) -> tuple[int, Any]:
        return int(self._learners[0].draw(context, self._rng).argmin()), None

    def _learn(self, trial: Trial, cost: float, censored: bool) -> None:
        self._learners[0].learn(trial.index, trial.context, cost, censored)

    def _ranking(self, context: float | None) -> Any:
        return self._learners[0].means(context) if self._learners else np.zeros(len(self.arms))


class AutoPolicy(_Learning):
    """The policy for those who do not want to choose one: shared-model Thompson sampling that follows drift.

    With context it is `ThompsonSampling` with the discount 0.9995. Without, two models learn from every answer, one
    that forgets nothing and one that follows; the first is asked, unless the second has predicted the latest costs
    better by a fifth. Contexts may have an unknown range, and arms may be anything.

    Parameters
    ----------
    arms : sequence
        The values to choose among; numbers are taken for neighbours, see `ThompsonSampling`.
    domain : (float, float), optional
        The range of the contexts; see `ThompsonSampling`. It need not be known.
    rng : None, int or Generator
        Source of the draws.

    Examples
    --------
    The best arm changes half-way:

    >>> import pysolve
    >>> policy = pysolve.AutoPolicy([1.0 + 0.05 * i for i in range(20)], rng=0)
    >>> for i in range(1000):
    ...     trial = policy.ask()
    ...     policy.tell(trial, 20 + 50 * abs(trial.value - (1.3 if i < 500 else 1.7)))
    >>> abs(policy.best() - 1.7) < 0.06
    True
    """

    _kept: ClassVar[dict[str, str]] = {"_learners": "parts", "_misses": "floats"} | dict.fromkeys(
        ("_mode", "_active", "_answers"), "int"
    )

    def __init__(
        self, arms: Iterable[Any], domain: tuple[float, float] | None = None, *, rng: Any = None
    ) -> None:
        self._misses = [0.0, 0.0]
        self._active = self._answers = 0
        super().__init__(arms, domain, rng)

    def _check_restored(self) -> None:
        super()._check_restored()
        if not 0 <= self._active < max(len(self._learners), 1):
            raise ValueError(f"its active model is number {self._active}, which there is not")

    def _made(self, mode: int) -> list[Learner]:
        if mode:
            return [ContextLearner(self.arms, self._parameters["domain"], 0.9995, 0.5)]
        return [PlainLearner(self.arms, 1.0, 1.0), PlainLearner(self.arms, 0.995, 0.5)]

    def _choose(self, context: float | None) -> tuple[int, Any]:
        return int(self._learners[self._active].draw(context, self._rng).argmin()), None

    def _learn(self, trial: Trial, cost: float, censored: bool) -> None:
        if self._mode:
            self._learners[0].learn(trial.index, trial.context, cost, censored)
            return
        for place, learner in enumerate(self._learners):
            expected = learner.predicted(trial.index) if isinstance(learner, PlainLearner) else None
            miss = 0.0 if expected is None else abs(cost - expected)
            self._misses[place] = 0.99 * self._misses[place] + miss
            learner.learn(trial.index, None, cost, censored)
        self._answers += 1
        steady, following = self._misses
        if self._active == 0 and self._answers > 20 and following < 0.8 * steady:
            self._active = 1
        elif self._active == 1 and following > steady:
            self._active = 0

    def _ranking(self, context: float | None) -> Any:
        return self._learners[self._active].means(context) if self._learners else np.zeros(len(self.arms))
