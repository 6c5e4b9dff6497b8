"""What every policy promises: the protocol ask / tell, whatever the arms, the order, the threads and the costs."""

import pickle
import threading

import numpy as np
import pytest
from bandit_cases import ARMS, LEARNING, NAMES, POLICIES, context_at, cost_of, play
from hypothesis import given, settings
from hypothesis import strategies as st

import pysolve
from pysolve._bandit_history import Numbers

COSTS = st.floats(0, 1e12) | st.floats(0, 1.7e308)


def zero(r):
    return 0 * r


@pytest.fixture(params=NAMES)
def name(request):
    return request.param


def make(name, arms=ARMS, rng=0):
    return POLICIES[name][0](arms, rng)


def test_trial_has_the_arm_its_index_and_the_context(name):
    trial = make(name).ask(context_at(name, 3))
    assert trial.value == ARMS[trial.index]
    assert trial.context == context_at(name, 3)
    assert repr(trial.value) in repr(trial)


@pytest.mark.parametrize("name", LEARNING)
def test_a_clear_best_arm_is_found(name):
    policy = make(name)
    play(policy, name, 1500)
    last = play(policy, name, 300, start=1500)
    contexts = [context_at(name, i) for i in range(1500, 1800)]
    costs = [cost_of(index, c) for index, c in zip(last, contexts, strict=True)]
    random = [cost_of(index, c) for c in contexts for index in range(10)]
    assert np.mean(costs) < 20 + 0.6 * (np.mean(random) - 20)
    assert cost_of(ARMS.index(policy.best(contexts[0])), contexts[0]) <= 20 + 12


def test_same_rng_same_choices_and_generators_are_taken(name):
    first, second = make(name, rng=5), make(name, rng=np.random.default_rng(5))
    assert play(first, name, 60) == play(second, name, 60)


@pytest.mark.parametrize(
    "arms",
    [
        ["cg", "sor", "multilevel"],
        [{"omega": 1.0}, {"omega": 1.5}, {"omega": [1]}],
        [np.sin, zero, len],
        [None, (1, 2), 3.5],
        [2.0, 2.0, 2.0],
        [1e-4, 1e-2, 1e2],
        [True, False, True],
        [5],
        ["only"],
    ],
    ids=str,
)
def test_arms_may_be_anything(name, arms):
    policy = make(name, arms)
    indices = play(policy, name, 40)
    assert set(indices) <= set(range(len(arms)))
    assert policy.best(context_at(name, 0)) in list(arms)
    assert len(policy.history) == 40


def test_answers_come_in_any_order_or_not_at_all(name):
    policy = make(name)
    trials = [policy.ask(context_at(name, i)) for i in range(200)]
    for i in np.random.default_rng(1).permutation(200)[:120]:
        policy.tell(trials[i], cost_of(trials[i].index, trials[i].context))
    assert len(policy.history) == 120
    play(policy, name, 100)
    assert sorted(policy.history["trial"][-100:]) == list(range(200, 300))


def test_unanswered_trials_take_no_memory(name):
    policy = make(name)
    play(policy, name, 30)
    before = len(policy.__getstate__()), sum(map(len, (repr(v) for v in policy.__getstate__().values())))
    for i in range(500):
        policy.ask(context_at(name, i))
    after = len(policy.__getstate__()), sum(map(len, (repr(v) for v in policy.__getstate__().values())))
    assert after[0] == before[0]
    assert after[1] < before[1] + 2000


def test_a_copy_of_a_trial_is_the_same_trial(name):
    policy = make(name)
    trials = [policy.ask(context_at(name, i)) for i in range(5)]
    copies = pickle.loads(pickle.dumps(trials))
    for told, again in (trials[3], copies[3]), (copies[0], trials[0]), (copies[4], copies[4]):
        policy.tell(told, 30)
        with pytest.raises(ValueError, match="trial must be told once"):
            policy.tell(again, 30)
    assert policy.history["trial"].tolist() == [3, 0, 4]


def test_a_trial_of_a_copy_that_went_on_is_refused(name):
    policy = make(name)
    play(policy, name, 3)
    copy = pickle.loads(pickle.dumps(policy))
    trial = copy.ask(context_at(name, 3))
    with pytest.raises(ValueError, match="trial must be of this policy"):
        policy.tell(trial, 30)
    copy.tell(trial, 30)


def test_a_tell_that_raises_leaves_the_trial_open(name, monkeypatch):
    policy = make(name)
    trial = policy.ask(context_at(name, 0))
    with monkeypatch.context() as patch:
        patch.setattr(policy, "_learn", lambda *_: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            policy.tell(trial, 30)
    with pytest.raises(ValueError, match="ambiguous"):
        policy.tell(trial, 30, censored=np.ones(2))
    assert len(policy.history) == 0
    policy.tell(trial, 30)


@given(st.lists(st.integers(0, 40), unique=True))
@settings(deadline=None)
def test_numbers_told_are_kept_as_runs(told):
    numbers = Numbers()
    for number in told:
        numbers.add(number)
    assert [i in numbers for i in range(-1, 43)] == [i in told for i in range(-1, 43)]
    gaps = sum(i in told and i + 1 not in told for i in range(41))
    assert len(numbers.ends) == 2 * gaps


def test_a_solve_that_cost_nothing_teaches_nothing(name):
    policy, other = make(name), make(name)
    play(policy, name, 20)
    play(other, name, 20)
    policy.tell(policy.ask(context_at(name, 20)), 0)
    other.ask(context_at(name, 20))
    assert play(policy, name, 40, start=21) == play(other, name, 40, start=21)
    assert policy.history["cost"][20] == 0


@pytest.mark.parametrize("unit", [2.0**-20, 2.0**-1000, 2.0**1000])
def test_the_unit_of_the_cost_does_not_matter(name, unit):
    iterations, seconds = make(name), make(name)
    for i in range(300):
        a, b = (policy.ask(context_at(name, i)) for policy in (iterations, seconds))
        assert a.index == b.index
        cost = cost_of(a.index, a.context, i)
        iterations.tell(a, cost)
        seconds.tell(b, cost * unit)  # exact, so that not even rounding differs


@pytest.mark.parametrize("name", LEARNING)
def test_an_arm_that_fails_is_left(name):
    policy = make(name)
    chosen = []
    for i in range(600):
        trial = policy.ask(context_at(name, i))
        chosen.append(trial.index)
        if trial.index in (4, 5):
            policy.tell(trial, np.inf if i % 2 else 3, failed=True)
        else:
            policy.tell(trial, cost_of(trial.index, trial.context))
    assert np.isin(chosen[400:], (4, 5)).mean() < 0.1
    assert policy.history["failed"].sum() == np.isin(chosen, (4, 5)).sum()


@pytest.mark.parametrize("name", LEARNING)
def test_solves_given_up_teach_that_the_arm_is_bad(name):
    policy = make(name)
    for i in range(800):
        trial = policy.ask(context_at(name, i))
        cost = cost_of(trial.index, trial.context)
        policy.tell(trial, min(cost, 30), censored=cost > 30)
    assert policy.history["censored"].any()
    for c in [None] if context_at(name, 0) is None else [0.2, 0.5, 0.8]:
        assert cost_of(ARMS.index(policy.best(c)), c) < 32


@pytest.mark.parametrize("cost", [np.inf, 1.7e308, 5e-324, 0.0])
def test_failures_only_are_survived(name, cost):
    policy = make(name)
    for i in range(50):
        policy.tell(policy.ask(context_at(name, i)), cost, failed=True)
    assert policy.best(context_at(name, 0)) in ARMS


@pytest.mark.parametrize("name", LEARNING)
def test_a_first_failure_of_unknown_cost_counts_as_bad_in_any_unit(name):
    policy, chosen = make(name, ARMS[:2]), []
    for i in range(300):
        trial = policy.ask(context_at(name, i))
        chosen.append(trial.index)
        failed = trial.index == chosen[0]
        policy.tell(trial, np.inf if failed else 1000 + i % 7, failed=failed)
    assert np.mean(np.array(chosen[100:]) == chosen[0]) < 0.2


def test_many_threads_ask_and_tell(name):
    policy, errors = make(name), []

    def work(first):
        try:
            play(policy, name, 100, start=first)
        except Exception as error:
            errors.append(error)

    threads = [threading.Thread(target=work, args=(100 * i,)) for i in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not errors
    assert sorted(policy.history["trial"]) == list(range(800))


def test_history_tells_all(name):
    policy = make(name)
    indices = play(policy, name, 25)
    history = policy.history
    assert history["index"].tolist() == indices
    assert history["trial"].tolist() == list(range(25))
    assert history["cost"].tolist() == [cost_of(j, context_at(name, i), i) for i, j in enumerate(indices)]
    assert np.isnan(history["context"]).all() == (context_at(name, 0) is None)
    assert "25 told" in repr(policy)


def test_best_changes_nothing(name):
    policy, other = make(name), make(name)
    for i in range(40):
        policy.best(context_at(name, i)) if i else None
        assert play(policy, name, 1, start=i) == play(other, name, 1, start=i)


@given(
    st.lists(st.tuples(COSTS, st.booleans(), st.booleans()), min_size=1, max_size=60),
    st.sampled_from(NAMES),
)
@settings(max_examples=80, deadline=None)
def test_whatever_the_costs_an_arm_comes_back(costs, name):
    policy = make(name)
    for i, (cost, censored, failed) in enumerate(costs):
        trial = policy.ask(context_at(name, i))
        assert 0 <= trial.index < len(ARMS)
        policy.tell(trial, cost, censored=censored, failed=failed)
    assert policy.best(context_at(name, 0)) in ARMS


def test_successive_reject_stays_with_the_best_after_its_trials():
    policy = pysolve.SuccessiveReject(ARMS, 100)
    indices = play(policy, "SuccessiveReject", 200)
    assert set(indices[120:]) <= {4, 5}
    assert len(set(indices[120:])) == 1


def test_auto_policy_follows_a_drift_without_context():
    policy = pysolve.AutoPolicy(ARMS, rng=1)
    total = {"policy": 0.0, "fixed": np.zeros(10)}
    for i in range(3000):
        costs = np.array([30 + 5 * abs(j - (2 if i < 1500 else 8)) for j in range(10)], dtype=float)
        trial = policy.ask()
        policy.tell(trial, costs[trial.index])
        total["policy"] += costs[trial.index]
        total["fixed"] += costs
    assert total["policy"] < 0.85 * total["fixed"].min()


def test_context_of_unknown_and_growing_range_is_taken():
    policy = pysolve.AutoPolicy(ARMS, rng=1)
    late = []
    for i in range(2000):
        context = 10.0 ** (i // 400) * (1 + i % 7)  # over four powers of ten
        best = 9 * (0.5 + 0.5 * np.sin(1.5 * np.log(context)))
        trial = policy.ask(context)
        cost = 20 + 4 * abs(trial.index - best)
        policy.tell(trial, cost)
        late.append(cost)
    assert np.mean(late[-200:]) < 27
