"""The operator in a file of `Multilevel.save`: as arrays, and back with every check."""

from __future__ import annotations

from typing import Any

import numpy as np

from pysolve._stencil import StencilOperator

NEEDED = {"grid_shape", "boundary", "shift", "dtype", "name", "face_weights_0"}


def operator_to_arrays(A: StencilOperator) -> dict[str, np.ndarray]:
    A = A.to_device("cpu")
    arrays = {f"face_weights_{axis}": np.asarray(w) for axis, w in enumerate(A.weights)}
    return arrays | {
        "grid_shape": np.array(A.grid_shape),
        "boundary": np.array(A.boundary),
        "shift": np.asarray(A.shift),
        "dtype": np.array(A.dtype.str),
    }


def operator_from_arrays(arrays: dict[str, np.ndarray], name: str) -> StencilOperator:
    """ValueError says what is missing or wrong in the file `name`."""
    missing = NEEDED - set(arrays)
    if missing:
        raise ValueError(f"file {name!r} holds no saved Multilevel: it lacks {', '.join(sorted(missing))}")
    dtype = str(arrays["dtype"])
    if dtype not in (np.dtype(np.float32).str, np.dtype(np.float64).str):
        raise ValueError(f"file {name!r} holds no saved Multilevel: dtype must be <f4 or <f8, got {dtype!r}")
    faces = [arrays[key] for key in (f"face_weights_{axis}" for axis in range(3)) if key in arrays]
    try:
        return StencilOperator(
            arrays["grid_shape"].tolist(),
            [_number_or_array(w) for w in faces],
            boundary=arrays["boundary"].tolist(),
            shift=_number_or_array(arrays["shift"]),
            dtype=dtype,
        )
    except (TypeError, ValueError) as error:
        raise ValueError(f"file {name!r} holds no saved Multilevel: {error}") from None


def _number_or_array(value: np.ndarray) -> Any:
    return value.item() if value.ndim == 0 else value
