"""Multilevel: the compiled kernels equal the reference; the cycle is positive definite, and its iterations are few."""

import numpy as np
import pytest
import reference.multilevel as reference
from hypothesis import given, settings
from hypothesis import strategies as st
from stencil_cases import dense, operators, reference_grid
from threadpoolctl import threadpool_limits

import pysolve
from pysolve import Multilevel, StencilOperator, _core, gallery
from pysolve._multilevel_weights import N_NET, constant_net

quick = settings(max_examples=80, deadline=None)
NETS = st.integers(0, 2**16).map(lambda seed: random_net(seed))


def random_net(seed):
    rng = np.random.default_rng(seed)
    net = rng.standard_normal(N_NET).astype(np.float32)
    net[-2:] = np.sort(rng.uniform(0.2, 2, 2))
    return net


def single(A):
    """The operator in float32 with weights near 1, its handle and the reference's grid."""
    A = A.astype(np.float32)
    return A, A._kernel_args[0], reference_grid(A)


def floats(n, seed=0):
    return np.random.default_rng(seed).standard_normal(n).astype(np.float32)


def close(found, expected, size=None):
    scale = np.max(np.abs(expected), initial=0) if size is None else size
    np.testing.assert_allclose(found, expected, rtol=0, atol=2e-5 * max(scale, 1e-30))


# ---- kernels ------------------------------------------------------------------------------------------------


@given(operators(scales=(1.0,)), NETS, NETS)
@quick
def test_cells_equal_the_reference(A, relaxation, resistance):
    A, handle, grid = single(A)
    found, expected = np.full((2, A.shape[0]), np.nan, np.float32), np.empty((2, A.shape[0]))
    _core.multilevel_cells(handle, relaxation, resistance, *found)
    reference.multilevel_cells(grid, relaxation, resistance, *expected)
    close(found[0], expected[0])
    close(found[1], expected[1])


@pytest.mark.parametrize("n", [0, 1, 7, 8, 33, 5000])
@pytest.mark.parametrize("real", ["f4", "f8"])
def test_narrow_equals_the_reference(n, real):
    values = (10.0 ** np.random.default_rng(n).uniform(-30, 3, n)).astype(real) * (np.arange(n) % 3 > 0)
    out, expected = np.full(n, np.nan, np.float32), np.empty(n)
    _core.multilevel_narrow(values.astype(real), 2.0**-5, 1e-18, out)
    reference.multilevel_narrow(values, 2.0**-5, 1e-18, expected)
    np.testing.assert_allclose(out, expected, rtol=1e-6)


boxes = st.tuples(st.integers(1, 5), st.integers(1, 5), st.sampled_from([1, 2, 3, 7, 8, 16, 17, 34, 35, 51]))


@st.composite
def pairings(draw):
    """An axis of a box, faces along it (some closed) and half resistances (some cells solid)."""
    n, axis, periodic = draw(boxes), draw(st.integers(0, 2)), draw(st.booleans())
    rng = np.random.default_rng(draw(st.integers(0, 2**16)))
    faces = [k + (a == axis) for a, k in enumerate(n)]
    w = 10 ** rng.uniform(-3, 3, faces) * (rng.random(faces) < draw(st.sampled_from([0.5, 1.0])))
    if periodic:
        np.moveaxis(w, axis, 0)[-1] = np.moveaxis(w, axis, 0)[0]
    both = np.moveaxis(w, axis, 0)
    closed = np.moveaxis((both[:-1] == 0) & (both[1:] == 0), 0, axis)
    half = np.where(closed & (rng.random(n) < 0.5), -1, draw(st.sampled_from([0.0, 0.5, 0.7])))
    return (n, axis, periodic), w.astype(np.float32).ravel(), half.astype(np.float32).ravel(), rng


@given(pairings())
@quick
def test_joining_equals_the_reference(case):
    place, w, half, _ = case
    n, axis, _ = place
    size = half.size // n[axis]
    coarse, alpha = np.full(size * ((n[axis] + 1) // 2 + 1), np.nan, np.float32), np.full_like(half, np.nan)
    expected = np.empty(coarse.size), np.empty(alpha.size)
    _core.multilevel_join(*place, w, half, coarse, alpha)
    reference.multilevel_join(*place, w, half, *expected)
    np.testing.assert_allclose(coarse, expected[0], rtol=1e-5, atol=1e-30)
    np.testing.assert_allclose(alpha, expected[1], rtol=1e-5, atol=1e-6)


@given(pairings())
@quick
def test_transfers_equal_the_reference(case):
    place, _, half, rng = case
    n, axis, _ = place
    alpha = rng.random(half.size).astype(np.float32)
    fine, coarse = floats(half.size, 1), floats(half.size // n[axis] * ((n[axis] + 1) // 2), 2)
    for add in (False, True):
        found, expected = fine.copy(), fine.astype(float)
        _core.multilevel_prolong(*place, alpha, coarse, 1.7, add, found)
        reference.multilevel_prolong(*place, alpha, coarse, 1.7, add, expected)
        close(found, expected)
    found, expected = np.full_like(coarse, np.nan), np.empty(coarse.size)
    _core.multilevel_restrict(*place, alpha, fine, found)
    reference.multilevel_restrict(*place, alpha, fine, expected)
    close(found, expected)
    _core.multilevel_add(n, axis, fine, found)
    reference.multilevel_add(n, axis, fine, expected)
    close(found, expected)


PLANES = st.sampled_from([1, 2, 3, 5, 9, 24])  # enough for several threads at the end


@given(operators(extents=PLANES, scales=(1.0,)), st.sampled_from(["f4", "f8"]), st.integers(2, 5))
@quick
def test_walks_down_and_up_equal_the_reference(A, real, n_steps):
    A, handle, grid = single(A)
    n, tau = A.shape[0], np.linspace(0.3, 0.8, n_steps).astype("f4")
    diagonal = np.where(A.decoupled.ravel(), np.inf, A.diagonal())
    inverse, b = (1 / diagonal).astype("f4"), floats(n, 3).astype(real)
    found, expected = np.full((3, n), np.nan, np.float32), np.empty((3, n))
    report = _core.multilevel_descend(handle, b, 2.0, inverse, tau, *found)
    assert report == pytest.approx(
        reference.multilevel_descend(grid, b, 2.0, inverse, tau, *expected), rel=1e-6
    )
    close(found, expected, 40)
    pairs = -(-grid.n[0] // 2)
    alpha, coarse = np.abs(floats(n, 5)) % 1, floats(n // grid.n[0] * pairs, 6)
    for share in (None, alpha):
        (u, x, y), z = found.copy(), np.full(n, np.nan, real)
        reference.multilevel_ascend(grid, share, coarse, 1.7, u, inverse, tau, x, y, 3.0, expected[0])
        _core.multilevel_ascend(handle, share, coarse, 1.7, u, inverse, tau, x, y, 3.0, z)
        close(z, expected[0], 40)


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
            _core.multilevel_descend(handle, b, 1.0, inverse, tau, u, x, y)
            walks.append((x.copy(), y.copy()))
            _core.multilevel_ascend(handle, None, None, 1.0, u, inverse, tau, x, y, 1.0, x)
            walks[-1] += (x,)
    for one, other in zip(*walks, strict=True):
        np.testing.assert_array_equal(one, other)


# ---- the cycle ----------------------------------------------------------------------------------------------


def matrix_of(M):
    return np.array([M.matvec(unit) for unit in np.eye(M.shape[0])]).T


@given(operators(extents=st.sampled_from([3, 5, 8]), last_extents=st.sampled_from([4, 9, 13])))
@settings(max_examples=40, deadline=None)
def test_cycle_is_symmetric_and_positive_definite(A):
    """The theorem of the certificate, on the matrix of the cycle itself."""
    if A.shape[0] > 700:
        return
    M = Multilevel(A, weights="untrained")
    matrix = matrix_of(M)
    np.testing.assert_allclose(matrix, matrix.T, rtol=0, atol=1e-5 * np.abs(matrix).max())
    basis = A.null_space.toarray()
    scaled = dense(A)
    root = np.sqrt(np.diag(scaled))
    scaled = root[:, None] * (matrix + basis @ basis.T * np.abs(matrix).max()) * root
    assert np.linalg.eigvalsh((scaled + scaled.T) / 2).min() > 0


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
    result = pysolve.cg(A, b, M=Multilevel(A, weights="untrained"), rtol=1e-8)
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
    _core.multilevel_cells(handle, constant_net(1.0), constant_net(0.5), *out)
    np.testing.assert_allclose(out[0] * A.diagonal() * ~A.decoupled.ravel(), ~A.decoupled.ravel(), rtol=1e-6)
    assert set(np.unique(out[1])) == {-1.0, 0.5}
