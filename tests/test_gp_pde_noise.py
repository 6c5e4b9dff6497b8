"""Noisy, sparse, open and badly scaled equations: the error, and whether the standard deviation is honest."""

from __future__ import annotations

import numpy as np
import pytest

import pysolve
from pysolve import GPStatus

LENGTH = 2 * np.pi
FREQUENT = 100.0  # radians: a hundred periods on the axis


def u(x):
    return np.sin(FREQUENT * x)


def f(x):
    return -(FREQUENT**2) * np.sin(FREQUENT * x)


def noisy(seed, sd, n=400):
    x = np.linspace(0, LENGTH, n)
    return x, f(x) + sd * np.random.default_rng(seed).standard_normal(n)


def error(s, x):
    return np.linalg.norm(s.predict(x) - u(x)) / np.linalg.norm(u(x))


def test_one_per_cent_noise_is_filtered_and_the_deviation_calibrated():
    errors, inside = [], []
    for seed in range(8):
        x, values = noisy(seed, 100.0)
        s = pysolve.gp_pde({2: 1.0}, values, x, (u(0.0), u(LENGTH)), noise=100.0)
        assert s.status is GPStatus.SOLVED
        errors.append(error(s, x))
        inside.append(np.mean(np.abs(s.u - u(x)) <= 2 * s.std))
    assert np.median(errors) <= 0.01
    assert 0.9 <= np.mean(inside) <= 0.995


def test_noise_that_differs_from_point_to_point():
    inside = []
    for seed in range(6):
        sd = 100.0 * np.linspace(0.2, 3.0, 400)
        x, values = noisy(seed, sd)
        s = pysolve.gp_pde({2: 1.0}, values, x, (u(0.0), u(LENGTH)), noise=sd)
        assert s.status is GPStatus.SOLVED
        assert error(s, x) < 0.02
        inside.append(np.mean(np.abs(s.u - u(x)) <= 2 * s.std))
    assert np.mean(inside) >= 0.9


def test_noise_that_was_not_told_is_seen_and_estimated():
    inside = []
    for seed in range(6):
        x, values = noisy(seed, 100.0)
        s = pysolve.gp_pde({2: 1.0}, values, x, (u(0.0), u(LENGTH)))
        assert s.status is GPStatus.UNRESOLVED
        assert error(s, x) < 0.02
        inside.append(np.mean(np.abs(s.u - u(x)) <= 2 * s.std))
    assert np.mean(inside) >= 0.85


def test_sixty_scattered_points_for_a_hundred_periods():
    errors, inside = [], []
    for seed in range(6):
        x = np.sort(np.random.default_rng(seed).uniform(0, LENGTH, 60))
        x[[0, -1]] = 0, LENGTH
        s = pysolve.gp_pde({2: 1.0}, f(x), x, (u(0.0), u(LENGTH)))
        assert s.status is GPStatus.SOLVED
        t = np.linspace(0, LENGTH, 300)
        mean, sd = s.predict(t, return_std=True)
        errors.append(np.linalg.norm(mean - u(t)) / np.linalg.norm(u(t)))
        inside.append(np.mean(np.abs(mean - u(t)) <= 2 * sd))
    assert np.median(errors) <= 1e-6
    assert np.mean(inside) >= 0.9


def test_exact_equations_leave_a_deviation_that_covers_the_error():
    x = np.linspace(0, LENGTH, 400)
    s = pysolve.gp_pde({2: 1.0}, f(x), x, (u(0.0), u(LENGTH)))
    wrong = np.abs(s.u - u(x))
    assert wrong.max() < 1e-10
    assert np.mean(wrong <= 2 * s.std) > 0.95
    assert s.std.max() < 1e-8


@pytest.mark.parametrize("scale", [1e-12, 1e12, 1e-100])
@pytest.mark.parametrize("sd", [0.0, 100.0])
def test_multiplying_all_values_multiplies_the_solution(scale, sd):
    x, values = noisy(0, sd)
    one = pysolve.gp_pde({2: 1.0}, values, x, (u(0.0), u(LENGTH)), noise=sd)
    other = pysolve.gp_pde({2: 1.0}, scale * values, x, (scale * u(0.0), scale * u(LENGTH)), noise=scale * sd)
    assert other.status is one.status
    np.testing.assert_allclose(other.u / scale, one.u, atol=1e-10 if sd == 0 else 1e-4)
    np.testing.assert_allclose(other.std / scale, one.std, rtol=0.01, atol=1e-12)


@pytest.mark.parametrize("unit", [1e-6, 1e6])
def test_the_unit_of_x_does_not_matter(unit):
    x, values = noisy(0, 0.0)
    s = pysolve.gp_pde({2: 1.0}, values / unit**2, unit * x, (u(0.0), u(LENGTH)))
    assert s.status is GPStatus.SOLVED
    np.testing.assert_allclose(s.u, u(x), atol=1e-9)


def test_all_zero_is_solved_by_zero():
    x = np.linspace(0, 1, 50)
    s = pysolve.gp_pde({2: 1.0}, 0.0, x, (0.0, 0.0))
    assert s.status is GPStatus.SOLVED
    assert np.all(s.u == 0)
    assert s.residual_norm == 0
    assert np.all(s.std < 1e-10)


# ---- what the equations leave open ---------------------------------------------------------------------------------
X = np.linspace(0, 1, 100)
WAVE = 10 * np.pi
OPEN = {
    "a constant on a circle": ({2: 1.0}, -(WAVE**2) * np.sin(WAVE * X), "periodic"),
    "a constant on a circle, no f": ({2: 1.0}, 0.0, "periodic"),
    "a constant between fluxes": (
        {2: 1.0}, -(WAVE**2) * np.cos(WAVE * X), (pysolve.Neumann(0.0), pysolve.Neumann(0.0))),
    "a slope": ({2: 1.0}, -(WAVE**2) * np.sin(WAVE * X), (0.0, None)),
    "a slope and a constant": ({2: 1.0}, -(WAVE**2) * np.sin(WAVE * X), None),
    "a wave": ({2: 1.0, 0: 900.0}, 0.0, (1.0, None)),
    "an exponential": ({1: 1.0, 0: 3.0}, np.sin(WAVE * X), None),
}  # fmt: skip
CLOSED = {
    "a circle with a constant term": ({2: 1.0, 0: 1.0}, (1 - WAVE**2) * np.sin(WAVE * X), "periodic"),
    "both ends": ({2: 1.0}, -(WAVE**2) * np.sin(WAVE * X), (0.0, 0.0)),
    "value and slope at one end": (
        {2: 1.0}, -(WAVE**2) * np.sin(WAVE * X), ([0.0, pysolve.Neumann(-WAVE)], None)),
    "first order": ({1: 1.0}, WAVE * np.cos(WAVE * X), (0.0, None)),
}  # fmt: skip


@pytest.mark.parametrize("case", OPEN)
def test_what_is_open_is_said_and_has_a_large_deviation(case):
    operator, right, boundary = OPEN[case]
    s = pysolve.gp_pde(operator, right, X, boundary)
    assert s.status is GPStatus.UNDERDETERMINED
    assert s.std.max() > 0.1
    assert s.relative_residual < 1e-9


@pytest.mark.parametrize("case", CLOSED)
def test_what_is_closed_is_solved(case):
    operator, right, boundary = CLOSED[case]
    s = pysolve.gp_pde(operator, right, X, boundary)
    assert s.status is GPStatus.SOLVED
    np.testing.assert_allclose(
        s.u, np.sin(WAVE * X), atol=1e-8
    )  # from one end, rounding grows towards the other
    assert s.std.max() < 1e-7


def test_a_measurement_closes_what_was_open():
    data = (np.array([0.25, 0.75]), np.sin(WAVE * np.array([0.25, 0.75])), 0.0)
    s = pysolve.gp_pde({2: 1.0}, -(WAVE**2) * np.sin(WAVE * X), X, None, data=data)
    assert s.status is GPStatus.SOLVED
    np.testing.assert_allclose(s.u, np.sin(WAVE * X), atol=1e-9)
