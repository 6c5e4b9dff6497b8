"""Array -> the compiled kernels for it. The only importer of ``_core`` and ``_cuda``."""

from __future__ import annotations

import math
import types
from typing import Any

import numpy as np

from pysolve import _core

try:  # built where PYSOLVE_CUDA=ON
    from pysolve import _cuda  # type: ignore[attr-defined]
except ImportError:
    _cuda = None

LINE = 64  # bytes of a cache line, and of the widest vector register
PAGE = 4096  # bytes
LARGE = 16 * PAGE


def on_device(x: Any) -> bool:
    """Whether `x` lives on a GPU."""
    return not isinstance(x, np.ndarray) and hasattr(x, "__cuda_array_interface__")


def kernels(x: Any) -> types.ModuleType:
    """The module of kernels for the array `x`: the same names on every backend."""
    if not on_device(x):
        return _core
    if _cuda is None:
        raise TypeError(
            f"device arrays ({type(x).__name__}) need pysolve built with PYSOLVE_CUDA=ON, which this build is not"
        )
    return _cuda


def empty(shape: int | tuple[int, ...], dtype: Any, like: Any = None, offset: int = 0) -> Any:
    """An uninitialised array on the device of `like` (default: the host).

    On the host one of a page or more starts at a cache line, so that no vector load straddles two, and a large one
    `offset` bytes into a page: the processor tells loads from the stores before them by their place within a page
    first, and products ran at half their speed where the result began some bytes after the vector.
    """
    if on_device(like):
        import cupy

        return cupy.empty(shape, dtype)
    shape = (shape,) if isinstance(shape, int) else shape
    dtype = np.dtype(dtype)
    n_bytes = math.prod(shape) * dtype.itemsize
    if n_bytes < PAGE and offset == 0:  # where finding the line would cost more than it brings
        return np.empty(shape, dtype)
    grain = PAGE if n_bytes >= LARGE else LINE
    memory = np.empty(n_bytes + grain, dtype=np.uint8)
    start = (offset - memory.ctypes.data) % grain
    return memory[start : start + n_bytes].view(dtype).reshape(shape)


def empty_beside(x: Any, dtype: Any) -> Any:
    """An uninitialised array of the shape of `x` for the result of a product with it, at its place within a page."""
    if on_device(x) or x.nbytes < LARGE:
        return empty(x.shape, dtype, x)
    return empty(x.shape, dtype, x, offset=x.ctypes.data % PAGE)


def zeros(shape: int | tuple[int, ...], dtype: Any, like: Any = None) -> Any:
    """As `empty`, filled with zeros."""
    x = empty(shape, dtype, like)
    x.fill(0)
    return x


def config() -> dict[str, Any]:
    """How the compiled parts were built, and what they run with here."""
    return {
        "version": _core.version,
        "compiler": _core.compiler,
        "instruction_set": _core.instruction_set(),
        "openmp_threads": _core.openmp_threads(),
        "cuda_devices": None if _cuda is None else _cuda.device_count(),
    }
