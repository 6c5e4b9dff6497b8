"""KronOperator equals numpy.kron: products, matrices, solves, determinants, eigenvectors."""

import contextlib

import numpy as np
import pytest
import scipy.sparse as sp
from hypothesis import given, settings
from kron_cases import (
    DTYPES,
    KINDS,
    assert_solves,
    factor,
    hermitian,
    kron,
    products,
    random_matrix,
    tolerance,
)

from pysolve import KronOperator, KronTerms, Toeplitz

thorough = settings(max_examples=150, deadline=None)


@given(products())
@thorough
def test_products_equal_those_of_the_dense_matrix(case):
    factors, dense, rng = case
    K, A = KronOperator(*factors), kron(dense)
    assert K.shape == A.shape
    assert K.dtype == np.result_type(*dense)
    for shape in ((), (1,), (3,), (0,)):
        for dtype in ("f4", "f8", "c16"):
            x = random_matrix(rng, *(A.shape[1], *shape, 1)[:2], dtype).reshape(A.shape[1], *shape)
            y = K @ x
            assert y.dtype == np.result_type(K.dtype, x.dtype)
            assert y.shape == (A.shape[0], *shape)
            size = (abs(A) @ abs(x)).max(initial=1)
            np.testing.assert_allclose(y, A @ x, **tolerance(y.dtype, K.dtype, size=size))


@given(products())
@thorough
def test_transpose_and_adjoint(case):
    factors, dense, rng = case
    K, A = KronOperator(*factors), kron(dense)
    x, y = random_matrix(rng, A.shape[1], 1, "c16")[:, 0], random_matrix(rng, A.shape[0], 1, "c16")[:, 0]
    close = tolerance(K.dtype, size=abs(A).sum() * 3)
    np.testing.assert_allclose(K.T @ y, A.T @ y, **close)
    np.testing.assert_allclose(K.H @ y, A.conj().T @ y, **close)
    np.testing.assert_allclose(y @ K, y @ A, **close)
    np.testing.assert_allclose(K.rmatmat(y[:, None]), A.conj().T @ y[:, None], **close)
    assert np.vdot(y, K @ x) == pytest.approx(
        np.vdot(K.rmatvec(y), x), rel=close["rtol"], abs=10 * close["atol"]
    )


@given(products())
@thorough
def test_matrices_and_diagonal(case):
    factors, dense, _ = case
    K, A = KronOperator(*factors), kron(dense)
    close = tolerance(K.dtype, size=abs(A).max(initial=0))
    csr = K.tocsr()
    assert isinstance(csr, sp.csr_array)
    assert csr.shape == A.shape
    assert csr.has_canonical_format
    assert csr.dtype == K.toarray().dtype == K.diagonal().dtype == K.dtype
    np.testing.assert_allclose(csr.toarray(), A, **close)
    np.testing.assert_allclose(K.toarray(), A, **close)
    np.testing.assert_allclose(K.diagonal(), np.diagonal(A), **close)
    if A.shape[0] == A.shape[1]:
        np.testing.assert_allclose(K.trace(), np.trace(A), **tolerance(K.dtype, size=abs(A.diagonal()).sum()))


@given(products(square=True, dtypes=["f8", "c16"]))
@thorough
def test_solve_and_slogdet(case):
    factors, dense, rng = case
    K, A = KronOperator(*factors), kron(dense)
    if any(np.linalg.cond(D) > 1e6 for D in dense if D.size):
        return
    for shape in ((), (1,), (2,)):
        b = random_matrix(rng, A.shape[0], 2, "c16")[:, : (shape or (1,))[0]].reshape(A.shape[0], *shape)
        for right in (b, b.real):
            x = K.solve(right)
            assert x.dtype == np.result_type(K.dtype, right.dtype)
            assert_solves(A, x.reshape(len(A), -1), right.reshape(len(A), -1)) if A.size else None
    sign, logabsdet = K.slogdet()
    expected = np.linalg.slogdet(A)
    assert logabsdet == pytest.approx(expected[1], abs=1e-8)
    assert K.logdet() == logabsdet
    assert sign == pytest.approx(expected[0], abs=1e-8)


@given(products(square=True, dtypes=["f8", "c16"], least=1))
@thorough
def test_shifted_solve_of_any_square_factors(case):
    factors, dense, rng = case
    K, A = KronOperator(*factors), kron(dense)
    b = random_matrix(rng, A.shape[0], 2)
    for shift in (0.7, -0.3 + 1j):
        B = A + shift * np.eye(len(A))
        if np.linalg.cond(B) > 1e6:
            continue
        x = K.solve(b, shift=shift)
        assert_solves(B, x, b)
        np.testing.assert_allclose(K.shifted(shift) @ x, b, atol=1e-5 * np.linalg.norm(B))
        sign, logabsdet = K.shifted(shift).slogdet()
        expected = np.linalg.slogdet(B)
        assert (sign, logabsdet) == (
            pytest.approx(expected[0], abs=1e-6),
            pytest.approx(expected[1], abs=1e-6),
        )


@pytest.mark.parametrize("dtype", DTYPES)
def test_shifted_covariance(dtype):
    rng = np.random.default_rng(0)
    dense = [hermitian(rng, n, dtype, least=0) for n in (5, 7, 3)]
    K, A, b = KronOperator(*dense), kron(dense), random_matrix(rng, 105, 1, dtype)[:, 0]
    x = K.solve(b, shift=0.5)
    assert x.dtype == dtype
    assert_solves(A + 0.5 * np.eye(105), x, b, rtol=20 * np.finfo(dtype).eps)
    sign, logabsdet = K.shifted(0.5).slogdet()
    assert sign == 1
    assert logabsdet == pytest.approx(
        np.linalg.slogdet(A + 0.5 * np.eye(105))[1], rel=tolerance(dtype)["rtol"]
    )


@pytest.mark.parametrize("dtype", DTYPES)
def test_eigenvectors(dtype):
    rng = np.random.default_rng(1)
    dense = [hermitian(rng, n, dtype) for n in (4, 1, 6)]
    w, V = KronOperator(*dense, np.eye(2, dtype=dtype)).eigh()
    A, Q = kron([*dense, np.eye(2)]), V.toarray()
    assert isinstance(V, KronOperator)
    assert w.dtype == np.finfo(dtype).dtype
    np.testing.assert_allclose(A @ Q, Q * w, **tolerance(dtype, size=100))
    np.testing.assert_allclose(Q.conj().T @ Q, np.eye(48), **tolerance(dtype))
    np.testing.assert_allclose(np.sort(w), np.linalg.eigvalsh(A), **tolerance(dtype, size=100))


def test_algebra():
    rng = np.random.default_rng(2)
    A, B = (
        [random_matrix(rng, 3, 4), random_matrix(rng, 2, 5)],
        [random_matrix(rng, 4, 2), random_matrix(rng, 5, 3)],
    )
    K, L = KronOperator(*A), KronOperator(*B)
    product = K @ L
    assert isinstance(product, KronOperator)
    np.testing.assert_allclose(product.toarray(), kron(A) @ kron(B))
    scaled = 2 * K * 0.25 / 2
    assert isinstance(scaled, KronOperator)
    np.testing.assert_allclose(scaled.toarray(), 0.25 * kron(A))
    np.testing.assert_allclose((-K).toarray(), -kron(A))
    np.testing.assert_allclose((1j * K).toarray(), 1j * kron(A))
    total = K - 3 * K + KronOperator(*A)
    assert isinstance(total, KronTerms)
    np.testing.assert_allclose(total.toarray(), -kron(A), atol=1e-14)
    np.testing.assert_allclose((total @ L).toarray(), -kron(A) @ kron(B), atol=1e-13)


@pytest.mark.parametrize("kind", KINDS)
def test_factors_are_kept_as_they_were(kind):
    rng = np.random.default_rng(3)
    A, dense = factor(rng, kind, 4, 4)
    K = KronOperator(A, np.ones((2, 2)))
    if isinstance(A, np.ndarray) and A.flags.writeable:
        A[...] = 7
    elif sp.issparse(A):
        A.data[...] = 7
    found = K.factors[0]
    assert isinstance(found, Toeplitz) == (kind == "toeplitz")
    assert sp.issparse(found) == (kind.startswith("sparse") or kind == "identity")
    np.testing.assert_array_equal(found if isinstance(found, np.ndarray) else found.toarray(), dense)
    with pytest.raises(ValueError, match="read-only") if kind != "identity" else contextlib.nullcontext():
        (found if isinstance(found, np.ndarray) else found.data if sp.issparse(found) else found.c)[0] = 1
    nested = KronOperator(K, np.ones((1, 3)))
    assert len(nested.factors) == 3
    np.testing.assert_allclose(nested.toarray(), kron([dense, np.ones((2, 2)), np.ones((1, 3))]))


@pytest.mark.parametrize("left", [1, 2, 40])
@pytest.mark.parametrize("right", [1, 3, 50])
@pytest.mark.parametrize("dtype", DTYPES)
def test_sparse_factor_between_others(left, right, dtype):
    rng = np.random.default_rng(4)
    S, A = factor(rng, "sparse", 6, 5, dtype)
    K = KronOperator(np.eye(left), S, np.eye(right))
    x = random_matrix(rng, 5 * left * right, 2, dtype)
    y = np.einsum("ik,lkrc->lirc", A, x.reshape(left, 5, right, 2)).reshape(-1, 2)
    np.testing.assert_allclose(K @ x, y, **tolerance(dtype, size=10))


def test_nan_and_infinity_spread_as_in_a_product():
    K = KronOperator(np.ones((2, 2)), np.eye(3))
    x = np.arange(6.0)
    x[1] = np.nan
    np.testing.assert_array_equal(np.isnan(K @ x), [False, True, False] * 2)


@pytest.mark.parametrize("kind", ["dense", "sparse", "toeplitz"])
@pytest.mark.parametrize("dtype", DTYPES)
def test_single_precision_factors_and_double_vectors(kind, dtype):
    """float64 is never dropped: the product is made in double precision, from the factors as they are."""
    rng = np.random.default_rng(5)
    A, dense = factor(rng, kind, 5, 5, dtype)
    K, x = KronOperator(A, A), random_matrix(rng, 25, 1)[:, 0]
    expected = kron([dense.astype("c16" if dtype[0] == "c" else "f8")] * 2) @ x
    y = K @ x
    assert y.dtype == expected.dtype
    np.testing.assert_allclose(y, expected, rtol=1e-12, atol=1e-12)
    assert (K @ x.astype("f4")).dtype == dtype
