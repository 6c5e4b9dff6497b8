"""The constants of a V-cycle: built-in sets, files, and the certificate that the cycle is positive definite."""

from __future__ import annotations

import dataclasses
import os
from pathlib import Path
from typing import Any

import numpy as np

from pysolve._array_files import read_arrays, save_arrays

VERSION = 1
N_FEATURES, N_HIDDEN = 5, 4
N_NET = N_HIDDEN * (N_FEATURES + 2) + 3  # parameters of a net, as in csrc/multilevel.hpp
LARGEST = 16.0  # of m and h: far beyond what is of use
MODELS = Path(__file__).parent / "models"


@dataclasses.dataclass(frozen=True)
class DimensionWeights:
    """The constants for boxes of one dimension."""

    tau: np.ndarray  # (2, steps): smoother steps on the finest level, and on the others
    scale: np.ndarray  # (2,): of the correction that comes from the next level
    theta: float  # axes weaker than this share of the strongest are not coarsened
    relaxation: np.ndarray  # (31,): the net of m, weights of the smoother by cell
    resistance: np.ndarray  # (31,): the net of h, half resistance of a cell by cell

    @property
    def largest_eigenvalue(self) -> float:
        """Bound on the eigenvalues of D A: Gershgorin's 2 for the inverse diagonal, times the largest m."""
        return 2 * float(self.relaxation[-1])


@dataclasses.dataclass(frozen=True)
class Weights:
    """The constants of a V-cycle in two and in three dimensions."""

    name: str
    dimensions: dict[int, DimensionWeights]


def constant_net(value: float) -> np.ndarray:
    """A net that says the same of every cell."""
    net = np.zeros(N_NET, np.float32)
    net[-3:] = value
    return net


def chebyshev(steps: int, low: float, high: float) -> np.ndarray:
    """The tau of the polynomial of least size on (low, high) with value 1 at 0."""
    roots = np.cos(np.pi * (2 * np.arange(steps) + 1) / (2 * steps))
    return 2 / (high + low + (high - low) * roots)


def _uniform(tau: np.ndarray, scale: float, theta: float, half: float) -> DimensionWeights:
    return DimensionWeights(
        np.array([tau, tau], np.float32),
        np.array([scale, scale]),
        theta,
        constant_net(1.0),
        constant_net(half),
    )


# Aggregation with two damped Jacobi steps (optimal damping for the model problem: Trottenberg, Oosterlee, Schueller,
# Multigrid, 2001, section 2.1.2); the same with Chebyshev steps and an over-correction tuned by hand.
BUILT_IN = {
    "textbook": {d: _uniform(np.full(2, 2 * d / (2 * d + 1)), 1.0, 0.0, 0.0) for d in (2, 3)},
    "tuned": {d: _uniform(chebyshev(2, 1 / d, 2.0), 1.8, 0.0, 0.0) for d in (2, 3)},
    "untrained": {d: _uniform(chebyshev(2, 1 / d, 2.0), 1.0, 0.3, 0.5) for d in (2, 3)},
}


def find_weights(weights: Any) -> Weights:
    """The weights that the argument `weights` of `Multilevel` names."""
    if isinstance(weights, Weights):
        return certified(weights)
    if not isinstance(weights, str | os.PathLike):
        raise TypeError(f"weights must be {_expected()}, not {weights!r}")
    if isinstance(weights, str) and weights in BUILT_IN:
        return Weights(weights, BUILT_IN[weights])
    if weights == "default":
        return load(MODELS / "multilevel.npz", "default")
    if not Path(weights).is_file():
        raise ValueError(f"weights must be {_expected()}, but there is no file {os.fspath(weights)!r}")
    return load(Path(weights), os.fspath(weights))


def _expected() -> str:
    return f"'default', {', '.join(map(repr, BUILT_IN))} or the path of a file of weights"


# ---- the certificate --------------------------------------------------------------------------------------------


def certified(weights: Weights) -> Weights:
    """The weights themselves if every V-cycle with them is symmetric positive definite; ValueError if not.

    With S the product of the smoother's steps, E = I - S, the cycle is S~ + E^T s P B P^T E: positive definite when
    |prod(1 - tau mu)| < 1 for all eigenvalues mu of D A, s > 0, and the cycle B below it is.
    """
    for dimension, w in weights.dimensions.items():
        reason = _fault(w)
        if reason:
            raise ValueError(f"weights {weights.name!r} are refused for {dimension}-D boxes: {reason}")
    return weights


def _fault(w: DimensionWeights) -> str:
    if not (w.scale > 0).all():
        return f"scale must be positive, but is {w.scale.tolist()}"
    if not 0 <= w.theta <= 1:
        return f"theta must lie in [0, 1], but is {w.theta}"
    low, high = w.relaxation[-2:]
    if not 0 < low <= high <= LARGEST:
        return f"the relaxation net must be clipped within (0, {LARGEST}], but is to [{low}, {high}]"
    low, high = w.resistance[-2:]
    if not 0 <= low <= high <= LARGEST:
        return f"the resistance net must be clipped within [0, {LARGEST}], but is to [{low}, {high}]"
    for name, tau in zip(("finest", "coarser"), w.tau, strict=True):
        largest = amplification(tau, w.largest_eigenvalue)
        if not largest < 1:
            return (
                f"the smoother of the {name} level multiplies errors by up to {largest:.3g} where eigenvalues reach "
                f"{w.largest_eigenvalue:.3g}, which must stay below 1"
            )
    return ""


def amplification(tau: np.ndarray, largest: float) -> float:
    """The largest |prod(1 - tau mu)| over 0 < mu <= `largest`, away from mu = 0; above 1 when it rises there."""
    tau = np.asarray(tau, dtype=np.float64)
    if not (tau > 0).all():
        return np.inf
    with np.errstate(all="ignore"):
        p = np.polynomial.Polynomial.fromroots(1 / tau) * np.prod(-tau)
    slope = p.deriv()
    if not (np.isfinite(p.coef).all() and slope(0) < 0):
        return np.inf
    inside = [float(z.real) for z in slope.roots() if abs(z.imag) < 1e-9 and 0 < z.real < largest]
    return max(abs(float(p(mu))) for mu in (*inside, largest))


# ---- files ------------------------------------------------------------------------------------------------------

SHAPES = {"tau": (2, None), "scale": (2,), "theta": (), "relaxation": (N_NET,), "resistance": (N_NET,)}
SINGLE = ("tau", "relaxation", "resistance")  # in float32


def to_arrays(weights: Weights) -> dict[str, np.ndarray]:
    arrays = {"version": np.array(VERSION), "kind": np.array("multilevel")}
    for dimension, w in weights.dimensions.items():
        for field in SHAPES:
            arrays[f"{field}_{dimension}d"] = np.asarray(getattr(w, field))
    return arrays


def save(path: Any, weights: Weights) -> None:
    """Write a file of weights, whole or not at all."""
    save_arrays(path, to_arrays(weights))


def load(path: Path, name: str) -> Weights:
    """Read and check a file of weights; ValueError says what is wrong with it."""
    return from_arrays(read_arrays(path, name), name)


def from_arrays(arrays: dict[str, np.ndarray], name: str) -> Weights:
    version, kind = arrays.get("version"), str(arrays.get("kind"))
    known = version is not None and version.shape == () and version.dtype.kind in "iu" and version == VERSION
    if kind != "multilevel" or not known:
        raise ValueError(
            f"weights {name!r} must be a file of kind multilevel and version {VERSION}, not of kind {kind} and version "
            f"{version}"
        )
    return certified(Weights(name, {d: _dimension(arrays, d, name) for d in (2, 3)}))


def _dimension(arrays: dict[str, np.ndarray], dimension: int, name: str) -> DimensionWeights:
    fields: dict[str, Any] = {}
    for field, shape in SHAPES.items():
        key = f"{field}_{dimension}d"
        if key not in arrays:
            raise ValueError(f"weights {name!r} lack the array {key}")
        value = arrays[key]
        fits = value.ndim == len(shape) and all(
            e in (None, k) for e, k in zip(shape, value.shape, strict=True)
        )
        if not fits or value.dtype.kind != "f":
            raise ValueError(
                f"weights {name!r}: {key} must hold floats of shape {shape}, not {value.dtype} of {value.shape}"
            )
        with np.errstate(over="ignore"):
            fields[field] = np.ascontiguousarray(value, np.float32 if field in SINGLE else np.float64)
        if not np.isfinite(fields[field]).all():
            raise ValueError(f"weights {name!r}: {key} must be finite in {fields[field].dtype}")
    if not 2 <= fields["tau"].shape[1] <= 16:
        raise ValueError(f"weights {name!r}: tau_{dimension}d must hold 2 to 16 steps a level")
    return DimensionWeights(**fields | {"theta": fields["theta"].item()})
