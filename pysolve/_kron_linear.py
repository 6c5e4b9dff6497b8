"""What KronOperator, KronSum, KronTerms and Toeplitz have in common: products, sums and the types of numbers."""

from __future__ import annotations

import numbers
from typing import Any

import numpy as np

from pysolve import _arrays
from pysolve._backend import as_array, contiguous, device_of, empty, namespace, on_device, same_device
from pysolve._kron_workspace import Workspace
from pysolve._placed import Placed


class LinearMap(Placed):
    """A matrix that is known by its products; a subclass gives ``_apply``, ``_changed`` and ``_move``."""

    __array_ufunc__ = None  # ``ndarray @ A`` comes to __rmatmul__ instead of making an array of objects
    shape: tuple[int, int]
    dtype: np.dtype

    def __init__(self, shape: tuple[int, int], dtype: Any, place: str = "cpu") -> None:
        self.shape, self.dtype, self._place = shape, np.dtype(dtype), place
        self._workspace = Workspace()
        self._kept: dict[str, Any] = {}  # made on first use, and not pickled

    def _apply(self, x: np.ndarray, y: np.ndarray) -> None:
        """y = A x for contiguous (n, columns) and (m, columns) of one type, as precise as that of A."""
        raise NotImplementedError

    def _changed(self, how: str) -> Any:
        """The transpose ("T"), the conjugate ("conj"), or the same in double precision ("double")."""
        raise NotImplementedError

    def _once(self, how: str) -> Any:
        if how not in self._kept:
            self._kept[how] = self._changed(how)
        return self._kept[how]

    @property
    def T(self) -> Any:
        """The transpose, not conjugated."""
        return self._once("T")

    @property
    def H(self) -> Any:
        """The adjoint: the conjugate transpose."""
        return self.T if self.dtype.kind == "f" else self._once("conj").T

    def matvec(self, x: Any, out: np.ndarray | None = None) -> np.ndarray:
        """Product with one vector.

        Parameters
        ----------
        x : array_like of shape (n,) or (n, 1)
            Real or complex.
        out : ndarray of shape (m,) or (m, 1), optional
            Where the product is written: contiguous in C order, of the type of the result, and apart from `x`.
            With it nothing is allocated once the first product has made the workspace of its thread, if `x` is
            contiguous and of that type too.

        Returns
        -------
        ndarray of shape (m,) or (m, 1)
            ``A x`` in the wider of the two types; `out` where it is given.

        Raises
        ------
        ValueError, TypeError
            If `x` or `out` has another shape, `x` holds no numbers, or `out` is of another kind than said.
        """
        x, n = self._numbers(x, "x"), self.shape[1]
        if x.shape not in ((n,), (n, 1)):
            raise ValueError(f"x must have shape ({n},) or ({n}, 1), got {x.shape}")
        return self._product(x, out)

    def matmat(self, X: Any, out: np.ndarray | None = None) -> np.ndarray:
        """Product with the columns of an array (n, k), or the vector (n,); as `matvec`."""
        X, n = self._numbers(X, "X"), self.shape[1]
        if X.ndim not in (1, 2) or X.shape[0] != n:
            raise ValueError(f"X must have shape ({n},) or ({n}, k), got {X.shape}")
        return self._product(X, out)

    def rmatvec(self, x: Any, out: np.ndarray | None = None) -> np.ndarray:
        """Product of the adjoint with one vector of shape (m,) or (m, 1); as `matvec`."""
        return self.H.matvec(x, out)

    def rmatmat(self, X: Any, out: np.ndarray | None = None) -> np.ndarray:
        """Product of the adjoint with the columns of an array (m, k); as `matmat`."""
        return self.H.matmat(X, out)

    def _numbers(self, x: Any, name: str) -> Any:
        """`x` as an array of numbers; TypeError where it is elsewhere than the operator."""
        same_device(A=self, **{name: x})
        return _arrays.as_numbers(x, name, device=True)

    def _product(self, x: np.ndarray, out: np.ndarray | None) -> np.ndarray:
        dtype = _arrays.value_type(self.dtype, x.dtype)
        if in_double(dtype) and not in_double(self.dtype):
            return self._once("double")._product(x, out)
        shape = (self.shape[0], *x.shape[1:])
        with device_of(x):
            y = empty(shape, dtype, x) if out is None else checked_out(out, shape, dtype, x)
            x = contiguous(x, dtype)
            if out is not None and namespace(x).may_share_memory(x, y):
                raise ValueError("out must not overlap x, which is still read when it is written")
            columns = 1 if x.ndim == 1 else x.shape[1]
            self._apply(x.reshape(self.shape[1], columns), y.reshape(self.shape[0], columns))
        return y if out is None else out

    def __matmul__(self, other: Any) -> Any:
        if isinstance(other, LinearMap):
            return self._times_map(other)
        return self.matmat(other)

    def __rmatmul__(self, x: Any) -> np.ndarray:
        x = self._numbers(x, "x")
        return self.T.matmat(x) if x.ndim == 1 else self.T.matmat(x.T).T

    def _times_map(self, other: LinearMap) -> Any:
        raise TypeError(f"{type(self).__name__} @ {type(other).__name__} has no Kronecker structure")

    def _scaled(self, c: Any) -> Any:
        raise NotImplementedError

    def __mul__(self, c: Any) -> Any:
        return self._scaled(c) if is_number(c) else NotImplemented

    __rmul__ = __mul__

    def __truediv__(self, c: Any) -> Any:
        return self._scaled(1 / c) if is_number(c) else NotImplemented

    def __neg__(self) -> Any:
        return self._scaled(-1)

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_kept": {}}

    def __repr__(self) -> str:
        return f"{type(self).__name__}(shape={self.shape}, dtype={self.dtype})"


def is_number(c: Any) -> bool:
    """Whether `c` is a real or complex number, also as a NumPy scalar or an array without axes."""
    return isinstance(c, numbers.Number | np.number) or (isinstance(c, np.ndarray) and c.ndim == 0)


def finite_number(c: Any, name: str, real: bool = False) -> float | complex:
    """`c` as a float or complex; TypeError or ValueError if it is no finite number."""
    if on_device(c) or not is_number(c) or np.asarray(c).dtype.kind not in "biufc":
        raise TypeError(f"{name} must be a number, not {type(c).__name__}")
    c = complex(c)
    if not np.isfinite(c) or (real and c.imag):
        raise ValueError(
            f"{name} must be a finite {'real ' if real else ''}number, got {c if c.imag else c.real}"
        )
    return c if c.imag else c.real


def in_double(dtype: np.dtype) -> bool:
    """Whether float64 or complex128."""
    return np.finfo(dtype).bits == 64


def double_of(dtype: np.dtype) -> np.dtype:
    """The type in double precision, real or complex as `dtype` is."""
    return np.dtype("f8") if dtype.kind == "f" else np.dtype("c16")


def checked_out(out: Any, shape: tuple[int, ...], dtype: np.dtype, x: Any) -> Any:
    """`out`, if a result of this shape and type can be written into it, where `x` is."""
    if on_device(x) or on_device(out):
        same_device(x=x, out=out)
        out = as_array(out)
    elif not isinstance(out, np.ndarray):
        raise TypeError(f"out must be a NumPy array, not {type(out).__name__}")
    if out.shape != shape:
        raise ValueError(f"out must have shape {shape}, got {out.shape}")
    if out.dtype != dtype:
        raise TypeError(f"out must have dtype {dtype}, the type of the product, got {out.dtype}")
    on_host = not on_device(out)  # CuPy's arrays are aligned and can be written
    if not out.flags.c_contiguous or (on_host and not (out.flags.writeable and out.flags.aligned)):
        raise ValueError("out must be contiguous in C order, aligned and writeable")
    return out
