"""The arguments of `gp_pde`, checked, as a `Problem`."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from pysolve._gp_pde_coordinates import as_axes, on_grid, real_array
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
    """All arguments that describe the problem."""
    points = as_axes(axes)
    starts: dict[str, float] = {}
    terms = as_terms(operator, points, starts)
    right, sources = as_right_side(f, points, starts)
    faces, periodic = as_faces(boundary, points)
    warn_of_corners(faces)
    noises = as_noise(noise, points)
    warn_of_periods(right, noises, periodic)
    problem = Problem(
        points, terms, right, noises, faces, periodic, as_data(data, points), as_nonlinear(nonlinear),
        sources, starts,
    )  # fmt: skip
    if not np.isfinite(right).any() and data is None:
        raise ValueError(
            "f is NaN everywhere and there is no data: expected equations or measurements to solve for"
        )
    return problem


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
