"""matrix_completion with nonneg=True: the kernel equals the reference and descends, planted factors are found."""

import numpy as np
import pytest
import reference.matrix_completion as reference
from hypothesis import given, settings
from hypothesis import strategies as st
from matrix_completion_cases import entries, padded, sampled
from threadpoolctl import threadpool_limits

from pysolve import CompletionStatus, matrix_completion
from pysolve._backend import kernels

core = kernels(np.empty(0))
thorough = settings(max_examples=120, deadline=None)
EPS = {"f4": 1.2e-7, "f8": 2.3e-16}


def wide(observed):
    return tuple(x if x is None or x.dtype.kind == "i" else x.astype("f8") for x in observed)


@st.composite
def problems(draw):
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    m, n = draw(st.integers(1, 9)), draw(st.integers(1, 200))
    k, dtype = draw(st.sampled_from([1, 2, 5, 7, 8, 9, 16, 21, 40])), draw(st.sampled_from(["f4", "f8"]))
    lengths = rng.integers(
        0, draw(st.sampled_from([1, 2, 9, 40, 150])), m
    )  # rows of none and of one among them
    observed = entries(rng, m, n, lengths, dtype, draw(st.booleans()), draw(st.booleans()))
    V, U = rng.random((n, k)).astype(dtype), rng.standard_normal((m, k)).astype(dtype)
    V[:, rng.random(k) < 0.1] = 0  # columns of which nothing is known
    if observed[4] is not None:
        observed[4][rng.random(observed[4].size) < 0.2] = 0
    return observed, V, U, dtype


@given(problems(), st.integers(0, 3), st.booleans(), st.sampled_from([1.0, 1e-12, 1e12]))
@thorough
def test_step_equals_the_reference(problem, n_sweeps, regularised, scale):
    observed, V, U, dtype = problem
    k = V.shape[1]
    values, U = (observed[3] * observed[3].dtype.type(scale)), U * U.dtype.type(scale)
    observed = (*observed[:3], values, observed[4])
    reg, out = np.linspace(1, 2, k) if regularised else None, padded(U, dtype)
    before = core.matrix_completion_nonneg_step(observed, padded(V, dtype), out, k, reg, n_sweeps)
    expected, squares = reference.nonneg_step(wide(observed), V.astype("f8"), U.astype("f8"), n_sweeps, reg)
    assert before == pytest.approx(squares, rel=1e4 * EPS[dtype], abs=1e-300)
    assert (out[:, k:] == 0).all()
    assert (out >= 0).all()
    size = abs(U).max() + abs(expected).max() + abs(values).max(initial=0)
    # A component of which one entry tells little moves by rounding over its tiny curvature.
    least = np.sort(V[V > 0])[0] if (V > 0).any() else 1.0
    np.testing.assert_allclose(
        out[:, :k], expected, rtol=0, atol=1e3 * k * EPS[dtype] * size / min(1, least) ** 2
    )


@given(problems(), st.booleans())
@thorough
def test_sum_never_rises_from_sweep_to_sweep(problem, regularised):
    observed, V, U, dtype = problem
    k, out = V.shape[1], padded(np.maximum(U, 0), dtype)
    reg = np.full(k, 0.7) if regularised else None
    sums = []
    for _ in range(6):
        X = out[:, :k].astype("f8")
        norm = 0.7 * (X**2).sum() if regularised else 0.0
        sums.append(reference.squares(wide(observed), X, V.astype("f8")) + norm)
        core.matrix_completion_nonneg_step(observed, padded(V, dtype), out, k, reg, 1)
    assert (np.diff(sums) <= 1e3 * EPS[dtype] * k * (1 + sums[0])).all()


@pytest.mark.parametrize("dtype", ["f4", "f8"])
def test_same_bits_with_any_number_of_threads_and_odd_values_do_no_harm(dtype):
    rng = np.random.default_rng(0)
    observed = entries(rng, 3000, 800, rng.integers(0, 200, 3000), dtype)
    V, U = (rng.random((x, 10)).astype(dtype) for x in (800, 3000))
    found = []
    for threads in 1, 2, 3:
        with threadpool_limits(threads, user_api="openmp"):
            out = padded(U, dtype)
            found.append(
                (core.matrix_completion_nonneg_step(observed, padded(V, dtype), out, 10, None, 2), out)
            )
    assert all(a == found[0][0] and np.array_equal(b, found[0][1]) for a, b in found)
    observed[3][:50] = [np.nan, np.inf] * 25
    out = padded(U, dtype)
    core.matrix_completion_nonneg_step(observed, padded(V, dtype), out, 10, None, 2)
    assert np.isfinite(out).all()


# ---- the method --------------------------------------------------------------------------------------------


def planted(m, n, k, oversampling, seed=0, dense=False):
    """Half of the factors' entries are 0, or none."""
    (i, j, _), U, V = sampled(m, n, k, oversampling, seed)
    U, V = (abs(U), abs(V)) if dense else (np.maximum(U, 0), np.maximum(V, 0))
    M = U @ V.T
    return (i, j, M[i, j]), M


@pytest.mark.parametrize(("shape", "k"), [((500, 400), 3), ((300, 900), 6), ((600, 600), 10)])
def test_planted_factors_with_zeros_are_recovered(shape, k):
    observed, M = planted(*shape, k, 6)
    result = matrix_completion((observed, shape), k, nonneg=True, rtol=1e-8, rng=0)
    assert result.status is CompletionStatus.RECOVERED
    assert np.linalg.norm(result.to_dense() - M) < 1e-7 * np.linalg.norm(M)
    assert min(result.U.min(), result.V.min()) >= 0
    np.testing.assert_allclose((result.U**2).sum(axis=0), (result.V**2).sum(axis=0), rtol=1e-9)


def test_planted_factors_without_zeros_are_recovered_more_slowly():
    observed, M = planted(400, 400, 4, 6, dense=True)
    result = matrix_completion((observed, (400, 400)), 4, nonneg=True, rtol=3e-4, rng=0)
    assert result.converged
    assert np.linalg.norm(result.to_dense() - M) < 2e-3 * np.linalg.norm(M)


def test_regularised_fit_meets_the_conditions_of_a_minimum():
    (i, j, y), _ = planted(120, 90, 4, 4)
    y = y + 0.1 * np.random.default_rng(0).standard_normal(y.size)
    w, reg = np.random.default_rng(1).random(y.size), 2.0
    result = matrix_completion(
        ((i, j, y), (120, 90)), 4, nonneg=True, reg=reg, weights=w, rtol=1e-12, rng=0, maxiter=4000
    )
    residual = w * (y - result.predict(i, j))
    for X, Y, rows, cols in (result.U, result.V, i, j), (result.V, result.U, j, i):
        gradient = reg * X
        np.subtract.at(gradient, rows, residual[:, None] * Y[cols])
        size = reg * abs(X).max()
        assert abs(gradient[X > 0]).max() < 1e-3 * size
        assert gradient[X == 0].min(initial=0) > -1e-3 * size


@pytest.mark.parametrize("loss", ["huber", "l1"])
def test_outliers_and_weights_with_nonnegative_factors(loss):
    (i, j, y), M = planted(500, 500, 4, 8)
    rng = np.random.default_rng(0)
    bad, unseen = rng.random(y.size) < 0.08, rng.random(y.size) < 0.05
    values = np.where(bad, 50.0, np.where(unseen, 1e9, y))
    result = matrix_completion(
        ((i, j, values), (500, 500)), 4, nonneg=True, loss=loss, weights=1.0 - unseen, rtol=1e-6, rng=0
    )
    assert np.linalg.norm(result.to_dense() - M) < 1e-3 * np.linalg.norm(M)
    assert result.U.min() >= 0


@pytest.mark.parametrize("scale", [1e150, 1e-150])
def test_scale_of_the_values_and_order_of_rows_do_not_matter(scale):
    (i, j, y), M = planted(150, 130, 3, 6)
    result = matrix_completion(((i, j, scale * y), (150, 130)), 3, nonneg=True, rtol=1e-7, rng=0)
    assert abs(result.to_dense() / scale - M).max() < 1e-4
    order = np.random.default_rng(0).permutation(150)
    turned = matrix_completion(((order[i], j, y), (150, 130)), 3, nonneg=True, rtol=1e-7, rng=0)
    assert abs(turned.to_dense()[order] - M).max() < 1e-4


def test_constant_zero_and_negative_matrices():
    seen = np.random.default_rng(0).random((40, 30)) < 0.5
    for value, expected in (0.0, 0.0), (5.0, 5.0), (-3.0, 0.0):
        result = matrix_completion(np.where(seen, value, np.nan), 1, nonneg=True, rng=0, rtol=1e-8)
        np.testing.assert_allclose(result.to_dense(), expected, atol=1e-5)
    assert not result.converged


def test_rows_without_entries_are_zero_and_float32_stays_float32():
    (i, j, y), _ = planted(100, 100, 2, 6)
    result = matrix_completion(((i + 1, j, y.astype("f4")), (102, 100)), 2, nonneg=True, rng=0)
    assert (result.U[[0, 101]] == 0).all()
    assert result.U.dtype == np.float32


def test_what_does_not_go_with_it_is_refused():
    observed, _ = planted(30, 20, 2, 3)
    start = np.ones((30, 2)), np.ones((20, 2))
    start[1][3, 1] = -2
    for options, message in (
        ({"bias": True}, "bias=True and nonneg=True"),
        ({"method": "gauss-newton"}, "method='gauss-newton' is for loss='l2'"),
        ({"x0": start}, r"x0\[1\] must not be negative with nonneg=True, but x0\[1\]\[3, 1\] is -2"),
    ):
        with pytest.raises(ValueError, match=message):
            matrix_completion((observed, (30, 20)), 2, nonneg=True, **options)
    with pytest.raises(TypeError, match="nonneg must be True or False, not 1"):
        matrix_completion((observed, (30, 20)), 2, nonneg=1)
