"""Jacobi: the inverse of the diagonal, the simplest preconditioner."""

from __future__ import annotations

import weakref
from typing import Any

import numpy as np

from pysolve import _arrays
from pysolve._backend import as_array, contiguous, on_device, same_device
from pysolve._csr import is_sparse, safe_to_multiply
from pysolve._placed import Placed


class Jacobi(Placed):
    r"""The Jacobi preconditioner, :math:`M = D^{-1}` with the diagonal :math:`D` of A.

    `cg` runs compiled with it, as it does without a preconditioner. It is an operator like any other: SciPy's
    and pyamg's solvers take it as their `M`.

    Parameters
    ----------
    A : sparse array or matrix, ndarray, StencilOperator, PackedMatrix, or anything with ``.diagonal()``
        Square, of shape (n, n), with a positive real diagonal.

    Attributes
    ----------
    shape : tuple of int
    dtype : dtype
    diagonal : ndarray of shape (n,)
        The diagonal of `A`.

    Raises
    ------
    ValueError
        If a diagonal entry is zero, negative, complex or not finite, naming the first such row, or if `A` is
        not square.
    TypeError
        If `A` has no diagonal.

    References
    ----------
    .. [1] Y. Saad, *Iterative Methods for Sparse Linear Systems*, 2nd ed., SIAM, 2003, section 10.2.

    Examples
    --------
    >>> import numpy as np, pysolve
    >>> A = np.array([[4.0, 1.0], [1.0, 2.0]])
    >>> pysolve.Jacobi(A) @ np.array([4.0, 4.0])
    array([1., 2.])
    """

    __array_ufunc__ = None

    def __init__(self, A: Any) -> None:
        self.diagonal = _arrays.diagonal_entries(_diagonal(A), "A")
        self._place = "cuda" if on_device(self.diagonal) else "cpu"
        self.dtype = self.diagonal.dtype
        self.shape = (self.diagonal.size,) * 2
        self.inverse = 1 / self.diagonal
        try:
            self._source: weakref.ref | None = weakref.ref(A)
        except TypeError:  # an object with __slots__ and no room for it
            self._source = None

    def _move(self, copied: Any) -> None:
        self.diagonal, self.inverse, self._source = copied(self.diagonal), copied(self.inverse), None

    def made_from(self, A: Any) -> bool:
        """Whether `A` is the very matrix or operator that this was made from."""
        return self._source is not None and self._source() is A

    def __getstate__(self) -> dict[str, Any]:
        return self.__dict__ | {"_source": None}

    def matvec(self, r: Any) -> np.ndarray:
        """Product with a vector, or with the columns of an array: ``r / diagonal``.

        Parameters
        ----------
        r : array_like of shape (n,) or (n, k)
            Real or complex.

        Returns
        -------
        ndarray of the shape of `r`
            ``r / diagonal``, of the wider of the two types.

        Raises
        ------
        ValueError
            If `r` has not n rows.
        """
        r = as_array(r)
        same_device(M=self, r=r)
        if r.shape[:1] != self.shape[:1]:
            raise ValueError(f"r must have {self.shape[0]} rows, but its shape is {r.shape}")
        return (self.inverse * r.T).T

    rmatvec = matmat = __matmul__ = matvec

    def __repr__(self) -> str:
        return f"Jacobi(n={self.shape[0]}, dtype={self.dtype})"


def _diagonal(A: Any) -> np.ndarray:
    if getattr(A, "ndim", 2) != 2 or not hasattr(A, "shape") or A.shape[0] != A.shape[1]:
        raise ValueError(f"A must be a square matrix, but its shape is {getattr(A, 'shape', None)}")
    if is_sparse(A):
        A = safe_to_multiply(A, "A")
    if not hasattr(A, "diagonal"):
        raise TypeError(
            f"A must have a diagonal: a matrix or an operator with .diagonal(), not {type(A).__name__}"
        )
    d = as_array(A.diagonal()).ravel()
    return d.astype(_arrays.value_type(d.dtype), copy=False)


def inverse_diagonal(M: Any, n: int) -> np.ndarray | None:
    """The diagonal of `M` where `M` is known to be a positive diagonal matrix of size n, else None."""
    if isinstance(M, Jacobi):
        return M.inverse
    if not is_sparse(M) or M.shape != (n, n) or M.nnz > n:
        return None
    M = safe_to_multiply(M, "M")
    d = as_array(M.diagonal())
    if (
        M.nnz != n
        or int(np.count_nonzero(d)) != n
        or not ((d.real > 0) & (d.imag == 0) & np.isfinite(d.real)).all()
    ):
        return None
    return contiguous(d.real)
