"""StencilOperator.update: the operator that the new values would have made, or none of it."""

from fractions import Fraction

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
        ({}, "must be given a coefficient, a shift or both"),
        (
            {"coefficient": np.ones((5, 6)), "anisotropy": 5},
            "anisotropy must hold 2 finite factors, .* got 5",
        ),
        ({"coefficient": np.ones((5, 6)), "anisotropy": ("a", "b")}, r"anisotropy must hold 2 .*'a', 'b'"),
        ({"coefficient": np.ones((5, 6)), "anisotropy": (1, -1)}, r"anisotropy must hold 2 .*\(1, -1\)"),
        ({"coefficient": np.full((5, 6), 1e308), "anisotropy": (1, 10)}, r"weights\[1\] must be finite"),
        ({"coefficient": np.ones((5, 6)), "anisotropy": (10**400, 1)}, "anisotropy must hold 2"),
        (
            {"coefficient": [[1, 2], [3]]},
            r"coefficient must be an array of shape \(5, 6\), got \[\[1, 2\], \[3\]\]",
        ),
        ({"coefficient": np.ones((5, 6)), "shift": "much"}, "shift must be a real number"),
        ({"coefficient": np.ones((2, 2))}, r"coefficient must have shape \(5, 6\)"),
        ({"coefficient": np.full((5, 6), np.nan)}, "coefficient must be finite"),
        ({"coefficient": -np.ones((5, 6))}, "coefficient must be finite"),
        ({"coefficient": np.ones((5, 6)), "shift": -1.0}, "shift must be finite"),
        ({"coefficient": np.ones((5, 6)), "anisotropy": (1,)}, "anisotropy must hold 2"),
        ({"anisotropy": (1, 2)}, r"anisotropy needs a coefficient .*\(1, 2\)"),
    ],
)
def test_refused_update_changes_nothing(arguments, named):
    A = gallery.poisson((5, 6))
    before = A.tocsr().toarray()
    with pytest.raises((ValueError, TypeError), match=named):
        A.update(**arguments)
    np.testing.assert_array_equal(A.tocsr().toarray(), before)


def test_update_that_fails_at_its_last_step_changes_nothing(monkeypatch):
    A = gallery.poisson((5, 6))
    before = A.tocsr().toarray()

    def out_of_memory(*_):
        raise MemoryError

    monkeypatch.setattr("pysolve._stencil_faces.decoupled_cells", out_of_memory)
    with pytest.raises(MemoryError):
        A.update(np.zeros((5, 6)), shift=1.0)
    np.testing.assert_array_equal(A.tocsr().toarray(), before)


def test_cell_of_coefficient_0_is_solid_where_its_shift_is_0():
    A = StencilOperator((5, 6), (1.0, 1.0), shift=2.0)
    coefficient, shift = np.ones((5, 6)), np.full((5, 6), 2.0)
    coefficient[1, 2] = coefficient[3, 3] = shift[1, 2] = 0
    A.update(coefficient)
    assert not A.decoupled.any()
    A.update(coefficient, shift=shift)
    assert np.argwhere(A.decoupled).tolist() == [[1, 2]]


@pytest.mark.parametrize(
    ("dtype", "a", "b"),
    [
        ("f8", 1e308, 1e308),
        ("f8", 1e308, 1.5e308),
        ("f8", 1e308, 1e-300),
        ("f8", 5e-324, 5e-324),
        ("f8", 0.1, 0.3),
        ("f8", 3.0, 0.0),
        ("f8", 0.0, 0.0),
        ("f4", 3e38, 3e38),
        ("f4", 3e38, 1e-38),
    ],
)
def test_face_has_the_harmonic_mean_at_every_scale(dtype, a, b):
    A = gallery.poisson((1, 2), dtype=dtype)
    A.update(np.array([[a, b]], dtype))
    a, b = (Fraction(float(value)) for value in np.array([a, b], dtype))
    expected = float(2 * a * b / (a + b)) if a and b else 0.0
    assert A.weights[1][0, 1] == pytest.approx(expected, rel=4 * float(np.finfo(dtype).eps), abs=0)
    assert a != b or A.weights[1][0, 1] == a


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
