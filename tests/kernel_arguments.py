"""Wrong arguments for a compiled kernel: what it must refuse, and with which message."""

import numpy as np
import pytest

KINDS = ["another object", "another type", "bytes in the other order", "gaps", "another size", "read-only"]


def wrong(kind, name, array, written, any_size):
    """(array, error, pattern of its message) for each way in which the argument `name` is wrong."""
    if kind == "another object":
        for bad in (None, array.tolist(), "text", 1.0, type):
            yield bad, TypeError, rf"{name} must be a NumPy array"
    elif kind == "another type":
        for dtype in (object, "f2", "u8", "?", "V8", "M8[s]"):
            yield np.zeros(array.shape, dtype), TypeError, rf"{name} must have dtype"
    elif kind == "bytes in the other order":
        yield array.astype(array.dtype.newbyteorder()), TypeError, name
    elif kind == "gaps":
        yield np.repeat(array, 2, axis=-1)[..., ::2], ValueError, rf"{name} must be C-contiguous"
        yield array[..., ::-1], ValueError, rf"{name} must be C-contiguous"
    elif kind == "another size" and name not in any_size:
        flat = array.ravel()
        for bad in (flat[:-1].copy(), np.append(flat, flat[-1:]), flat[:0].copy()):
            yield bad, ValueError, r"must (have|be)|does not fit"
    elif kind == "read-only" and name in written:
        bad = array.copy()
        bad.setflags(write=False)
        yield bad, ValueError, rf"{name} must be writeable"


def assert_refused(kernel, good, kind, written=(), any_size=()):
    """The kernel refuses every array among its arguments that is wrong in this way, and takes the good ones.

    Arrays that are not `written` are read-only in every call. A kernel cannot know the size of `any_size`.
    """
    for name, array in good.items():
        if isinstance(array, np.ndarray):
            array.setflags(write=name in written)
    kernel(**good)
    for name, array in good.items():
        if isinstance(array, np.ndarray):
            for bad, error, pattern in wrong(kind, name, array, written, any_size):
                with pytest.raises(error, match=pattern):
                    kernel(**good | {name: bad})
