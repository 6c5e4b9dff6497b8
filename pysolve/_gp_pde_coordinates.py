"""Axes, and numbers, arrays and functions of the coordinates as arrays on their grid.

Axes are short and are kept on the host, wherever they were given; arrays on the grid stay where they are.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from pysolve._backend import as_array, beside, namespace, on_device, on_host, same_device

MOST_AXES = 3


def as_axes(axes: Any) -> tuple[np.ndarray, ...]:
    """One array of increasing points for each dimension."""
    axes = as_array(axes) if on_device(axes) else axes
    if (isinstance(axes, np.ndarray) or on_device(axes)) and axes.ndim == 1 and axes.dtype != object:
        axes = [axes]
    if not isinstance(axes, Sequence) or len(axes) == 0:
        raise TypeError(f"axes must be a 1-D array for each dimension, got {type(axes).__name__}")
    if all(not on_device(x) and np.ndim(x) == 0 for x in axes):
        axes = [axes]
    if len(axes) > MOST_AXES:
        raise ValueError(f"axes must be 1 to {MOST_AXES} arrays, got {len(axes)}")
    return tuple(_axis(x, j) for j, x in enumerate(axes))


def _axis(x: Any, j: int) -> np.ndarray:
    x = row_on_host(x, f"axes[{j}]").copy()
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


def row_on_host(x: Any, name: str) -> np.ndarray:
    """A float64 array on the host, copied from the device if need be: the points of an axis."""
    return on_host(real_array(x, name, x))


def real_array(value: Any, name: str, like: Any = None) -> Any:
    """A float64 array of real numbers where `like` is: on the host by default."""
    if on_device(value):
        if not on_device(like):
            raise TypeError(
                f"{name} is an array on a device ({type(value).__name__}); a NumPy array is taken here: "
                "use cupy.asnumpy"
            )
        found = as_array(value)
    else:
        found = _on_host(value, name)
        if on_device(like):
            if found.ndim:
                same_device(f=like, **{name: found})
            found = beside(found, like)
    if found.dtype.kind not in "fiub":
        raise TypeError(f"{name} must hold real numbers, got dtype {found.dtype}")
    return found.astype(np.float64)


def _on_host(value: Any, name: str) -> np.ndarray:
    try:
        return np.asarray(value)
    except ValueError as error:
        raise TypeError(f"{name} must be an array of numbers: {error}") from None


def on_grid(value: Any, axes: Sequence[np.ndarray], name: str, like: Any = None) -> Any:
    """A number, array or function of the coordinates as an array on the grid, where `like` is."""
    xp, shape = namespace(like), tuple(len(x) for x in axes)
    if callable(value):
        coordinates = xp.meshgrid(*(beside(x, like) for x in axes), indexing="ij", copy=True)
        made = value(*coordinates)
        if on_device(like) and isinstance(made, np.ndarray):
            raise TypeError(
                f"what {name} returns is a NumPy array, but the problem is on the GPU, where functions are given CuPy "
                "arrays: let it take their module, cupy.get_array_module(x)"
            )
        found = real_array(made, f"what {name} returns", like)
    else:
        found = real_array(value, name, like)
    if found.ndim not in (0, len(shape)) or any(
        a not in (1, n) for a, n in zip(found.shape, shape, strict=False)
    ):
        raise ValueError(f"{name} must be a number or fit the grid {shape}, got shape {found.shape}")
    return xp.broadcast_to(found, shape)
