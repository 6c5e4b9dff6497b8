"""Multilevel as an object: what it takes, what it refuses, threads, and other people's solvers."""

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import scipy.sparse as sp
import scipy.sparse.linalg as spla

import pysolve
from pysolve import Multilevel, gallery
from pysolve import _multilevel_weights as mw

A = gallery.obstacle_box((20, 18, 22))
r = np.random.default_rng(0).standard_normal(A.shape[0])


def test_matrix_with_shape_is_recognised():
    B = A.tocsr()
    np.testing.assert_allclose(Multilevel(B, shape=A.grid_shape) @ r, Multilevel(A) @ r, rtol=1e-5, atol=1e-5)


def test_every_kind_of_vector():
    M = Multilevel(A)
    z = M @ r
    assert z.dtype == np.float64
    assert (M @ r.astype("f4")).dtype == np.float32
    np.testing.assert_allclose(M @ r.astype("f4"), z, rtol=0, atol=1e-5 * np.abs(z).max())
    np.testing.assert_array_equal(M.matvec(r[:, None])[:, 0], z)
    np.testing.assert_array_equal(M.matmat(np.stack([r, 2 * r], axis=1))[:, 0], z)
    np.testing.assert_array_equal(M @ np.repeat(r, 2)[::2], z)
    np.testing.assert_allclose(M @ (r + 1j * r), z + 1j * z)
    np.testing.assert_array_equal(M @ np.zeros(r.size), 0)
    np.testing.assert_array_equal(M @ np.ones(r.size, int), M @ np.ones(r.size))


def test_argument_is_not_written():
    given = r.copy()
    given.setflags(write=False)
    Multilevel(A) @ given
    np.testing.assert_array_equal(given, r)


def test_values_that_are_no_numbers_come_back_as_such():
    bad = r.copy()
    bad[5] = np.nan
    assert np.isnan(Multilevel(A) @ bad).any()
    assert not np.isfinite(Multilevel(A) @ np.full(r.size, np.inf)).all()


@pytest.mark.parametrize(
    "shape", [(1, 1), (1, 1, 1), (1, 50), (50, 1), (2, 3), (3, 1, 5), (4, 4, 4), (7, 1, 90)]
)
@pytest.mark.parametrize("boundary", ["dirichlet", "neumann", "periodic"])
def test_boxes_of_any_shape(shape, boundary):
    B = gallery.poisson(shape, boundary=boundary)
    b = B.project_out_null_space(np.random.default_rng(1).standard_normal(B.shape[0]))
    b[B.decoupled.ravel()] = 0
    result = pysolve.cg(B, b, M=Multilevel(B), rtol=1e-8)
    assert result.converged
    assert result.iterations <= 25


def test_solid_everywhere_is_the_identity():
    B = gallery.poisson((12, 12), solid=np.ones((12, 12), bool))
    np.testing.assert_array_equal(Multilevel(B) @ r[:144], r[:144])


@pytest.mark.parametrize("rtol", [1e-10, 1e-12])
def test_tight_tolerances_are_reached(rtol):
    b = r.copy()
    result = pysolve.cg(A, b, M=Multilevel(A), rtol=rtol)
    assert result.converged
    assert np.linalg.norm(b - A @ result.x) <= rtol * np.linalg.norm(b)
    assert result.iterations <= 30


def test_pockets_without_a_dirichlet_side():
    """Solvable where b sums to 0 in each of them; explained where it does not."""
    solid = np.zeros((20, 21), bool)
    solid[:, 9] = solid[11, :9] = True
    B = gallery.poisson((20, 21), solid=solid, boundary="neumann")
    assert B.n_components == 3
    b = np.random.default_rng(2).standard_normal(B.shape[0])
    b[solid.ravel()] = 0
    good = pysolve.cg(B, B.project_out_null_space(b.copy()), M=Multilevel(B), rtol=1e-8)
    assert good.converged
    assert good.iterations <= 20
    bad = pysolve.cg(B, b, M=Multilevel(B), rtol=1e-8)
    assert not bad.converged
    assert "null space" in bad.message


# ---- bad input -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "error", "named"),
    [
        ((A.tocsr(), {}), TypeError, "shape="),
        ((A.tocsr(), {"shape": (20, 18)}), ValueError, "shape"),
        ((A, {"shape": (20, 18, 23)}), ValueError, "shape must be that of A"),
        ((sp.random_array((40, 40), density=0.2, rng=0), {"shape": (5, 8)}), ValueError, "symmetric"),
        ((A, {"shape": 600}), TypeError, "shape must be a sequence of 2 or 3 integers, got 600"),
        ((A, {"weights": "best"}), ValueError, "weights must be 'default'"),
        ((A, {"weights": 3}), TypeError, "weights must be"),
        ((None, {}), TypeError, "A must be a StencilOperator"),
    ],
)
def test_arguments_that_do_not_fit_are_refused(arguments, error, named):
    given, options = arguments
    with pytest.raises(error, match=named):
        Multilevel(given, **options)


@pytest.mark.parametrize("bad", [np.ones(3), np.ones((A.shape[0], 2, 2)), "x"])
def test_vectors_that_do_not_fit_are_refused(bad):
    with pytest.raises((ValueError, TypeError), match="r must"):
        Multilevel(A).matvec(bad)


def test_update_to_another_box_is_refused():
    with pytest.raises(ValueError, match="extents"):
        Multilevel(A).update(gallery.poisson((20, 18, 23)))
    with pytest.raises(ValueError, match="4 rows"):
        Multilevel(A).update(gallery.poisson((2, 2), format="csr"))
    with pytest.raises(TypeError, match=r"A must be a sparse array, .* got int"):
        Multilevel(A).update(3)


def test_update_takes_a_matrix_of_the_same_box():
    M, B = Multilevel(A), gallery.obstacle_box(A.grid_shape, rng=5)
    M.update(B.tocsr())
    np.testing.assert_allclose(M @ r, Multilevel(B) @ r, rtol=1e-5, atol=1e-5)


def test_certificate_finds_the_largest_amplification():
    tau = mw.chebyshev(3, 0.3, 2.0)
    mu = np.linspace(1e-6, 2.0, 20001)[:, None]
    expected = np.abs(np.prod(1 - tau * mu, axis=1))
    assert mw.amplification(tau, 2.0) == pytest.approx(expected[mu[:, 0] > 0.3].max(), rel=1e-5)
    assert mw.amplification(tau, 3.0) > 1


# ---- threads and other solvers ---------------------------------------------------------------------------------------


def test_repr_shows_the_hierarchy():
    M = Multilevel(A)
    assert repr(M) == "Multilevel(20x18x22 > 10x9x11 > 5x5x6 > 3x3x3, weights='default', dtype=float64)"
    assert M.levels[0] == A.grid_shape
    assert M.setup_time > 0
    assert M.bytes_per_cycle > 100 * A.shape[0]


def test_many_threads_share_one_object():
    M = Multilevel(A)
    vectors = [np.random.default_rng(k).standard_normal(A.shape[0]) for k in range(8)]
    alone = [M @ v for v in vectors]
    with ThreadPoolExecutor(4) as pool:
        for one, other in zip(alone, pool.map(M.matvec, vectors), strict=True):
            np.testing.assert_array_equal(one, other)


def test_scipy_takes_it():
    b = r.copy()
    x, info = spla.cg(
        spla.aslinearoperator(A.tocsr()), b, rtol=1e-8, M=spla.LinearOperator(A.shape, Multilevel(A).matvec)
    )
    assert info == 0
    assert np.linalg.norm(b - A @ x) <= 1e-7 * np.linalg.norm(b)


def test_conjugate_directions_takes_it_without_a_fallback():
    result = pysolve.conjugate_directions(A, r, M=Multilevel(A), rtol=1e-8)
    assert result.converged
    assert result.n_fallbacks == 0
    assert result.iterations <= 14
