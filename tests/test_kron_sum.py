"""KronSum equals the sum of dense Kronecker products, and its solves equal dense ones."""

import numpy as np
import pytest
import scipy.linalg
from hypothesis import given, settings
from kron_cases import DTYPES, assert_solves, hermitian, kron, kron_sum, products, random_matrix, tolerance
from numpy.linalg import LinAlgError

from pysolve import KronOperator, KronSum, KronTerms, Toeplitz

thorough = settings(max_examples=150, deadline=None)


@given(products(square=True))
@thorough
def test_products_equal_those_of_the_dense_matrix(case):
    factors, dense, rng = case
    K, A = KronSum(*factors), kron_sum(dense)
    assert (K.shape, K.dtype) == (A.shape, np.result_type(*dense))
    x = random_matrix(rng, len(A), 3, "c16")
    close = tolerance(K.dtype, size=(abs(A) @ abs(x)).max(initial=1))
    np.testing.assert_allclose(K @ x, A @ x, **close)
    np.testing.assert_allclose(K.H @ x, A.conj().T @ x, **close)
    np.testing.assert_allclose(K.T @ x[:, 0], A.T @ x[:, 0], **close)
    np.testing.assert_allclose(K.tocsr().toarray(), A, **close)
    np.testing.assert_allclose(K.diagonal(), np.diagonal(A), **close)
    np.testing.assert_allclose(K.trace(), np.trace(A), **tolerance(K.dtype, size=abs(A).sum()))


@given(products(square=True, dtypes=["f8", "c16"]))
@thorough
def test_solve_and_slogdet(case):
    factors, dense, rng = case
    K, A = KronSum(*factors), kron_sum(dense)
    b = random_matrix(rng, len(A), 2, "c16")
    for shift in (0.0, 0.8, 0.5j):
        B = A + shift * np.eye(len(A))
        if len(A) and np.linalg.cond(B) > 1e6:
            continue
        for right in (b, b.real, b[:, 0], b[:, :1].real):
            x = K.solve(right, shift=shift)
            assert x.shape == right.shape
            assert x.dtype == np.result_type(K.dtype, right.dtype, "c8" if shift == 0.5j else "f4")
            assert_solves(B, x, right) if x.size else None
    sign, logabsdet = K.slogdet()
    expected = np.linalg.slogdet(A)
    if np.isfinite(expected[1]) and (len(A) == 0 or np.linalg.cond(A) < 1e6):
        assert logabsdet == pytest.approx(expected[1], abs=1e-6)
        assert sign == pytest.approx(expected[0], abs=1e-6)


KINDS = ["symmetric", "normal", "general", "triangular"]


def matrix(rng, kind, n, dtype):
    A = random_matrix(rng, n, n, dtype)
    if kind == "symmetric":
        return hermitian(rng, n, dtype) + 4 * n * np.eye(n, dtype=dtype)
    if kind == "normal":  # a rotation and a shift
        return (scipy.linalg.expm(A - A.conj().T) + 3 * np.eye(n)).astype(dtype)
    return (np.triu(A) if kind == "triangular" else A) + (4 * n * np.eye(n)).astype(dtype)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(
    ("kinds", "sizes"),
    [
        (["symmetric"] * 3, (9, 1, 14)),
        (["normal", "symmetric"], (11, 12)),
        (["general", "general"], (60, 101)),
        (["general", "symmetric"], (70, 9)),
        (["symmetric", "general", "normal"], (5, 21, 6)),
        (["general", "triangular", "symmetric"], (9, 8, 7)),
        (["general", "general", "general"], (7, 55, 6)),
        (["general", "triangular", "general", "general"], (3, 5, 2, 4)),
        (["general"], (30,)),
        (["general", "general", "general"], (1, 12, 1)),
    ],
)
def test_solve_of_every_mixture_of_factors(kinds, sizes, dtype):
    rng = np.random.default_rng(0)
    dense = [matrix(rng, kind, n, dtype) for kind, n in zip(kinds, sizes, strict=True)]
    K, b = KronSum(*dense), random_matrix(rng, int(np.prod(sizes)), 2, dtype)
    for shift in (0.0, -2.5):
        for right in (b, b[:, 0]):
            x = K.solve(right, shift=shift)
            assert x.dtype == dtype
            residual = np.linalg.norm(K @ x + shift * x - right) / np.linalg.norm(right)
            assert residual < 500 * np.finfo(dtype).eps
    if b.dtype.kind == "f":
        twice = K.solve(b[:, 0] + 1j * b[:, 1])
        np.testing.assert_allclose(twice.real, K.solve(b[:, 0]), **tolerance(dtype))
        np.testing.assert_allclose(twice.imag, K.solve(b[:, 1]), **tolerance(dtype))


@pytest.mark.parametrize("n", [3, 47, 48, 49, 100])
def test_two_factors_equal_solve_sylvester(n):
    rng = np.random.default_rng(n)
    A, B, C = (random_matrix(rng, *shape) for shape in ((n, n), (n + 1, n + 1), (n, n + 1)))
    X = KronSum(A, B).solve(C.ravel()).reshape(C.shape)
    np.testing.assert_allclose(X, scipy.linalg.solve_sylvester(A, B.T, C), rtol=1e-6, atol=1e-8)


def test_fast_diagonalisation_of_a_box():
    """Lynch, Rice and Thomas: the 7-point Laplacian, known eigenvalues."""
    sizes = (6, 9, 4)
    factors = [Toeplitz([2.0, -1.0] + [0.0] * (n - 2)) for n in sizes]
    waves = [np.sin(np.pi * (k + 1) * np.arange(1, n + 1) / (n + 1)) for k, n in enumerate(sizes)]
    value = sum(2 - 2 * np.cos(np.pi * (k + 1) / (n + 1)) for k, n in enumerate(sizes))
    b = kron([wave[:, None] for wave in waves])[:, 0]
    np.testing.assert_allclose(KronSum(*factors).solve(b), b / value, atol=1e-13)
    np.testing.assert_allclose(KronSum(*factors).solve(b, shift=1.5), b / (value + 1.5), atol=1e-13)


@pytest.mark.parametrize("dtype", DTYPES)
def test_mass_matrices(dtype):
    rng = np.random.default_rng(1)
    sizes = (5, 3, 4)
    A = [hermitian(rng, n, dtype, least=0.1) for n in sizes]
    M = [hermitian(rng, n, dtype, least=0.5) for n in sizes]
    K, dense, mass = KronSum(*A, mass=M), kron_sum(A, M), kron(M)
    close = tolerance(dtype, size=10)
    b = random_matrix(rng, 60, 2, dtype)
    np.testing.assert_allclose(K @ b, dense @ b, **close)
    np.testing.assert_allclose((K.H @ b), dense.conj().T @ b, **close)
    assert_solves(dense, K.solve(b), b, rtol=50 * np.finfo(dtype).eps)
    assert_solves(dense + 0.3 * mass, K.solve(b, shift=0.3), b, rtol=50 * np.finfo(dtype).eps)
    np.testing.assert_allclose(K.shifted(0.3).toarray(), dense + 0.3 * mass, **close)
    assert K.logdet() == pytest.approx(np.linalg.slogdet(dense)[1], rel=float(1000 * np.finfo(dtype).eps))
    assert K.solve(b.astype("c16"), shift=1j).dtype == np.complex128
    for found, expected in zip((*K.factors, *K.mass), (*A, *M), strict=True):
        np.testing.assert_array_equal(found, expected)
    assert KronSum(*A).mass is None
    with pytest.raises(ValueError, match="rcond needs factors that a unitary basis"):
        K.solve(b, rcond=1e-10)
    one = KronSum(A[0], mass=M[:1])
    assert_solves(
        A[0] + 2 * np.asarray(M[0]), one.solve(b[:5], shift=2.0), b[:5], rtol=50 * np.finfo(dtype).eps
    )


NEUMANN = np.diag([1.0, 2, 2, 1]) - np.eye(4, k=1) - np.eye(4, k=-1)


def test_singular_sum_names_the_eigenvalue_nearest_to_zero():
    b = np.arange(16.0)
    with pytest.raises(LinAlgError, match=r"singular to working precision: its eigenvalue nearest to 0 is"):
        KronSum(NEUMANN, NEUMANN).solve(b)
    upper = np.triu(np.ones((4, 4)))
    with pytest.raises(LinAlgError, match=r"nearest to 0 is -?0"):
        KronSum(upper, -upper).solve(b)
    with pytest.raises(LinAlgError, match="the operator with shift -2"):
        KronSum(upper, upper).solve(b, shift=-2)
    with pytest.raises(LinAlgError):
        KronSum(np.zeros((3, 3))).solve(np.ones(3))
    assert KronSum(NEUMANN, NEUMANN).logdet() < -15


def test_least_squares_of_a_singular_sum():
    b = np.random.default_rng(2).standard_normal((16, 2))
    K = KronSum(NEUMANN, NEUMANN)
    x = K.solve(b, rcond=1e-12)
    np.testing.assert_allclose(x, np.linalg.pinv(K.toarray()) @ b, atol=1e-13)
    np.testing.assert_allclose(x.sum(axis=0), 0, atol=1e-13)
    np.testing.assert_array_equal(KronSum(np.zeros((3, 3))).solve(np.ones(3), rcond=0.0), 0)
    with pytest.raises(ValueError, match="rcond needs factors"):
        KronSum(np.triu(np.ones((4, 4))), NEUMANN).solve(b, rcond=1e-12)


def test_bases_are_computed_once(monkeypatch):
    calls = []
    eigh = scipy.linalg.eigh
    monkeypatch.setattr(scipy.linalg, "eigh", lambda *a, **k: calls.append(1) or eigh(*a, **k))
    rng = np.random.default_rng(3)
    K, b = KronSum(*(hermitian(rng, n, least=1) for n in (5, 6))), np.ones(30)
    for shift in (0, 1, 2.5, 0):
        K.solve(b, shift=shift)
    K.shifted(7.0).logdet()
    assert len(calls) == 2
    P = KronOperator(*K.factors)
    for shift in (0.1, 0.2):
        P.solve(b, shift=shift)
        P.shifted(shift).logdet()
    P.eigh()
    assert len(calls) == 4


def test_sum_is_a_sum_of_terms():
    rng = np.random.default_rng(4)
    A, B = random_matrix(rng, 3, 3), random_matrix(rng, 2, 2)
    K = KronSum(A, B)
    assert isinstance(K, KronTerms)
    assert len(K.terms) == 2
    np.testing.assert_allclose((K @ K).toarray(), kron_sum([A, B]) @ kron_sum([A, B]))
    np.testing.assert_allclose((2 * K - KronOperator(A, B)).toarray(), 2 * kron_sum([A, B]) - kron([A, B]))
    assert repr(K) == "KronSum(3 + 2, dtype=float64)"


def test_single_precision_sum_is_solved_in_double_for_double_vectors():
    rng = np.random.default_rng(5)
    dense = [hermitian(rng, n, "f4", least=1) for n in (4, 5)]
    x = KronSum(*dense).solve(np.ones(20))
    assert x.dtype == np.float64
    assert_solves(kron_sum([A.astype("f8") for A in dense]), x, np.ones(20), rtol=1e-14)
