"""Bad input to policies is refused with a sentence that names it."""

import numpy as np
import pytest
from bandit_cases import ARMS, NAMES, POLICIES, WITH_CONTEXT, context_at, play

import pysolve


def make(name, arms=ARMS):
    return POLICIES[name][0](arms, 0)


@pytest.mark.parametrize("name", NAMES)
def test_no_arms_are_refused(name):
    with pytest.raises(ValueError, match="arms must hold at least one"):
        make(name, [])
    with pytest.raises(TypeError, match="arms must be a sequence"):
        make(name, 3)


@pytest.mark.parametrize("cost", [np.nan, -1, -1e-300, -np.inf, np.inf, 10**400, -(10**400)])
@pytest.mark.parametrize("name", NAMES)
def test_cost_that_is_none_is_refused_and_the_trial_stays_open(name, cost):
    policy = make(name)
    trial = policy.ask(context_at(name, 0))
    with pytest.raises(ValueError, match="cost must be finite and at least 0"):
        policy.tell(trial, cost)
    policy.tell(trial, 3)
    assert len(policy.history) == 1


@pytest.mark.parametrize("name", NAMES)
def test_other_wrong_answers_are_refused(name):
    policy, other = make(name), make(name)
    trial = policy.ask(context_at(name, 0))
    with pytest.raises(TypeError, match="cost must be a number"):
        policy.tell(trial, "many")
    with pytest.raises(TypeError, match="trial must be what ask returned"):
        policy.tell(1.5, 3)
    with pytest.raises(ValueError, match="trial must be of this policy"):
        other.tell(trial, 3)
    policy.tell(trial, 3)
    with pytest.raises(ValueError, match="trial must be told once"):
        policy.tell(trial, 3)
    with pytest.raises(ValueError, match="cost must be finite"):
        policy.tell(policy.ask(context_at(name, 0)), np.nan, failed=True)
    assert len(policy.history) == 1


@pytest.mark.parametrize("context", [-0.001, 1.001, 1e300])
@pytest.mark.parametrize("name", ["TsallisINFBins", "ChebCB", "ThompsonSampling domain"])
def test_context_outside_the_domain_is_refused(name, context):
    policy = make(name)
    for ask in policy.ask, policy.best:
        with pytest.raises(ValueError, match=r"context must lie in the domain \(0.0, 1.0\), got"):
            ask(context)
    policy.ask(0.0), policy.ask(1.0)


@pytest.mark.parametrize("name", WITH_CONTEXT)
def test_context_that_is_none_or_no_number_is_refused(name):
    policy = make(name)
    play(policy, name, 3)
    with pytest.raises(ValueError, match="context must be a number"):
        policy.ask()
    with pytest.raises(ValueError, match="context must be finite"):
        policy.ask(np.nan)
    for huge in 1.1e300, -1.7e308, 10**400:
        with pytest.raises(ValueError, match=r"context must be finite and of size 1e\+300 at most"):
            policy.ask(huge)
    with pytest.raises(TypeError, match="context must be a number"):
        policy.ask("warm")
    play(policy, name, 3)


@pytest.mark.parametrize("domain", [(-1e300, 1e300), (0.0, 1e-320), (np.nextafter(1e300, 0), 1e300)], ids=str)
@pytest.mark.parametrize("make", [pysolve.ChebCB, pysolve.TsallisINFBins, pysolve.AutoPolicy])
def test_domains_may_be_huge_or_tiny(make, domain):
    policy = make(ARMS, domain, rng=0)
    for i in range(60):
        policy.tell(policy.ask(domain[i % 2]), 20 + i % 7)
    assert policy.best(domain[1]) in ARMS


def test_contexts_without_domain_may_be_huge_or_tiny():
    policy = pysolve.AutoPolicy(ARMS, rng=0)
    for i in range(100):
        policy.tell(policy.ask((-1) ** i * 10.0 ** (6 * i - 300)), 20 + i % 7)
    assert policy.best(0.0) in ARMS


@pytest.mark.parametrize("name", ["ThompsonSampling", "AutoPolicy"])
def test_context_after_questions_without_is_refused(name):
    policy = make(name)
    play(policy, name, 3)
    with pytest.raises(ValueError, match="context must be None as in the first ask"):
        policy.ask(0.5)


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda: pysolve.TsallisINF(ARMS, estimator="ips"), ValueError, "estimator must be"),
        (lambda: pysolve.TsallisINF(ARMS, discount=0), ValueError, "discount must be"),
        (lambda: pysolve.ThompsonSampling(ARMS, discount=1.1), ValueError, "discount must be"),
        (lambda: pysolve.ThompsonSampling(ARMS, exploration=-1), ValueError, "exploration must be"),
        (lambda: pysolve.ThompsonSampling(ARMS, exploration=np.nan), ValueError, "exploration must be"),
        (lambda: pysolve.ThompsonSampling(ARMS, (1, 0)), ValueError, "domain must be"),
        (lambda: pysolve.ChebCB(ARMS, (0, np.inf)), ValueError, "domain must be"),
        (lambda: pysolve.ChebCB(ARMS, (-1e308, 1e308)), ValueError, "neither beyond 1e\\+300"),
        (lambda: pysolve.ChebCB(ARMS, ("a", 1)), TypeError, "domain must be a pair"),
        (lambda: pysolve.ChebCB(ARMS, 3), TypeError, "domain must be a pair"),
        (lambda: pysolve.ChebCB(ARMS, (0, 1), n_terms=0), ValueError, "n_terms must be at least 1"),
        (lambda: pysolve.ChebCB(ARMS, (0, 1), n_terms=2.5), TypeError, "n_terms must be an int"),
        (lambda: pysolve.TsallisINFBins(ARMS, (0, 1), 0), ValueError, "n_bins must be at least 1"),
        (lambda: pysolve.FixedArm(ARMS, 10), ValueError, "index must be from 0 to 9"),
        (lambda: pysolve.FixedArm(ARMS, 1.0), TypeError, "index must be an int"),
        (lambda: pysolve.SuccessiveReject(ARMS, 0), ValueError, "n_trials must be at least 1"),
    ],
)
def test_wrong_arguments_are_refused(make, error, message):
    with pytest.raises(error, match=message):
        make()


def test_picture_needs_costs_of_all_arms():
    with pytest.raises(ValueError, match=r"costs must have shape \(n_solves, 10\)"):
        make("TsallisINF rv").plot(costs=np.ones((5, 3)))


@pytest.mark.parametrize("arms", [ARMS, ["a", "b", len], [1.0, 1.0, 2.0]], ids=str)
def test_picture_shows_every_choice(arms):
    pytest.importorskip("matplotlib")
    policy = make("TsallisINF rv", arms)
    play(policy, "TsallisINF rv", 30)
    ax = policy.plot(costs=1 + np.random.default_rng(0).random((30, len(arms))))
    assert len(ax.lines[0].get_xdata()) == 30
    (x_low, x_high), (y_low, y_high) = ax.get_xlim(), ax.get_ylim()
    heights = ax.lines[0].get_ydata()
    assert x_low < 0 < 29 < x_high
    assert y_low < heights.min() <= heights.max() < y_high
    assert [each.get_ylabel() for each in ax.figure.axes] == ["arm", "cost"]
    assert [text.get_text() for text in ax.get_legend().get_texts()] == ["chosen"]
    assert policy.plot(ax) is ax


@pytest.mark.parametrize(
    "costs",
    [np.ones((9, 2)), np.zeros((0, 2)), [[0, np.inf]], [[1, 1 + 1e-15]], [[1e-300, 1e300]], [[np.nan, 2]]],
)
def test_picture_of_costs_that_are_alike_or_far_apart(costs):
    pytest.importorskip("matplotlib")
    assert pysolve.FixedArm([1.0, 2.0]).plot(costs=costs).get_ylabel() == "arm"
