"""sell: the compiled kernels equal the reference, and wrong arguments are refused."""

import numpy as np
import pytest
import reference.sell as reference
import scipy.sparse as sp
from csr_cases import INDICES, VALUES, Csr, matrices, rounding, spd_matrix, vectors
from hypothesis import given, settings
from kernel_arguments import KINDS, assert_refused
from reference.csr import wide
from threadpoolctl import threadpool_limits

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


@pytest.mark.parametrize("n", [1, 2, 7, 8, 9, 15, 16, 17])
def test_run_that_would_reach_beyond_the_matrix_is_gathered(n):
    A = matrix(sum(np.eye(n, k=offset) for offset in (-7, 0, 1, 7)))
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


# Name -> vectors, those written, those whose size the kernel cannot know: it is told of slices, not of rows.
KERNELS = {
    "sell_measure": ("", ["columns_of", "gathered_of"], ["indptr"]),
    "sell_pack": ("", ["column", "packed_indices", "packed_data"], ["indptr", "packed_indices"]),
    "sell_matvec": ("xy", "y", ["x", "y", "indices"]),
    "sell_matvec_dot": ("xy", "y", ["indices"]),
    "sell_residual": ("bxr", "r", ["x", "indices"]),
}


def arguments(name, dtype, n=20):
    """Good arguments of a kernel, by name."""
    A = matrix(spd_matrix(n, dtype))
    slice_ptr, column, indices, data = packed_by(core, A)
    if KERNELS[name][0]:
        good = {"slice_ptr": slice_ptr, "column": column, "indices": indices, "data": data}
        return good | {vector: np.ones(n, dtype) for vector in KERNELS[name][0]}
    good = {"indptr": A.indptr, "indices": A.indices, "data": A.data, "n_cols": n}
    if name == "sell_measure":
        return good | {"columns_of": np.empty(3, np.int64), "gathered_of": np.empty(3, np.int64)}
    gathered = [0, *(np.count_nonzero(column[: slice_ptr[s + 1]] < 0) for s in range(3))]
    packed = {"column": column, "packed_indices": indices, "packed_data": data}
    return good | {"slice_ptr": slice_ptr, "gather_ptr": np.array(gathered)} | packed


@pytest.mark.parametrize("wrong", KINDS)
@pytest.mark.parametrize("name", KERNELS)
@pytest.mark.parametrize("dtype", ["f8", "c8"])
def test_wrong_arguments_are_refused(name, wrong, dtype):
    _, written, any_size = KERNELS[name]
    assert_refused(getattr(core, name), arguments(name, dtype), wrong, written, any_size)
