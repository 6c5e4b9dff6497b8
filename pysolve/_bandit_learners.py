"""What `ThompsonSampling` and `AutoPolicy` learn with: costs as smooth functions of the arm and of the context."""

from __future__ import annotations

import math
from array import array
from typing import Any, ClassVar

import numpy as np

from pysolve import _bandit_features as features
from pysolve._bandit_model import LinearModel, Noise

BLOCK = 16  # answers between two times of fading
FORGOTTEN = 1e-4  # the weight below which an observation is left out of a new fit
MOST_FITTED = 20_000  # observations in a new fit, the latest: tens of milliseconds


class PlainLearner:
    """cost = level (1 + x_arm^T w + noise); the level is that of late, so that a drift of all costs does not confuse.

    It is the costs that are averaged, not their logarithms: the arm of the least sum is wanted.
    """

    _kept: ClassVar[dict[str, str]] = {"model": "part", "total": "float", "weight": "float", "count": "int"}

    def __init__(self, arms: tuple[Any, ...], discount: float, spread: float) -> None:
        shape = features.arm_features(arms, 8)
        self.X = np.hstack([np.ones((len(arms), 1)), shape])
        self.discount, self.spread = discount, spread
        self.fading = 1 - 10 * (1 - discount) if discount > 0.95 else 0.5
        self.model = LinearModel(self.X.shape[1], Noise(1.0, len(arms), discount))
        self.total = self.weight = 0.0
        self.count = 0

    def check(self, n_arms: int) -> None:
        """Nothing of what a file holds of this could be wrong that its shape does not show."""

    def means(self, context: float | None) -> np.ndarray:
        return self.X @ self.model.mean

    def draw(self, context: float | None, rng: np.random.Generator) -> np.ndarray:
        if not self.count:
            return rng.random(len(self.X))
        return self.X @ self.model.draw(rng, self.spread)

    def predicted(self, index: int) -> float | None:
        """The cost; None before the first."""
        return self._share(index) * self.total / self.weight if self.count else None

    def _share(self, index: int) -> float:
        return max(1 + float(self.X[index] @ self.model.mean), 0.1)

    def learn(self, index: int, context: float | None, cost: float, censored: bool) -> None:
        share = self._share(index)
        self.total = self.fading * self.total + cost
        self.weight = self.fading * self.weight + share
        relative = min(cost * self.weight / self.total - 1, 9.0)  # one failure is not the end of an arm
        self.model.learn(self.X[index], relative, censored, index)
        self.count += 1
        if self.discount < 1 and self.count % BLOCK == 0:
            self.model.fade(self.discount**BLOCK)


class ContextLearner:
    """log cost = x(arm, context)^T w + noise, x the products of features of both."""

    _kept: ClassVar[dict[str, str]] = {
        "model": "part",
        "scale": "part",
        "first": "float",
        "next": "int",
        "early": "int",
    } | dict.fromkeys(("indices", "contexts", "logs"), "column")

    def __init__(
        self, arms: tuple[Any, ...], domain: tuple[float, float] | None, discount: float, spread: float
    ) -> None:
        by_arm, by_context = features.arm_features(arms, 8), features.context_features(6)
        first, second = features.pairs(by_arm, by_context)
        self.by_arm = np.hstack([np.ones((len(arms), 1)), by_arm[:, first]])
        # The constant is a feature too, of all contexts.
        self.by_context = np.hstack([np.ones((len(features.GRID), 1)), by_context[:, second]])
        self.discount, self.spread = discount, spread
        self.model = LinearModel(self.by_arm.shape[1], Noise(0.01, 1, discount))
        self.scale = features.Scale(domain)
        self.first, self.next, self.early = 0.0, 8, 1
        self.indices, self.contexts, self.logs = array("i"), array("d"), array("d")

    def check(self, n_arms: int) -> None:
        """ValueError where a file held indices of arms that there are not."""
        if self.indices and not 0 <= min(self.indices) <= max(self.indices) < n_arms:
            raise ValueError("its model names arms that it has not")

    def _at(self, context: float | None) -> np.ndarray:
        """The context's features."""
        assert context is not None
        place = (self.scale.place(context) + 1) / 2 * (len(features.GRID) - 1)
        left = min(int(place), len(features.GRID) - 2)
        share = place - left
        return (1 - share) * self.by_context[left] + share * self.by_context[left + 1]

    def means(self, context: float | None) -> np.ndarray:
        return self.by_arm @ (self._at(context) * self.model.mean)

    def draw(self, context: float | None, rng: np.random.Generator) -> np.ndarray:
        if not self.logs:
            return rng.random(len(self.by_arm))
        return self.by_arm @ (self._at(context) * self.model.draw(rng, self.spread))

    def learn(self, index: int, context: float | None, cost: float, censored: bool) -> None:
        assert context is not None
        if not self.logs:
            self.first = math.log(cost)
        x = self.by_arm[index] * self._at(context)
        self.logs.append(self.model.learn(x, math.log(cost) - self.first, censored))
        self.indices.append(index)
        self.contexts.append(context)
        count = len(self.logs)
        if count >= self.next or (count >= self.early and not self.scale.covers(context)):
            self._refit(count)
        elif self.discount < 1 and count % BLOCK == 0:
            self.model.fade(self.discount**BLOCK)

    def _refit(self, count: int) -> None:
        """Place the contexts anew. The counts at which this is done grow in proportion, so an answer pays little."""
        self.next, self.early = count + count // 2 + 1, count + count // 10 + 1
        first = max(0, count - MOST_FITTED)
        weights = self.discount ** np.arange(count - 1 - first, -1, -1.0)
        skipped = int(np.searchsorted(weights, FORGOTTEN))
        start, weights = first + skipped, weights[skipped:]
        contexts, indices = np.array(self.contexts[start:]), np.array(self.indices[start:])
        self.scale.learn(contexts)
        place = (self.scale.places_of(contexts) + 1) / 2 * (len(features.GRID) - 1)
        left = np.clip(place.astype(int), 0, len(features.GRID) - 2)
        share = (place - left)[:, None]
        at = (1 - share) * self.by_context[left] + share * self.by_context[left + 1]
        self.model.fit(self.by_arm[indices] * at, np.array(self.logs[start:]), weights)
