"""The CUDA kernels of sor equal the reference and those of the CPU: simulated always, on a device where there is one.

Of a stencil the reference is A x: in the cells of a colour, no two of which are neighbours, A times the indicator of
the colour is the diagonal of A.
"""

import itertools
import math

import numpy as np
import pytest
import reference.sor
import reference.stencil
from csr_cases import TYPES, Csr, matrices, random_values
from cuda_cases import PLACES, SimulatedKernels, kernels_at, stencil_handle
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from reference.csr import wide
from stencil_cases import operators

from pysolve import StencilOperator, _backend, gallery

core = _backend._core
checked = settings(max_examples=60, deadline=None)


@pytest.fixture(scope="module", params=PLACES)
def kernels(request):
    """Every kernel, with NumPy arrays in and out."""
    return kernels_at(request)


# ---- rows of a sparse matrix -------------------------------------------------------------------------------


def with_diagonal(A, rng):
    """A with one entry more in each row, so that its diagonal is real, positive and larger than the rest of the row."""
    n = A.shape[0]
    rows = np.repeat(np.arange(n), np.diff(A.indptr))
    extra = A._replace(data=abs(A.data)).dense().sum(axis=1) + abs(A.data).max(initial=1e-3)
    all_rows = np.concatenate([rows, np.arange(n)])
    places = np.argsort(all_rows + 0.5 * rng.random(all_rows.size), kind="stable")
    indices = np.concatenate([A.indices, np.arange(n)])[places].astype(A.indices.dtype)
    data = np.concatenate([A.data, extra])[places].astype(A.data.dtype)
    return Csr((A.indptr + np.arange(n + 1)).astype(A.indptr.dtype), indices, data, A.shape)


def independent_rows(A, rng, share):
    """Rows in random order, no two adjacent either way, of which this share is kept."""
    pattern = np.zeros(A.shape, bool)
    pattern[np.repeat(np.arange(A.shape[0]), np.diff(A.indptr)), A.indices] = True
    pattern |= pattern.T
    rows = []
    for i in rng.permutation(A.shape[0]):
        if not pattern[i, rows].any():
            rows.append(i)
    return np.array(rows[: math.ceil(share * len(rows))], np.int64)


def assert_rows_relaxed(kernels, A, rows, omega, rng):
    dtype = A.data.dtype.str[1:]
    b, x = (random_values(rng, A.shape[0], dtype) for _ in range(2))
    b = (b * abs(A.data).max(initial=0)).astype(dtype)
    ours, cpu, expected = x.copy(), x.copy(), wide(x).copy()
    kernels.sor_sweep_csr(*A.arrays, rows, b, ours, omega)
    core.sor_sweep_csr(*A.arrays, rows, b, cpu, omega)
    reference.sor.sor_sweep_csr(A.indptr, A.indices, wide(A.data), rows, wide(b), expected, omega)
    sizes = A._replace(data=abs(A.data)).dense() @ abs(wide(x)) + abs(b)
    diagonal = A.dense().diagonal().real
    rounding = 64 * np.finfo(float).eps * (1 + np.diff(A.indptr)) * omega * sizes / diagonal
    rounding += 2 * float(np.finfo(dtype).eps) * abs(expected)
    assert (abs(ours - expected) <= rounding).all()
    assert (abs(ours - cpu) <= 2 * rounding).all()
    others = np.setdiff1d(np.arange(A.shape[0]), rows)
    np.testing.assert_array_equal(ours[others], x[others])


@given(
    A=matrices(square=True),
    seed=st.integers(0, 2**16),
    omega=st.sampled_from([0.3, 1.0, 1.9]),
    share=st.sampled_from([0.0, 0.5, 1.0]),
)
@checked
def test_sets_of_rows_are_relaxed_as_in_the_reference(kernels, A, seed, omega, share):
    rng = np.random.default_rng(seed)
    A = with_diagonal(A, rng)
    assert_rows_relaxed(kernels, A, independent_rows(A, rng, share), omega, rng)


@pytest.mark.parametrize(("dtype", "index"), TYPES)
@pytest.mark.parametrize("length", [1, 2, 6, 31, 90])
def test_rows_of_any_length_and_type_are_relaxed(kernels, dtype, index, length):
    # The rows of the set are full; the others have a diagonal alone.
    rng, n = np.random.default_rng(length), 130
    rows = np.sort(rng.permutation(n)[: n // 4]).astype(np.int64)
    columns = np.setdiff1d(np.arange(n), rows)
    dense = np.zeros((n, n), dtype)
    for i in rows:
        some = rng.permutation(columns)[: length - 1]
        dense[i, some] = random_values(rng, some.size, dtype)
    dense += np.diag(abs(dense).sum(axis=1) + 1).astype(dtype)
    indptr = np.concatenate([[0], np.cumsum((dense != 0).sum(axis=1))]).astype(index)
    places = np.nonzero(dense)
    A = Csr(indptr, places[1].astype(index), dense[places], dense.shape)
    assert_rows_relaxed(kernels, A, rng.permutation(rows), 1.3, rng)


@pytest.mark.parametrize("dtype", ["f4", "c16"])
@pytest.mark.parametrize("n", [0, 1])
def test_smallest_matrices_are_relaxed(kernels, n, dtype):
    A = Csr(np.arange(n + 1), np.zeros(n, np.int64), np.full(n, 4, dtype), (n, n))
    x = np.ones(n, dtype)
    kernels.sor_sweep_csr(*A.arrays, np.arange(n), np.full(n, 8, dtype), x, 0.5)
    np.testing.assert_array_equal(x, np.full(n, 1.5))
    kernels.sor_sweep_csr(*A.arrays, np.arange(0), x.copy(), x, 0.5)
    np.testing.assert_array_equal(x, np.full(n, 1.5))


# ---- a colour of a stencil ---------------------------------------------------------------------------------


def colourable(A):
    axes = zip(A.grid_shape, A.boundary, strict=True)
    return all(n == 1 or n % 2 == 0 or sides[0] != "periodic" for n, sides in axes)


def cells_of(n, colour):
    """A mask of the cells of the colour, as the numbers of their rows and columns tell."""
    return (np.indices(n).sum(axis=0) % 2 == colour).ravel()


def assert_colour_relaxed(kernels, A, omega, colour, rng):
    grid, ours = stencil_handle(kernels, A)
    scale = max(float(A.diagonal().max()), float(np.finfo(A.dtype).tiny))
    x, b = rng.standard_normal((2, A.shape[0]))
    x, b = x.astype(A.dtype), (scale * b).astype(A.dtype)
    mask = cells_of(grid.n, colour)
    product, diagonal = np.empty((2, x.size))
    reference.stencil.stencil_matvec(grid, x, product)
    reference.stencil.stencil_matvec(grid, mask, diagonal)
    expected, relaxed, cpu = wide(x).copy(), x.copy(), x.copy()
    expected[mask] += omega * (b - product)[mask] / diagonal[mask]
    kernels.sor_sweep_stencil(ours, b, relaxed, omega, colour)
    core.sor_sweep_stencil(stencil_handle(core, A)[1], b, cpu, omega, colour)
    np.testing.assert_array_equal(relaxed[~mask], x[~mask])
    rounding = 5 * abs(x).max() + omega * abs(b[mask]) / diagonal[mask]
    rounding *= 16 * float(np.finfo(A.dtype).eps)
    assert (abs(relaxed - expected)[mask] <= rounding).all()
    assert (abs(relaxed.astype(float) - cpu)[mask] <= 2 * rounding).all()


@given(
    A=operators(extents=st.sampled_from([1, 2, 3, 4, 5])),
    seed=st.integers(0, 2**16),
    omega=st.sampled_from([0.3, 1.0, 1.9]),
    colour=st.integers(0, 1),
)
@checked
def test_colours_of_stencils_are_relaxed_as_in_the_reference(kernels, A, seed, omega, colour):
    assume(colourable(A))
    assert_colour_relaxed(kernels, A, omega, colour, np.random.default_rng(seed))


LAUNCHES = [(32, 1), (64, 3), (128, 7), (256, 2048)]
BOXES = [(2, 3, 170), (9, 8, 32), (7, 1, 33), (19, 29, 1), (5, 8, 1), (1, 1, 301), (301, 1, 1), (1, 1, 1)]


@pytest.mark.parametrize("launch", LAUNCHES, ids=lambda launch: f"{launch[0]} threads, {launch[1]} blocks")
@pytest.mark.parametrize("constant", [True, False])
@pytest.mark.parametrize("shape", BOXES)
def test_boxes_of_any_shape_are_relaxed_in_any_launch(simulation, launch, shape, constant):
    rng = np.random.default_rng(0)
    faces = [[k + (j == axis) for j, k in enumerate(shape)] for axis in range(3)]
    weights = [0.5, 1.5, 2.0] if constant else [rng.random(extents) for extents in faces]
    A = StencilOperator(shape, weights, shift=0.25)
    for colour in (0, 1):
        assert_colour_relaxed(SimulatedKernels(simulation, *launch), A, 1.5, colour, rng)


@pytest.mark.parametrize("dtype", ["f4", "f8"])
@pytest.mark.parametrize("boundary", ["dirichlet", "neumann", "periodic"])
@pytest.mark.parametrize("shape", [(2, 40), (6, 4, 2), (4, 2, 66)])
def test_boxes_with_solids_and_every_kind_of_side_are_relaxed(kernels, shape, boundary, dtype):
    rng = np.random.default_rng(1)
    solid = rng.random(shape) < 0.3
    for A in (
        gallery.poisson(shape, boundary=boundary, dtype=dtype, format="stencil"),
        gallery.poisson(shape, boundary=boundary, dtype=dtype, solid=solid),
    ):
        for colour in (0, 1):
            assert_colour_relaxed(kernels, A, 1.4, colour, rng)


@pytest.mark.parametrize("boundary", ["dirichlet", "neumann"])
def test_a_decoupled_cell_has_the_row_of_the_identity(kernels, boundary):
    solid = np.zeros((3, 4, 5), bool)
    solid[1, 1:3, 2:4] = True
    A = gallery.poisson(solid.shape, boundary=boundary, solid=solid)
    b, x = np.random.default_rng(2).standard_normal((2, A.shape[0]))
    inside, before = solid.ravel(), x.copy()
    for colour in (0, 1):
        kernels.sor_sweep_stencil(stencil_handle(kernels, A)[1], b, x, 1.0, colour)
    np.testing.assert_allclose(x[inside], b[inside], rtol=1e-15, atol=1e-15)
    assert (x[~inside] != before[~inside]).all()


# ---- whole sweeps ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("sweep", [0, 1, 2])
@pytest.mark.parametrize("shape", [(12, 9), (5, 6, 7)])
def test_colours_make_up_the_sweeps_of_the_cpu(kernels, shape, sweep):
    stencil = gallery.poisson(shape, format="stencil")
    A, n = gallery.poisson(shape, format="csr"), stencil.shape[0]
    sets = [np.flatnonzero(cells_of(shape, colour)) for colour in (0, 1)]
    order = {0: [0, 1], 1: [1, 0], 2: [0, 1, 1, 0]}[sweep]
    b, start = np.random.default_rng(3).standard_normal((2, n))
    state, norms, expected = core.RunState(), np.empty(4), start.copy()
    state.n_steps, state.tolerance = 4, 0.0
    handle = stencil_handle(core, stencil)[1]
    core.sor_run_stencil(handle, b, expected, 1.5, sweep, "multicolor", norms, state)
    by_cells, by_rows = start.copy(), start.copy()
    ours = stencil_handle(kernels, stencil)[1]
    for colour in itertools.chain.from_iterable([order] * 4):
        kernels.sor_sweep_stencil(ours, b, by_cells, 1.5, colour)
        kernels.sor_sweep_csr(A.indptr, A.indices, A.data, sets[colour], b, by_rows, 1.5)
    for found in (by_cells, by_rows):
        np.testing.assert_allclose(found, expected, rtol=0, atol=1e-13)
        assert np.linalg.norm(b - A @ found) == pytest.approx(norms[-1], rel=1e-10)
