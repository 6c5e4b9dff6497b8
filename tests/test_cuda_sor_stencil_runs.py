"""Runs of sor on stencil operators on a device equal the sweep cell by cell: simulated, and on one if there is one."""

import itertools

import numpy as np
import pytest
from cuda_cases import stencil_handle
from cuda_launches import launched
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from sor_cases import ORDERS, SWEEPS
from sor_cuda_cases import PLACES, run
from stencil_cases import dense, operators

from pysolve import StencilOperator, _backend, gallery

core = _backend._core
checked = settings(max_examples=12, deadline=None)
OMEGAS = st.sampled_from([0.5, 1.0, 1.5, 1.9])


@pytest.fixture(scope="module", params=PLACES, ids=str)
def kernels(request):
    """Every kernel, with NumPy arrays in and out."""
    yield from launched(request)


def vectors(A, seed=0):
    rng = np.random.default_rng(seed)
    return [rng.standard_normal(A.shape[0]).astype(A.dtype) for _ in range(2)]


def uncolourable(A):
    return any(s[0] == "periodic" and n > 1 and n % 2 for s, n in zip(A.boundary, A.grid_shape, strict=True))


def cells_in_order(A, sweep, order):
    cells = np.arange(A.shape[0])
    if order == "multicolor":
        cells = np.argsort(np.indices(A.grid_shape).sum(axis=0).ravel() % 2, kind="stable")
    return np.concatenate([[cells], [cells[::-1]], [cells, cells[::-1]]][sweep])


def error(found, expected):
    return abs(found - expected).max() / max(abs(expected).max(), 1e-300)


@given(A=operators(), omega=OMEGAS, sweep=st.sampled_from(SWEEPS), order=st.sampled_from(ORDERS))
@checked
def test_sweeps_equal_those_cell_by_cell(kernels, A, omega, sweep, order):
    assume(order == "natural" or not uncolourable(A))
    matrix, (b, x), n_steps = dense(A), vectors(A), 3
    b *= A.dtype.type(A.norm)
    expected, cells, wanted = x.astype(float), cells_in_order(A, sweep, order), []
    for _ in range(n_steps):
        for c in cells:
            expected[c] += omega * (b[c].astype(float) - matrix[c] @ expected) / matrix[c, c]
        wanted.append(np.linalg.norm(b - matrix @ expected))
    handle = stencil_handle(kernels, A)[1]
    state, found = run(
        kernels, "sor_run_stencil", handle, b, x, omega, sweep, order, n_steps=n_steps, tolerance=0.0
    )
    tolerance = 1e-12 if A.dtype == np.float64 else 1e-4
    assert error(x, expected) < tolerance
    scale = abs(matrix).sum(axis=1).max() * np.linalg.norm(expected) + np.linalg.norm(b)
    assert abs(found - wanted[: found.size]).max() < tolerance * scale
    assert state.n_steps == n_steps or found[-1] == 0


def assert_runs_as_the_cpu(kernels, A, order, sweep, omega=1.4, n_steps=2, tolerance=0.0):
    b, start = vectors(A)
    found = []
    for module in (kernels, core):
        x, handle = start.copy(), stencil_handle(module, A)[1]
        arguments = handle, b, x, omega, sweep, order
        found.append((x, *run(module, "sor_run_stencil", *arguments, n_steps=n_steps, tolerance=tolerance)))
    eps = float(np.finfo(A.dtype).eps)
    assert error(found[0][0].astype(float), found[1][0]) < 50 * eps
    assert (found[0][1].end, found[0][1].n_steps) == (found[1][1].end, found[1][1].n_steps)
    scale = np.linalg.norm(b) + A.norm * np.linalg.norm(start)
    np.testing.assert_allclose(found[0][2], found[1][2], rtol=50 * eps, atol=eps * scale)


# A row of vectors of 16 bytes or not; one strip of columns, its edge, several; one segment of rows, several.
FLAT = [(1, 1), (1, 7), (9, 1), (2, 2), (7, 60), (8, 61), (9, 118), (4, 124), (26, 36), (25, 122)]


@pytest.mark.parametrize("dtype", ["f4", "f8"])
@pytest.mark.parametrize("sides", ["dirichlet", "neumann", "periodic"])
@pytest.mark.parametrize("shape", FLAT)
def test_flat_boxes_of_any_shape_take_both_colours_in_one_pass(kernels, shape, sides, dtype):
    rng = np.random.default_rng(0)
    faces = [rng.uniform(0.5, 2, [n + (axis == a) for axis, n in enumerate(shape)]) for a in range(2)]
    for axis in range(2):
        first, last = (np.take(faces[axis], [end], axis) for end in (0, -1))
        if sides != "dirichlet":
            np.moveaxis(faces[axis], axis, 0)[[0, -1]] = (
                0 if sides == "neumann" else (first + last).squeeze(axis)
            )
    for k, weights in enumerate([(1.0, 2.0), tuple(w.astype(dtype) for w in faces)]):
        shift = np.full(shape, 0.25, dtype) if k else 0.5
        A = StencilOperator(shape, weights, boundary=sides, shift=shift, dtype=dtype)
        if not uncolourable(A):
            assert_runs_as_the_cpu(kernels, A, "multicolor", SWEEPS[(k + len(sides)) % 3])


@pytest.mark.parametrize("shape", [(7, 30), (5, 6, 7), (4, 1, 6), (1, 6, 8)])
@pytest.mark.parametrize("order", ORDERS)
def test_solids_and_weights_of_every_kind(kernels, order, shape):
    solid = np.random.default_rng(1).random(shape) < 0.3
    for A, sweep in itertools.product(
        (
            gallery.poisson(shape, boundary="dirichlet", solid=solid),
            StencilOperator(shape, (1.0,) * len(shape), shift=np.random.default_rng(2).random(shape)),
        ),
        SWEEPS,
    ):
        assert_runs_as_the_cpu(kernels, A, order, sweep)


@pytest.mark.parametrize("shape", [(14, 18), (5, 4, 6)])
@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("sweep", SWEEPS)
def test_where_nobody_asks_for_norms_there_are_none(kernels, sweep, order, shape):
    A = StencilOperator(shape, (1.0,) * len(shape))
    for n_steps in (0, 1, 2, 3):
        assert_runs_as_the_cpu(kernels, A, order, sweep, n_steps=n_steps, tolerance=-1.0)


@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("shape", [(9, 21), (3, 5, 4)])
def test_x_of_the_last_finite_norm_is_handed_back(kernels, shape, order):
    A = StencilOperator(shape, (1.0,) * len(shape))
    b, start = vectors(A)
    b[40], x = np.nan, start.copy()
    state, norms = run(
        *(kernels, "sor_run_stencil", stencil_handle(kernels, A)[1], b, x, 1.5, 0, order),
        n_steps=5,
        tolerance=0.0,
    )
    assert (state.n_steps, state.end) == (1, "not_finite")
    assert not np.isfinite(norms[0])
    np.testing.assert_array_equal(x, start)


def test_colours_that_do_not_alternate_are_refused(kernels):
    A = StencilOperator((4, 7), (1.0, 1.0), boundary=("dirichlet", "periodic"))
    with pytest.raises(ValueError, match=r"axis 2 of \(.*\) is odd"):
        run(
            kernels,
            "sor_run_stencil",
            stencil_handle(kernels, A)[1],
            *vectors(A),
            1.0,
            0,
            "multicolor",
            n_steps=1,
        )
    assert_runs_as_the_cpu(kernels, A, "natural", 0)
