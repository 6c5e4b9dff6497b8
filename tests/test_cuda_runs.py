"""Whole runs of conjugate gradients on a device equal the reference: simulated always, on one where there is one.

The steps that they are compared by are those of `test_conjugate_directions.py`, which asks the same of the CPU.
"""

import ctypes

import numpy as np
import pytest
import reference.conjugate_directions as reference
import scipy.sparse as sp
from conjugate_directions_cases import (
    RUNS,
    assert_same_run,
    close,
    grid_matrix,
    largest,
    operator,
    run,
    start,
)
from cuda_cases import DeviceKernels, stencil_handle
from hypothesis import given, settings
from hypothesis import strategies as st
from reference.csr import wide
from stencil_cases import operators, reference_grid

import pysolve
from pysolve import gallery

checked = settings(max_examples=30, deadline=None)
LAUNCHES = [(64, 2), (256, 2048)]  # threads of a block, most blocks
SHAPE = (10, 13)


@pytest.fixture(scope="module", params=[*LAUNCHES, pytest.param("device", marks=pytest.mark.gpu)], ids=str)
def kernels(request):
    """Every kernel of the module, with NumPy arrays in and out."""
    if request.param == "device":
        yield DeviceKernels()
        return
    import cupy_double

    module = request.getfixturevalue("simulated_kernels")
    simulate = ctypes.CDLL(module.__file__).simulate
    simulate(request.param[0], ctypes.c_int64(request.param[1]))
    yield DeviceKernels(module, cupy_double)
    simulate(64, ctypes.c_int64(2))


def on(kernels, kind, args):
    """The operator's arguments as the kernels take them: a handle of a grid is one of their own module."""
    return (stencil_handle(kernels, args)[1],) if kind == "stencil" else args


def problem(kernels, kind, dtype, shape=SHAPE):
    A, args, reference_args = operator(kind, dtype, shape)
    return A, on(kernels, kind, A if kind == "stencil" else args), reference_args


def diagonal(rng, n, dtype):
    return rng.uniform(0.2, 0.3, n).astype(np.empty(0, dtype).real.dtype)


# Every second step moves x; the host looks every eighth.
@pytest.mark.parametrize("n_steps", [1, 8, 19])
@pytest.mark.parametrize("jacobi", [False, True])
@pytest.mark.parametrize(("kind", "dtype"), RUNS)
def test_run_equals_the_reference(kernels, kind, dtype, jacobi, n_steps):
    rng, (_, args, reference_args) = np.random.default_rng(0), problem(kernels, kind, dtype)
    n = int(np.prod(SHAPE))
    d = diagonal(rng, n, dtype) if jacobi else None
    vectors, values = start(rng, n, dtype, False)
    n_steps = min(n_steps, 8) if dtype in ("f4", "c8") else n_steps  # beyond them rounding shows
    assert_same_run(kernels, kind, args, reference_args, d, vectors, n_steps, dtype, values)


@pytest.mark.parametrize("n_steps", [5, 6])
@pytest.mark.parametrize("jacobi", [False, True])
@pytest.mark.parametrize(("kind", "dtype"), RUNS)
def test_run_in_several_calls_is_the_same(kernels, kind, dtype, jacobi, n_steps):
    rng, (_, args, reference_args) = np.random.default_rng(0), problem(kernels, kind, dtype)
    n = int(np.prod(SHAPE))
    d = diagonal(rng, n, dtype) if jacobi else None
    whole, _ = start(rng, n, dtype, False)
    vectors, parts, state = [v.copy() for v in whole], [v.copy() for v in whole], kernels.RunState()
    norms = run(kernels, kind, args, d, vectors, kernels.RunState(), n_steps)[1]
    for part in (2, n_steps - 3, 1):
        run(kernels, kind, args, d, parts, state, part)
    np.testing.assert_array_equal(parts[1:3], vectors[1:3])
    close(parts[0], vectors[0], dtype, largest(vectors[0]), factor=50)
    tolerance = float(norms[n_steps - 3]) * 1.001
    assert_same_run(kernels, kind, args, reference_args, d, whole, n_steps, dtype, {"tolerance": tolerance})


@pytest.mark.parametrize("n_taken", [1, 2, 9])
@pytest.mark.parametrize(("kind", "dtype"), RUNS)
def test_run_that_ends_in_its_midst_equals_the_reference(kernels, kind, dtype, n_taken):
    rng, (_, args, reference_args) = np.random.default_rng(0), problem(kernels, kind, dtype)
    vectors, _ = start(rng, int(np.prod(SHAPE)), dtype, False)
    twins, state, curvatures = [v.copy() for v in vectors], kernels.RunState(), []
    for _ in range(n_taken + 1):
        curvatures.append(run(kernels, kind, args, None, twins, state, 1)[0].curvature)
    floor = curvatures[-1] * 1.001
    if min(curvatures[:-1]) <= floor:
        pytest.skip("the last direction is not the one of least curvature")
    state, _ = run(
        kernels, kind, args, None, [v.copy() for v in vectors], kernels.RunState(), 30, floor=floor
    )
    assert (state.end, state.n_steps) == ("not_positive", n_taken)
    assert_same_run(kernels, kind, args, reference_args, None, vectors, 30, dtype, {"floor": floor})


@pytest.mark.parametrize("kind", ["csr", "sell", "stencil"])
@pytest.mark.parametrize(
    ("r", "values", "end"),
    [(np.nan, {}, "not_finite"), (1e200, {}, "not_finite"), (1.0, {"floor": 9.0}, "not_positive")],
)
def test_step_that_cannot_be_taken_leaves_x_and_r(kernels, kind, r, values, end):
    _, args, _ = problem(kernels, kind, "f8")
    n = int(np.prod(SHAPE))
    vectors = [np.zeros(n), np.ones(n), np.zeros(n), np.zeros(n)]
    vectors[1][50] = r
    kept = [v.copy() for v in vectors[:2]]
    state, norms = run(kernels, kind, args, None, vectors, kernels.RunState(), 20, **values)
    assert (state.end, state.n_steps, norms.size) == (end, 0, 0)
    np.testing.assert_array_equal(vectors[:2], kept)


@pytest.mark.parametrize("kind", ["csr", "sell"])
def test_indefinite_operators_end_the_run(kernels, kind):
    A = grid_matrix("f8", SHAPE)
    A = sp.csr_array(A - 2 * sp.eye_array(A.shape[0]))
    args = (A.indptr, A.indices, A.data) if kind == "csr" else pysolve.PackedMatrix(A)._kernel_args
    vectors, values = start(np.random.default_rng(0), A.shape[0], "f8", False)
    assert_same_run(kernels, kind, args, args, None, vectors, 40, "f8", values)
    state, _ = run(kernels, kind, args, None, vectors, kernels.RunState(), 40, **values)
    assert state.end == "not_positive"


@pytest.mark.parametrize("spread", [1e-1, 1e-3, 1e-5])
def test_fast_convergence_costs_little_accuracy(kernels, spread):
    """beta, by which the step of x is divided, is about spread^2."""
    rng = np.random.default_rng(0)
    A = sp.diags_array(1 + spread * rng.uniform(-1, 1, 300)).tocsr()
    vectors, values = start(rng, 300, "f8", False)
    b = vectors[1] + A @ vectors[0]
    run(kernels, "csr", (A.indptr, A.indices, A.data), None, vectors, kernels.RunState(), 4, **values)
    close(b - A @ vectors[0], vectors[1], "f8", largest(b), factor=100)


def test_tolerance_that_is_met_at_once_takes_one_step(kernels):
    A, args, reference_args = problem(kernels, "csr", "f8")
    vectors, _ = start(np.random.default_rng(0), A.shape[0], "f8", False)
    assert_same_run(kernels, "csr", args, reference_args, None, vectors, 30, "f8", {"tolerance": 1e9})


@pytest.mark.parametrize("dtype", ["f4", "c16"])
def test_long_indices_and_no_unknowns(kernels, dtype):
    A = grid_matrix(dtype, SHAPE)
    args = A.indptr.astype(np.int64), A.indices.astype(np.int64), A.data
    vectors, values = start(np.random.default_rng(0), A.shape[0], dtype, True)
    assert_same_run(kernels, "csr", args, args, None, vectors, 3, dtype, values)
    none = np.zeros(1, np.int64), np.zeros(0, np.int64), np.zeros(0, dtype)
    state, _ = run(kernels, "csr", none, None, [np.zeros(0, dtype)] * 4, kernels.RunState(), 3)
    assert (state.end, state.n_steps) == ("not_positive", 0)


@given(A=operators(scales=(1.0,)), jacobi=st.booleans(), mid_run=st.booleans(), seed=st.integers(0, 2**16))
@checked
def test_step_of_a_run_on_any_stencil_equals_the_reference(kernels, A, jacobi, mid_run, seed):
    rng, n, dtype = np.random.default_rng(seed), A.shape[0], A.dtype.str[1:]
    if A._decoupled.size == n:
        return
    d = rng.uniform(0.5, 1, n).astype(dtype) if jacobi else None
    vectors, values = start(rng, n, dtype, mid_run, A._decoupled)
    grid, handle = stencil_handle(kernels, A)
    assert_same_run(kernels, "stencil", (handle,), (grid,), d, vectors, 1, dtype, values)


# ---- the steps one by one ----------------------------------------------------------------------------------


@given(A=operators(scales=(1.0,)), seed=st.integers(0, 2**16))
@checked
def test_parts_of_a_step_equal_the_reference(kernels, A, seed):
    rng, n = np.random.default_rng(seed), A.shape[0]
    z, p, x, r = rng.standard_normal((4, n)).astype(A.dtype)
    for vector in (z, p, r):
        vector[A._decoupled] = 0
    grid, handle = stencil_handle(kernels, A)
    eps, expected = 64 * n * float(np.finfo(A.dtype).eps), p.astype(float)
    twins = x.astype(float), r.astype(float)
    found = kernels.conjugate_directions_toward_stencil(handle, z, 0.7, p)
    wanted = reference.conjugate_directions_toward_stencil(grid, z, 0.7, expected)
    np.testing.assert_allclose(p, expected, rtol=0, atol=eps)
    assert found == pytest.approx(wanted, rel=eps, abs=eps)
    assert kernels.conjugate_directions_dot(z, r) == pytest.approx(wide(z) @ wide(r), rel=1e-12, abs=1e-12)
    rr = kernels.conjugate_directions_along_stencil(handle, 0.3, x, r, p)
    expected_rr = reference.conjugate_directions_along_stencil(grid, 0.3, *twins, wide(p))
    np.testing.assert_allclose([x, r], twins, rtol=0, atol=eps)
    assert rr == pytest.approx(expected_rr, rel=eps, abs=eps)


def state_of(room, **numbers):
    """Room for so many norms, and numbers: tolerance and floor."""
    state = np.zeros(8 + room)
    state[4], state[5] = numbers.get("tolerance", -1.0), numbers.get("floor", 0.0)
    return state


def advanced(module, grid, vectors, state, n_steps, M):
    """So many steps with z = M r: the vectors and the state are updated in place."""
    x, r, p = vectors
    with np.errstate(all="ignore"):
        for _ in range(n_steps):
            module.conjugate_directions_advance_stencil(grid, M * r, x, r, p, state, np.zeros(4097))


core = pysolve._backend._core
NUMBERS = pytest.mark.parametrize("numbers", [{}, {"tolerance": 3.0}, {"floor": 6.0}, {"floor": 1e9}])


def assert_same_steps(module, A, handle, numbers):
    rng = np.random.default_rng(0)
    M = rng.uniform(0.5, 1, A.shape[0]).astype(A.dtype)
    vectors = [*rng.standard_normal((2, A.shape[0])).astype(A.dtype), np.zeros(A.shape[0], A.dtype)]
    twins = [v.astype(float) for v in vectors]
    state, wanted = state_of(6, **numbers), state_of(6, **numbers)
    advanced(module, handle, vectors, state, 8, M)  # two more than there is room for
    advanced(reference, reference_grid(A), twins, wanted, 8, M)
    assert state[[1, 3]].tolist() == wanted[[1, 3]].tolist()
    tolerance = 1e3 * float(np.finfo(A.dtype).eps)
    np.testing.assert_allclose(state, wanted, rtol=tolerance, atol=tolerance)
    for found, expected in zip(vectors, twins, strict=True):
        np.testing.assert_allclose(found, expected, rtol=0, atol=10 * tolerance)


@pytest.mark.parametrize("dtype", ["f4", "f8"])
@NUMBERS
def test_steps_that_wait_for_nothing_equal_the_reference(kernels, numbers, dtype):
    A = gallery.poisson(SHAPE, dtype=dtype)
    assert_same_steps(kernels, A, stencil_handle(kernels, A)[1], numbers)


@pytest.mark.parametrize("dtype", ["f4", "f8"])
@NUMBERS
def test_the_same_steps_on_the_host_equal_the_reference(numbers, dtype):
    A = gallery.poisson(SHAPE, dtype=dtype)
    assert_same_steps(core, A, A._kernel_args[0], numbers)


def assert_left(module, A, handle, value):
    n = A.shape[0]
    x, r, p, state = np.ones(n), np.full(n, value), np.zeros(n), state_of(5)
    advanced(module, handle, [x, r, p], state, 3, 1.0)
    assert state[[1, 3]].tolist() == [3, 0]
    np.testing.assert_array_equal([x, r], [np.ones(n), np.full(n, value)])


@pytest.mark.parametrize("value", [np.nan, 0.0])
def test_steps_that_cannot_be_taken_leave_x_and_r(kernels, value):
    A = gallery.poisson(SHAPE)
    assert_left(kernels, A, stencil_handle(kernels, A)[1], value)
    assert_left(core, A, A._kernel_args[0], value)
