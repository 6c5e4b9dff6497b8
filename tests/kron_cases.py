"""Factors of Kronecker products for the tests, each beside its dense matrix."""

import functools

import numpy as np
import scipy.sparse as sp
from hypothesis import strategies as st

import pysolve

DTYPES = ["f4", "f8", "c8", "c16"]
KINDS = ["dense", "fortran", "strided", "sparse", "sparse int64", "toeplitz", "identity"]


def kron(matrices):
    """The Kronecker product of dense matrices, as NumPy makes it in double precision."""
    return functools.reduce(np.kron, [np.asarray(A, np.result_type(A, "f8")) for A in matrices])


def kron_sum(matrices, mass=None):
    """The Kronecker sum of dense matrices."""
    mass = [np.eye(len(A)) for A in matrices] if mass is None else mass
    rows = [[A if i == j else M for i, M in enumerate(mass)] for j, A in enumerate(matrices)]
    return sum(kron(row) for row in rows)


def random_matrix(rng, m, n, dtype="f8"):
    A = rng.standard_normal((m, n))
    if np.dtype(dtype).kind == "c":
        A = A + 1j * rng.standard_normal((m, n))
    return A.astype(dtype)


LAYOUTS = ["rows", "columns", "gaps", "backwards", "read-only"]


def laid_out(rng, m, n, dtype, layout="rows"):
    """A random m x n matrix in one of LAYOUTS."""
    A = rng.standard_normal((m, n)).astype(dtype)
    if layout == "columns":
        return np.asfortranarray(A)
    if layout == "gaps":
        wide = np.full((2 * m, 3 * n), np.nan, dtype)
        wide[::2, ::3] = A
        return wide[::2, ::3]
    if layout == "backwards":
        return A[::-1, ::-1]
    if layout == "read-only":
        A.setflags(write=False)
    return A


def hermitian(rng, n, dtype="f8", least=None):
    """A random Hermitian matrix, its eigenvalues at least `least` where that is given."""
    A = random_matrix(rng, n, n, dtype)
    A = A + A.conj().T if least is None else A @ A.conj().T / n + least * np.eye(n, dtype=dtype)
    return ((A + A.conj().T) / 2).astype(dtype)


def factor(rng, kind, m, n, dtype="f8"):
    """A factor as a user gives it, and the dense matrix that it stands for."""
    A = random_matrix(rng, m, n, dtype)
    if kind == "fortran":
        return np.asfortranarray(A), A
    if kind == "strided":
        block = np.zeros((2 * m, 3 * n), dtype)
        block[::2, ::3] = A
        block.setflags(write=False)
        return block[::2, ::3], A
    if kind.startswith("sparse"):
        A = A * (rng.random((m, n)) < 0.6)
        S = sp.csr_array(A) if "64" in kind else sp.csc_matrix(A)
        if "64" in kind:
            S.indptr, S.indices = S.indptr.astype(np.int64), S.indices.astype(np.int64)
        return S, A
    if kind == "toeplitz":
        T = pysolve.Toeplitz(random_matrix(rng, m, 1, dtype)[:, 0], random_matrix(rng, n, 1, dtype)[:, 0])
        return T, T.toarray()
    if kind == "identity":
        A = np.eye(n, dtype=dtype)
    return A.copy(), A


@st.composite
def products(draw, square=False, dtypes=DTYPES, least=0):
    """Factors as a user gives them, their dense matrices, and random numbers to go with them."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    given, dense = [], []
    for _ in range(draw(st.integers(1, 4))):
        kind, dtype = draw(st.sampled_from(KINDS)), draw(st.sampled_from(dtypes))
        m, n = draw(st.integers(least, 4)), draw(st.integers(least, 4))
        m = n if square or kind == "identity" else m
        one, other = factor(rng, kind, m, n, dtype)
        given.append(one)
        dense.append(other)
    return given, dense, rng


def tolerance(*dtypes, size=1.0):
    """Rounding in the coarsest of these types, for numbers of a size."""
    eps = float(max(np.finfo(dtype).eps for dtype in dtypes))
    return {"rtol": 100 * eps, "atol": 200 * eps * max(float(size), 1.0)}


def assert_solves(A, x, b, rtol=1e-9):
    """The residual is small beside the parts that it is the difference of."""
    size = np.linalg.norm(A, 2) * np.linalg.norm(x) + np.linalg.norm(b)
    assert np.isfinite(x).all()
    assert np.linalg.norm(A @ x - b) <= rtol * size
