"""The cycle is symmetric and positive definite whatever the geometry, and follows an operator that changes."""

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from stencil_cases import dense, operators

import pysolve
from pysolve import Multilevel, StencilOperator, _multilevel_hierarchy, gallery

WEIGHTS = ["textbook", "tuned", "untrained", "default"]


def matrix_of(M):
    return np.array([M.matvec(unit) for unit in np.eye(M.shape[0])]).T


def least_eigenvalue(A, M):
    """Of M scaled by the diagonal of A, on what is not in the null space of A; symmetric to rounding, or it fails."""
    matrix = matrix_of(M)
    np.testing.assert_allclose(matrix, matrix.T, rtol=0, atol=1e-5 * np.abs(matrix).max())
    basis = A.null_space.toarray()
    root = np.sqrt(np.diag(dense(A)))
    scaled = root[:, None] * (matrix + basis @ basis.T * np.abs(matrix).max()) * root
    return np.linalg.eigvalsh((scaled + scaled.T) / 2).min()


@given(
    A=operators(extents=st.sampled_from([3, 5, 8]), last_extents=st.sampled_from([4, 9, 13])),
    weights=st.sampled_from(WEIGHTS),
)
@settings(max_examples=40, deadline=None)
def test_cycle_is_symmetric_and_positive_definite(A, weights):
    assume(A.shape[0] <= 400)
    assert least_eigenvalue(A, Multilevel(A, weights=weights)) > 0


@pytest.mark.parametrize("weights", ["tuned", "default"])
@pytest.mark.parametrize("share", [0.2, 0.35, 0.5])
@pytest.mark.parametrize("shape", [(17, 16), (7, 6, 7)])
def test_cycle_is_definite_where_half_of_the_cells_are_solid(shape, share, weights):
    solid = np.random.default_rng(3).random(shape) < share
    for boundary in ("dirichlet", "neumann"):
        A = gallery.poisson(shape, solid=solid, boundary=boundary)
        assert least_eigenvalue(A, Multilevel(A, weights=weights)) > 0


SCENES = {
    "porous": lambda: gallery.poisson((90, 90), solid=np.random.default_rng(3).random((90, 90)) < 0.3),
    "porous, closed": lambda: gallery.poisson(
        (20, 20, 20), solid=np.random.default_rng(3).random((20, 20, 20)) < 0.4, boundary="neumann"
    ),
    "white noise": lambda: gallery.poisson(
        (80, 80), coefficient=10 ** np.random.default_rng(5).uniform(0, 3, (80, 80))
    ),
    "bubbles": lambda: gallery.bubbles((30, 30, 30), contrast=1e4),
    "strong axis": lambda: gallery.anisotropic((30, 31, 32), ratio=1e4, axis=2),
    "periodic, odd": lambda: gallery.poisson((31, 33), boundary="periodic"),
}


@pytest.mark.parametrize("weights", WEIGHTS)
@pytest.mark.parametrize("name", SCENES)
def test_cycle_is_symmetric_on_boxes_of_many_levels(name, weights):
    A = SCENES[name]()
    M, (u, v) = Multilevel(A, weights=weights), np.random.default_rng(0).standard_normal((2, A.shape[0]))
    for vector in (u, v):
        A.project_out_null_space(vector)
    Mu, Mv = M @ u, M @ v
    assert abs(u @ Mv - v @ Mu) <= 1e-5 * np.linalg.norm(u) * np.linalg.norm(Mv)
    assert u @ Mu > 0
    b = A.project_out_null_space(np.random.default_rng(1).standard_normal(A.shape[0]))
    b[A.decoupled.ravel()] = 0
    assert pysolve.cg(A, b, M=M, rtol=1e-6, maxiter=400).converged


@pytest.mark.parametrize("shift", [1e-8, 1e-10, 1e-12])
@pytest.mark.parametrize("shape", [(8, 8), (20, 20), (24, 24, 24)])
def test_nearly_singular_operators_are_solved(shape, shift):
    """A mode that hardly anything ties to 0 must not drown the others in float32."""
    A = StencilOperator(shape, (1.0,) * len(shape), boundary="neumann", shift=shift)
    b = A @ np.random.default_rng(0).standard_normal(A.shape[0])
    result = pysolve.cg(A, b, M=Multilevel(A), rtol=1e-6)
    assert result.converged
    assert result.iterations <= 10


@pytest.mark.parametrize(
    ("shape", "weights"),
    [
        ((1, 400), (0.0, 1.0)),
        ((400, 1), (1.0, 0.0)),
        ((1, 20, 20), (0.0, 1.0, 1.0)),
        ((20, 1, 20), (1.0, 0.0, 1.0)),
        ((20, 20, 1), (1.0, 1.0, 0.0)),
    ],
)
def test_axis_of_one_cell_without_weight(shape, weights):
    A = StencilOperator(shape, weights)
    assert pysolve.cg(A, np.ones(A.shape[0]), M=Multilevel(A), rtol=1e-8).iterations <= 12


# ---- operators that change, and that M was not made for --------------------------------------------------------


def changes():
    shape = (40, 36)
    rough = np.random.default_rng(0).uniform(0.5, 2, shape)
    walls = {"boundary": "neumann"}
    return {
        "shift": (gallery.poisson(shape, **walls), {"shift": 0.5}),
        "no shift": (StencilOperator(shape, (1.0, 1.0), shift=0.5), {"shift": 0.0}),
        "array of shifts": (gallery.poisson(shape), {"shift": rough}),
        "coefficient": (gallery.poisson(shape), {"coefficient": rough}),
        "solids": (gallery.poisson(shape, coefficient=rough), {"coefficient": rough * (rough > 0.7)}),
        "strong axis": (
            gallery.poisson(shape, coefficient=rough),
            {"coefficient": rough, "anisotropy": (1, 90)},
        ),
        "scale": (gallery.poisson(shape, coefficient=rough), {"coefficient": 1e5 * rough}),
    }


@pytest.mark.parametrize("name", changes())
def test_update_is_a_new_set_up(name):
    A, new = changes()[name]
    M = Multilevel(A)
    A.update(**new)
    M.update()
    b = np.random.default_rng(1).standard_normal(A.shape[0])
    np.testing.assert_array_equal(M @ b, Multilevel(A) @ b)


def test_interrupted_update_is_made_up_for(monkeypatch):
    A = gallery.poisson((40, 40))
    M, b = Multilevel(A), np.random.default_rng(1).standard_normal(1600)
    A.update(np.full((40, 40), 2.0))

    def fail(box):
        raise MemoryError

    monkeypatch.setattr(_multilevel_hierarchy, "pseudo_inverse", fail)
    with pytest.raises(MemoryError):
        M.update()
    monkeypatch.undo()
    np.testing.assert_array_equal(M @ b, Multilevel(A) @ b)


@pytest.mark.parametrize("move", ["no solids", "moved", "old"])
def test_m_of_another_geometry_costs_time_and_no_more(move):
    """As in a simulation that does not update M: what it says of cells that are solid now is not listened to."""
    x, y, z = np.mgrid[:24, :24, :24]

    def ball(k):
        return gallery.poisson((24, 24, 24), solid=(x - k) ** 2 + (y - 12) ** 2 + (z - 12) ** 2 < 30)

    A = ball(12)
    M = Multilevel({"no solids": gallery.poisson((24, 24, 24)), "moved": ball(13), "old": ball(12)}[move])
    b = np.random.default_rng(0).standard_normal(A.shape[0])
    result = pysolve.conjugate_directions(A, b, M=M, rtol=1e-6)
    assert result.converged
    assert np.linalg.norm(b - A @ result.x) <= 1e-6 * np.linalg.norm(b)
    trusted = pysolve.cg(A, b, M=M, rtol=1e-6, maxiter=300)
    assert np.isfinite(trusted.x).all()
    assert trusted.converged or move == "moved"  # there M says nothing of cells that are free now


@pytest.mark.parametrize(("real", "value"), [("f4", 1e-40), ("f4", 1e30), ("f8", 1e-310), ("f8", 1e300)])
def test_vectors_at_the_ends_of_the_numbers(real, value):
    M = Multilevel(gallery.poisson((20, 20), dtype=real))
    z, one = M @ np.full(400, value, real), M @ np.ones(400, real)
    assert np.isfinite(z).all()
    np.testing.assert_allclose(z / value, one, rtol=1e-2 if value < 1e-30 else 1e-5)
