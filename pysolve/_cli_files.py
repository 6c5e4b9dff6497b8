"""Systems and vectors read from files, checked so that no later step can fail on them.

Nothing is ever unpickled, and every index of a sparse matrix is checked before a compiled kernel sees it.
"""

import contextlib
import os
import re
import zipfile
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import scipy.sparse as sp

from pysolve._cli_matrix_market import read_matrix_market

MATRIX_MARKET = (".mtx", ".mtx.gz", ".mtx.bz2")
SPARSE_PARTS = {"data", "indices", "indptr", "shape"}


class InputError(Exception):
    """Something the user gave cannot be used; the text is the whole message."""


@dataclass
class System:
    """A linear system and how it was come by: `name` and `b_text` are for the report."""

    name: str
    A: Any
    b: np.ndarray
    b_text: str


def read_system(source: str, rhs: str | None = None) -> System:
    """The system in the file `source`, or the gallery problem it names, with its right-hand side."""
    given = None
    if not os.path.exists(source) and (found := re.fullmatch(r"(\w+):(.*)", source)):
        A = _from_gallery(*found.groups())
    else:
        A, given = _read_matrix(source)
    if rhs is not None:
        b, text = _read_vector(rhs), os.path.basename(rhs)
    elif given is not None:
        b, text = given, f"b of {os.path.basename(source)}"
    else:
        b, text = _default_rhs(A)
    return System(os.path.basename(source), A, _checked_rhs(b, text, A), text)


def _from_gallery(name: str, size: str) -> Any:
    from pysolve import gallery

    makers: dict[str, Callable[..., Any]] = {"poisson": gallery.poisson, **gallery.scenes}
    if name not in makers:
        known = ", ".join(sorted(makers))
        raise InputError(f"no file '{name}:{size}' and no gallery problem '{name}': there are {known}")
    if not re.fullmatch(r"[1-9]\d*(x[1-9]\d*){1,2}", size):
        raise InputError(f"the size of '{name}:{size}' must be like 64x64 or 64x64x64")
    shape = tuple(int(s) for s in size.split("x"))
    try:
        return makers[name](shape) if name == "poisson" else makers[name](shape, rng=0)
    except (ValueError, TypeError, OverflowError) as error:
        raise InputError(f"cannot make '{name}:{size}': {first_line(error)}") from error


def _read_matrix(path: str) -> tuple[Any, np.ndarray | None]:
    """(A, b or None): A a csr_array or an ndarray, real floating point, square and finite."""
    must_be_file(path)
    with reading(path):
        if path.lower().endswith(MATRIX_MARKET):
            A, b = read_matrix_market(path), None
        elif path.lower().endswith(".npz"):
            A, b = _read_npz(path)
        else:
            raise InputError(f"unknown kind of file '{path}': a system is .mtx, .mtx.gz, .mtx.bz2 or .npz")
        return _checked_matrix(A, path), b


def _read_npz(path: str) -> tuple[Any, np.ndarray | None]:
    with open_npz(path) as arrays:
        names = set(arrays.files)
        b = arrays["b"] if "b" in names else None
        if "A" in names:
            return arrays["A"], b
        if "format" in names:
            return sp.load_npz(path), b
        if names >= SPARSE_PARTS:
            parts = (arrays["data"], arrays["indices"], arrays["indptr"])
            return sp.csr_array(parts, shape=tuple(int(n) for n in arrays["shape"])), b
    wanted = "A, or data, indices, indptr and shape, or a file of scipy.sparse.save_npz"
    raise InputError(f"'{path}' holds {_listed(names)}: expected {wanted}")


def _read_vector(path: str) -> np.ndarray:
    """The right-hand side in `path`, as stored."""
    must_be_file(path)
    with reading(path):
        if path.lower().endswith(MATRIX_MARKET):
            b = read_matrix_market(path)
            return b.toarray() if sp.issparse(b) else b
        if path.lower().endswith(".npy"):
            return np.load(path, allow_pickle=False)
        if path.lower().endswith(".npz"):
            with open_npz(path) as arrays:
                names = arrays.files
                if "b" not in names and len(names) != 1:
                    raise InputError(f"'{path}' holds {_listed(names)}: expected one array, or one called b")
                return arrays["b" if "b" in names else names[0]]
    raise InputError(
        f"unknown kind of file '{path}': a right-hand side is .mtx, .mtx.gz, .mtx.bz2, .npy or .npz"
    )


def open_npz(path: str) -> Any:
    if not zipfile.is_zipfile(path):
        raise InputError(f"cannot read '{path}': it is damaged or not a .npz file")
    return np.load(path, allow_pickle=False)


@contextlib.contextmanager
def reading(path: str) -> Iterator[None]:
    try:
        yield
    except InputError:
        raise
    except MemoryError as error:
        raise InputError(f"'{path}' does not fit in memory") from error
    except Exception as error:  # on damaged files the readers of numpy and scipy raise a dozen types
        raise InputError(f"cannot read '{path}': {first_line(error)}") from error


def must_be_file(path: str) -> None:
    if os.path.isdir(path):
        raise InputError(f"'{path}' is a folder, not a file")
    if not os.path.exists(path):
        raise InputError(f"no such file: '{path}'")


def _checked_matrix(A: Any, path: str) -> Any:
    """`A` ready for the solvers, or an `InputError` that says what is wrong with it."""
    if A.ndim != 2 or A.shape[0] != A.shape[1]:
        raise InputError(f"the matrix in '{path}' must be square, its shape is {_shape_text(A.shape)}")
    if A.shape[0] == 0:
        raise InputError(f"the matrix in '{path}' is empty")
    # An empty row makes A singular; asked before a header with an absurd size gets its row pointers.
    if sp.issparse(A) and A.nnz < A.shape[0]:
        raise InputError(
            f"the matrix in '{path}' is singular: {A.shape[0]} rows, but only {A.nnz} entries are stored"
        )
    dtype = _real_dtype(A.dtype, f"the matrix in '{path}'")
    if sp.issparse(A):
        if hasattr(A, "check_format"):
            A.check_format(full_check=True)
        A = sp.csr_array(A).astype(dtype, copy=False)
        A.sum_duplicates()
    else:
        A = np.ascontiguousarray(A, dtype=dtype)
    if not np.isfinite(A.data if sp.issparse(A) else A).all():
        raise InputError(f"the matrix in '{path}' has entries that are not finite (NaN or infinity)")
    return A


def _checked_rhs(b: np.ndarray, text: str, A: Any) -> np.ndarray:
    b, n = np.asarray(b), A.shape[0]
    if b.ndim == 2 and 1 in b.shape:
        b = b.reshape(-1)
    if b.ndim not in (1, 2) or b.shape[0] != n or b.size == 0:
        raise InputError(
            f"the right-hand side ({text}) has shape {_shape_text(b.shape)}, the matrix has {n} rows"
        )
    b = np.ascontiguousarray(b, dtype=_real_dtype(b.dtype, f"the right-hand side ({text})"))
    if not np.isfinite(b).all():
        raise InputError(f"the right-hand side ({text}) has entries that are not finite (NaN or infinity)")
    return b


def _default_rhs(A: Any) -> tuple[np.ndarray, str]:
    """A times ones; where ones is in the null space (walls all round), A times fixed random numbers."""
    ones = np.ones(A.shape[1], dtype=A.dtype)
    b = A @ ones
    if np.linalg.norm(b) > 100 * np.finfo(A.dtype).eps * np.linalg.norm(A.diagonal()):
        return b, "none given, so A @ ones"
    x = np.random.default_rng(0).standard_normal(A.shape[1]).astype(A.dtype)
    return A @ x, "none given and A @ ones is 0, so A @ (random x, seed 0)"


def _real_dtype(dtype: np.dtype, what: str) -> np.dtype:
    """float32 stays, every other real type is solved in float64."""
    if dtype.kind == "c":
        raise InputError(f"{what} is complex, only real systems are solved")
    if dtype.kind not in "buif":
        raise InputError(f"{what} must hold numbers, its dtype is {dtype}")
    return np.dtype(np.float32 if dtype == np.float32 else np.float64)


def _shape_text(shape: tuple[int, ...]) -> str:
    return " x ".join(map(str, shape)) or "() (a single number)"


def _listed(names: Iterable[str]) -> str:
    return ", ".join(sorted(names)) or "no arrays"


def first_line(error: Exception) -> str:
    """The first line of an exception's text: one sentence is what a user gets."""
    return (str(error).strip() or type(error).__name__).splitlines()[0]
