"""Multilevel: the kernels equal the reference, and the cycle takes few iterations."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from multilevel_cases import (
    NETS,
    assert_cells_equal,
    assert_joining_equal,
    assert_narrowing_equal,
    assert_transfers_equal,
    assert_walks_equal,
    floats,
    pairings,
)
from stencil_cases import operators, reference_grid
from threadpoolctl import threadpool_limits

import pysolve
from pysolve import Multilevel, StencilOperator, _backend, gallery
from pysolve._multilevel_weights import constant_net

quick = settings(max_examples=80, deadline=None)


def single(A):
    """The operator in float32, its handle and the reference's grid."""
    A = A.astype(np.float32)
    return A, A._kernel_args[0], reference_grid(A)


# ---- kernels ------------------------------------------------------------------------------------------------


@given(operators(scales=(1.0,)), NETS, NETS)
@quick
def test_cells_equal_the_reference(A, relaxation, resistance):
    _, handle, grid = single(A)
    assert_cells_equal(_backend._core, handle, grid, relaxation, resistance)


@given(pairings())
@quick
def test_joining_equals_the_reference(case):
    assert_joining_equal(_backend._core, case)


@given(pairings())
@quick
def test_transfers_equal_the_reference(case):
    assert_transfers_equal(_backend._core, case)


PLANES = st.sampled_from([1, 2, 3, 5, 9, 24])  # enough for several threads at the end


@given(operators(extents=PLANES, scales=(1.0,)), st.sampled_from(["f4", "f8"]), st.integers(2, 5))
@quick
def test_walks_down_and_up_equal_the_reference(A, real, n_steps):
    _, handle, grid = single(A)
    assert_walks_equal(_backend._core, handle, grid, real, n_steps)


@pytest.mark.parametrize("n", [0, 1, 7, 8, 33, 5000])
@pytest.mark.parametrize("real", ["f4", "f8"])
def test_narrowing_equals_the_reference(n, real):
    assert_narrowing_equal(_backend._core, n, real)


@pytest.mark.parametrize("threads", [1, 2, 3])
@pytest.mark.parametrize("boundary", ["dirichlet", "periodic"])
def test_walks_are_the_same_with_any_number_of_threads(threads, boundary):
    A, handle, _ = single(gallery.poisson((70, 64, 65), boundary=boundary))
    n, tau = A.shape[0], np.array([0.6, 0.9, 0.5, 0.7], "f4")
    inverse, b = (1 / A.diagonal()).astype("f4"), floats(n)
    walks = []
    for count in (1, threads):
        with threadpool_limits(count):
            u, x, y = np.full((3, n), np.nan, np.float32)
            _backend._core.multilevel_descend(handle, b, 1.0, inverse, tau, u, x, y)
            walks.append((x.copy(), y.copy()))
            _backend._core.multilevel_ascend(handle, None, None, 1.0, u, inverse, tau, x, y, 1.0, x)
            walks[-1] += (x,)
    for one, other in zip(*walks, strict=True):
        np.testing.assert_array_equal(one, other)


# ---- the cycle ----------------------------------------------------------------------------------------------


SCENES = [
    gallery.poisson((33, 40)),
    gallery.poisson((17, 12, 19), boundary="neumann"),
    gallery.poisson((24, 31), boundary="periodic"),
    gallery.poisson((16, 16, 21), boundary=["periodic", "neumann", ("dirichlet", "neumann")]),
    gallery.obstacle_box((24, 24, 24)),
    gallery.free_surface((31, 37)),
    gallery.bubbles((24, 24, 24)),
    gallery.log_normal((61, 47), contrast=1e6),
    gallery.anisotropic((20, 20, 20), axis=1),
    StencilOperator((40, 40), (1.0, 1.0), boundary="neumann", shift=0.05),
]


@pytest.mark.parametrize("A", SCENES, ids=repr)
def test_iterations_are_few(A):
    b = A.project_out_null_space(np.random.default_rng(3).standard_normal(A.shape[0]))
    result = pysolve.cg(A, b, M=Multilevel(A), rtol=1e-8)
    assert result.converged
    assert np.linalg.norm(b - A @ result.x) <= 1e-8 * np.linalg.norm(b)
    assert result.iterations <= 32


def test_iterations_do_not_grow_with_the_size():
    counts = []
    for n in (16, 32, 64):
        A = gallery.obstacle_box((n, n, n))
        b = np.random.default_rng(n).standard_normal(A.shape[0])
        counts.append(pysolve.cg(A, b, M=Multilevel(A), rtol=1e-6).iterations)
    assert max(counts) <= 9
    assert max(counts) - min(counts) <= 1


@pytest.mark.parametrize("scale", [1e-300, 1e-60, 1e60, 1e280])
def test_scale_of_operator_and_vector_does_not_matter(scale):
    power = 2.0 ** round(np.log2(scale))
    A = gallery.poisson((20, 20))
    r = np.random.default_rng(0).standard_normal(400)
    z = Multilevel(A) @ r
    np.testing.assert_allclose(Multilevel(A) @ (power * r), power * z, rtol=1e-5)
    B = StencilOperator((20, 20), (power, power))
    np.testing.assert_allclose(Multilevel(B) @ (power * r), z, rtol=1e-5)


def test_constant_net_says_the_same_of_every_cell():
    A, handle, _ = single(gallery.obstacle_box((6, 6, 6)))
    out = np.empty((2, A.shape[0]), np.float32)
    _backend._core.multilevel_cells(handle, constant_net(1.0), constant_net(0.5), *out)
    np.testing.assert_allclose(out[0] * A.diagonal() * ~A.decoupled.ravel(), ~A.decoupled.ravel(), rtol=1e-6)
    assert set(np.unique(out[1])) == {-1.0, 0.5}
