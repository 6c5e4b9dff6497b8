"""Arrays from outside: the checks that every argument passes, and their messages."""

from __future__ import annotations

from typing import Any

import numpy as np

from pysolve._backend import as_array, contiguous, on_device

VALUE_TYPES = tuple(np.dtype(t) for t in ("f4", "f8", "c8", "c16"))


def value_type(*dtypes: Any) -> np.dtype:
    """The type to compute in: float32, float64, complex64 or complex128, wide enough for all of `dtypes`."""
    wide = np.result_type(*dtypes)
    if wide in VALUE_TYPES:
        return wide
    return np.dtype("c16") if wide.kind == "c" else np.dtype("f8")


def as_numbers(x: Any, name: str, device: bool = False) -> Any:
    """`x` as an array of numbers; TypeError if it is not one. With `device` it may be on the device."""
    if on_device(x):
        if not device:
            raise TypeError(
                f"{name} is a device array ({type(x).__name__}), but this solver takes NumPy arrays: "
                f"use cupy.asnumpy({name})"
            )
    elif np.ma.is_masked(x):
        raise TypeError(f"{name} must not have masked values: fill them, or leave their rows out")
    try:
        x = as_array(x)
    except (ValueError, TypeError, RuntimeError) as error:  # the last: a torch tensor that requires grad
        raise TypeError(f"{name} must be an array of numbers: {error}") from None
    if x.dtype.kind not in "biufc":
        raise TypeError(f"{name} must be an array of numbers, not of dtype {x.dtype}")
    return x


def check_finite(x: np.ndarray, name: str, before: int = 0) -> None:
    """ValueError that names the first value of `x` that is not finite, `before` values having come before it."""
    with np.errstate(over="ignore", invalid="ignore"):
        if np.isfinite(x.sum()):  # no value can hide; only a sum that overflows needs the second look
            return
    bad = ~np.isfinite(x)
    if bad.any():
        first = tuple(int(i) for i in np.argwhere(bad)[0])
        place = ", ".join(str(before + i) for i in first)
        raise ValueError(f"{name} must be finite, but {name}[{place}] is {x[first]}")


def largest_magnitude(x: np.ndarray) -> float:
    """max |x|, 0 for an empty array; no copy is made of real values."""
    if x.size == 0:
        return 0.0
    if x.dtype.kind in "ub":
        return float(x.max())
    return float(np.abs(x).max()) if x.dtype.kind == "c" else max(float(x.max()), -float(x.min()))


def norm(x: np.ndarray) -> float:
    """The 2-norm of a vector, its squares summed in double precision."""
    return float(np.linalg.norm(x.astype(np.result_type(x.dtype, np.float64), copy=False)))


def diagonal_entries(data: np.ndarray, name: str) -> np.ndarray:
    """A positive real diagonal; ValueError that names the first row where it is not."""
    with np.errstate(over="ignore", divide="ignore"):  # the inverse of the smallest numbers is no number
        bad = ~((data.real > 0) & (data.imag == 0) & np.isfinite(data) & np.isfinite(1 / data.real))
    if bad.any():
        row = int(np.argmax(bad))
        raise ValueError(f"{name} must have a positive diagonal, but its entry in row {row} is {data[row]}")
    return contiguous(data.real)
