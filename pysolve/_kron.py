"""KronOperator: the Kronecker product of d matrices, which is never formed."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from pysolve import _arrays, _kron_algebra, _kron_solve
from pysolve._backend import contiguous, device_of, namespace, on_host, same_device
from pysolve._kron_arguments import as_factors, doubled
from pysolve._kron_factors import Factor
from pysolve._kron_linear import finite_number
from pysolve._kron_products import Chain
from pysolve._kron_structured import StructuredMap, outer


class KronOperator(StructuredMap):
    r"""The Kronecker product of matrices, as a linear operator.

    .. math:: A = A_1 \otimes A_2 \otimes \dots \otimes A_d, \qquad
              \operatorname{vec}(Y) = A \operatorname{vec}(X) \iff Y = X \times_1 A_1 \times_2 \dots \times_d A_d

    acting on arrays of shape (n_1, ..., n_d) flattened in C order, as `numpy.kron` orders rows and columns. The
    matrix is never formed: a product costs about ``2 N (m_1 + ... + m_d)`` flops for ``N = n_1 ... n_d``, and the
    memory of two arrays of the size of the vectors.

    Parameters
    ----------
    *factors : array_like, sparse array or matrix, Toeplitz or KronOperator
        d matrices of shapes (m_j, n_j), square or rectangular, finite; at least one. They are copied. The factors
        of a KronOperator stand in its place. CuPy arrays make an operator on the GPU.

    Attributes
    ----------
    shape : tuple of int
        ``(m_1 ... m_d, n_1 ... n_d)``.
    dtype : dtype
        float32, float64, complex64 or complex128: the widest of the factors; integers count as float64.
    factors : tuple
        Read-only copies of the factors.

    Raises
    ------
    TypeError
        If a factor is no matrix of numbers, or some are on the GPU and others are not.
    ValueError
        If there is no factor, or one is not 2-D or not finite.

    See Also
    --------
    KronSum, KronTerms, Toeplitz

    Notes
    -----
    Products, powers of the inverse and determinants follow from those of the factors [1]_::

        (A x B)(C x D) = AC x BD    (A x B)^-1 = A^-1 x B^-1    det(A x B) = det(A)^n det(B)^m

    The operator is what `scipy.sparse.linalg.aslinearoperator` accepts, so that SciPy's and pysolve's iterative
    solvers take it. Factors are applied in the order that costs least. Several threads may use one operator at
    once: each has its own workspace.

    References
    ----------
    .. [1] C. F. Van Loan, "The ubiquitous Kronecker product", *Journal of Computational and Applied Mathematics*
           123, 85-100, 2000.

    Examples
    --------
    >>> import numpy as np
    >>> from pysolve import KronOperator
    >>> A, B = np.array([[2.0, 1.0], [0.0, 1.0]]), np.array([[1.0, 2.0, 3.0]])
    >>> K = KronOperator(A, B)
    >>> K.shape
    (2, 6)
    >>> K @ np.arange(6.0)
    array([42., 26.])
    >>> np.array_equal(K.toarray(), np.kron(A, B))
    True

    Shifted, as in Gaussian-process regression, by eigenvectors that are computed once:

    >>> K = KronOperator(A @ A.T, np.eye(3))
    >>> x = K.solve(np.ones(6), shift=0.1)
    >>> np.allclose(K @ x + 0.1 * x, 1)
    True
    """

    def __init__(self, *factors: Any) -> None:
        self._set(as_factors(factors))

    @classmethod
    def _of(cls, factors: tuple[Factor, ...]) -> KronOperator:
        made = cls.__new__(cls)
        made._set(factors)
        return made

    def _set(self, factors: tuple[Factor, ...]) -> None:
        self._factors, self._chain = factors, Chain(factors)
        shape = _kron_algebra.shape_of(factors)
        super().__init__(shape, _arrays.value_type(*(factor.dtype for factor in factors)), factors[0].place)

    def _move(self, copied: Callable[[Any], Any]) -> None:
        self._set(tuple(factor.moved(copied) for factor in self._factors))

    @property
    def factors(self) -> tuple:
        """The d matrices, read-only: arrays, ``csr_array`` or `Toeplitz`."""
        return tuple(factor.public() for factor in self._factors)

    @property
    def _factors_to_insert(self) -> tuple[Factor, ...]:
        return self._factors

    def _apply(self, x: np.ndarray, y: np.ndarray) -> None:
        self._chain.apply(x, y, self._workspace)

    def _terms(self) -> _kron_algebra.Terms:
        return [(1, self._factors)]

    def _changed(self, how: str) -> KronOperator:
        change = {"T": lambda A: A.T, "conj": lambda A: A.conj(), "double": doubled}[how]
        changed = self._of(tuple(map(change, self._factors)))
        changed._workspace = self._workspace
        return changed

    def _scaled(self, c: Any) -> KronOperator:
        """The factor with the fewest entries takes the number, one that is no identity if there is such a one."""
        c = finite_number(c, "c")
        ranks = [(A.is_identity, math.prod(A.shape)) for A in self._factors]
        taker = ranks.index(min(ranks))
        scaled = [A.scaled(c) if j == taker else A for j, A in enumerate(self._factors)]
        return self._of(tuple(scaled))

    def _times_map(self, other: Any) -> Any:
        if isinstance(other, KronOperator):
            same_device(left=self, right=other)
            [(_, factors)] = _kron_algebra.multiply_terms(self._terms(), other._terms())
            return self._of(factors)
        return super()._times_map(other)

    def solve(self, b: Any, shift: Any = 0.0, *, rcond: float | None = None) -> np.ndarray:
        """Solution of ``(A_1 x ... x A_d + shift I) x = b``.

        Without a shift each factor is solved with its own LU factors, which are kept. With a shift, or `rcond`, the
        factors are brought to diagonal or triangular form; see `KronTerms.solve`.

        Parameters
        ----------
        b : array_like of shape (N,) or (N, k)
            Right sides, finite.
        shift : float or complex, default 0
            Finite; sigma^2 in a covariance with noise.
        rcond : float, optional
            Leave out eigenvalues of at most `rcond` times the largest: the least-squares solution of least norm.
            The factors must be normal, as symmetric ones are.

        Returns
        -------
        ndarray of the shape of `b`
            In the wider of the types of the operator and `b`.

        Raises
        ------
        numpy.linalg.LinAlgError
            If a factor, or the shifted operator, is singular to working precision.
        ValueError, TypeError
            If a factor is not square, or an argument is not what it should be.
        """
        shift = finite_number(shift, "shift")
        if shift != 0 or rcond is not None:
            return self.shifted(shift).solve(b, rcond=rcond)
        self._check_square_factors("solve")
        operator, b = self._right_side(b)
        with device_of(b):
            return operator._solve_by_factors(b)

    def _solve_by_factors(self, b: np.ndarray) -> np.ndarray:
        x, xp = b.copy(), namespace(b)
        shape, dims = x.shape, [factor.shape[0] for factor in self._factors]
        x = x.reshape(*dims, x.size // max(math.prod(dims), 1))
        for axis, factor in enumerate(self._factors):
            if factor.is_identity or x.size == 0:
                continue
            lines = contiguous(xp.moveaxis(x, axis, -1))
            solved = _kron_solve.solve_along(factor, lines.reshape(-1, dims[axis]), f"factors[{axis}]")
            x = xp.moveaxis(solved.reshape(lines.shape), -1, axis)
        return contiguous(x).reshape(shape)

    def shifted(self, shift: Any) -> Any:
        """The operator ``A_1 x ... x A_d + shift I`` as a `KronTerms`, whose solves share the eigenvectors kept here.

        Parameters
        ----------
        shift : float or complex
            Finite.

        Returns
        -------
        KronTerms
            With ``.solve(b)``, ``.slogdet()`` and ``.logdet()`` besides the products.

        Examples
        --------
        >>> import numpy as np
        >>> from pysolve import KronOperator
        >>> K = KronOperator([[2.0, 1.0], [1.0, 2.0]], [[1.0]])
        >>> bool(np.isclose(K.shifted(1.0).logdet(), np.log(4 * 2)))
        True
        """
        self._check_square_factors("shifted")
        return self._plus_identity(finite_number(shift, "shift"))

    def slogdet(self) -> tuple[Any, float]:
        """Sign (or phase) and logarithm of ``|det A|``: the sum of ``N / n_j log|det A_j|``.

        Returns
        -------
        sign : number
            0 for a singular operator.
        logabsdet : float
            ``-inf`` for a singular operator.
        """
        self._check_square_factors("slogdet")
        sign, total, N = self.dtype.type(1), 0.0, self.shape[0]
        for factor in self._factors if N else ():
            s, logarithm = _kron_solve.slogdet(factor)
            power = N // factor.shape[0]
            sign, total = sign * s**power, total + power * logarithm
        return sign, total

    def eigh(self) -> tuple[np.ndarray, KronOperator]:
        """Eigenvalues and eigenvectors, of Hermitian factors.

        Returns
        -------
        w : ndarray of shape (N,)
            Eigenvalues in the order of the Kronecker product, not sorted.
        V : KronOperator
            Its columns are the eigenvectors: ``A V = V diag(w)``, ``V^H V = I``.

        Raises
        ------
        ValueError
            If a factor is not Hermitian.

        Examples
        --------
        >>> from pysolve import KronOperator
        >>> w, V = KronOperator([[2.0, 0.0], [0.0, 3.0]], [[1.0, 0.0], [0.0, 5.0]]).eigh()
        >>> w
        array([ 2., 10.,  3., 15.])
        """
        from pysolve._kron_eigen import hermitian_eigen

        pairs = [hermitian_eigen(factor, f"factors[{j}]") for j, factor in enumerate(self._factors)]
        return outer([w for w, _ in pairs]), self._of(tuple(V for _, V in pairs))

    def trace(self) -> Any:
        """The trace: for square factors the product of their traces."""
        self._check_square("trace")
        if all(factor.is_square for factor in self._factors):
            return on_host(math.prod(factor.diagonal().sum() for factor in self._factors))[()]
        return super().trace()

    def __repr__(self) -> str:
        shapes = " x ".join(f"({m}, {n})" for m, n in (factor.shape for factor in self._factors))
        return f"KronOperator({shapes}, dtype={self.dtype})"
