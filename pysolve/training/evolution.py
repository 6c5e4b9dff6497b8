"""Separable CMA-ES: minimises a noisy function of some dozens of numbers, without derivatives.

R. Ros, N. Hansen, "A simple modification in CMA-ES achieving linear time and space complexity", PPSN 2008; constants as
in N. Hansen, "The CMA Evolution Strategy: A Tutorial", arXiv:1604.00772. Its state is a dict of arrays, so that a run
can be stopped and resumed to the bit.
"""

from __future__ import annotations

import json
from typing import Any

import numpy as np


class Evolution:
    """``ask`` for candidates, ``tell`` their costs (inf: not allowed); `mean` is the best guess."""

    def __init__(self, mean: np.ndarray, sigma: float, n_candidates: int, seed: int) -> None:
        self.mean, self.sigma = np.array(mean, dtype=np.float64), sigma
        n = self.mean.size
        self.variance, self.p_sigma, self.p_c = np.ones(n), np.zeros(n), np.zeros(n)
        self.generation, self.n_candidates = 0, n_candidates
        self.rng = np.random.default_rng(seed)
        half = n_candidates // 2
        self.w = np.log(half + 0.5) - np.log(np.arange(1, half + 1))
        self.w /= self.w.sum()
        m = 1 / (self.w**2).sum()  # effective number of parents
        self.m, self.chi = m, np.sqrt(n) * (1 - 1 / (4 * n) + 1 / (21 * n**2))
        self.c_sigma = (m + 2) / (n + m + 5)
        self.damping = 1 + 2 * max(0.0, np.sqrt((m - 1) / (n + 1)) - 1) + self.c_sigma
        self.c_c = (4 + m / n) / (n + 4 + 2 * m / n)
        faster = (n + 2) / 3  # only a diagonal is learned
        self.c_1 = min(1.0, faster * 2 / ((n + 1.3) ** 2 + m))
        self.c_mu = min(1 - self.c_1, faster * 2 * (m - 2 + 1 / m) / ((n + 2) ** 2 + m))

    def ask(self) -> np.ndarray:
        """Candidates, one a row."""
        self.steps = self.rng.standard_normal((self.n_candidates, self.mean.size)) * np.sqrt(self.variance)
        return self.mean + self.sigma * self.steps

    def tell(self, costs: np.ndarray) -> None:
        """The costs of the candidates of the last `ask`."""
        best = self.steps[np.argsort(costs, kind="stable")[: self.w.size]]
        step = self.w @ best
        self.mean = self.mean + self.sigma * step
        self.generation += 1
        keep = 1 - self.c_sigma
        self.p_sigma = keep * self.p_sigma + np.sqrt(
            self.c_sigma * (2 - self.c_sigma) * self.m
        ) * step / np.sqrt(self.variance)
        size = float(np.linalg.norm(self.p_sigma))
        stalled = size / np.sqrt(1 - keep ** (2 * self.generation)) > (1.4 + 2 / (step.size + 1)) * self.chi
        self.p_c = (1 - self.c_c) * self.p_c + (not stalled) * np.sqrt(
            self.c_c * (2 - self.c_c) * self.m
        ) * step
        self.variance = (
            (1 - self.c_1 - self.c_mu) * self.variance
            + self.c_1 * self.p_c**2
            + self.c_mu * (self.w @ best**2)
        )
        self.sigma *= float(np.exp(self.c_sigma / self.damping * (size / self.chi - 1)))

    # ---- to a file and back ---------------------------------------------------------------------------------

    FIELDS = ("mean", "sigma", "variance", "p_sigma", "p_c", "generation")

    def to_arrays(self) -> dict[str, np.ndarray]:
        state = {field: np.asarray(getattr(self, field)) for field in self.FIELDS}
        return state | {"rng": np.array(json.dumps(self.rng.bit_generator.state))}

    def restore(self, arrays: dict[str, Any]) -> None:
        for field in self.FIELDS:
            value = arrays[field]
            if value.shape != np.shape(getattr(self, field)):
                raise ValueError(
                    f"{field} of the checkpoint has shape {value.shape}: it is of another training"
                )
            setattr(self, field, value.copy() if value.ndim else value.item())
        self.rng.bit_generator.state = json.loads(str(arrays["rng"]))
