"""StencilOperator and sparse matrices: tocsr equals the reference, from_csr brings every such matrix back."""

import numpy as np
import pytest
from hypothesis import given, settings
from scipy import sparse
from stencil_cases import BOUNDARIES, SMALL_EXTENTS, dense, operators

from pysolve import StencilOperator, gallery

CONSTANT = [
    *[((6, 7), 2 * (side,)) for side in BOUNDARIES],
    *[((4, 5, 6), 3 * (side,)) for side in BOUNDARIES],
    ((6, 7), ("neumann", "periodic")),
    ((3, 3, 3), (("dirichlet", "neumann"), "periodic", "neumann")),
    *[(shape, "dirichlet") for shape in [(2, 2), (2, 2, 2), (3, 2), (2, 3, 4), (97, 2)]],
    *[
        (shape, boundary)
        for shape in [(1, 1), (1, 5), (5, 1), (1, 1, 4), (2, 1, 3)]
        for boundary in BOUNDARIES[:3]
    ],
    *[(shape, "periodic") for shape in [(2, 2), (2, 5), (2, 3, 2)]],
]


def same(B, A, dtype):
    """Equal entries up to the rounding of the diagonal's sum, and the same pattern."""
    assert B.nnz == A.nnz
    assert abs(B - A).max() <= 16 * np.finfo(dtype).eps * abs(A).max()


@given(operators(SMALL_EXTENTS, SMALL_EXTENTS))
@settings(max_examples=60, deadline=None)
def test_matrix_equals_the_reference(A):
    B, expected = A.tocsr(), dense(A)
    np.testing.assert_allclose(
        B.toarray(), expected, rtol=0, atol=8 * np.finfo(A.dtype).eps * np.abs(expected).max()
    )
    assert (B.toarray() == B.toarray().T).all()
    assert B.has_canonical_format
    assert B.data.all()
    assert B.dtype == A.dtype


@given(operators())
@settings(max_examples=100, deadline=None)
def test_operator_comes_back_from_its_matrix(A):
    B = StencilOperator.from_csr(A.tocsr(), A.grid_shape)
    assert B.dtype == A.dtype
    same(B.tocsr(), A.tocsr(), A.dtype)


@pytest.mark.parametrize(("shape", "boundary"), CONSTANT, ids=str)
@pytest.mark.parametrize("scale", [1.0, 0.1, 1e-200])
@pytest.mark.parametrize("shift", [0.0, 0.3])
def test_constant_coefficients_come_back_as_scalars(shape, boundary, scale, shift):
    weights = [scale * (axis + 1) for axis in range(len(shape))]
    A = StencilOperator(shape, weights, boundary=boundary, shift=scale * shift)
    B = StencilOperator.from_csr(A.tocsr(), shape)
    assert all(isinstance(value, float) for value in (*B.weights, B.shift))
    same(B.tocsr(), A.tocsr(), float)
    if min(shape) > 2:
        np.testing.assert_allclose(
            (*B.weights, B.shift), (*A.weights, A.shift), rtol=1e-12, atol=1e-12 * scale
        )
        assert B.boundary == A.boundary


def test_constant_coefficients_with_a_variable_shift_come_back_as_scalars():
    A = StencilOperator((6, 7), (1.0, 2.0), shift=np.random.default_rng(0).random((6, 7)))
    B = StencilOperator.from_csr(A.tocsr(), (6, 7))
    assert B.weights == (1.0, 2.0)
    same(B.tocsr(), A.tocsr(), float)


@pytest.mark.parametrize("boundary", ["neumann", "periodic"])
@pytest.mark.parametrize("weights", [(1.0, 1e-17), (1e20, 1.0), (0.1, 0.3)])
def test_null_space_stays(boundary, weights):
    A = StencilOperator((6, 7), weights, boundary=boundary)
    B = StencilOperator.from_csr(A.tocsr(), (6, 7))
    assert (B.weights, B.boundary, B.n_components) == (weights, A.boundary, 1)


@pytest.mark.parametrize("scene", gallery.scenes)
@pytest.mark.parametrize("shape", [(33, 20), (12, 13, 14), (1, 9), (1, 1)], ids=str)
@pytest.mark.parametrize("dtype", ["f4", "f8"])
def test_scenes_come_back(scene, shape, dtype):
    A = gallery.scenes[scene](shape, rng=3, dtype=dtype)
    B = StencilOperator.from_csr(A.tocsr(), shape)
    same(B.tocsr(), A.tocsr(), dtype)
    assert B.dtype == dtype
    if min(shape) > 1:
        np.testing.assert_array_equal(B.decoupled, A.decoupled)
    if scene in {"bubbles", "log_normal", "obstacle_box"} and min(shape) > 1:
        assert B.shift == 0.0
        assert B.boundary == A.boundary


@pytest.mark.parametrize(
    "convert", [sparse.csc_matrix, sparse.coo_array, sparse.csr_matrix, lambda A: A.toarray()]
)
def test_any_format_is_taken_and_left_alone(convert):
    A = gallery.bubbles((5, 6), format="csr")
    converted = convert(A)
    before = converted.copy()
    same(StencilOperator.from_csr(converted, (5, 6)).tocsr(), A, float)
    assert abs(converted - before).max() == 0


def test_unsorted_duplicate_and_zero_entries_are_taken_and_left_alone():
    A = gallery.poisson((3, 4), format="csr")
    order = np.lexsort(
        (-A.indices, A.tocoo().row)
    )  # columns descend within a row, and every entry is in halves
    data, indices = np.repeat(A.data[order] / 2, 2), np.repeat(A.indices[order], 2)
    unsorted = sparse.csr_array((data, indices, 2 * A.indptr), shape=A.shape)
    zero = sparse.csr_array((np.r_[A.data, 0.0], np.r_[A.indices, 0], np.r_[A.indptr[:-1], A.nnz + 1]))
    for B, stored in ((unsorted, 2 * A.nnz), (zero, A.nnz + 1)):
        assert StencilOperator.from_csr(B, (3, 4)).weights == (1.0, 1.0)
        assert B.nnz == stored
    assert not unsorted.has_sorted_indices


def test_integers_are_taken():
    assert (
        StencilOperator.from_csr(gallery.poisson((3, 4), format="csr").astype(int), (3, 4)).dtype
        == np.float64
    )


@pytest.mark.parametrize("index_dtype", [np.int32, np.int64])
def test_indices_have_the_type_asked_for(index_dtype):
    A = gallery.poisson((3, 4)).tocsr(index_dtype)
    assert A.indices.dtype == A.indptr.dtype == index_dtype


def test_wrong_index_types_are_refused():
    with pytest.raises(TypeError, match="index_dtype must be int32 or int64, got int16"):
        gallery.poisson((3, 4)).tocsr(np.int16)
    with pytest.raises(ValueError, match="index_dtype int32 is too small for a matrix of 1000000000 rows"):
        gallery.poisson((1000, 1000, 1000)).tocsr()


def planted(*entries):
    """The Poisson matrix of a (3, 4) box with some entries changed."""
    A = gallery.poisson((3, 4), format="csr").toarray()
    for row, column, value in entries:
        A[row, column] = value
    return sparse.csr_array(A)


@pytest.mark.parametrize(
    ("A", "text"),
    [
        (sparse.csr_array(np.ones((12, 11))), r"A must be square, got shape \(12, 11\)"),
        (sparse.eye_array(11), r"A has 11 rows, but a box of shape \(3, 4\) has 12 cells"),
        (planted((2, 3, np.nan)), r"A\[2, 3\] is nan, expected a finite number"),
        (planted((5, 5, np.inf)), r"A\[5, 5\] is inf, expected a finite number"),
        (planted((2, 3, -0.5)), r"A is not symmetric: A\[2, 3\] = -0.5, but A\[3, 2\] = -1.0"),
        (planted((7, 0, -0.5)), r"A is not symmetric: A\[0, 7\] = 0.0, but A\[7, 0\] = -0.5"),
        (
            planted((1, 6, -0.1), (6, 1, -0.1)),
            r"A\[1, 6\] = -0.1 is outside the stencil: .* cells 1 and 6 have no face",
        ),
        (planted((3, 4, -0.1), (4, 3, -0.1)), r"A\[3, 4\] = -0.1 is outside the stencil"),
        (planted((1, 2, 0.5), (2, 1, 0.5)), r"A\[1, 2\] = 0.5 is positive: a face weight would be negative"),
        (planted((6, 6, 3.5)), r"not diagonally dominant: the diagonal of row 6 is 3.5 .* add up to -4.0"),
        (sparse.csr_array((12, 12)), "not diagonally dominant: the diagonal of row 0 is 0.0"),
    ],
)
def test_matrix_that_does_not_fit_is_refused_with_the_reason(A, text):
    with pytest.raises(ValueError, match=text):
        StencilOperator.from_csr(A, (3, 4))


def test_matrix_of_the_wrong_type_is_refused():
    with pytest.raises(TypeError, match="A must be real, got dtype complex128"):
        StencilOperator.from_csr(planted((0, 0, 4)).astype(complex), (3, 4))
    with pytest.raises(TypeError, match="A must be a sparse array, a sparse matrix or an ndarray, got list"):
        StencilOperator.from_csr([[1.0]], (1, 1))
