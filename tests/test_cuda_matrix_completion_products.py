"""The CUDA kernels of matrix completion without a solve: sort, gradient, J^T J, residual, deviations, blocks."""

import numpy as np
import pytest
import reference.matrix_completion as reference
from cuda_cases import PLACES, SimulatedKernels, kernels_at
from matrix_completion_cases import padded
from test_cuda_matrix_completion import EPS, LAUNCHES, problem, wide

from pysolve import _backend

core = _backend._core
RANKS = [1, 8, 21, 64, 130, 520]


@pytest.fixture(scope="module", params=PLACES)
def kernels(request):
    """Every kernel, with NumPy arrays in and out."""
    return kernels_at(request)


def assert_sorted(kernels, keys, n, weighted):
    rng = np.random.default_rng(0)
    others = rng.integers(0, 2**31 - 1, keys.size).astype(np.int32)
    values, weights = rng.random((2, keys.size))
    begin = np.full(n + 1, -1)
    out = np.empty_like(others), np.empty_like(values), np.empty_like(weights)
    kernels.matrix_completion_sort(keys, others, values, weights if weighted else None, begin, *out)
    order = np.argsort(keys, kind="stable")
    np.testing.assert_array_equal(begin, np.searchsorted(keys[order], np.arange(n + 1)))
    given = (others, values, weights)[: 2 + weighted]
    for found, moved in zip(out[: 2 + weighted], given, strict=True):
        np.testing.assert_array_equal(found, moved[order])


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize(
    ("count", "n"), [(0, 0), (0, 3), (1, 1), (33, 1), (500, 16), (700, 17), (4000, 300), (50, 70_000)]
)
def test_entries_are_sorted_by_their_keys(kernels, count, n, weighted):
    keys = np.random.default_rng(count).integers(0, max(n, 1), count).astype(np.int32)
    assert_sorted(kernels, keys, n, weighted)


@pytest.mark.parametrize("launch", LAUNCHES, ids=lambda launch: f"{launch[0]} threads, {launch[1]} blocks")
def test_entries_are_sorted_in_any_launch(simulation, launch):
    keys = np.random.default_rng(0).integers(0, 40, 3000).astype(np.int32)
    assert_sorted(SimulatedKernels(simulation, *launch), keys, 2**20, True)


@pytest.mark.parametrize("wrong", [-1, 5])
def test_keys_that_are_not_there_are_refused(kernels, wrong):
    keys = np.array([0, 4, wrong, 2], np.int32)
    arrays = keys.copy(), np.ones(4), None, np.zeros(6, np.int64), keys.copy(), np.ones(4), None
    with pytest.raises(ValueError, match="entry 2 does not fit"):
        kernels.matrix_completion_sort(keys, *arrays)


def assert_products(kernels, observed, V, U, damping=0.25):
    rng, k, dtype = np.random.default_rng(0), V.shape[1], V.dtype.str[1:]
    P, Q = rng.standard_normal(U.shape).astype(dtype), rng.standard_normal(V.shape).astype(dtype)
    u, v, p, q = (padded(x, dtype) for x in (U, V, P, Q))
    U, V, P, Q = (x.astype("f8") for x in (U, V, P, Q))
    longest = max(observed[1] - observed[0], default=0)
    tolerance = 20 * EPS[dtype] * k * (10 + longest)
    for given, start in ((u, U), (None, 0 * U)):
        out = padded(np.full_like(U, np.nan), dtype)
        squares = kernels.matrix_completion_gradient(observed, v, given, out, k)
        np.testing.assert_allclose(
            out[:, :k], reference.gradient(wide(observed), V, start), rtol=0, atol=tolerance
        )
        expected = reference.squares(wide(observed), start, V)
        assert squares == pytest.approx(expected, rel=300 * EPS[dtype])
        assert (out[:, k:] == 0).all()
    for given, start in ((p, P), (None, 0 * P)):
        dot = kernels.matrix_completion_normal(observed, u, v, given, q, out, k, damping)
        expected = reference.normal(wide(observed), U, V, start, Q, damping)
        np.testing.assert_allclose(out[:, :k], expected, rtol=0, atol=tolerance)
        assert dot == pytest.approx((start * expected).sum(), abs=tolerance * P.size)
    far, medians = np.full(observed[2].size, -1, dtype), np.full(len(U), -1, dtype)
    kernels.matrix_completion_deviations(observed, v, u, k, far, medians)
    expected, expected_medians = reference.deviations(wide(observed), V, U)
    for i, one in enumerate(expected):
        rows = far[observed[0][i] : observed[1][i]]
        np.testing.assert_allclose(rows, one, rtol=0, atol=20 * EPS[dtype] * k)
    np.testing.assert_allclose(medians, expected_medians, rtol=0, atol=20 * EPS[dtype] * k)


@pytest.mark.parametrize("dtype", ["f4", "f8"])
@pytest.mark.parametrize("k", RANKS)
def test_gradient_normal_and_deviations_equal_the_reference(kernels, k, dtype):
    observed, V, U = problem(k, dtype, weighted=k % 2 == 1, n=90 if k < 500 else 40)
    assert_products(kernels, observed, V, U)


@pytest.mark.parametrize("k", [3, 140])
def test_products_of_long_rows_equal_the_reference(kernels, k):
    rng = np.random.default_rng(0)
    begin = np.concatenate(([0], np.cumsum([7, 2049, 0, 3100] if k < 100 else [0, 7, 0, 2049])))
    indices = rng.integers(0, 30, begin[-1]).astype(np.int32)
    observed = begin[:-1], begin[1:], indices, rng.standard_normal(begin[-1]), rng.random(begin[-1])
    assert_products(kernels, observed, *(rng.standard_normal((n, k)) for n in (30, 4)))


@pytest.mark.parametrize("launch", LAUNCHES, ids=lambda launch: f"{launch[0]} threads, {launch[1]} blocks")
def test_products_are_right_in_any_launch(simulation, launch):
    kernels = SimulatedKernels(simulation, *launch)
    assert_products(kernels, *problem(10, "f8", weighted=True))
    assert_blocks(kernels, 7, "f8", True)
    assert_factors(kernels, 11, "f4")


def test_medians_count_what_has_a_weight_and_numbers_alone(kernels):
    values = np.array([3.0, 1.0, np.nan, 2.0, 9.0, 9.0])
    observed = (
        np.array([0, 4]),
        np.array([4, 6]),
        np.zeros(6, np.int32),
        values,
        np.array([1.0, 1, 1, 0, 0, 0]),
    )
    far, medians = np.empty(6), np.full(2, -1.0)
    kernels.matrix_completion_deviations(observed, np.zeros((1, 8)), np.zeros((2, 8)), 1, far, medians)
    np.testing.assert_array_equal(far, [3, 1, np.inf, 2, 9, 9])
    np.testing.assert_array_equal(medians, [3, 0])


@pytest.mark.parametrize("wrong", [-1, 90])
def test_entries_that_are_not_there_are_found_by_every_kernel(kernels, wrong):
    observed, V, U = problem(5)
    begin, end, indices, values, _ = observed
    indices = indices.copy()
    indices[begin[3] + 2] = wrong
    observed, v, u = (begin, end, indices, values, None), padded(V), padded(U)
    out, far, H = np.empty_like(u), np.empty_like(values), np.empty((len(U), 5, 8))
    calls = {
        "gradient": (observed, v, u, out, 5),
        "normal": (observed, u, v, u, v, out, 5, 0.1),
        "deviations": (observed, v, u, 5, far, np.empty(len(U))),
        "blocks": (observed, v, 5, 1.0, H),
        "nonneg_step": (observed, v, u, 5, None, 1),
        "sketched_step": (observed, v, u, 5, None, 1, np.array([3]), "count", 8, 1, None),
    }
    for name, args in calls.items():
        with pytest.raises(ValueError, match="row 3 does not fit"):
            getattr(kernels, f"matrix_completion_{name}")(*args)
    rows = np.array([0, 2, 6], np.int32)
    with pytest.raises(ValueError, match="entry 2 does not fit"):
        kernels.matrix_completion_residual(rows, rows, np.ones(3), None, u, v, 5, None)


def assert_blocks(kernels, k, dtype, weighted):
    lengths = (0, 1, 3 * k, 2 * k + 5, 0)
    observed, V, X = problem(k, dtype, lengths, weighted, n=4 * k + 5)
    full_rows = [2, 3]
    H, out = np.empty((len(lengths), k, padded(V).shape[1]), dtype), padded(X, dtype)
    for damping in 0.5, 0.0:
        kernels.matrix_completion_blocks(observed, padded(V, dtype), k, damping, H)
        full = np.linalg.inv(reference.blocks(wide(observed), V.astype("f8"), damping)[full_rows])
        tolerance = 1e4 * EPS[dtype] * abs(full).max()
        np.testing.assert_allclose(H[full_rows, :, :k], full, rtol=0, atol=tolerance)
    assert (H[[0, 4]] == 0).all()
    assert (H[..., k:] == 0).all()
    kernels.matrix_completion_apply_blocks(H, out, k, -2.0)
    expected = -2 * np.einsum("nij,nj->ni", H[:, :, :k].astype("f8"), X)
    np.testing.assert_allclose(
        out[:, :k], expected, rtol=0, atol=1e3 * EPS[dtype] * (1 + abs(expected).max())
    )


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("dtype", ["f4", "f8"])
@pytest.mark.parametrize("k", [1, 7, 40])
def test_blocks_are_inverses_and_singular_ones_zero(kernels, k, dtype, weighted):
    assert_blocks(kernels, k, dtype, weighted)


def assert_factors(kernels, k, dtype):
    rng, n = np.random.default_rng(0), 131
    V, R, G = rng.standard_normal((n, k)).astype(dtype), rng.standard_normal((k, k)), np.full((k, k), np.nan)
    kernels.matrix_completion_gram(padded(V, dtype), k, G)
    np.testing.assert_allclose(G, V.astype("f8").T @ V.astype("f8"), rtol=0, atol=1e-11 * k)
    for limit in 0.0, 0.9 * k:
        out = padded(V, dtype)
        clipped = kernels.matrix_completion_transform(out, k, R, limit)
        expected = V @ R
        if limit:
            assert clipped == (np.linalg.norm(expected, axis=1) > limit).sum()
            expected = reference.clip(expected, limit)
        np.testing.assert_allclose(out[:, :k], expected, rtol=0, atol=100 * k * EPS[dtype])
        assert (out[:, k:] == 0).all()
    i, j = rng.integers(0, n, (2, 700)).astype(np.int32)
    y, w, r = rng.standard_normal(700).astype(dtype), rng.random(700).astype(dtype), np.empty(700, dtype)
    expected = y - (V[i].astype("f8") * V[j]).sum(axis=1)
    for weights, out in ((w, r), (None, None)):
        args = i, j, y, weights, padded(V, dtype), padded(V, dtype), k, out
        squares = kernels.matrix_completion_residual(*args)
        wanted = ((1 if weights is None else w.astype("f8")) * expected**2).sum()
        assert squares == pytest.approx(wanted, rel=1e-4 if dtype == "f4" else 1e-12)
    np.testing.assert_allclose(r, expected, rtol=0, atol=100 * k * EPS[dtype])


@pytest.mark.parametrize("dtype", ["f4", "f8"])
@pytest.mark.parametrize("k", [1, 8, 11, 50])
def test_gram_transform_and_residual_equal_the_reference(kernels, k, dtype):
    assert_factors(kernels, k, dtype)


def test_factors_without_rows_and_entries_without_any_are_zero_sums(kernels):
    G = np.full((3, 3), np.nan)
    kernels.matrix_completion_gram(np.empty((0, 8)), 3, G)
    assert (G == 0).all()
    assert kernels.matrix_completion_transform(np.empty((0, 8)), 3, np.eye(3), 1.0) == 0
    none = np.empty(0, np.int32)
    args = none, none, np.empty(0), None, np.ones((2, 8)), np.ones((2, 8)), 3, None
    assert kernels.matrix_completion_residual(*args) == 0
    kernels.matrix_completion_apply_blocks(np.empty((0, 3, 8)), np.empty((0, 8)), 3, 1.0)
    observed = np.empty(0, np.int64), np.empty(0, np.int64), none, np.empty(0), None
    args = observed, np.ones((2, 8)), np.empty((0, 8)), 3, None, 2, None
    assert kernels.matrix_completion_half_step(*args) == 0
