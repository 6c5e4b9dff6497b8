"""A policy in a file or a pickle goes on bit for bit; a file that is damaged is refused as a whole."""

import json
import pickle
import zipfile

import numpy as np
import pytest
from bandit_cases import ARMS, NAMES, POLICIES, context_at, cost_of, play

import pysolve

TIMES = [np.timedelta64(3, "ns"), np.timedelta64(5, "ns")]
BITS = ["PCG64", "PCG64DXSM", "MT19937", "Philox", "SFC64"]


def make(name, arms=ARMS, rng=0):
    return POLICIES[name][0](arms, rng)


def saved(policy, tmp_path, **arguments):
    policy.save(tmp_path / "policy.npz")
    return type(policy).load(tmp_path / "policy.npz", **arguments)


@pytest.mark.parametrize("told", [0, 1, 7, 100])
@pytest.mark.parametrize("way", ["file", "pickle"])
@pytest.mark.parametrize("name", NAMES)
def test_a_restored_policy_goes_on_with_the_same_bits(name, way, told, tmp_path):
    policy = make(name)
    play(policy, name, told)
    opened = [policy.ask(context_at(name, i)) for i in range(5)]
    policy.tell(opened[1], 40)
    trials = pickle.loads(pickle.dumps(opened))
    copy = pickle.loads(pickle.dumps(policy)) if way == "pickle" else saved(policy, tmp_path)
    assert type(copy) is type(policy)
    for each, asked in (policy, opened), (copy, trials):
        each.tell(asked[3], 35)
        play(each, name, 60, start=told)
        each.tell(asked[0], 30, censored=True)
    assert play(policy, name, 60) == play(copy, name, 60)
    assert policy.history.tobytes() == copy.history.tobytes()
    assert policy.__getstate__().keys() == copy.__getstate__().keys()
    assert repr(policy) == repr(copy)
    with pytest.raises(ValueError, match="told before"):
        copy.tell(trials[1], 40)


@pytest.mark.parametrize("bits", BITS)
def test_the_state_of_every_generator_is_kept(bits, tmp_path):
    policy = make("ThompsonSampling", rng=np.random.Generator(getattr(np.random, bits)(3)))
    play(policy, "ThompsonSampling", 21)
    copy = saved(policy, tmp_path)
    assert play(policy, "ThompsonSampling", 50) == play(copy, "ThompsonSampling", 50)


@pytest.mark.parametrize("arms", [[1, 2.5], ["cg", "sor"], [{"a": [1, None]}, "b"]], ids=str)
def test_arms_of_json_are_in_the_file(arms, tmp_path):
    copy = saved(make("AutoPolicy", arms), tmp_path)
    assert list(copy.arms) == arms
    assert [type(arm) for arm in copy.arms] == [type(arm) for arm in arms]


@pytest.mark.parametrize(
    "arms",
    [np.arange(5), np.linspace(1, 1.9, 10), np.float32([1, 2.5]), [{"a": np.int8(3)}, [np.bool_(True)]]],
    ids=["int64", "float64", "float32", "inside others"],
)
def test_numbers_of_numpy_are_in_the_file_as_pythons(arms, tmp_path):
    policy = make("AutoPolicy", arms)
    play(policy, "AutoPolicy", 20)
    copy = saved(policy, tmp_path)
    assert copy.arms == policy.arms
    assert not any(isinstance(arm, np.generic) for arm in copy.arms)
    assert saved(policy, tmp_path, arms=arms).arms == policy.arms
    assert play(copy, "AutoPolicy", 40) == play(policy, "AutoPolicy", 40)


@pytest.mark.parametrize("arms", [[len, max], [(1, 2), (3, 4)], [{1: 2}, 3], [np.sin, 1.0], TIMES], ids=str)
def test_other_arms_are_given_again(arms, tmp_path):
    policy = make("AutoPolicy", arms)
    with pytest.raises(ValueError, match="give them again"):
        saved(policy, tmp_path)
    assert list(saved(policy, tmp_path, arms=arms).arms) == arms
    with pytest.raises(ValueError, match="has 2 arms, but there are 3"):
        saved(policy, tmp_path, arms=[*arms, 1])


def test_other_arms_than_those_in_the_file_are_refused(tmp_path):
    with pytest.raises(ValueError, match="arms given are not those"):
        saved(make("ChebCB"), tmp_path, arms=[2 * arm for arm in ARMS])


def test_another_policys_file_is_refused(tmp_path):
    make("ChebCB").save(tmp_path / "a.npz")
    with pytest.raises(ValueError, match="holds no TsallisINF that can be used: it holds a ChebCB"):
        pysolve.TsallisINF.load(tmp_path / "a.npz")


@pytest.mark.parametrize("share", [0.0, 0.1, 0.5, 0.9, 0.99])
@pytest.mark.parametrize("name", ["TsallisINF rv", "AutoPolicy context"])
def test_a_file_cut_short_is_refused(name, share, tmp_path):
    policy, path = make(name), tmp_path / "a.npz"
    play(policy, name, 30)
    policy.save(path)
    whole = path.read_bytes()
    path.write_bytes(whole[: int(share * len(whole))])
    with pytest.raises(ValueError, match=r"a\.npz"):
        type(policy).load(path)


def test_no_file_and_no_path(tmp_path):
    with pytest.raises(FileNotFoundError):
        pysolve.ChebCB.load(tmp_path / "absent.npz")
    with pytest.raises(TypeError, match="path must be a str"):
        pysolve.ChebCB.load(3)
    with pytest.raises(TypeError, match="path must be a str"):
        make("ChebCB").save(3)


def changed(arrays, key, value):
    return arrays | {key: value}


def header(arrays, **changes):
    return changed(arrays, "header", np.array(json.dumps(json.loads(str(arrays["header"])) | changes)))


DAMAGE = {
    "another version": (lambda a: header(a, version=2), "version must be 1"),
    "no header": (lambda a: {k: v for k, v in a.items() if k != "header"}, "lacks 'header'"),
    "header is no JSON": (lambda a: changed(a, "header", np.array("{")), "holds no"),
    "header is a list": (lambda a: changed(a, "header", np.array("[]")), "version must be 1"),
    "unknown generator": (
        lambda a: header(a, rng={"bit_generator": "SeedSequence"}),
        "random generator is 'SeedSequence'",
    ),
    "damaged generator": (lambda a: header(a, rng={"bit_generator": "PCG64"}), "holds no"),
    "wrong parameters": (lambda a: header(a, parameters={"domain": None, "left": 1}), "holds no"),
    "wrong number of arms": (lambda a: header(a, n_arms=3), "3 arms"),
    "no mean": (lambda a: {k: v for k, v in a.items() if k != "learners0.model.mean"}, "lacks"),
    "wrong shape": (lambda a: changed(a, "learners0.model.mean", np.zeros(3)), "must have shape"),
    "wrong dtype": (lambda a: changed(a, "asked", np.array("three")), "must be of dtype"),
    "not finite": (lambda a: changed(a, "worst", np.array(np.nan)), "must be finite"),
    "one more array": (lambda a: changed(a, "more", np.zeros(3)), "unknown arrays more"),
    "columns of other lengths": (
        lambda a: changed(a, "history.costs", np.zeros(3)),
        "differ in length",
    ),
    "arm that is not there": (
        lambda a: changed(a, "history.indices", np.full(30, 99, np.int32)),
        "names arms",
    ),
    "trial that was not asked": (
        lambda a: changed(a, "history.trials", np.arange(1, 31)),
        "names trials that were not asked",
    ),
    "trial told twice": (
        lambda a: changed(a, "history.trials", np.maximum(np.arange(30), 1)),
        "or one of them twice",
    ),
    "model that is not there": (lambda a: changed(a, "active", np.array(1)), "its active model is number 1"),
    "learner's arm that is not there": (
        lambda a: changed(a, "learners0.indices", np.full(30, -1, np.int32)),
        "names arms",
    ),
    "other mode": (lambda a: changed(a, "mode", np.array(7)), "mode must be"),
    "objects": (lambda a: changed(a, "more", np.array([{}], dtype=object)), "Python objects"),
}


@pytest.mark.parametrize("damage", DAMAGE)
def test_a_damaged_file_is_refused(damage, tmp_path):
    policy = make("AutoPolicy context")
    play(policy, "AutoPolicy context", 30)
    path = tmp_path / "a.npz"
    policy.save(path)
    with np.load(path) as file:
        arrays = {key: file[key] for key in file.files}
    change, message = DAMAGE[damage]
    np.savez(path, **change(arrays))
    with pytest.raises(ValueError, match=message):
        pysolve.AutoPolicy.load(path)


def test_file_is_an_archive_of_plain_arrays(tmp_path):
    policy = make("ThompsonSampling context")
    play(policy, "ThompsonSampling context", 500)
    policy.save(tmp_path / "a.npz")
    assert (tmp_path / "a.npz").stat().st_size < 100_000
    assert zipfile.ZipFile(tmp_path / "a.npz").testzip() is None
    assert cost_of(ARMS.index(saved(policy, tmp_path).best(0.5)), 0.5) < 28
