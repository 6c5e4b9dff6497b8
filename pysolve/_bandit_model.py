"""A Bayesian linear model, y = x^T w + noise, learned one observation after the other."""

from __future__ import annotations

import math
from typing import ClassVar

import numpy as np

LEAST_NOISE = 1e-4  # variance; counts are whole numbers
SHARED = 20.0  # observations for which the mean noise counts in every place


class Noise:
    """Estimates of the noise's variance in several places, drawn to their mean while a place has few observations."""

    _kept: ClassVar[dict[str, str]] = dict.fromkeys(("squares", "counts"), "floats") | dict.fromkeys(
        ("all_squares", "all_counts"), "float"
    )

    def __init__(self, variance: float, n_places: int, memory: float) -> None:
        self.first, self.memory = variance, memory
        self.squares, self.counts = [0.0] * n_places, [0.0] * n_places
        self.all_squares, self.all_counts = variance, 1.0

    def seen(self, place: int, error: float, spread: float) -> float:
        """The variance, with an error of prediction whose own variance but for the noise is `spread`.

        The new error is among the observations: a first large one widens the noise instead of being believed.
        """
        mean = max(self.all_squares / self.all_counts, LEAST_NOISE)
        square = error * error * mean / (mean + spread)
        memory = self.memory
        self.squares[place] = memory * self.squares[place] + square
        self.counts[place] = memory * self.counts[place] + 1
        self.all_squares = memory * self.all_squares + square
        self.all_counts = memory * self.all_counts + 1
        variance = (self.squares[place] + SHARED * mean) / (self.counts[place] + SHARED)
        return max(variance, LEAST_NOISE)

    def restart(self, total: float, count: float) -> float:
        """The variance when there is one place, and these are the sum and the number of its squares."""
        self.squares[0], self.counts[0] = total, count
        self.all_squares, self.all_counts = self.first + total, 1 + count
        return max(self.all_squares / self.all_counts, LEAST_NOISE)


class LinearModel:
    """w ~ N(mean, S S^T), at first N(0, I); the variance of the noise is estimated from the errors of prediction."""

    _kept: ClassVar[dict[str, str]] = {"mean": "array", "S": "array", "noise": "part"}

    def __init__(self, n_terms: int, noise: Noise) -> None:
        self.mean: np.ndarray = np.zeros(n_terms)
        self.S: np.ndarray = np.eye(n_terms)
        self.noise = noise

    def learn(self, x: np.ndarray, y: float, censored: bool, place: int = 0) -> float:
        """Potter's form of the Kalman update, which keeps the covariance a square; returns the y taken."""
        f = x @ self.S
        spread = float(f @ f)
        expected = float(x @ self.mean)
        error = y - expected
        if censored:
            error = excess(error, math.sqrt(spread + self.noise.all_squares / self.noise.all_counts))
        noise = self.noise.seen(place, error, spread)
        variance = spread + noise
        direction = self.S @ f
        self.mean += (error / variance) * direction
        self.S -= direction[:, None] * (f / (variance + math.sqrt(variance * noise)))
        return expected + error

    def draw(self, rng: np.random.Generator, spread: float) -> np.ndarray:
        return self.mean + spread * (self.S @ rng.standard_normal(len(self.mean)))

    def fit(self, X: np.ndarray, y: np.ndarray, weights: np.ndarray) -> None:
        """All over from the prior with these observations; the noise from their residuals."""
        gram, moment = X.T @ (X * weights[:, None]), X.T @ (y * weights)
        noise = max(self.noise.all_squares / self.noise.all_counts, LEAST_NOISE)
        for _ in range(2):  # with the noise as it was, then with that of the residuals
            L = np.linalg.cholesky(np.eye(len(moment)) + gram / noise)
            self.S = np.linalg.solve(L, np.eye(len(moment))).T
            self.mean = self.S @ (moment @ self.S) / noise
            noise = self.noise.restart(float(weights @ (y - X @ self.mean) ** 2), float(weights.sum()))

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
