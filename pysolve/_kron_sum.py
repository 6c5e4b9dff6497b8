"""KronSum: the Kronecker sum of d square matrices."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from pysolve._kron_arguments import as_square_factors, doubled, of_one_precision
from pysolve._kron_factors import Factor, IdentityFactor
from pysolve._kron_linear import finite_number, in_double
from pysolve._kron_terms import KronTerms


class KronSum(KronTerms):
    r"""The Kronecker sum of square matrices, as a linear operator.

    .. math:: A = \sum_{j=1}^{d} I \otimes \dots \otimes A_j \otimes \dots \otimes I

    acting on arrays of shape (n_1, ..., n_d) flattened in C order: the form of the Laplacian on a box, of Sylvester and
    Lyapunov equations, and of independent processes. Neither products nor solves form the matrix.

    Parameters
    ----------
    *factors : array_like, sparse array or matrix, Toeplitz
        d square matrices A_j, finite; at least one.
    mass : sequence of d matrices, optional
        M_j in the place of the identities, as finite elements have them:
        ``A_1 x M_2 x ... x M_d + M_1 x A_2 x ... x M_d + ...``.

    Attributes
    ----------
    shape : tuple of int
        ``(N, N)`` with ``N = n_1 ... n_d``.
    dtype : dtype
        The widest of the factors.
    factors, mass : tuple
        Read-only copies.

    Raises
    ------
    TypeError, ValueError
        If a factor is not a square matrix of finite numbers, or `mass` does not fit.

    See Also
    --------
    KronOperator, KronTerms, scipy.linalg.solve_sylvester

    Notes
    -----
    Symmetric, Hermitian and normal factors: the solve is the fast diagonalisation of [1]_, with eigenvalues
    ``w_1[i_1] + ... + w_d[i_d] + shift`` and 2 d mode products. With `mass` the pencils (A_j, M_j) must be Hermitian
    with M_j positive definite. Axes with other factors are brought to Schur form: back-substitution by halves, with
    matrix products between them and LAPACK's Sylvester solver at the end [2]_. Bases are computed once.

    References
    ----------
    .. [1] R. E. Lynch, J. R. Rice, D. H. Thomas, "Direct solution of partial difference equations by tensor
           product methods", *Numerische Mathematik* 6, 185-199, 1964.
    .. [2] I. Jonsson, B. Kagstrom, "Recursive blocked algorithms for solving triangular systems. Part II", *ACM
           Transactions on Mathematical Software* 28, 416-435, 2002.

    Examples
    --------
    >>> import numpy as np
    >>> from pysolve import KronSum
    >>> D = 2 * np.eye(4) - np.eye(4, k=1) - np.eye(4, k=-1)
    >>> A = KronSum(D, D, D)
    >>> b = np.arange(64.0)
    >>> np.allclose(A @ A.solve(b), b)
    True

    Neumann conditions: the constant is in the null space, and least squares ask for `rcond`.

    >>> D = np.array([[1.0, -1.0], [-1.0, 1.0]])
    >>> KronSum(D, D).solve([0.0, 1.0, -1.0, 0.0], rcond=1e-12).round(12) + 0.0
    array([ 0. ,  0.5, -0.5,  0. ])
    """

    def __init__(self, *factors: Any, mass: Any = None) -> None:
        found = as_square_factors(factors)
        self._assemble(found, None if mass is None else _checked_mass(mass, found))

    def _assemble(self, factors: tuple[Factor, ...], mass: tuple[Factor, ...] | None) -> None:
        self._has_mass, d = mass is not None, len(factors)
        real = np.dtype("f8") if any(in_double(A.dtype) for A in factors) else np.dtype("f4")
        units = mass or tuple(IdentityFactor(A.shape[0], real, A.place) for A in factors)
        both = of_one_precision((*factors, *units))
        self._summands, self._units = both[:d], both[d:]
        rows = [[A if i == j else M for i, M in enumerate(self._units)] for j, A in enumerate(both[:d])]
        self._set([(1, tuple(row)) for row in rows])

    def _move(self, copied: Callable[[Any], Any]) -> None:
        units = tuple(M.moved(copied) for M in self._units) if self._has_mass else None
        self._assemble(tuple(A.moved(copied) for A in self._summands), units)

    def _changed(self, how: str) -> KronSum:
        change = {"T": lambda A: A.T, "conj": lambda A: A.conj(), "double": doubled}[how]
        changed = KronSum.__new__(KronSum)
        units = tuple(map(change, self._units)) if self._has_mass else None
        changed._assemble(tuple(map(change, self._summands)), units)
        changed._workspace = self._workspace
        return changed

    @property
    def factors(self) -> tuple:
        """The d matrices A_j, read-only."""
        return tuple(A.public() for A in self._summands)

    @property
    def mass(self) -> tuple | None:
        """The d matrices M_j, read-only; None where they are identities."""
        return tuple(M.public() for M in self._units) if self._has_mass else None

    def _unit(self) -> tuple:
        return self._units

    def shifted(self, shift: Any) -> KronTerms:
        """The operator ``A + shift (M_1 x ... x M_d)``, with identities where there is no `mass`, as a `KronTerms`."""
        return self._of([*self._list, (finite_number(shift, "shift"), self._unit())])

    def solve(self, b: Any, shift: Any = 0.0, *, rcond: float | None = None) -> np.ndarray:
        """Solution of ``(A + shift M_1 x ... x M_d) x = b``, with identities where there is no `mass`.

        Parameters
        ----------
        b : array_like of shape (N,) or (N, k)
            Right sides, finite.
        shift : float or complex, default 0
            Finite. Another shift computes new eigenvalue sums, and no new bases.
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
            If the sum is singular to working precision; the message has the eigenvalue sum nearest to 0.
        ValueError, TypeError
            If an argument is not what it should be.
        """
        return super().solve(b, shift, rcond=rcond)

    def __repr__(self) -> str:
        sizes = " + ".join(str(factor.shape[0]) for factor in self._list[0][1])
        return f"KronSum({sizes}, dtype={self.dtype})"


def _checked_mass(mass: Any, factors: tuple[Factor, ...]) -> tuple[Factor, ...]:
    if not isinstance(mass, tuple | list):
        raise TypeError(f"mass must be a sequence of {len(factors)} matrices, not {type(mass).__name__}")
    found = as_square_factors(mass, "mass")
    expected, shapes = [A.shape for A in factors], [M.shape for M in found]
    if shapes != expected:
        raise ValueError(f"mass must hold matrices of shapes {expected} as the factors, got {shapes}")
    return found
