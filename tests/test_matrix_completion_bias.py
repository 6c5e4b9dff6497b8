"""matrix_completion with bias=True: what it minimises, what it recovers, and what it predicts of empty rows."""

import numpy as np
import pytest
from matrix_completion_cases import sampled

from pysolve import CompletionStatus, matrix_completion


def biased(m, n, k, oversampling, seed=0, mean=7.0):
    (i, j, _), U, V = sampled(m, n, k, oversampling, seed)
    rng = np.random.default_rng(seed + 100)
    M = U @ V.T + mean + rng.standard_normal(m)[:, None] + 2 * rng.standard_normal(n)
    return (i, j, M[i, j]), M


def error(result, M):
    return np.linalg.norm(result.to_dense() - M) / np.linalg.norm(M - M.mean())


@pytest.mark.parametrize(
    ("shape", "k"), [((500, 400), 4), ((300, 700), 8), ((400, 300), 1), ((200, 250), 15)]
)
def test_biases_and_factors_are_recovered_together(shape, k):
    observed, M = biased(*shape, k, 15 if k == 1 else 4)
    result = matrix_completion((observed, shape), k, bias=True, rtol=1e-9, rng=0)
    assert result.status is CompletionStatus.RECOVERED
    assert error(result, M) < 1e-8
    i, j = np.arange(5), np.arange(5)
    np.testing.assert_allclose(result.predict(i, j), M[i, j], atol=1e-6)
    # Without regularisation the biases are the means of rows and columns: the factors' columns sum to 0.
    np.testing.assert_allclose(result.bias.cols, M.mean(axis=0) - M.mean(), atol=1e-6)
    assert result.bias.mean == pytest.approx(M.mean(), abs=1e-6)
    assert abs(result.U.sum(axis=0)).max() + abs(result.V.sum(axis=0)).max() < 1e-6 * abs(
        result.U
    ).max() * sum(shape)


@pytest.mark.parametrize("weighted", [False, True])
def test_regularised_fit_meets_its_normal_equations(weighted):
    (i, j, y), _ = biased(120, 90, 4, 4)
    y = y + 0.1 * np.random.default_rng(0).standard_normal(y.size)
    w = 0.1 + np.random.default_rng(1).random(y.size) if weighted else np.ones(y.size)
    reg = 3.0
    result = matrix_completion(
        ((i, j, y), (120, 90)), 4, bias=True, reg=reg, weights=w, rtol=1e-11, rng=0, maxiter=4000
    )
    assert result.status is CompletionStatus.STATIONARY
    assert result.bias.mean == pytest.approx(np.average(y, weights=w), rel=1e-12)
    residual = w * (y - result.predict(i, j))
    gradient = np.zeros((120, 4))
    np.add.at(gradient, i, residual[:, None] * result.V[j])
    np.testing.assert_allclose(gradient, reg * result.U, atol=2e-3 * abs(reg * result.U).max())
    for b, index in (result.bias.rows, i), (result.bias.cols, j):
        total = np.bincount(index, residual, b.size)
        np.testing.assert_allclose(total, reg * b, atol=2e-3 * abs(reg * b).max())


def test_biases_alone_are_two_way_means():
    rng = np.random.default_rng(0)
    M = 3 + rng.standard_normal(60)[:, None] + rng.standard_normal(50)
    seen = np.where(rng.random(M.shape) < 0.5, M, np.nan)
    result = matrix_completion(seen, 1, bias=True, rtol=1e-10, rng=0)
    assert result.converged
    np.testing.assert_allclose(result.to_dense(), M, atol=1e-7)


def test_rows_and_columns_without_entries_are_predicted_by_the_others_bias():
    (i, j, y), M = biased(100, 80, 2, 6)
    result = matrix_completion(((i + 1, j, y), (102, 81)), 2, bias=True, rtol=1e-8, rng=0)
    b = result.bias
    assert (result.empty_rows, result.empty_cols) == (2, 1)
    assert "2 rows without entries are predicted by the mean and the other bias" in result.message
    assert b.rows[0] == b.rows[101] == b.cols[80] == 0
    np.testing.assert_allclose(result.block([0], slice(0, 80))[0], b.mean + b.cols[:80])
    np.testing.assert_allclose(result.predict(0, np.arange(80)), M.mean(axis=0), atol=1e-4)
    assert result.predict(0, 80) == pytest.approx(b.mean)


@pytest.mark.parametrize("value", [0.0, 5.1, -3.3, 1e150, 1e-150, 1e308])
@pytest.mark.parametrize("loss", ["l2", "huber", "l1"])
def test_equal_values_are_predicted_exactly(value, loss):
    seen = np.random.default_rng(0).random((40, 30)) < 0.5
    result = matrix_completion(np.where(seen, value, np.nan), 2, bias=True, loss=loss, rng=0)
    assert result.converged
    assert (result.to_dense() == value).all()


def test_added_constant_and_scale_and_order_come_through():
    (i, j, y), M = biased(150, 120, 3, 5)
    plain = matrix_completion(((i, j, y), (150, 120)), 3, bias=True, rtol=1e-9, rng=0)
    for scale, shift in (1e150, 0.0), (1e-150, 0.0), (1.0, 1e6):
        moved = matrix_completion(((i, j, scale * y + shift), (150, 120)), 3, bias=True, rtol=1e-9, rng=0)
        np.testing.assert_allclose((moved.to_dense() - shift) / scale, plain.to_dense(), atol=1e-6)
    order = np.random.default_rng(0).permutation(150)
    turned = matrix_completion(((order[i], j, y), (150, 120)), 3, bias=True, rtol=1e-9, rng=0)
    np.testing.assert_allclose(turned.to_dense()[order], M, atol=1e-6)
    flipped = matrix_completion(((j, i, y), (120, 150)), 3, bias=True, rtol=1e-9, rng=0)
    np.testing.assert_allclose(flipped.to_dense().T, M, atol=1e-6)


def test_weights_of_zero_and_validation_entries_do_not_touch_the_mean():
    (i, j, y), M = biased(200, 200, 3, 6)
    w = np.ones(y.size)
    w[::7] = 0
    spoilt = np.where(w == 0, 1e4, y)
    result = matrix_completion(((i, j, spoilt), (200, 200)), 3, bias=True, weights=w, rtol=1e-8, rng=0)
    assert error(result, M) < 1e-6
    chosen = np.random.default_rng(0).random(y.size) < 0.1
    rest, apart = ((i[x], j[x], y[x]) for x in (~chosen, chosen))
    result = matrix_completion(
        (rest, (200, 200)), 3, bias=True, rtol=1e-8, rng=0, validation=(apart, (200, 200))
    )
    assert error(result, M) < 1e-6


@pytest.mark.parametrize("loss", ["huber", "l1"])
def test_biases_with_outliers(loss):
    (i, j, y), M = biased(500, 500, 4, 8)
    bad = np.random.default_rng(0).random(y.size) < 0.1
    spoilt = np.where(bad, 40 * np.random.default_rng(1).standard_normal(y.size), y)
    result = matrix_completion(((i, j, spoilt), (500, 500)), 4, bias=True, loss=loss, rtol=1e-9, rng=0)
    assert result.converged
    assert error(result, M) < 1e-6


def test_float32_and_warm_start():
    (i, j, y), M = biased(300, 300, 3, 6)
    result = matrix_completion(((i, j, y.astype("f4")), (300, 300)), 3, bias=True, rng=0)
    assert result.U.dtype == np.float32
    assert error(result, M) < 1e-5
    again = matrix_completion(
        ((i, j, y), (300, 300)), 3, bias=True, rng=0, rtol=1e-5, x0=(result.U, result.V)
    )
    assert again.iterations <= 6


def test_what_does_not_go_with_it_is_refused():
    observed, _ = biased(30, 20, 2, 3)
    with pytest.raises(TypeError, match="bias must be True or False, not 'yes'"):
        matrix_completion((observed, (30, 20)), 2, bias="yes")
    with pytest.raises(ValueError, match="method='gauss-newton' is for loss='l2' without bias"):
        matrix_completion((observed, (30, 20)), 2, bias=True, method="gauss-newton")
    few = tuple(x[:120] for x in observed)
    with pytest.raises(ValueError, match="fewer than the 141 unknowns of rank 2 and the biases"):
        matrix_completion((few, (30, 20)), 2, bias=True)
