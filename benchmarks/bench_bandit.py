"""bandit: what a policy costs, and what it saves on systems whose solve takes as long as theory says."""

from collections.abc import Callable
from typing import Any

import numpy as np

from . import environment  # first: settings that must stand before the others are loaded

import pysolve  # isort: skip

ARMS = np.linspace(1, 1.95, 20).tolist()
DOMAIN = (-0.15, 0.45)
N_SOLVES = {"small": 300, "full": 5000}[environment.SIZE]


def policies() -> dict[str, tuple[Callable[[], Any], bool]]:
    """Name -> (its maker, whether it is asked with a context)."""
    return {
        "fixed": (lambda: pysolve.FixedArm(ARMS, 13), False),
        "successive reject": (lambda: pysolve.SuccessiveReject(ARMS), False),
        "tsallis-inf rv": (lambda: pysolve.TsallisINF(ARMS, rng=0), False),
        "tsallis-inf iw": (lambda: pysolve.TsallisINF(ARMS, estimator="iw", rng=0), False),
        "tsallis-inf bins": (lambda: pysolve.TsallisINFBins(ARMS, DOMAIN, rng=0), True),
        "chebcb": (lambda: pysolve.ChebCB(ARMS, DOMAIN, rng=0), True),
        "thompson": (lambda: pysolve.ThompsonSampling(ARMS, rng=0), True),
        "thompson without context": (lambda: pysolve.ThompsonSampling(ARMS, rng=0), False),
        "auto": (lambda: pysolve.AutoPolicy(ARMS, rng=0), True),
        "auto without context": (lambda: pysolve.AutoPolicy(ARMS, rng=0), False),
    }


def sweeps(context: np.ndarray) -> np.ndarray:
    """Sweeps of SOR to 1e-8, by Young's rate, for the 5-point operator on 10 x 10 points plus context I."""
    beta = 4 * np.cos(np.pi / 11) / (4 + context[:, None])
    omega = np.array(ARMS)
    root = np.sqrt(np.maximum(omega**2 * beta**2 - 4 * (omega - 1), 0))
    rate = np.where(root > 0, (omega * beta + root) ** 2 / 4, omega - 1)
    return np.ceil(1 + np.log(1e-8) / np.log(rate + 0.01 * (1 - rate)))


class Policy:
    params = (list(policies()),)
    param_names = ("policy",)

    def setup(self, name: str) -> None:
        self.make, self.asks_with_context = policies()[name]
        self.contexts = -0.15 + 0.6 * np.random.default_rng(1).beta(2, 6, N_SOLVES)
        self.costs = sweeps(self.contexts)
        self.policy, self.solves = self.make(), 0
        for _ in range(min(N_SOLVES, 500)):
            self.solve()

    def solve(self) -> float:
        t = self.solves % N_SOLVES
        self.solves += 1
        trial = self.policy.ask(self.contexts[t] if self.asks_with_context else None)
        cost = self.costs[t, trial.index]
        self.policy.tell(trial, cost)
        return float(cost)

    def time_ask_and_tell(self, name: str) -> None:
        self.solve()

    def track_total_cost(self, name: str) -> float:
        self.policy, self.solves = self.make(), 0
        return sum(self.solve() for _ in range(N_SOLVES)) / float(self.costs.sum(axis=0).min())


Policy.track_total_cost.unit = "of the best fixed arm's"
