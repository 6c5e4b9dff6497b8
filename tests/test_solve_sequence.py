"""SolveSequence asks, solves and tells; a bad arm is stopped, and the default goes on from where it stood."""

import math
import threading
from collections import Counter
from functools import partial

import numpy as np
import pytest
import scipy.sparse.linalg as sla
from hypothesis import given, settings
from hypothesis import strategies as st
from solve_sequence_cases import SOLUTION, A, B, Scripted, Steady

import pysolve
from pysolve import SolveSequence, Status


def make(costs, script, **more):
    """A sequence over solvers of these costs; the first is the default."""
    solvers = {name: Steady(cost) for name, cost in costs.items()}
    return SolveSequence(solvers, policy=Scripted(*script), cost="iterations", **more), solvers


def test_first_call_measures_the_default_and_tells_nothing():
    sequence, _ = make({"safe": 10, "fast": 3}, ["fast"])
    found = sequence(A, B)
    assert (found.arm, found.cost, found.info) == ("safe", 10, 0)
    assert (sequence.policy.asked, sequence.policy.told) == ([None], [])
    assert sequence.history[0].measured


def test_later_calls_ask_solve_and_tell():
    sequence, _ = make({"safe": 10, "fast": 3}, ["fast", "safe"])
    results = [sequence(A, B, context=c) for c in (1.0, 1.0, 1.0)]
    assert [found.arm for found in results] == ["safe", "fast", "safe"]
    assert sequence.policy.asked == [1.0, 1.0, 1.0]
    assert sequence.policy.told == [("fast", 3, False, False), ("safe", 10, False, False)]
    assert sequence.total_cost == 23
    assert [call[:3] for call in sequence.history] == [("safe", 10, 10), ("fast", 3, 3), ("safe", 10, 10)]


def test_result_is_a_solve_result_that_knows_its_arm():
    sequence, _ = make({"safe": 10, "fast": 3}, ["fast"])
    sequence(A, B)
    found = sequence(A, B)
    x, info = found
    np.testing.assert_allclose(x, SOLUTION)
    assert info == 0
    assert isinstance(found, pysolve.SolveResult)
    assert "SequenceResult(CONVERGED, iterations=3" in repr(found)
    assert "arm='fast'" in repr(found)
    assert len(found.residual_norms) == found.iterations + 1


def test_bad_arm_is_stopped_and_the_default_goes_on_from_where_it_stood():
    sequence, solvers = make({"safe": 10, "slow": 80}, ["slow"])
    sequence(A, B)
    found = sequence(A, B)
    # 40 of 80 iterations bring it half of the way; the default takes half of its 10 for the rest.
    assert (found.info, found.iterations, found.cost, found.aborted) == (0, 45, 45, True)
    np.testing.assert_allclose(solvers["safe"].starts[-1], SOLUTION / 2)
    assert sequence.policy.told == [("slow", 40, True, False)]
    assert len(found.residual_norms) == 46
    assert sequence.history[-1].aborted


def test_backstop_can_be_another_or_none():
    costs = {}
    for backstop in (1, 2.55, math.inf):
        sequence, _ = make({"safe": 10, "slow": 1000}, ["slow"], backstop=backstop)
        sequence(A, B)
        costs[backstop] = sequence(A, B).cost
    assert costs == {1: 10 + 10, 2.55: 26 + 10, math.inf: 1000}


@settings(deadline=None, max_examples=30)
@given(
    st.lists(st.integers(1, 500), min_size=2, max_size=8),
    st.floats(1, 10),
    st.integers(0, 2**32),
    st.booleans(),
)
def test_no_call_costs_more_than_the_stated_bound(costs, backstop, seed, with_context):
    arms = {f"arm {i}": cost for i, cost in enumerate(costs)}
    rng = np.random.default_rng(seed)
    sequence, _ = make(arms, rng.choice(list(arms), 40).tolist(), backstop=backstop)
    Y = costs[0]
    for _ in range(60):
        found = sequence(A, B, context=float(rng.uniform()) if with_context else None)
        assert found.info == 0
        assert found.cost <= math.ceil(backstop * Y) + Y
    assert sequence.total_cost <= 60 * (math.ceil(backstop * Y) + Y)


def test_zero_cost_solves_are_not_told():
    sequence, _ = make({"safe": 10, "fast": 3}, ["fast"])
    sequence(A, B)
    for b, x0 in ((B, SOLUTION), (np.zeros_like(B), None), (np.zeros_like(B), B)):
        found = sequence(A, b, x0)
        assert (found.info, found.iterations, found.cost) == (0, 0, 0)
        assert not np.shares_memory(found.x, x0)
    assert sequence.policy.told == []


def test_maxiter_bounds_each_solver_of_a_dict():
    sequence, _ = make({"safe": 10, "slow": 80}, ["slow"])
    sequence(A, B)
    found = sequence(A, B, maxiter=7)
    assert (found.status, found.info, found.iterations) == (
        Status.MAXITER,
        21,
        21,
    )  # the arm, the default from there, and from the start
    assert sequence.policy.told == [("slow", 7, True, False)]


def test_arguments_that_a_solver_does_not_name_are_not_given():
    given = []
    solvers = {
        "bare": lambda A, b: np.linalg.solve(A, b),
        "some": lambda A, b, *, atol, rtol: given.append((atol, rtol)) or (np.linalg.solve(A, b), 0),
        "all": lambda A, b, **more: given.append(sorted(more)) or (np.linalg.solve(A, b), 0),
        "all of them": lambda A, b, x0, maxiter, callback, **more: (np.linalg.solve(A, b), 0),
        "set": partial(sla.gmres, restart=5, callback_type="x"),
    }
    sequence = SolveSequence(solvers, policy=Scripted(*solvers))
    results = [sequence(A, B, np.ones_like(B), rtol=1e-9, atol=1e-12, maxiter=50) for _ in range(6)]
    results += [sequence(A, B) for _ in range(5)]
    assert all(found.info == 0 for found in results)
    assert given[0] == (1e-12, 1e-9)
    assert given[1][:2] == ["atol", "callback"]


def test_scipy_solvers_are_stopped_by_time_and_the_default_goes_on():
    def slow(x):
        threading.Event().wait(0.005)
        return matrix @ x

    matrix = pysolve.gallery.poisson((30, 30), format="csr")
    operator = sla.LinearOperator(matrix.shape, matvec=slow, dtype=float)
    solvers = {
        "direct": lambda A, b: sla.spsolve(matrix.tocsc(), b),
        "cg": lambda A, b, **more: sla.cg(operator, b, **more),
    }
    sequence = SolveSequence(solvers, policy=Scripted("cg"))
    b = np.random.default_rng(0).standard_normal(900)
    assert sequence(matrix, b).info == 0
    found = sequence(matrix, b, rtol=1e-10)
    assert (found.info, found.aborted, found.arm) == (0, True, "cg")
    (_, cost, censored, _), limit = sequence.policy.told[0], 4 * sequence.history[0].cost
    assert censored
    assert limit <= cost <= limit + 0.2


@pytest.mark.parametrize("method", ["ssor_cg", "sor"])
def test_methods_of_pysolve_are_chosen_by_omega(method):
    matrix, b = pysolve.gallery.poisson((12, 12), format="csr"), np.ones(144)
    sequence = SolveSequence(method, policy=Scripted(1.5, 1.7))
    results = [sequence(matrix, b, rtol=1e-8) for _ in range(3)]
    assert [found.arm for found in results] == [1.0, 1.5, 1.7]
    for found in results:
        assert np.linalg.norm(b - matrix @ found.x) <= 1e-8 * np.linalg.norm(b)
    plain = getattr(pysolve, method)(matrix, b, rtol=1e-8, omega=1.5)
    assert (results[1].x == plain.x).all()
    assert sequence.policy.told[0] == (1.5, plain.iterations, False, False)


def test_maxiter_of_a_method_bounds_the_arm_and_the_default_together():
    matrix, b = pysolve.gallery.poisson((40, 40), format="csr"), np.ones(1600)
    sequence = SolveSequence("ssor_cg", policy=Scripted(0.1), backstop=1)
    Y = sequence(matrix, b, rtol=1e-8).iterations
    found = sequence(matrix, b, rtol=1e-8, maxiter=Y + 2)
    assert found.aborted
    assert found.iterations <= Y + 2
    free = sequence(matrix, b, rtol=1e-8)
    assert free.info == 0
    assert free.iterations > Y


def test_seconds_of_a_method_are_told_and_its_arms_stopped_by_iterations():
    matrix, b = pysolve.gallery.poisson((40, 40), format="csr"), np.ones(1600)
    sequence = SolveSequence("ssor_cg", policy=Scripted(1.7, 0.1), cost="seconds", backstop=1)
    results = [sequence(matrix, b, rtol=1e-8) for _ in range(3)]
    assert [found.aborted for found in results] == [False, False, True]
    assert [call.cost for call in sequence.history] == [call.seconds for call in sequence.history]
    assert all(0 < call.cost < 1 for call in sequence.history)
    (_, first, *_), (_, second, censored, _) = sequence.policy.told
    assert first == sequence.history[1].seconds
    assert second < sequence.history[2].seconds
    assert censored


def test_solves_of_a_method_that_were_solved_already_are_not_told():
    matrix, b = pysolve.gallery.poisson((8, 8), format="csr"), np.ones(64)
    for cost in ("iterations", "seconds"):
        sequence = SolveSequence("ssor_cg", policy=Scripted(1.5), cost=cost)
        x = sequence(matrix, b, rtol=1e-10).x
        assert sequence(matrix, b, x, rtol=1e-8).iterations == 0
        assert sequence(matrix, 0 * b).iterations == 0
        assert sequence.policy.told == []


def test_auto_policy_finds_a_cheap_omega():
    matrix, b = pysolve.gallery.poisson((30, 30), format="csr"), np.ones(900)
    sequence = SolveSequence("ssor_cg", rng=0)
    for _ in range(150):
        assert sequence(matrix, b, rtol=1e-8).info == 0
    costs = [call.cost for call in sequence.history if not call.measured]
    default = next(call.cost for call in sequence.history if call.measured)
    assert np.mean(costs[-50:]) < 0.8 * default


def test_several_threads_share_a_sequence():
    sequence, _ = make({"safe": 10, "fast": 3, "slow": 900}, ["fast", "slow"])
    results = []

    def work():
        for _ in range(50):
            results.append(sequence(A, B))

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(results) == 200 == len(sequence.history)
    assert all(found.info == 0 for found in results)
    told = Counter(value for value, *_ in sequence.policy.told)
    assert told.total() == sum(not call.measured for call in sequence.history)
    assert abs(told["fast"] - told["slow"]) <= 4


def test_plot_shows_numbers_and_names():
    pytest.importorskip("matplotlib")
    sequence, _ = make({"safe": 10, "fast": 3, "slow": 900}, ["fast", "slow"])
    assert len(sequence.plot().axes) == 3
    for _ in range(4):
        sequence(A, B)
    upper = sequence.plot().axes[0]
    assert [label.get_text() for label in upper.get_yticklabels()] == ["safe", "fast", "slow"]
    matrix, b = pysolve.gallery.poisson((8, 8), format="csr"), np.ones(64)
    by_omega = SolveSequence("ssor_cg", policy=Scripted(1.5))
    by_omega(matrix, b)
    assert by_omega.plot().axes[0].get_ylabel() == "omega"
