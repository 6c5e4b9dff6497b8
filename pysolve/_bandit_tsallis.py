"""Tsallis-INF: follows the best fixed arm, whatever the sequence of systems is."""

from __future__ import annotations

import math
from collections.abc import Iterable
from operator import mul
from typing import Any, ClassVar

from pysolve._bandit import Policy, Trial
from pysolve._bandit_arguments import checked_count, checked_discount, checked_domain

TOLERANCE = 1e-8  # of their sum, before probabilities are divided by it
# An arm played with less probability is held to have been played with this much: one answer of an arm as good as never
# played must not drown all others. It adds at most LEAST_SHARE per arm and round to the regret (implicit exploration:
# Neu, NeurIPS 2015).
LEAST_SHARE = 1e-9


class TsallisState:
    """The weights of one Tsallis-INF: k_i estimates the total loss of arm i, K is the mean cost.

    Loss = cost - least cost told before: what is subtracted is the same for all arms and known before the cost, so the
    differences of the estimates keep their means. K must be the mean of the costs, not of the losses: these go to 0
    when the policy settles, and with them would go the last of its exploration.
    """

    _kept: ClassVar[dict[str, str]] = {"k": "floats"} | dict.fromkeys(
        ("rounds", "costs", "losses", "x", "slope", "least"), "float"
    )

    def __init__(self, n_arms: int, reduced_variance: bool, discount: float) -> None:
        self.k = [0.0] * n_arms
        self.rounds = self.costs = self.losses = 0.0
        self.x, self.slope = 0.0, 1.0
        self.least = 0.0  # none yet
        self.reduced_variance, self.discount = reduced_variance, discount
        self.step = 4.0 if reduced_variance else 2.0

    def probabilities(self) -> list[float]:
        r"""p_i = (c K / (k_i - x))^2 with c = 2/eta, and the x at which they sum to 1.

        (sum p)^(-1/2) is a power mean of the (k_i - x)/(c K), hence concave in x, and falls to 0 at min k_i: Newton's
        method for its value 1 leads from any x below that to the right of the root and then down to it, without a
        detour. It starts where `learn` expects the root. All is measured from min k_i, where differences count.
        """
        d = len(self.k)
        if not self.rounds:
            return [1.0 / d] * d
        lowest = min(self.k)
        k = [value - lowest for value in self.k]
        c = math.sqrt(self.rounds + 1) * 2 / self.step * self.costs / self.rounds
        bound = -c  # one p_i alone is 1 there
        x = min(self.x - lowest, bound)
        for _ in range(100):
            q = [c / (value - x) for value in k]
            p = [value * value for value in q]
            total = sum(p)
            if -TOLERANCE < total - 1.0 < TOLERANCE:
                break
            self.slope = sum(map(mul, p, q))
            x = min(x + c * total * (1.0 - math.sqrt(total)) / self.slope, bound)
        self.x = x + lowest
        # What is left of the error, quadratically small in the next step, is spread over all arms.
        return [value / total for value in p]

    def learn(self, index: int, cost: float, p: list[float]) -> None:
        loss = cost - self.least
        baseline = self.losses / self.rounds if self.rounds else 0.0
        self.least = min(self.least or cost, cost)
        self.costs = self.discount * self.costs + cost
        self.losses = self.discount * self.losses + max(loss, 0.0)
        self.rounds = self.discount * self.rounds + 1
        if self.discount < 1:
            self.k = [self.discount * value for value in self.k]
        share = max(p[index], LEAST_SHARE)
        if not self.reduced_variance:
            self._raise(index, loss / share, share)
            return
        # l_hat_i = 1{i played} (l - B_i)/p_i + B_i: a B_i that does not depend on l leaves the mean as it is, and one
        # near l makes the spread small.
        enough = 16.0 / self.rounds
        self.k = [
            value + baseline if each >= enough else value for value, each in zip(self.k, p, strict=True)
        ]
        self.x += baseline
        self._raise(index, (loss - (baseline if p[index] >= enough else 0.0)) / share, share)

    def _raise(self, index: int, by: float, share: float) -> None:
        """Add to k_i, and to x what follows from it to first order: dx = dk p_i^(3/2) / sum p^(3/2)."""
        self.k[index] += by
        self.x += by * share * math.sqrt(share) / self.slope


class _Tsallis(Policy):
    _states: list[TsallisState]
    _kept: ClassVar[dict[str, str]] = {"_states": "parts"}

    def __init__(
        self, arms: Iterable[Any], n_states: int, estimator: str, discount: float, rng: Any, **parameters: Any
    ) -> None:
        super().__init__(arms, rng, estimator=estimator, discount=discount, **parameters)
        if estimator not in ("rv", "iw"):
            raise ValueError(f'estimator must be "rv" or "iw", got {estimator!r}')
        self._parameters["discount"] = checked_discount(discount)
        self._states = [
            TsallisState(len(self.arms), estimator == "rv", self._parameters["discount"])
            for _ in range(n_states)
        ]

    def _place(self, context: float | None) -> int:
        return 0

    def probabilities(self, context: float | None = None) -> list[float]:
        """With which probability each arm would now be chosen; they sum to 1.

        Parameters
        ----------
        context : float, optional
            As in `ask`.

        Returns
        -------
        list of float
        """
        with self._lock:
            state = self._states[self._place(self._checked_context(context))]
            before = state.x, state.slope
            p = state.probabilities()
            state.x, state.slope = before  # looking changes nothing
            return p

    def _choose(self, context: float | None) -> tuple[int, Any]:
        state = self._states[self._place(context)]
        p = state.probabilities()
        u = float(self._rng.random())
        for index, share in enumerate(p):
            u -= share
            if u < 0:
                return index, p
        return max(range(len(p)), key=p.__getitem__), p  # the sum was a rounding error below u

    def _learn(self, trial: Trial, cost: float, censored: bool) -> None:
        self._states[self._place(trial.context)].learn(trial.index, cost, trial._note)

    def _ranking(self, context: float | None) -> Any:
        return self._states[self._place(context)].k


class TsallisINF(_Tsallis):
    r"""Learns the best fixed arm; no assumption on the sequence of systems.

    Arm :math:`i` is chosen with probability :math:`p_i = 4 / (\eta (k_i / K - x))^2`, where :math:`k_i` estimates the
    total cost that it would have had, up to what all arms have in common, :math:`K` is the mean cost so far and
    :math:`x` makes the sum 1. The total cost exceeds that of the best fixed arm by :math:`O(\sqrt{d T})` mean costs
    where costs are of one size [1]_ [2]_.

    Parameters
    ----------
    arms : sequence
        The values to choose among: floats, strings, dicts, callables, anything.
    estimator : {"rv", "iw"}
        How the costs of the arms not played are estimated: with reduced variance, or by importance weights.
    discount : float
        Below 1, earlier costs fade by this factor with every answer, and the policy follows a drift.
    rng : None, int or Generator
        Source of the choices.

    Notes
    -----
    A solve given up early (``censored=True``) counts with the cost it had. `context` is accepted and not looked at.

    References
    ----------
    .. [1] M. Khodak, E. Chow, M.-F. Balcan, A. Talwalkar, *Learning to relax: setting solver parameters across a
           sequence of linear system instances*, ICLR 2024.
    .. [2] J. Zimmert, Y. Seldin, *Tsallis-INF: an optimal algorithm for stochastic and adversarial bandits*, Journal
           of Machine Learning Research 22 (2021).

    Examples
    --------
    >>> import pysolve
    >>> policy = pysolve.TsallisINF([1.0, 1.5, 1.9], rng=0)
    >>> for _ in range(300):
    ...     trial = policy.ask()
    ...     policy.tell(trial, {1.0: 90, 1.5: 40, 1.9: 60}[trial.value])
    >>> policy.best()
    1.5
    """

    def __init__(
        self, arms: Iterable[Any], *, estimator: str = "rv", discount: float = 1.0, rng: Any = None
    ) -> None:
        super().__init__(arms, 1, estimator, discount, rng)


class TsallisINFBins(_Tsallis):
    """A `TsallisINF` for each of several equal parts of the context's range.

    Parameters
    ----------
    arms : sequence
        The values to choose among.
    domain : (float, float)
        The range of the contexts. For a simulation: what the coefficient can become, rather too wide than too narrow.
    n_bins : int
        Number of parts; each learns alone.
    estimator, discount, rng
        As in `TsallisINF`.

    Examples
    --------
    >>> import pysolve
    >>> policy = pysolve.TsallisINFBins([1.2, 1.8], domain=(0.0, 1.0), rng=0)
    >>> for i in range(400):
    ...     trial = policy.ask(context=i % 10 / 10)
    ...     policy.tell(trial, 20 + 50 * abs(trial.value - 1.2 - 0.6 * (trial.context < 0.5)))
    >>> policy.best(0.1), policy.best(0.9)
    (1.8, 1.2)
    """

    _needs_context = True

    def __init__(
        self,
        arms: Iterable[Any],
        domain: tuple[float, float],
        n_bins: int = 5,
        *,
        estimator: str = "rv",
        discount: float = 1.0,
        rng: Any = None,
    ) -> None:
        domain, n_bins = checked_domain(domain), checked_count(n_bins, "n_bins")
        super().__init__(arms, n_bins, estimator, discount, rng, domain=domain, n_bins=n_bins)

    def _place(self, context: float | None) -> int:
        assert context is not None  # _checked_context saw to it
        (lo, hi), n_bins = self._parameters["domain"], self._parameters["n_bins"]
        return min(int((context - lo) / (hi - lo) * n_bins), n_bins - 1)
