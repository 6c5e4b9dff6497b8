"""Wrong arguments of SolveSequence and of its call: a message names the argument and what was expected."""

import re

import numpy as np
import pytest
from solve_sequence_cases import A, B, Scripted, Steady, Trial

from pysolve import ChebCB, SolveSequence

SOLVERS = {"safe": Steady(5), "fast": Steady(2)}


@pytest.mark.parametrize(
    ("given", "error", "text"),
    [
        ({"method": "jacobi"}, ValueError, "method must be one of ('ssor_cg', 'sor')"),
        ({"method": 3}, TypeError, "method must be one of"),
        ({"method": {}}, ValueError, "method must name at least one solver"),
        ({"method": {"cg": 3}}, TypeError, "method['cg'] must be a solver to call"),
        ({"method": SOLVERS, "arms": [1.0]}, ValueError, "arms are the names of method"),
        ({"arms": []}, ValueError, "arms must hold at least one omega"),
        ({"arms": [1.0, 2.0]}, ValueError, "arms[1] must lie in (0, 2), but is 2.0"),
        ({"arms": [0.0]}, ValueError, "arms[0] must lie in (0, 2)"),
        ({"arms": [float("nan")]}, ValueError, "arms[0] must lie in (0, 2)"),
        ({"arms": ["1"]}, TypeError, "arms[0] must be a number in (0, 2)"),
        ({"arms": [True]}, TypeError, "arms[0] must be a number in (0, 2)"),
        ({"arms": 1.5}, TypeError, "arms must be a sequence of numbers"),
        ({"arms": "1.5"}, TypeError, "arms must be a sequence of numbers"),
        ({"policy": "best"}, ValueError, "policy must be 'auto' or an object with ask and tell"),
        ({"policy": object()}, TypeError, "policy must be 'auto' or an object with ask and tell"),
        ({"cost": "money"}, ValueError, "cost must be 'iterations' or 'seconds', not 'money'"),
        ({"backstop": 0.5}, ValueError, "backstop must be at least 1, but is 0.5"),
        ({"backstop": float("nan")}, ValueError, "backstop must be at least 1"),
        ({"backstop": "4"}, TypeError, "backstop must be a number"),
        ({"default": 2.5}, ValueError, "default must lie in (0, 2)"),
        ({"method": SOLVERS, "default": "other"}, ValueError, "default must be one of ['safe', 'fast']"),
        ({"domain": (1.0, 0.0)}, ValueError, "domain must be finite with lo < hi"),
        ({"domain": 3}, TypeError, "domain must be a pair of numbers"),
        ({"domain": (0.0, float("inf"))}, ValueError, "domain must be finite with lo < hi"),
    ],
)
def test_wrong_argument_is_named(given, error, text):
    with pytest.raises(error, match=re.escape(text)):
        SolveSequence(**given)


@pytest.mark.parametrize(
    ("given", "error", "text"),
    [
        ({"A": [[1.0]]}, TypeError, "A must be"),
        ({"A": np.ones((2, 3))}, ValueError, "A must be square"),
        ({"b": np.ones(3)}, ValueError, "b must have shape"),
        ({"b": np.full(6, np.nan)}, ValueError, "b must be finite"),
        ({"x0": np.ones(3)}, ValueError, "x0 must have the shape of b"),
        ({"x0": np.full(6, np.inf)}, ValueError, "x0 must be finite"),
        ({"rtol": -1}, ValueError, "rtol must be finite and at least 0"),
        ({"atol": "0"}, TypeError, "atol must be a real number"),
        ({"maxiter": 1.5}, TypeError, "maxiter must be an integer"),
        ({"context": np.ones(2)}, ValueError, "context must be one finite number"),
        ({"context": "1"}, ValueError, "context must be one finite number"),
        ({"context": float("nan")}, ValueError, "context must be one finite number"),
        ({"context": lambda t: t}, ValueError, "context must be one finite number"),
        ({"context": None}, ValueError, "context must be one finite number, not None"),
        ({"context": 2.5}, ValueError, "context must lie in the domain (0.0, 2.0), but is 2.5"),
    ],
)
def test_wrong_argument_of_a_call_is_named_and_changes_nothing(given, error, text):
    sequence = SolveSequence(SOLVERS, policy=Scripted("fast"), domain=(0, 2), cost="iterations")
    sequence(A, B, context=1.0)
    with pytest.raises(error, match=re.escape(text)):
        sequence(**({"A": A, "b": B, "context": 1.0} | given))
    assert len(sequence.history) == 1
    assert sequence(A, B, context=np.float32(2.0)).info == 0


@pytest.mark.parametrize("context", [np.ones(2), "1", float("nan")])
def test_context_without_a_domain_is_a_number_or_none(context):
    sequence = SolveSequence(SOLVERS, policy=Scripted("fast"), cost="iterations")
    with pytest.raises(ValueError, match="context must be None or one finite number"):
        sequence(A, B, context=context)


@pytest.mark.parametrize(
    ("first", "second", "text"), [(None, 0.0, "omitted"), (0.0, None, "a number in every")]
)
def test_first_call_decides_whether_there_is_a_context(first, second, text):
    sequence = SolveSequence(SOLVERS, policy=Scripted("fast"), cost="iterations")
    assert sequence(A, B, context=first).info == 0
    with pytest.raises(ValueError, match=f"context must be {text}"):
        sequence(A, B, context=second)
    assert sequence(A, B, context=first).info == 0
    assert len(sequence.history) == 2


def test_policy_refuses_a_context_at_the_first_call_too():
    sequence = SolveSequence("ssor_cg", policy=ChebCB([1.0, 1.5], domain=(0, 1), rng=0))
    for _ in range(2):
        for context in (5.0, None):
            with pytest.raises(ValueError, match="context must"):
                sequence(A, B, context=context)
        assert sequence(A, B, context=0.5).info == 0


def test_policy_that_chooses_what_is_no_arm_is_named():
    sequence = SolveSequence(SOLVERS, policy=Scripted("other"))
    with pytest.raises(ValueError, match="the policy's choice must be one of"):
        sequence(A, B)


def test_backstop_that_nobody_can_wait_for_is_none():
    for given in ({"method": "ssor_cg"}, {"method": SOLVERS, "cost": "iterations"}):
        sequence = SolveSequence(**given, backstop=1e300, rng=0)
        assert [sequence(A, B).info for _ in range(5)] == [0] * 5


@pytest.mark.parametrize("answer", [3, None, (1, 2, 3)], ids=["number", "none", "three"])
def test_solver_that_returns_something_else_is_named(answer):
    sequence = SolveSequence({"odd": lambda A, b: answer}, policy=Scripted("odd"))
    with pytest.raises(TypeError, match="'odd' must return x"):
        sequence(A, B)


def test_iterations_cannot_be_had_from_a_solver_that_does_not_tell_them():
    solvers = {"plain": lambda A, b: (np.linalg.solve(A, b), 0)}
    sequence = SolveSequence(solvers, policy=Scripted("plain"), cost="iterations")
    with pytest.raises(TypeError, match="use cost='seconds'"):
        sequence(A, B)


def test_one_arm_is_enough():
    sequence = SolveSequence({"only": Steady(3)}, policy=Scripted("only"), cost="iterations")
    assert [sequence(A, B).cost for _ in range(3)] == [3, 3, 3]
    assert Trial(1, "only").value == sequence.default


@pytest.mark.parametrize(
    ("given", "error", "text"),
    [
        ({"A": np.diag([1.0, -1.0])}, ValueError, "diagonal"),
        ({"b": np.ones(3)}, ValueError, "b must have shape"),
        ({"x0": "Mb"}, TypeError, "x0 must be an array or None"),
        ({"rtol": np.nan}, ValueError, "rtol must be finite"),
        ({"rtol": "0"}, TypeError, "rtol must be a real number"),
        ({"maxiter": -1}, ValueError, "maxiter must be at least 0"),
        ({"maxiter": 1.5}, TypeError, "maxiter must be an integer"),
    ],
)
def test_wrong_argument_of_a_method_is_named(given, error, text):
    sequence = SolveSequence("ssor_cg", policy=Scripted(1.5))
    for _ in range(2):
        with pytest.raises(error, match=text):
            sequence(**({"A": np.eye(2), "b": np.ones(2)} | given))
    assert sequence.history == []


def test_singular_and_indefinite_systems_end_as_the_method_ends():
    sequence = SolveSequence("ssor_cg", policy=Scripted(1.5))
    for _ in range(3):
        found = sequence(np.array([[1.0, 2.0], [2.0, 1.0]]), np.array([1.0, -1.0]))
        assert found.info != 0
        assert np.isfinite(found.x).all()
    assert sequence.policy.told == []
