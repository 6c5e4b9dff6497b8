"""gp_pde: the paper's cases, every kind of condition, what it says where it cannot know, and its result."""

import numpy as np
import pytest
import scipy.linalg
from hypothesis import given, settings
from hypothesis import strategies as st

import pysolve
from pysolve import GPStatus, Neumann, Robin, gp_pde

X = np.linspace(0, 2 * np.pi, 400)


def wave(x):
    return np.sin(100 * x)


def pull(x):
    return -1e4 * np.sin(100 * x)


def solve_case(case):
    return gp_pde(**case.arguments)


# ---- the paper's cases ---------------------------------------------------------------------------------------
@pytest.mark.parametrize("name", ["P1", "P2", "P3", "P4", "P5", "A1", "A3"])
def test_cases_in_one_dimension(name):
    case = pysolve.gallery.pde_case(name)
    solution = solve_case(case)
    assert solution.converged, solution.message
    assert case.error(solution) < 1e-9


@pytest.mark.parametrize("name", ["P6", "P7", "A2D", "ADV"])
def test_cases_in_two_dimensions(name):
    case = pysolve.gallery.pde_case(name)
    solution = solve_case(case)
    assert solution.converged, solution.message
    assert case.error(solution) < 1e-8


def test_three_dimensions():
    axes = [np.linspace(0, 1, n) for n in (40, 44, 48)]

    def u(x, y, z):
        return np.sin(6 * x) * np.cos(20 * y) * np.sin(10 * z + 0.3)

    sides = [
        (lambda y, z: u(0 * y, y, z), lambda y, z: u(0 * y + 1, y, z)),
        (lambda x, z: u(x, 0 * x, z), lambda x, z: u(x, 0 * x + 1, z)),
        (lambda x, y: u(x, y, 0 * x), lambda x, y: u(x, y, 0 * x + 1)),
    ]
    laplace = {(2, 0, 0): 1.0, (0, 2, 0): 1.0, (0, 0, 2): 1.0}
    solution = gp_pde(laplace, lambda x, y, z: -536 * u(x, y, z), axes, sides)
    assert solution.converged
    assert np.abs(solution.u - u(*np.meshgrid(*axes, indexing="ij"))).max() < 1e-7


# ---- the theorem: a posterior --------------------------------------------------------------------------------
def test_mean_and_std_are_those_of_the_conditional_gaussian():
    """Dense: u | L u = f + noise, with the kernel that the solution itself names."""
    x = np.linspace(0, 1, 25)
    f = -100 * np.sin(10 * x) + np.random.default_rng(0).standard_normal(25)
    solution = gp_pde({2: 1.0}, f, x, (0.0, np.sin(10.0)), noise=1.0, frequencies=[0.0, 1.6])
    part, w = solution._features[0], solution._posterior.fit.weights[: solution._c.size]
    Phi, second = part.matrix(x) * w, part.matrix(x, 2) * w
    A = np.vstack([second, Phi[[0, -1]]])
    noise = np.diag([1.0] * 25 + [1e-20] * 2)
    gram = scipy.linalg.cho_factor(A @ A.T + noise)
    cross = Phi @ A.T
    mean = cross @ scipy.linalg.cho_solve(gram, np.append(f, [0.0, np.sin(10.0)]))
    variance = np.diag(Phi @ Phi.T - cross @ scipy.linalg.cho_solve(gram, cross.T))
    assert np.allclose(solution.u, mean, atol=1e-6 * np.abs(mean).max())
    assert np.allclose(solution.std**2, variance, atol=1e-6 * variance.max())


def test_draws_have_the_mean_and_the_deviation():
    x = np.linspace(0, 1, 60)
    f = -100 * np.sin(10 * x) + np.random.default_rng(0).standard_normal(60)
    solution = gp_pde({2: 1.0}, f, x, (0.0, np.sin(10.0)), noise=1.0)
    draws = solution.sample(4000, rng=1)
    assert draws.shape == (4000, 60)
    inside = slice(5, -5)
    assert np.all(np.abs(draws.mean(axis=0) - solution.u)[inside] < 5 * solution.std[inside] / np.sqrt(4000))
    assert np.allclose(draws.std(axis=0)[inside], solution.std[inside], rtol=0.08)
    assert np.array_equal(draws, solution.sample(4000, rng=1))


@given(scale=st.sampled_from([1e-150, 1e-9, 1e9, 1e150]), stretch=st.sampled_from([1e-6, 1.0, 1e6]))
@settings(max_examples=12, deadline=None)
def test_units_do_not_matter(scale, stretch):
    x = np.linspace(0, 2 * np.pi, 200)
    solution = gp_pde(
        {2: stretch**2}, lambda t: -900 * scale * np.sin(30 * t / stretch), x * stretch, (0.0, 0.0)
    )
    assert np.abs(solution.u - scale * np.sin(30 * x)).max() < 1e-8 * scale
    assert solution.converged


# ---- conditions ----------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    "boundary",
    [
        (0.0, 0.0),
        [(0.0, 0.0)],
        (lambda: 0.0, np.zeros(1)),
        (Neumann(-100.0), 0.0),
        (0.0, Neumann(100.0)),
        (Robin(2.0, 1.0, -100.0), Robin(1.0, -3.0, -300.0)),
    ],
)
def test_conditions_at_the_ends(boundary):
    solution = gp_pde({2: 1.0}, pull, X, boundary)
    assert solution.converged
    assert np.abs(solution.u - wave(X)).max() < 1e-8


def test_periodic():
    solution = gp_pde({2: 1.0, 0: -1.0}, lambda x: 1.0001 * pull(x), X, "periodic")
    assert solution.converged
    assert np.abs(solution.u - wave(X)).max() < 1e-9


@pytest.mark.parametrize("boundary", [(0.0, None), None, "periodic"])
def test_what_the_conditions_leave_open_is_said(boundary):
    """A slope, a slope and a constant, a constant: the mean solves the equation, the deviation is large."""
    solution = gp_pde({2: 1.0}, pull, X, boundary)
    assert solution.status is GPStatus.UNDERDETERMINED
    assert solution.std.max() > 0.3
    assert solution.relative_residual < 1e-6
    assert np.isfinite(solution.u).all()


def test_sides_of_a_plane():
    x, y = np.linspace(0, 1, 40), np.linspace(0, 2, 50)

    def u(x, y):
        return np.sin(9 * x) * np.exp(y / 2)

    solution = gp_pde(
        {(2, 0): 1.0, (0, 2): 1.0},
        lambda x, y: (0.25 - 81) * u(x, y),
        [x, y],
        [
            (0.0, Neumann(lambda y: 9 * np.cos(9.0) * np.exp(y / 2))),
            (Robin(1.0, -2.0, lambda x: 2 * u(x, 0)), u(x, 2.0)),
        ],
    )
    assert solution.converged
    assert np.abs(solution.u - u(x[:, None], y)).max() < 1e-8


def test_contradicting_corners_are_warned_of():
    x = np.linspace(0, 1, 12)
    with pytest.warns(UserWarning, match=r"boundary\[0\]\[0\] and boundary\[1\]\[0\] contradict each other"):
        solution = gp_pde({(2, 0): 1.0, (0, 2): 1.0}, 0.0, [x, x], [(1.0, None), (0.0, None)])
    assert np.isfinite(solution.u).all()


def test_missing_parts_of_f():
    f = pull(X)
    f[100:140] = np.nan
    solution = gp_pde({2: 1.0}, f, X, (0.0, 0.0))
    assert np.abs(solution.u - wave(X)).max() < 1e-4


def test_coefficients_that_vary():
    a = 1 + 0.5 * np.sin(3 * X)
    slope = 1.5 * np.cos(3 * X)
    f = -1600 * a * np.sin(40 * X) + 40 * slope * np.cos(40 * X)
    by_array = gp_pde({2: a, 1: slope}, f, X, (0.0, np.sin(80 * np.pi)))
    by_call = gp_pde(
        {2: lambda x: 1 + 0.5 * np.sin(3 * x), 1: lambda x: 1.5 * np.cos(3 * x)}, f, X, (0.0, 0.0)
    )
    assert np.abs(by_array.u - np.sin(40 * X)).max() < 1e-9
    assert np.allclose(by_array.u, by_call.u, atol=1e-9)


def test_helmholtz_finds_its_wave_without_a_right_side_that_shows_it():
    k, x = 64.3 * np.pi, np.linspace(0, 1, 400)
    solution = gp_pde({2: 1.0, 0: k**2}, 0.0, x, (0.0, 0.3))
    assert solution.converged
    assert np.abs(solution.u - 0.3 * np.sin(k * x) / np.sin(k)).max() < 1e-8


def test_uneven_axes():
    x = np.sort(np.append(np.random.default_rng(0).random(150), [0.0, 1.0]))
    solution = gp_pde({2: 1.0}, lambda x: -1600 * np.sin(40 * x), x, (0.0, np.sin(40.0)))
    assert np.abs(solution.u - np.sin(40 * x)).max() < 1e-6


# ---- kernels and methods -------------------------------------------------------------------------------------
@pytest.mark.parametrize(("kernel", "bound"), [("gm", 1e-9), ("se", 1e-3), ("stm", 1e-3), ("matern52", 0.1)])
def test_kernels(kernel, bound):
    x = np.linspace(0, 1, 120)
    solution = gp_pde({2: 1.0}, lambda x: -900 * np.sin(30 * x), x, (0.0, np.sin(30.0)), kernel=kernel)
    assert np.abs(solution.u - np.sin(30 * x)).max() < bound


def test_a_mixture_is_taken_as_it_is():
    x = np.linspace(0, 1, 120)
    mixture = pysolve.SpectralMixture([0.0, 4.5], rho=3.0)
    solution = gp_pde({2: 1.0}, lambda x: -900 * np.sin(30 * x), x, (0.0, np.sin(30.0)), kernel=mixture)
    assert solution.frequencies == ((0.0, 4.5),)
    assert np.abs(solution.u - np.sin(30 * x)).max() < 1e-8


def test_a_kernel_that_does_not_resolve_the_solution_says_so():
    solution = gp_pde({2: 1.0}, pull, X, (0.0, 0.0), frequencies=[0.0])
    assert solution.status is GPStatus.UNRESOLVED
    with pytest.raises(pysolve.ConvergenceError, match="does not resolve"):
        solution.raise_if_failed()


def test_a_grid_too_coarse_for_the_wave_is_found_out_between_its_points():
    """150 points for 100 periods in each of two directions: on them the equation holds, with the wrong frequency."""
    solution = gp_pde(**pysolve.gallery.pde_case("P6", n=150).arguments)
    assert solution.status is GPStatus.UNRESOLVED
    assert solution.relative_residual < 1e-8 < 1e-2 < solution.held_out_residual
    assert "between its points" in solution.message


def test_the_residual_between_the_points_needs_functions():
    assert gp_pde({2: 1.0}, pull, X, (0.0, 0.0)).held_out_residual < 1e-9
    assert gp_pde({2: 1.0}, pull(X), X, (0.0, 0.0)).held_out_residual is None
    assert gp_pde({2: 1.0}, lambda x: pull(X), X, (0.0, 0.0)).held_out_residual is None


def test_refined_frequencies():
    solution = gp_pde({2: 1.0}, pull, X, (0.0, 0.0), refine=True)
    assert abs(solution.frequencies[0][1] - 100 / (2 * np.pi)) < 1e-6


def test_the_papers_objective_has_the_papers_values():
    """The reference's loss at the start, and after ten steps of Adam."""
    options = {"Q": 30, "freq_scale": 20.0, "lambda_b": 200.0, "optimiser": "adam", "maxiter": 10}
    solution = gp_pde({2: 1.0}, pull, X, (0.0, 0.0), kernel="stm", method="joint", options=options)
    assert solution.losses[0] == pytest.approx(9.975e9, rel=1e-4)
    assert solution.losses[-1] == pytest.approx(6.97141e9, rel=1e-5)
    assert solution.status is GPStatus.MAXITER
    with pytest.raises(ValueError, match="joint"):
        _ = solution.std
