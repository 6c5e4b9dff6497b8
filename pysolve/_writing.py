"""Files are written whole or not at all."""

from __future__ import annotations

import contextlib
import os
import secrets
from collections.abc import Callable
from typing import Any, BinaryIO

import numpy as np


def write_whole(path: str | os.PathLike, write: Callable[[BinaryIO], Any]) -> None:
    """Let `write(file)` fill a temporary file beside `path`, then rename it: `path` is never half written."""
    path = os.path.realpath(path)
    temporary = beside(path)
    try:
        with open(temporary, "xb") as file:
            write(file)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    finally:
        with contextlib.suppress(OSError):
            os.unlink(temporary)


def save_arrays(path: str | os.PathLike, arrays: dict[str, np.ndarray]) -> None:
    """An .npz file of these arrays."""
    write_whole(path, lambda file: np.savez(file, **arrays))  # type: ignore[arg-type]


def beside(path: str) -> str:
    """A name for a temporary file in the folder of `path`."""
    # The name is random, so two runs that write one file do not meet; open() gives it the user's usual mode.
    return os.path.join(os.path.dirname(path), f".pysolve-{secrets.token_hex(6)}.part")
