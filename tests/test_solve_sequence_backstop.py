"""The default's recent cost: measured rarely, soon after it has changed, and where the context has not been."""

import math

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from solve_sequence_cases import A, B, Scripted, Steady

from pysolve import SolveSequence
from pysolve._solve_sequence_backstop import FIRST_GAP, KEPT, LAST_GAP, NEAREST, Yardstick


def measurements(costs, contexts=None):
    """Calls at which the default is measured, where it costs so much at each."""
    yardstick, found = Yardstick(), []
    for k, cost in enumerate(costs):
        context = None if contexts is None else contexts[k]
        if yardstick.is_wanted(context):
            found.append(k)
            yardstick.add(context, cost)
        else:
            yardstick.n_calls += 1
    return found, yardstick


def test_measurements_of_a_steady_default_become_rare():
    found, _ = measurements([10.0] * 20_000)
    gaps = np.diff(found)
    assert gaps[:3].tolist() == [FIRST_GAP + 1, 2 * FIRST_GAP + 1, 4 * FIRST_GAP + 1]
    assert gaps[-1] == LAST_GAP + 1
    assert len(found) <= math.log2(LAST_GAP / FIRST_GAP) + 20_000 / LAST_GAP + 2


def test_measurement_that_is_off_brings_the_next_ones_closer():
    found, yardstick = measurements([10.0] * 3000 + [1.0] * 3000)
    after = [k for k in found if k >= 3000]
    assert after[0] < 3000 + LAST_GAP + 1
    assert after[1] - after[0] == FIRST_GAP + 1
    assert yardstick.cost(None) == 1.0


def test_context_that_drifts_is_measured_at_doubling_ranges():
    contexts = np.linspace(0.01, 10, 5000)
    found, yardstick = measurements(10 * contexts, contexts)
    assert len(found) <= 35
    for k in range(len(found) - 1):  # never asked far outside what is known
        assert contexts[found[k + 1]] <= 3 * contexts[found[k]] + 0.1
    assert yardstick.cost(10.0) >= 10 * 3.3


@given(st.lists(st.tuples(st.floats(-5, 5), st.floats(0.5, 100)), min_size=1, max_size=40), st.floats(-5, 5))
def test_cost_is_that_of_the_nearest_contexts_kept(pairs, context):
    yardstick = Yardstick()
    for c, cost in pairs:
        yardstick.add(c, cost)
    kept = yardstick.measured
    assert len(kept) == min(len(pairs), KEPT)
    assert set(pairs[2 - KEPT :]) <= set(kept) <= set(pairs)
    assert (min(kept)[0], max(kept)[0]) == (min(pairs)[0], max(pairs)[0])
    bound = sorted(abs(c - context) for c, _ in kept)[:NEAREST][-1]
    near = [cost for c, cost in kept if abs(c - context) <= bound]
    assert min(near) <= yardstick.cost(context) <= max(near)


def test_contexts_within_the_range_that_was_measured_are_no_news():
    contexts = np.random.default_rng(0).uniform(0, 10, 5000)
    found, _ = measurements(5 + contexts, contexts)
    assert len(found) <= 20


def test_latest_measurements_count_where_contexts_are_equal():
    yardstick = Yardstick()
    for cost in (90.0, 90.0, 1.0, 2.0, 3.0):
        yardstick.add(None, cost)
    assert yardstick.cost(None) == 3.0


def test_failure_counts_until_the_default_has_not_failed():
    yardstick = Yardstick()
    assert yardstick.cost(None) == math.inf
    yardstick.missed(None, math.inf, None)
    assert not yardstick.is_wanted(None)
    assert yardstick.cost(None) == math.inf
    yardstick.add(None, 7.0)
    yardstick.missed(None, math.inf, None)
    assert yardstick.cost(None) == 7.0
    assert yardstick.gap == FIRST_GAP


def test_attempt_that_was_too_short_is_no_cost_and_made_again_where_more_is_allowed():
    yardstick = Yardstick()
    yardstick.missed(None, 3.0, 3)
    assert yardstick.cost(None) == math.inf
    assert [yardstick.is_wanted(None, maxiter) for maxiter in (2, 3, 4, None)] == [False, False, True, True]
    yardstick.missed(None, 1000.0, None)
    assert not yardstick.is_wanted(None, None)
    yardstick.add(None, 2000.0)
    yardstick.missed(None, 3.0, 3)
    assert yardstick.cost(None) == 2000.0
    assert not yardstick.is_wanted(None, None)


@settings(deadline=None, max_examples=30)
@given(st.integers(0, 2**32), st.floats(0.2, 5.0))
def test_state_gives_the_same_yardstick(seed, scale):
    rng = np.random.default_rng(seed)
    yardstick = Yardstick()
    for c, cost in rng.uniform(0, scale, (20, 2)).tolist():
        yardstick.add(c, cost)
    again = Yardstick.from_state(yardstick.state())
    assert again.__dict__ == yardstick.__dict__


def test_default_that_becomes_dearer_is_seen_in_what_it_takes_over():
    """Systems that are harder than they were: arms are stopped too soon, until the default has gone all the way."""
    safe, other = Steady(10), Steady(30)
    solvers = {"safe": safe, "other": other}
    sequence = SolveSequence(solvers, policy=Scripted("other"), cost="iterations")
    for _ in range(4):
        assert not sequence(A, B).aborted
    safe.cost, other.cost = 1000, 2000
    aborted = [sequence(A, B).aborted for _ in range(10)]
    assert aborted[0]
    assert not any(aborted[NEAREST:])


def test_sequence_measures_the_default_less_than_once_in_a_hundred_calls():
    sequence = SolveSequence(
        {"safe": Steady(4), "fast": Steady(1)}, policy=Scripted("fast"), cost="iterations"
    )
    rng = np.random.default_rng(1)
    for _ in range(2000):
        sequence(A, B, context=float(rng.uniform(2, 3)))
    assert sum(call.measured for call in sequence.history) <= 16
