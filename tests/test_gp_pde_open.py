"""Problems in two and three dimensions that leave u open, or have few points: what the status and the spread say."""

import numpy as np
import pytest

import pysolve
from pysolve import GPStatus, Neumann

X = np.linspace(0, 1, 40)
GRID = np.meshgrid(X, X, indexing="ij")
LAPLACE = {(2, 0): 1.0, (0, 2): 1.0}


def harmonic(x, y):
    return np.exp(x) * np.sin(y)


def standing(t, x):
    return np.cos(np.pi * t) * np.sin(np.pi * x) + 0.3 * np.cos(3 * np.pi * t) * np.sin(3 * np.pi * x)


OPEN = {
    "slopes only": (
        LAPLACE,
        lambda x, y: -2 * np.pi**2 * np.cos(np.pi * x) * np.cos(np.pi * y),
        [(Neumann(0.0), Neumann(0.0))] * 2,
        lambda x, y: 3 + np.cos(np.pi * x) * np.cos(np.pi * y),
    ),
    "a side without data": (
        LAPLACE,
        0.0,
        [(lambda y: np.sin(y), lambda y: np.e * np.sin(y)), (0.0, None)],
        harmonic,
    ),
    "a wave without its velocity": (
        {(2, 0): 1.0, (0, 2): -1.0},
        0.0,
        [(lambda x: standing(0, x), None), (0.0, 0.0)],
        standing,
    ),
    "a wave with both ends of time": (
        {(2, 0): 1.0, (0, 2): -1.0},
        0.0,
        [(lambda x: standing(0, x), lambda x: standing(1, x)), (0.0, 0.0)],
        standing,
    ),
}


@pytest.mark.parametrize("name", OPEN)
def test_what_is_open_is_said_and_the_spread_is_as_large_as_the_error(name):
    operator, f, boundary, u = OPEN[name]
    s = pysolve.gp_pde(operator, f, [X, X], boundary)
    assert s.status is GPStatus.UNDERDETERMINED
    assert np.mean(np.abs(s.u - u(*GRID)) <= 2 * s.std + 1e-6) > 0.85


@pytest.mark.parametrize(
    "boundary",
    [
        [(lambda y: np.sin(y), lambda y: np.e * np.sin(y)), (0.0, lambda x: np.exp(x) * np.sin(1))],
        [
            (lambda y: np.sin(y), Neumann(lambda y: np.e * np.sin(y))),
            (0.0, Neumann(lambda x: np.exp(x) * np.cos(1))),
        ],
    ],
    ids=["values", "slopes"],
)
def test_what_is_not_open_is_solved(boundary):
    s = pysolve.gp_pde(LAPLACE, 0.0, [X, X], boundary)
    assert s.status is GPStatus.SOLVED
    np.testing.assert_allclose(s.u, harmonic(*GRID), atol=1e-8)


def test_a_wave_with_its_velocity_is_solved():
    boundary = [([lambda x: standing(0, x), Neumann(0.0)], None), (0.0, 0.0)]
    s = pysolve.gp_pde({(2, 0): 1.0, (0, 2): -1.0}, 0.0, [X, X], boundary)
    assert s.status is GPStatus.SOLVED
    np.testing.assert_allclose(s.u, standing(*GRID), atol=1e-7)


@pytest.mark.parametrize(("n", "d", "most"), [(8, 2, 1e-5), (12, 2, 1e-6), (14, 3, 1e-6)])
def test_few_points_are_enough_for_a_smooth_solution(n, d, most):
    x = np.linspace(0, 1, n)

    def u(*p):
        return np.exp(p[0]) * np.cos(sum(p[1:]))

    def side(axis, value):
        return lambda *others: u(*others[:axis], np.full_like(others[0], value), *others[axis:])

    operator = {tuple(2 * (j == axis) for j in range(d)): 1.0 for axis in range(d)}
    boundary = [(side(axis, 0.0), side(axis, 1.0)) for axis in range(d)]
    s = pysolve.gp_pde(operator, lambda *p: (2 - d) * u(*p), [x] * d, boundary)
    assert s.status is GPStatus.SOLVED
    np.testing.assert_allclose(s.u, u(*np.meshgrid(*[x] * d, indexing="ij")), atol=most)


def test_a_periodic_axis_without_its_last_point_is_warned_of():
    def solve(x):
        f = -((2 * np.pi) ** 2 + 1) * np.cos(2 * np.pi * x)
        return pysolve.gp_pde({2: 1.0, 0: -1.0}, f, x, "periodic")

    with pytest.warns(UserWarning, match="lack its last point"):
        solve(np.linspace(0, 1, 40, endpoint=False))
    x = np.linspace(0, 1, 41)
    np.testing.assert_allclose(solve(x).u, np.cos(2 * np.pi * x), atol=1e-7)
