"""Regression on a grid equals the dense computation, with every solver, and odd input has an answer."""

import math
import pickle

import numpy as np
import pytest
import scipy.optimize
import scipy.stats

from pysolve import SpectralMixture, _grid_gp_solvers, grid_gp
from pysolve._grid_gp_covariance import Grid
from pysolve._grid_gp_evidence import Model, evidence_loss

AXES = [np.linspace(0, 1, 7), np.array([0.0, 0.3, 0.5, 1.1, 1.6])]
GIVEN = {"noise": 0.2, "amplitude": 1.3, "length_scales": [0.4, 0.7], "mean": 0.5}
SOLVERS = {
    "Direct": {"FEW_SEEN": 0},
    "Dense": {},
    "Iterative": {"FEW_SEEN": 0, "FEW_MISSING": 0},
    "Iterative with a poor preconditioner": {"FEW_SEEN": 0, "FEW_MISSING": 0, "RANK": 3},
}


def named(kind, d, scale):
    if kind == "se":
        return np.exp(-(d**2) / (2 * scale**2))
    r = math.sqrt(5) * np.abs(d) / scale
    return (1 + r + r**2 / 3) * np.exp(-r)


def dense(kind, axes, values, points, given=GIVEN):
    """Mean, standard deviation and evidence by matrices of all cells."""
    cells = np.stack([x.ravel() for x in np.meshgrid(*axes, indexing="ij")], axis=1)
    known = ~np.isnan(values.ravel())
    y, cells = values.ravel()[known] - given["mean"], cells[known]

    def covariance(a, b):
        product = given["amplitude"] ** 2 * np.ones((len(a), len(b)))
        for j, scale in enumerate(given["length_scales"]):
            product *= named(kind, a[:, None, j] - b[:, j], scale)
        return product

    A = covariance(cells, cells) + given["noise"] ** 2 * np.eye(len(y))
    k = covariance(points, cells)
    mean = given["mean"] + k @ np.linalg.solve(A, y)
    variance = given["amplitude"] ** 2 - np.einsum("pn,np->p", k, np.linalg.solve(A, k.T))
    evidence = scipy.stats.multivariate_normal(np.zeros(len(y)), A).logpdf(y)
    return mean, np.sqrt(np.maximum(variance, 0)), evidence


def a_field(missing, rng, axes=AXES):
    values = np.cos(3 * axes[0])[:, None] * np.sin(2 * axes[1]) + 0.2 * rng.standard_normal(
        (axes[0].size, axes[1].size)
    )
    values.ravel()[rng.permutation(values.size)[:missing]] = np.nan
    return values


def solved_by(monkeypatch, name):
    for constant, value in SOLVERS[name].items():
        monkeypatch.setattr(_grid_gp_solvers, constant, value)


@pytest.mark.parametrize("kind", ["se", "matern52"])
@pytest.mark.parametrize("missing", [0, 1, 9, 30])
@pytest.mark.parametrize("solver", SOLVERS)
def test_posterior_and_evidence_are_the_dense_ones(kind, missing, solver, monkeypatch):
    solved_by(monkeypatch, solver)
    rng = np.random.default_rng(missing)
    values, points = a_field(missing, rng), rng.uniform(-0.5, 2, (11, 2))
    gp = grid_gp(AXES, values, kernel=kind, rtol=1e-12, **GIVEN)
    expected_mean, expected_std, expected_evidence = dense(kind, AXES, values, points)
    mean, std = gp.predict(points, return_std=True)
    np.testing.assert_allclose(mean, expected_mean, rtol=1e-8, atol=1e-9)
    np.testing.assert_allclose(std, expected_std, rtol=1e-6, atol=1e-7)
    assert gp.converged
    if missing == 0 or not solver.startswith("Iterative"):
        assert gp.log_evidence == pytest.approx(expected_evidence, rel=1e-9)
    else:
        assert gp.iterations > 0


@pytest.mark.parametrize("missing", [1, 9, 30])
@pytest.mark.parametrize("rank", [1, 3, 256])
def test_determinant_by_lanczos_is_that_of_its_random_vectors(missing, rank):
    """log|M| + mean of v^T log(M^-1/2 A M^-1/2) v over the signs v that the seed draws, by dense matrices."""
    values = a_field(missing, np.random.default_rng(missing))
    known = ~np.isnan(values.ravel())
    grid = Grid(tuple(AXES), np.flatnonzero(known), np.flatnonzero(~known))
    covariance = Model(["se", "matern52"], [0.4, 0.7], 1.3, 0.2).covariance(grid)
    solver = _grid_gp_solvers.Iterative(covariance, 1e-10, 100, 7, rank)
    n = grid.seen.size
    A, M = covariance.observed(np.eye(n)), solver.power(np.eye(n), 1.0)
    root = solver.power(np.eye(n), -0.5)
    np.testing.assert_allclose(root @ M @ root, np.eye(n), atol=1e-9)
    inner, turn = np.linalg.eigh(root @ A @ root)
    signs = np.random.default_rng(7).integers(0, 2, (n, 16)) * 2.0 - 1.0
    traces = np.log(inner) @ (turn.T @ signs) ** 2
    expected = np.linalg.slogdet(M)[1] + traces.mean()
    assert solver.log_determinant() == pytest.approx(expected, abs=1e-7)
    every = np.linalg.slogdet(M)[1] + np.log(inner).sum()
    assert every == pytest.approx(np.linalg.slogdet(A)[1])
    if rank == 256:  # all that matters is in the preconditioner: no trace is left to guess
        assert solver.log_determinant() == pytest.approx(every, abs=1.0)


@pytest.mark.parametrize("solver", SOLVERS)
def test_a_grid_of_places_is_its_points(solver, monkeypatch):
    solved_by(monkeypatch, solver)
    gp = grid_gp(AXES, a_field(6, np.random.default_rng(0)), rtol=1e-12, **GIVEN)
    where = [np.linspace(-0.1, 1.2, 4), np.linspace(0, 2, 3)]
    points = np.stack([x.ravel() for x in np.meshgrid(*where, indexing="ij")], axis=1)
    for on_grid, at_points in zip(gp.predict(where, True), gp.predict(points, True), strict=True):
        assert on_grid.shape == (4, 3)
        np.testing.assert_allclose(on_grid.ravel(), at_points, rtol=1e-7)
    np.testing.assert_allclose(gp.predict(), gp.predict(AXES))


def test_one_and_three_dimensions_equal_the_dense_computation():
    rng = np.random.default_rng(3)
    for shape in (9,), (3, 4, 2):
        axes = [np.sort(rng.uniform(0, 2, n)) for n in shape]
        values = rng.standard_normal(shape)
        values.ravel()[3] = np.nan
        given = GIVEN | {"length_scales": [0.5] * len(shape)}
        points = rng.uniform(0, 2, (5, len(shape)))
        found = grid_gp(axes, values, kernel="se", **given).predict(points, return_std=True)
        for mine, theirs in zip(found, dense("se", axes, values, points, given), strict=False):
            np.testing.assert_allclose(mine, theirs, rtol=1e-8)


@pytest.mark.parametrize("missing", [0, 8])
@pytest.mark.parametrize("kind", ["se", "matern52"])
def test_gradient_of_the_evidence_is_the_difference_quotient(missing, kind):
    rng = np.random.default_rng(1)
    values = a_field(missing, rng)
    known = ~np.isnan(values.ravel())
    grid = Grid(tuple(AXES), np.flatnonzero(known), np.flatnonzero(~known))
    model = Model([kind, kind], [None, None], None, None)
    free, at = model.free(), np.log([0.4, 0.7, 1.3, 0.2])

    def loss(logarithms):
        covariance = model.with_numbers(free, logarithms).covariance(grid)
        return evidence_loss(covariance, values.ravel()[known], free, 1e-10, 100, 0)

    quotient = scipy.optimize.approx_fprime(at, lambda t: loss(t)[0], 1e-6)
    np.testing.assert_allclose(loss(at)[1], quotient, rtol=1e-4, atol=1e-4)


def test_gradient_of_the_approximate_evidence_is_the_difference_quotient(monkeypatch):
    monkeypatch.setattr("pysolve._grid_gp_evidence.EXACT", 0)
    test_gradient_of_the_evidence_is_the_difference_quotient(8, "se")


@pytest.mark.parametrize("missing", [0, 0.2, 0.5])
def test_auto_finds_the_noise_and_covers_the_truth(missing):
    rng = np.random.default_rng(5)
    x, y = np.linspace(0, 1, 30), np.linspace(0, 2, 35)
    truth = np.sin(5 * x)[:, None] * np.cos(3 * y)
    values = 3.0 + truth + 0.1 * rng.standard_normal(truth.shape)
    values[rng.random(values.shape) < missing] = np.nan
    gp = grid_gp([x, y], values, kernel="se")
    assert 0.09 < gp.noise < 0.11
    mean, std = gp.predict([x[::7], y[::7]], return_std=True)
    inside = np.abs(mean - 3.0 - truth[::7, ::7]) < 2 * std
    assert inside.mean() > 0.8
    assert np.abs(mean - 3.0 - truth[::7, ::7]).max() < 0.1
    assert math.isfinite(gp.log_evidence)


def test_evidence_found_is_above_that_of_other_numbers():
    values = a_field(5, np.random.default_rng(2))
    best = grid_gp(AXES, values, kernel="se")
    found = {"noise": best.noise, "amplitude": best.amplitude, "length_scales": list(best.length_scales)}
    for name in "noise", "amplitude":
        for factor in 0.7, 1.4:
            other = grid_gp(AXES, values, kernel="se", **(found | {name: factor * found[name]}))
            assert other.log_evidence < best.log_evidence + 1e-6


def test_what_is_given_is_kept():
    values = a_field(5, np.random.default_rng(2))
    gp = grid_gp(AXES, values, noise=0.3, length_scales=["auto", 0.8], mean=0.0)
    assert gp.noise == pytest.approx(0.3)
    assert gp.length_scales[1] == 0.8
    assert gp.mean == 0.0
    assert "5 missing" in repr(gp)


def test_a_mixture_extrapolates_its_wave():
    x = np.linspace(0, 3, 40)
    wave = SpectralMixture(1.0, rho=0.01)
    gp = grid_gp([x], np.sin(2 * np.pi * x), kernel=wave, noise=1e-3, mean=0.0)
    np.testing.assert_allclose(gp.predict([[4.25, 5.0]]), [1.0, 0.0], atol=0.05)
    assert gp.length_scales == (None,)
    assert gp.kernels == (wave,)
    both = grid_gp([x, x[:5]], np.sin(2 * np.pi * x)[:, None] * np.ones(5), kernel=[wave, "se"])
    assert both.length_scales[0] is None
    assert both.length_scales[1] > 0


def test_far_from_the_data_is_the_prior():
    gp = grid_gp(AXES, a_field(4, np.random.default_rng(0)), **GIVEN)
    mean, std = gp.predict(np.array([[100.0, 100.0]]), return_std=True)
    assert mean[0] == pytest.approx(0.5)
    assert std[0] == pytest.approx(1.3)


def test_without_a_value_the_prior_is_returned():
    gp = grid_gp(AXES, np.full((7, 5), np.nan), **GIVEN)
    mean, std = gp.predict(return_std=True)
    np.testing.assert_array_equal(mean, 0.5)
    np.testing.assert_allclose(std, 1.3)
    assert gp.log_evidence == 0.0


@pytest.mark.parametrize("solver", SOLVERS)
def test_without_noise_the_values_are_met(solver, monkeypatch):
    solved_by(monkeypatch, solver)
    values = a_field(6, np.random.default_rng(4))
    gp = grid_gp(AXES, values, kernel="matern52", **(GIVEN | {"noise": 0.0}))
    mean, std = gp.predict(return_std=True)
    known = ~np.isnan(values)
    np.testing.assert_allclose(mean[known], values[known], atol=1e-5)
    assert std[known].max() < 1e-2
    assert std[~known].min() > 1e-2


def test_constant_and_single_values_stay_finite():
    for axes, values in [
        ([[0.0]], [2.0]),
        ([[0.0, 1.0, 2.0]], [2.0, 2.0, 2.0]),
        ([[0.0, 1.0, 2.0]], [2.0, np.nan, np.nan]),
        ([[0.0, 1e9, 2e9]], [1e-9, 2e-9, 0.0]),
        ([[0.0, 1.0, 2.0]], [1e200, -1e200, 0.0]),
        ([[0.0, 1.0, 2.0]], [1e-200, -1e-200, 0.0]),
    ]:
        gp = grid_gp(axes, values)
        mean, std = gp.predict(return_std=True)
        assert np.isfinite(mean).all()
        assert np.isfinite(std).all()


def test_too_few_steps_are_said(monkeypatch):
    solved_by(monkeypatch, "Iterative with a poor preconditioner")
    gp = grid_gp(AXES, a_field(6, np.random.default_rng(4)), maxiter=1, **(GIVEN | {"noise": 1e-3}))
    assert not gp.converged
    assert gp.iterations == 1
    assert np.isfinite(gp.predict()).all()


def test_many_points_are_predicted_in_pieces(monkeypatch):
    gp = grid_gp(AXES, a_field(4, np.random.default_rng(0)), **GIVEN)
    points = np.random.default_rng(1).uniform(0, 1, (500, 2))
    whole = gp.predict(points, True)
    monkeypatch.setattr("pysolve._grid_gp_covariance.Places.AT_ONCE", 64)
    for mine, theirs in zip(gp.predict(points, True), whole, strict=True):
        np.testing.assert_allclose(mine, theirs, rtol=1e-10)


def test_result_pickles():
    gp = grid_gp(AXES, a_field(4, np.random.default_rng(0)), **GIVEN)
    again = pickle.loads(pickle.dumps(gp))
    np.testing.assert_array_equal(again.predict(), gp.predict())
    assert again.log_evidence == gp.log_evidence
