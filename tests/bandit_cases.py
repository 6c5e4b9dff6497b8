"""Policies and drawn sequences of costs that the tests of bandit share."""

import numpy as np

import pysolve

ARMS = [1.0 + 0.1 * i for i in range(10)]
DOMAIN = (0.0, 1.0)
# name -> (maker from arms and rng, whether it is asked with a context)
POLICIES = {
    "FixedArm": (lambda arms, rng=0: pysolve.FixedArm(arms, rng=rng), False),
    "SuccessiveReject": (lambda arms, rng=0: pysolve.SuccessiveReject(arms, rng=rng), False),
    "TsallisINF rv": (lambda arms, rng=0: pysolve.TsallisINF(arms, rng=rng), False),
    "TsallisINF iw": (lambda arms, rng=0: pysolve.TsallisINF(arms, estimator="iw", rng=rng), False),
    "TsallisINF discount": (lambda arms, rng=0: pysolve.TsallisINF(arms, discount=0.99, rng=rng), False),
    "TsallisINFBins": (lambda arms, rng=0: pysolve.TsallisINFBins(arms, DOMAIN, 3, rng=rng), True),
    "ChebCB": (lambda arms, rng=0: pysolve.ChebCB(arms, DOMAIN, rng=rng), True),
    "ThompsonSampling": (lambda arms, rng=0: pysolve.ThompsonSampling(arms, rng=rng), False),
    "ThompsonSampling context": (lambda arms, rng=0: pysolve.ThompsonSampling(arms, rng=rng), True),
    "ThompsonSampling domain": (lambda arms, rng=0: pysolve.ThompsonSampling(arms, DOMAIN, rng=rng), True),
    "ThompsonSampling discount": (
        lambda arms, rng=0: pysolve.ThompsonSampling(arms, discount=0.99, rng=rng),
        True,
    ),
    "AutoPolicy": (lambda arms, rng=0: pysolve.AutoPolicy(arms, rng=rng), False),
    "AutoPolicy context": (lambda arms, rng=0: pysolve.AutoPolicy(arms, rng=rng), True),
}
NAMES = list(POLICIES)
LEARNING = [name for name in NAMES if name != "FixedArm"]
WITH_CONTEXT = [name for name in NAMES if POLICIES[name][1]]


def context_at(name, i):
    """The context of the i-th question: a slow wave, or none."""
    return 0.5 + 0.5 * np.cos(0.37 * i) if POLICIES[name][1] else None


def cost_of(index, context, i=0):
    """Counts of a solve whose best arm moves from the last to the first as the context grows from 0 to 1."""
    best = 4.5 if context is None else 9 * (1 - context)
    return 20 + 4 * abs(index - best) + (7 * i + 3 * index) % 3


def play(policy, name, n, start=0):
    """Ask and tell n times; the indices of the arms."""
    indices = []
    for i in range(start, start + n):
        trial = policy.ask(context_at(name, i))
        policy.tell(trial, cost_of(trial.index, trial.context, i))
        indices.append(trial.index)
    return indices
