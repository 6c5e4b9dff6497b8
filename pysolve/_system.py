"""Arguments of a solver -> one system: every check and its message."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import numpy as np

from pysolve import _arrays
from pysolve._backend import as_array, contiguous, device_of, empty, on_device, same_device, zeros
from pysolve._csr import CsrMatrix, is_sparse, safe_to_multiply, symmetry_tolerance
from pysolve._jacobi import inverse_diagonal
from pysolve._sell import PackedMatrix
from pysolve._stencil import StencilOperator

# Right-hand sides beyond these are scaled: products of theirs may leave the numbers.
SMALLEST, LARGEST = 1e-10, 1e10


class FunctionOperator:
    """Anything with ``.matvec`` or ``@`` in the form that the methods call."""

    _kind = None

    def __init__(self, A: Any, dtype: np.dtype, norm: float | None = None) -> None:
        self.A, self.shape, self.dtype, self.norm = A, A.shape, dtype, norm
        self.product: Callable[[Any], Any] = A.matvec if hasattr(A, "matvec") else A.__matmul__

    def _matvec(self, x: Any, y: Any) -> None:
        y[:] = checked_product(noted(self.product, x, "A"), self.shape[0], self.dtype, "A")

    def _matvec_dot(self, x: Any, y: Any) -> Any:
        self._matvec(x, y)
        return _dot(x, y)

    def _residual(self, b: Any, x: Any, r: Any) -> float:
        self._matvec(x, r)
        r[:] = b - r
        return float(_dot(r, r).real)


class ComplexStencil(FunctionOperator):
    """A real stencil operator on complex vectors: both parts have its decoupled cells and its null space."""

    def __init__(self, A: StencilOperator, dtype: np.dtype) -> None:
        super().__init__(A, dtype)
        self.norm, self._decoupled, self.n_components = A.norm, A._decoupled, A.n_components

    def project_out_null_space(self, d: Any) -> Any:
        for part in (d.real, d.imag):
            self.A.project_out_null_space(part)
        return d


def _dot(x: Any, y: Any) -> Any:
    """x^H y, summed in double precision."""
    if x.dtype.itemsize * (1 if x.dtype.kind == "c" else 2) >= 16:
        return (x.conj() * y).sum() if on_device(x) else np.vdot(x, y)
    return (x.conj() * y).sum(dtype=np.complex128 if x.dtype.kind == "c" else np.float64)


def noted(product: Callable[[Any], Any], x: Any, name: str) -> Any:
    """``product(x)``, where x is; an exception gets a note that says whose it is, and passes."""
    try:
        y = product(x)
    except Exception as error:
        error.add_note(f"raised by {name}, applied to a vector of shape {x.shape}")
        raise
    if on_device(y) != on_device(x):
        place = "on the device" if on_device(x) else "on the host"
        raise TypeError(
            f"{name} was applied to a vector {place}, but returned {type(y).__name__}, which is not"
        )
    return y


def checked_product(y: Any, n: int, dtype: np.dtype, name: str) -> Any:
    """The result of an operator from outside, as a vector of n values of `dtype`."""
    y = as_array(y)
    if y.shape not in ((n,), (n, 1), (1, n)) or (y.ndim == 2 and y.shape[0] == 1 and n != 1):
        raise ValueError(f"{name} must map a vector of shape ({n},) to one, but it returned shape {y.shape}")
    if y.dtype.kind not in "biufc":
        raise TypeError(f"{name} must return numbers, but it returned dtype {y.dtype}")
    if y.dtype.kind == "c" and dtype.kind != "c":
        raise TypeError(f"{name} returned complex values for a real vector, but gave its dtype as real")
    return y.reshape(n)


@dataclasses.dataclass
class System:
    """A x = b, checked: columns of b, a start, and A and M in the form that the methods call."""

    A: Any  # with _matvec, _matvec_dot, _residual, norm
    M: Callable[[Any], Any] | None  # r -> M r, or None
    inverse_diagonal: np.ndarray | None  # where M is a positive diagonal matrix
    b: list[np.ndarray]  # contiguous columns, times `scale`
    x: np.ndarray  # (n, k) in Fortran order: the start, then the solution, times `scale`
    shape: tuple[int, ...]  # of b as it was given
    scale: float  # a power of two
    start: Callable[[], np.ndarray]  # makes x anew
    M_writes: bool = True  # M may write to its argument
    M_into: Callable[[Any, Any], None] | None = None  # (r, z): z = M r, where M is of ours
    M_captured: Callable[[Any, Any, float], Callable[[], None]] | None = (
        None  # the same, launched without a wait
    )
    packed: Any = None  # once a method has asked for it: A packed, or A itself where that is better

    @property
    def dtype(self) -> np.dtype:
        return self.x.dtype

    @property
    def n(self) -> int:
        return int(self.x.shape[0])


def make_system(A: Any, b: Any, x0: Any = None, M: Any = None, *, columns: bool = False) -> System:
    """Check the arguments of a solver; `columns` allows b of shape (n, k)."""
    check_square(A)
    if isinstance(A, np.ndarray) or is_sparse(A):
        same_device(A=A, b=b)  # before anything asks for CuPy
    b = check_vector(b, A.shape[0], "b", columns)
    with device_of(b):
        return _made_system(A, b, x0, M)


def _made_system(A: Any, b: Any, x0: Any, M: Any) -> System:
    n = A.shape[0]
    A = placed(A, "A", b)
    x0 = x0 if x0 is None or isinstance(x0, str) else as_start(x0, b)
    M = None if M is None else placed(M, "M", b)
    dtype = _arrays.value_type(
        _dtype_of(A, n, b), b.dtype, *([] if x0 is None or isinstance(x0, str) else [_kind(x0)])
    )
    operator = as_operator(A, dtype)
    diagonal = None if M is None else inverse_diagonal(M, n)
    function = None if M is None else _as_function(M, n, dtype)
    if diagonal is not None:
        diagonal = contiguous(diagonal, np.empty(0, dtype).real.dtype)
    scale = _scale(b)
    values = b.astype(dtype, copy=False)
    values = values if scale == 1.0 else values * dtype.type(scale)
    values = values.reshape(n, 1 if b.ndim == 1 else b.shape[1])
    values = [contiguous(column) for column in values.T]

    def start() -> np.ndarray:
        return _start(x0, b, function, dtype, scale)

    ours = "_apply_into" in vars(type(M))  # not inherited: a subclass may do as it likes
    return System(
        *(operator, function, diagonal, values, start(), b.shape, scale, start, not ours),
        M_into=M._apply_into if ours else None,
        M_captured=getattr(M, "_captured", None) if ours else None,
    )


def placed(operator: Any, name: str, b: Any) -> Any:
    """An operator where b is. One that keeps no arrays serves both places; what is not ours is taken at its word."""
    if hasattr(operator, "_at") and not getattr(operator, "_keeps_arrays", True):
        operator = operator._at(b)
    if hasattr(operator, "__cuda_array_interface__"):  # CuPy's, torch's or numba's
        operator = as_array(operator)
    known = getattr(operator, "_place", None) is not None or isinstance(operator, np.ndarray)
    if known or is_sparse(operator) or on_device(operator):
        same_device(**{name: operator, "b": b})
    return operator


def check_square(A: Any) -> None:
    """TypeError if A is not an operator, ValueError if it is not square."""
    if isinstance(A, list | tuple):
        raise TypeError(f"A must be an array, a sparse matrix or an operator, not a {type(A).__name__}")
    if not hasattr(A, "shape") or not (hasattr(A, "matvec") or hasattr(A, "__matmul__")):
        raise TypeError(
            f"A must be an array, a sparse matrix, or have .shape and .matvec, not {type(A).__name__}"
        )
    if len(A.shape) != 2 or A.shape[0] != A.shape[1]:
        raise ValueError(f"A must be square, but its shape is {tuple(A.shape)}")


def check_vector(b: Any, n: int, name: str, columns: bool) -> Any:
    """b as finite numbers of shape (n,), (n, 1), or (n, k) where columns are allowed."""
    b = _arrays.as_numbers(b, name, device=True)
    fits = b.ndim in (1, 2) and b.shape[0] == n and (b.ndim == 1 or columns or b.shape[1] == 1)
    if not fits:
        expected = f"({n},) or ({n}, k)" if columns else f"({n},) or ({n}, 1)"
        raise ValueError(f"{name} must have shape {expected} to fit A, but its shape is {b.shape}")
    _arrays.check_finite(b, name)
    return b


def _kind(x: Any) -> np.dtype:
    """The type that a start adds to that of A and b: complex if it is, else nothing."""
    return np.dtype(np.complex64 if np.iscomplexobj(_arrays.as_numbers(x, "x0", True)) else np.float32)


def _dtype_of(A: Any, n: int, b: Any) -> np.dtype:
    dtype = getattr(A, "dtype", None)
    if dtype is None:
        product = A.matvec if hasattr(A, "matvec") else A.__matmul__
        dtype = as_array(product(zeros(n, np.float64, b))).dtype
    dtype = np.dtype(dtype)
    if dtype.kind not in "biufc":
        raise TypeError(f"A must hold numbers, not dtype {dtype}")
    return _arrays.value_type(dtype)


def as_operator(A: Any, dtype: np.dtype) -> Any:
    """A in the form that the methods call, checked as far as that is cheap."""
    if is_sparse(A):
        matrix = CsrMatrix(A, dtype)
        _check_symmetry(matrix.asymmetry, A.dtype, dtype)
        return matrix
    if isinstance(A, PackedMatrix):
        _check_symmetry(A.asymmetry, A.dtype, dtype)
    if getattr(A, "_kind", None) is not None:
        real_stencil = isinstance(A, StencilOperator) and dtype.kind == "c"
        return ComplexStencil(A, dtype) if real_stencil else A.astype(dtype)
    if isinstance(A, np.ndarray) or hasattr(A, "__cuda_array_interface__"):
        A = _checked_dense(A, dtype)
        return FunctionOperator(A, dtype, norm=_arrays.largest_magnitude(np.abs(A).sum(axis=1)))
    return FunctionOperator(A, dtype)


def _checked_dense(A: np.ndarray, dtype: np.dtype) -> np.ndarray:
    A = _arrays.as_numbers(A, "A", device=True)
    _arrays.check_finite(A, "A")
    given, A = A.dtype, A.astype(dtype, copy=False)
    scale = _arrays.largest_magnitude(A)
    if scale > 0:
        _check_symmetry(float(np.abs(A - A.conj().T).max()) / scale, given, dtype)
    return A


def _check_symmetry(asymmetry: float, given: np.dtype, dtype: np.dtype) -> None:
    """ValueError for asymmetry beyond rounding, in the type that A was given in or the one computed in."""
    if asymmetry > symmetry_tolerance(given, dtype):
        kind = "Hermitian" if dtype.kind == "c" else "symmetric"
        raise ValueError(
            f"A must be {kind} (and positive definite), but it is not: relative asymmetry {asymmetry:.1e}"
        )


def _as_function(M: Any, n: int, dtype: np.dtype) -> Callable[[Any], Any]:
    """M as a function of r; TypeError or ValueError for what cannot be one."""
    if not hasattr(M, "shape") or not (hasattr(M, "matvec") or hasattr(M, "__matmul__")):
        raise TypeError(
            f"M must be a matrix or an operator with .shape and .matvec (the inverse: d = M @ r), "
            f"not {type(M).__name__}"
        )
    if tuple(M.shape) != (n, n):
        raise ValueError(f"M must have the shape of A, ({n}, {n}), but its shape is {tuple(M.shape)}")
    M = safe_to_multiply(M, "M") if is_sparse(M) else M
    if dtype.kind != "c" and getattr(M, "dtype", None) is not None and np.dtype(M.dtype).kind == "c":
        raise TypeError(f"M is complex ({M.dtype}), but A and b are real: solve with b.astype(complex)")
    product = M.matvec if hasattr(M, "matvec") else M.__matmul__
    return lambda r: checked_product(noted(product, r, "M"), n, dtype, "M")


def _scale(b: np.ndarray) -> float:
    """The power of two that brings b into the range where squares of its values are doubles."""
    largest = _arrays.largest_magnitude(b)
    if largest == 0.0 or SMALLEST < largest < LARGEST:
        return 1.0
    return float(2.0 ** np.clip(-np.floor(np.log2(largest)), -1000, 1000))


def as_start(x0: Any, b: Any) -> Any:
    """x0 as an array that is where b is."""
    same_device(b=b, x0=x0)
    return _arrays.as_numbers(x0, "x0", device=True)


def _start(
    x0: Any, b: np.ndarray, M: Callable[[Any], Any] | None, dtype: np.dtype, scale: float
) -> np.ndarray:
    """The start times the scale, in an array of our own, with one contiguous column for each of b."""
    n, k = b.shape[0], 1 if b.ndim == 1 else b.shape[1]
    x = empty((k, n), dtype, b).T
    if x0 is None:
        x.fill(0)
    elif isinstance(x0, str):
        if x0 != "Mb":
            raise ValueError(f"x0 must be an array, None or 'Mb', not {x0!r}")
        for j, column in enumerate(b.reshape(n, k).T):
            column = contiguous(column, dtype)
            x[:, j] = column if M is None else M(column)
    else:
        x0 = _arrays.as_numbers(x0, "x0", device=True)
        if x0.shape != b.shape and x0.shape not in ((n,), (n, 1)) and x0.shape != (n, k):
            raise ValueError(f"x0 must have the shape of b, {b.shape}, but its shape is {x0.shape}")
        _arrays.check_finite(x0, "x0")
        x[:] = x0.reshape(n, 1 if x0.size == n else k)
    if scale != 1.0:
        x *= dtype.type(scale)
    return x
