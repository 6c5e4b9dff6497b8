"""StencilOperator: the compiled products equal the reference, and what theory says of them holds."""

import numpy as np
import pytest
import reference.stencil as reference
from hypothesis import given, settings
from stencil_cases import BOUNDARIES, SMALL_EXTENTS, dense, operators, reference_grid

from pysolve import StencilOperator, gallery

quick = settings(max_examples=60, deadline=None)


def rounding(A, x):
    """What a product with this operator may be off by: a row adds up at most 14 terms of this size."""
    largest = float(A.diagonal().max())
    return 32 * float(np.finfo(A.dtype).eps) * largest * float(np.abs(x).max(initial=0.0))


def vectors(A, n_vectors, seed=0):
    return np.random.default_rng(seed).standard_normal((n_vectors, A.shape[0])).astype(A.dtype)


def random_operator(shape=(5, 4, 9), dtype=float, seed=0):
    rng = np.random.default_rng(seed)
    weights = [rng.random([k + (j == axis) for j, k in enumerate(shape)]) for axis in range(len(shape))]
    return StencilOperator(shape, weights, shift=rng.random(shape), dtype=dtype)


# ---- products ----------------------------------------------------------------------------------------------


@given(operators())
@settings(max_examples=150, deadline=None)
def test_compiled_products_equal_the_reference(A):
    (x, b), grid, n = vectors(A, 2), reference_grid(A), A.shape[0]
    expected, y, r = np.empty(n), np.full(n, np.nan, A.dtype), np.full(n, np.nan, A.dtype)
    tolerance = rounding(A, x)

    reference.stencil_matvec(grid, x, expected)
    A._matvec(x, y)
    np.testing.assert_allclose(y, expected, rtol=0, atol=tolerance)

    y.fill(np.nan)
    dot = A._matvec_dot(x, y)
    np.testing.assert_allclose(y, expected, rtol=0, atol=tolerance)
    assert dot == pytest.approx(x.astype(float) @ y.astype(float), rel=1e-12, abs=n * tolerance)

    square = A._residual(b, x, r)
    eps = float(np.finfo(A.dtype).eps)
    np.testing.assert_allclose(r, b - expected, rtol=2 * eps, atol=2 * tolerance)
    assert square == pytest.approx(r.astype(float) @ r.astype(float), rel=1e-12)


@given(operators())
@quick
def test_product_equals_that_of_the_matrix(A):
    x = vectors(A, 1)[0]
    np.testing.assert_allclose(A @ x, A.tocsr() @ x, rtol=0, atol=rounding(A, x))


@pytest.mark.parametrize("shape", [(61, 67), (13, 17, 101), (1, 1), (1, 1, 1), (1, 300), (300, 1), (2, 2, 2)])
@pytest.mark.parametrize("boundary", BOUNDARIES, ids=str)
@pytest.mark.parametrize("constant", [True, False])
def test_product_equals_that_of_the_matrix_on_larger_boxes(shape, boundary, constant):
    sides = (boundary,) * len(shape)
    A = gallery.poisson(shape, boundary=sides)
    if not constant:
        coefficient = 10 ** np.random.default_rng(1).uniform(-2, 2, shape)
        A = gallery.poisson(shape, boundary=sides, coefficient=coefficient)
    x = vectors(A, 1)[0]
    np.testing.assert_allclose(A @ x, A.tocsr() @ x, rtol=0, atol=rounding(A, x))


@pytest.mark.parametrize("scale", [1e-300, 1e-150, 1e150, 1e300])
def test_scale_does_not_change_the_digits(scale):
    A, x = gallery.poisson((7, 11)), vectors(gallery.poisson((7, 11)), 1)[0]
    power = 2.0 ** round(np.log2(scale))
    scaled = StencilOperator((7, 11), (power, power))
    np.testing.assert_array_equal(scaled @ x, power * (A @ x))


@pytest.mark.parametrize("dtype", ["f4", "f8"])
@pytest.mark.parametrize("given_dtype", ["f2", "f4", "f8", "g", "i1", "i8", "u2", "?", "c8", "c16"])
def test_any_type_of_vector_gives_what_the_matrix_gives(dtype, given_dtype):
    A = random_operator((4, 7), dtype)
    x = (np.arange(28) % 5 * (1 + 1j if given_dtype[0] == "c" else 1)).astype(given_dtype)
    result, expected = A @ x, A.tocsr().toarray() @ x
    assert result.dtype == np.result_type(A.dtype, x.dtype) or given_dtype == "g"
    assert result.dtype.itemsize <= 16
    np.testing.assert_allclose(
        result, expected, rtol=50 * np.finfo(result.dtype).eps, atol=1e-5 * (dtype == "f4")
    )


def test_any_layout_of_vector_gives_the_same_bits():
    A = random_operator()
    x = vectors(A, 1)[0]
    frozen = x.copy()
    frozen.setflags(write=False)
    spread = np.zeros(3 * x.size)[::3]
    spread[:] = x
    backwards = x[::-1].copy()[::-1]
    expected = A.matvec(x)
    for other in (frozen, spread, backwards, x.astype(">f8"), x.tolist(), np.asfortranarray(x)):
        np.testing.assert_array_equal(A.matvec(other), expected)
    column = A.matvec(x[:, None])
    assert column.shape == (x.size, 1)
    np.testing.assert_array_equal(column[:, 0], expected)
    np.testing.assert_array_equal(A.rmatvec(x), expected)


@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize("k", [0, 1, 3])
def test_matmat_is_the_product_with_every_column(order, k):
    A = random_operator()
    X = np.array(np.random.default_rng(2).standard_normal((A.shape[0], k)), order=order)
    assert (A @ X).shape == X.shape
    for column in range(k):
        np.testing.assert_array_equal((A @ X)[:, column], A @ X[:, column])


@pytest.mark.parametrize("shape", [(5,), (13,), (12, 2, 1), (1, 12), ()])
def test_vector_of_the_wrong_shape_is_refused(shape):
    A = gallery.poisson((3, 4))
    with pytest.raises(ValueError, match=r"12"):
        A.matvec(np.ones(shape))


@pytest.mark.parametrize("x", [np.array(["a"] * 12), np.array([None] * 12)], ids=["text", "objects"])
def test_what_is_not_a_number_is_refused(x):
    with pytest.raises(TypeError, match="must hold numbers"):
        gallery.poisson((3, 4)) @ x


def test_kernels_refuse_arrays_they_cannot_use():
    A = gallery.poisson((3, 4))
    x, y = np.ones(12), np.ones(12)
    for wrong in (x.astype("f4"), [1.0] * 12, x.astype(int)):
        with pytest.raises(TypeError):
            A._matvec(wrong, y)
    for wrong in (np.ones(11), np.ones(24)[::2]):
        with pytest.raises(ValueError):
            A._matvec(wrong, y)
    y.setflags(write=False)
    with pytest.raises(ValueError):
        A._matvec(x, y)


# ---- what the theory says ----------------------------------------------------------------------------------


@given(operators(SMALL_EXTENTS, SMALL_EXTENTS, scales=(1.0,)))
@quick
def test_operator_is_semi_definite_with_one_constant_for_each_free_component(A):
    eigenvalues = np.linalg.eigvalsh(dense(A))
    zero = 1e-9 if A.dtype == np.float64 else 1e-5
    assert eigenvalues.min() > -zero
    assert A.n_components == np.count_nonzero(eigenvalues < zero)


@given(operators(SMALL_EXTENTS, SMALL_EXTENTS))
@quick
def test_norm_bounds_the_eigenvalues_of_the_coupled_cells(A):
    coupled = np.flatnonzero(~A.decoupled)
    largest = np.linalg.eigvalsh(dense(A)[np.ix_(coupled, coupled)]).max(initial=0.0)
    assert largest <= A.norm * (1 + 1e-5)


def test_norm_of_small_weights_is_small_beside_solid_cells_too():
    solid = np.zeros((6, 7), dtype=bool)
    solid[2:4, 3] = True
    A = gallery.poisson((6, 7), solid=solid, coefficient=1e-12)
    assert A.decoupled.any()
    assert A.norm == pytest.approx(8e-12)


def test_norm_of_the_largest_weights_is_finite():
    A = StencilOperator((3, 4), (3e38, 3e38), dtype="f4")
    assert A.norm == pytest.approx(24e38)


@given(operators(scales=(1.0,)))
@quick
def test_null_space_is_an_orthonormal_basis_that_can_be_projected_out(A):
    basis = A.null_space.toarray()
    tolerance = 100 * np.finfo(A.dtype).eps
    assert np.abs(A @ basis).max(initial=0) < tolerance
    np.testing.assert_allclose(basis.T @ basis, np.eye(A.n_components), atol=tolerance)
    d = vectors(A, 2).T.copy()
    expected = d - basis @ (basis.T @ d)
    one = d[:, 1].copy()
    assert A.project_out_null_space(d) is d
    np.testing.assert_allclose(d, expected, atol=tolerance)
    np.testing.assert_allclose(A.project_out_null_space(one), d[:, 1], atol=tolerance)


@given(operators(scales=(1.0,)))
@quick
def test_facts_are_those_of_the_reference(A):
    grid = reference_grid(A)
    assert A._decoupled.tolist() == grid.decoupled
    assert np.flatnonzero(A.decoupled).tolist() == grid.decoupled
    assert A.decoupled.shape == A.grid_shape
    labels, n_components = A.components
    assert (labels.shape, labels.max(initial=-1)) == ((A.shape[0],), n_components - 1)
    assert (labels[A._decoupled] == -1).all()
    np.testing.assert_allclose(A.diagonal(), A.tocsr().diagonal(), rtol=4 * np.finfo(A.dtype).eps)


def test_every_pool_between_walls_has_its_own_constant():
    solid = np.zeros((7, 8), dtype=bool)
    solid[3] = solid[:3, 4] = True
    A = gallery.poisson((7, 8), solid=solid, boundary="neumann")
    assert A.n_components == 3
    d = np.arange(56.0)
    labels = A.components[0].reshape(7, 8)
    A.project_out_null_space(d)
    assert all(abs(d[labels.ravel() == k].sum()) < 1e-12 for k in range(3))
    np.testing.assert_array_equal(d.reshape(7, 8)[solid], np.arange(56.0).reshape(7, 8)[solid])
    assert gallery.poisson((7, 8), solid=solid, boundary=("neumann", "periodic")).n_components == 2


def test_vector_of_the_wrong_shape_is_not_projected():
    with pytest.raises(ValueError, match=r"d must have shape \(4,\)"):
        gallery.poisson((2, 2), boundary="neumann").project_out_null_space(np.ones(5))
