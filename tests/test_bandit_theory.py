"""The theorems: estimates with the right mean, probabilities that sum to 1, regret that grows slower than T^0.8."""

import numpy as np
import pytest
from bandit_cases import ARMS
from hypothesis import example, given, settings
from hypothesis import strategies as st
from reference import bandit as reference

import pysolve
from pysolve._bandit_tsallis import TsallisState

LOSSES = st.lists(st.tuples(st.floats(0, 0.999), st.floats(1e-6, 1e6)), min_size=1, max_size=80)
KINDS = pytest.mark.parametrize("reduced_variance", [True, False], ids=["rv", "iw"])


def after(answers, reduced_variance, discount=1.0, n_arms=6):
    """The state after these answers: (where in [0, 1) the draw falls, cost)."""
    state = TsallisState(n_arms, reduced_variance, discount)
    for u, cost in answers:
        p = state.probabilities()
        index = min(int(np.searchsorted(np.cumsum(p), u)), n_arms - 1)
        state.learn(index, cost, p)
    return state


@KINDS
@given(LOSSES, st.sampled_from([1.0, 0.9]))
@example([(0.0, 3.0), (0.0, 4.0), (0.0, 5.0), (0.0, 5.0), (0.0, 1.0)], 1.0)
@example([(0.0, c) for c in (1.9, 858202.0, 1e-6, 936219.0, 4972.0, 753210.0, 324818.0, 740524.0)], 1.0)
@settings(max_examples=100, deadline=None)
def test_probabilities_sum_to_1_and_are_those_of_the_formula(reduced_variance, answers, discount):
    state = after(answers, reduced_variance, discount)
    p = np.array(state.probabilities())
    assert abs(p.sum() - 1) <= 1e-10
    assert p.min() > 0
    eta = (4 if reduced_variance else 2) / np.sqrt(state.rounds + 1)
    expected = reference.tsallis_probabilities(state.k, state.costs / state.rounds, eta)
    np.testing.assert_allclose(p, expected, rtol=1e-6)


@pytest.mark.parametrize("estimator", ["rv", "iw"])
@pytest.mark.parametrize("n_arms", [1, 2, 20, 200])
def test_probabilities_sum_to_1_in_every_round(n_arms, estimator):
    rng = np.random.default_rng(n_arms)
    policy = pysolve.TsallisINF(range(n_arms), estimator=estimator, rng=0)
    for t in range(1500):
        assert abs(sum(policy.probabilities()) - 1) <= 1e-10
        trial = policy.ask()
        policy.tell(trial, rng.exponential() * (1 + trial.index) * (100 if t % 500 > 400 else 1))


@KINDS
def test_estimated_losses_have_the_right_mean(reduced_variance):
    """Summed over the arms that could be played, with their probabilities: no chance, exact."""
    rng = np.random.default_rng(0)
    history = [(float(rng.random()), float(rng.random())) for _ in range(300)]
    p = np.array(after(history, reduced_variance).probabilities())
    losses = rng.random(6)
    least = after(history, reduced_variance).least
    mean = np.zeros(6)
    for played in range(6):
        state = after(history, reduced_variance)
        before, mean_loss = np.array(state.k), state.losses / state.rounds
        state.learn(played, losses[played], p.tolist())
        change = np.array(state.k) - before
        baseline = np.where(reduced_variance & (p >= 16 / 301), mean_loss, 0.0)
        expected = reference.tsallis_estimate(losses[played] - least, played, p, baseline)
        np.testing.assert_allclose(change, expected, atol=1e-12)
        mean += p[played] * change
    np.testing.assert_allclose(mean, losses - least, atol=1e-12)


@KINDS
def test_the_order_of_the_arms_does_not_matter(reduced_variance):
    rng = np.random.default_rng(1)
    order = rng.permutation(6)
    plain, other = (TsallisState(6, reduced_variance, 1.0) for _ in range(2))
    for _ in range(200):
        p = plain.probabilities()
        index, cost = int(rng.choice(6, p=np.array(p) / sum(p))), float(rng.random())
        permuted = other.probabilities()
        np.testing.assert_allclose(np.array(permuted)[order], p, rtol=1e-8)
        plain.learn(index, cost, p)
        other.learn(int(order[index]), cost, permuted)


def drawn_costs(kind, n, rng):
    """(n, arms): chance alone; systems easy or hard; a best arm that hides for a third, or fifth; no chance at all."""
    if kind == "good late":
        return np.where(np.arange(n)[:, None] < n // 5, [100.0, 102.0], [100.0, 50.0])
    if kind == "ramp":
        return np.tile(100 + 10.0 * rng.permutation(20), (n, 1))
    means = 40 + 20 * rng.random(8)
    costs = rng.poisson(means, (n, 8)).astype(float)
    if kind == "hard and easy":
        costs *= np.where(rng.random((n, 1)) < 0.2, 5, 1)
    elif kind == "phases":
        costs[3 * np.arange(n) // n == 0, np.argmin(means)] += 25
    return costs


def regrets(make, kind, T, runs=6):
    """Total cost minus that of the best fixed arm, and what random choices would have: (len(T), runs) each.

    `make` takes the number of arms and a seed. The contexts say nothing about the costs.
    """
    regret, by_chance = np.zeros((2, len(T), runs))
    for place, n in enumerate(T):
        for run in range(runs):
            rng = np.random.default_rng(run)
            costs, contexts = drawn_costs(kind, n, rng), rng.random(n)
            policy = make(costs.shape[1], 100 + run)
            total = 0.0
            for context, row in zip(contexts.tolist(), costs.tolist(), strict=True):
                trial = policy.ask(context if isinstance(policy, pysolve.ChebCB) else None)
                policy.tell(trial, row[trial.index])
                total += row[trial.index]
            sums = costs.sum(axis=0)
            regret[place, run] = total - sums.min()
            by_chance[place, run] = sums.mean() - sums.min()
    return regret, by_chance


def power(T, regret):
    """The p of regret ~ T^p."""
    return np.polyfit(np.log(T), np.log(np.maximum(regret, 1.0)), 1)[0]


@pytest.mark.parametrize("estimator", ["rv", "iw"])
@pytest.mark.parametrize("kind", ["independent", "hard and easy", "phases", "good late", "ramp"])
def test_regret_grows_slower_than_the_power_four_fifths(kind, estimator):
    """T = 500, 1000, .. 8000: the theorem says O(sqrt(T)). The worst run too, where chance lets it."""
    T = 500 * 2 ** np.arange(5)
    regret, _ = regrets(lambda d, seed: pysolve.TsallisINF(range(d), estimator=estimator, rng=seed), kind, T)
    assert power(T, regret.mean(axis=1)) < 0.8, regret
    if kind in ("good late", "ramp"):
        assert power(T, regret.max(axis=1)) < 0.6, regret
        for run in regret.T:
            assert power(T, run) < 0.8, regret


@pytest.mark.parametrize("kind", ["independent", "hard and easy", "phases", "ramp"])
@pytest.mark.parametrize(
    "make",
    [
        lambda d, seed: pysolve.AutoPolicy([f"solver {i}" for i in range(d)], rng=seed),
        lambda d, seed: pysolve.ThompsonSampling([f"solver {i}" for i in range(d)], rng=seed),
        lambda d, seed: pysolve.ChebCB(range(d), (0, 1), rng=seed),
    ],
    ids=["AutoPolicy", "ThompsonSampling", "ChebCB"],
)
def test_the_best_fixed_arm_is_found_where_arms_have_nothing_in_common(make, kind):
    """Not for any sequence, as TsallisINF, but where the arms' mean costs stay."""
    T = [500, 2000]
    regret, by_chance = regrets(make, kind, T)
    assert power(T, regret.mean(axis=1)) < 0.85, regret
    share = regret[-1].mean() / by_chance[-1].mean()
    assert share < (0.6 if kind == "hard and easy" else 0.15), regret


def test_auto_policy_finds_an_arm_that_becomes_good_late():
    """In proportion to T, since there is no bound: a part of what choices by chance lose."""
    regret, by_chance = regrets(
        lambda d, seed: pysolve.AutoPolicy(range(d), rng=seed), "good late", [500, 2000]
    )
    assert (regret < 0.25 * by_chance).all(), regret


def contextual_total(policy, n=2000, seed=0):
    """Total costs of a policy, of the best fixed arm, and of the best arm of each system."""
    rng = np.random.default_rng(seed)
    contexts = rng.beta(2, 4, n)
    arms = np.array(ARMS)
    costs = 20 + 60 * np.abs(arms - 1.9 + 0.8 * contexts[:, None]) + rng.poisson(3, (n, 1))
    total = 0.0
    for context, row in zip(contexts, costs, strict=True):
        trial = policy.ask(context)
        policy.tell(trial, row[trial.index])
        total += row[trial.index]
    return total, costs.sum(axis=0).min(), costs.min(axis=1).sum()


@pytest.mark.parametrize(
    ("make", "share"),
    [
        (lambda: pysolve.AutoPolicy(ARMS, rng=0), 0.1),
        (lambda: pysolve.ThompsonSampling(ARMS, (0, 1), rng=0), 0.1),
        (lambda: pysolve.ChebCB(ARMS, (0, 1), rng=0), 0.5),
    ],
    ids=["AutoPolicy", "ThompsonSampling", "ChebCB"],
)
def test_with_context_the_best_arm_of_every_system_is_approached(make, share):
    """The share that is left of the way from the best fixed arm to the best arm of each system."""
    total, fixed, best = contextual_total(make())
    assert total - best < share * (fixed - best)


def test_few_answers_suffice_where_arms_are_near_each_other():
    total, fixed, _ = contextual_total(pysolve.AutoPolicy(ARMS, rng=1), n=150)
    assert total < fixed
