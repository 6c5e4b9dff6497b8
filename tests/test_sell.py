"""sell: the packed kernels equal the reference, and PackedMatrix equals the matrix it was made from."""

import pickle

import numpy as np
import pytest
import reference.sell as reference
import scipy.sparse as sp
import scipy.sparse.linalg as sla
from csr_cases import INDICES, VALUES, matrices, random_values, rounding, spd_matrix, vectors
from hypothesis import given, settings
from kernel_arguments import KINDS, assert_refused
from reference.csr import wide
from threadpoolctl import threadpool_limits

import pysolve
from pysolve import PackedMatrix, gallery
from pysolve._backend import kernels

core = kernels(np.empty(0))
thorough = settings(max_examples=150, deadline=None)


def packed_by(kernels, A):
    """slice_ptr, column, indices, data as PackedMatrix has the kernels make them."""
    n_slices = -(-A.shape[0] // reference.ROWS)
    columns, gathered = np.empty(n_slices, np.int64), np.empty(n_slices, np.int64)
    kernels.sell_measure(*A.arrays, A.shape[1], columns, gathered)
    slice_ptr, gather_ptr = (
        np.concatenate(([0], np.cumsum(k))).astype(np.int64) for k in (columns, gathered)
    )
    column, indices = (
        np.full(slice_ptr[-1], 99, np.int32),
        np.full(gather_ptr[-1] * reference.ROWS, 99, np.int32),
    )
    data = np.full(slice_ptr[-1] * reference.ROWS, np.nan, A.data.dtype)
    kernels.sell_pack(*A.arrays, A.shape[1], slice_ptr, gather_ptr, column, indices, data)
    return slice_ptr, column, indices, data


def matrix(A, index="i4"):
    """A SciPy matrix as a Csr of the cases."""
    from csr_cases import Csr

    A = sp.csr_array(A)
    return Csr(A.indptr.astype(index), A.indices.astype(index), A.data, A.shape)


# ---- kernels -----------------------------------------------------------------------------------------------


@given(matrices(sorted_rows=True))
@thorough
def test_packed_arrays_equal_the_reference(A):
    for found, expected in zip(packed_by(core, A), packed_by(reference, A), strict=True):
        np.testing.assert_array_equal(found, expected)


@given(matrices(sorted_rows=True))
@thorough
def test_product_and_residual_equal_the_reference(A):
    x, b = vectors(A, A.shape[1], A.shape[0])
    packed, dtype = packed_by(core, A), A.data.dtype
    expected, y, r = (np.full(A.shape[0], np.nan, dtype) for _ in range(3))
    reference.sell_matvec(*packed, x, expected)
    core.sell_matvec(*packed, x, y)
    assert (abs(y - expected) <= rounding(A, x)).all()
    assert (abs(y - A.dense() @ x) <= rounding(A, x)).all()
    if A.shape[0] == A.shape[1]:
        dot = core.sell_matvec_dot(*packed, x, y)
        assert (abs(y - expected) <= rounding(A, x)).all()
        assert dot == pytest.approx(np.vdot(wide(x), wide(y)), rel=1e-12, abs=0)
    squared = core.sell_residual(*packed, b, x, r)
    reference.sell_residual(*packed, b, x, expected)
    double = rounding(A._replace(data=wide(A.data)), x)
    assert (abs(r - expected) <= double + 2 * np.finfo(dtype).eps * abs(expected)).all()
    assert squared == pytest.approx(np.linalg.norm(wide(r)) ** 2, rel=1e-12)


@pytest.mark.parametrize("dtype", VALUES)
def test_slices_of_a_grid_are_runs(dtype):
    A = matrix(gallery.poisson((16, 24), format="csr").astype(dtype))
    slice_ptr, column, indices, _ = packed_by(core, A)
    assert (column >= 0).sum() > 0.9 * column.size
    assert len(indices) == reference.ROWS * (column < 0).sum()
    assert slice_ptr[-1] <= 5 * 48 + 8  # hardly a column more than the five diagonals


def test_entries_without_order_are_gathered():
    rng = np.random.default_rng(0)
    A = matrix(sp.random_array((64, 64), density=0.1, rng=rng, format="csr"))
    slice_ptr, column, _, data = packed_by(core, A)
    assert (column < 0).all()
    longest = np.diff(A.indptr).reshape(-1, reference.ROWS).max(axis=1)
    np.testing.assert_array_equal(np.diff(slice_ptr), longest)
    assert np.count_nonzero(data) == np.count_nonzero(A.data)


@pytest.mark.parametrize("n", [1, 7, 8, 9, 15, 16, 17])
def test_run_that_would_reach_beyond_the_matrix_is_gathered(n):
    A = matrix(sp.diags_array([1.0, 2.0, 3.0, 4.0], offsets=[-7, 0, 1, 7], shape=(n, n)))
    slice_ptr, column, indices, data = packed_by(core, A)
    assert column.max(initial=0) <= max(n - reference.ROWS, 0)
    assert ((indices >= 0) & (indices < n)).all()
    y = np.empty(n)
    core.sell_matvec(slice_ptr, column, indices, data, np.arange(1.0, n + 1), y)
    np.testing.assert_allclose(y, A.dense() @ np.arange(1.0, n + 1))


@pytest.mark.parametrize("index", INDICES)
def test_one_row_much_longer_than_the_others(index):
    dense = np.eye(70)
    dense[33] = np.arange(70)
    A = matrix(dense, index)
    x, y = np.linspace(-1, 1, 70), np.empty(70)
    core.sell_matvec(*packed_by(core, A), x, y)
    np.testing.assert_allclose(y, dense @ x, atol=1e-12)


@pytest.mark.parametrize("dtype", VALUES)
@pytest.mark.parametrize("kind", ["runs", "gathered"])
def test_large_products_are_right_and_have_the_same_bits_with_any_number_of_threads(dtype, kind):
    A = gallery.poisson((500, 600), format="csr").astype(dtype)
    if kind == "gathered":
        order = np.random.default_rng(0).permutation(A.shape[0])
        A = A[order][:, order]
    P, (x, b) = PackedMatrix(A), vectors(matrix(A), *A.shape)
    found = []
    for n_threads in (1, 2, 3):
        y, r = np.empty_like(x), np.empty_like(x)
        with threadpool_limits(n_threads, user_api="openmp"):
            found.append((P._matvec_dot(x, y), P._residual(b, x, r), y, r, *PackedMatrix(A)._kernel_args))
    for other in found[1:]:
        assert all(np.array_equal(one, two) for one, two in zip(found[0], other, strict=True))
    np.testing.assert_allclose(found[0][2], wide(A @ wide(x)), rtol=0, atol=200 * np.finfo(dtype).eps)


# ---- arguments of the kernels ------------------------------------------------------------------------------


@pytest.mark.parametrize("wrong", KINDS)
@pytest.mark.parametrize(
    "name", ["sell_measure", "sell_pack", "sell_matvec", "sell_matvec_dot", "sell_residual"]
)
@pytest.mark.parametrize("dtype", ["f8", "c8"])
def test_wrong_arguments_are_refused(name, wrong, dtype):
    A = matrix(spd_matrix(20, dtype))
    slice_ptr, column, indices, data = packed_by(core, A)
    gather_ptr = np.concatenate(
        ([0], np.cumsum([(column[a:b] < 0).sum() for a, b in zip(slice_ptr, slice_ptr[1:])]))
    )
    csr = {"indptr": A.indptr, "indices": A.indices, "data": A.data, "n_cols": 20}
    good = {"slice_ptr": slice_ptr, "column": column, "indices": indices, "data": data}
    written, any_size = "y", "x"
    if name == "sell_measure":
        good = csr | {"columns_of": np.empty(3, np.int64), "gathered_of": np.empty(3, np.int64)}
        written, any_size = ["columns_of", "gathered_of"], []
    elif name == "sell_pack":
        good = csr | {"slice_ptr": slice_ptr, "gather_ptr": gather_ptr, "column": column}
        good |= {"packed_indices": indices, "packed_data": data}
        written, any_size = ["column", "packed_indices", "packed_data"], []
    elif name == "sell_residual":
        good |= {vector: np.ones(20, dtype) for vector in "bxr"}
        written = "r"
    else:
        good |= {vector: np.ones(20, dtype) for vector in "xy"}
    if name == "sell_matvec_dot":
        any_size = ""
    assert_refused(getattr(core, name), good, wrong, written, any_size)


# ---- PackedMatrix ------------------------------------------------------------------------------------------


@given(matrices(square=True))
@thorough
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
    with pytest.raises(ValueError, match="shape|x must"):
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
