"""Files of arrays (.npz): written whole or not at all, and read without trust."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np

from pysolve._writing import write_whole


def save_arrays(path: str | os.PathLike, arrays: dict[str, np.ndarray]) -> None:
    """An .npz file of these arrays."""
    write_whole(path, lambda file: np.savez(file, **arrays))  # type: ignore[arg-type]


def read_arrays(path: Path, name: str) -> dict[str, np.ndarray]:
    """The arrays of an .npz file; ValueError where it is none, or only a part of one."""
    try:
        return _members(path)
    except FileNotFoundError:
        raise
    except OSError as error:
        raise ValueError(f"{name!r} cannot be read: {error.strerror or error}") from None
    except Exception as error:  # damaged archives and headers raise whatever is first to stumble over them
        reason = "an array of Python objects" if "pickle" in str(error) else str(error)
        raise ValueError(f"{name!r} cannot be read: it is not a file of arrays (.npz): {reason}") from None


def _members(path: Path) -> dict[str, np.ndarray]:
    with open(path, "rb") as stream:
        start = stream.read(2)
        stream.seek(0)
        if start != b"PK":  # NumPy would read one array or a pickle
            raise ValueError(f"it starts with {start!r}, an archive with b'PK'")
        with np.load(stream, allow_pickle=False) as file:
            arrays = {key: file[key] for key in file.files}
    for key, value in arrays.items():
        if not isinstance(value, np.ndarray):
            raise ValueError(f"{key} is no array")
    return arrays
