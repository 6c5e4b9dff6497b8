"""The equations of known solution: f is the operator applied to u, sides are u, and arguments are checked."""

import pickle

import numpy as np
import pytest

from pysolve import gallery

NAMES = ("P1", "P2", "P3", "P4", "P5", "A1", "A3", "P6", "P7", "A2D", "ADV")
WEIGHTS = {  # central differences of sixth order, at the points -3 h ... 3 h
    1: np.array([-1, 9, -45, 0, 45, -9, 1]) / 60,
    2: np.array([2, -27, 270, -490, 270, -27, 2]) / 180,
}
STEP = 2e-4  # in which the fastest of the waves, sin 500x, turns by a tenth


def inner_points(case, count=200):
    rng = np.random.default_rng(0)
    return [rng.uniform(x[0], x[-1], count) for x in case.axes]


def difference(u, points, axis, order):
    """A derivative of u by differences."""
    total = 0
    for shift, weight in zip(range(-3, 4), WEIGHTS[order], strict=True):
        moved = [x + STEP * shift if j == axis else x for j, x in enumerate(points)]
        total = total + weight * u(*moved)
    return total / STEP**order


@pytest.mark.parametrize("name", NAMES)
def test_f_is_the_operator_applied_to_u(name):
    case = gallery.pde_case(name)
    points = inner_points(case)
    left, largest = 0.0, 0.0
    for orders, coefficient in case.operator.items():
        axis = int(np.argmax(orders))
        term = coefficient * difference(case.u, points, axis, orders[axis])
        left, largest = left + term, max(largest, np.abs(term).max())
    if case.nonlinear is not None:
        left = left + case.nonlinear[0](case.u(*points))
    assert np.abs(left - case.f(*points)).max() <= 1e-5 * largest


@pytest.mark.parametrize("name", NAMES)
def test_sides_are_the_solution(name):
    case = gallery.pde_case(name, n=9)
    for axis, pair in enumerate(case.boundary):
        for end, side in enumerate(pair):
            if side is None:
                continue
            others = np.meshgrid(*(x for j, x in enumerate(case.axes) if j != axis), indexing="ij")
            values = side(*others) if callable(side) else side
            at = [*others]
            at.insert(axis, case.axes[axis][-end])
            np.testing.assert_array_equal(values, case.u(*at))


def test_only_advection_has_sides_without_values():
    open_sides = {
        name: sum(side is None for pair in gallery.pde_case(name).boundary for side in pair) for name in NAMES
    }
    assert {name: count for name, count in open_sides.items() if count} == {"ADV": 2}


def test_slope_of_the_nonlinear_term():
    N, dN = gallery.pde_case("A1").nonlinear
    u = np.linspace(-2, 2, 41)
    np.testing.assert_allclose((N(u + 1e-6) - N(u - 1e-6)) / 2e-6, dN(u), atol=1e-8)


@pytest.mark.parametrize("name", NAMES)
def test_the_error_of_the_solution_is_0_and_that_of_0_is_1(name):
    case = gallery.pde_case(name)
    exact = case.u(*np.meshgrid(*case.test_grid, indexing="ij"))
    assert case.error(exact) == 0
    assert case.error(0 * exact) == 1
    assert case.error(1.01 * exact) == pytest.approx(0.01)


def test_points_and_test_grid():
    assert [len(gallery.pde_case(name).axes[0]) for name in NAMES] == [
        *(400, 900, 400, 900, 400, 400, 400, 400, 200, 400, 200)
    ]
    case = gallery.pde_case("P6", n=50)
    assert [len(x) for x in case.axes] == [50, 50]
    assert [len(x) for x in case.test_grid] == [300, 300]
    assert case.test_grid[0][-1] == case.axes[0][-1] == 2 * np.pi


def test_a_case_can_be_pickled():
    case = pickle.loads(pickle.dumps(gallery.pde_case("A2D", n=20)))
    assert (case.name, len(case.axes[1])) == ("A2D", 20)
    assert case.f(0.3, 0.4) == gallery.pde_case("A2D").f(0.3, 0.4)


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        (("P8",), ValueError, r"name must be one of P1, .*, got 'P8'"),
        ((["P1"],), ValueError, r"name must be one of .*, got \['P1'\]"),
        (("P1", 1), ValueError, r"n must be an integer, at least 2, got 1"),
        (("P1", 2.5), TypeError, r"n must be an integer, at least 2, got 2.5"),
    ],
)
def test_a_wrong_argument_is_named(arguments, error, message):
    with pytest.raises(error, match=message):
        gallery.pde_case(*arguments)


def test_values_of_a_wrong_shape_have_no_error():
    with pytest.raises(ValueError, match=r"test grid's shape \(300, 300\), got \(300,\)"):
        gallery.pde_case("P6").error(np.zeros(300))
