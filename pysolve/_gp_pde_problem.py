"""A PDE problem after all checks: arrays on the grid, terms, faces, measurements.

The axes are on the host; all other arrays are where f is.
"""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable

import numpy as np

from pysolve._arrays import largest_magnitude


@dataclasses.dataclass(frozen=True)
class Term:
    """coefficient * d^orders u, on the left of the equation, times an unknown number if it has a name.

    `coefficient` is a number, or an array on the grid.
    """

    orders: tuple[int, ...]
    coefficient: float | np.ndarray
    unknown: str | None = None


@dataclasses.dataclass(frozen=True)
class Source:
    """-shape, times an unknown number: a part of the right side that is not known. `shape` is on the grid."""

    shape: np.ndarray
    unknown: str


@dataclasses.dataclass(frozen=True)
class Face:
    """a u + b du/dn = g on one side of the grid; n points outwards.

    `g` has the shape of the grid without that axis; NaN where nothing is known.
    """

    axis: int
    end: int  # 0: the low side, 1: the high side
    a: float
    b: float
    g: np.ndarray


@dataclasses.dataclass(frozen=True)
class Measurements:
    """u at scattered points: shape (n, d), (n,), (n,)."""

    points: np.ndarray
    values: np.ndarray
    sd: np.ndarray


@dataclasses.dataclass(frozen=True)
class Problem:
    """sum of terms + N(u) = f on the grid of the axes, with what is known at the sides and inside.

    `f` is NaN where nothing is known of it. `noise` is the standard deviation of f, 0 for an exact one.
    """

    axes: tuple[np.ndarray, ...]
    terms: tuple[Term, ...]
    f: np.ndarray
    noise: float | np.ndarray
    faces: tuple[Face, ...] = ()
    periodic: tuple[int, ...] = ()
    data: Measurements | None = None
    nonlinear: tuple[Callable, Callable] | None = None
    sources: tuple[Source, ...] = ()
    starts: dict[str, float] = dataclasses.field(default_factory=dict)

    @property
    def shape(self) -> tuple[int, ...]:
        """Points of the grid along each axis."""
        return tuple(len(x) for x in self.axes)

    @functools.cached_property
    def exact(self) -> bool:
        """Whether f has no noise."""
        return not bool(np.any(self.noise > 0))

    @property
    def summed_terms(self) -> dict[tuple[int, ...], float | np.ndarray]:
        """The coefficient of every derivative, where no number is unknown."""
        sums: dict[tuple[int, ...], float | np.ndarray] = {}
        for term in self.terms:
            sums[term.orders] = sums.get(term.orders, 0.0) + term.coefficient
        return sums

    @property
    def unknowns(self) -> tuple[str, ...]:
        """Names of the unknown numbers, in the order in which they are first met."""
        return tuple(self.starts)

    @functools.cached_property
    def f_scale(self) -> float:
        """Largest |f|, 0 where f is 0 or unknown."""
        return largest_magnitude(self.f[np.isfinite(self.f)])

    @functools.cached_property
    def trace_scale(self) -> float:
        """Largest |value| of u that is given: at sides of Dirichlet's kind, and measured."""
        given = [
            largest_magnitude(face.g[np.isfinite(face.g)]) / abs(face.a) for face in self.faces if face.a != 0
        ]
        given += [] if self.data is None else [largest_magnitude(self.data.values)]
        return max(given, default=0.0)
