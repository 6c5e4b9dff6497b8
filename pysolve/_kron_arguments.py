"""Factors from outside: the checks that each passes, and one precision for all."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
import scipy.sparse as sp

from pysolve import _arrays
from pysolve._backend import namespace, on_device, same_device
from pysolve._csr import safe_to_multiply
from pysolve._kron_factors import DenseFactor, Factor, IdentityFactor, SparseFactor
from pysolve._kron_linear import double_of, in_double
from pysolve._kron_toeplitz import Toeplitz


def as_factors(given: Iterable[Any], name: str = "factors") -> tuple[Factor, ...]:
    """The factors of a product, all in double precision where one is."""
    factors: list[Factor] = []
    given = list(given)
    same_device(**{f"{name}[{i}]": A for i, A in enumerate(given)})
    for i, A in enumerate(given):
        inner = getattr(A, "_factors_to_insert", None)  # a KronOperator: its factors stand in its place
        factors += [as_factor(A, f"{name}[{i}]")] if inner is None else inner
    if not factors:
        raise ValueError(f"{name} must hold at least one matrix, got none")
    return of_one_precision(factors)


def as_square_factors(given: Iterable[Any], name: str = "factors") -> tuple[Factor, ...]:
    """As `as_factors`; ValueError for one that is not square."""
    factors = as_factors(given, name)
    for i, factor in enumerate(factors):
        if not factor.is_square:
            raise ValueError(f"{name}[{i}] must be square, but its shape is {factor.shape}")
    return factors


def of_one_precision(factors: Iterable[Factor]) -> tuple[Factor, ...]:
    """The factors in double precision where one of them is; real ones stay real."""
    factors = tuple(factors)
    if not any(in_double(factor.dtype) for factor in factors):
        return factors
    once = {id(factor): doubled(factor) for factor in factors}  # what is shared stays shared
    return tuple(once[id(factor)] for factor in factors)


def doubled(factor: Factor) -> Factor:
    """The factor in double precision; itself where it is."""
    return factor if in_double(factor.dtype) else factor.astype(double_of(factor.dtype))


def as_factor(A: Any, name: str) -> Factor:
    """One factor: a dense or sparse matrix or a Toeplitz one; an identity is recognised."""
    if isinstance(A, Factor):
        return A
    if isinstance(A, Toeplitz):
        return A._factor
    if sp.issparse(A):
        return _sparse(A, name)
    if on_device(A) and not hasattr(A, "__cuda_array_interface__"):
        raise TypeError(
            f"{name} is a sparse matrix on the device ({type(A).__name__}), where factors are dense, or Toeplitz: use "
            f"{name}.toarray()"
        )
    if hasattr(A, "matvec") and not isinstance(A, np.ndarray):
        raise TypeError(
            f"{name} must be a dense or sparse matrix, a Toeplitz or a KronOperator, not {type(A).__name__}"
        )
    return dense_factor(_arrays.as_numbers(A, name, device=True), name)


def dense_factor(A: np.ndarray, name: str) -> Factor:
    """A read-only copy of a 2-D array."""
    if A.ndim != 2:
        raise ValueError(f"{name} must be 2-D, but its shape is {A.shape}")
    xp = namespace(A)
    A = xp.array(A, _arrays.value_type(A.dtype), order="A")
    _arrays.check_finite(A, name)
    n = A.shape[0]
    if A.shape == (n, n) and n and (A.diagonal() == 1).all() and xp.count_nonzero(A) == n:
        return IdentityFactor(n, A.dtype, "cpu" if xp is np else "cuda")
    return DenseFactor(A)


def _sparse(A: Any, name: str) -> Factor:
    if A.ndim != 2:
        raise ValueError(f"{name} must be 2-D, but its shape is {A.shape}")
    A = safe_to_multiply(A, name)
    index = np.result_type(A.indptr, A.indices)
    arrays = np.array(A.data, _arrays.value_type(A.dtype)), A.indices.astype(index), A.indptr.astype(index)
    A = sp.csr_array(arrays, shape=A.shape)
    A.sum_duplicates()
    if A.indices.dtype != A.indptr.dtype:  # SciPy narrows one of them in some conversions
        A.indices = A.indices.astype(A.indptr.dtype)
    _arrays.check_finite(A.data, f"{name}.data")
    n = A.shape[0]
    if A.shape == (n, n) and n and A.nnz == n and (A.data == 1).all() and (A.diagonal() == 1).all():
        return IdentityFactor(n, A.dtype)
    return SparseFactor(A)
