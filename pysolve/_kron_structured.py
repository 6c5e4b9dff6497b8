"""What sums of Kronecker products have in common: sums, products with each other, matrices, right sides."""

from __future__ import annotations

import functools
from typing import Any

import numpy as np
import scipy.sparse as sp

from pysolve import _arrays, _kron_algebra
from pysolve._backend import contiguous, on_host, same_device
from pysolve._kron_factors import Factor, IdentityFactor
from pysolve._kron_linear import LinearMap, finite_number, in_double


class StructuredMap(LinearMap):
    """A sum of Kronecker products; a subclass gives ``_terms`` besides what `LinearMap` needs."""

    def _terms(self) -> _kron_algebra.Terms:
        raise NotImplementedError

    def __add__(self, other: Any) -> Any:
        if not isinstance(other, StructuredMap):
            return NotImplemented
        from pysolve._kron_terms import KronTerms

        same_device(left=self, right=other)
        if self.shape != other.shape:
            raise ValueError(f"operators of shapes {self.shape} and {other.shape} cannot be added")
        return KronTerms._of(self._terms() + other._terms())

    def __sub__(self, other: Any) -> Any:
        return self + (-other) if isinstance(other, StructuredMap) else NotImplemented

    def _scaled(self, c: Any) -> Any:
        from pysolve._kron_terms import KronTerms

        c = finite_number(c, "c")
        return KronTerms._of([(c * a, factors) for a, factors in self._terms()])

    def _times_map(self, other: Any) -> Any:
        if not isinstance(other, StructuredMap):
            return super()._times_map(other)
        from pysolve._kron_terms import KronTerms

        same_device(left=self, right=other)
        return KronTerms._of(_kron_algebra.multiply_terms(self._terms(), other._terms()))

    def _identity(self) -> tuple[Factor, ...]:
        """The factors of the identity on the space of this operator."""
        real = np.dtype("f8") if in_double(self.dtype) else np.dtype("f4")
        return tuple(IdentityFactor(A.shape[0], real, self._place) for A in self._terms()[0][1])

    def _plus_identity(self, shift: Any) -> Any:
        from pysolve._kron_terms import KronTerms

        return KronTerms._of([*self._terms(), (shift, self._identity())])

    def tocsr(self) -> sp.csr_array:
        """The matrix as a ``scipy.sparse.csr_array`` without stored duplicates; of an operator on the host."""
        if self._place == "cuda":
            raise NotImplementedError(
                "tocsr makes a SciPy matrix: of an operator on the device use to_device('cpu')"
            )
        return _kron_algebra.to_csr(self._terms(), self.dtype)

    def toarray(self) -> np.ndarray:
        """The dense matrix, of shape `shape`."""
        return _kron_algebra.to_array(self._terms(), self.dtype)

    def diagonal(self) -> np.ndarray:
        """The diagonal of the matrix, without forming it."""
        return _kron_algebra.diagonal(self._terms(), self.dtype)

    def trace(self) -> Any:
        """The trace; ValueError if the operator is not square."""
        self._check_square("trace")
        return on_host(self.diagonal().sum())[()]

    def slogdet(self) -> tuple[Any, float]:
        raise NotImplementedError

    def logdet(self) -> float:
        """``log|det A|``, the second of `slogdet`: ``-inf`` for a singular operator."""
        return self.slogdet()[1]

    def _check_square(self, what: str) -> None:
        if self.shape[0] != self.shape[1]:
            raise ValueError(f"{what} needs a square operator, but the shape is {self.shape}")

    def _check_square_factors(self, what: str) -> None:
        for j, factor in enumerate(self._terms()[0][1]):
            if not factor.is_square:
                raise ValueError(f"{what} needs square factors, but factors[{j}] has shape {factor.shape}")

    def _right_side(self, b: Any) -> tuple[Any, np.ndarray]:
        """The operator in the precision to solve in, and `b` checked, contiguous and of that type, to be read only."""
        b, n = self._numbers(b, "b"), self.shape[0]
        if b.ndim not in (1, 2) or b.shape[0] != n:
            raise ValueError(f"b must have shape ({n},) or ({n}, k), got {b.shape}")
        _arrays.check_finite(b, "b")
        dtype = _arrays.value_type(self.dtype, b.dtype)
        operator = self if in_double(dtype) == in_double(self.dtype) else self._once("double")
        return operator, contiguous(b, dtype)


def outer(vectors: list[np.ndarray]) -> np.ndarray:
    """Products of one value of each vector, flattened in C order."""
    return functools.reduce(lambda one, other: (one[:, None] * other).ravel(), vectors)
