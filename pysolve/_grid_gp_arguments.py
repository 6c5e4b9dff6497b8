"""The arguments of `grid_gp`: every check and its message."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from pysolve._arrays import as_numbers, check_finite, largest_magnitude
from pysolve._backend import on_host
from pysolve._gallery_arguments import check_number, check_positive
from pysolve._grid_gp_evidence import Model
from pysolve._spectral_mixture import LARGEST, SpectralMixture

AUTO = "auto"


def is_auto(value: Any) -> bool:
    """Whether a number is to be found."""
    return isinstance(value, str) and value == AUTO


def mean_of(data: np.ndarray) -> float:
    """Their mean, of whatever size they are."""
    largest = largest_magnitude(data) or 1.0
    return largest * float((data / largest).mean())


def in_units(model: Model, data: np.ndarray, m: float, unit: float) -> tuple[Model, np.ndarray]:
    """The model and the data less m in this unit, so that no square leaves the range of floats."""
    with np.errstate(over="ignore"):
        y = (data - m) / unit
        noise = None if model.noise is None else model.noise / unit
    if not bool(np.all(np.abs(y) <= LARGEST)) or (noise or 0.0) > LARGEST:
        raise ValueError(
            f"values and noise must be at most {LARGEST:g} times the amplitude, {unit:g}, but are up to "
            f"{largest_magnitude(data):g} and {model.noise}"
        )
    amplitude = None if model.amplitude is None else model.amplitude / unit
    return dataclasses.replace(model, amplitude=amplitude, noise=noise), y


def checked_axes(axes: Any, device: bool = False) -> tuple[np.ndarray, ...]:
    """Rising coordinates, as float64 on the host, whither those of the device are copied if there may be such."""
    found = []
    for j, given in enumerate(axes):
        x = on_host(as_numbers(given, f"axes[{j}]", device))
        if x.ndim != 1 or x.size == 0 or x.dtype.kind == "c":
            raise ValueError(f"axes[{j}] must be a row of real numbers, but has shape {x.shape}, {x.dtype}")
        check_finite(x, f"axes[{j}]")
        x = x.astype(np.float64)
        if not np.all(np.diff(x) > 0):
            raise ValueError(
                f"axes[{j}] must rise, but does not at index {int(np.argmin(np.diff(x) > 0)) + 1}"
            )
        found.append(x)
    if not found:
        raise ValueError("axes must have at least one array, but is empty")
    return tuple(found)


def checked_values(values: Any, shape: tuple[int, ...]) -> np.ndarray:
    """Values of the shape of the axes, as float64."""
    y = as_numbers(values, "values", device=True)
    if y.dtype.kind == "c":
        raise TypeError(f"values must be real, not of dtype {y.dtype}")
    if y.shape != shape:
        raise ValueError(f"values must have the shape of the axes, {shape}, but has shape {y.shape}")
    if bool(np.isinf(y).any()):
        raise ValueError("values must be finite, or NaN where there is none, but has an infinite one")
    return y.astype(np.float64)


def _each(given: Any, name: str, d: int) -> list[Any]:
    """One for each axis, of one for all or of a sequence."""
    if isinstance(given, str | SpectralMixture) or not isinstance(given, Sequence | np.ndarray):
        return [given] * d
    if len(given) != d:
        raise ValueError(f"{name} must have {d} entries, one for each axis, but has {len(given)}")
    return list(given)


def checked_model(kernel: Any, length_scales: Any, amplitude: Any, noise: Any, d: int) -> Model:
    """What is known of the prior."""
    kernels = _each(kernel, "kernel", d)
    for one in kernels:
        if not (isinstance(one, SpectralMixture) or (isinstance(one, str) and one in ("se", "matern52"))):
            raise ValueError(f"kernel must be 'se', 'matern52' or a SpectralMixture, but is {one!r}")
    scales: list[float | None] = []
    for j, one in enumerate(_each(length_scales, "length_scales", d)):
        if isinstance(kernels[j], SpectralMixture) and not is_auto(one) and one is not None:
            raise ValueError(f"length_scales[{j}] must be 'auto' beside a SpectralMixture, but is {one!r}")
        named = not is_auto(one) and one is not None
        scales.append(check_positive(one, f"length_scales[{j}]") if named else None)
    a = None if is_auto(amplitude) else check_positive(amplitude, "amplitude")
    at_least_0 = "finite and at least 0"
    s = None if is_auto(noise) else check_number(noise, "noise", at_least_0, lambda v: 0 <= v < math.inf)
    return Model(kernels, scales, a, s)


def checked_where(where: Any, d: int, device: bool = False) -> tuple[Any, bool]:
    """Axes of a grid, or points; and whether it is a grid. With `device` they may be there."""
    if isinstance(where, list | tuple):
        if len(where) != d:
            raise ValueError(f"where must have {d} axes, but has {len(where)}")
        columns = [np.atleast_1d(as_numbers(x, f"where[{j}]", device)) for j, x in enumerate(where)]
        for j, column in enumerate(columns):
            if column.ndim != 1:
                raise ValueError(f"where[{j}] must be a row of numbers, but has shape {column.shape}")
            check_finite(column, f"where[{j}]")
        return [column.astype(np.float64) for column in columns], True
    points = as_numbers(where, "where", device)
    if points.ndim != 2 or points.shape[1] != d:
        raise ValueError(f"where must have shape (n, {d}), or be a list of {d} axes, not {points.shape}")
    check_finite(points, "where")
    return points.astype(np.float64), False
