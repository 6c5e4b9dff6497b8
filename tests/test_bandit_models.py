"""The parts of the policies equal the reference: box fits, the Bayesian model, the scale of contexts."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.polynomial import chebyshev
from reference import bandit as reference

import pysolve
from pysolve import _bandit_features as features
from pysolve._bandit_box import box_least_squares, least_norm
from pysolve._bandit_learners import ContextLearner, PlainLearner
from pysolve._bandit_model import LinearModel, Noise, excess


def problem(seed, n, m=6):
    rng = np.random.default_rng(seed)
    X = chebyshev.chebvander(rng.uniform(-1, 1, n), m - 1)
    return X, 10 * rng.standard_normal(n), rng.uniform(0.01, 5, m)


@given(st.integers(0, 10**6), st.integers(6, 60))
@settings(max_examples=150, deadline=None)
def test_box_fit_equals_scipys(seed, n):
    X, y, bound = problem(seed, n)
    expected = reference.chebyshev_fit(X, y, bound)
    elsewhere = np.random.default_rng(seed).uniform(-2, 2, bound.size) * bound
    for start in (None, elsewhere, expected):
        theta = box_least_squares(X.T @ X, X.T @ y, bound, start)
        assert (np.abs(theta) <= bound * (1 + 1e-12)).all()
        assert np.linalg.norm(X @ theta - y) <= np.linalg.norm(X @ expected - y) * (1 + 1e-6)
        if np.linalg.cond(X) < 1e3:
            np.testing.assert_allclose(theta, expected, atol=1e-4)


@given(st.integers(0, 10**6), st.integers(1, 5))
@settings(max_examples=50, deadline=None)
def test_box_fit_of_few_observations_is_as_good_as_scipys(seed, n):
    X, y, bound = problem(seed, n)
    theta = box_least_squares(X.T @ X, X.T @ y, bound)
    expected = reference.chebyshev_fit(X, y, bound)
    assert (np.abs(theta) <= bound * (1 + 1e-12)).all()
    assert np.linalg.norm(X @ theta - y) <= np.linalg.norm(X @ expected - y) + 1e-5 * np.linalg.norm(y)


@pytest.mark.parametrize("n", [1, 3, 6, 40])
def test_free_fit_is_the_one_of_least_norm(n):
    X, y, _ = problem(3, n)
    np.testing.assert_allclose(least_norm(X.T @ X, X.T @ y), np.linalg.lstsq(X, y)[0], atol=1e-5)


@pytest.mark.parametrize("m", [1, 2, 6])
def test_chebcb_fits_chebyshev_series_in_the_paper_s_box(m):
    rng = np.random.default_rng(0)
    policy = pysolve.ChebCB([0, 1, 2], (2.0, 5.0), n_terms=m, rng=1)
    rows = []
    for _ in range(80):
        trial = policy.ask(float(rng.uniform(2, 5)))
        cost = float(rng.integers(5, 60))
        policy.tell(trial, cost)
        rows.append((trial.index, trial.context, cost))
    costs = [row[2] for row in rows]
    bound = [max(costs)] + [2 * (max(costs) - min(costs)) / j for j in range(1, m)]
    for arm in range(3):
        u, y = np.array([((2 * c - 7) / 3, cost) for index, c, cost in rows if index == arm]).T
        X = chebyshev.chebvander(u, m - 1)
        theta = reference.chebyshev_fit(X, y, bound)
        np.testing.assert_allclose(policy._unit * policy._theta[arm], theta, atol=1e-5)
        residual = policy._unit**2 * policy._residual[arm]
        np.testing.assert_allclose(residual, ((X @ theta - y) ** 2).sum(), rtol=1e-6)


def test_model_equals_the_posterior():
    rng = np.random.default_rng(0)
    model = LinearModel(7, Noise(0.2, 1, 1.0))
    X, y, noises = rng.standard_normal((50, 7)), rng.standard_normal(50), []
    seen = model.noise.seen
    model.noise.seen = lambda *arguments: noises.append(seen(*arguments)) or noises[-1]
    for row, value in zip(X, y, strict=True):
        assert model.learn(row, float(value), False) == pytest.approx(value)
    mean, covariance = reference.gaussian_posterior(X, y, np.array(noises))
    np.testing.assert_allclose(model.mean, mean, atol=1e-10)
    np.testing.assert_allclose(model.S @ model.S.T, covariance, atol=1e-10)


def test_model_fitted_at_once_equals_the_posterior():
    rng = np.random.default_rng(1)
    model = LinearModel(5, Noise(0.3, 1, 1.0))
    X, weights = rng.standard_normal((40, 5)), rng.uniform(0.1, 1, 40)
    y = X @ np.arange(5) + 0.5 * rng.standard_normal(40)
    first, _ = reference.gaussian_posterior(X, y, 0.3 / weights)
    noise = (0.3 + weights @ (y - X @ first) ** 2) / (1 + weights.sum())
    mean, covariance = reference.gaussian_posterior(X, y, noise / weights)
    model.fit(X, y, weights)
    np.testing.assert_allclose(model.mean, mean, atol=1e-8)
    np.testing.assert_allclose(model.S @ model.S.T, covariance, atol=1e-10)


def test_fading_goes_back_to_the_prior():
    model = LinearModel(4, Noise(0.1, 1, 1.0))
    for row in np.eye(4):
        model.learn(row, 2.0, False)
    before = model.mean.copy(), model.S @ model.S.T
    model.fade(0.25)
    np.testing.assert_allclose(model.mean, before[0] / 2)
    np.testing.assert_allclose(model.S @ model.S.T, 0.25 * before[1] + 0.75 * np.eye(4), atol=1e-14)
    for _ in range(200):
        model.fade(0.9)
    np.testing.assert_allclose(model.mean, 0, atol=1e-4)
    np.testing.assert_allclose(model.S @ model.S.T, np.eye(4), atol=1e-8)


@pytest.mark.parametrize("error", [-5.0, -0.3, 0.0, 1.0, 4.0])
def test_what_was_given_up_counts_with_its_mean(error):
    assert excess(error, 1.3) == pytest.approx(
        reference.truncated_normal_mean(error, 1.3), rel=1e-6, abs=1e-9
    )
    assert excess(100.0, 1.3) == 100.0


def test_noise_of_one_place_does_not_hide_that_of_another():
    noise, rng = Noise(1.0, 2, 1.0), np.random.default_rng(0)
    for _ in range(2000):
        quiet = noise.seen(0, 0.1 * rng.standard_normal(), 0.0)
        loud = noise.seen(1, 2.0 * rng.standard_normal(), 0.0)
    assert quiet == pytest.approx(0.01, abs=0.03)
    assert loud == pytest.approx(4.0, rel=0.15)


@pytest.mark.parametrize("order", [range(10), [3, 1, 4, 0, 5, 9, 2, 6, 8, 7]])
def test_the_order_of_numeric_arms_does_not_matter(order):
    arms = tuple(1.0 + 0.05 * i for i in range(10))
    shuffled = tuple(arms[i] for i in order)
    for make in lambda a: PlainLearner(a, 1.0, 1.0), lambda a: ContextLearner(a, (0.0, 1.0), 1.0, 0.5):
        plain, other = make(arms), make(shuffled)
        for i in range(60):
            context = i % 7 / 7
            plain.learn(i % 10, context, 20.0 + i % 10, False)
            other.learn(shuffled.index(arms[i % 10]), context, 20.0 + i % 10, False)
        np.testing.assert_allclose(np.array(other.means(0.3)), plain.means(0.3)[list(order)], atol=1e-6)


@given(st.lists(st.floats(-1e6, 1e6), min_size=2, max_size=200))
@settings(max_examples=100, deadline=None)
def test_scale_of_contexts_increases_from_minus_1_to_1(contexts):
    scale = features.Scale(None)
    scale.learn(np.array(contexts))
    ordered = np.linspace(min(contexts), max(contexts), 50).tolist()
    places = [scale.place(c) for c in ordered]
    assert (np.diff(places) >= -1e-12).all()
    assert -1 - 1e-9 <= places[0] <= places[-1] <= 1 + 1e-9
    if scale.known and len(set(contexts)) == len(contexts):
        np.testing.assert_allclose(places[::49], [-1, 1], atol=2.1 / len(contexts) + 1e-9)


def test_features_have_the_covariance_of_the_kernel():
    F = features.arm_features(tuple(np.linspace(1, 1.95, 20).tolist()), 20)
    np.testing.assert_allclose(F @ F.T, features.matern(np.linspace(-1, 1, 20)), atol=1e-10)
    F = features.arm_features(("a", "b", "c"), 8)
    np.testing.assert_allclose(F @ F.T, 0.5 + 0.5 * np.eye(3), atol=1e-12)
    F = features.arm_features((1e-4, 1e-2, 1.0, 1.0), 8)
    np.testing.assert_allclose(F[2], F[3])
