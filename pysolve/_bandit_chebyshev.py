"""ChebCB: one Chebyshev series in the context for each arm, and inverse-gap choices among them."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any, ClassVar

import numpy as np

from pysolve._bandit import Policy, Trial
from pysolve._bandit_arguments import checked_count, checked_domain
from pysolve._bandit_box import box_least_squares, least_norm


class ChebCB(Policy):
    r"""Learns for each arm how its cost depends on a scalar context, as a Chebyshev series.

    With a smooth dependence the total cost approaches that of the best arm *of every single system*. The series of the
    arm played is a least squares fit with the coefficients in a box :math:`|\theta_0| \le K`,
    :math:`|\theta_j| \le 2 (K - k) / j`, :math:`K` and :math:`k` the largest and the least cost so far: the decay that
    a Lipschitz function has. The arm of the least prediction is played but for probabilities
    :math:`1 / (d + \eta \Delta_i)` of the others, :math:`\Delta_i` the predicted gap [1]_ [2]_.

    Parameters
    ----------
    arms : sequence
        The values to choose among: floats, strings, dicts, callables, anything.
    domain : (float, float)
        The range of the contexts; others are refused. In a simulation take what the coefficient can become: a range
        somewhat too wide costs little, since the series is fitted where contexts are. `ThompsonSampling` and
        `AutoPolicy` need no domain.
    n_terms : int
        Terms of the series.
    rng : None, int or Generator
        Source of the choices.

    Notes
    -----
    A solve given up early (``censored=True``) counts with the cost it had.

    References
    ----------
    .. [1] M. Khodak, E. Chow, M.-F. Balcan, A. Talwalkar, *Learning to relax: setting solver parameters across a
           sequence of linear system instances*, ICLR 2024.
    .. [2] D. J. Foster, A. Rakhlin, *Beyond UCB: optimal and efficient contextual bandits with regression oracles*,
           ICML 2020.

    Examples
    --------
    >>> import pysolve
    >>> policy = pysolve.ChebCB([1.2, 1.5, 1.8], domain=(0.0, 1.0), rng=0)
    >>> for i in range(500):
    ...     trial = policy.ask(context=i % 11 / 10)
    ...     policy.tell(trial, 20 + 50 * abs(trial.value - 1.8 + 0.6 * trial.context))
    >>> policy.best(0.0), policy.best(0.5), policy.best(1.0)
    (1.8, 1.5, 1.2)
    """

    _needs_context = True
    _kept: ClassVar[dict[str, str]] = (
        dict.fromkeys(("_theta", "_gram", "_moment", "_square", "_residual", "_at_bound"), "array")
        | dict.fromkeys(("_errors", "_most", "_least"), "float")
        | {"_rounds": "int"}
    )

    def __init__(
        self, arms: Iterable[Any], domain: tuple[float, float], *, n_terms: int = 6, rng: Any = None
    ) -> None:
        domain, m = checked_domain(domain), checked_count(n_terms, "n_terms")
        super().__init__(arms, rng, domain=domain, n_terms=m)
        d = len(self.arms)
        self._theta, self._moment = np.zeros((d, m)), np.zeros((d, m))
        self._gram = np.zeros((d, m, m))
        self._square, self._residual = np.zeros(d), np.zeros(d)
        self._at_bound = np.zeros(d, dtype=bool)
        self._errors = self._most = 0.0
        self._least = -1.0  # none yet
        self._rounds = 0

    def _features(self, context: float | None) -> np.ndarray:
        """T_0(u), .. , T_{m-1}(u) at the context's place u in [-1, 1]."""
        assert context is not None
        lo, hi = self._parameters["domain"]
        u = 2.0 * ((context - lo) / (hi - lo)) - 1.0
        values = [1.0, u]
        for _ in range(self._parameters["n_terms"] - 2):
            values.append(2.0 * u * values[-1] - values[-2])
        return np.array(values[: self._parameters["n_terms"]])

    def _choose(self, context: float | None) -> tuple[int, Any]:
        x = self._features(context)
        d = len(self.arms)
        predicted = (self._theta @ x).tolist()
        best = min(range(d), key=predicted.__getitem__)
        eta = self._eta()
        if eta is None:
            return int(self._rng.integers(d)), x
        least, u = predicted[best], float(self._rng.random())
        for index, value in enumerate(predicted):
            if index != best:
                u -= 1.0 / (d + eta * (value - least))
                if u < 0:
                    return index, x
        return best, x

    def _eta(self) -> float | None:
        """How sharply to prefer small predictions, by unit of cost; None as long as nothing is known of the scale."""
        t, d, m = self._rounds, len(self.arms), self._parameters["n_terms"]
        spread = self._most - self._least
        if not t or spread <= 0:
            return None
        unit = self._most * (2 + 4 * spread / self._most * (1 + math.log(m)))  # K N
        alpha = (math.pi + 2 / math.pi * math.log(2 * m + 1)) * spread / (2 * unit * (m + 1))
        surplus = max(self._errors - float(self._residual.sum()), 0.0) / unit**2
        return 2 * t * math.sqrt(d * t / (surplus + 2 * alpha**2 * t)) / unit

    def _learn(self, trial: Trial, cost: float, censored: bool) -> None:
        x, arm = trial._note, trial.index
        self._errors += (float(self._theta[arm] @ x) - cost) ** 2
        self._gram[arm] += x[:, None] * x
        self._moment[arm] += cost * x
        self._square[arm] += cost * cost
        self._rounds += 1
        if cost > self._most or not 0 <= self._least <= cost:
            self._most = max(self._most, cost)
            self._least = cost if self._least < 0 else min(self._least, cost)
            for other in np.flatnonzero(self._at_bound).tolist():  # the box has grown
                self._fit(other)
        self._fit(arm)

    def _fit(self, arm: int) -> None:
        gram, moment = self._gram[arm], self._moment[arm]
        m = self._parameters["n_terms"]
        spread = self._most - self._least
        bound = np.array([self._most, *(2 * spread / j for j in range(1, m))])
        theta = least_norm(gram, moment)
        self._at_bound[arm] = violated = bool((np.abs(theta) > bound).any())
        if violated:
            theta = box_least_squares(gram, moment, bound, self._theta[arm])
        self._theta[arm] = theta
        self._residual[arm] = max(self._square[arm] - float(theta @ (2 * moment - gram @ theta)), 0.0)

    def _ranking(self, context: float | None) -> Any:
        return (self._theta @ self._features(context)).tolist()
