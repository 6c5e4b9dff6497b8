"""SSOR: the symmetric sweep as a preconditioner for anyone's conjugate gradients."""

from __future__ import annotations

from typing import Any

from pysolve import _arrays
from pysolve._backend import as_array, contiguous, empty, kernels, namespace, same_device
from pysolve._sor_matrix import SplitMatrix, check_omega, check_symmetric, with_entries
from pysolve._stencil import StencilOperator
from pysolve._system import check_square


class SSOR:
    r"""The symmetric successive over-relaxation preconditioner, as an operator that applies its inverse.

    .. math::
        M^{-1} = \frac{2 - \omega}{\omega} \left(\frac{D}{\omega} + U\right)^{-1} D
        \left(\frac{D}{\omega} + L\right)^{-1}, \qquad A = L + D + U

    One forward and one backward sweep from zero, in the natural order of the rows. Symmetric positive definite
    where A is, for every omega in (0, 2): the `M` of SciPy's, pyamg's or `pysolve.cg`. With `pysolve` itself
    `ssor_cg` does the same in about half the time.

    Parameters
    ----------
    A : sparse array or matrix, ndarray or StencilOperator of shape (n, n)
        Symmetric (Hermitian) with a positive diagonal. A sparse matrix is copied, a stencil operator is not. One on
        the GPU (CuPy's) makes a preconditioner of CuPy vectors.
    omega : float, default 1.0
        The relaxation parameter, in (0, 2); 1 is symmetric Gauss-Seidel.

    Attributes
    ----------
    shape : tuple of int
    dtype : dtype
    omega : float

    Raises
    ------
    ValueError
        If `A` is not square or not symmetric, has a diagonal entry that is missing or not positive (named by its
        row) or an entry stored twice, or if `omega` is out of range.
    TypeError
        If the entries of `A` cannot be had.

    References
    ----------
    .. [1] Y. Saad, *Iterative Methods for Sparse Linear Systems*, 2nd ed., SIAM, 2003, section 10.2.

    Examples
    --------
    >>> import numpy as np, scipy.sparse.linalg as sla, pysolve
    >>> A, b = pysolve.gallery.poisson((50, 50), format="csr"), np.ones(2500)
    >>> x, info = sla.cg(A, b, M=pysolve.SSOR(A, omega=1.8), rtol=1e-8)
    >>> info, bool(np.linalg.norm(b - A @ x) <= 1e-7 * np.linalg.norm(b))
    (0, True)
    """

    __array_ufunc__ = None

    def __init__(self, A: Any, omega: float = 1.0) -> None:
        check_square(A)
        self.omega = check_omega(omega)
        A = with_entries(as_array(A) if hasattr(A, "__cuda_array_interface__") else A)
        self.shape, self.dtype = A.shape, _arrays.value_type(A.dtype)
        self._A: Any = A
        if not isinstance(A, StencilOperator):
            self._A = SplitMatrix(A, self.dtype, "natural")
            self._A.own_arrays()  # a pickle made later holds what the split was made of
            check_symmetric(self._A.split, A.dtype, self.dtype)

    @property
    def _place(self) -> str | None:
        """Where the matrix is; None for a stencil operator without arrays, which serves both places."""
        return self._A._place if getattr(self._A, "_keeps_arrays", True) else None

    def matvec(self, r: Any) -> Any:
        """Product with a vector, or with the columns of an array: :math:`M^{-1} r`.

        Parameters
        ----------
        r : array_like of shape (n,) or (n, k)
            Real or complex.

        Returns
        -------
        ndarray of the shape of `r`
            Of the wider of the two types.

        Raises
        ------
        ValueError
            If `r` has not n rows.
        """
        r = as_array(r)
        if self._place is not None:
            same_device(M=self, r=r)
        if r.shape[:1] != self.shape[:1] or r.ndim > 2:
            raise ValueError(f"r must have {self.shape[0]} rows, but its shape is {r.shape}")
        dtype = _arrays.value_type(r.dtype, self.dtype)
        xp = namespace(r)
        z = xp.empty(r.shape, dtype, order="F")
        for column, result in zip(xp.atleast_2d(r.T), xp.atleast_2d(z.T), strict=True):
            result[:] = self._apply(column)
        return z

    rmatvec = matmat = __matmul__ = matvec

    def _apply(self, r: Any) -> Any:
        """One column, in the type of the matrix; both parts of a complex one where the matrix is real."""
        if r.dtype.kind == "c" and self.dtype.kind != "c":
            parts: Any = self._apply(r.real) + 1j * self._apply(r.imag)
            return parts
        z = empty(r.size, self.dtype, r)
        self._apply_into(contiguous(r, self.dtype), z)
        return z

    def _apply_into(self, r: Any, z: Any) -> None:
        if isinstance(self._A, StencilOperator):
            kernels(r).sor_precondition_stencil(self._A._at(r)._kernel_args[0], self.omega, r, z)
        else:
            kernels(r).sor_precondition_csr(self._A.split, self.omega, r, z)

    def __getstate__(self) -> dict[str, Any]:
        state = self.__dict__.copy()
        if isinstance(self._A, SplitMatrix):
            state["_A"] = self._A.tocsr()
        return state

    def __setstate__(self, state: dict[str, Any]) -> None:
        A = state["_A"]
        self.__dict__.update(state)
        if not isinstance(A, StencilOperator):
            self._A = SplitMatrix(A, self.dtype, "natural")

    def __repr__(self) -> str:
        return f"SSOR(n={self.shape[0]}, omega={self.omega:g}, dtype={self.dtype})"
