"""Covariance matrices of one axis from the kernel's parameters, and the gradient back to the parameters.

On an even grid a matrix and its adjoint are read from N distances: K_ij = k(x_i - x_j) is Toeplitz, and the derivative
of a loss by k(d) is the sum of its derivatives by K_ij along the diagonal i - j = d / h.
"""

from __future__ import annotations

import dataclasses

import numpy as np
import scipy.linalg

from pysolve._spectral_derivatives import GAUSSIAN, oscillations, partials
from pysolve._spectral_mixture import LARGEST, SpectralMixture, is_even_grid

AT_ONCE = 1 << 18  # distances times frequencies that are worked on at one time


@dataclasses.dataclass(frozen=True, eq=False)
class KernelParameters:
    """What the objective learns of one axis, in the reference's terms, each of shape (Q,).

    `log_scale` is log rho for ``"stm"`` and ``"matern52"`` and log rho^2 for ``"gm"`` and ``"se"``.
    """

    log_weights: np.ndarray
    frequencies: np.ndarray
    log_scale: np.ndarray

    def weights(self) -> np.ndarray:
        return np.asarray(np.exp(self.log_weights))

    def rho(self, kind: str) -> np.ndarray:
        return np.asarray(np.exp(self.log_scale / 2 if kind in GAUSSIAN else self.log_scale))

    def mixture(self, kind: str) -> SpectralMixture:
        """The same kernel as a public object, numbers beyond its range cut to it."""
        frequencies = self.frequencies if kind in ("gm", "stm") else np.zeros_like(self.frequencies)
        weights, rho = np.minimum(self.weights(), LARGEST), np.clip(self.rho(kind), 1 / LARGEST, LARGEST)
        return SpectralMixture(np.clip(frequencies, -LARGEST, LARGEST), weights, rho, kind)


class AxisKernel:
    """The covariance matrices of one axis."""

    def __init__(self, x: np.ndarray, kind: str) -> None:
        self.size, self.kind, self.even = x.size, kind, is_even_grid(x)
        if self.even:
            self.d = (x[-1] - x[0]) / max(1, x.size - 1) * np.arange(x.size)
        else:
            self.d = (x[:, None] - x).ravel()

    def matrices(self, parameters: KernelParameters, orders: set[int]) -> dict[int, np.ndarray]:
        """K^(n) for each order n of `orders`, K^(n)_ij = k^(n)(x_i - x_j)."""
        found = {n: np.empty(self.d.size) for n in orders}
        weights, rho = parameters.weights(), parameters.rho(self.kind)
        for some in self._pieces(weights.size):
            h = oscillations(self.d[some], parameters.frequencies, rho, self.kind, max(orders))
            for n in orders:
                found[n][some] = h[n].real @ weights
        return {n: self.spread(values, n) for n, values in found.items()}

    def gradient(self, parameters: KernelParameters, adjoints: dict[int, np.ndarray]) -> np.ndarray:
        """The derivatives of a loss by the parameters, (3, Q), from its derivatives by the matrices."""
        gathered = {n: self._gather(adjoint, n) for n, adjoint in adjoints.items()}
        weights, rho = parameters.weights(), parameters.rho(self.kind)
        total = np.zeros((3, weights.size))
        for some in self._pieces(weights.size):
            for n, by_value in gathered.items():
                three = partials(self.d[some], parameters.frequencies, rho, self.kind, n)
                total += [by_value[some] @ part for part in three]
        total[2] *= 0.5 if self.kind in GAUSSIAN else 1.0
        return total * weights

    def _pieces(self, Q: int) -> list[slice]:
        step = max(1, AT_ONCE // Q)
        return [slice(first, first + step) for first in range(0, self.d.size, step)]

    def spread(self, values: np.ndarray, n: int = 0) -> np.ndarray:
        """The matrix that has these values at the distances d; odd in d for odd n."""
        if not self.even:
            return values.reshape(self.size, self.size)
        return np.asarray(scipy.linalg.toeplitz(values, (-1) ** n * values))

    def _gather(self, adjoint: np.ndarray, n: int) -> np.ndarray:
        if not self.even:
            return adjoint.ravel()
        sums = diagonal_sums(adjoint)
        below, above = sums[self.size - 1 :], sums[: self.size][::-1]
        found = below + (-1) ** n * above
        found[0] = below[0]
        return np.asarray(found)


def diagonal_sums(A: np.ndarray) -> np.ndarray:
    """Sums of the 2 N - 1 diagonals of a square matrix, that of i - j = k at N - 1 + k.

    With N zeros behind each mirrored row, rows of one entry less shift by one: diagonals become columns.
    """
    N = A.shape[0]
    padded = np.zeros((N, 2 * N))
    padded[:, :N] = A[:, ::-1]
    return np.asarray(padded.ravel()[: N * (2 * N - 1)].reshape(N, 2 * N - 1).sum(axis=0))
