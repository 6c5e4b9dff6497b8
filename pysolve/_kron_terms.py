"""KronTerms: a sum of Kronecker products."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from pysolve import _arrays, _kron_algebra
from pysolve._backend import device_of
from pysolve._kron import KronOperator
from pysolve._kron_arguments import as_factors, doubled, of_one_precision
from pysolve._kron_decomposition import Decomposition
from pysolve._kron_linear import finite_number, is_number
from pysolve._kron_structured import StructuredMap
from pysolve._kron_tree import SumTree


class KronTerms(StructuredMap):
    r"""A sum of Kronecker products with coefficients, as a linear operator.

    .. math:: A = \sum_t c_t \; A_1^{(t)} \otimes \dots \otimes A_d^{(t)}

    This is what sums, differences and products of `KronOperator` and `KronSum` are, and what a separable partial
    differential operator is on a grid. Terms that share factors share their products: a Kronecker sum of d matrices
    takes d of them.

    Parameters
    ----------
    terms : iterable
        Each a pair ``(c, factors)`` of a finite number and a sequence of d matrices (or a KronOperator), or a
        KronOperator, KronSum or KronTerms. All terms have as many factors, of the same shapes axis by axis.

    Attributes
    ----------
    shape : tuple of int
    dtype : dtype
        float32, float64, complex64 or complex128; numbers in double precision do not widen float32 factors.
    terms : list of (number, tuple)
        Coefficients and read-only factors.

    Raises
    ------
    TypeError, ValueError
        If a term is of another form, there is none, or shapes differ.

    See Also
    --------
    KronOperator, KronSum

    References
    ----------
    .. [1] C. F. Van Loan, "The ubiquitous Kronecker product", *Journal of Computational and Applied Mathematics*
           123, 85-100, 2000.

    Examples
    --------
    >>> import numpy as np
    >>> from pysolve import KronTerms
    >>> D = np.array([[2.0, -1.0], [-1.0, 2.0]])
    >>> A = KronTerms([(1.0, [D, np.eye(3)]), (0.5, [np.eye(2), np.ones((3, 3))])])
    >>> np.array_equal(A.toarray(), np.kron(D, np.eye(3)) + 0.5 * np.kron(np.eye(2), np.ones((3, 3))))
    True
    >>> x = A.solve(np.arange(6.0))
    >>> np.allclose(A @ x, np.arange(6))
    True
    """

    def __init__(self, terms: Any) -> None:
        if isinstance(terms, StructuredMap):
            terms = [terms]
        try:
            given = list(terms)
        except TypeError:
            raise TypeError(f"terms must be a list of terms, not {type(terms).__name__}") from None
        found: _kron_algebra.Terms = []
        for t, term in enumerate(given):
            found += _as_terms(term, f"terms[{t}]")
        if not found:
            raise ValueError("terms must hold at least one term, got none")
        self._set(found)

    @classmethod
    def _of(cls, terms: _kron_algebra.Terms) -> KronTerms:
        made = KronTerms.__new__(KronTerms)
        made._set(terms)
        return made

    def _set(self, terms: _kron_algebra.Terms) -> None:
        _kron_algebra.check_same_axes(terms)
        for t, (_, factors) in enumerate(terms):
            if factors[0].place != terms[0][1][0].place:
                raise TypeError(f"terms[{t}] is not where terms[0] is: move one of them with to_device")
        d = len(terms[0][1])
        flat = of_one_precision(factor for _, factors in terms for factor in factors)
        parts = (flat[d * t : d * (t + 1)] for t in range(len(terms)))
        self._list = [(c, part) for (c, _), part in zip(terms, parts, strict=True)]
        self._tree = SumTree(self._list)
        dtype = _arrays.value_type(*(factor.dtype for factor in flat))
        if any(isinstance(c, complex) for c, _ in terms):
            dtype = np.result_type(dtype, np.complex64)
        super().__init__(_kron_algebra.shape_of(self._list[0][1]), dtype, flat[0].place)

    def _move(self, copied: Callable[[Any], Any]) -> None:
        unique = {
            id(A): A.moved(copied) for _, factors in self._list for A in factors
        }  # what is shared stays so
        self._set([(c, tuple(unique[id(A)] for A in factors)) for c, factors in self._list])

    @property
    def terms(self) -> list[tuple[Any, tuple]]:
        """The coefficients and the read-only factors of all terms."""
        return [(c, tuple(factor.public() for factor in factors)) for c, factors in self._list]

    def _terms(self) -> _kron_algebra.Terms:
        return self._list

    def _apply(self, x: np.ndarray, y: np.ndarray) -> None:
        self._tree.apply(x, y, self._workspace)

    def _changed(self, how: str) -> KronTerms:
        change = {"T": lambda A: A.T, "conj": lambda A: A.conj(), "double": doubled}[how]
        number = (lambda c: np.conj(c).item()) if how == "conj" else (lambda c: c)
        unique: dict[int, Any] = {}  # a factor that terms share is changed once, and stays shared
        for _, factors in self._list:
            for factor in factors:
                if id(factor) not in unique:
                    unique[id(factor)] = change(factor)
        changed = self._of([(number(c), tuple(unique[id(A)] for A in factors)) for c, factors in self._list])
        changed._workspace = self._workspace
        return changed

    def shifted(self, shift: Any) -> KronTerms:
        """The operator ``A + shift I``; as `KronOperator.shifted`."""
        self._check_square_factors("shifted")
        return self._plus_identity(finite_number(shift, "shift"))

    def solve(self, b: Any, shift: Any = 0.0, *, rcond: float | None = None) -> np.ndarray:
        r"""Solution of ``(A + shift I) x = b``, where one basis along each axis serves all terms.

        With V_j such that V_j^H F V_j is diagonal for every factor F along axis j, the solution is

        .. math:: x = V \Lambda^{-1} V^H b, \qquad V = V_1 \otimes \dots \otimes V_d

        (fast diagonalisation [1]_): 2 d mode products, the bases being kept. So it is for factors that are symmetric,
        Hermitian or normal and commute (with the identity every matrix does), and for two Hermitian factors along an
        axis of which one is positive definite. Other factors that commute are brought to upper triangular (Schur) form,
        and the system is solved by back-substitution.

        Parameters
        ----------
        b : array_like of shape (N,) or (N, k)
            Right sides, finite.
        shift : float or complex, default 0
            Finite.
        rcond : float, optional
            Leave out eigenvalues of at most `rcond` times the largest: the least-squares solution of least norm,
            for Neumann problems say. The bases must be unitary.

        Returns
        -------
        ndarray of the shape of `b`
            In the wider of the types of the operator and `b`.

        Raises
        ------
        numpy.linalg.LinAlgError
            If the operator is singular to working precision; the message has the eigenvalue nearest to 0.
        ValueError
            If the factors along an axis have no common basis (iterative methods take the operator as it is), a factor
            is not square, or an argument is not what it should be.

        References
        ----------
        .. [1] R. E. Lynch, J. R. Rice, D. H. Thomas, "Direct solution of partial difference equations by tensor
               product methods", *Numerische Mathematik* 6, 185-199, 1964.
        """
        self._check_square_factors("solve")
        shift = finite_number(shift, "shift")
        if rcond is not None and not 0 <= finite_number(rcond, "rcond", real=True) < 1:  # type: ignore[operator]
            raise ValueError(f"rcond must be at least 0 and less than 1, got {rcond}")
        operator, b = self._right_side(b)
        with device_of(b):
            return self._solved(operator, b, shift, rcond)

    def _solved(self, operator: KronTerms, b: np.ndarray, shift: Any, rcond: float | None) -> np.ndarray:
        if np.iscomplexobj(shift) and b.dtype.kind == "f":
            b = b.astype(np.result_type(b.dtype, np.complex64))
        if len(self._list) == 1 and shift == 0 and rcond is None and self._list[0][0] != 0:
            c, factors = operator._list[0]
            return KronOperator._of(factors).solve(b) / c
        decomposition = operator._decomposition(shift)
        if rcond is None:
            decomposition.check("the operator" if shift == 0 else f"the operator with shift {shift}")
        N = self.shape[0]
        x = decomposition.solve(b.reshape(N, -1 if b.size else 0), self._workspace, rcond)
        return x.astype(b.dtype, copy=False).reshape(b.shape)

    def _decomposition(self, shift: Any) -> Decomposition:
        """The bases and eigenvalues of the operator with a shift; those of the last shift are kept."""
        kept = self._kept.get("decomposition")
        if kept is None or kept[0] != shift:
            terms = self._list if shift == 0 else [*self._list, (shift, self._unit())]
            kept = self._kept["decomposition"] = shift, Decomposition(terms)
        return kept[1]

    def _unit(self) -> tuple:
        """What a shift multiplies: the identity."""
        return self._identity()

    def slogdet(self) -> tuple[Any, float]:
        """Sign (or phase) and logarithm of ``|det A|``, by the bases of `solve`.

        Returns
        -------
        sign : number
            0 for a singular operator.
        logabsdet : float
            ``-inf`` for a singular operator.

        Raises
        ------
        ValueError
            As `solve`.
        """
        self._check_square_factors("slogdet")
        if len(self._list) == 1:
            [(c, factors)] = self._list
            sign, total = KronOperator._of(factors).slogdet()
            N = self.shape[0]
            return (sign * (c / abs(c)) ** N, total + N * math.log(abs(c))) if c and N else (
                (sign, total) if N == 0 else (0 * sign, -math.inf)
            )  # fmt: skip
        return self._decomposition(0.0).slogdet()

    def __repr__(self) -> str:
        shapes = " x ".join(f"({m}, {n})" for m, n in (factor.shape for factor in self._list[0][1]))
        return f"{type(self).__name__}({len(self._list)} terms of {shapes}, dtype={self.dtype})"


def _as_terms(term: Any, name: str) -> _kron_algebra.Terms:
    if isinstance(term, StructuredMap):
        return term._terms()
    if isinstance(term, tuple | list) and len(term) == 2 and is_number(term[0]):
        c, factors = finite_number(term[0], f"{name}[0]"), term[1]
        if isinstance(factors, StructuredMap):
            return [(c * a, part) for a, part in factors._terms()]
        if isinstance(factors, tuple | list):
            return [(c, as_factors(factors, f"{name}[1]"))]
    raise TypeError(
        f"{name} must be a KronOperator or a pair (number, list of matrices), got {type(term).__name__}"
    )
