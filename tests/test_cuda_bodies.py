"""What the bodies of the CUDA kernels do in launches of any shape, and with large data, simulated on the host.

`test_cuda.py` compares every kernel with the reference. Here: launches of other shapes give the same answer, rows
are shared out by their length, and problems of many blocks are right.
"""

import ctypes

import numpy as np
import pytest
import scipy.sparse as sp
from csr_cases import random_values
from cuda_cases import SimulatedKernels, build_simulation

from pysolve import PackedMatrix, StencilOperator, gallery

LAUNCHES = [(32, 1), (64, 3), (128, 7), (256, 2048)]


@pytest.fixture(scope="module")
def simulation(tmp_path_factory):
    return build_simulation(tmp_path_factory.mktemp("cuda_host"))


@pytest.fixture(params=LAUNCHES, ids=lambda launch: f"{launch[0]} threads, {launch[1]} blocks")
def kernels(request, simulation):
    return SimulatedKernels(simulation, *request.param)


@pytest.mark.parametrize("length", [1, 2, 3, 5, 8, 17, 31, 32, 70, 200])
def test_rows_of_any_length_are_right(kernels, length):
    n = 203
    rng = np.random.default_rng(length)
    A = sp.random_array((n, n), density=length / n, rng=rng, format="csr") if length < n else sp.csr_array(
        rng.random((n, n))
    )  # fmt: skip
    x, b, y, r = rng.standard_normal(n), rng.standard_normal(n), np.empty(n), np.empty(n)
    dot = kernels.csr_matvec_dot(A.indptr, A.indices, A.data, x, y)
    np.testing.assert_allclose(y, A @ x, rtol=0, atol=1e-12 * length)
    assert dot == pytest.approx(x @ (A @ x), abs=1e-10 * length)
    rr = kernels.csr_residual(A.indptr, A.indices, A.data, b, x, r)
    assert rr == pytest.approx(np.linalg.norm(b - A @ x) ** 2, rel=1e-12)


@pytest.mark.parametrize(
    ("mean", "lanes"), [(0, 1), (1, 1), (1.9, 1), (2, 2), (5, 4), (7, 4), (27, 16), (32, 32), (1e6, 32)]
)
def test_threads_of_a_row_go_by_the_mean_row_length(simulation, mean, lanes):
    share = simulation.row_lanes
    assert share(ctypes.c_int64(int(mean * 1000)), ctypes.c_int64(1000)) == lanes


def test_sums_have_the_same_bits_every_time_and_nearly_the_same_in_every_launch(simulation):
    x, r, p, q = np.random.default_rng(0).standard_normal((4, 3000))
    found = []
    for launch in LAUNCHES:
        kernels = SimulatedKernels(simulation, *launch)
        once, again = (kernels.conjugate_directions_step(x.copy(), r.copy(), p, q, 0.1) for _ in range(2))
        assert once == again
        found.append(once)
    np.testing.assert_allclose(found, found[0], rtol=1e-14)


@pytest.mark.parametrize("dtype", ["f4", "f8"])
@pytest.mark.parametrize("constant", [True, False])
@pytest.mark.parametrize("shape", [(2, 3, 700), (37, 1, 33), (40, 50, 1), (9, 8, 32)])
def test_stencils_of_many_pieces_are_right(kernels, shape, constant, dtype):
    rng = np.random.default_rng(0)
    faces = [[k + (j == axis) for j, k in enumerate(shape)] for axis in range(3)]
    weights = [0.5, 1.5, 2.0] if constant else [rng.random(extents).astype(dtype) for extents in faces]
    A = StencilOperator(shape, weights, shift=0.25, dtype=dtype)
    grid = kernels.stencil_grid(shape, (0, 0, 0), (0, 0, 0), tuple(weights), 0.25, None, dtype)
    x = rng.standard_normal(A.shape[0]).astype(dtype)
    y = np.empty_like(x)
    dot = kernels.stencil_matvec_dot(grid, x, y)
    np.testing.assert_allclose(y, A.tocsr() @ x, rtol=0, atol=200 * np.finfo(dtype).eps)
    assert dot == pytest.approx(x.astype(float) @ y.astype(float), rel=1e-12)


@pytest.mark.parametrize("dtype", ["f4", "c16"])
def test_packed_products_of_many_blocks_are_right(kernels, dtype):
    A = gallery.poisson((30, 41), format="csr").astype(dtype)
    x = random_values(np.random.default_rng(0), A.shape[0], dtype)
    y = np.empty_like(x)
    dot = kernels.sell_matvec_dot(*PackedMatrix(A)._kernel_args, x, y)
    np.testing.assert_allclose(y, A @ x, rtol=0, atol=100 * np.finfo(dtype).eps)
    assert dot == pytest.approx(np.vdot(x.astype("c16"), y.astype("c16")), rel=1e-12)
