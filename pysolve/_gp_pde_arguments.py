"""The arguments of `gp_pde`, checked, as a `Problem`."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from pysolve._backend import zeros
from pysolve._gp_pde_coordinates import as_axes, on_grid, real_array
from pysolve._gp_pde_device import spread
from pysolve._gp_pde_place import place_of
from pysolve._gp_pde_problem import Measurements, Problem, Source, Term
from pysolve._gp_pde_sides import as_faces, warn_of_corners, warn_of_periods


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
    """All arguments that describe the problem; TypeError where they are in several places."""
    like = place_of(operator, f, axes, boundary, noise, data)
    points = as_axes(axes)
    starts: dict[str, float] = {}
    terms = as_terms(operator, points, starts, like)
    right, sources = as_right_side(f, points, starts, like)
    faces, periodic = as_faces(boundary, points, like)
    warn_of_corners(faces)
    noises = as_noise(noise, points, like)
    warn_of_periods(right, noises, periodic)
    problem = Problem(
        points, terms, right, noises, faces, periodic, as_data(data, points, like), as_nonlinear(nonlinear),
        sources, starts,
    )  # fmt: skip
    if not bool(np.isfinite(right).any()) and data is None:
        raise ValueError(
            "f is NaN everywhere and there is no data: expected equations or measurements to solve for"
        )
    return problem


# ---- the operator and the right side -------------------------------------------------------------------------
def as_terms(
    operator: Any, axes: tuple[np.ndarray, ...], starts: dict[str, float], like: Any = None
) -> tuple[Term, ...]:
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
            terms.append(_term(orders, part, axes, starts, like))
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
    orders: tuple[int, ...], value: Any, axes: tuple[np.ndarray, ...], starts: dict[str, float], like: Any
) -> Term:
    name = f"operator[{orders}]"
    unknown = None
    if isinstance(value, (str, Unknown)):
        unknown, value = _unknown(value, name, starts)
    coefficient = on_grid(value, axes, name, like)
    if not np.isfinite(coefficient).all():
        raise ValueError(f"{name} must be finite, got {float(coefficient[~np.isfinite(coefficient)][0])}")
    number = constant_of(coefficient)
    return Term(orders, coefficient if number is None else number, unknown)


def constant_of(values: Any) -> float | None:
    """The number that all entries are, None where they differ."""
    first = values[(0,) * values.ndim]
    return float(first) if bool((values == first).all()) else None


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
    f: Any, axes: tuple[np.ndarray, ...], starts: dict[str, float], like: Any = None
) -> tuple[Any, tuple[Source, ...]]:
    """The known part of f on the grid, NaN where unknown, and the parts with unknown numbers."""
    parts = f if isinstance(f, list) and any(isinstance(part, (str, Unknown)) for part in f) else [f]
    total: Any = zeros(tuple(len(x) for x in axes), np.float64, like)
    sources = []
    for part in parts:
        if isinstance(part, (str, Unknown)):
            name, shape = _unknown(part, "f", starts)
            sources.append(Source(on_grid(shape, axes, f"shape of {name!r}", like), name))
        else:
            total = total + on_grid(part, axes, "f", like)
    if np.isinf(total).any():
        raise ValueError("f must be finite, or NaN where it is unknown; got inf")
    return total, tuple(sources)


# ---- noise, measurements, the nonlinear term -------------------------------------------------------------------
def as_noise(noise: Any, axes: tuple[np.ndarray, ...], like: Any = None) -> Any:
    """The standard deviation of f: a number, or an array on the grid that is positive everywhere."""
    found = on_grid(noise, axes, "noise", like)
    if not np.isfinite(found).all() or (found < 0).any():
        raise ValueError(
            f"noise must be a finite standard deviation of at least 0, got {float(np.min(found))}"
        )
    number = constant_of(found)
    if number is not None:
        return number
    if (found == 0).any():
        raise ValueError("noise given as an array must be positive everywhere, got 0")
    return found


def as_data(data: Any, axes: tuple[np.ndarray, ...], like: Any = None) -> Measurements | None:
    """Measured points, values and standard deviations."""
    if data is None:
        return None
    if not isinstance(data, (tuple, list)) or len(data) != 3:
        raise TypeError("data must be a tuple (points, values, sd)")
    points = real_array(data[0], "data[0] (points)", like)
    values = real_array(data[1], "data[1] (values)", like)
    points = points[:, None] if points.ndim == 1 and len(axes) == 1 else points
    if points.ndim != 2 or points.shape[1] != len(axes):
        raise ValueError(f"data[0] (points) must have shape (n, {len(axes)}), got {points.shape}")
    if values.shape != (len(points),):
        raise ValueError(f"data[1] (values) must have shape ({len(points)},), got {values.shape}")
    sd = real_array(data[2], "data[2] (sd)", like)
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
            at = float(points[int(outside.argmax()), j])
            raise ValueError(f"data[0] (points) must lie within axes[{j}] [{x[0]}, {x[-1]}], got {at}")
    return Measurements(points, values, spread(sd, values.shape, values))


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
