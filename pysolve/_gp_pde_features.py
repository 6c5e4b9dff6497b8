"""Features of one axis: functions phi_r with k(x, x') = sum_r phi_r(x) phi_r(x'), and their derivatives.

They are made from numbers on the host; their matrices are where the points are.
"""

from __future__ import annotations

import dataclasses
import functools
import math
from typing import Any, Protocol

import numpy as np
import scipy.special
from numpy.polynomial import chebyshev

from pysolve._backend import as_array, beside, empty, on_device

FEATURE_TOLERANCE = (
    1e-14  # features below this part of the largest one are left out: of its square, as an eigenvalue
)
WIDEST_SERIES = 32.0  # spreads up to here take the Taylor series; beyond it has thousands of terms
EIGENVALUE_TOLERANCE = 1e-15  # what is left out beyond: rounding


class Features(Protocol):
    """What every set of features of an axis offers."""

    @property
    def low(self) -> float: ...

    @property
    def high(self) -> float: ...

    @property
    def frequencies(self) -> tuple[float, ...]: ...

    @property
    def size(self) -> int: ...

    @property
    def groups(self) -> np.ndarray: ...

    def matrix(self, x: np.ndarray, order: int = 0) -> np.ndarray: ...


@functools.lru_cache(maxsize=256)
def envelope(spread: float) -> np.ndarray:
    """Chebyshev coefficients of features of exp(-(spread/2)^2 (t - t')^2) on [-1, 1], one column each.

    With a = spread/2 the kernel is the sum over k of psi_k(t) psi_k(t'), where
    psi_k(t) = sqrt((2 a^2)^k / k!) t^k exp(-a^2 t^2). Row i of the matrix C has coefficient i of every psi_k; with
    C^T = Q R the columns of R^T are features of the same kernel, graded, so that those of 1e-14 still have their
    digits. An eigendecomposition of the kernel's matrix loses all below 1e-8, and with them that part of a constant.
    """
    a = spread / 2
    n = int(40 + 6 * spread)
    t = np.cos((np.arange(n) + 0.5) * np.pi / n)
    to_coefficients = chebyshev.chebvander(t, n - 1).T * (2 / n)
    to_coefficients[0] /= 2
    if spread <= WIDEST_SERIES:
        k = np.arange(int(2 * a * a + 14 * a + 40))
        with np.errstate(divide="ignore"):
            scale = (
                k * np.log(np.abs(t[:, None])) + (k * np.log(2 * a * a) - scipy.special.gammaln(k + 1)) / 2
            )
        psi = np.where(t[:, None] < 0, -1.0, 1.0) ** k * np.exp(scale - (a * t[:, None]) ** 2)
        features = np.transpose(np.linalg.qr((to_coefficients @ psi).T, mode="r"))
    else:
        eigenvalues, E = np.linalg.eigh(np.exp(-((a * (t[:, None] - t)) ** 2)))
        kept = eigenvalues > EIGENVALUE_TOLERANCE * eigenvalues[-1]
        features = to_coefficients @ (E[:, kept] * np.sqrt(eigenvalues[kept]))[:, ::-1]
    sizes = np.linalg.norm(features, axis=0)
    features = np.ascontiguousarray(features[:, sizes > FEATURE_TOLERANCE * sizes.max()])
    features.setflags(write=False)
    return features


@dataclasses.dataclass(frozen=True)
class OscillatoryFeatures:
    """Features of the Gaussian spectral mixture sum_q exp(-rho_q^2 d^2) cos(2 pi mu_q d) on [low, high].

    The envelope's features times cos(2 pi mu_q x) and sin(2 pi mu_q x): the kernel to rounding, with derivatives of
    any order in closed form, where features taken from a kernel matrix keep half of the digits.

    Attributes
    ----------
    low, high : float
        Ends of the axis.
    frequencies : tuple of float
        mu_q, in periods per unit of x.
    rho : tuple of float
        Widths of the spectral lines, one for each frequency, in 1/unit of x.
    most : int, optional
        Features of an envelope at most: the first ones, which are the smoothest. Default: all.
    amplitudes : tuple of float, optional
        Square roots of the frequencies' weights. Default: 1.
    trend : bool, default False
        Whether 1 is a feature too, times the waves of every frequency, and x (scaled to [-1, 1]). The envelope's
        features only come near to them, so that equations known exactly would rule out what solves them with
        f = 0: a constant, a slope, a wave.
    """

    low: float
    high: float
    frequencies: tuple[float, ...]
    rho: tuple[float, ...]
    most: int | None = None
    amplitudes: tuple[float, ...] | None = None
    trend: bool = False

    @functools.cached_property
    def _envelopes(self) -> tuple[np.ndarray, ...]:
        amplitudes = self.amplitudes or (1.0,) * len(self.rho)
        length = self.high - self.low
        made = []
        for a, rho, mu in zip(amplitudes, self.rho, self.frequencies, strict=True):
            e = envelope(rho * length)[:, : self.most]
            polynomials = np.eye(len(e), (2 if mu == 0 else 1) if self.trend else 0)
            made.append(a * np.hstack([polynomials, e]))
        return tuple(made)

    @functools.cached_property
    def groups(self) -> np.ndarray:
        """Which frequency every feature belongs to, shape (size,)."""
        parts = zip(self._envelopes, self.frequencies, strict=True)
        counts = [e.shape[1] * (1 if mu == 0 else 2) for e, mu in parts]
        return np.repeat(np.arange(len(counts)), counts)

    @property
    def size(self) -> int:
        """How many features there are."""
        return len(self.groups)

    def matrix(self, x: np.ndarray, order: int = 0) -> np.ndarray:
        """The derivatives of the given order of every feature at the points x, shape (len(x), size)."""
        x = as_array(x).astype(np.float64, copy=False)
        columns = []
        for mu, e in zip(self.frequencies, self._envelopes, strict=True):
            steps = _derivatives(e, x, self.low, self.high, order)
            columns += [steps[order]] if mu == 0 else _modulated(steps, 2 * np.pi * mu, x - self.low, order)
        return np.concatenate(columns, axis=1) if columns else empty((len(x), 0), np.float64, x)


def vandermonde(t: Any, degree: int) -> Any:
    """Chebyshev polynomials of degrees 0 .. degree at the points t, one column each."""
    if not on_device(t):
        return chebyshev.chebvander(t, degree)
    V = empty((degree + 1, len(t)), np.float64, t)
    V[0] = 1.0
    if degree > 0:
        V[1] = t
    for k in range(2, degree + 1):
        V[k] = 2 * t * V[k - 1] - V[k - 2]
    return V.T


def _derivatives(
    coefficients: np.ndarray, x: np.ndarray, low: float, high: float, order: int
) -> list[np.ndarray]:
    """The envelope's features and their derivatives 0 .. order at x."""
    half = (high - low) / 2
    t = (x - (low + high) / 2) / half
    V = vandermonde(t, len(coefficients) - 1)
    found = []
    for k in range(order + 1):
        found.append(V[:, : len(coefficients)] @ beside(coefficients, x) / half**k)
        coefficients = chebyshev.chebder(coefficients)
    return found


def _modulated(steps: list[np.ndarray], angular: float, x: np.ndarray, order: int) -> list[np.ndarray]:
    """Derivatives of the product with cos and with sin: Leibniz, sum_j binom(order, j) e^(order - j) cos^(j)."""
    found = []
    for phase in (0.0, -np.pi / 2):
        total: Any = 0
        for j in range(order + 1):
            wave = math.comb(order, j) * angular**j * np.cos(angular * x + phase + j * np.pi / 2)
            total = total + steps[order - j] * wave[:, None]
        found.append(total)
    return found


@dataclasses.dataclass(frozen=True)
class KernelFeatures:
    """Features of any stationary kernel, from its matrix on the points of the axis (Nystroem).

    K(X, X) = V diag(lambda) V^T; phi_r(x) = k(x, X) v_r / sqrt(lambda_r): at the points X the kernel to rounding,
    between them its best approximation. For kernels of few derivatives (Student-t mixtures, Matern), whose features
    have no short closed form.

    Attributes
    ----------
    points : ndarray, shape (N,)
        X.
    mixture : SpectralMixture
        The kernel.
    """

    points: np.ndarray
    mixture: Any

    @property
    def low(self) -> float:
        return float(self.points[0])

    @property
    def high(self) -> float:
        return float(self.points[-1])

    @property
    def frequencies(self) -> tuple[float, ...]:
        return tuple(float(mu) for mu in self.mixture.frequencies)

    @functools.cached_property
    def _directions(self) -> np.ndarray:
        K = self.mixture.covariance(self.points[:, None] - self.points)
        eigenvalues, V = np.linalg.eigh(K)
        kept = eigenvalues > 1e-13 * eigenvalues[-1]
        return (V[:, kept] / np.sqrt(eigenvalues[kept]))[:, ::-1]

    @property
    def size(self) -> int:
        """How many features there are."""
        return self._directions.shape[1]

    @property
    def groups(self) -> np.ndarray:
        """All features are of one group: the kernel's weights are what they are."""
        return np.zeros(self.size, dtype=np.int64)

    def matrix(self, x: np.ndarray, order: int = 0) -> np.ndarray:
        """The derivatives of the given order of every feature at the points x, shape (len(x), size)."""
        x = as_array(x).astype(np.float64, copy=False)
        K = self.mixture.covariance(x[:, None] - beside(self.points, x), order)
        return K @ beside(self._directions, x)
