"""What the bodies of the CUDA kernels do in launches of any shape, and with large data, simulated on the host.

`test_cuda.py` and `test_cuda_matrices.py` compare random cases with the reference. Here: every kernel, type and edge
size does, launches of other shapes give the same answer, rows are shared out by their length, and problems of many
blocks are right.
"""

import ctypes

import numpy as np
import pytest
import reference.conjugate_directions
import reference.csr
import reference.sell
import reference.stencil
import scipy.sparse as sp
from csr_cases import TYPES, VALUES, Csr, random_values
from cuda_cases import OF_THE_MODULE, ONLY_CPU, SimulatedKernels, packed, size, stencil_handle

from pysolve import PackedMatrix, StencilOperator, _backend, gallery

LAUNCHES = [(32, 1), (64, 3), (128, 7), (256, 2048)]


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


# ---- every kernel, every type, edge sizes ------------------------------------------------------------------

# Around the rows of a slice, the threads of a warp and of a block.
SIZES = [0, 1, 7, 8, 9, 31, 32, 33, 255, 256, 257]


@pytest.fixture
def full(simulation):
    """Launches as a device gets them."""
    return SimulatedKernels(simulation)


def test_every_kernel_is_simulated_for_every_type(simulation):
    stems = ("csr_", "sell_", "stencil_", "conjugate_directions_", "multilevel_", "direction_net_", "sor_")
    stems += ("kron_", "matrix_completion_")
    kernels = {name for name in dir(_backend._core) if name.startswith(stems)} - set(ONLY_CPU) - OF_THE_MODULE
    entries, reals = [f"_{i}_{t}" for t, i in TYPES], ["_f4", "_f8"]
    values = [f"_{t}" for t in VALUES]
    types = {"csr": entries, "sell": values, "stencil": reals, "conjugate": values, "multilevel": [""]}
    types |= {"sell_measure": entries, "sell_pack": entries, "direction": ["_f4"]}
    types |= {"sor": reals, "sor_sweep_csr": entries, "kron": reals}
    types |= {"matrix": reals, "matrix_completion_sort": [""]}
    types |= {f"multilevel_{verb}": reals for verb in ("narrow", "descend", "ascend")}
    wanted = {
        kernel + name
        for kernel in kernels - {"stencil_grid"}
        for name in types.get(kernel, types[kernel.partition("_")[0]])
    }
    wanted |= {f"multilevel_cycle{t}" for t in reals}  # CUDA's alone
    assert set(simulation.names().decode().split()) == wanted


def assert_same(kernels, name, *arguments):
    """The kernel writes and returns what the reference does, within rounding of values of about one."""
    stem = next(stem for stem in ("csr", "sell", "conjugate_directions") if name.startswith(stem))
    ours, expected = ([x.copy() if isinstance(x, np.ndarray) else x for x in arguments] for _ in range(2))
    result = getattr(kernels, name)(*ours), ours
    wanted = getattr(getattr(reference, stem), name)(*expected), expected
    eps = max(np.finfo(x.dtype).eps for x in ours if isinstance(x, np.ndarray) and x.dtype.kind in "fc")
    for value, reference_value in zip(flat(result), flat(wanted), strict=True):
        tolerance = 100 * eps * (1 + abs(reference_value).max(initial=0))
        np.testing.assert_allclose(value, reference_value, rtol=0, atol=tolerance)


def flat(values):
    """The numbers and arrays in nested tuples, lists and dictionaries."""
    if isinstance(values, (tuple, list, dict)):
        for entry in values.values() if isinstance(values, dict) else values:
            yield from flat(entry)
    elif values is not None and not isinstance(values, str):
        yield np.asarray(values)


def matrix_of(n, dtype, index):
    """Four diagonals, an empty row and a full row."""
    rng = np.random.default_rng(n)
    pattern = sum(np.eye(n, k=k) for k in (-9, -1, 0, 2)) if n else np.zeros((0, 0))
    pattern[n // 3 : n // 3 + 1] = 0
    pattern[n // 2 : n // 2 + 1] = 1
    A = sp.csr_array(pattern)
    return Csr(A.indptr.astype(index), A.indices.astype(index), random_values(rng, A.nnz, dtype), (n, n))


@pytest.mark.parametrize(("dtype", "index"), TYPES)
@pytest.mark.parametrize("n", SIZES)
def test_csr_kernels_equal_the_reference(full, n, dtype, index):
    A, rng = matrix_of(n, dtype, index), np.random.default_rng(n)
    x, b = (random_values(rng, n, dtype) for _ in range(2))
    y = np.zeros_like(x)
    assert_same(full, "csr_matvec", *A.arrays, x, y)
    assert_same(full, "csr_matvec_dot", *A.arrays, x, y)
    assert_same(full, "csr_residual", *A.arrays, b, x, y)
    assert_same(full, "csr_check", *A.arrays, n)
    for ours, expected in zip(packed(full, A), packed(reference.sell, A), strict=True):
        np.testing.assert_array_equal(ours, expected)


@pytest.mark.parametrize("dtype", VALUES)
@pytest.mark.parametrize("n", SIZES)
def test_other_kernels_equal_the_reference(full, n, dtype):
    P, rng = packed(reference.sell, matrix_of(n, dtype, "i4")), np.random.default_rng(n)
    x, b, q, r = (random_values(rng, n, dtype) for _ in range(4))
    y = np.zeros_like(x)
    assert_same(full, "sell_matvec", *P, x, y)
    assert_same(full, "sell_matvec_dot", *P, x, y)
    assert_same(full, "sell_residual", *P, b, x, y)
    assert_same(full, "conjugate_directions_step", x, r, b, q, 0.3)
    kept = random_values(rng, 6 * n, dtype).reshape(6, n)
    pq = np.array([n + 1.0, 0.0, 2.0 * n + 1, n + 2.0, n + 3.0, n + 4.0])
    assert_same(full, "conjugate_directions_orthogonalise", x, r, kept, kept[::-1].copy(), pq, 2)


@pytest.mark.parametrize("dtype", ["f4", "f8"])
@pytest.mark.parametrize("constant", [True, False])
@pytest.mark.parametrize("boundary", ["dirichlet", "neumann", "periodic"])
@pytest.mark.parametrize("last", [1, 2, 31, 32, 33, 127, 128, 129])
def test_stencil_kernels_equal_the_reference(full, last, boundary, constant, dtype):
    A = gallery.poisson((2, 3, last), boundary=boundary, dtype=dtype, format="stencil")
    if not constant:
        solid = np.zeros(A.grid_shape, bool)
        solid[0, 1, last // 2] = True
        A = gallery.poisson(A.grid_shape, boundary=boundary, solid=solid, dtype=dtype)
    grid, ours = stencil_handle(full, A)
    x, b = np.random.default_rng(last).standard_normal((2, A.shape[0])).astype(dtype)
    y, expected = np.zeros_like(x), np.zeros_like(x)
    eps = float(np.finfo(dtype).eps)
    for kernel, vectors in (("matvec", [x]), ("matvec_dot", [x]), ("residual", [b, x])):
        result = getattr(full, f"stencil_{kernel}")(ours, *vectors, y)
        wanted = getattr(reference.stencil, f"stencil_{kernel}")(grid, *vectors, expected)
        np.testing.assert_allclose(y, expected, rtol=0, atol=200 * eps)
        if kernel != "matvec":
            assert result == pytest.approx(wanted, rel=100 * eps, abs=100 * eps * size(x, y))
