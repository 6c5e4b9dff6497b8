"""Features of arms and contexts for the shared model: near arms, and near contexts, have nearly the same."""

from __future__ import annotations

from bisect import bisect_right
from typing import Any, ClassVar

import numpy as np

from pysolve._bandit_picture import numbers

LENGTH = 0.5  # over which a cost changes, where arms and contexts lie in [-1, 1]
GRID = np.linspace(-1, 1, 33)
MOST_TERMS = 60
SMALL = 1e-4  # of the largest prior variance: what is less is left out
QUANTILES = np.linspace(0, 1, 17)


def matern(x: np.ndarray) -> np.ndarray:
    """Covariance of a twice differentiable random function at x (Matern, 5/2)."""
    r = np.sqrt(5) / LENGTH * np.abs(x[:, None] - x)
    return (1 + r + r * r / 3) * np.exp(-r)


def principal(K: np.ndarray, n_terms: int) -> np.ndarray:
    """F with F F^T near K, a column for each of the largest eigenvalues; signs fixed, so that files can travel."""
    values, vectors = np.linalg.eigh(K)
    order = np.argsort(-values)[:n_terms]
    vectors = vectors[:, order]
    largest = np.abs(vectors).argmax(axis=0)
    vectors *= np.sign(vectors[largest, np.arange(len(order))])
    return vectors * np.sqrt(np.maximum(values[order], 0))


def arm_features(arms: tuple[Any, ...], n_terms: int) -> np.ndarray:
    """(n_arms, terms). Numbers share what is learned with their neighbours; other arms only a common part."""
    d = len(arms)
    if not numbers(arms) or len(set(arms)) == 1:
        return np.hstack([np.full((d, 1), np.sqrt(0.5)), np.sqrt(0.5) * np.eye(d)])
    distinct, places = np.unique(np.array(arms, dtype=float), return_inverse=True)
    # Half by value, half by rank: a grid in powers of ten is resolved too.
    value = (distinct - distinct[0]) / (distinct[-1] - distinct[0])
    rank = np.linspace(0, 1, len(distinct))
    return principal(matern(value + rank - 1), n_terms)[places]


def context_features(n_terms: int) -> np.ndarray:
    """(len(GRID), terms): functions on the grid, between whose points they are linear."""
    return principal(matern(GRID), n_terms)


def pairs(arms: np.ndarray, contexts: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Columns of both whose products have the largest prior variance; every column of arms is in one at least."""
    variance = (arms**2).mean(axis=0)[:, None] * (contexts**2).mean(axis=0)
    wanted = variance > SMALL * variance.max()
    most = max(MOST_TERMS, 2 * arms.shape[1])
    if wanted.sum() > most:
        wanted &= variance >= np.sort(variance.ravel())[-most]
    wanted[:, 0] = True
    first, second = np.nonzero(wanted)
    return first, second


class Scale:
    """Contexts to u in [-1, 1], increasing: half by value and half by rank among the contexts seen.

    So it matters little in which unit or on which scale the contexts are, and where most systems are the
    resolution is best.
    """

    _kept: ClassVar[dict[str, str]] = {"knots": "floats", "places": "floats", "known": "int"}

    def __init__(self, domain: tuple[float, float] | None) -> None:
        self.domain = domain
        self.knots, self.places = [0.0] * 2 * len(QUANTILES), [0.0] * 2 * len(QUANTILES)
        self.known = 0
        if domain is not None:
            self.learn(np.array(domain))

    def learn(self, contexts: np.ndarray) -> None:
        """Take these contexts for typical."""
        ends = self.domain or (contexts.min(), contexts.max())
        if not ends[0] < ends[1]:
            return
        contexts = np.sort(np.concatenate([contexts, ends]))
        knots = np.sort(
            np.concatenate([np.quantile(contexts, QUANTILES), np.linspace(ends[0], ends[1], len(QUANTILES))])
        )
        rank = np.searchsorted(contexts, knots, "left") + np.searchsorted(contexts, knots, "right")
        rank = (rank - rank[0]) / (rank[-1] - rank[0])
        self.knots = knots.tolist()
        self.places = (rank + (knots - ends[0]) / (ends[1] - ends[0]) - 1).tolist()
        self.known = 1

    def covers(self, context: float) -> bool:
        return bool(self.known) and self.knots[0] <= context <= self.knots[-1]

    def place(self, context: float) -> float:
        if not self.known:
            return 0.0
        knots, places = self.knots, self.places
        after = bisect_right(knots, context)
        if after == 0:
            return places[0]
        if after == len(knots):
            return places[-1]
        low, high = knots[after - 1], knots[after]
        return places[after - 1] + (places[after] - places[after - 1]) * (context - low) / (high - low)

    def places_of(self, contexts: np.ndarray) -> np.ndarray:
        """`place` of each."""
        return np.interp(contexts, self.knots, self.places) if self.known else np.zeros(len(contexts))
