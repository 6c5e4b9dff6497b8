"""PDEs solved on a grid of oscillating features: the fast method, Gauss-Newton, the accuracy, and what goes wrong."""

import math

import numpy as np
import pytest

from pysolve._gp_pde_grid import solve_grid
from pysolve._gp_pde_grid_basis import GridAxis
from pysolve._gp_pde_grid_newton import Nonlinear, solve_grid_nonlinear
from pysolve._gp_pde_grid_problem import GridProblem
from pysolve._gp_pde_grid_result import GridStatus

LENGTH = 2.0


def waves(frequencies, x, order, count=18):
    """Features sqrt(2^k / k!) t^k exp(-t^2) of exp(-(t - t')^2), t in [-1, 1], times 1, cos(w x), sin(w x)."""
    t = np.polynomial.Polynomial([-1.0, 2 / LENGTH])
    envelopes = []
    for k in range(count):
        p, scale = t**k, math.sqrt(2.0**k / math.factorial(k))
        steps = []
        for _ in range(order + 1):
            steps.append(scale * p(x) * np.exp(-(t(x) ** 2)))
            p = p.deriv() - p * (t * t).deriv()  # d/dx of p exp(-t^2)
        envelopes.append(steps)
    columns = []
    for w in frequencies:
        for phase in (0.0,) if w == 0 else (0.0, -np.pi / 2):
            for steps in envelopes:
                column = sum(
                    math.comb(order, j) * w**j * np.cos(w * x + phase + j * np.pi / 2) * steps[order - j]
                    for j in range(order + 1)
                )
                columns.append(column)
    return np.array(columns).T


class Case:
    """sum of terms (+ N) = f on [0, 2]^d for a known u, with the first conditions of each axis."""

    def __init__(self, frequencies, N, terms, u, f, faces, sd=1e-12, noise=0.0, count=18):
        d = len(frequencies)
        self.x, self.u, self.frequencies, self.count = np.linspace(0, LENGTH, N), u, frequencies, count
        self.axes = []
        for part in frequencies:
            ends = np.array([0.0, LENGTH])
            at = {k: waves(part, ends, k, count) for k in range(3)}
            self.axes.append(
                GridAxis(
                    {k: waves(part, self.x, k, count) for k in range(3)},
                    {k: F[0] for k, F in at.items()},
                    {k: F[1] for k, F in at.items()},
                )
            )
        self.problem = GridProblem(self.axes)
        X = np.meshgrid(*[self.x] * d, indexing="ij")
        values = f(*X)
        scale = np.abs(values).max() or 1.0
        if noise:
            values = values + noise * scale * np.random.default_rng(0).standard_normal(values.shape)
        made = {orders: a(*X) if callable(a) else a for orders, a in terms.items()}
        self.problem.equation(made, values, max(sd, noise) * scale)
        for axis, high in faces:
            Y = np.meshgrid(*[self.x if j != axis else [LENGTH * high] for j in range(d)], indexing="ij")
            self.problem.face(axis, bool(high), u(*Y).reshape((N,) * (d - 1)), 100 * sd)

    def rows(self, t):
        return [waves(part, t, 0, self.count) for part in self.frequencies]

    def error(self, found, n=37):
        t = np.linspace(0, LENGTH, n)
        exact = self.u(*np.meshgrid(*[t] * len(self.axes), indexing="ij"))
        value = found.evaluate(self.rows(t))
        return np.linalg.norm(value - exact) / np.linalg.norm(exact)


BOX = [(0, 0), (0, 1), (1, 0), (1, 1)]
LAPLACE = {(2, 0): 1.0, (0, 2): 1.0}


def poisson(**kwargs):
    return Case(
        [(0, 30.1), (0, 29.8)], 100, LAPLACE,
        lambda x, y: np.sin(30 * x) * np.cos(30 * y) + x * y,
        lambda x, y: -1800 * np.sin(30 * x) * np.cos(30 * y),
        BOX, **kwargs,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("method", "count", "most"), [("cholesky", 16, 1e-10), ("qr", 11, 1e-4), ("fast", 18, 1e-10)]
)
def test_high_frequencies_to_ten_digits(method, count, most):
    case = poisson(count=count)
    found = solve_grid(case.problem, method=method)
    assert found.status is GridStatus.CONVERGED
    assert case.error(found) < most
    assert max(found.residual_norms[1:]) < (10 if most <= 1e-10 else 1e7)


def test_three_dimensions_go_the_fast_way():
    case = Case(
        [(0, 6.02), (0, 9.97), (0, 3.01)], 40, {(2, 0, 0): 1.0, (0, 2, 0): 1.0, (0, 0, 2): 1.0, (0, 0, 0): 2.0},
        lambda x, y, z: np.sin(6 * x) * np.cos(10 * y) * np.sin(3 * z) + x * z,
        lambda x, y, z: -143 * np.sin(6 * x) * np.cos(10 * y) * np.sin(3 * z) + 2 * x * z,
        [(j, end) for j in range(3) for end in range(2)],
    )  # fmt: skip
    found = solve_grid(case.problem)
    assert found.method == "fast"
    assert case.error(found, 11) < 1e-8
    assert not found.posterior.exact
    found.posterior.count = 2
    sd = np.sqrt(found.posterior.variance(case.rows(case.x[::8])))
    assert sd.max() < 1e-6
    assert found.log_evidence is None


def test_variable_coefficients_go_the_fast_way_with_gmres():
    case = Case(
        [(0, 12.0), (0, 7.0)], 90,
        {(2, 0): lambda x, y: 2 + np.sin(x * y), (0, 2): lambda x, y: 2 + np.cos(x), (1, 1): lambda x, y: 0.3 * y},
        lambda x, y: np.sin(12 * x) * np.cos(7 * y),
        lambda x, y: (-144 * (2 + np.sin(x * y)) - 49 * (2 + np.cos(x))) * np.sin(12 * x) * np.cos(7 * y)
        - 0.3 * y * 84 * np.cos(12 * x) * np.sin(7 * y),
        BOX,
    )  # fmt: skip
    fast, direct = (solve_grid(case.problem, method=method) for method in ("fast", "direct"))
    assert fast.status is direct.status is GridStatus.CONVERGED
    assert fast.iterations > 5
    assert case.error(fast) < 1e-9
    assert case.error(direct) < 1e-9


def test_time_as_an_axis_with_the_first_values_alone():
    case = Case(
        [(0, 3.0), (0, 5.0)], 60, {(1, 0): 1.0, (0, 2): -0.1},
        lambda t, x: np.exp(-2.5 * t) * np.sin(5 * x),
        lambda t, x: 0 * t,
        [(0, 0), (1, 0), (1, 1)], sd=1e-11,
    )  # fmt: skip
    for method in ("direct", "fast"):
        found = solve_grid(case.problem, method=method)
        assert found.status is GridStatus.CONVERGED
        assert case.error(found) < 1e-7


def test_noise_is_kept_out_and_the_band_holds_the_truth():
    case = poisson(noise=0.05, count=10)
    found = solve_grid(case.problem)
    t = np.linspace(0, LENGTH, 41)
    rows = case.rows(t)
    exact = case.u(t[:, None], t[None])
    sd = np.sqrt(found.posterior.variance(rows))
    inside = np.abs(found.evaluate(rows) - exact)[1:-1, 1:-1] <= 2 * sd[1:-1, 1:-1]
    assert inside.mean() > 0.85
    assert case.error(found) < 0.15


def cubic():
    return Case(
        [(0, 10.0), (0, 11.0)], 60, LAPLACE,
        lambda x, y: np.sin(10 * x) * np.cos(11 * y),
        lambda x, y: -221 * np.sin(10 * x) * np.cos(11 * y) - 40 * (np.sin(10 * x) * np.cos(11 * y)) ** 3,
        BOX, count=16,
    )  # fmt: skip


@pytest.mark.parametrize("method", ["direct", "fast"])
def test_newton_converges_quadratically(method):
    case = cubic()
    found = solve_grid_nonlinear(
        case.problem, Nonlinear.of_u(lambda u: -40 * u**3, lambda u: -120 * u**2, 2), method=method
    )
    assert found.status is GridStatus.CONVERGED
    assert case.error(found) < 1e-9
    assert found.newton_steps <= 8
    assert found.history[-1] < 1e-6 * found.history[0]
    assert sorted(found.history, reverse=True)[0] == found.history[0]


def test_a_nonlinear_term_of_derivatives():
    def u(t, x):
        return np.sin(3 * x) * np.cos(t)

    def f(t, x):
        return -np.sin(3 * x) * np.sin(t) + 3 * u(t, x) * np.cos(3 * x) * np.cos(t) + 4.5 * u(t, x)

    case = Case([(0,), (0, 3.0)], 50, {(1, 0): 1.0, (0, 2): -0.5}, u, f, [(0, 0), (1, 0), (1, 1)])
    burgers = Nonlinear([(0, 0), (0, 1)], lambda u, ux: u * ux, lambda u, ux: [ux, u])
    found = solve_grid_nonlinear(case.problem, burgers)
    assert found.status is GridStatus.CONVERGED
    assert case.error(found) < 1e-8
    assert found.posterior.exact


def test_overflow_keeps_the_last_finite_iterate():
    case = cubic()
    with np.errstate(all="ignore"):
        blown = Nonlinear.of_u(lambda u: np.exp(1000 + u), lambda u: np.exp(1000 + u), 2)
        found = solve_grid_nonlinear(case.problem, blown, method="direct")
    assert found.status is GridStatus.OVERFLOW
    assert np.isfinite(found.z).all()


def test_masked_equation_rows_are_not_needed_where_the_rest_determines():
    case = poisson()
    f = case.problem.equations[0][1].values.copy()
    f[40:60, 30:70] = np.nan
    again = GridProblem(case.axes)
    again.equation(LAPLACE, f, 1e-12 * np.nanmax(np.abs(f)))
    for condition in case.problem.conditions:
        again.blocks.append(condition.rows)
    found = solve_grid(again)
    assert found.status is GridStatus.CONVERGED
    assert case.error(found) < 1e-6


def test_callback_is_told_and_stops(monkeypatch):
    case = cubic()
    import pysolve._gp_pde_grid as grid

    ticks = iter(range(0, 10**6, 3))
    monkeypatch.setattr(grid.time, "monotonic", lambda: next(ticks))
    stages = []
    found = solve_grid_nonlinear(
        case.problem,
        Nonlinear.of_u(lambda u: -40 * u**3, lambda u: -120 * u**2, 2),
        method="direct",
        callback=lambda stage, step, size: stages.append(stage) or len(stages) > 4,
    )
    assert found.status is GridStatus.STOPPED
    assert "newton" in stages


def test_noise_in_three_dimensions_goes_the_iterative_way():
    case = Case(
        [(0, 6.0)] * 3, 32, {(2, 0, 0): 1.0, (0, 2, 0): 1.0, (0, 0, 2): 1.0},
        lambda x, y, z: np.sin(6 * x) * np.cos(6 * y) * np.sin(6 * z),
        lambda x, y, z: -108 * np.sin(6 * x) * np.cos(6 * y) * np.sin(6 * z),
        [(j, end) for j in range(3) for end in range(2)], noise=0.05, count=9, sd=1e-7,
    )  # fmt: skip
    found = solve_grid(case.problem, direct_size=1000, leading_size=800)
    assert found.method == "iterative"
    assert found.status is GridStatus.CONVERGED
    assert case.error(found, 9) < 0.05
