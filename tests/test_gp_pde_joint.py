"""The joint objective equals the reference implementation's, its gradient is right, and every run ends finite."""

import math
import pickle

import numpy as np
import pytest

from pysolve._gp_pde_joint import JointProblem, JointStatus, minimise_joint
from pysolve._gp_pde_joint_kernel import KernelParameters, diagonal_sums
from pysolve._gp_pde_joint_objective import JointObjective
from pysolve._gp_pde_joint_problem import JointParameters

CUBIC = (lambda u: u * (u**2 - 1), lambda u: 3 * u**2 - 1)
KINDS = ["stm", "gm", "matern52", "se"]


def wave(n, middle, spread, phase):
    """Parameters that any language makes alike."""
    return middle + spread * np.cos(phase + 1.7 * np.arange(n))


def kernel(Q, phase):
    return KernelParameters(wave(Q, -1.0, 0.5, phase), wave(Q, 1, 2, phase + 2), wave(Q, 0.3, 0.4, phase + 1))


def parameters(shape, *kernels):
    return JointParameters(wave(math.prod(shape), 0.2, 1, 5).reshape(shape), kernels, 0.7, -0.4)


def case_1d(kind, nonlinear):
    x = np.linspace(0, 2, 12)
    u = np.sin(3 * x) + x
    f = -9 * np.sin(3 * x) + (CUBIC[0](u) if nonlinear else 0)
    ends = [(u[0], u[-1])]
    return JointProblem([x], {(2,): 1.0}, f, ends, CUBIC if nonlinear else None, kind, Q=4)


def faces(u):
    return [(u[0], u[-1]), (u[:, 0], u[:, -1])]


def case_2d(kind, nonlinear):
    x, y = np.linspace(0, 2, 7)[:, None], np.linspace(0, 1.5, 6)
    u = np.sin(3 * x) * np.cos(2 * y) + x
    f = -13 * np.sin(3 * x) * np.cos(2 * y) + (CUBIC[0](u) if nonlinear else 0)
    terms = {(2, 0): 1.0, (0, 2): 1.0}
    return JointProblem([x[:, 0], y], terms, f, faces(u), CUBIC if nonlinear else None, kind, Q=3)


def advection():
    x, y = np.linspace(0, 2, 7)[:, None], np.linspace(0, 1.5, 6)
    u = np.sin(3 * (x - 2 * y))
    terms = {(1, 0): 2.0, (0, 1): 1.0}
    return JointProblem([x[:, 0], y], terms, 0.0, faces(u), None, "gm", Q=3, lambda_b=500.0)


def single_sine(kind="stm", N=400, **given):
    """P1 of the paper."""
    x = np.linspace(0, 1, N) * 2 * np.pi
    ends = [(np.sin(100 * x[0]), np.sin(100 * x[-1]))]
    return JointProblem([x], {(2,): 1.0}, -1e4 * np.sin(100 * x), ends, kind=kind, **given)


# Loss, norm of the gradient and its product with sin(0), sin(1), .. in the order of `pack`, by the reference
# implementation under JAX in float64, at `parameters`.
REFERENCE = {
    ("stm", 1, False): (41594.91403075227, 114506.96994993532, 10889.306052587108),
    ("stm", 1, True): (42033.86843676405, 115245.84161298598, 10382.389584198685),
    ("gm", 1, False): (51350.60411330172, 177558.39958716207, -29610.334572732078),
    ("gm", 1, True): (51913.09066580517, 178738.8811599297, -30769.5152906452),
    ("matern52", 1, False): (15567.888287579673, 20416.373100545417, -774.7876831617979),
    ("matern52", 1, True): (15554.633006982436, 20282.447082549163, -1236.3182294159385),
    ("se", 1, False): (49424.777025834584, 239008.29324556564, 109309.74783787753),
    ("se", 1, True): (49537.91152975719, 239426.64011029984, 108988.91692269109),
    ("stm", 2, False): (209543.42455380937, 686844.6343641349, 184832.58384323443),
    ("stm", 2, True): (210916.73056287091, 686646.8478477332, 184598.64740767077),
    ("gm", 2, False): (214940.8224335804, 678906.1910973081, 238272.96419246518),
    ("gm", 2, True): (216481.50472431543, 678697.4630186574, 238008.496225387),
    ("advection", 2, False): (11542.022168134294, 13586.375709030279, -3634.5790600102437),
}


@pytest.mark.parametrize("case", REFERENCE, ids=str)
def test_loss_and_gradient_at_given_parameters_are_the_references(case):
    kind, dimensions, nonlinear = case
    make = {1: case_1d, 2: case_2d}[dimensions]
    problem = advection() if kind == "advection" else make(kind, nonlinear)
    kernels = [kernel(problem.Q, phase) for phase in (0.0, 0.5)[:dimensions]]
    loss, gradient = JointObjective(problem)(parameters(problem.shape, *kernels).pack())
    found = loss, np.linalg.norm(gradient), np.sin(np.arange(gradient.size)) @ gradient
    # Both solve with matrices of condition numbers to 1e8.
    np.testing.assert_allclose(found, REFERENCE[case], rtol=1e-7)


def test_the_first_steps_of_adam_on_the_papers_first_case_are_the_references():
    result = minimise_joint(single_sine(), optimiser="adam", maxiter=10)
    assert result.losses[0] == pytest.approx(9.975e9, rel=1e-6)
    assert result.losses[10] == pytest.approx(6.97141e9, rel=1e-6)
    # All digits that the reference, run under JAX, prints.
    expected = [9974999191.593435, 9651289553.179598, 9297315232.162502, 8979942927.784306, 8670526373.766634]
    np.testing.assert_allclose(result.losses[:5], expected, rtol=1e-9)
    assert result.losses[10] == pytest.approx(6971410925.8396015, rel=1e-8)
    assert result.status is JointStatus.MAXITER


def test_the_first_steps_with_gaussians_are_the_references():
    result = minimise_joint(single_sine("gm"), optimiser="adam", maxiter=10)
    np.testing.assert_allclose(result.losses[[0, 10]], [9974999128.076553, 7012637730.726493], rtol=1e-6)


def general(kind, rng):
    """Uneven axis, mixed derivative, coefficients on the grid, faces and values of f missing, a nonlinear term."""
    x, y = np.linspace(0, 1, 9), np.linspace(0, 2, 7) ** 1.2
    f = rng.standard_normal((9, 7))
    f[2, 3] = np.nan
    terms = {(2, 0): 1.0, (0, 1): rng.standard_normal((9, 7)), (1, 1): 0.3, (0, 0): 2.0}
    boundary = [(0.0, rng.standard_normal(7)), (None, np.ones(9))]
    return JointProblem([x, y], terms, f, boundary, CUBIC, kind, Q=3, freq_scale=2.0, jitter=1e-2)


@pytest.mark.parametrize("kind", KINDS)
def test_gradient_is_the_difference_quotient(kind):
    rng = np.random.default_rng(1)
    problem = general(kind, rng)
    objective, start = JointObjective(problem), problem.start().pack()
    vector = start + 0.3 * rng.standard_normal(start.size)
    _, gradient = objective(vector)
    h, quotient = 1e-5, np.empty(vector.size)
    for i in range(vector.size):
        step = h * (np.arange(vector.size) == i)
        quotient[i] = (objective(vector + step)[0] - objective(vector - step)[0]) / (2 * h)
    np.testing.assert_allclose(gradient, quotient, atol=1e-8 * np.abs(gradient).max())


def test_three_dimensions_work():
    axes = [np.linspace(0, 1, n) for n in (4, 5, 6)]
    terms = {(2, 0, 0): 1.0, (0, 2, 0): 1.0, (0, 0, 1): -1.0}
    problem = JointProblem(axes, terms, 1.0, [(0.0, 0.0), (0.0, None), None], kind="gm", Q=2, jitter=1e-2)
    objective, vector = JointObjective(problem), problem.start().pack()
    vector += 0.1 * np.cos(np.arange(vector.size))
    direction = np.sin(np.arange(vector.size))
    quotient = (objective(vector + 1e-6 * direction)[0] - objective(vector - 1e-6 * direction)[0]) / 2e-6
    assert objective(vector)[1] @ direction == pytest.approx(quotient, rel=1e-6)


def test_diagonals_are_summed():
    A = np.arange(25.0).reshape(5, 5)
    np.testing.assert_array_equal(diagonal_sums(A), [np.trace(A, -k) for k in range(-4, 5)])


def test_even_and_uneven_axes_agree_where_they_meet():
    """An axis that is uneven by a hair takes the way of N^2 distances."""
    even = single_sine(N=40)
    x = even.axes[0].copy()
    x[7] += 2e-6 * x[1]
    uneven = JointProblem([x], even.terms, even.f, even.boundary)
    vector = even.start().pack() + 0.1 * np.cos(np.arange(40 + 92))
    objectives = JointObjective(even), JointObjective(uneven)
    assert [objective.kernels[0].even for objective in objectives] == [True, False]
    (loss, gradient), (other, other_gradient) = (objective(vector) for objective in objectives)
    assert loss == pytest.approx(other, rel=1e-2)
    assert np.linalg.norm(gradient - other_gradient) < 1e-2 * np.linalg.norm(gradient)


@pytest.mark.parametrize("kind", KINDS)
def test_lbfgs_falls_and_comes_near_the_solution(kind):
    x = np.linspace(0, 1, 40)
    u = np.sin(6 * x)
    problem = JointProblem([x], {(2,): 1.0}, -36 * u, [(u[0], u[-1])], kind=kind, Q=6, freq_scale=2.0)
    result = minimise_joint(problem, maxiter=150)
    assert np.all(np.diff(result.losses) <= 0)
    assert result.iterations == result.losses.size - 1
    where = np.linspace(0, 1, 33)
    # The optimum of the objective is biased: its noise has a standard deviation near 1, that of f is 25.
    np.testing.assert_allclose(result.predict([where]), np.sin(6 * where), atol=0.1)
    np.testing.assert_allclose(result.predict([where], (1,)), 6 * np.cos(6 * where), atol=1.0)
    assert result.kernels[0].kind == kind
    assert result.parameters.log_tau >= 0
    assert result.parameters.log_v >= 0


def test_adam_falls():
    losses = minimise_joint(single_sine(N=60), optimiser="adam", maxiter=200).losses
    assert losses.size == 201
    assert losses[-1] < 0.2 * losses[0]


def test_a_callback_sees_the_losses_and_stops():
    for optimiser in "adam", "lbfgs":
        seen = []

        def stop(iteration, loss, seen=seen):
            seen.append((iteration, loss))
            return iteration == 3

        result = minimise_joint(single_sine(N=30), optimiser=optimiser, callback=stop)
        assert result.status is JointStatus.STOPPED
        assert [iteration for iteration, _ in seen] == [1, 2, 3]
        np.testing.assert_array_equal(result.losses[1:], [loss for _, loss in seen])


def test_an_interrupt_keeps_the_last_iterate():
    def interrupt(iteration, loss):
        if iteration == 2:
            raise KeyboardInterrupt

    result = minimise_joint(single_sine(N=30), optimiser="adam", callback=interrupt)
    assert result.status is JointStatus.INTERRUPTED
    assert np.isfinite(result.U).all()


@pytest.mark.parametrize("optimiser", ["adam", "lbfgs"])
def test_an_overflow_keeps_the_last_finite_iterate(optimiser):
    x = np.linspace(0, 1, 20)
    explosive = (lambda u: np.exp(1e5 * u**2), lambda u: 2e5 * u * np.exp(1e5 * u**2))
    problem = JointProblem([x], {(2,): 1.0}, np.full(20, 50.0), [(0.0, 5.0)], explosive, Q=3)
    result = minimise_joint(problem, optimiser=optimiser, learning_rate=1.0, maxiter=50)
    assert np.isfinite(result.parameters.pack()).all()
    assert np.isfinite(result.losses[:-1]).all()
    assert np.isfinite(result.predict([[0.5]])).all()
    if optimiser == "adam":
        assert result.status is JointStatus.OVERFLOW
    else:  # its line search steps back from where the objective is not finite
        assert result.losses[-1] < 0.1 * result.losses[0]


def test_a_start_that_overflows_is_returned():
    problem = single_sine(N=20)
    start = problem.start()
    wild = JointParameters(start.U, start.kernels, 1000.0, 0.0)
    for optimiser in "adam", "lbfgs":
        result = minimise_joint(problem, optimiser=optimiser, start=wild, precisions=(0.0, 2000.0))
        assert result.status is JointStatus.OVERFLOW
        assert result.iterations == 0
        np.testing.assert_array_equal(result.U, 0.0)


def test_no_iteration_and_a_second_run_from_the_first():
    problem = single_sine(N=30)
    assert minimise_joint(problem, maxiter=0).status is JointStatus.MAXITER
    first = minimise_joint(problem, maxiter=20)
    second = minimise_joint(problem, maxiter=20, start=first.parameters)
    assert second.losses[0] == pytest.approx(first.losses[-1], rel=1e-6)
    assert second.losses[-1] < first.losses[-1]
    assert pickle.loads(pickle.dumps(first)).status is first.status


@pytest.mark.parametrize(
    ("changed", "error", "part"),
    [
        ({"axes": []}, ValueError, "axes must have at least one"),
        ({"axes": [[0.0]]}, ValueError, r"axes\[0\] must be a row of at least 2"),
        ({"axes": [[0.0, 2.0, 1.0]]}, ValueError, r"axes\[0\] must rise"),
        ({"axes": [[0.0, np.nan, 1.0]]}, ValueError, r"axes\[0\]\[1\] is nan"),
        ({"terms": {(5,): 1.0}}, ValueError, "orders must be at most 4"),
        ({"terms": {(1, 1): 1.0}}, ValueError, "must have 1 orders"),
        ({"terms": {(1.5,): 1.0}}, TypeError, "order"),
        ({"terms": {(1,): [1.0, 2.0]}}, ValueError, "must broadcast"),
        ({"terms": [1.0]}, TypeError, "terms must be a dict"),
        ({"f": np.inf}, ValueError, "f must be finite, or NaN"),
        ({"f": "one"}, TypeError, "f must be"),
        ({"boundary": []}, ValueError, "boundary must have 1 pairs"),
        ({"boundary": [(0.0, np.nan)]}, ValueError, r"boundary\[0\]"),
        ({"boundary": [(0.0, 0.0, 0.0)]}, ValueError, r"boundary\[0\] must be a pair"),
        ({"nonlinear": (1, 2)}, TypeError, "nonlinear"),
        ({"kind": "sm"}, ValueError, "kind must be"),
        ({"Q": 0}, ValueError, "Q must be"),
        ({"freq_scale": -1.0}, ValueError, "freq_scale"),
        ({"lambda_b": math.nan}, ValueError, "lambda_b"),
        ({"jitter": 0.0}, ValueError, "jitter"),
    ],
)
def test_wrong_problems_are_named(changed, error, part):
    given = {"axes": [[0.0, 1.0, 2.0]], "terms": {(2,): 1.0}, "f": 0.0, "boundary": [(0.0, 1.0)]}
    with pytest.raises(error, match=part):
        JointProblem(**(given | changed))


@pytest.mark.parametrize(
    ("given", "error", "part"),
    [
        ({"optimiser": "sgd"}, ValueError, "optimiser must be"),
        ({"maxiter": -1}, ValueError, "maxiter"),
        ({"learning_rate": 0.0}, ValueError, "learning_rate"),
        ({"rtol": 2.0}, ValueError, "rtol"),
        ({"callback": 1}, TypeError, "callback"),
        ({"precisions": (2.0, 1.0)}, ValueError, "precisions"),
        ({"start": case_1d("gm", False).start()}, ValueError, "start must have"),
    ],
)
def test_wrong_calls_are_named(given, error, part):
    with pytest.raises(error, match=part):
        minimise_joint(single_sine(N=20), **given)
