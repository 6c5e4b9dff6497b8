"""Array -> the compiled kernels for it. The only importer of ``_core`` and ``_cuda``."""

from __future__ import annotations

import contextlib
import math
import types
from typing import Any

import numpy as np

from pysolve import _core

try:  # built where PYSOLVE_CUDA=ON
    from pysolve import _cuda  # type: ignore[attr-defined]
except ImportError:
    _cuda = None

HOST_TYPES = (np.ndarray, np.generic, float, int, type(None))  # seen at a glance: most calls are for these
LINE = 64  # bytes of a cache line, and of the widest vector register
PAGE = 4096  # bytes
LARGE = 16 * PAGE


def on_device(x: Any) -> bool:
    """Whether `x` lives on a GPU: an array, a sparse matrix of such arrays, or an operator made from them."""
    if isinstance(x, HOST_TYPES):
        return False
    module = type(x).__module__
    if module == "cupy" or module.startswith("scipy."):  # without the cost of making the interface
        return module == "cupy"
    place = getattr(x, "_place", None)
    if place is not None:
        return bool(place == "cuda")
    return (
        hasattr(x, "__cuda_array_interface__")
        or (hasattr(x, "tocsr") and module.startswith("cupyx."))  # of any format
        or (hasattr(x, "indptr") and hasattr(x.indptr, "__cuda_array_interface__"))
        or (hasattr(x, "row") and hasattr(x.row, "__cuda_array_interface__"))
    )


def device_namespace() -> Any:
    """CuPy; an ImportError that names the extra where it is not installed."""
    try:
        import cupy
    except ImportError as error:
        raise ImportError(f"device arrays need CuPy (pip install pysolve[cuda]): {error}") from None
    return cupy


def namespace(*arrays: Any) -> Any:
    """The module of array functions for these arrays: CuPy where one of them is on the device, else NumPy."""
    return device_namespace() if any(on_device(x) for x in arrays) else np


def as_array(x: Any) -> Any:
    """Any device array as one of CuPy on the same memory; everything else as a NumPy array."""
    if not on_device(x):
        return np.asarray(x)
    return x if type(x).__module__ == "cupy" else device_namespace().asarray(x)


def contiguous(x: Any, dtype: Any = None) -> Any:
    """`x`, or a copy where it must be one, in C order and of type `dtype`, where it is."""
    if type(x) is np.ndarray:  # at a glance, for what a small solve asks
        flags = x.flags
        if flags.c_contiguous and flags.aligned and (dtype is None or x.dtype == dtype):
            return x
    elif on_device(x):
        return device_namespace().ascontiguousarray(x, dtype)
    return np.require(x, dtype, ["C", "ALIGNED"])


def on_host(x: Any) -> Any:
    """A copy on the host of an array on the device, for a few numbers or what a user asks for; anything else itself."""
    return x.get() if on_device(x) else x


def beside(x: Any, like: Any) -> Any:
    """A copy of the small host array `x` on the device of `like`; `x` itself where it is there, or that is the host."""
    if not on_device(like):
        return x
    with device_of(like):
        return device_namespace().asarray(x)


def device_of(x: Any) -> contextlib.AbstractContextManager:
    """Makes the GPU that holds the array `x`, if one does, the current one; of an operator none is known."""
    device = getattr(x, "device", None) if on_device(x) else None
    return contextlib.nullcontext() if device is None else device


def same_device(**arrays: Any) -> bool:
    """Whether all are on the device; TypeError where they are in several places. None stands anywhere."""
    if not any(map(on_device, arrays.values())):
        return False
    named = [(name, x) for name, x in arrays.items() if x is not None]
    for name, x in named[1:]:
        first, other = named[0]
        here, there = device_number(x), device_number(other)
        if on_device(x) == on_device(other) and (here is None or there is None or here == there):
            continue
        (device, above), (host, below) = named[0], (name, x)
        if on_device(x):
            (device, above), (host, below) = (host, below), (device, above)
        sparse = [hasattr(A, "tocsr") and not hasattr(A, "_place") for A in (above, below)]
        upward = "cupyx.scipy.sparse.csr_matrix" if sparse[1] else "cupy.asarray"
        downward = f"{device}.get()" if sparse[0] else f"cupy.asnumpy({device})"
        way = f"move one: {upward}({host}), {downward}, or to_device of an operator"
        raise TypeError(
            f"{first} ({type(other).__name__}) is {_place(other)}, but {name} ({type(x).__name__}) is {_place(x)}: "
            + ("move one of them" if on_device(x) and on_device(other) else way)
        )
    return bool(named) and on_device(named[0][1])


def device_number(x: Any) -> int | None:
    """That of the GPU which holds `x`, where it tells."""
    array = getattr(x, "indptr", getattr(x, "row", x)) if on_device(x) else None
    return getattr(getattr(array, "device", None), "id", None)


def _place(x: Any) -> str:
    number = device_number(x)
    return "on the host" if not on_device(x) else "on the GPU" if number is None else f"on GPU {number}"


def kernels(x: Any) -> types.ModuleType:
    """The module of kernels for the array `x`: the same names on every backend."""
    if not on_device(x):
        return _core
    if _cuda is None:
        raise TypeError(
            f"device arrays ({type(x).__name__}) need pysolve built with PYSOLVE_CUDA=ON, which this build is not"
        )
    return _cuda


def module_at(place: str) -> types.ModuleType:
    """The module of kernels for arrays at a place, "cpu" or "cuda"."""
    return kernels(np.empty(0)) if place == "cpu" else kernels(device_namespace().empty(0))


def empty(shape: int | tuple[int, ...], dtype: Any, like: Any = None, offset: int = 0) -> Any:
    """An uninitialised array on the device of `like` (default: the host): on its GPU, where it is an array.

    On the host one of a page or more starts at a cache line, so that no vector load straddles two, and a large one
    `offset` bytes into a page: the processor tells loads from the stores before them by their place within a page
    first, and products ran at half their speed where the result began some bytes after the vector.
    """
    if on_device(like):
        with device_of(like):
            return device_namespace().empty(shape, dtype)
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
