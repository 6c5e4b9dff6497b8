"""A stand-in for CuPy whose device is the host: for running the package's device code where there is no GPU.

Its arrays hold host memory and claim to be device arrays, so that the simulated kernels (tests/cuda_host) work on
them. Like CuPy's they never become NumPy arrays by themselves and never mix with them, scalars come as arrays without
axes, and what CuPy lacks of NumPy is missing. Every copy to the host is counted: `transfers` holds their bytes. While
a stream is captured, calls of kernels are kept and replayed by the graph, and everything else is an error.
"""

import numpy as np

from cupy_double import cuda, random
from cupy_double.arrays import ndarray, on_device, transfers, uploads, wrapped

# What NumPy has and CuPy 14 has not; tests/test_cupy_double.py compares them where CuPy is installed.
_LACKING = """
    asmatrix block bmat busday_count busday_offset datetime_as_string datetime_data einsum_path
    errstate frompyfunc geomspace histogram_bin_edges insert isnat longdouble matrix
    matvec memmap nanpercentile nanquantile ndenumerate nditer polyder polydiv polyint recarray record spacing unstack
    vecdot vecmat void fromregex get_include getbufsize geterr geterrcall info is_busday nested_iters setbufsize
    seterr seterrcall show_runtime test"""
_LACKING_LINALG = "test diagonal matrix_norm multi_dot outer svdvals tensordot trace vecdot vector_norm"
LACKING, LACKING_LINALG = frozenset(_LACKING.split()), frozenset(_LACKING_LINALG.split())
__version__ = "14.2.0"
__all__ = ["asnumpy", "cuda", "fft", "linalg", "ndarray", "random", "transfers", "uploads"]


def asarray(x, dtype=None, order=None):
    """A device array of `x`: itself, the memory of another device array, or a copy of a host array."""
    if isinstance(x, ndarray):
        return wrapped(np.asarray(x._host, dtype, order=order))
    if hasattr(x, "__cuda_array_interface__"):
        return wrapped(np.asarray(host_memory(x.__cuda_array_interface__), dtype, order=order))
    host = np.array([on_device(y) for y in x] if isinstance(x, list | tuple) else x, dtype, order=order)
    uploads.append(host.nbytes)
    return wrapped(host)


def array(x, dtype=None, copy=True, order=None, ndmin=0):
    """As `asarray`, in memory of its own."""
    return wrapped(np.array(asarray(x)._host, dtype, copy=copy or None, order=order, ndmin=ndmin))


def host_memory(interface):
    """The memory that an array interface names, as a NumPy array."""
    keep = {name: interface[name] for name in ("shape", "typestr", "data", "strides") if name in interface}
    holder = type("Memory", (), {"__array_interface__": keep | {"version": 3}})
    return np.asarray(holder())


def ascontiguousarray(x, dtype=None):
    return wrapped(np.ascontiguousarray(asarray(x)._host, dtype))


def asfortranarray(x, dtype=None):
    return wrapped(np.asfortranarray(asarray(x)._host, dtype))


def asnumpy(x, stream=None, order="C", out=None):
    """A copy on the host."""
    return x.get() if isinstance(x, ndarray) else np.asarray(x)


def get_array_module(*arrays):
    """This module where one of the arrays is on the device, else NumPy."""
    import sys

    return sys.modules[__name__] if any(isinstance(x, ndarray) for x in arrays) else np


def _function(function, name):
    def call(*arguments, **options):
        from cupy_double.arrays import call_on_host

        return call_on_host(function, arguments, options)

    call.__name__ = name
    if isinstance(function, np.ufunc):
        for method in ("at", "reduce", "accumulate", "outer"):
            setattr(call, method, _function(getattr(function, method), method))
    return call


class _Part:
    """A part of the namespace whose functions are NumPy's."""

    def __init__(self, part, lacking):
        self.part, self.lacking = part, lacking

    def __getattr__(self, name):
        return _looked_up(self.part, name, self.lacking)


def _looked_up(part, name, lacking):
    if name in lacking or name.startswith("_"):
        raise AttributeError(f"CuPy has no {name}")
    found = getattr(part, name)
    plain = isinstance(found, type) or not callable(found)
    return found if plain else _function(found, name)


linalg, fft = _Part(np.linalg, LACKING_LINALG), _Part(np.fft, frozenset(["test"]))


def __getattr__(name):
    return _looked_up(np, name, LACKING)
