"""Memory that products use again: one set of buffers for each thread, on the host."""

from __future__ import annotations

import math
import threading
from typing import Any

import numpy as np

from pysolve._backend import empty, on_device


class Workspace(threading.local):
    """Named buffers, each as large as the largest array asked of it; every thread has its own.

    On the device CuPy's pool gives the memory, in the order of the stream: a buffer kept here might be in use there.
    """

    def __init__(self) -> None:
        self._buffers: dict[Any, np.ndarray] = {}

    def array(self, name: Any, shape: tuple[int, ...], dtype: np.dtype, like: Any = None) -> Any:
        """An uninitialised array on the buffer `name`, where `like` is: what it held before is lost."""
        if on_device(like):
            return empty(shape, dtype, like)
        n_bytes = math.prod(shape) * dtype.itemsize
        buffer = self._buffers.get(name)
        if buffer is None or buffer.size < n_bytes:
            buffer = self._buffers[name] = empty(n_bytes, np.uint8)
        return buffer[:n_bytes].view(dtype).reshape(shape)

    def __reduce__(self) -> tuple:
        return Workspace, ()
