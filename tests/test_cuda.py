"""The CUDA kernels equal the reference: on a device where there is one, and always as simulated launches.

A simulated launch runs the very same bodies thread by thread on the host (tests/cuda_host), so that their
arithmetic, their indices and their sums are tested without a device. What only a device shows (the launches
themselves, memory, streams) is tested by the same functions with the mark `gpu`.
"""

import numpy as np
import pytest
import reference.conjugate_directions
import reference.csr
import reference.sell
import reference.stencil
from csr_cases import TYPES, VALUES, matrices, random_values, rounding, vectors
from cuda_cases import DeviceKernels, SimulatedKernels, build_simulation
from hypothesis import given, settings
from hypothesis import strategies as st
from reference.csr import wide
from stencil_cases import operators, reference_grid

from pysolve import _backend, gallery

RUNS = {"RunState", *(f"conjugate_directions_run_{kind}" for kind in ("csr", "sell", "stencil"))}
checked = settings(max_examples=60, deadline=None)


@pytest.fixture(scope="session")
def simulation(tmp_path_factory):
    return build_simulation(tmp_path_factory.mktemp("cuda_host"))


# Few small blocks walk their data in several rounds, as full-sized launches do with large data.
@pytest.fixture(
    scope="module", params=["simulated", "few blocks", pytest.param("device", marks=pytest.mark.gpu)]
)
def kernels(request):
    """Every kernel, with NumPy arrays in and out."""
    if request.param == "device":
        return DeviceKernels()
    library = request.getfixturevalue("simulation")
    return SimulatedKernels(library, *((64, 2) if request.param == "few blocks" else ()))


def empty_vectors(n, dtype, count):
    return [np.full(n, np.nan, dtype) for _ in range(count)]


# ---- csr ---------------------------------------------------------------------------------------------------


@given(A=matrices())
@checked
def test_csr_product_equals_the_reference(kernels, A):
    (x,) = vectors(A, A.shape[1])
    y, expected = empty_vectors(A.shape[0], x.dtype, 2)
    reference.csr.csr_matvec(*A.arrays, x, expected)
    kernels.csr_matvec(*A.arrays, x, y)
    assert (abs(y - expected) <= rounding(A, x)).all()


@given(A=matrices(square=True))
@checked
def test_csr_product_with_dot_and_residual_equal_the_reference(kernels, A):
    x, b = vectors(A, *A.shape)
    y, r, expected = empty_vectors(x.size, x.dtype, 3)
    dot = kernels.csr_matvec_dot(*A.arrays, x, y)
    reference.csr.csr_matvec(*A.arrays, x, expected)
    assert (abs(y - expected) <= rounding(A, x)).all()
    assert dot == pytest.approx(np.vdot(wide(x), wide(y)), rel=1e-12, abs=1e-12 * size(x, y))
    squared = kernels.csr_residual(*A.arrays, b, x, r)
    reference.csr.csr_residual(*A.arrays, b, x, expected)
    double = rounding(A._replace(data=wide(A.data)), x)
    assert (abs(r - expected) <= double + 2 * np.finfo(r.dtype).eps * abs(expected)).all()
    assert squared == pytest.approx(size(r, r), rel=1e-12)


def size(x, y):
    """What rounding in a dot product of x and y is relative to."""
    return float(abs(wide(x)) @ abs(wide(y)))


@given(A=matrices(scales=(1.0,)))
@checked
def test_csr_check_equals_the_reference(kernels, A):
    report = kernels.csr_check(*A.arrays, A.shape[1])
    expected = reference.csr.csr_check(*A.arrays, A.shape[1])
    for name in ("fault", "position"):
        assert report[name] == expected[name]
    scale = 1e-12 * (1 + abs(wide(A.data)).sum())
    for name in ("asymmetry", "frobenius", "max_row_sum"):
        assert report[name] == pytest.approx(expected[name], rel=1e-12, abs=scale)


@pytest.mark.parametrize(("dtype", "index"), TYPES)
@pytest.mark.parametrize(
    ("array", "position", "value", "fault"),
    [
        ("indptr", 0, 1, ("indptr", 0)),
        ("indptr", 7, 2, ("indptr", 7)),
        ("indptr", 40, 200, ("indptr", 40)),
        ("indices", 11, -1, ("index", 11)),
        ("indices", 39, 40, ("index", 39)),
        ("data", 30, np.nan, ("value", 30)),
        ("data", 31, -np.inf, ("value", 31)),
    ],
)
def test_csr_check_finds_what_is_wrong(kernels, dtype, index, array, position, value, fault):
    parts = {
        "indptr": np.arange(41, dtype=index),
        "indices": np.arange(40, dtype=index),
        "data": np.ones(40, dtype),
    }
    parts[array][position] = value
    report = kernels.csr_check(*parts.values(), 40)
    assert (report["fault"], report["position"]) == fault


# ---- sell --------------------------------------------------------------------------------------------------


def packed(module, A):
    """The packed copy that a module of kernels makes of a matrix with sorted rows."""
    n_slices = -(-A.shape[0] // 8)
    lengths = np.zeros((2, n_slices), np.int64)
    module.sell_measure(*A.arrays, A.shape[1], *lengths)
    slice_ptr, gather_ptr = (np.concatenate([[0], np.cumsum(row)]).astype(np.int64) for row in lengths)
    column, indices = (np.full(n, -99, np.int32) for n in (slice_ptr[-1], 8 * gather_ptr[-1]))
    data = np.full(8 * slice_ptr[-1], np.nan, A.data.dtype)
    module.sell_pack(*A.arrays, A.shape[1], slice_ptr, gather_ptr, column, indices, data)
    return slice_ptr, column, indices, data


@given(A=matrices(sorted_rows=True))
@checked
def test_packed_copy_equals_the_reference(kernels, A):
    for ours, expected in zip(packed(kernels, A), packed(reference.sell, A), strict=True):
        np.testing.assert_array_equal(ours, expected)


@given(A=matrices(square=True, sorted_rows=True))
@checked
def test_packed_products_equal_the_reference(kernels, A):
    P = packed(reference.sell, A)
    x, b = vectors(A, *A.shape)
    y, z, r, expected = empty_vectors(x.size, x.dtype, 4)
    kernels.sell_matvec(*P, x, y)
    reference.sell.sell_matvec(*P, x, expected)
    assert (abs(y - expected) <= rounding(A, x)).all()
    dot = kernels.sell_matvec_dot(*P, x, z)
    np.testing.assert_array_equal(z, y)
    assert dot == pytest.approx(np.vdot(wide(x), wide(y)), rel=1e-12, abs=1e-12 * size(x, y))
    squared = kernels.sell_residual(*P, b, x, r)
    reference.sell.sell_residual(*P, b, x, expected)
    double = rounding(A._replace(data=wide(A.data)), x)
    assert (abs(r - expected) <= double + 2 * np.finfo(r.dtype).eps * abs(expected)).all()
    assert squared == pytest.approx(size(r, r), rel=1e-12)


# ---- stencil -----------------------------------------------------------------------------------------------


def handle(kernels, A):
    """The grid of the reference, and the handle that the kernels make of the same."""
    grid = reference_grid(A)
    constant = isinstance(A.weights[0], float)
    weights = tuple(w if constant or not isinstance(w, float) else None for w in grid.weights)
    shift = A.shift if isinstance(A.shift, float) else A.shift.ravel()
    decoupled = np.array(grid.decoupled, np.int64) if grid.decoupled else None
    sides = tuple(grid.low), tuple(grid.high)
    return grid, kernels.stencil_grid(grid.n, *sides, weights, shift, decoupled, grid.dtype)


@given(A=operators())
@checked
def test_stencil_products_equal_the_reference(kernels, A):
    grid, ours = handle(kernels, A)
    x, b = np.random.default_rng(0).standard_normal((2, A.shape[0])).astype(A.dtype)
    y, z, r = empty_vectors(x.size, A.dtype, 3)
    expected = np.empty(x.size)
    reference.stencil.stencil_matvec(grid, x, expected)
    eps = float(np.finfo(A.dtype).eps)
    tolerance = 32 * eps * float(A.diagonal().max()) * float(abs(x).max())
    kernels.stencil_matvec(ours, x, y)
    np.testing.assert_allclose(y, expected, rtol=0, atol=tolerance)
    dot = kernels.stencil_matvec_dot(ours, x, z)
    np.testing.assert_array_equal(z, y)
    assert dot == pytest.approx(float(wide(x) @ wide(y)), rel=1e-12, abs=1e-12 * size(x, y))
    squared = kernels.stencil_residual(ours, b, x, r)
    np.testing.assert_allclose(r, b - expected, rtol=2 * eps, atol=2 * tolerance)
    assert squared == pytest.approx(size(r, r), rel=1e-12)


def test_norm_of_a_stencil_residual_is_not_drowned_by_decoupled_cells(kernels):
    solid = np.zeros((6, 5, 40), bool)
    solid[2:4, 1:3, 7:30] = True
    A = gallery.poisson(solid.shape, solid=solid)
    x = np.random.default_rng(0).standard_normal(A.shape[0])
    x[solid.ravel()] = 1e12
    b, r = A @ x, np.empty(x.size)
    b[~solid.ravel()] += 1e-3
    squared = kernels.stencil_residual(handle(kernels, A)[1], b, x, r)
    assert squared == pytest.approx(1e-6 * (~solid).sum(), rel=1e-6)


# ---- conjugate_directions ----------------------------------------------------------------------------------


@given(
    n=st.sampled_from([1, 7, 33, 300]),
    n_keep=st.sampled_from([1, 2, 3, 4, 5, 9, 64]),
    dtype=st.sampled_from(VALUES),
    seed=st.integers(0, 2**16),
    share=st.sampled_from([0.0, 0.5, 1.0]),
)
@checked
def test_orthogonalise_equals_the_reference(kernels, n, n_keep, dtype, seed, share):
    rng = np.random.default_rng(seed)
    z, r = (random_values(rng, n, dtype) for _ in range(2))
    P, Q = (random_values(rng, n_keep * n, dtype).reshape(n_keep, n) for _ in range(2))
    pq = np.where(rng.random(n_keep) < share, rng.uniform(n, 2 * n, n_keep), rng.choice([0.0, -1.0, np.nan]))
    P[~(pq > 0)] = np.nan  # what is not in use may hold anything
    slot = int(rng.integers(n_keep))
    expected = P.copy()
    pr, pp, c = kernels.conjugate_directions_orthogonalise(z, r, P, Q, pq, slot)
    wanted = reference.conjugate_directions.conjugate_directions_orthogonalise(z, r, expected, Q, pq, slot)
    eps = float(np.finfo(z.dtype).eps)
    np.testing.assert_allclose(P, expected, rtol=0, atol=50 * n_keep * eps)
    p = wide(P[slot])
    assert pr == pytest.approx(np.vdot(p, wide(r)), rel=1e-12, abs=1e-12 * size(p, r))
    assert pp == pytest.approx(np.vdot(p, p).real, rel=1e-12)
    np.testing.assert_allclose(c, wanted[2], rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("dtype", VALUES)
@pytest.mark.parametrize("n", [0, 1, 255, 1000])
def test_step_equals_the_reference(kernels, dtype, n):
    rng = np.random.default_rng(n)
    x, r, p, q = (random_values(rng, n, dtype) for _ in range(4))
    alpha = complex(0.3, -0.7) if dtype[0] == "c" else 0.3
    new_x, new_r = x.copy(), r.copy()
    rr = kernels.conjugate_directions_step(x, r, p, q, alpha)
    reference.conjugate_directions.conjugate_directions_step(new_x, new_r, p, q, alpha)
    eps = float(np.finfo(x.dtype).eps)
    np.testing.assert_allclose(x, new_x, rtol=0, atol=16 * eps)
    np.testing.assert_allclose(r, new_r, rtol=0, atol=16 * eps)
    assert rr == pytest.approx(size(r, r), rel=1e-12)


# ---- the module, device or not -----------------------------------------------------------------------------


@pytest.fixture
def module():
    if _backend._cuda is None:
        pytest.skip("this build has no CUDA backend")
    return _backend._cuda


def public(module):
    return {name for name in dir(module) if not name.startswith("_")}


def test_both_backends_have_the_same_names(module):
    # Whole runs are the CPU's alone: see csrc/conjugate_directions.cu.
    assert public(_backend._core) - public(module) == RUNS
    assert public(module) - public(_backend._core) == {"device_count"}


def test_host_arrays_are_refused_by_name(module):
    x = np.ones(3)
    with pytest.raises(TypeError, match=r"^x must be a device array .* not ndarray$"):
        module.conjugate_directions_step(x, x, x, x, 1.0)
    weights = (np.ones(2), np.ones(2), np.ones(2))
    with pytest.raises(TypeError, match="weights must be a device array"):
        module.stencil_grid((1, 1, 1), (0, 0, 0), (0, 0, 0), weights, 0.0, None, "f8")


def test_without_a_device_a_kernel_says_so(module):
    if module.device_count() > 0:
        pytest.skip("there is a device")

    class Claims:
        __cuda_array_interface__ = {  # noqa: RUF012
            "shape": (1,), "typestr": "<f8", "data": (64, False), "version": 3
        }  # fmt: skip

    with pytest.raises(RuntimeError, match=r"^conjugate_directions_step: CUDA: "):
        module.conjugate_directions_step(Claims(), Claims(), Claims(), Claims(), 1.0)
