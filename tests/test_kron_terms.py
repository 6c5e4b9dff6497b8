"""KronTerms equals the sum of dense Kronecker products; it is solved where one basis serves all terms."""

import numpy as np
import pytest
import scipy.linalg
import scipy.sparse as sp
from hypothesis import given, settings
from hypothesis import strategies as st
from kron_cases import (
    DTYPES,
    KINDS,
    assert_solves,
    factor,
    hermitian,
    kron,
    kron_sum,
    random_matrix,
    tolerance,
)
from numpy.linalg import LinAlgError

import pysolve
from pysolve import KronOperator, KronSum, KronTerms

thorough = settings(max_examples=150, deadline=None)


@st.composite
def sums(draw):
    """Terms that share some factors, and the dense matrix of their sum."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    square = draw(st.booleans())
    shapes = [(draw(st.integers(0, 4)), draw(st.integers(0, 4))) for _ in range(draw(st.integers(1, 3)))]
    shapes = [(n, n) if square else (m, n) for m, n in shapes]
    kinds = KINDS if square else KINDS[:-1]
    choice = [
        [factor(rng, draw(st.sampled_from(kinds)), m, n, draw(st.sampled_from(DTYPES))) for _ in range(2)]
        for m, n in shapes
    ]
    terms, total = [], 0
    for _ in range(draw(st.integers(1, 4))):
        c = draw(st.sampled_from([1.0, -2, 0, 0.5j, np.float32(0.25)]))
        picked = [draw(st.sampled_from(along)) for along in choice]
        terms.append((c, [one for one, _ in picked]))
        total = total + c * kron([dense for _, dense in picked])
    return terms, total, rng


@given(sums())
@thorough
def test_products_and_matrices_equal_those_of_the_dense_matrix(case):
    terms, A, rng = case
    K = KronTerms(terms)
    assert K.shape == A.shape
    for columns in (1, 3):
        x, y = random_matrix(rng, A.shape[1], columns, "c16"), random_matrix(rng, A.shape[0], columns, "f8")
        size = 20 * (abs(A).sum() + 1)
        np.testing.assert_allclose(K @ x, A @ x, **tolerance(K.dtype, size=size))
        np.testing.assert_allclose(K @ x.real.astype("f4"), A @ x.real, **tolerance("f4", size=size))
        np.testing.assert_allclose(K.T @ y, A.T @ y, **tolerance(K.dtype, size=size))
        np.testing.assert_allclose(K.rmatmat(y), A.conj().T @ y, **tolerance(K.dtype, size=size))
    close = tolerance(K.dtype, size=10 * abs(A).max(initial=0))
    np.testing.assert_allclose(K.toarray(), A, **close)
    np.testing.assert_allclose(K.tocsr().toarray(), A, **close)
    np.testing.assert_allclose(K.diagonal(), np.diagonal(A), **close)
    rebuilt = KronTerms(K.terms)
    np.testing.assert_array_equal(rebuilt.toarray(), K.toarray())
    assert all(
        np.iscomplexobj(part) <= np.iscomplexobj(K.toarray()) for part in (K.diagonal(), K.tocsr().data)
    )


def test_shared_factors_are_multiplied_once(monkeypatch):
    calls = []
    from pysolve import _kron_tree

    plain = _kron_tree.mode_product
    monkeypatch.setattr(_kron_tree, "mode_product", lambda *a: calls.append(1) or plain(*a))
    rng = np.random.default_rng(0)
    A, B, C = (random_matrix(rng, 3, 3) for _ in range(3))
    KronSum(A, B, C) @ np.ones(27)
    assert len(calls) == 3
    calls.clear()
    K = KronTerms([(1, [A, B]), (2, [A.copy(), C]), (-1, [A, np.eye(3)])])
    np.testing.assert_allclose(K @ np.ones(9), K.toarray() @ np.ones(9))
    assert len(calls) == 3


def commuting(rng, n, dtype):
    """Two Hermitian matrices with the same eigenvectors."""
    Q = np.linalg.qr(random_matrix(rng, n, n, dtype))[0]
    return [((Q * rng.uniform(1, 2, n).astype(dtype)) @ Q.conj().T).astype(dtype) for _ in range(2)]


@pytest.mark.parametrize("dtype", DTYPES)
def test_solve_where_all_terms_are_diagonal_in_one_basis(dtype):
    rng = np.random.default_rng(1)
    (A, A2), (B, B2) = commuting(rng, 6, dtype), commuting(rng, 5, dtype)
    A, A2, B, B2 = ((M + M.conj().T) / 2 for M in (A, A2, B, B2))
    K = KronTerms([(1.0, [A, B]), (0.5, [A2, np.eye(5, dtype=dtype)]), (2.0, [A2, B2])])
    dense, b = K.toarray(), random_matrix(rng, 30, 2, dtype)
    eps = np.finfo(dtype).eps
    assert K.dtype == dtype
    assert_solves(dense, K.solve(b), b, rtol=100 * eps)
    assert_solves(dense + 3 * np.eye(30), K.solve(b, shift=3), b, rtol=100 * eps)
    sign, logabsdet = K.slogdet()
    expected = np.linalg.slogdet(dense.astype("c16"))
    assert sign == pytest.approx(expected[0], abs=1e-5)
    assert logabsdet == pytest.approx(expected[1], rel=float(1000 * eps))
    np.testing.assert_allclose(K.solve(b, rcond=float(10 * eps)), K.solve(b), **tolerance(dtype, size=10))


def test_solve_of_finite_elements_with_a_reaction():
    """Stiffness and mass along each axis: a Hermitian pencil, the mass positive definite."""
    rng = np.random.default_rng(2)
    S = [hermitian(rng, n) for n in (4, 5, 3)]
    M = [hermitian(rng, n, least=0.3) for n in (4, 5, 3)]
    terms = [(1.0, [S[0], M[1], M[2]]), (2.0, [M[0], S[1], M[2]]), (-1.0, [M[0], M[1], S[2]]), (0.7, M)]
    K, b = KronTerms(terms), rng.standard_normal(60)
    assert_solves(K.toarray(), K.solve(b), b)
    sign, logabsdet = K.slogdet()
    expected = np.linalg.slogdet(K.toarray())
    assert (sign, logabsdet) == (expected[0], pytest.approx(expected[1]))


@pytest.mark.parametrize("sizes", [(6, 5), (3, 4, 5), (60, 3), (1, 7)])
def test_solve_of_terms_that_are_triangular_in_one_basis(sizes):
    """Polynomials of one general matrix along each axis, products of them too."""
    rng = np.random.default_rng(3)
    A = [random_matrix(rng, n, n) + 3 * n * np.eye(n) for n in sizes]
    I = [np.eye(n) for n in sizes]
    terms = [
        (1.0, A),
        (0.5, [A[0], *I[1:]]),
        (2.0, [I[0], A[1], *I[2:]]),
        (0.3j, I),
        (1.0, [A[0] @ A[0], *I[1:]]),
    ]
    K, b = KronTerms(terms), random_matrix(rng, int(np.prod(sizes)), 2)
    assert_solves(K.toarray(), K.solve(b.astype(complex)), b)
    x = KronTerms(terms[:3]).solve(b, shift=1.0)
    assert x.dtype == np.float64
    assert_solves(KronTerms(terms[:3]).toarray() + np.eye(len(b)), x, b)


def test_terms_without_a_common_basis_point_at_iterative_methods():
    rng = np.random.default_rng(4)
    A = [hermitian(rng, 4, least=1) for _ in range(3)]
    K = KronTerms([(1, [A[0], A[1]]), (1, [A[1], A[2]]), (1, [A[2], A[0]])])
    for solve in (lambda: K.solve(np.ones(16)), K.slogdet):
        with pytest.raises(ValueError, match=r"axis 0 has 3 different factors .* use pysolve.cg or"):
            solve()
    result = pysolve.cg(K, np.ones(16), rtol=1e-10)
    assert result.converged
    assert_solves(K.toarray(), result.x, np.ones(16))


def test_one_term_is_solved_by_its_factors():
    rng = np.random.default_rng(5)
    A, B = random_matrix(rng, 3, 3), random_matrix(rng, 4, 4)
    K, b = KronTerms([(-2.0, [A, B])]), np.arange(12.0)
    assert_solves(-2 * kron([A, B]), K.solve(b), b)
    sign, logabsdet = K.slogdet()
    expected = np.linalg.slogdet(-2 * kron([A, B]))
    assert (sign, logabsdet) == (pytest.approx(expected[0]), pytest.approx(expected[1]))
    zero = KronTerms([(0.0, [A, B])])
    assert (zero.slogdet(), zero.logdet()) == ((0, -np.inf), -np.inf)
    with pytest.raises(LinAlgError):
        zero.solve(b)


def test_sums_of_everything():
    rng = np.random.default_rng(6)
    A, B = hermitian(rng, 3), hermitian(rng, 4)
    K = KronSum(A, B) + 0.5 * KronOperator(A, B) - KronOperator(np.eye(3), sp.eye_array(4))
    dense = kron_sum([A, B]) + 0.5 * kron([A, B]) - np.eye(12)
    np.testing.assert_allclose(K.toarray(), dense, atol=1e-14)
    assert_solves(dense, K.solve(np.ones(12)), np.ones(12))
    np.testing.assert_allclose((K / 2).toarray(), dense / 2, atol=1e-14)
    np.testing.assert_allclose((K @ KronSum(A, B)).toarray(), dense @ kron_sum([A, B]), atol=1e-12)
    np.testing.assert_allclose(KronTerms(K).toarray(), dense, atol=1e-14)
    np.testing.assert_allclose(
        KronTerms([K, (2, K), KronOperator(A, B)]).toarray(), 3 * dense + kron([A, B]), atol=1e-13
    )
    assert repr(K) == "KronTerms(4 terms of (3, 3) x (4, 4), dtype=float64)"


def test_near_defective_factors():
    """Jordan blocks have no eigenvectors to speak of; their Schur form is as good as any."""
    J = np.eye(8) + np.eye(8, k=1)
    K = KronOperator(J, J)
    b = np.ones(64)
    assert_solves(kron([J, J]) + np.eye(64), K.solve(b, shift=1.0), b, rtol=1e-13)
    assert_solves(kron_sum([J, J]), KronSum(J, J).solve(b), b, rtol=1e-13)
    assert scipy.linalg.norm(K.solve(b)) > 0
