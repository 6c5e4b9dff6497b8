"""Kronecker operators allocate nothing in a product, serve many threads at once, pickle, and are SciPy's operators."""

import pickle
import tracemalloc
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import scipy.sparse as sp
import scipy.sparse.linalg as spla
from kron_cases import hermitian, random_matrix

import pysolve
from pysolve import KronOperator, KronSum, KronTerms, Toeplitz

rng = np.random.default_rng(0)
SPD = [hermitian(rng, n, least=1.0) for n in (30, 20, 10)]
GENERAL = [random_matrix(rng, n, n) + 2 * n * np.eye(n) for n in (6, 5, 4)]
FFT = Toeplitz(1 / (1 + np.arange(4000.0)) ** 2)
OPERATORS = {
    "KronOperator": KronOperator(*SPD),
    "complex": KronOperator(SPD[0], 1j * SPD[1], SPD[2]),
    "rectangular": KronOperator(random_matrix(rng, 35, 20), random_matrix(rng, 10, 30), random_matrix(rng, 7, 12)),
    "sparse": KronOperator(sp.random_array((40, 40), density=0.2, rng=rng), sp.eye_array(5), sp.csr_array(SPD[1])),
    "Toeplitz": KronOperator(SPD[1], FFT),
    "KronSum": KronSum(*SPD),
    "mass": KronSum(*SPD, mass=[A.T for A in SPD]),
    "KronTerms": KronTerms([(1.5, SPD), (2.0, [SPD[0], np.eye(20), SPD[2]]), (-1.0, [np.eye(30), *SPD[1:]])]),
    "complex sum": KronTerms([(1.5j, SPD), (2.0, [SPD[0], np.eye(20), SPD[2]])]),
    "one Toeplitz": FFT,
}  # fmt: skip
operators = pytest.mark.parametrize("K", OPERATORS.values(), ids=OPERATORS)


@operators
@pytest.mark.parametrize("columns", [None, 3])
def test_nothing_is_allocated_when_out_is_given(K, columns):
    shape = () if columns is None else (columns,)
    x, out = np.ones((K.shape[1], *shape), K.dtype), np.empty((K.shape[0], *shape), K.dtype)
    y = np.ones((K.shape[0], *shape), K.dtype)
    back = np.empty_like(x)
    for product, given, result in ((K.matmat, x, out), (K.rmatmat, y, back)):
        product(given, out=result)
        expected = result.copy()
        tracemalloc.start()
        for _ in range(3):
            product(given, out=result)
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        by_fft = FFT.shape[0] in (K.shape[0], K.shape[0] // 20)
        # Views and numbers; where a factor goes by FFT, also the buffer of 8192 numbers with which NumPy broadcasts.
        assert peak < (6000 if not by_fft else 8192 * 16 + 6000)
        np.testing.assert_array_equal(result, expected)


@operators
def test_many_threads_at_once(K):
    vectors = [np.random.default_rng(k).standard_normal(K.shape[1]) for k in range(8)]
    expected = [K @ x for x in vectors]
    with ThreadPoolExecutor(8) as pool:
        for _ in range(5):
            for found, y in zip(pool.map(lambda x: K @ x, vectors), expected, strict=True):
                np.testing.assert_allclose(found, y, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("factors", [SPD, GENERAL], ids=["symmetric", "general"])
@pytest.mark.parametrize("make", [KronOperator, KronSum])
def test_many_threads_solve_at_once(make, factors):
    K = make(*factors)
    sides = [np.random.default_rng(k).standard_normal(K.shape[0]) for k in range(8)]
    for shift in (0.0, 0.5):
        expected = [make(*factors).solve(b, shift=shift) for b in sides]
        with ThreadPoolExecutor(8) as pool:
            found = pool.map(lambda b, shift=shift: K.solve(b, shift=shift), sides)
            for x, y in zip(found, expected, strict=True):
                np.testing.assert_allclose(x, y, rtol=1e-10, atol=1e-12)


@operators
def test_pickles(K):
    x = np.ones(K.shape[1])
    expected = K @ x
    if K.shape[0] == K.shape[1] and isinstance(K, KronSum):
        K.solve(np.ones(K.shape[0]))
    data = pickle.dumps(K)
    again = pickle.loads(data)
    assert type(again) is type(K)
    assert (again.shape, again.dtype, repr(again)) == (K.shape, K.dtype, repr(K))
    np.testing.assert_array_equal(again @ x, expected)
    np.testing.assert_array_equal(again.H @ np.ones(K.shape[0]), K.H @ np.ones(K.shape[0]))
    fresh = pickle.dumps(pickle.loads(data))
    assert len(data) < len(fresh) + 100  # neither workspaces nor factorisations travel


@operators
def test_is_an_operator_for_scipy(K):
    L = spla.aslinearoperator(K)
    assert (L.shape, L.dtype) == (K.shape, K.dtype)
    x, y = random_matrix(rng, K.shape[1], 3), random_matrix(rng, K.shape[0], 3)
    np.testing.assert_allclose(L @ x, K @ x, rtol=1e-12, atol=1e-11)
    np.testing.assert_allclose(L.matvec(x[:, :1]), (K @ x[:, 0])[:, None], rtol=1e-12, atol=1e-11)
    np.testing.assert_allclose(L.rmatvec(y[:, 0]), K.H @ y[:, 0], rtol=1e-12, atol=1e-11)
    np.testing.assert_allclose(L.H @ y, K.H @ y, rtol=1e-12, atol=1e-11)


def test_scipy_and_pysolve_solve_with_them():
    b = np.ones(6000)
    for K in (KronSum(*SPD), KronOperator(*SPD)):
        x, info = spla.cg(K, b, rtol=1e-10)
        assert info == 0
        np.testing.assert_allclose(x, K.solve(b), rtol=1e-6)
        result = pysolve.cg(K, b, rtol=1e-10)
        assert result.converged
        np.testing.assert_allclose(result.x, x, rtol=1e-6)
        w = spla.eigsh(K, k=3, return_eigenvectors=False)
        largest = [np.linalg.eigvalsh(A)[-1] for A in SPD]
        top = sum(largest) if isinstance(K, KronSum) else np.prod(largest)
        assert w.max() == pytest.approx(top)
    R = KronOperator(random_matrix(rng, 8, 5), random_matrix(rng, 6, 4))
    x = spla.lsqr(R, np.arange(48.0), atol=1e-13, btol=1e-13)[0]
    np.testing.assert_allclose(x, np.linalg.lstsq(R.toarray(), np.arange(48.0), rcond=None)[0], atol=1e-8)


def test_solve_as_a_preconditioner():
    """Variable coefficients, preconditioned by the Kronecker sum of their mean: a handful of iterations."""
    n = 24
    D = Toeplitz([2.0, -1.0] + [0.0] * (n - 2))
    wobble = sp.diags_array(1 + 0.3 * np.sin(np.arange(n * n)))
    K, fast = KronSum(D, D), KronSum(D, D)
    scale = np.sqrt(wobble.diagonal())
    A = spla.LinearOperator(K.shape, lambda x: scale * (K @ (scale * x.ravel())), dtype=float)
    M = spla.LinearOperator(K.shape, lambda r: fast.solve(r.ravel()), dtype=float)
    result = pysolve.cg(A, np.ones(n * n), M=M, rtol=1e-8)
    assert result.converged
    assert result.iterations < 25
