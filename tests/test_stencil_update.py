"""StencilOperator.update: the operator that the new values would have made, or none of it."""

import numpy as np
import pytest

from pysolve import Multilevel, StencilOperator, cg, gallery

SHAPES = [(6, 9), (4, 5, 7)]


@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("boundary", ["dirichlet", "neumann", "periodic"])
@pytest.mark.parametrize("dtype", ["f4", "f8"])
def test_update_makes_the_operator_of_the_new_coefficient(shape, boundary, dtype):
    coefficient = np.random.default_rng(0).uniform(0.5, 2, shape)
    solid = np.random.default_rng(1).random(shape) < 0.2
    A = gallery.poisson(shape, boundary=boundary, dtype=dtype)
    A @ np.ones(A.shape[0], dtype)  # has a handle by now
    A.update(np.where(solid, 0, coefficient))
    expected = gallery.poisson(
        shape, boundary=boundary, coefficient=coefficient.astype(dtype), solid=solid, dtype=dtype
    )
    np.testing.assert_allclose(A.tocsr().toarray(), expected.tocsr().toarray(), rtol=1e-6)
    np.testing.assert_array_equal(A.decoupled, expected.decoupled)
    assert A.n_components == expected.n_components
    x = np.random.default_rng(2).standard_normal(A.shape[0]).astype(dtype)
    np.testing.assert_allclose(A @ x, expected @ x, rtol=1e-5, atol=1e-5)


def test_update_of_shift_and_anisotropy():
    A = gallery.poisson((5, 6))
    A.update(np.ones((5, 6)), anisotropy=(10, 1), shift=0.5)
    B = StencilOperator((5, 6), (10.0, 1.0), shift=0.5)
    np.testing.assert_allclose(A.tocsr().toarray(), B.tocsr().toarray())
    A.update(shift=2.0)
    assert A.diagonal().max() == 24


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        ({"coefficient": np.ones((2, 2))}, r"coefficient must have shape \(5, 6\)"),
        ({"coefficient": np.full((5, 6), np.nan)}, "coefficient must be finite"),
        ({"coefficient": -np.ones((5, 6))}, "coefficient must be finite"),
        ({"coefficient": np.ones((5, 6)), "shift": -1.0}, "shift must be finite"),
        ({"coefficient": np.ones((5, 6)), "anisotropy": (1,)}, "anisotropy must hold 2"),
        ({"anisotropy": (1, 2)}, "anisotropy needs a coefficient"),
    ],
)
def test_refused_update_changes_nothing(arguments, named):
    A = gallery.poisson((5, 6))
    before = A.tocsr().toarray()
    with pytest.raises(ValueError, match=named):
        A.update(**arguments)
    np.testing.assert_array_equal(A.tocsr().toarray(), before)


def test_arrays_of_the_caller_are_not_written():
    weights = [np.ones((6, 6)), np.ones((5, 7))]
    for w in weights:
        w.setflags(write=False)  # then the operator keeps them
    A = StencilOperator((5, 6), weights)
    A.update(np.full((5, 6), 3.0))
    assert all((w == 1).all() for w in weights)


def test_hierarchy_follows_in_its_own_arrays():
    """As a moving obstacle makes it: the same answer as a new hierarchy, and the large arrays are the old ones."""
    shape = (24, 26, 28)
    rng = np.random.default_rng(3)
    A = gallery.poisson(shape, coefficient=np.ones(shape))
    M = Multilevel(A)
    alphas = [transfer.alpha for level in M._hierarchy.levels for transfer in level.transfers]
    b = rng.standard_normal(A.shape[0])
    for _ in range(2):
        A.update(np.where(rng.random(shape) < 0.1, 0, rng.uniform(0.5, 2, shape)))
        M.update()
        np.testing.assert_array_equal(M @ b, Multilevel(A) @ b)
        assert cg(A, b, M=M, rtol=1e-8).converged
    again = [transfer.alpha for level in M._hierarchy.levels for transfer in level.transfers]
    assert all(one is other for one, other in zip(alphas, again, strict=True))
