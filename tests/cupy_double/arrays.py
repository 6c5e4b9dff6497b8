"""Arrays of the stand-in: host memory behind the interface of device arrays."""

import numpy as np

from cupy_double import cuda

transfers: list[int] = []  # bytes of every copy to the host
uploads: list[int] = []  # bytes of every copy to the device


class ndarray(np.lib.mixins.NDArrayOperatorsMixin):
    """An array on the device."""

    __module__ = "cupy"

    def __init__(self, host):
        self._host = host

    # ---- what it says of itself
    shape = property(lambda self: self._host.shape, lambda self, shape: setattr(self._host, "shape", shape))
    dtype = property(lambda self: self._host.dtype)
    ndim = property(lambda self: self._host.ndim)
    size = property(lambda self: self._host.size)
    nbytes = property(lambda self: self._host.nbytes)
    itemsize = property(lambda self: self._host.itemsize)
    strides = property(lambda self: self._host.strides)
    device = property(lambda self: cuda.Device(0))
    T = property(lambda self: wrapped(self._host.T))
    real = property(lambda self: wrapped(self._host.real), lambda self, x: self._part("real", x))
    imag = property(lambda self: wrapped(self._host.imag), lambda self, x: self._part("imag", x))
    base = property(lambda self: None if self._host.base is None else wrapped(self._host.base))

    @property
    def flags(self):
        return Flags(self._host.flags)

    @property
    def data(self):
        return cuda.MemoryPointer(self._host.ctypes.data)

    @property
    def __cuda_array_interface__(self):
        return {
            "shape": self.shape,
            "typestr": self.dtype.str,
            "descr": self.dtype.descr,
            "data": (self._host.ctypes.data, False),
            "strides": None if self._host.flags.c_contiguous else self.strides,
            "version": 3,
            "stream": cuda.get_current_stream().ptr or 1,
        }

    # ---- to the host, counted
    def __array__(self, dtype=None, copy=None):
        raise TypeError(
            "Implicit conversion to a NumPy array is not allowed. Please use `.get()` to construct a NumPy array "
            "explicitly."
        )

    def get(self, stream=None, order="C", blocking=True, out=None):
        cuda.forbidden_in_capture("a copy to the host")
        transfers.append(self.nbytes)
        if out is None:
            return self._host.copy()
        out[...] = self._host
        return out

    def set(self, host, stream=None):
        uploads.append(host.nbytes)
        self._host[...] = host

    def item(self):
        return self.get().item()

    def tolist(self):
        return self.get().tolist()

    def __bool__(self):
        return bool(self.get())

    def __int__(self):
        return int(self.get())

    def __float__(self):
        return float(self.get())

    def __complex__(self):
        return complex(self.get())

    # ---- on the device
    def __array_ufunc__(self, ufunc, method, *inputs, **options):
        return call_on_host(getattr(ufunc, method), inputs, options)

    def __array_function__(self, function, types, arguments, options):
        import cupy_double

        lacking = cupy_double.LACKING_LINALG if "linalg" in function.__module__ else cupy_double.LACKING
        if function.__name__ in lacking:
            raise TypeError(
                f"no implementation found for {function.__name__} on types that implement it: cupy.ndarray"
            )
        return call_on_host(function, arguments, options)

    def __getitem__(self, place):
        return wrapped(self._host[on_device(place)])

    def __setitem__(self, place, values):
        cuda.forbidden_in_capture("an assignment")
        if isinstance(values, np.ndarray) and values.ndim:
            raise TypeError("Unsupported type <class 'numpy.ndarray'>")
        self._host[on_device(place)] = on_device(values)

    def __iter__(self):
        return (wrapped(row) for row in self._host)

    def __len__(self):
        return len(self._host)

    def __repr__(self):
        return repr(self._host)

    def __str__(self):
        return str(self._host)

    def __format__(self, form):
        return format(self.get().item() if self.ndim == 0 else str(self), form)

    __hash__ = None

    def __reduce__(self):
        return _unpickled, (self.get(),)

    def __getattr__(self, name):
        if name.startswith("_") or name in (
            "setflags",
            "resize",
            "ctypes",
            "getfield",
            "setfield",
            "to_device",
        ):
            raise AttributeError(f"a CuPy array has no {name}")
        found = getattr(np.ndarray, name)

        def method(*arguments, **options):
            return call_on_host(found, (self, *arguments), options)

        return method

    def _part(self, name, values):
        setattr(self._host, name, on_device(values))


class Flags:
    """Of an array; CuPy's know nothing of writing."""

    def __init__(self, flags):
        self.c_contiguous, self.f_contiguous, self.owndata = (
            flags.c_contiguous,
            flags.f_contiguous,
            flags.owndata,
        )


def _unpickled(host):
    import cupy_double

    return cupy_double.asarray(host)


def on_device(x):
    """The host memory of `x` and of what it holds; TypeError for a NumPy array."""
    if isinstance(x, ndarray):
        return x._host
    if isinstance(x, np.ndarray) and x.ndim:
        raise TypeError(f"Unsupported type {type(x)}")
    if type(x) in (list, tuple):
        return type(x)(on_device(entry) for entry in x)
    return x


def wrapped(x):
    """Arrays, and scalars that NumPy makes of them, as arrays of the device."""
    if isinstance(x, np.ndarray):
        return ndarray(x)
    if isinstance(x, np.generic):
        return ndarray(np.asarray(x))
    if isinstance(x, tuple):
        entries = [wrapped(entry) for entry in x]
        return type(x)(*entries) if hasattr(x, "_fields") else tuple(entries)
    return [wrapped(entry) for entry in x] if isinstance(x, list) else x


def call_on_host(function, arguments, options):
    cuda.forbidden_in_capture(getattr(function, "__name__", "an operation"))
    for name in ("initial", "where"):
        if options.get(name) is not None:
            raise TypeError(f"CuPy's functions and reductions have no argument {name!r}")
    options = {name: on_device(value) for name, value in options.items()}
    out = options.get("out")
    result = function(*(on_device(x) for x in arguments), **options)
    if out is not None and not isinstance(out, tuple) and result is out:
        return wrapped(out)
    return wrapped(result)
