"""matrix_completion: the compiled kernels equal the reference, and wrong arguments are refused."""

import numpy as np
import pytest
import reference.matrix_completion as reference
from hypothesis import given, settings
from hypothesis import strategies as st
from matrix_completion_cases import entries, padded
from threadpoolctl import threadpool_limits

from pysolve._backend import kernels

core = kernels(np.empty(0))
thorough = settings(max_examples=120, deadline=None)
RANKS = [1, 2, 3, 4, 5, 7, 8, 9, 10, 13, 16, 17, 20, 21, 24, 31, 40, 57, 64, 65, 72, 88, 104, 120, 130]
EPS = {"f4": 1.2e-7, "f8": 2.3e-16}


@st.composite
def problems(draw):
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    m, n = draw(st.integers(1, 9)), draw(st.integers(1, 200))
    k = draw(
        st.sampled_from(
            [1, 2, 3, 4, 5, 7, 8, 9, 10, 13, 16, 17, 20, 21, 24, 31, 40, 57, 64, 65, 72, 88, 104, 120, 130]
        )
    )
    dtype = draw(st.sampled_from(["f4", "f8"]))
    lengths = rng.integers(0, draw(st.sampled_from([1, 9, 40, 150])), m)
    observed = entries(rng, m, n, lengths, dtype, draw(st.booleans()), draw(st.booleans()))
    V, U = rng.standard_normal((n, k)).astype(dtype), rng.standard_normal((m, k)).astype(dtype)
    return observed, V, U, dtype


def wide(observed):
    return tuple(x if x is None or x.dtype.kind == "i" else x.astype("f8") for x in observed)


def squares_and_tolerance(observed, U, V, dtype):
    """The sum of w r^2, r = y - u.v, and ten times what rounding can make of it.

    r is wrong by eps (|y| + |u|.|v|) however small it is itself: a row's only entry may be fitted by chance.
    """
    entries_of, U, V, eps = wide(observed), U.astype("f8"), V.astype("f8"), EPS[dtype]
    tolerance = 0.0
    for i, j, y, w in reference.rows_of(entries_of):
        r, terms = y - V[j] @ U[i], np.abs(y) + np.abs(V[j]) @ np.abs(U[i])
        tolerance += 10 * eps * (w * terms * (2 * np.abs(r) + eps * terms)).sum()
    return reference.squares(entries_of, U, V), tolerance


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize(("count", "n"), [(0, 0), (0, 3), (1, 1), (500, 40), (30, 500)])
def test_entries_are_sorted_by_their_keys(count, n, weighted):
    rng = np.random.default_rng(0)
    keys, others = rng.integers(0, max(n, 1), (2, count)).astype(np.int32)
    values, weights = rng.random((2, count))
    begin, out = (
        np.empty(n + 1, np.int64),
        (np.empty_like(others), np.empty_like(values), np.empty_like(weights)),
    )
    core.matrix_completion_sort(keys, others, values, weights if weighted else None, begin, *out)
    order = np.argsort(keys, kind="stable")
    np.testing.assert_array_equal(begin, np.searchsorted(keys[order], np.arange(n + 1)))
    for found, given_values in zip(
        out[: 2 + weighted], (others, values, weights)[: 2 + weighted], strict=True
    ):
        np.testing.assert_array_equal(found, given_values[order])


@given(problems(), st.integers(0, 3), st.booleans())
@thorough
def test_half_step_equals_the_reference(problem, n_cg, regularised):
    observed, V, U, dtype = problem
    k = V.shape[1]
    # Without a term that keeps the equations away from singular ones, a third step may amplify rounding at will.
    reg = np.linspace(1, 2, k) * V.shape[0] if regularised else None
    n_cg = n_cg if regularised else min(n_cg, 1)
    out = padded(U, dtype)
    before = core.matrix_completion_half_step(observed, padded(V, dtype), out, k, reg, n_cg, None)
    expected, _ = reference.half_step(wide(observed), V.astype("f8"), U.astype("f8"), n_cg, reg)
    squares, tolerance = squares_and_tolerance(observed, U, V, dtype)
    assert before == pytest.approx(squares, rel=0, abs=tolerance)
    assert (out[:, k:] == 0).all()
    size = 1 + abs(expected).max() + abs(expected - U).max()
    np.testing.assert_allclose(out[:, :k], expected, rtol=0, atol=2e-5 * size)


@pytest.mark.parametrize("dtype", ["f4", "f8"])
@pytest.mark.parametrize("k", [3, 10, 20, 50, 128, 140])
def test_a_foreseen_last_step_is_as_long_as_the_one_before_where_rows_are_calm(k, dtype):
    rng = np.random.default_rng(0)
    n = 40 * k
    observed = entries(rng, 12, n, np.repeat([0, 2 * k, 10 * k], 4), dtype, weighted=True)
    V, U = rng.standard_normal((n, k)).astype(dtype), np.zeros((12, k), dtype)
    for n_cg in 1, 2, 3:
        out = padded(U, dtype)
        core.matrix_completion_half_step(observed, padded(V, dtype), out, k, None, n_cg, None, 1.0, True)
        args = wide(observed), V.astype("f8"), U.astype("f8"), n_cg
        expected = reference.half_step(*args, calm=0.3)[0]
        np.testing.assert_allclose(out[:, :k], expected, rtol=0, atol=2e-5 * (1 + abs(expected).max()))
        measured = abs(reference.half_step(*args)[0] - expected).max(axis=1)
        assert (measured[8:] > 1e-4).any() == (n_cg > 1)  # else nothing was foreseen


def test_steps_end_at_the_exact_solution_in_double():
    rng = np.random.default_rng(0)
    for k in 3, 10, 30:
        observed = entries(rng, 20, 150, np.full(20, 120), weighted=True)
        V, U = np.linalg.qr(rng.standard_normal((150, k)))[0], np.zeros((20, k))
        out = padded(U)
        for _ in range(12):  # each call corrects what float left
            core.matrix_completion_half_step(observed, padded(V), out, k, None, 8, None)
        expected = reference.exact_half_step(observed, V, U)
        np.testing.assert_allclose(out[:, :k], expected, rtol=0, atol=1e-12 * abs(expected).max())


@given(problems())
@thorough
def test_gradient_normal_and_residual_equal_the_reference(problem):
    observed, V, U, dtype = problem
    rng, k = np.random.default_rng(0), V.shape[1]
    P, Q = rng.standard_normal(U.shape).astype(dtype), rng.standard_normal(V.shape).astype(dtype)
    out, tolerance = padded(np.full_like(U, np.nan), dtype), 2e3 * EPS[dtype] * k * (1 + len(observed[2]))
    squares = core.matrix_completion_gradient(observed, padded(V, dtype), padded(U, dtype), out, k)
    expected = reference.gradient(wide(observed), V.astype("f8"), U.astype("f8"))
    np.testing.assert_allclose(out[:, :k], expected, rtol=0, atol=tolerance)
    expected, tolerance_of_squares = squares_and_tolerance(observed, U, V, dtype)
    assert squares == pytest.approx(expected, rel=0, abs=tolerance_of_squares)
    core.matrix_completion_gradient(observed, padded(V, dtype), None, out, k)
    expected = reference.gradient(wide(observed), V.astype("f8"), 0 * U.astype("f8"))
    np.testing.assert_allclose(out[:, :k], expected, rtol=0, atol=tolerance)
    args = [padded(x, dtype) for x in (U, V, P, Q)]
    dot = core.matrix_completion_normal(observed, *args, out, k, 0.25)
    expected = reference.normal(wide(observed), *(x.astype("f8") for x in (U, V, P, Q)), 0.25)
    np.testing.assert_allclose(out[:, :k], expected, rtol=0, atol=tolerance)
    assert dot == pytest.approx((P * expected).sum(), abs=tolerance * P.size)


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("dtype", ["f4", "f8"])
@pytest.mark.parametrize("k", [1, 7, 10, 24])
def test_blocks_are_inverses_and_singular_ones_zero(k, dtype, weighted):
    rng = np.random.default_rng(0)
    observed = entries(rng, 9, 200, np.array([0, 1, 60, 100, 3, 90, 70, 60, 0]), dtype, weighted)
    V, X = rng.standard_normal((200, k)).astype(dtype), rng.standard_normal((9, k)).astype(dtype)
    H, out = np.empty((9, k, padded(V).shape[1]), dtype), padded(X, dtype)
    for damping in 0.5, 0.0:
        core.matrix_completion_blocks(observed, padded(V, dtype), k, damping, H)
        full = np.linalg.inv(reference.blocks(wide(observed), V.astype("f8"), damping)[[2, 3, 5, 6, 7]])
        np.testing.assert_allclose(
            H[[2, 3, 5, 6, 7], :, :k], full, rtol=0, atol=1e3 * EPS[dtype] * abs(full).max()
        )
    assert (H[[0, 8]] == 0).all()
    core.matrix_completion_apply_blocks(H, out, k, -2.0)
    expected = -2 * np.einsum("nij,nj->ni", H[:, :, :k], X)
    np.testing.assert_allclose(
        out[:, :k], expected, rtol=0, atol=1e2 * EPS[dtype] * (1 + abs(expected).max())
    )


@pytest.mark.parametrize("dtype", ["f4", "f8"])
@pytest.mark.parametrize("k", [1, 8, 11, 50])
def test_gram_transform_and_residual(dtype, k):
    rng = np.random.default_rng(0)
    V, R = rng.standard_normal((301, k)).astype(dtype), rng.standard_normal((k, k))
    G = np.empty((k, k))
    core.matrix_completion_gram(padded(V, dtype), k, G)
    np.testing.assert_allclose(G, V.astype("f8").T @ V.astype("f8"), rtol=0, atol=1e-10)
    for limit in 0.0, 0.9 * np.sqrt(k) * k**0.5:
        out = padded(V, dtype)
        clipped = core.matrix_completion_transform(out, k, R, limit)
        expected = V @ R
        if limit:
            assert clipped == (np.linalg.norm(expected, axis=1) > limit).sum()
            expected = reference.clip(expected, limit)
        np.testing.assert_allclose(out[:, :k], expected, rtol=0, atol=100 * k * EPS[dtype])
    i, j = rng.integers(0, 301, (2, 5000)).astype(np.int32)
    y, w, r = rng.standard_normal(5000).astype(dtype), rng.random(5000).astype(dtype), np.empty(5000, dtype)
    squares = core.matrix_completion_residual(i, j, y, w, padded(V, dtype), padded(V, dtype), k, r)
    expected = y - (V[i].astype("f8") * V[j]).sum(axis=1)
    np.testing.assert_allclose(r, expected, rtol=0, atol=100 * k * EPS[dtype])
    assert squares == pytest.approx((w * expected**2).sum(), rel=1e-4 if dtype == "f4" else 1e-12)


def test_row_of_very_many_entries_is_walked_in_segments():
    rng = np.random.default_rng(0)
    n, k, count = 500, 3, 530_000  # more than fit into a panel
    lengths = np.array([7, count, 30])
    begin = np.concatenate(([0], np.cumsum(lengths)))
    observed = (
        begin[:-1],
        begin[1:],
        rng.integers(0, n, begin[-1]).astype(np.int32),
        rng.standard_normal(begin[-1]),
        None,
    )
    V, U = rng.standard_normal((n, k)), rng.standard_normal((3, k))
    outs = []
    for threads in 1, 2, 3:
        out = padded(U)
        with threadpool_limits(threads, user_api="openmp"):
            before = core.matrix_completion_half_step(observed, padded(V), out, k, None, 2, None)
        outs.append((before, out))
    expected, squares = reference.half_step(observed, V, U, 2)
    np.testing.assert_allclose(outs[0][1][:, :k], expected, rtol=0, atol=1e-4)
    assert outs[0][0] == pytest.approx(squares, rel=1e-12)
    assert all(before == outs[0][0] and (out == outs[0][1]).all() for before, out in outs[1:])


@pytest.mark.parametrize("dtype", ["f4", "f8"])
@pytest.mark.parametrize("k", [10, 33])
def test_same_bits_with_any_number_of_threads(dtype, k):
    rng = np.random.default_rng(0)
    m, n = 3000, 800
    observed = entries(rng, m, n, rng.integers(0, 200, m), dtype)
    V, U = (rng.standard_normal((x, k)).astype(dtype) for x in (n, m))
    found = []
    for threads in 1, 2, 3:
        with threadpool_limits(threads, user_api="openmp"):
            half, out, moved, G = padded(U, dtype), padded(U, dtype), padded(V, dtype), np.empty((k, k))
            a = core.matrix_completion_half_step(observed, padded(V, dtype), half, k, None, 2, None)
            b = core.matrix_completion_gradient(observed, padded(V, dtype), half, out, k)
            other = np.empty_like(half)
            c = core.matrix_completion_normal(observed, half, moved, half, moved, other, k, 0.5)
            core.matrix_completion_gram(half, k, G)
            core.matrix_completion_transform(half, k, G / 1e4, 1.0)
            found.append((a, b, c, half, out, other, G))
    for one in found[1:]:
        assert all(np.array_equal(x, y) for x, y in zip(one, found[0], strict=True))


@pytest.mark.parametrize("kind", ["count", "rows", "srht"])
def test_sketched_steps_end_at_the_solution_where_plain_ones_stall(kind):
    rng = np.random.default_rng(0)
    k, d = 12, 400
    V = (
        rng.standard_normal((d, k))
        @ np.diag(np.logspace(0, -3, k))
        @ np.linalg.qr(rng.standard_normal((k, k)))[0]
    )
    observed = (np.array([0]), np.array([d]), np.arange(d, dtype=np.int32), V @ np.ones(k), None)
    shrunk, chosen = np.empty(1, "f4"), np.zeros(1, np.int64)
    plain, sketched = np.zeros((1, 16)), np.zeros((1, 16))
    core.matrix_completion_half_step(observed, padded(V), plain, k, None, 10, shrunk)
    assert shrunk[0] > 0.4
    core.matrix_completion_sketched_step(
        observed, padded(V), sketched, k, None, 30, chosen, kind, 4 * k, 7, shrunk
    )
    assert abs(sketched[0, :k] - 1).max() < 1e-5 < 0.1 < abs(plain[0, :k] - 1).max()
