"""The arguments of `gp_pde`, checked, as a `Problem`."""

from __future__ import annotations

import dataclasses
import warnings
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from pysolve._gp_pde_boundary import Robin
from pysolve._gp_pde_problem import Face, Measurements, Problem, Source, Term

MOST_AXES = 3
CORNER_TOLERANCE = 1e-6  # relative difference of two sides' values at a corner that is worth a warning


@dataclasses.dataclass(frozen=True)
class Unknown:
    """An unknown number in an operator or a right side, to be estimated with its uncertainty.

    Parameters
    ----------
    name : str
        Its name in `GPSolution.coefficients`.
    start : float, default 1.0
        Where the search begins.
    shape : float, array_like or callable, default 1.0
        What the number multiplies: a number, an array on the grid or a function of the coordinates.

    Examples
    --------
    A diffusion of two unknown parts: ``{(2,): [Unknown("base"), Unknown("bump", shape=lambda x: x * (1 - x))]}``.

    >>> import pysolve
    >>> pysolve.Unknown("kappa", start=0.5)
    Unknown(name='kappa', start=0.5, shape=1.0)
    """

    name: str
    start: float = 1.0
    shape: Any = 1.0


def parse(operator: Any, f: Any, axes: Any, boundary: Any, noise: Any, data: Any, nonlinear: Any) -> Problem:
    """All arguments that describe the problem."""
    points = as_axes(axes)
    starts: dict[str, float] = {}
    terms = as_terms(operator, points, starts)
    right, sources = as_right_side(f, points, starts)
    faces, periodic = as_faces(boundary, points)
    warn_of_corners(faces)
    problem = Problem(
        points, terms, right, as_noise(noise, points), faces, periodic, as_data(data, points), as_nonlinear(nonlinear),
        sources, starts,
    )  # fmt: skip
    if not np.isfinite(right).any() and data is None:
        raise ValueError(
            "f is NaN everywhere and there is no data: expected equations or measurements to solve for"
        )
    return problem


def as_axes(axes: Any) -> tuple[np.ndarray, ...]:
    """One array of increasing points for each dimension."""
    if isinstance(axes, np.ndarray) and axes.ndim == 1 and axes.dtype != object:
        axes = [axes]
    if not isinstance(axes, Sequence) or len(axes) == 0:
        raise TypeError(f"axes must be a 1-D array for each dimension, got {type(axes).__name__}")
    if all(np.ndim(x) == 0 for x in axes):
        axes = [axes]
    if len(axes) > MOST_AXES:
        raise ValueError(f"axes must be 1 to {MOST_AXES} arrays, got {len(axes)}")
    return tuple(_axis(x, j) for j, x in enumerate(axes))


def _axis(x: Any, j: int) -> np.ndarray:
    x = real_array(x, f"axes[{j}]").copy()
    if x.ndim != 1 or len(x) < 2:
        raise ValueError(f"axes[{j}] must be a 1-D array of at least 2 points, got shape {x.shape}")
    if not np.isfinite(x).all():
        raise ValueError(
            f"axes[{j}] must be finite, got {x[~np.isfinite(x)][0]} at {np.argmin(np.isfinite(x))}"
        )
    steps = np.diff(x)
    if (steps <= 0).any():
        at = int(np.argmax(steps <= 0))
        raise ValueError(f"axes[{j}] must increase, got {x[at]} and then {x[at + 1]} at {at}")
    x.setflags(write=False)
    return x


def real_array(value: Any, name: str) -> np.ndarray:
    """A float64 array of real numbers."""
    if hasattr(value, "__cuda_array_interface__"):
        raise TypeError(f"{name} is an array on a device ({type(value).__name__}); gp_pde takes NumPy arrays")
    try:
        found = np.asarray(value)
    except ValueError as error:
        raise TypeError(f"{name} must be an array of numbers: {error}") from None
    if found.dtype.kind not in "fiub":
        raise TypeError(f"{name} must hold real numbers, got dtype {found.dtype}")
    return found.astype(np.float64)


def on_grid(value: Any, axes: Sequence[np.ndarray], name: str) -> np.ndarray:
    """A number, array or function of the coordinates as an array on the grid."""
    shape = tuple(len(x) for x in axes)
    if callable(value):
        found = real_array(value(*np.meshgrid(*axes, indexing="ij", copy=True)), f"what {name} returns")
    else:
        found = real_array(value, name)
    if found.ndim not in (0, len(shape)) or any(
        a not in (1, n) for a, n in zip(found.shape, shape, strict=False)
    ):
        raise ValueError(f"{name} must be a number or fit the grid {shape}, got shape {found.shape}")
    return np.broadcast_to(found, shape)


# ---- the operator and the right side -------------------------------------------------------------------------
def as_terms(operator: Any, axes: tuple[np.ndarray, ...], starts: dict[str, float]) -> tuple[Term, ...]:
    """The terms of the left side."""
    if not isinstance(operator, Mapping) or not operator:
        raise TypeError(f"operator must be a dict of derivative orders to coefficients, got {operator!r:.80}")
    terms: list[Term] = []
    for key, coefficient in operator.items():
        orders = _orders(key, len(axes))
        several = isinstance(coefficient, list) and any(
            isinstance(part, (str, Unknown)) for part in coefficient
        )
        for part in coefficient if several else [coefficient]:
            terms.append(_term(orders, part, axes, starts))
    return tuple(terms)


def _orders(key: Any, d: int) -> tuple[int, ...]:
    orders = (key,) if isinstance(key, (int, np.integer)) and d == 1 else key
    right = isinstance(orders, tuple) and len(orders) == d
    if not right or not all(
        isinstance(k, (int, np.integer)) and not isinstance(k, bool) and k >= 0 for k in orders
    ):
        raise ValueError(
            f"operator's keys must be tuples of {d} derivative orders (0, 1, 2, ...), got {key!r}"
        )
    return tuple(int(k) for k in orders)


def _term(
    orders: tuple[int, ...], value: Any, axes: tuple[np.ndarray, ...], starts: dict[str, float]
) -> Term:
    name = f"operator[{orders}]"
    unknown = None
    if isinstance(value, (str, Unknown)):
        unknown, value = _unknown(value, name, starts)
    coefficient = on_grid(value, axes, name)
    if not np.isfinite(coefficient).all():
        raise ValueError(f"{name} must be finite, got {coefficient[~np.isfinite(coefficient)][0]}")
    constant = coefficient.size and (coefficient == coefficient.flat[0]).all()
    return Term(orders, float(coefficient.flat[0]) if constant else coefficient, unknown)


def _unknown(value: str | Unknown, name: str, starts: dict[str, float]) -> tuple[str, Any]:
    value = Unknown(value) if isinstance(value, str) else value
    if not isinstance(value.name, str) or not value.name:
        raise ValueError(f"{name}: an unknown number must have a name, got {value.name!r}")
    if not isinstance(value.start, (int, float, np.number)) or not np.isfinite(value.start):
        raise ValueError(f"{name}: start of {value.name!r} must be a finite number, got {value.start!r}")
    if starts.setdefault(value.name, float(value.start)) != float(value.start) and value.start != 1.0:
        starts[value.name] = float(value.start)
    return value.name, value.shape


def as_right_side(
    f: Any, axes: tuple[np.ndarray, ...], starts: dict[str, float]
) -> tuple[np.ndarray, tuple[Source, ...]]:
    """The known part of f on the grid, NaN where unknown, and the parts with unknown numbers."""
    parts = f if isinstance(f, list) and any(isinstance(part, (str, Unknown)) for part in f) else [f]
    total, sources = np.zeros(tuple(len(x) for x in axes)), []
    for part in parts:
        if isinstance(part, (str, Unknown)):
            name, shape = _unknown(part, "f", starts)
            sources.append(Source(on_grid(shape, axes, f"shape of {name!r}"), name))
        else:
            total = total + on_grid(part, axes, "f")
    if np.isinf(total).any():
        raise ValueError("f must be finite, or NaN where it is unknown; got inf")
    return total, tuple(sources)


# ---- the sides -----------------------------------------------------------------------------------------------
def as_faces(boundary: Any, axes: tuple[np.ndarray, ...]) -> tuple[tuple[Face, ...], tuple[int, ...]]:
    """Faces with what is known there, and the periodic axes."""
    if len(axes) == 1 and not (isinstance(boundary, (list, tuple)) and len(boundary) == 1):
        boundary = [boundary]
    if not isinstance(boundary, (list, tuple)) or len(boundary) != len(axes):
        raise ValueError(
            f"boundary must have one pair for each of the {len(axes)} axes, got {boundary!r:.80}"
        )
    faces: list[Face] = []
    periodic = []
    for axis, pair in enumerate(boundary):
        if isinstance(pair, str) and pair == "periodic":
            periodic.append(axis)
        elif pair is not None:
            if not isinstance(pair, (list, tuple)) or len(pair) != 2:
                raise ValueError(
                    f"boundary[{axis}] must be a pair (low, high), None or 'periodic', got {pair!r:.80}"
                )
            sides = [
                _face(side, axis, end, axes) for end, given in enumerate(pair) for side in _conditions(given)
            ]
            faces += [face for face in sides if np.isfinite(face.g).any()]
    return tuple(faces), tuple(periodic)


def _conditions(given: Any) -> list[Any]:
    """What is asked for on one side: nothing, one condition, or several, as u and its velocity where time begins."""
    if given is None:
        return []
    several = isinstance(given, (list, tuple)) and any(isinstance(part, Robin) for part in given)
    return list(given) if several else [given]


def _face(side: Any, axis: int, end: int, axes: tuple[np.ndarray, ...]) -> Face:
    name = f"boundary[{axis}][{end}]"
    if isinstance(side, str):
        raise TypeError(f"{name} must be a number, array, function, Neumann, Robin or None, got {side!r}")
    side = side if isinstance(side, Robin) else Robin(1.0, 0.0, side)
    for letter, value in (("a", side.a), ("b", side.b)):
        if not isinstance(value, (int, float, np.number)) or not np.isfinite(value):
            raise ValueError(f"{name}: {letter} must be a finite number, got {value!r}")
    if side.a == 0 and side.b == 0:
        raise ValueError(f"{name}: a and b must not both be 0")
    others = [x for j, x in enumerate(axes) if j != axis]
    if others:
        g = on_grid(side.g, others, name)
    else:
        g = real_array(side.g() if callable(side.g) else side.g, name)
        if g.size != 1:
            raise ValueError(f"{name} must be a number, got shape {g.shape}")
        g = g.reshape(())
    if np.isinf(g).any():
        raise ValueError(f"{name} must be finite, or NaN where it is unknown; got inf")
    return Face(axis, end, float(side.a), float(side.b), g)


def warn_of_corners(faces: Sequence[Face]) -> None:
    """Sides of Dirichlet's kind that give a corner or an edge two values."""
    fixed = [face for face in faces if face.b == 0]
    for i, first in enumerate(fixed):
        for second in fixed[i + 1 :]:
            if first.axis == second.axis:
                continue
            low, high = sorted((first, second), key=lambda face: face.axis)
            ours = np.take(low.g / low.a, -high.end, axis=high.axis - 1)
            theirs = np.take(high.g / high.a, -low.end, axis=low.axis)
            scale = max(np.nanmax(np.abs(first.g / first.a)), np.nanmax(np.abs(second.g / second.a)), 1e-300)
            gap = float(np.nanmax(np.append(np.abs(ours - theirs), 0.0)))
            if gap > CORNER_TOLERANCE * scale:
                text = f"boundary[{low.axis}][{low.end}] and boundary[{high.axis}][{high.end}] contradict each other"
                warnings.warn(
                    f"{text} where they meet, by up to {gap:.3g}; both are met as well as possible",
                    stacklevel=4,
                )


# ---- noise, measurements, the nonlinear term -------------------------------------------------------------------
def as_noise(noise: Any, axes: tuple[np.ndarray, ...]) -> float | np.ndarray:
    """The standard deviation of f: a number, or an array on the grid that is positive everywhere."""
    found = on_grid(noise, axes, "noise")
    if not np.isfinite(found).all() or (found < 0).any():
        raise ValueError(
            f"noise must be a finite standard deviation of at least 0, got {float(np.min(found))}"
        )
    if (found == found.flat[0]).all():
        return float(found.flat[0])
    if (found == 0).any():
        raise ValueError("noise given as an array must be positive everywhere, got 0")
    return found


def as_data(data: Any, axes: tuple[np.ndarray, ...]) -> Measurements | None:
    """Measured points, values and standard deviations."""
    if data is None:
        return None
    if not isinstance(data, (tuple, list)) or len(data) != 3:
        raise TypeError("data must be a tuple (points, values, sd)")
    points, values = real_array(data[0], "data[0] (points)"), real_array(data[1], "data[1] (values)")
    points = points[:, None] if points.ndim == 1 and len(axes) == 1 else points
    if points.ndim != 2 or points.shape[1] != len(axes):
        raise ValueError(f"data[0] (points) must have shape (n, {len(axes)}), got {points.shape}")
    if values.shape != (len(points),):
        raise ValueError(f"data[1] (values) must have shape ({len(points)},), got {values.shape}")
    sd = real_array(data[2], "data[2] (sd)")
    if sd.shape not in ((), values.shape):
        raise ValueError(f"data[2] (sd) must be a number or have shape {values.shape}, got {sd.shape}")
    if not (np.isfinite(points).all() and np.isfinite(values).all()):
        raise ValueError("data must be finite; leave out what was not measured")
    if not np.isfinite(sd).all() or (sd < 0).any():
        raise ValueError("data[2] (sd) must be finite and at least 0")
    for j, x in enumerate(axes):
        slack = 1e-9 * (x[-1] - x[0])
        outside = (points[:, j] < x[0] - slack) | (points[:, j] > x[-1] + slack)
        if outside.any():
            at = points[np.argmax(outside), j]
            raise ValueError(f"data[0] (points) must lie within axes[{j}] [{x[0]}, {x[-1]}], got {at}")
    return Measurements(points, values, np.broadcast_to(sd, values.shape))


def as_nonlinear(nonlinear: Any) -> tuple[Callable, Callable] | None:
    """N(u) and its derivative."""
    if nonlinear is None:
        return None
    if (
        not isinstance(nonlinear, (tuple, list))
        or len(nonlinear) != 2
        or not all(callable(N) for N in nonlinear)
    ):
        raise TypeError("nonlinear must be a pair (N, dN) of functions of u")
    return tuple(nonlinear)
