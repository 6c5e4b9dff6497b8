"""Memory that products use again: one set of buffers for each thread."""

from __future__ import annotations

import math
import threading
from typing import Any

import numpy as np

from pysolve._backend import empty


class Workspace(threading.local):
    """Named buffers, each as large as the largest array asked of it; every thread has its own."""

    def __init__(self) -> None:
        self._buffers: dict[Any, np.ndarray] = {}

    def array(self, name: Any, shape: tuple[int, ...], dtype: np.dtype) -> np.ndarray:
        """An uninitialised array on the buffer `name`: what it held before is lost."""
        n_bytes = math.prod(shape) * dtype.itemsize
        buffer = self._buffers.get(name)
        if buffer is None or buffer.size < n_bytes:
            buffer = self._buffers[name] = empty(n_bytes, np.uint8)
        return buffer[:n_bytes].view(dtype).reshape(shape)

    def __reduce__(self) -> tuple:
        return Workspace, ()
