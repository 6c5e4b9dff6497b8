"""The CUDA kernels of matrix completion equal the reference and those of the CPU: simulated always, on a device too.

The steps of rows. Products with all entries, factors and blocks are in `test_cuda_matrix_completion_products.py`.
"""

import numpy as np
import pytest
import reference.matrix_completion as reference
from cuda_cases import PLACES, SimulatedKernels, kernels_at
from matrix_completion_cases import entries, padded

from pysolve import _backend

core = _backend._core
EPS = {"f4": 1.2e-7, "f8": 2.3e-16}
LAUNCHES = [(32, 1), (64, 3), (128, 7), (256, 2048)]
# Lanes of a row: 2 to 32 of them, each with one quad; then two and four quads; then vectors in memory.
RANKS = [1, 7, 8, 16, 21, 40, 64, 65, 128, 130, 300, 520]


@pytest.fixture(scope="module", params=PLACES)
def kernels(request):
    """Every kernel, with NumPy arrays in and out."""
    return kernels_at(request)


def problem(k, dtype="f8", lengths=(0, 1, 3, 45, 2, 80), weighted=False, n=90):
    rng = np.random.default_rng(k)
    m = len(lengths)
    observed = entries(rng, m, n, np.array(lengths), dtype, weighted, gaps=weighted)
    V, U = (rng.standard_normal((extent, k)).astype(dtype) for extent in (n, m))
    return observed, V, U


def wide(observed):
    return tuple(x if x is None or x.dtype.kind == "i" else x.astype("f8") for x in observed)


def assert_half_step(kernels, observed, V, U, n_cg, reg, foreseen=False):
    k, dtype = V.shape[1], V.dtype.str[1:]
    out, cpu = padded(U, dtype), padded(U, dtype)
    shrunk, expected_shrunk = (np.full(len(U), -1, "f4") for _ in range(2))
    before = kernels.matrix_completion_half_step(
        observed, padded(V, dtype), out, k, reg, n_cg, shrunk, 1.0, foreseen
    )
    args = observed, padded(V, dtype), cpu, k, reg, n_cg, expected_shrunk, 1.0, foreseen
    assert before == pytest.approx(core.matrix_completion_half_step(*args), rel=100 * EPS[dtype])
    calm = 0.3 if foreseen else 0.0
    args = wide(observed), V.astype("f8"), U.astype("f8"), n_cg, reg, calm
    expected, squares = reference.half_step(*args)
    assert before == pytest.approx(squares, rel=300 * EPS[dtype])
    size = 1 + abs(expected).max(initial=0) + abs(expected - U).max(initial=0)
    np.testing.assert_allclose(out[:, :k], expected, rtol=0, atol=2e-5 * size)
    np.testing.assert_allclose(out, cpu, rtol=0, atol=2e-5 * size)
    assert (out[:, k:] == 0).all()
    np.testing.assert_allclose(shrunk, expected_shrunk, rtol=0, atol=1e-3)


@pytest.mark.parametrize("dtype", ["f4", "f8"])
@pytest.mark.parametrize("k", RANKS)
def test_half_steps_equal_the_reference(kernels, k, dtype):
    observed, V, U = problem(k, dtype, weighted=k % 2 == 1, n=90 if k < 300 else 40)
    assert_half_step(kernels, observed, V, U, 2, np.linspace(1, 2, k) * 90)


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("n_cg", [0, 1, 3])
def test_half_steps_of_any_number_of_steps_equal_the_reference(kernels, n_cg, weighted):
    observed, V, U = problem(5, "f8", weighted=weighted)
    assert_half_step(kernels, observed, V, U, n_cg, np.full(5, 30.0))
    assert_half_step(kernels, observed, V, U, min(n_cg, 1), None)


@pytest.mark.parametrize("k", [10, 130])
def test_a_foreseen_last_step_is_as_long_as_the_one_before(kernels, k):
    observed, V, U = problem(k, "f8", np.repeat([0, 2 * k, 10 * k], 2), weighted=True, n=12 * k)
    assert_half_step(kernels, observed, V, 0 * U, 2, None, foreseen=True)


@pytest.mark.parametrize("launch", LAUNCHES, ids=lambda launch: f"{launch[0]} threads, {launch[1]} blocks")
@pytest.mark.parametrize(("k", "dtype"), [(3, "f4"), (10, "f8"), (600, "f8")])
def test_half_steps_are_right_in_any_launch(simulation, launch, k, dtype):
    observed, V, U = problem(k, dtype, n=90 if k < 300 else 10)
    assert_half_step(SimulatedKernels(simulation, *launch), observed, V, U, 2, np.full(k, 90.0))


@pytest.mark.parametrize(("k", "dtype", "weighted"), [(3, "f8", True), (3, "f4", False), (140, "f8", False)])
def test_long_rows_are_cut_into_segments(kernels, k, dtype, weighted):
    rng = np.random.default_rng(0)
    lengths = np.array([7, 2049, 0, 3100, 2048, 30]) if k < 100 else np.array([3, 2049])
    begin = np.concatenate(([0], np.cumsum(lengths)))
    count, n = int(begin[-1]), 50
    weights = rng.random(count).astype(dtype) if weighted else None
    values = rng.standard_normal(count).astype(dtype)
    observed = begin[:-1], begin[1:], rng.integers(0, n, count).astype(np.int32), values, weights
    V, U = (rng.standard_normal((extent, k)).astype(dtype) for extent in (n, lengths.size))
    for n_cg, foreseen in ((0, False), (2, False), (2, True))[k > 100 :]:
        assert_half_step(kernels, observed, V, U, n_cg, np.full(k, 50.0), foreseen)


def test_same_bits_every_time_and_rows_alone_as_among_others(kernels):
    observed, V, U = problem(10)
    found = []
    for _ in range(2):
        out = padded(U)
        found.append((kernels.matrix_completion_half_step(observed, padded(V), out, 10, None, 2, None), out))
    assert found[0][0] == found[1][0]
    np.testing.assert_array_equal(found[0][1], found[1][1])
    alone = padded(U[3:4])
    row = observed[0][3:4], observed[1][3:4], *observed[2:]
    kernels.matrix_completion_half_step(row, padded(V), alone, 10, None, 2, None)
    np.testing.assert_array_equal(alone[0], found[0][1][3])


def test_relaxation_moves_so_much_of_the_way_and_steps_end_at_the_solution(kernels):
    observed, V, U = problem(6, lengths=[60] * 3)
    once, twice = padded(U), padded(U)
    kernels.matrix_completion_half_step(observed, padded(V), once, 6, None, 2, None)
    kernels.matrix_completion_half_step(observed, padded(V), twice, 6, None, 2, None, 1.5)
    np.testing.assert_allclose(twice[:, :6] - U, 1.5 * (once[:, :6] - U), rtol=1e-12)
    for _ in range(8):
        kernels.matrix_completion_half_step(observed, padded(V), once, 6, None, 8, None)
    expected = reference.exact_half_step(observed, V, U)
    np.testing.assert_allclose(once[:, :6], expected, rtol=0, atol=1e-12 * abs(expected).max())


@pytest.mark.parametrize("scale", [1e-150, 1e150])
def test_values_of_any_size_are_solved_for(kernels, scale):
    observed, V, U = problem(4, lengths=[40] * 3)
    observed = (*observed[:3], observed[3] * scale, None)
    out = padded(0 * U)
    for _ in range(4):
        kernels.matrix_completion_half_step(observed, padded(V), out, 4, None, 6, None)
    expected = reference.exact_half_step((*observed[:3], observed[3] / scale, None), V, U)
    np.testing.assert_allclose(out[:, :4] / scale, expected, rtol=0, atol=1e-9)


@pytest.mark.parametrize("wrong", [-1, 90, 2**31 - 1])
def test_what_is_not_there_is_not_touched(kernels, wrong):
    observed, V, U = problem(5)
    begin, end, indices, values, weights = observed
    indices = indices.copy()
    indices[begin[3] + 2] = wrong
    out = padded(U)
    args = (begin, end, indices, values, weights), padded(V), out, 5, None, 2, None
    with pytest.raises(ValueError, match=r"row 3 does not fit"):
        kernels.matrix_completion_half_step(*args)
    np.testing.assert_array_equal(out[3, :5], U[3])
    for bad_begin, bad_end in ((begin - 1, end), (begin, end + 1), (end + 1, end)):
        args = (bad_begin, bad_end, *observed[2:]), padded(V), out, 5, None, 2, None
        with pytest.raises(ValueError, match=r"row \d does not fit"):
            kernels.matrix_completion_half_step(*args)


@pytest.mark.parametrize("dtype", ["f4", "f8"])
@pytest.mark.parametrize("k", [1, 5, 40, 140, 520])
def test_non_negative_steps_equal_the_reference(kernels, k, dtype):
    observed, V, U = problem(k, dtype, weighted=k % 2 == 1, lengths=(0, 1, 3, 45, 80) if k < 100 else (30, 2))
    V, reg = abs(V), np.linspace(0.5, 2, k) * k
    out, cpu = padded(U, dtype), padded(U, dtype)
    before = kernels.matrix_completion_nonneg_step(observed, padded(V, dtype), out, k, reg, 2)
    core.matrix_completion_nonneg_step(observed, padded(V, dtype), cpu, k, reg, 2)
    args = wide(observed), V.astype("f8"), U.astype("f8"), 2, reg
    expected, squares = reference.nonneg_step(*args)
    assert before == pytest.approx(squares, rel=1e3 * EPS[dtype])
    tolerance = 3e3 * EPS[dtype] * (1 + abs(expected).max()) * k**0.5
    np.testing.assert_allclose(out[:, :k], expected, rtol=0, atol=tolerance)
    np.testing.assert_allclose(out, cpu, rtol=0, atol=2 * tolerance)
    assert (out >= 0).all()


def test_non_negative_steps_keep_what_no_entry_tells_of(kernels):
    observed, V, U = problem(3, lengths=[0, 20])
    V[:, 1] = 0
    out = padded(U)
    kernels.matrix_completion_nonneg_step(observed, padded(V), out, 3, None, 3)
    np.testing.assert_array_equal(out[0, :3], np.maximum(U[0], 0))
    assert out[1, 1] == max(U[1, 1], 0)
    kernels.matrix_completion_nonneg_step(observed, padded(V), out, 3, None, 0)
    assert (out >= 0).all()


@pytest.mark.parametrize("kind", ["count", "rows", "srht"])
@pytest.mark.parametrize(("k", "dtype", "weighted"), [(12, "f8", True), (3, "f4", False), (130, "f8", False)])
def test_sketched_steps_are_those_of_the_cpu(kernels, kind, k, dtype, weighted):
    rng = np.random.default_rng(0)
    lengths = np.array([3 * k, 40, 0, 5 * k + 1])
    observed = entries(rng, 4, 5 * k + 1, lengths, dtype, weighted)
    V, U = (rng.standard_normal((extent, k)).astype(dtype) for extent in (5 * k + 1, 4))
    out, cpu, chosen = padded(U, dtype), padded(U, dtype), np.array([0, 2, 3])
    shrunk, expected_shrunk = (np.full(3, -1, "f4") for _ in range(2))
    reg = np.full(k, 0.5)
    settings = k, reg, 3, chosen, kind, 3 * k, 2**40 + 7
    sums = [
        module.matrix_completion_sketched_step(observed, padded(V, dtype), factor, *settings, factors)
        for module, factor, factors in ((kernels, out, shrunk), (core, cpu, expected_shrunk))
    ]
    assert sums[0] == pytest.approx(sums[1], rel=1e-10)
    np.testing.assert_allclose(out, cpu, rtol=0, atol=1e-5 if dtype == "f4" else 1e-8)
    np.testing.assert_allclose(shrunk, expected_shrunk, rtol=0, atol=1e-3)
    np.testing.assert_array_equal(out[1, :k], U[1])


def test_chosen_rows_are_checked(kernels):
    observed, V, U = problem(4)
    for chosen, wrong in ([3, 1], 1), ([0, 6], 6):
        args = observed, padded(V), padded(U), 4, None, 2, np.array(chosen), "count", 8, 1, None
        with pytest.raises(ValueError, match=f"row {wrong} does not fit"):
            kernels.matrix_completion_sketched_step(*args)
