"""A Bayesian linear model, y = x^T w + noise, learned one observation after the other."""

from __future__ import annotations

import math
from typing import ClassVar

import numpy as np

LEAST_NOISE = 1e-4  # variance; counts are whole numbers


class LinearModel:
    """w ~ N(mean, S S^T), at first N(0, I); the variance of the noise is estimated from the errors of prediction."""

    _kept: ClassVar[dict[str, str]] = {
        **{"mean": "array", "S": "array", "noise": "float", "squares": "float", "count": "float"}
    }

    def __init__(self, n_terms: int, noise: float, memory: float) -> None:
        self.memory, self.first_noise = memory, noise
        self.mean, self.S = np.zeros(n_terms), np.eye(n_terms)
        self.noise = self.squares = noise
        self.count = 1.0

    def learn(self, x: np.ndarray, y: float, censored: bool) -> float:
        """Potter's form of the Kalman update, which keeps the covariance a square; returns the y taken."""
        f = x @ self.S
        variance = float(f @ f) + self.noise
        expected = float(x @ self.mean)
        error = y - expected
        if censored:
            error = excess(error, math.sqrt(variance))
        direction = self.S @ f
        self.mean += (error / variance) * direction
        self.S -= direction[:, None] * (f / (variance + math.sqrt(variance * self.noise)))
        # E error^2 = variance: scaled so that it estimates the noise.
        self.squares = self.memory * self.squares + error * error * self.noise / variance
        self.count = self.memory * self.count + 1
        self.noise = max(self.squares / self.count, LEAST_NOISE)
        return expected + error

    def draw(self, rng: np.random.Generator, spread: float) -> np.ndarray:
        return self.mean + spread * (self.S @ rng.standard_normal(len(self.mean)))

    def fit(self, X: np.ndarray, y: np.ndarray, weights: np.ndarray) -> None:
        """All over from the prior with these observations; the noise from their residuals."""
        gram, moment = X.T @ (X * weights[:, None]), X.T @ (y * weights)
        for _ in range(2):  # with the noise as it was, then with that of the residuals
            L = np.linalg.cholesky(np.eye(len(moment)) + gram / self.noise)
            self.S = np.linalg.solve(L, np.eye(len(moment))).T
            self.mean = self.S @ (moment @ self.S) / self.noise
            self.squares = self.first_noise + float(weights @ (y - X @ self.mean) ** 2)
            self.count = 1 + float(weights.sum())
            self.noise = max(self.squares / self.count, LEAST_NOISE)

    def fade(self, factor: float) -> None:
        """Back towards the prior: w ~ N(sqrt(factor) mean, factor S S^T + (1 - factor) I)."""
        covariance = factor * (self.S @ self.S.T)
        covariance[np.diag_indices(len(covariance))] += 1 - factor
        self.mean *= math.sqrt(factor)
        self.S = np.linalg.cholesky(covariance)


def excess(error: float, deviation: float) -> float:
    """The mean of N(0, deviation^2) above `error`: what to take for an observation that is at least so far off."""
    z = error / deviation
    if z > 8:
        return error
    tail = 0.5 * math.erfc(z / math.sqrt(2))
    return deviation * math.exp(-0.5 * z * z) / (math.sqrt(2 * math.pi) * tail)
