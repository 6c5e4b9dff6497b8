"""PackedMatrix equals the matrix it was made from, wherever that is used."""

import pickle

import numpy as np
import pytest
import scipy.sparse as sp
import scipy.sparse.linalg as sla
from csr_cases import VALUES, matrices, random_values, rounding, spd_matrix, vectors
from hypothesis import given, settings

import pysolve
from pysolve import PackedMatrix


@given(matrices(square=True))
@settings(max_examples=150, deadline=None)
def test_packed_matrix_equals_the_matrix(A):
    P, (x,) = PackedMatrix(A.scipy()), vectors(A, A.shape[0])
    before = [array.copy() for array in A.arrays]
    assert (abs(P.matvec(x) - A.dense() @ x) <= rounding(A, x)).all()
    np.testing.assert_allclose(P.diagonal(), A.dense().diagonal(), rtol=1e-6)
    assert (P.shape, P.dtype, P.nnz) == (A.shape, A.data.dtype, len(A.data))
    assert P.nbytes == sum(array.nbytes for array in P._kernel_args)
    assert all(np.array_equal(one, two) for one, two in zip(before, A.arrays, strict=True))


def test_matrix_that_is_packed_is_not_written():
    rng = np.random.default_rng(0)
    A = sp.csr_array((rng.random(30), rng.integers(0, 10, 30), np.arange(0, 31, 3)), shape=(10, 10))
    arrays = [A.indptr, A.indices, A.data]
    before = [array.copy() for array in arrays]
    for array in arrays:
        array.setflags(write=False)
    PackedMatrix(A)
    assert A.indptr is arrays[0]
    assert all(np.array_equal(one, two) for one, two in zip(before, arrays, strict=True))


@pytest.mark.parametrize(
    "make", [sp.csr_matrix, sp.csc_array, sp.coo_array, sp.bsr_array, sp.dia_array, sp.lil_array]
)
def test_any_format_is_packed(make):
    A = spd_matrix(20)
    np.testing.assert_array_equal(PackedMatrix(make(A)) @ np.ones(20), PackedMatrix(A) @ np.ones(20))


@pytest.mark.parametrize("given_dtype", ["?", "i1", "i8", "u4", "g", "f4", "c8"])
def test_any_type_of_number_is_packed(given_dtype):
    A = sp.csr_array(np.diag([1, 2, 3]).astype(given_dtype))
    P = PackedMatrix(A)
    assert P.dtype == (given_dtype if given_dtype in VALUES else "f8")
    np.testing.assert_array_equal(P @ np.ones(3), A @ np.ones(3))


def test_products_with_columns_and_complex_vectors():
    A, rng = spd_matrix(21), np.random.default_rng(0)
    P, X = PackedMatrix(A), rng.standard_normal((21, 3))
    np.testing.assert_allclose(P @ X, A @ X, rtol=1e-12)
    np.testing.assert_allclose(P @ X[:, :1], A @ X[:, :1], rtol=1e-12)
    assert P.matvec(X[:, :1]).shape == (21, 1)
    assert (P @ np.empty((21, 0))).shape == (21, 0)
    Z = X + 1j * rng.standard_normal((21, 3))
    np.testing.assert_allclose(P @ Z, A @ Z, rtol=1e-12)
    np.testing.assert_allclose(P @ Z[::-1, 0], A @ Z[::-1, 0], rtol=1e-12)
    assert (P @ Z).dtype == np.complex128
    np.testing.assert_allclose(P @ list(range(21)), A @ np.arange(21), rtol=1e-12)


@pytest.mark.parametrize(
    "bad", [np.ones(20), np.ones(22), np.ones((22, 1)), np.ones((1, 21)), np.float64(1), np.ones((21, 1, 1))]
)
def test_vector_of_another_shape_is_refused(bad):
    P = PackedMatrix(spd_matrix(21))
    with pytest.raises(ValueError, match="x must have shape"):
        P @ bad
    with pytest.raises(ValueError, match=r"x must have shape \(21,\) or \(21, 1\)"):
        P.matvec(bad)


def test_vector_that_holds_no_numbers_is_refused():
    for bad in ("text", np.array(["a"] * 21), None):
        with pytest.raises(TypeError, match="x must"):
            PackedMatrix(spd_matrix(21)).matvec(bad)


@pytest.mark.parametrize(("bad", "error"), [
    (np.eye(3), TypeError), ("text", TypeError), (None, TypeError),
    (sp.csr_array((3, 4)), ValueError), (sp.coo_array(np.ones(4)), ValueError),
])  # fmt: skip
def test_what_is_no_square_sparse_matrix_is_refused(bad, error):
    with pytest.raises(error, match="A must be"):
        PackedMatrix(bad)


@pytest.mark.parametrize("dtype", VALUES)
def test_pickle_and_scipy_operator(dtype):
    A = spd_matrix(30, dtype)
    P, x = PackedMatrix(A), random_values(np.random.default_rng(0), 30, dtype)
    copy = pickle.loads(pickle.dumps(P))
    np.testing.assert_array_equal(copy @ x, P @ x)
    assert (copy.shape, copy.dtype, copy.nnz, copy.nbytes) == (P.shape, P.dtype, P.nnz, P.nbytes)
    operator = sla.aslinearoperator(P)
    np.testing.assert_array_equal(operator @ x, P @ x)
    np.testing.assert_array_equal(operator.H @ x, P @ x)
    np.testing.assert_allclose(
        operator @ np.stack([x, 2 * x], axis=1), A @ np.stack([x, 2 * x], axis=1), rtol=1e-4
    )
    found, info = sla.cg(P, x, rtol=1e-5)
    assert info == 0
    np.testing.assert_allclose(found, pysolve.cg(P, x).x, atol=1e-3)


def test_adjoint_of_a_matrix_that_is_not_hermitian_is_refused():
    with pytest.raises(ValueError, match="Hermitian"):
        PackedMatrix(sp.csr_array(np.triu(np.ones((9, 9))))).rmatvec(np.ones(9))


def test_says_what_it_is():
    assert repr(PackedMatrix(sp.eye_array(9, format="csr"))).startswith(
        "PackedMatrix(shape=(9, 9), nnz=9, dtype=float64"
    )
    assert PackedMatrix(sp.eye_array(9, format="csr")).setup_time >= 0


@pytest.mark.parametrize("dtype", VALUES)
def test_solve_with_the_packed_matrix_is_that_with_the_matrix(dtype):
    A = spd_matrix(3000, dtype)
    b = random_values(np.random.default_rng(0), 3000, dtype)
    one, two = pysolve.cg(A, b), pysolve.cg(PackedMatrix(A), b)
    assert one.converged
    assert two.converged
    assert abs(one.iterations - two.iterations) <= 1
    n = min(one.iterations, two.iterations)
    np.testing.assert_allclose(one.residual_norms[:n], two.residual_norms[:n], rtol=1e-3)


@pytest.mark.parametrize("b_dtype", ["f8", "c16"])
def test_float32_matrix_is_packed_for_a_right_hand_side_in_double(b_dtype):
    A = spd_matrix(300, "f4")
    b = random_values(np.random.default_rng(0), 300, b_dtype)
    x, info = pysolve.cg(PackedMatrix(A), b, rtol=1e-12)
    assert info == 0
    assert x.dtype == b_dtype
    np.testing.assert_allclose(A.astype("f8") @ x, b, rtol=0, atol=1e-10)


WIDER = ["f4 f8 f8", "f4 i8 f8", "f4 c16 c16", "f4 c8 c8", "c8 f8 c16", "f8 f4 f8"]


@pytest.mark.parametrize(("dtype", "x_dtype", "expected"), [types.split() for types in WIDER])
def test_product_is_of_the_wider_type(dtype, x_dtype, expected):
    A = spd_matrix(300, dtype)
    P, x = PackedMatrix(A), (100 * random_values(np.random.default_rng(0), 300, "f8")).astype(x_dtype)
    for found in (P @ x, P @ np.stack([x, x], axis=1), pickle.loads(pickle.dumps(P)) @ x):
        assert found.dtype == np.dtype(expected)
        exact = sp.csr_array(A.astype("c16" if dtype == "c8" else "f8")) @ x
        wanted = exact if found.ndim == 1 else np.stack([exact, exact], axis=1)
        eps = np.finfo(expected).eps
        np.testing.assert_allclose(found, wanted, rtol=100 * eps, atol=100 * eps * np.abs(exact).max())
