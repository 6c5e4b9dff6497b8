"""What gp_pde returns: predictions, derivatives, draws, figures, pickles."""

import pickle
import warnings

import numpy as np
import pytest

import pysolve
from pysolve import GPStatus, gp_pde

X = np.linspace(0, 2 * np.pi, 400)


def wave(x):
    return np.sin(100 * x)


def pull(x):
    return -1e4 * np.sin(100 * x)


def test_prediction_on_grids_at_points_and_of_derivatives():
    x, y = np.linspace(0, 1, 30), np.linspace(0, 1, 34)
    solution = gp_pde(
        {(2, 0): 1.0, (0, 2): 1.0},
        lambda x, y: -130 * np.sin(9 * x) * np.cos(7 * y),
        [x, y],
        [
            (0.0, lambda y: np.sin(9) * np.cos(7 * y)),
            (lambda x: np.sin(9 * x), lambda x: np.sin(9 * x) * np.cos(7.0)),
        ],
    )
    points = np.random.default_rng(0).random((7, 2))
    wanted = 9 * np.cos(9 * points[:, 0]) * -7 * np.sin(7 * points[:, 1])
    assert np.allclose(solution.predict(points, deriv=(1, 1)), wanted, atol=1e-5)
    grid = solution.predict([points[:3, 0], points[:4, 1]], deriv=(1, 1))
    assert np.allclose(np.diag(grid), wanted[:3], atol=1e-5)
    assert np.allclose(solution.predict([x, y]), solution.u, atol=1e-12)
    mean, std = solution.predict(points, return_std=True)
    assert mean.shape == std.shape == (7,)
    assert np.all(std >= 0)


def test_result_figures_and_pickle():
    solution = gp_pde({2: 1.0}, pull, X, (0.0, 0.0), return_std=True)
    residual = solution.predict(X, deriv=2) - pull(X)
    assert solution.residual_norm == pytest.approx(np.linalg.norm(residual), rel=1e-6, abs=1e-12)
    assert set(solution.timings) == {"frequencies", "solve", "total"}
    assert solution.weights.shape == (2,)
    assert repr(solution).startswith("GPSolution(SOLVED, grid 400")
    again = pickle.loads(pickle.dumps(solution))
    assert np.array_equal(again.u, solution.u)
    assert np.array_equal(again.std, solution.std)
    assert again.status is GPStatus.SOLVED


@pytest.mark.parametrize("name", ["P6", "P7"])
def test_large_solutions_pickle_with_their_posterior(name):
    solution = gp_pde(**pysolve.gallery.pde_case(name).arguments, rng=3)
    grid = [np.linspace(0.1, 0.9, 5)] * 2
    mean, std = solution.predict(grid, return_std=True)
    assert np.all(std > 0)
    again = pickle.loads(pickle.dumps(solution))
    assert np.array_equal(again.predict(grid, return_std=True), (mean, std))
    assert np.allclose(solution.sample(1, rng=0, where=grid)[0], mean, atol=20 * std.max())


def test_std_covers_the_error_of_exact_equations():
    solution = gp_pde({2: 1.0}, pull, X, (0.0, 0.0))
    assert np.mean(np.abs(solution.u - wave(X)) <= 2 * solution.std + 1e-12) > 0.95


def test_nothing_given_is_written_to():
    x, f = X.copy(), pull(X)
    at, values = np.array([1.0, 2.0]), np.array([0.1, 0.2])
    before = [a.copy() for a in (x, f, at, values)]
    for a in (x, f, at, values):
        a.setflags(write=False)
    gp_pde({2: 1.0}, f, x, (0.0, 0.0), data=(at, values, 0.1))
    assert all(np.array_equal(a, b) for a, b in zip(before, (x, f, at, values), strict=True))


def test_zero_is_zero():
    solution = gp_pde({2: 1.0}, 0.0, X, (0.0, 0.0))
    assert solution.converged
    assert np.abs(solution.u).max() == 0


def test_two_points():
    solution = gp_pde({0: 2.0}, np.array([2.0, 4.0]), np.array([0.0, 1.0]), None)
    assert np.allclose(solution.u, [1.0, 2.0])


def test_progress_is_told_after_two_seconds_only():
    told = []
    gp_pde({2: 1.0}, pull, X, (0.0, 0.0), progress=told.append)
    assert told == []


def test_no_warnings():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        gp_pde({2: 1.0}, pull, X, (0.0, 0.0), return_std=True)
        gp_pde({2: 1.0}, pull, X, (0.0, None), return_std=True)
