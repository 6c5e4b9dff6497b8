"""matrix_completion with losses that outliers do not sway: what they recover, what they minimise, what is refused."""

import numpy as np
import pytest
import reference.matrix_completion as reference
from hypothesis import given, settings
from hypothesis import strategies as st
from matrix_completion_cases import entries, padded, sampled, unseen_error
from threadpoolctl import threadpool_limits

from pysolve import CompletionStatus, matrix_completion
from pysolve._backend import kernels

core = kernels(np.empty(0))
OUTLIERS = ["gaussian", "huge", "huge of one sign", "constant", "small constant"]


def spoilt(y, kind, share=0.1, seed=0):
    """The values with a share of them replaced, and which."""
    rng = np.random.default_rng(seed)
    bad = rng.random(y.size) < share
    wrong = {
        "gaussian": 10 * y.std() * rng.standard_normal(y.size),
        "huge": 1e6 * rng.choice([-1.0, 1.0], y.size),
        "huge of one sign": np.full(y.size, 1e6),
        "constant": np.full(y.size, 10 * y.std()),
        "small constant": np.full(y.size, y.std()),
    }[kind]
    return np.where(bad, wrong, y), bad


# ---- the kernel --------------------------------------------------------------------------------------------


@given(
    st.integers(0, 2**32),
    st.sampled_from([1, 3, 8, 9, 20, 33]),
    st.sampled_from(["f4", "f8"]),
    st.booleans(),
    st.sampled_from([1, 2, 40, 150]),
)
@settings(max_examples=100, deadline=None)
def test_deviations_equal_the_reference(seed, k, dtype, weighted, longest):
    rng = np.random.default_rng(seed)
    observed = entries(rng, 7, 90, rng.integers(0, longest + 1, 7), dtype, weighted, gaps=True)
    if weighted:
        observed[4][rng.random(observed[4].size) < 0.3] = 0
    V, U = rng.standard_normal((90, k)).astype(dtype), rng.standard_normal((7, k)).astype(dtype)
    r, medians = np.full(observed[2].size, -1, dtype), np.empty(7, dtype)
    core.matrix_completion_deviations(observed, padded(V, dtype), padded(U, dtype), k, r, medians)
    wide = tuple(x if x is None or x.dtype.kind == "i" else x.astype("f8") for x in observed)
    far, expected = reference.deviations(wide, V.astype("f8"), U.astype("f8"))
    eps = 100 * k * np.finfo(dtype).eps
    for b, e, one in zip(observed[0], observed[1], far, strict=True):
        np.testing.assert_allclose(r[b:e], one, rtol=eps, atol=eps)
    np.testing.assert_allclose(medians, expected, rtol=eps, atol=eps)
    assert (r == -1).sum() == observed[2].size - (observed[1] - observed[0]).sum()  # what lies between rows


def test_deviations_have_the_same_bits_with_any_number_of_threads_and_take_any_value():
    rng = np.random.default_rng(0)
    observed = entries(rng, 3000, 800, rng.integers(0, 200, 3000))
    observed[3][:3] = np.nan, np.inf, -np.inf
    V, U = padded(rng.random((800, 10))), padded(rng.random((3000, 10)))
    found = []
    for threads in 1, 2, 3:
        with threadpool_limits(threads, user_api="openmp"):
            r, medians = np.zeros(observed[2].size), np.empty(3000)
            core.matrix_completion_deviations(observed, V, U, 10, r, medians)
            found.append((r, medians))
    assert (found[0][0][:3] == np.inf).all()
    assert all(np.array_equal(a, b) for pair in found[1:] for a, b in zip(pair, found[0], strict=True))


# ---- recovery ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("loss", ["huber", "l1"])
@pytest.mark.parametrize("kind", OUTLIERS)
@pytest.mark.parametrize("oversampling", [5, 8])
def test_matrix_is_recovered_although_a_tenth_of_its_entries_is_arbitrary(kind, loss, oversampling):
    (i, j, y), U, V = sampled(1000, 1000, 5, oversampling)
    values, _ = spoilt(y, kind)
    result = matrix_completion(((i, j, values), (1000, 1000)), 5, loss=loss, rtol=1e-7, rng=0)
    assert result.status is CompletionStatus.RECOVERED
    assert unseen_error(result, U, V) < 1e-6


@pytest.mark.parametrize("kind", OUTLIERS)
def test_larger_matrix_is_recovered_too(kind):
    (i, j, y), U, V = sampled(5000, 5000, 10, 5)
    result = matrix_completion(((i, j, spoilt(y, kind)[0]), (5000, 5000)), 10, loss="huber", rtol=1e-7, rng=0)
    assert result.converged
    assert unseen_error(result, U, V) < 1e-6


def test_least_squares_is_swayed_where_the_others_are_not():
    (i, j, y), U, V = sampled(600, 600, 4, 8)
    values, _ = spoilt(y, "gaussian")
    result = matrix_completion(((i, j, values), (600, 600)), 4, rng=0)
    assert not result.converged
    assert unseen_error(result, U, V) > 0.3


@pytest.mark.parametrize("kind", OUTLIERS)
@pytest.mark.parametrize(("loss", "factor"), [("huber", 1.35), ("l1", 1.45)])
def test_error_with_noise_is_close_to_that_of_who_knows_the_outliers(kind, loss, factor):
    (i, j, y), U, V = sampled(800, 800, 5, 7, noise=0.1)
    values, bad = spoilt(y, kind)
    shape = 800, 800
    known = matrix_completion(((i[~bad], j[~bad], values[~bad]), shape), 5, rng=0)
    result = matrix_completion(((i, j, values), shape), 5, loss=loss, rng=0)
    assert unseen_error(result, U, V) < factor * unseen_error(known, U, V)


# ---- what is minimised -------------------------------------------------------------------------------------


def huber(r, delta):
    return np.where(abs(r) <= delta, r**2, 2 * delta * abs(r) - delta**2)


@pytest.mark.parametrize("weighted", [False, True])
def test_fit_with_a_given_delta_meets_the_conditions_of_a_minimum(weighted):
    (i, j, y), _, _ = sampled(150, 120, 3, 5, noise=0.2)
    values, _ = spoilt(y, "gaussian")
    w = 0.1 + np.random.default_rng(2).random(y.size) if weighted else np.ones(y.size)
    delta, reg = 0.3, 2.0
    result = matrix_completion(
        ((i, j, values), (150, 120)),
        3,
        loss=("huber", delta),
        reg=reg,
        weights=w,
        rtol=1e-11,
        maxiter=4000,
        rng=0,
    )
    assert result.status is CompletionStatus.STATIONARY
    r = values - result.predict(i, j)
    gradient = np.zeros((150, 3))
    np.add.at(gradient, i, (w * np.clip(r, -delta, delta))[:, None] * result.V[j])
    np.testing.assert_allclose(gradient, reg * result.U, atol=2e-3 * abs(reg * result.U).max())


def test_sum_of_the_loss_never_rises_once_its_delta_stands():
    (i, j, y), _, _ = sampled(150, 120, 3, 5, noise=0.2)
    values, _ = spoilt(y, "gaussian")
    delta, reg, shape = 0.3, 2.0, (150, 120)
    sums = []
    for n in 60, 61, 62, 64, 68, 80:
        result = matrix_completion(
            ((i, j, values), shape), 3, loss=("huber", delta), reg=reg, rtol=0.0, maxiter=n, rng=0
        )
        norms = reg * ((result.U**2).sum() + (result.V**2).sum())
        sums.append(huber(values - result.predict(i, j), delta).sum() + norms)
    assert (np.diff(sums) <= 1e-9 * sums[0]).all()


def test_large_delta_is_least_squares():
    entries_, _, _ = sampled(150, 120, 3, 5, noise=0.2)
    options = {"reg": 1.0, "rtol": 1e-10, "maxiter": 2000, "rng": 0}
    one = matrix_completion((entries_, (150, 120)), 3, **options)
    other = matrix_completion((entries_, (150, 120)), 3, loss=("huber", 1e3), **options)
    np.testing.assert_allclose(one.to_dense(), other.to_dense(), atol=1e-4)


@pytest.mark.parametrize("loss", ["huber", "l1", ("huber", 1e-3)])
@pytest.mark.parametrize("scale", [1e150, 1e-150])
def test_scale_of_the_values_and_order_do_not_matter(loss, scale):
    (i, j, y), U, V = sampled(200, 200, 3, 8)
    values, _ = spoilt(y, "gaussian", 0.05)
    given = (loss[0], loss[1] * scale) if isinstance(loss, tuple) else loss
    result = matrix_completion(((i, j, scale * values), (200, 200)), 3, loss=given, rtol=1e-7, rng=0)
    atol = 1e-2 if isinstance(loss, tuple) else 1e-5
    assert abs(result.to_dense() / scale - U @ V.T).max() < atol
    order = np.random.default_rng(0).permutation(200)
    turned = matrix_completion(((order[i], j, values), (200, 200)), 3, loss=loss, rtol=1e-7, rng=0)
    assert abs(turned.to_dense()[order] - U @ V.T).max() < atol
    flipped = matrix_completion(((j, i, values), (200, 200)), 3, loss=loss, rtol=1e-7, rng=0)
    assert abs(flipped.to_dense().T - U @ V.T).max() < atol


@pytest.mark.parametrize("loss", ["huber", "l1"])
def test_outliers_as_large_as_numbers_go(loss):
    (i, j, y), U, V = sampled(300, 300, 3, 8)
    values = np.where(np.random.default_rng(0).random(y.size) < 0.05, 1.7e308, 1e-100 * y)
    result = matrix_completion(((i, j, values), (300, 300)), 3, loss=loss, rtol=1e-7, rng=0)
    assert np.linalg.norm(result.to_dense() * 1e100 - U @ V.T) < 1e-5 * np.linalg.norm(U @ V.T)


@pytest.mark.parametrize("loss", ["huber", "l1"])
def test_entries_without_weight_and_exact_data_and_constants(loss):
    (i, j, y), U, V = sampled(300, 300, 3, 6)
    w = np.ones(y.size)
    w[::3] = 0
    values = np.where(w == 0, 1e3, y)  # a third of all: more than may be outliers, were they to count
    result = matrix_completion(((i, j, values), (300, 300)), 3, loss=loss, weights=w, rtol=1e-8, rng=0)
    assert unseen_error(result, U, V) < 1e-6
    seen = np.random.default_rng(0).random((40, 30)) < 0.5
    for value in 0.0, 5.0:
        result = matrix_completion(np.where(seen, value, np.nan), 1, loss=loss, rng=0, rtol=1e-8)
        np.testing.assert_allclose(result.to_dense(), value, atol=1e-6)


@pytest.mark.parametrize("loss", ["huber", "l1"])
def test_rank_one_with_rows_of_many_sizes(loss):
    rng = np.random.default_rng(0)
    M = np.outer(np.logspace(-2, 2, 200), rng.standard_normal(150))
    seen = rng.random(M.shape) < 0.4
    values = np.where(rng.random(M.shape) < 0.05, 1e5, M)
    result = matrix_completion(np.where(seen, values, np.nan), 1, loss=loss, rtol=1e-8, rng=0)
    assert np.linalg.norm(result.to_dense() - M) < 1e-6 * np.linalg.norm(M)


def test_validation_and_empty_rows_and_float32():
    (i, j, y), U, V = sampled(300, 300, 3, 8)
    values, _ = spoilt(y, "huge")
    result = matrix_completion(
        ((i + 1, j, values.astype("f4")), (302, 300)), 3, loss="huber", validation=0.1, rng=0
    )
    assert result.U.dtype == np.float32
    assert (result.U[[0, 301]] == 0).all()
    np.testing.assert_allclose(result.to_dense()[1:301], U @ V.T, atol=1e-3)


@pytest.mark.parametrize("dtype", ["f4", "f8"])
@pytest.mark.parametrize("loss", ["huber", "l1"])
@pytest.mark.parametrize("kind", ["huge", "gaussian"])
def test_fraction_for_validation_is_not_the_mask_of_outliers_drawn_with_its_seed(kind, loss, dtype):
    (i, j, y), U, V = sampled(300, 300, 3, 8)
    values, _ = spoilt(y, kind, share=0.1, seed=5)
    result = matrix_completion(
        ((i, j, values.astype(dtype)), (300, 300)), 3, loss=loss, validation=0.1, rng=5
    )
    assert result.history["held_out"].min() < 0.01  # of a tenth of outliers alone none would be predicted
    np.testing.assert_allclose(result.to_dense(), U @ V.T, atol=1e-3)


@pytest.mark.parametrize("dtype", ["f4", "f8"])
@pytest.mark.parametrize("loss", ["huber", "l1"])
def test_entries_for_validation_may_have_outliers_too(loss, dtype):
    (i, j, y), U, V = sampled(300, 300, 3, 8)
    values, _ = spoilt(y, "huge", seed=1)
    values, out = values.astype(dtype), np.arange(y.size) % 10 == 3
    given = (i[out], j[out], values[out]), (300, 300)
    result = matrix_completion(
        ((i[~out], j[~out], values[~out]), (300, 300)), 3, loss=loss, validation=given, rng=0
    )
    assert result.history["held_out"].min() < 0.01
    np.testing.assert_allclose(result.to_dense(), U @ V.T, atol=1e-3)


@pytest.mark.parametrize(
    ("loss", "error", "message"),
    [
        ("l3", ValueError, r"loss must be 'l2', 'huber', \('huber', delta\) or 'l1', not 'l3'"),
        (None, ValueError, "loss must be"),
        (("l1", 1.0), ValueError, "loss must be"),
        (("huber", 0.0), ValueError, "Huber's delta, must be positive and finite, not 0"),
        (("huber", np.nan), ValueError, "Huber's delta, must be positive"),
        (("huber", "a"), TypeError, "Huber's delta, must be a real number, not 'a'"),
    ],
)
def test_wrong_losses_are_refused(loss, error, message):
    observed = sampled(30, 20, 2, 3)[0], (30, 20)
    with pytest.raises(error, match=message):
        matrix_completion(observed, 2, loss=loss)
    with pytest.raises(ValueError, match="method='gauss-newton' is for loss='l2'"):
        matrix_completion(observed, 2, loss="l1", method="gauss-newton")


@pytest.mark.parametrize(
    "model",
    [
        {"loss": "huber"},
        {"loss": "l1", "reg": 0.5},
        {"loss": "l1", "bias": True},
        {"bias": True},
        {"nonneg": True},
    ],
)
def test_resumed_run_ends_with_the_same_bits(model, tmp_path):
    (i, j, y), _, _ = sampled(200, 200, 3, 8, noise=0.05)
    observed = ((i, j, abs(y) if "nonneg" in model else spoilt(y, "gaussian", 0.05)[0]), (200, 200))
    path = tmp_path / "run.npz"
    whole = matrix_completion(observed, 3, rng=0, maxiter=60, checkpoint=tmp_path / "whole.npz", **model)
    for maxiter in 5, 9, 60:
        result = matrix_completion(observed, 3, rng=0, maxiter=maxiter, checkpoint=path, **model)
    assert result.iterations == whole.iterations
    assert np.array_equal(result.to_dense(), whole.to_dense())
