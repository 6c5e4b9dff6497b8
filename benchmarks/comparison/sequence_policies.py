"""The policies that are compared, tried on a table of costs."""

import math
import time
from collections.abc import Callable
from typing import Any

import numpy as np
from sequence_costs import OMEGAS, Costs

import pysolve

ARMS = OMEGAS.tolist()
# name -> (arms, range of the contexts, seed) -> policy
POLICIES: dict[str, Callable[[Any, Any, int], Any]] = {
    "Tsallis-INF (iw)": lambda arms, domain, seed: pysolve.TsallisINF(arms, estimator="iw", rng=seed),
    "Tsallis-INF (rv)": lambda arms, domain, seed: pysolve.TsallisINF(arms, rng=seed),
    "Tsallis-INF, 5 bins": lambda arms, domain, seed: pysolve.TsallisINFBins(arms, domain, 5, rng=seed),
    "ChebCB": lambda arms, domain, seed: pysolve.ChebCB(arms, domain=domain, rng=seed),
    "Thompson": lambda arms, domain, seed: pysolve.ThompsonSampling(arms, rng=seed),
    "Thompson, context": lambda arms, domain, seed: pysolve.ThompsonSampling(arms, domain=domain, rng=seed),
    "auto": lambda arms, domain, seed: pysolve.AutoPolicy(arms, domain, rng=seed),
    "successive reject": lambda arms, domain, seed: pysolve.SuccessiveReject(arms, rng=seed),
}


BLIND = {"Thompson"}  # not shown the contexts; the others use or ignore them


def replay(policy: Any, costs: Costs, contexts: list[float | None]) -> np.ndarray:
    """The cost of every system, each answered by the arm that the policy asks for."""
    spent = np.empty(costs.T, dtype=np.int64)
    for t, (context, row) in enumerate(zip(contexts, costs.table, strict=True)):
        trial = policy.ask(context)
        spent[t] = row[trial.index]
        policy.tell(trial, float(spent[t]))
    return spent


def replays(name: str, costs: Costs, seeds: int) -> tuple[np.ndarray, float]:
    """The same for several seeds, (seeds, T); and the seconds of a choice, in the fastest run."""
    contexts, spent, seconds = contexts_of(name, costs), [], []
    for seed in range(seeds):
        policy = POLICIES[name](ARMS, costs.domain, seed)
        start = time.perf_counter()
        spent.append(replay(policy, costs, contexts))
        seconds.append((time.perf_counter() - start) / costs.T)
    return np.array(spent), min(seconds)


def contexts_of(name: str, costs: Costs) -> list[float | None]:
    """What a policy is told of the systems."""
    return [None] * costs.T if name in BLIND else costs.contexts.tolist()


def worst_sum(name: str, costs: Costs) -> float | None:
    """How far the probabilities of a policy are from a sum of 1 at the most, in all rounds; None where it has none."""
    policy = POLICIES[name](ARMS, costs.domain, 0)
    if not hasattr(policy, "probabilities"):
        return None
    worst = 0.0
    for context, row in zip(contexts_of(name, costs), costs.table, strict=True):
        worst = max(worst, abs(math.fsum(policy.probabilities(context)) - 1))
        trial = policy.ask(context)
        policy.tell(trial, float(row[trial.index]))
    return worst
