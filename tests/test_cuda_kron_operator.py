"""Kronecker products of arrays on the device: the answers of the host, and nothing copied there."""

import pickle

import numpy as np
import pytest
import scipy.linalg

import pysolve
from pysolve import KronOperator, KronSum, KronTerms, Toeplitz, _kron_products, _kron_toeplitz

SCALARS = 64  # bytes: what may be copied to the host at once


def stays(device):
    """Nothing but scalars has been copied to the host."""
    return max(getattr(device, "transfers", []), default=0) <= SCALARS


def fetched(device, x):
    """What the test itself copies is not counted."""
    found = device.asnumpy(x)
    getattr(device, "transfers", [0]).pop()
    return found


def random_array(rng, shape, dtype):
    x = rng.standard_normal(shape)
    return (x + 1j * rng.standard_normal(shape) if np.dtype(dtype).kind == "c" else x).astype(dtype)


def hermitian(rng, n, dtype="f8"):
    A = random_array(rng, (n, n), dtype)
    return (A @ A.conj().T / n + np.eye(n)).astype(dtype)


def assert_same(device, found, expected, dtype="f8"):
    assert isinstance(found, device.ndarray)
    assert found.dtype == expected.dtype
    eps = float(np.finfo(dtype).eps)
    np.testing.assert_allclose(fetched(device, found), expected, rtol=0, atol=500 * eps * abs(expected).max())


@pytest.mark.parametrize("dtype", ["f4", "f8", "c8", "c16"])
@pytest.mark.parametrize("shapes", [[(3, 4), (5, 2)], [(4, 4), (3, 3), (2, 5)], [(6, 1)]], ids=str)
def test_products_are_those_on_the_host(device, shapes, dtype):
    rng = np.random.default_rng(0)
    factors = [random_array(rng, shape, dtype) for shape in shapes]
    A, D = KronOperator(*factors), KronOperator(*map(device.asarray, factors))
    x, z = random_array(rng, A.shape[1], dtype), random_array(rng, (A.shape[0], 3), dtype)
    assert_same(device, D @ device.asarray(x), A @ x, dtype)
    assert_same(device, D.rmatmat(device.asarray(z)), A.rmatmat(z), dtype)
    assert_same(device, D.T @ device.asarray(z), A.T @ z, dtype)
    assert_same(device, device.asarray(z.T) @ D, z.T @ A, dtype)
    assert_same(device, D.matvec(device.asarray(x.real.astype("f8"))), A.matvec(x.real.astype("f8")), dtype)
    out = device.empty((A.shape[0],), dtype)
    assert D.matvec(device.asarray(x), out=out) is out
    assert_same(device, out, A @ x, dtype)
    assert stays(device)


@pytest.mark.parametrize("columns", [1, 2])
@pytest.mark.parametrize("dtype", ["f8", "c16"])
def test_large_factors_are_multiplied_by_blas(device, monkeypatch, dtype, columns):
    monkeypatch.setitem(_kron_products.MOST_IN_KERNEL, "cuda", 1)
    rng = np.random.default_rng(1)
    for shapes in [[(4, 3), (5, 6), (2, 7)], [(3, 3)], [(2, 4), (1, 5), (3, 3)]]:
        factors = [random_array(rng, shape, dtype) for shape in shapes]
        A, D = KronOperator(*factors), KronOperator(*map(device.asarray, factors))
        x = random_array(rng, (A.shape[1], columns), dtype)
        assert_same(device, D @ device.asarray(x), A @ x)
    assert stays(device)


@pytest.mark.parametrize("limit", [0, 90000])
@pytest.mark.parametrize("dtype", ["f4", "f8", "c16"])
def test_toeplitz_products_are_those_on_the_host(device, monkeypatch, dtype, limit):
    monkeypatch.setattr(_kron_toeplitz, "MOST_DENSE", limit)
    rng = np.random.default_rng(2)
    c, r = random_array(rng, 7, dtype), random_array(rng, 5, dtype)
    T, D = Toeplitz(c, r), Toeplitz(device.asarray(c), device.asarray(r))
    x = random_array(rng, (5, 3), dtype)
    assert_same(device, D @ device.asarray(x), T @ x, dtype)
    np.testing.assert_array_equal(fetched(device, D.toarray()), T.toarray())
    A, E = KronOperator(np.eye(3, dtype=dtype), T), KronOperator(device.eye(3, dtype=dtype), D)
    x = random_array(rng, 15, dtype)
    assert_same(device, E @ device.asarray(x), A @ x, dtype)
    assert stays(device)


@pytest.mark.parametrize("dtype", ["f8", "c16"])
def test_solves_are_those_on_the_host(device, dtype):
    rng = np.random.default_rng(3)
    n = 4, 3, 2
    factors = [hermitian(rng, k, dtype) for k in n]
    here, there = [A + 0.3 * np.triu(A) for A in factors], [hermitian(rng, k, dtype) for k in n]
    b = random_array(rng, (24, 2), dtype)
    for make, calls in [
        (lambda given: KronOperator(*given[0]), ["solve", "shifted", "complex shift"]),
        (lambda given: KronOperator(*given[1]), ["solve"]),
        (lambda given: KronSum(*given[0]), ["solve", "shifted", "complex shift", "rcond"]),
        (lambda given: KronSum(*given[0], mass=given[2]), ["solve", "shifted"]),
        (lambda given: KronTerms([(2.0, given[0]), (1.0, [A @ A for A in given[0]])]), ["solve", "rcond"]),
    ]:
        A = make((factors, here, there))
        D = make([list(map(device.asarray, part)) for part in (factors, here, there)])
        for call in calls:
            arguments = {
                "shifted": {"shift": 0.5},
                "complex shift": {"shift": 0.5j},
                "rcond": {"rcond": 1e-12},
            }
            options = arguments.get(call, {})
            assert_same(device, D.solve(device.asarray(b), **options), A.solve(b, **options), "f4")
            assert D.logdet() == pytest.approx(A.logdet(), rel=1e-10)
    assert stays(device)


def test_eigenvectors_stay_on_the_device(device):
    rng = np.random.default_rng(4)
    factors = [hermitian(rng, 4), hermitian(rng, 3)]
    D = KronOperator(*map(device.asarray, factors))
    w, V = D.eigh()
    np.testing.assert_allclose(fetched(device, w), KronOperator(*factors).eigh()[0], rtol=1e-10)
    x = device.asarray(rng.standard_normal(12))
    np.testing.assert_allclose(
        fetched(device, V @ (w * (V.T @ x))), fetched(device, D @ x), rtol=0, atol=1e-12
    )
    np.testing.assert_allclose(fetched(device, D.diagonal()), KronOperator(*factors).diagonal())
    np.testing.assert_allclose(fetched(device, D.toarray()), np.kron(*factors))
    assert isinstance(D.trace(), np.generic)
    assert float(D.trace()) == pytest.approx(np.trace(np.kron(*factors)))


def test_sums_and_products_of_operators(device):
    rng = np.random.default_rng(5)
    A, B = (KronOperator(hermitian(rng, 3), hermitian(rng, 2)) for _ in range(2))
    C, D = (operator.to_device("cuda") for operator in (A, B))
    x = rng.standard_normal(6)
    for host, there in [(A + 2 * B, C + 2 * D), (A @ B - A, C @ D - C), (A @ B, C @ D), (-A / 2, -C / 2)]:
        assert_same(device, there @ device.asarray(x), host @ x)
    K = KronSum(*A.factors) + KronSum(*A.factors)
    assert_same(device, K.to_device("cuda") @ device.asarray(x), K @ x)
    assert stays(device)


def test_copies_go_there_and_back(device):
    rng = np.random.default_rng(6)
    x = rng.standard_normal(12)
    factors = [hermitian(rng, 4), Toeplitz(np.array([2.0, 1.0, 0.0]))]
    for A in (
        *(KronOperator(*factors), KronOperator(np.eye(4), factors[1])),
        *(KronSum(*factors), KronSum(*factors, mass=factors)),
        *(KronTerms([(1.0, factors), (2.0, [np.eye(4), factors[1]])]), Toeplitz(np.arange(12.0))),
    ):  # fmt: skip
        D = A.to_device("cuda")
        assert D.to_device("cuda") is D
        assert_same(device, D @ device.asarray(x), A @ x)
        for again in D.to_device("cpu"), pickle.loads(pickle.dumps(D)).to_device("cpu"):
            assert type(again) is type(A)
            np.testing.assert_array_equal(again @ x, A @ x)


def test_what_is_elsewhere_or_missing_there_is_refused(device):
    A, x = np.array([[2.0, 1.0], [0.0, 1.0]]), np.ones(4)
    there = device.asarray(A)
    D = KronOperator(there, there)
    for call, error, message in [
        (lambda: KronOperator(A, there), TypeError, r"factors\[0\] .* on the host, but factors\[1\] .* on GPU"),
        (lambda: D @ x, TypeError, r"A \(KronOperator\) is on the GPU, but X \(ndarray\) is on the host"),
        (lambda: D.solve(x), TypeError, r"A \(KronOperator\) is on the GPU, but b \(ndarray\) is on the host"),
        (lambda: KronOperator(A, A) @ device.asarray(x), TypeError, r"A .* on the host, but X .* on GPU"),
        (lambda: D.matvec(device.asarray(x), out=x), TypeError, r"x .* is on GPU 0, but out .* is on the host"),
        (lambda: D + KronOperator(A, A), TypeError, "left .* on the GPU, but right .* on the host"),
        (lambda: KronTerms([(1, D), (1, [A, A])]), TypeError, r"terms\[1\] is not where terms\[0\] is"),
        (lambda: Toeplitz(A[0], there[0]), TypeError, "c .* is on the host, but r .* is on GPU"),
        (lambda: D.solve(device.asarray(x), 0.5), NotImplementedError, "no Schur form: CuPy has none"),
        (lambda: D.tocsr(), NotImplementedError, "to_device"),
        (lambda: D.eigh(), ValueError, "must be symmetric"),
        (lambda: KronOperator(device.zeros((2, 2)) + 1).solve(device.ones(2)), scipy.linalg.LinAlgError, "singular"),
        (lambda: KronSum(there - there).solve(device.ones(2)), scipy.linalg.LinAlgError, "singular"),
        (lambda: KronOperator(device.asarray([[np.nan]])), ValueError, r"factors\[0\]\[0, 0\] is nan"),
        (lambda: KronOperator(pysolve.gallery.poisson((3, 3), format="csr")).to_device("cuda"), NotImplementedError,
         "a sparse factor stays on the host"),
    ]:  # fmt: skip
        with pytest.raises(error, match=message):
            call()
    assert stays(device)


def test_a_sparse_matrix_of_the_device_is_no_factor(device, sparse_on_device):
    S = sparse_on_device(pysolve.gallery.poisson((3, 3), format="csr"))
    with pytest.raises(TypeError, match=r"factors\[0\] is a sparse matrix on the device .*toarray"):
        KronOperator(S)


def test_large_toeplitz_systems_are_refused_there(device, monkeypatch):
    from pysolve import _kron_solve

    monkeypatch.setattr(_kron_solve, "MOST_LU", 2)
    with pytest.raises(NotImplementedError, match="no Levinson recursion"):
        Toeplitz(device.asarray([2.0, 1.0, 0.5])).solve(device.ones(3))


def test_solvers_take_operators_of_the_device(device):
    rng = np.random.default_rng(7)
    A = KronSum(hermitian(rng, 4), hermitian(rng, 3))
    b = rng.standard_normal(12)
    x, info = pysolve.cg(A.to_device("cuda"), device.asarray(b), rtol=1e-10)
    assert info == 0
    assert_same(device, x, A.solve(b), "f4")
