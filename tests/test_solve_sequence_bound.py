"""The worst case of a call is a theorem, whatever arms do to x; and nothing fails that an arm can make."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from solve_sequence_cases import SOLUTION, A, B, Scripted, Steady, result

import pysolve
from pysolve import SolveSequence, Status


def mode(m, k):
    """The eigenvector (k, k) of the Laplacian on m x m points; k = m is the checkerboard."""
    v = np.sin(k * np.pi * np.arange(1, m + 1) / (m + 1))
    return np.outer(v, v).ravel()


@pytest.mark.parametrize("method", ["sor", "ssor_cg"])
@pytest.mark.parametrize("backstop", [1, 2.5, 4])
@pytest.mark.parametrize("k", [40, 20])
def test_bound_holds_where_the_arm_leaves_an_error_that_is_hard_for_the_default(method, backstop, k):
    """What Gauss-Seidel ends in 11 sweeps another omega turns into smooth error, with which it takes hundreds."""
    matrix = pysolve.gallery.poisson((40, 40), format="csr")
    b = matrix @ mode(40, k)
    Y = getattr(pysolve, method)(matrix, b, rtol=1e-5).iterations
    sequence = SolveSequence(method, policy=Scripted(1.99, 1.95, 1.999, 0.01), backstop=backstop)
    for _ in range(30):
        found = sequence(matrix, b, rtol=1e-5)
        assert found.info == 0
        assert found.iterations <= math.ceil(backstop * Y) + Y + Y
        assert np.linalg.norm(b - matrix @ found.x) <= 1e-5 * np.linalg.norm(b)
        assert len(found.residual_norms) == found.iterations + 1
    assert {cost for _, cost in sequence._yardstick.measured} == {Y}


def spoils(work, share):
    """Reduces the residual to `share`, in a way that costs the default `work` of its own iterations to mend."""

    def solve(A, b, x0=None, *, maxiter=None, rtol=1e-5, **_):
        n = 10**9 if maxiter is None else maxiter
        norms = np.geomspace(np.linalg.norm(b), share * np.linalg.norm(b), n + 1)
        x = SOLUTION + share * np.linalg.norm(b) * np.eye(b.size)[0] + 1e-30 * work
        return result(x, n, Status.MAXITER, norms)

    return solve


class Fickle(Steady):
    """Takes `cost` iterations from the start, and `spoilt` from anywhere else."""

    def __init__(self, cost, spoilt):
        super().__init__(cost)
        self.honest, self.spoilt = cost, spoilt

    def __call__(self, A, b, x0=None, **control):
        self.cost = self.honest if x0 is None else 10**6 * self.spoilt
        return super().__call__(A, b, x0, **control)


@settings(deadline=None, max_examples=60)
@given(st.integers(1, 60), st.integers(1, 50), st.floats(0.01, 0.99), st.floats(1, 9), st.booleans())
def test_bound_holds_whatever_becomes_of_x(Y, spoilt, share, backstop, with_context):
    solvers = {"safe": Fickle(Y, spoilt), "bad": spoils(spoilt, share)}
    sequence = SolveSequence(solvers, policy=Scripted("bad"), cost="iterations", backstop=backstop)
    for k in range(20):
        found = sequence(A, B, context=float(k % 3) if with_context else None)
        assert found.info == 0
        assert found.cost <= math.ceil(backstop * Y) + math.ceil(Y) + Y
    assert {cost for _, cost in sequence._yardstick.measured} == {float(Y)}


def test_default_that_cannot_be_stopped_begins_anew_at_once():
    starts = []

    def direct(A, b, x0):
        starts.append(x0)
        return np.linalg.solve(A, b)

    def short(A, b, x0):
        return SOLUTION * 0.9

    sequence = SolveSequence({"direct": direct, "short": short}, policy=Scripted("short"))
    assert [sequence(A, B).info for _ in range(2)] == [0, 0]
    assert starts == [None, None]


def capped(cost, cap):
    """Takes `cost` iterations; gives up after `cap` of its own accord, as pysolve's solvers do after 10 n + 100."""
    inner = Steady(cost)

    def solve(A, b, x0=None, *, maxiter=None, **control):
        return inner(A, b, x0, maxiter=cap if maxiter is None else min(maxiter, cap), **control)

    return solve


def test_measurement_does_not_fail_what_the_choice_solves():
    sequence = SolveSequence(
        {"safe": capped(1000, 160), "good": Steady(20)}, policy=Scripted("good"), cost="iterations"
    )
    results = [sequence(A, B) for _ in range(5)]
    assert [found.info for found in results] == [0] * 5
    assert [found.cost for found in results] == [180, 20, 20, 20, 20]
    assert sequence.history[0].measured
    assert sequence._yardstick.cost(None) == math.inf


def test_choice_that_was_stopped_is_made_in_the_end_where_the_default_fails():
    """The default's cost is known from easier systems; here it gives up, and the choice takes more than its limit."""
    easy, hard = capped(10, 160), capped(1000, 160)
    now = {"safe": easy}

    def safe(A, b, x0=None, *, maxiter=None, **control):
        return now["safe"](A, b, x0, maxiter=maxiter, **control)

    solvers = {"safe": safe, "good": Steady(90)}
    sequence = SolveSequence(solvers, policy=Scripted("good"), cost="iterations")
    sequence(A, B)
    now["safe"] = hard
    found = sequence(A, B)
    assert (found.info, found.aborted) == (0, True)
    assert sequence._yardstick.cost(None) == 10


def test_nothing_fails_among_the_hardest_shifted_laplacians():
    """The default takes more than the 10 n + 100 sweeps that it has, and the policy knows next to nothing."""
    systems = pysolve.gallery.ShiftedLaplacians(variance="high", n_systems=5000)
    hard = sorted(systems, key=lambda system: system[2])[:20]
    assert any(pysolve.sor(matrix, b, rtol=1e-8).info for matrix, b, _ in hard)
    for seed in range(4):
        sequence = SolveSequence("sor", domain=systems.domain, rng=seed)
        for matrix, b, context in hard[seed::4]:
            assert sequence(matrix, b, rtol=1e-8, context=context).info == 0


def test_last_resort_is_every_solver_that_was_not_tried():
    tried = []

    def noted(name, solve):
        return lambda *arguments, **control: tried.append(name) or solve(*arguments, **control)

    def breaks(A, b, **_):
        raise np.linalg.LinAlgError("no")

    solvers = {"safe": capped(1000, 160), "good": Steady(20), "bad": breaks, "short": capped(1000, 160)}
    solvers = {name: noted(name, solve) for name, solve in solvers.items()}
    sequence = SolveSequence(solvers, policy=Scripted("bad"))
    assert sequence(A, B, maxiter=10**6).info != 0
    assert tried == ["safe", "bad"]
    assert sequence(A, B).info == 0
    assert tried[2:] == ["safe", "bad", "short", "good"]


def test_system_that_is_at_fault_itself_is_not_tried_with_every_omega():
    indefinite, b = np.array([[1.0, 2.0], [2.0, 1.0]]), np.array([1.0, -1.0])
    found = SolveSequence("ssor_cg", rng=0)(indefinite, b)
    assert found.status is Status.INDEFINITE
    assert found.iterations <= 2


def test_first_call_that_was_cut_short_by_the_caller_is_no_cost():
    matrix, b = pysolve.gallery.poisson((40, 40), format="csr"), np.ones(1600)
    sequence = SolveSequence("ssor_cg", policy=Scripted(1.7))
    assert sequence(matrix, b, maxiter=3).info == 3
    assert sequence._yardstick.cost(None) == math.inf
    found = sequence(matrix, b)
    assert (found.arm, found.info) == (1.0, 0)
    assert sequence._yardstick.cost(None) == found.iterations


@pytest.mark.parametrize("x0", [None, np.ones(1600, int), np.ones(1600, np.float32)], ids=str)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_x_has_the_type_of_a_solution_where_nothing_was_solved(dtype, x0):
    matrix, b = pysolve.gallery.poisson((40, 40), format="csr").astype(dtype), np.ones(1600, dtype)
    sequence = SolveSequence("sor", policy=Scripted(1.999), backstop=1)
    found = [sequence(matrix, b, x0, maxiter=maxiter) for maxiter in (None, 5, 2)]
    solved = pysolve.sor(matrix, b, x0)
    assert all(each.x.dtype == solved.x.dtype for each in found)
    assert found[-1].info == 2


def test_zero_cost_calls_leave_a_measurement_pending_and_unmarked():
    matrix, b = pysolve.gallery.poisson((5, 5), format="csr"), np.ones(25)
    sequence = SolveSequence("ssor_cg", policy=Scripted(1.5))
    x = sequence(matrix, b, rtol=1e-10).x
    for _ in range(100):
        assert sequence(matrix, b, x).iterations == 0
    assert sum(call.measured for call in sequence.history) == 1
    sequence(matrix, b)
    assert sequence.history[-1].measured
