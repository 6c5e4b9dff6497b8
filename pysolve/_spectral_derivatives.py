"""Derivatives of one damped oscillation g(d) exp(i omega d), the term of every spectral mixture.

With t = rho d for the Gaussian and t = s d, s = sqrt(5) rho, for Matern 5/2 the n-th derivative of the envelope is
scale^n G_n(t), where scale is rho or s and G_n does not depend on it.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from pysolve._backend import beside, empty

GAUSSIAN = ("gm", "se")  # envelopes that have every derivative
OSCILLATING = ("gm", "stm")
KINDS = ("gm", "stm", "se", "matern52")
MATERN_ORDER = 4  # the last derivative of the Matern 5/2 envelope that is continuous
FAR_GAUSSIAN, FAR_MATERN = 28.0, 800.0  # exp(-t^2), exp(-t) are 0 in float64 from here on


def scale_of(rho: np.ndarray, kind: str) -> np.ndarray:
    """What d is multiplied by: t = scale d."""
    return rho if kind in GAUSSIAN else math.sqrt(5.0) * rho


def gaussian(t: np.ndarray, order: int) -> list[np.ndarray]:
    """G_0 .. G_order of exp(-t^2): G_n+1 = -2 (t G_n + n G_n-1), the recursion of Hermite's polynomials."""
    t = np.clip(t, -FAR_GAUSSIAN, FAR_GAUSSIAN)
    found = [np.exp(-(t**2))]
    for n in range(order):
        following = t * found[n]
        if n > 0:
            following += n * found[n - 1]
        found.append(-2.0 * following)
    return found


def matern52(t: np.ndarray, order: int) -> list[np.ndarray]:
    """G_0 .. G_order of (1 + r + r^2 / 3) exp(-r), r = |t|; the fifth holds beside 0 only, and is 0 at 0."""
    r, sign = np.minimum(np.abs(t), FAR_MATERN), np.sign(t)
    polynomials: list[Callable[[], np.ndarray]] = [
        lambda: 3.0 + r * (3.0 + r),
        lambda: -sign * r * (1.0 + r),
        lambda: r * (r - 1.0) - 1.0,
        lambda: sign * r * (3.0 - r),
        lambda: 3.0 + r * (r - 5.0),
        lambda: sign * (r * (7.0 - r) - 8.0),
    ]
    decay = np.exp(-r) / 3.0
    return [polynomial() * decay for polynomial in polynomials[: order + 1]]


def envelopes(d: np.ndarray, rho: np.ndarray, kind: str, order: int) -> list[np.ndarray]:
    """g, g', .. at the distances, each of shape (d.size, rho.size)."""
    scale = scale_of(rho, kind)
    with np.errstate(over="ignore", under="ignore"):
        t = d[:, None] * scale
        found = gaussian(t, order) if kind in GAUSSIAN else matern52(t, order)
        return [G * scale**n for n, G in enumerate(found)]


def waves(d: np.ndarray, frequencies: np.ndarray) -> np.ndarray:
    """exp(2 pi i mu d) of shape (d.size, Q); 1 where the phase is beyond every float."""
    with np.errstate(over="ignore", invalid="ignore"):
        phase = d[:, None] * (2.0 * math.pi * frequencies)
    phase[~np.isfinite(phase)] = 0.0
    return np.exp(1j * phase)


def leibniz(g: list[np.ndarray], i_omega: np.ndarray, n: int) -> np.ndarray:
    """sum_j C(n, j) g_j (i omega)^(n - j), from n + 1 arrays g: the n-th derivative without its wave."""
    total = g[n].astype(np.complex128)
    for j in range(n):
        total += math.comb(n, j) * g[j] * i_omega ** (n - j)
    return total


def oscillations(
    d: np.ndarray, frequencies: np.ndarray, rho: np.ndarray, kind: str, order: int
) -> list[np.ndarray]:
    """h, h', .., the derivatives of h = g exp(i omega d), each of shape (d.size, Q); without a wave h is g, real."""
    g = envelopes(d, rho, kind, order)
    if kind not in OSCILLATING:
        return g
    wave, i_omega = waves(d, frequencies), 2j * math.pi * frequencies
    return [leibniz(g, i_omega, n) * wave for n in range(order + 1)]


def partials(
    d: np.ndarray, frequencies: np.ndarray, rho: np.ndarray, kind: str, order: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Re h^(n) of order n, its derivative by the frequency, and that by log rho; each of shape (d.size, Q).

    h by omega is i d h, whose n-th derivative is i (d h^(n) + n h^(n-1)); g^(n) = scale^n G_n(scale d) by log scale
    is n g^(n) + d g^(n+1).
    """
    g = envelopes(d, rho, kind, order + 1)
    column = d[:, None]
    grown = [j * g[j] + column * g[j + 1] for j in range(order + 1)]
    if kind not in OSCILLATING:
        return g[order], np.zeros_like(g[order]), grown[order]
    wave, i_omega = waves(d, frequencies), 2j * math.pi * frequencies
    h = leibniz(g, i_omega, order) * wave
    below = order * leibniz(g, i_omega, order - 1) * wave if order > 0 else 0.0
    by_frequency = -2.0 * math.pi * (column * h + below).imag
    return h.real, by_frequency, (leibniz(grown, i_omega, order) * wave).real


def sums(
    d: np.ndarray, weights: np.ndarray, frequencies: np.ndarray, rho: np.ndarray, kind: str, order: int
) -> np.ndarray:
    """The order-th derivative of k at flat distances: sum_q w_q Re h_q^(order), where d is."""
    weights, frequencies, rho = (beside(column, d) for column in (weights, frequencies, rho))
    found = empty(d.size, np.float64, d)
    at_once = max(1, (1 << 18) // weights.size)
    for first in range(0, d.size, at_once):
        some = slice(first, first + at_once)
        found[some] = oscillations(d[some], frequencies, rho, kind, order)[order].real @ weights
    return found
