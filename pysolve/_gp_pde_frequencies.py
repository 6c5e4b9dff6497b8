"""Frequencies from the data: one after another the strongest line of what the features so far leave unexplained."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import numpy as np
import scipy.optimize

from pysolve._gp_pde_features import OscillatoryFeatures, envelope

MOST_FREQUENCIES = 24  # of an axis
MOST_FEATURES = 0.9  # of the points of an axis: more would fit anything
SCATTERED_POINTS_PER_FEATURE = 12  # of one envelope: more would leave nothing for the periodogram
EXACT = 2e-12  # a remainder below this part of the signals is rounding
OVERSAMPLING = 4  # points of the periodogram for every 1/length
SPARSE_RANGE = 2.5  # highest frequency looked for at scattered points, in points per length
STIFF = 4  # features of an envelope in the first pass
CONSTANT = 1e-3  # a spread whose envelope hardly changes
LINES = 1e-3  # remainder, relative to the signals, at which the first pass ends
APART = 2.0  # a line this near to another one, over the length, is that one's change of amplitude
FEWEST = 8  # features of an envelope that explain a wave of nearly constant amplitude
NEAREST = 0.5  # lines closer than this over the length are one


@dataclasses.dataclass(frozen=True)
class Spectrum:
    """What `find_frequencies` found: the frequencies, and the largest remainder relative to the signals."""

    frequencies: tuple[float, ...]
    remainder: float


def find_frequencies(
    x: np.ndarray, signals: np.ndarray, spread: float, refine: bool = False, fewest: int | None = None
) -> Spectrum:
    """Frequencies of signals of shape (len(x), m) on an axis: orthogonal matching pursuit with modulated features.

    Every round fits the features of the frequencies so far (0 always among them) by least squares, and takes the
    highest peak of the remainder's periodogram as the next one. Two passes: with the few smoothest features of each
    envelope every strong line is found where it is; with all of them, what amplitudes that change along the axis
    leave. A pass ends when the remainder looks like white noise (its highest peak is what noise has in one of a
    thousand cases) or like rounding, or when another frequency no longer helps. With `refine` the lines of the first
    pass are moved together to where they leave least. There are no more frequencies than leave `fewest` features for
    each envelope (default: all) within those that the points tell apart.
    """
    signals = _scaled(signals)
    if signals.shape[1] == 0 or len(x) < 4:
        return Spectrum((0.0,), 0.0)
    fewest = fewest or envelope(spread).shape[1]
    if not _is_uniform(x):
        fewest = min(fewest, max(2, len(x) // SCATTERED_POINTS_PER_FEATURE))
    found, _ = _pursued(x, signals, [0.0], spread, STIFF, LINES, fewest)
    if refine and len(found) > 1:
        found = _refined(x, signals, found)
    found, rest = _pursued(x, signals, found, spread, None, 0.0, fewest)
    return Spectrum(tuple(found), float(np.abs(rest).max()))


def _pursued(
    x: np.ndarray,
    signals: np.ndarray,
    found: list[float],
    spread: float,
    stiff: int | None,
    least: float,
    fewest: int,
) -> tuple[list[float], np.ndarray]:
    """One pass: lines added until the remainder is at most `least`, or nothing helps; and what is left."""
    rest = remainder(x, signals, found, spread, stiff)
    while len(found) < MOST_FREQUENCIES and np.abs(rest).max() > max(EXACT, least):
        line = _strongest_line(x, rest, found)
        if line is None or columns_for(len(x), [*found, line]) < fewest:
            break
        if stiff and min(abs(line - other) for other in found) < APART / (x[-1] - x[0]):
            break
        after = remainder(x, signals, [*found, line], spread, stiff)
        if np.linalg.norm(after) > 0.97 * np.linalg.norm(rest):
            break
        found, rest = [*found, line], after
    return found, rest


def _refined(x: np.ndarray, signals: np.ndarray, found: list[float]) -> list[float]:
    """Variable projection: the frequencies but 0 whose pure tones leave the least sum of squares."""
    length = x[-1] - x[0]

    def left(shifts: np.ndarray) -> np.ndarray:
        moved = [0.0, *(np.array(found[1:]) + shifts / length)]
        return remainder(x, signals, moved, CONSTANT, 1).ravel()

    best = scipy.optimize.least_squares(
        left, np.zeros(len(found) - 1), bounds=(-NEAREST, NEAREST), xtol=1e-12
    )
    return [0.0, *(float(mu) for mu in np.array(found[1:]) + best.x / length)]


def _scaled(signals: np.ndarray) -> np.ndarray:
    """The columns that are not 0, the largest entry of all of them 1."""
    largest = np.abs(signals).max(axis=0, initial=0)
    return signals[:, largest > 0] / max(largest.max(initial=0), np.finfo(float).tiny)


def columns_for(n: int, frequencies: Sequence[float]) -> int:
    """Features of each envelope that n points of an axis tell apart, with these frequencies."""
    waves = sum(1 if mu == 0 else 2 for mu in frequencies)
    return max(1, int(MOST_FEATURES * n) // waves)


def _is_uniform(x: np.ndarray) -> bool:
    gaps = np.diff(x)
    return bool(np.ptp(gaps) <= 1e-6 * gaps.mean())


def _features(
    x: np.ndarray, frequencies: list[float], spread: float, stiff: int | None
) -> OscillatoryFeatures:
    rho = spread / (x[-1] - x[0])
    most = columns_for(len(x), frequencies)
    if not _is_uniform(x):
        most = max(2, min(most, len(x) // SCATTERED_POINTS_PER_FEATURE))
    return OscillatoryFeatures(
        x[0], x[-1], tuple(frequencies), (rho,) * len(frequencies), min(most, stiff or most)
    )


def remainder(
    x: np.ndarray, signals: np.ndarray, frequencies: list[float], spread: float, stiff: int | None = None
) -> np.ndarray:
    """What the features of these frequencies leave of the signals; the `stiff` smoothest of each envelope, or all."""
    A = _features(x, frequencies, spread, stiff).matrix(x)
    Q = np.linalg.qr(A / np.maximum(np.linalg.norm(A, axis=0), 1e-300))[0]
    rest = signals - Q @ (Q.T @ signals)
    return rest - Q @ (Q.T @ rest)


def _strongest_line(x: np.ndarray, rest: np.ndarray, found: list[float]) -> float | None:
    """The frequency of the highest peak, refined; None where white noise would have as high a one."""
    length = x[-1] - x[0]
    uniform = _is_uniform(x)
    weighted = rest * np.hanning(len(x) + 2)[1:-1, None] if uniform else rest
    frequencies, power = _periodogram(x, weighted, uniform)
    if len(power) == 0:
        return None
    white = (
        np.log(len(x)) + 7
    )  # the highest of N exponential variables passes log N + 7 once in a thousand times
    if power.max() * np.log(2) <= white * np.median(power):
        return None
    near = np.any(np.abs(frequencies[:, None] - np.array(found[1:])) < NEAREST / length, axis=1)
    if near.all():
        return None
    peak = frequencies[np.argmax(np.where(near, 0, power))]
    step = frequencies[1] - frequencies[0] if len(frequencies) > 1 else 1 / length
    best = scipy.optimize.minimize_scalar(
        lambda mu: -_power(x, weighted, np.array([mu]))[0],
        bounds=(max(peak - step, 0), peak + step),
        method="bounded",
        options={"xatol": 1e-8 * step},
    )
    return float(best.x)


def _periodogram(x: np.ndarray, rest: np.ndarray, uniform: bool) -> tuple[np.ndarray, np.ndarray]:
    """Frequencies of at least one period on the axis, and the power of all signals there."""
    length = x[-1] - x[0]
    n = len(x)
    if uniform:
        transform = np.fft.rfft(rest, OVERSAMPLING * n, axis=0)
        frequencies = np.fft.rfftfreq(OVERSAMPLING * n, length / (n - 1))
        power = (np.abs(transform) ** 2).sum(axis=1)
    else:
        frequencies = np.arange(1, int(SPARSE_RANGE * n * OVERSAMPLING) + 1) / (OVERSAMPLING * length)
        power = _power(x, rest, frequencies)
    kept = frequencies >= 1 / length
    return frequencies[kept], power[kept]


def _power(x: np.ndarray, rest: np.ndarray, frequencies: np.ndarray) -> np.ndarray:
    """|sum_i rest_i exp(-2 pi i mu x_i)|^2 over all signals, a block of frequencies at a time."""
    parts = np.array_split(frequencies, max(1, len(frequencies) * len(x) // 4_000_000))
    return np.concatenate(
        [(np.abs(np.exp(-2j * np.pi * part[:, None] * x) @ rest) ** 2).sum(axis=1) for part in parts]
    )
