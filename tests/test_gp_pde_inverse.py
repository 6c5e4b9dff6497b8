"""Unknown numbers from measurements, and the dense solve beside Gaussian conditioning written out."""

from __future__ import annotations

import numpy as np
import pytest

import pysolve
from pysolve import GPStatus, Unknown
from pysolve._gp_pde_arguments import parse
from pysolve._gp_pde_evidence import fit
from pysolve._gp_pde_features import OscillatoryFeatures
from pysolve._gp_pde_system import DenseSystem

X = np.linspace(0, 1, 80)


def measured(u, seed, n, sd, d=1):
    rng = np.random.default_rng(seed)
    points = rng.uniform(0, 1, (n, d))
    return points, u(*points.T) + sd * rng.standard_normal(n), sd


def deviations(s, **true):
    """(estimate - truth) / standard deviation."""
    return np.array(
        [(s.coefficients[name][0] - value) / s.coefficients[name][1] for name, value in true.items()]
    )


# ---- unknown coefficients --------------------------------------------------------------------------------------------
def conductor(seed, sd=0.005, start=1.0, height=1.0, unit=1.0):
    def u(x):
        return np.sin(9 * x) + 0.3 * x

    points, values, sd = measured(u, seed, 40, sd)
    f = -0.37 * 81 * np.sin(9 * X) * height / unit**2
    operator = {2: Unknown("kappa", start)}
    data = (points * unit, values * height, sd * height)
    s = pysolve.gp_pde(operator, f, X * unit, (0.0, u(1.0) * height), data=data)
    return s, u(X) * height


def test_a_coefficient_from_forty_sensors_is_calibrated():
    found = [conductor(seed) for seed in range(10)]
    assert all(s.status is GPStatus.SOLVED for s, _ in found)
    z = np.array([deviations(s, kappa=0.37)[0] for s, _ in found])
    assert np.sqrt(np.mean(z**2)) < 2
    assert np.mean([np.mean(np.abs(s.u - u) <= 2 * s.std) for s, u in found]) > 0.9
    assert all(s.coefficients["kappa"][1] < 0.001 and s.iterations <= 20 for s, _ in found)


@pytest.mark.parametrize("start", [-3.0, 0.0, 1e3])
def test_the_start_of_a_coefficient_does_not_matter(start):
    s, _ = conductor(3, start=start)
    assert s.status is GPStatus.SOLVED
    assert s.coefficients["kappa"][0] == pytest.approx(conductor(3)[0].coefficients["kappa"][0], abs=1e-4)


@pytest.mark.parametrize(("height", "unit"), [(1e-12, 1.0), (1e12, 1.0), (1.0, 1e6), (1.0, 1e-6)])
def test_units_do_not_matter_to_a_coefficient(height, unit):
    s, _ = conductor(2, height=height, unit=unit)
    assert s.status is GPStatus.SOLVED
    assert abs(s.coefficients["kappa"][0] - 0.37) < 0.0015


def test_exact_measurements_give_the_coefficient_to_rounding():
    s, u = conductor(0, sd=0.0)
    assert s.coefficients["kappa"][0] == pytest.approx(0.37, abs=1e-11)
    np.testing.assert_allclose(s.u, u, atol=1e-10)


def test_a_coefficient_of_two_named_shapes():
    """-(a u')' = f with a = a_0 + a_1 sin(pi x)^2, as in Darcy flow."""

    def u(x):
        return np.sin(3 * x) + 0.2 * np.sin(12 * x)

    bump, slope = np.sin(np.pi * X) ** 2, np.pi * np.sin(2 * np.pi * X)
    first, second = 3 * np.cos(3 * X) + 2.4 * np.cos(12 * X), -9 * np.sin(3 * X) - 28.8 * np.sin(12 * X)
    f = -(1.3 + 0.8 * bump) * second - 0.8 * slope * first
    operator = {
        2: [Unknown("base", shape=-1.0), Unknown("bump", shape=-bump)],
        1: [Unknown("bump", shape=-slope)],
    }
    z = []
    for seed in range(6):
        s = pysolve.gp_pde(operator, f, X, (u(0.0), u(1.0)), data=measured(u, seed, 50, 0.002))
        assert s.status is GPStatus.SOLVED
        assert s.coefficients["bump"][0] == pytest.approx(0.8, abs=0.05)
        z.append(deviations(s, base=1.3, bump=0.8))
    assert np.sqrt(np.mean(np.square(z))) < 2
    covariance = s.coefficient_covariance
    np.testing.assert_allclose(np.sqrt(np.diag(covariance)), [s.coefficients[k][1] for k in s.coefficients])


def test_damping_and_stiffness_of_an_oscillation_without_boundary_values():
    z = []
    for seed in range(6):
        data = measured(lambda x: np.exp(-0.8 * x) * np.cos(20 * x), seed, 60, 0.01)
        s = pysolve.gp_pde({2: 1.0, 1: "damping", 0: "stiffness"}, 0.0, X, None, data=data)
        assert s.status is GPStatus.SOLVED
        assert s.coefficients["stiffness"][0] == pytest.approx(400.64, rel=0.01)
        z.append(deviations(s, damping=1.6, stiffness=400.64))
    assert np.sqrt(np.mean(np.square(z))) < 2.5


def test_a_coefficient_beside_a_nonlinear_term():
    def u(x):
        return np.sin(6 * x)

    f = -0.4 * 36 * u(X) - 5 * u(X) ** 3
    nonlinear = (lambda v: -5 * v**3, lambda v: -15 * v**2)
    s = pysolve.gp_pde({2: "kappa"}, f, X, (0.0, u(1.0)), nonlinear=nonlinear, data=measured(u, 0, 40, 0.01))
    assert s.status is GPStatus.SOLVED
    assert abs(deviations(s, kappa=0.4)[0]) < 3
    np.testing.assert_allclose(s.u, u(X), atol=0.01)


# ---- the heat equation -----------------------------------------------------------------------------------------------
T = np.linspace(0, 1, 16)


def test_diffusivity_from_fifty_noisy_sensors():
    def u(x, t):
        waves = np.sin(np.pi * x), 0.5 * np.sin(2 * np.pi * x)
        return sum(np.exp(-0.1 * ((j + 1) * np.pi) ** 2 * t) * wave for j, wave in enumerate(waves))

    fine = np.linspace(0, 1, 30)
    data = measured(u, 1, 50, 0.01, d=2)
    s = pysolve.gp_pde({(0, 1): 1.0, (2, 0): "minus_k"}, 0.0, [fine, fine], [(0.0, 0.0), None], data=data)
    assert s.status is GPStatus.SOLVED
    assert s.iterations <= 15
    assert abs(deviations(s, minus_k=-0.1)[0]) < 3
    assert s.coefficients["minus_k"][1] < 0.003
    assert np.mean(np.abs(s.u - u(*np.meshgrid(fine, fine, indexing="ij"))) <= 2 * s.std) > 0.85


def source_problem(seed, f):
    def u(x, t):
        return 2 * t * np.sin(np.pi * x) + 0.5 * t**2 * np.sin(2 * np.pi * x)

    conditions = [(0.0, 0.0), (0.0, None)]
    s = pysolve.gp_pde(
        {(0, 1): 1.0, (2, 0): -0.1}, f, [T, T], conditions, data=measured(u, seed, 50, 0.01, d=2)
    )
    return s, u(*np.meshgrid(T, T, indexing="ij"))


def heating(x, t):
    return np.sin(np.pi * x) * (1 + 0.1 * np.pi**2 * t)


def other_heating(x, t):
    return np.sin(2 * np.pi * x) * (t + 0.2 * np.pi**2 * t**2)


def test_amplitudes_of_sources_from_fifty_noisy_sensors():
    z = []
    for seed in range(2):
        s, u = source_problem(seed, [Unknown("q", shape=heating), Unknown("p", shape=other_heating)])
        assert s.status is GPStatus.SOLVED
        z.append(deviations(s, q=2.0, p=1.0))
        assert np.mean(np.abs(s.u - u) <= 2 * s.std) > 0.85
    assert np.sqrt(np.mean(np.square(z))) < 2
    s, _ = source_problem(2, [other_heating, "q"])
    assert set(s.coefficients) == {"q"}


def test_a_source_that_is_unknown_in_a_region():
    """What acted where f was not known is the operator on the posterior."""
    x, t = np.meshgrid(T, T, indexing="ij")
    f = 2 * heating(x, t) + other_heating(x, t)
    hidden = (x > 0.3) & (x < 0.6)
    s, u = source_problem(0, np.where(hidden, np.nan, f))
    np.testing.assert_allclose(s.u, u, atol=0.05)
    recovered = s.predict([T, T], deriv=(0, 1)) - 0.1 * s.predict([T, T], deriv=(2, 0))
    np.testing.assert_allclose(recovered[~hidden], f[~hidden], atol=1e-6)
    assert np.linalg.norm((recovered - f)[hidden]) < 0.2 * np.linalg.norm(f[hidden])
    assert np.mean(np.abs(s.u - u) <= 2 * s.std + 1e-10) > 0.85


# ---- Gaussian conditioning written out -------------------------------------------------------------------------------
@pytest.fixture
def conditioned():
    """A small system, and mean, covariance and evidence by the textbook's formulas."""
    x = np.linspace(0, 1, 25)
    values = np.sin(6 * x)
    data = (np.array([0.2, 0.7]), np.sin(6 * np.array([0.2, 0.7])), np.array([0.02, 0.05]))
    noise = np.linspace(0.1, 0.3, 25)
    problem = parse({2: 1.0, 0: x}, (x - 36) * values, x, (0.0, None), noise, data, None)
    system = DenseSystem(problem, (OscillatoryFeatures(0.0, 1.0, (0.0, 1.0), (2.0, 2.0)),))
    weights = np.full(system.size, 2.0)
    found = fit([system.equations(np.zeros(system.size), system.starts, 1.0), *system.conditions], weights)
    features = system.rows.features[0]
    A = features.matrix(x, 2) + x[:, None] * features.matrix(x)
    rows = np.vstack([A, features.matrix(x[:1]), features.matrix(data[0])])
    r = np.concatenate([(x - 36) * values, [0.0], data[1]])
    sds = np.concatenate([noise, [system.conditions[0].sd], data[2]])
    K = 4 * rows @ rows.T + np.diag(sds**2)
    return system, found, features, rows, r, K


def test_mean_and_variance_are_those_of_conditioning(conditioned):
    _, found, features, rows, r, K = conditioned
    where = features.matrix(np.linspace(0.05, 1, 11))
    across = 4 * where @ rows.T
    np.testing.assert_allclose(where @ found.c, across @ np.linalg.solve(K, r), atol=1e-8)
    covariance = 4 * where @ where.T - across @ np.linalg.solve(K, across.T)
    np.testing.assert_allclose(found.variance(where), np.diag(covariance), rtol=1e-5, atol=1e-10)
    draws = found.sample(4000, np.random.default_rng(0)) @ where.T
    np.testing.assert_allclose(draws.mean(axis=0), where @ found.c, atol=5 * np.sqrt(covariance.max() / 4000))
    np.testing.assert_allclose(np.cov(draws.T), covariance, atol=0.1 * covariance.max())


def test_the_evidence_is_the_density_of_all_data(conditioned):
    _, found, _, _, r, K = conditioned
    expected = -0.5 * (r @ np.linalg.solve(K, r) + np.linalg.slogdet(K)[1] + len(r) * np.log(2 * np.pi))
    assert found.log_evidence == pytest.approx(expected, rel=1e-6)


def test_draws_of_a_solution_have_its_mean_and_deviation():
    s, _ = conductor(0)
    draws = s.sample(3000, rng=0)
    np.testing.assert_allclose(draws.mean(axis=0), s.u, atol=6 * s.std.max() / np.sqrt(3000))
    np.testing.assert_allclose(draws.std(axis=0), s.std, rtol=0.15, atol=1e-9)


def test_the_residual_is_recomputed_from_the_solution():
    s, _ = conductor(0)
    left = s.coefficients["kappa"][0] * s.predict(X, deriv=2) + 0.37 * 81 * np.sin(9 * X)
    assert s.residual_norm == pytest.approx(np.linalg.norm(left), abs=1e-10)
