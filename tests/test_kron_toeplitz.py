"""Toeplitz equals scipy.linalg.toeplitz, alone and as a factor, dense or by FFT, and never needs N^2 memory."""

import pickle
import tracemalloc

import numpy as np
import pytest
import scipy.linalg
from hypothesis import given, settings
from hypothesis import strategies as st
from kron_cases import DTYPES, assert_solves, kron, random_matrix, tolerance

from pysolve import KronOperator, KronSum, Toeplitz, _kron_toeplitz


def pair(rng, m, n, dtype):
    """A Toeplitz matrix and the dense one."""
    c, r = random_matrix(rng, 1, m, dtype)[0], random_matrix(rng, 1, n, dtype)[0]
    return Toeplitz(c, r), scipy.linalg.toeplitz(c, r) if m and n else np.zeros((m, n), dtype)


@given(
    st.integers(0, 9), st.integers(0, 9), st.sampled_from(DTYPES), st.booleans(), st.integers(0, 2**32 - 1)
)
@settings(max_examples=150, deadline=None)
def test_products_equal_those_of_the_dense_matrix(m, n, dtype, dense, seed):
    rng = np.random.default_rng(seed)
    T, A = pair(rng, m, n, dtype)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(_kron_toeplitz, "MOST_DENSE", 10**9 if dense else 0)
        patch.setattr(_kron_toeplitz, "CHUNK_BYTES", 256)  # several chunks, of unequal widths
        assert (T.shape, T.dtype) == ((m, n), dtype)
        for columns in (1, 2, 7):
            x, y = random_matrix(rng, n, columns, dtype), random_matrix(rng, m, columns, "c16")
            close = tolerance(dtype, size=10)
            np.testing.assert_allclose(T @ x, A @ x, **close)
            np.testing.assert_allclose(T.T @ y, A.T @ y, **close)
            np.testing.assert_allclose(T.H @ y, A.conj().T @ y, **close)
        np.testing.assert_array_equal(T.toarray(), A)
        np.testing.assert_array_equal(T.diagonal(), np.diagonal(A))
        for left, right in ((1, 1), (5, 1), (2, 3), (1, 40)):
            K = KronOperator(np.eye(left), T, np.eye(right))
            x = random_matrix(rng, K.shape[1], 1)[:, 0]
            np.testing.assert_allclose(K @ x, kron([np.eye(left), A, np.eye(right)]) @ x, **close)


@pytest.mark.parametrize("dtype", DTYPES)
def test_large_products_go_by_fft(dtype):
    rng = np.random.default_rng(0)
    T, A = pair(rng, 700, 513, dtype)
    x = random_matrix(rng, 513, 5, dtype)
    y = T @ x
    assert y.dtype == dtype
    assert "dense" not in T._factor.kept
    np.testing.assert_allclose(y, A @ x, **tolerance(dtype, size=50))


def test_long_vectors_take_no_more_than_some_copies():
    n = 1 << 18
    T, x = Toeplitz(1 / (1 + np.arange(float(n))) ** 2), np.ones(n)
    tracemalloc.start()
    y = T @ x
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 40 * x.nbytes
    assert y[0] == pytest.approx(np.sum(1 / (1 + np.arange(float(n))) ** 2))


def test_hermitian_by_default():
    c = np.array([2.0, 1 + 1j, 3j])
    T = Toeplitz(c)
    np.testing.assert_array_equal(T.toarray(), scipy.linalg.toeplitz(c))
    np.testing.assert_array_equal(T.toarray(), T.H.toarray())
    with pytest.raises(ValueError, match=r"c\[0\] must be real where r is not given, got"):
        Toeplitz([1j, 2])


@pytest.mark.parametrize("most_lu", [4096, 0])
@pytest.mark.parametrize("dtype", DTYPES)
def test_solve_by_lu_and_by_recursion(dtype, most_lu, monkeypatch):
    from pysolve import _kron_solve

    monkeypatch.setattr(_kron_solve, "MOST_LU", most_lu)
    rng = np.random.default_rng(1)
    c, r = random_matrix(rng, 2, 12, dtype)
    c[0] += 9
    T = Toeplitz(c, r)
    b = random_matrix(rng, 12, 3, dtype)
    for right in (b, b[:, 0]):
        x = T.solve(right)
        assert x.dtype == dtype
        assert_solves(T.toarray(), x, right, rtol=50 * np.finfo(dtype).eps)
    K = KronOperator(T, np.eye(2, dtype=dtype), T)
    assert_solves(K.toarray(), K.solve(np.ones(288, dtype)), np.ones(288), rtol=200 * np.finfo(dtype).eps)
    with pytest.raises(np.linalg.LinAlgError, match=r"factors\[0\]"):
        Toeplitz(np.zeros(3)).solve(np.ones(3))


def test_sums_solves_and_scalars():
    D = Toeplitz([2.0, -1, 0, 0])
    A = D.toarray()
    np.testing.assert_allclose((2 * D).toarray(), 2 * A)
    np.testing.assert_allclose((-D / 2).toarray(), -A / 2)
    b = np.arange(16.0)
    x = KronSum(D, D).solve(b)
    np.testing.assert_allclose(KronSum(A, A) @ x, b, atol=1e-13)
    np.testing.assert_allclose(
        KronOperator(D, D).solve(b, shift=1.0), np.linalg.solve(kron([A, A]) + np.eye(16), b)
    )


def test_pickles_and_is_read_only():
    T = Toeplitz(np.arange(1.0, 4), np.arange(1.0, 6))
    again = pickle.loads(pickle.dumps(T))
    np.testing.assert_array_equal(again.toarray(), T.toarray())
    for array in (T.c, T.r, again.c, again.r):
        with pytest.raises(ValueError, match="read-only"):
            array[0] = 0


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ((np.ones((2, 2)),), ValueError, r"c must be 1-D, but its shape is \(2, 2\)"),
        (([1.0], np.ones((1, 1))), ValueError, "r must be 1-D"),
        (([1.0, np.nan],), ValueError, r"c must be finite, but c\[1\] is nan"),
        (([1.0], [1.0, np.inf]), ValueError, r"r must be finite, but r\[1\] is inf"),
        ((["a"],), TypeError, "c must be an array of numbers"),
    ],
)
def test_wrong_arguments(arguments, error, message):
    with pytest.raises(error, match=message):
        Toeplitz(*arguments)
