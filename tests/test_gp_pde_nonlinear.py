"""Gauss-Newton for equations with a nonlinear term, and what happens where the term cannot be computed."""

from __future__ import annotations

import warnings

import numpy as np
import pytest

import pysolve
from pysolve import GPStatus
from pysolve._gp_pde_arguments import parse
from pysolve._gp_pde_features import OscillatoryFeatures
from pysolve._gp_pde_newton import solve
from pysolve._gp_pde_posterior import DensePosterior
from pysolve._gp_pde_system import DenseSystem

X = np.linspace(0, 1, 100)
CUBIC = (lambda u: u * (u**2 - 1), lambda u: 3 * u**2 - 1)


@pytest.fixture(autouse=True)
def _no_warning():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        yield


def sixth(x):
    return np.sin(6 * x) * np.cos(100 * x)


def sixth_twice(x):
    return -(36 + 1e4) * sixth(x) - 1200 * np.cos(6 * x) * np.sin(100 * x)


ALLEN_CAHN = {
    "A1": (lambda x: np.sin(100 * x), lambda x: -1e4 * np.sin(100 * x)),
    "A3": (sixth, sixth_twice),
}


@pytest.mark.parametrize("case", ALLEN_CAHN)
def test_allen_cahn(case):
    u, second = ALLEN_CAHN[case]
    x = np.linspace(0, 2 * np.pi, 400)
    s = pysolve.gp_pde({2: 1.0}, second(x) + CUBIC[0](u(x)), x, (u(0.0), u(x[-1])), nonlinear=CUBIC)
    assert s.status is GPStatus.SOLVED
    assert s.iterations <= 10
    wrong = np.abs(s.u - u(x))
    assert wrong.max() < 1e-9
    assert np.mean(wrong <= 2 * s.std) > 0.9


def test_noise_beside_a_nonlinear_term_is_filtered():
    x = np.linspace(0, 2 * np.pi, 400)
    u, second = ALLEN_CAHN["A1"]
    f = second(x) + CUBIC[0](u(x)) + 100.0 * np.random.default_rng(0).standard_normal(400)
    s = pysolve.gp_pde({2: 1.0}, f, x, (0.0, u(x[-1])), nonlinear=CUBIC, noise=100.0)
    assert s.status is GPStatus.SOLVED
    assert np.linalg.norm(s.u - u(x)) < 0.02 * np.linalg.norm(u(x))
    assert np.mean(np.abs(s.u - u(x)) <= 2 * s.std) > 0.85


def kink(x, t):
    return 4 * np.arctan(np.exp((x - 0.5 * t) / np.sqrt(0.75)))


def kink_problem(n):
    """u_tt - u_xx + sin u = 0: two conditions where time begins, none where it ends."""
    axes = [np.linspace(-2, 2, n), np.linspace(0, 1, n)]
    backwards = pysolve.Neumann(lambda x: 1 / np.sqrt(0.75) / np.cosh(x / np.sqrt(0.75)))
    boundary = [(lambda t: kink(-2, t), lambda t: kink(2, t)), ([lambda x: kink(x, 0.0), backwards], None)]
    return {(0, 2): 1.0, (2, 0): -1.0}, 0.0, axes, boundary


def test_a_kink_of_sine_gordon_from_its_value_and_velocity():
    operator, f, axes, boundary = kink_problem(24)
    s = pysolve.gp_pde(operator, f, axes, boundary, nonlinear=(np.sin, np.cos))
    exact = kink(*np.meshgrid(*axes, indexing="ij"))
    assert s.status is GPStatus.SOLVED
    assert np.linalg.norm(s.u - exact) < 1e-5 * np.linalg.norm(exact)


def test_a_kink_by_rows_written_out_has_an_honest_deviation():
    operator, f, axes, boundary = kink_problem(16)
    problem = parse(operator, f, axes, boundary, 0.0, None, (np.sin, np.cos))
    ends = ((-2.0, 2.0), (0.0, 1.0))
    features = [OscillatoryFeatures(*pair, (0.0,), (4 / (pair[1] - pair[0]),), trend=True) for pair in ends]
    system = DenseSystem(problem, features)
    solved = solve(system)
    wrong = np.abs(system.values(solved.c) - kink(*np.meshgrid(*axes, indexing="ij")))
    posterior = DensePosterior(solved.posterior, tuple(part.size for part in features))
    sd = np.sqrt(posterior.variance_grid([part.matrix(x) for part, x in zip(features, axes, strict=True)]))
    assert wrong.max() < 1e-3
    assert np.mean(wrong <= 2 * sd) > 0.9
    assert solved.iterations <= 20


def test_a_linear_term_given_as_a_nonlinear_one():
    f = (9 - 900) * np.sin(30 * X)
    ends = (0.0, np.sin(30.0))
    straight = pysolve.gp_pde({2: 1.0, 0: 9.0}, f, X, ends)
    around = pysolve.gp_pde({2: 1.0}, f, X, ends, nonlinear=(lambda u: 9 * u, lambda u: 9.0))
    np.testing.assert_allclose(around.u, straight.u, atol=1e-9)
    assert around.status is straight.status is GPStatus.SOLVED


def test_a_missing_value_beside_a_nonlinear_term_is_said():
    s = pysolve.gp_pde(
        {2: 1.0}, -900 * np.sin(30 * X), X, (0.0, None), nonlinear=(lambda u: u**3, lambda u: 3 * u**2)
    )
    assert s.status in (
        GPStatus.UNDERDETERMINED,
        GPStatus.MAXITER,
        GPStatus.STAGNATED,
    )  # the search may wander along what is open, and rounding decides where it ends
    assert s.std[-1] > 0.01


# ---- terms that cannot be computed -----------------------------------------------------------------------------------
BAD = {
    "nan at the start": (lambda u: u * np.nan, lambda u: 0 * u),
    "nan slope": (lambda u: u**3, lambda u: u * np.nan),
    "infinite slope": (np.sqrt, lambda u: 0.5 / np.sqrt(u)),
    "no solution": (lambda u: 20 * np.exp(u), lambda u: 20 * np.exp(u)),
    "overflow": (lambda u: np.exp(1e4 * u**2), lambda u: 2e4 * u * np.exp(1e4 * u**2)),
}


@pytest.mark.parametrize("case", BAD)
def test_a_term_that_breaks_down_gives_the_last_finite_iterate(case):
    s = pysolve.gp_pde({2: 1.0}, 100 * np.sin(20 * X), X, (0.0, 1.0), nonlinear=BAD[case])
    assert s.status in (GPStatus.BREAKDOWN, GPStatus.STAGNATED, GPStatus.MAXITER, GPStatus.UNRESOLVED)
    assert np.isfinite(s.u).all()
    assert np.isfinite(s.std).all()
    assert not np.isnan(s.residual_norm)
    assert not s.converged


def test_a_term_that_is_not_finite_at_the_start_leaves_what_the_sides_say():
    s = pysolve.gp_pde({2: 1.0}, 100 * np.sin(20 * X), X, (0.0, 0.0), nonlinear=BAD["nan at the start"])
    assert s.status is GPStatus.BREAKDOWN
    assert s.residual_norm == np.inf
    assert s.std.max() > 0.01


def test_a_wrong_slope_is_never_called_solved_with_a_large_residual():
    wrong = (lambda u: u**3, lambda u: 0 * u - 50)
    s = pysolve.gp_pde({2: 1.0}, 100 * np.sin(20 * X), X, (0.0, 0.0), nonlinear=wrong)
    assert s.status is not GPStatus.SOLVED or s.relative_residual < 1e-6


@pytest.mark.parametrize(
    ("nonlinear", "error", "text"),
    [
        ((lambda u: u, lambda u: np.zeros(3)), ValueError, "dN must return"),
        ((lambda u: np.zeros((2, 2)), lambda u: u), ValueError, "N must return"),
        ((lambda u: 1j * u, lambda u: u), TypeError, "real numbers"),
        ((lambda u: u, lambda u: "one"), TypeError, "dN must return real"),
        ((lambda u: u, 3.0), TypeError, "nonlinear"),
    ],
)
def test_a_function_that_returns_something_else_is_refused(nonlinear, error, text):
    with pytest.raises(error, match=text):
        pysolve.gp_pde({2: 1.0}, np.sin(20 * X), X, (0.0, 0.0), nonlinear=nonlinear)


def test_a_function_may_write_on_its_argument():
    plain = (lambda u: u**2, lambda u: 2 * u)
    writing = (lambda u: np.multiply(u, u, out=u), lambda u: np.multiply(2, u, out=u))
    f = 100 * np.sin(20 * X)
    one, other = (pysolve.gp_pde({2: 1.0}, f, X, (0.0, 0.0), nonlinear=pair) for pair in (plain, writing))
    np.testing.assert_array_equal(one.u, other.u)


def test_what_a_function_raises_comes_through():
    def stop(u):
        raise StopIteration("enough")

    with pytest.raises(StopIteration, match="enough"):
        pysolve.gp_pde({2: 1.0}, np.sin(20 * X), X, (0.0, 0.0), nonlinear=(stop, lambda u: u))
