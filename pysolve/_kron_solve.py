"""Solves and determinants of single factors: LU for dense, sparse and Toeplitz ones."""

from __future__ import annotations

from typing import Any

import numpy as np
import scipy.linalg
import scipy.sparse.linalg as spla
from numpy.linalg import LinAlgError

from pysolve._backend import namespace
from pysolve._kron_factors import Factor, SparseFactor
from pysolve._kron_toeplitz import ToeplitzFactor

MOST_LU = 4096  # unknowns of a Toeplitz factor up to which its dense LU (128 MiB) is kept; beyond Levinson's recursion


def solve_along(factor: Factor, b: np.ndarray, name: str) -> np.ndarray:
    """Solutions of A x = b for the rows b of a contiguous (lines, n), which may be overwritten."""
    if factor.is_identity or b.size == 0:
        return b
    if isinstance(factor, SparseFactor):
        return _sparse_solve(factor, b, name)
    if factor.place == "cuda":
        return _solve_on_device(factor, b, name)
    if isinstance(factor, ToeplitzFactor) and factor.shape[0] > MOST_LU:
        try:
            x = scipy.linalg.solve_toeplitz((factor.c, factor.r), b.T).T
            return np.ascontiguousarray(x, b.dtype)  # SciPy recurs in double precision
        except LinAlgError:
            raise LinAlgError(
                f"{name} has a singular leading block: Levinson's recursion ends there"
            ) from None
    lu, pivots = dense_lu(factor, name)
    if b.dtype.kind == "c" and lu.dtype.kind == "f":
        pairs = np.concatenate([b.real, b.imag])
        pairs = scipy.linalg.lu_solve((lu, pivots), pairs.T, overwrite_b=True, check_finite=False).T
        return pairs[: len(b)] + 1j * pairs[len(b) :]
    # The transpose of a C array is one in Fortran order: LAPACK solves in its place.
    return scipy.linalg.lu_solve((lu, pivots), b.T, overwrite_b=True, check_finite=False).T


def _solve_on_device(factor: Factor, b: Any, name: str) -> Any:
    """By cuSOLVER's LU, whose cost is that of one line for each unknown; the reciprocal condition is kept."""
    if isinstance(factor, ToeplitzFactor) and factor.shape[0] > MOST_LU:
        raise NotImplementedError(
            f"{name} is a Toeplitz matrix of more than {MOST_LU} unknowns, and on the device there is no Levinson "
            "recursion: CuPy has none. Use to_device('cpu')"
        )
    A = factor.toarray()
    linalg = namespace(A).linalg
    if "rcond" not in factor.kept:
        try:
            size = float(abs(A).sum(axis=0).max()) * float(abs(linalg.inv(A)).sum(axis=0).max())
        except LinAlgError:
            size = np.inf
        factor.kept["rcond"] = 1 / size if size > 0 else 0.0
    if not factor.kept["rcond"] > np.finfo(A.dtype).eps / 2:
        rcond = factor.kept["rcond"]
        raise LinAlgError(f"{name} is singular to working precision: its reciprocal condition is {rcond:.1e}")
    if b.dtype.kind == "c" and A.dtype.kind == "f":
        return linalg.solve(A, b.real.T).T + 1j * linalg.solve(A, b.imag.T).T
    return linalg.solve(A, b.T).T


def dense_lu(factor: Factor, name: str) -> tuple[np.ndarray, np.ndarray]:
    """The LU factors, kept; LinAlgError where the matrix is singular to working precision."""
    if "lu" not in factor.kept:
        A = factor.toarray()
        getrf, gecon = scipy.linalg.get_lapack_funcs(("getrf", "gecon"), (A,))
        lu, pivots, info = getrf(A)
        rcond = gecon(lu, np.abs(A).sum(axis=0).max())[0] if info == 0 else 0.0
        factor.kept["lu"] = lu, pivots, float(rcond)
    lu, pivots, rcond = factor.kept["lu"]
    if not rcond > np.finfo(lu.dtype).eps / 2:
        raise LinAlgError(f"{name} is singular to working precision: its reciprocal condition is {rcond:.1e}")
    return (
        lu,
        pivots.copy(),
    )  # SciPy's wrapper of getrs counts them up for the call, while other threads may read


def _sparse_solve(factor: SparseFactor, b: np.ndarray, name: str) -> np.ndarray:
    lu = _sparse_lu(factor, name)
    if not _sparse_rcond(factor, lu) > np.finfo(factor.dtype).eps / 2:
        raise LinAlgError(
            f"{name} is singular to working precision: its reciprocal condition is {factor.kept['rcond']:.1e}"
        )
    complex_b = b.dtype.kind == "c" and factor.dtype.kind == "f"
    parts = [b.real, b.imag] if complex_b else [b]
    x = [np.ascontiguousarray(lu.solve(np.asfortranarray(part.T)).T) for part in parts]
    return (x[0] + 1j * x[1] if complex_b else x[0]).astype(b.dtype, copy=False)


def _sparse_lu(factor: SparseFactor, name: str) -> Any:
    if "lu" not in factor.kept:
        try:
            factor.kept["lu"] = spla.splu(factor.A.tocsc())
        except RuntimeError:
            raise LinAlgError(f"{name} is singular") from None
    return factor.kept["lu"]


def _sparse_rcond(factor: SparseFactor, lu: Any) -> float:
    """1 / (|A| |A^-1|) in the 1-norm, the second estimated by Higham and Tisseur's method."""
    if "rcond" not in factor.kept:
        inverse = spla.LinearOperator(
            factor.shape, lu.solve, matmat=lu.solve, rmatvec=lambda x: lu.solve(x, "H"),
            rmatmat=lambda x: lu.solve(x, "H"), dtype=factor.dtype,
        )  # fmt: skip
        with np.errstate(all="ignore"):
            size = float(abs(factor.A).sum(axis=0).max()) * float(spla.onenormest(inverse))
        factor.kept["rcond"] = 1 / size if size > 0 else 0.0
    return float(factor.kept["rcond"])


def slogdet(factor: Factor) -> tuple[Any, float]:
    """Sign, or phase, and logarithm of the absolute value of the determinant."""
    if factor.is_identity or factor.shape[0] == 0:
        return factor.dtype.type(1), 0.0
    if not isinstance(factor, SparseFactor):
        sign, logarithm = np.linalg.slogdet(factor.toarray())
        return factor.dtype.type(sign.item()), float(logarithm)
    try:
        lu = _sparse_lu(factor, "A")
    except LinAlgError:
        return factor.dtype.type(0), -np.inf
    pivots = lu.U.diagonal()
    with np.errstate(divide="ignore"):
        sign = np.prod(pivots / np.where(pivots == 0, 1, np.abs(pivots)))
        logarithm = float(np.log(np.abs(pivots).astype(float)).sum())
    return factor.dtype.type(_parity(lu.perm_r) * _parity(lu.perm_c)) * sign, logarithm


def _parity(order: np.ndarray) -> int:
    """1 for an even permutation, -1 for an odd one, by its number of cycles."""
    import scipy.sparse as sp
    from scipy.sparse.csgraph import connected_components

    n = order.size
    graph = sp.csr_array((np.ones(n), order, np.arange(n + 1)), shape=(n, n))
    n_cycles = connected_components(graph, directed=False)[0]
    return 1 if (n - n_cycles) % 2 == 0 else -1
