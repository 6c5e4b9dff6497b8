"""A sequence saved, or pickled, goes on where it was; a damaged file or the wrong one is refused."""

import copy
import json
import pickle
import threading
import zipfile

import numpy as np
import pytest
from solve_sequence_cases import A, B, Scripted, Steady

import pysolve
from pysolve import SolveSequence


def by_omega(n_calls=30):
    heat = pysolve.gallery.HeatEquation(nx=12)
    sequence = SolveSequence("ssor_cg", domain=heat.domain, rng=3)
    run(sequence, heat, n_calls)
    return sequence, heat


def run(sequence, heat, n_calls):
    found = []
    for _ in range(n_calls):
        matrix, b, x0, kappa = heat.advance()
        result = sequence(matrix, b, x0, rtol=1e-8, context=kappa)
        heat.accept(result.x)
        found.append((result.arm, result.iterations, result.x.tobytes()))
    return found


@pytest.mark.parametrize("way", ["file", "pickle", "copy"])
def test_restored_sequence_goes_on_to_the_bit(tmp_path, way):
    sequence, heat = by_omega()
    if way == "file":
        sequence.save(tmp_path / "state")
        again = SolveSequence.load(tmp_path / "state")
    else:
        again = pickle.loads(pickle.dumps(sequence)) if way == "pickle" else copy.deepcopy(sequence)
    assert [call[:3] for call in again.history] == [call[:3] for call in sequence.history]
    assert repr(again) == repr(sequence)
    twin = copy.deepcopy(heat)
    assert run(again, twin, 40) == run(sequence, heat, 40)
    assert again.total_cost == sequence.total_cost


def test_sequence_of_solvers_is_restored_with_them(tmp_path):
    solvers = {"safe": Steady(5), "fast": Steady(2)}
    sequence = SolveSequence(solvers, policy=Scripted("fast"), cost="iterations")
    for _ in range(3):
        sequence(A, B, context=0.1)
    sequence.save(tmp_path / "state")
    again = SolveSequence.load(tmp_path / "state", method=solvers, policy=Scripted)
    assert again.history == sequence.history
    assert again.policy.told == sequence.policy.told
    for wrong in (None, "ssor_cg", {"safe": Steady(5)}):
        with pytest.raises(ValueError, match="method must be a dict of the solvers"):
            SolveSequence.load(tmp_path / "state", method=wrong, policy=Scripted)
    with pytest.raises(ValueError, match="pass its class as policy"):
        SolveSequence.load(tmp_path / "state", method=solvers)


def test_sequence_of_a_method_takes_no_solvers(tmp_path):
    sequence, _ = by_omega(3)
    sequence.save(tmp_path / "state")
    with pytest.raises(ValueError, match="omit method"):
        SolveSequence.load(tmp_path / "state", method={"cg": pysolve.cg})


@pytest.mark.parametrize("share", [0.0, 0.3, 0.9, 0.999])
def test_file_cut_short_is_refused(tmp_path, share):
    sequence, _ = by_omega(5)
    sequence.save(tmp_path / "state")
    whole = (tmp_path / "state").read_bytes()
    (tmp_path / "state").write_bytes(whole[: int(share * len(whole))])
    with pytest.raises(ValueError, match="holds no saved SolveSequence"):
        SolveSequence.load(tmp_path / "state")


GOOD = [1.0, 3.0, 3, 0.1, 0.5, "CONVERGED", False, False, False]
ROWS = [
    [*GOOD[:k], wrong, *GOOD[k + 1 :]] for k, wrong in [(0, 3.0), (0, "cg"), (1, -1.0), (1, float("nan"))]
]
ROWS += [[*GOOD[:k], wrong, *GOOD[k + 1 :]] for k, wrong in [(2, -1), (2, 1.5), (3, -1.0), (4, "x"), (6, 1)]]
YARDSTICK = {"measured": [[0.5, 3.0]], "n_calls": 1, "gap": 16, "tried": 0.0}
WRONG = [{"gap": -5}, {"gap": 10**6}, {"n_calls": -1}, {"tried": -1.0}, {"tried": float("nan")}]
WRONG += [
    {"measured": [pair]} for pair in ([0.5, -1.0], [0.5, float("nan")], [float("inf"), 1.0], [0.5, 0.0])
]
WRONG += [{"measured": [[0.0, 1.0], [0.0, float("inf")]]}, {"measured": [[0.0, 1.0]] * 9}]


@pytest.mark.parametrize(
    "changes",
    [
        {"version": 99},
        {"format": "another"},
        {"history": [[1, 2]]},
        {"history": [[1.0, 1, 1, 1.0, None, "NO_STATUS", False, False, False]]},
        {"yardstick": {"measured": [1]}},
        {"yardstick": {}},
        {"backstop": "much"},
        {"cost": "money"},
        {"arms": [3.0]},
        {"arms": [1.0, 1.5]},
        {"automatic": 3},
        {"with_context": 2},
        *({"history": [row]} for row in ROWS),
        *({"yardstick": YARDSTICK | change} for change in WRONG),
    ],
)
def test_file_with_other_content_is_refused(tmp_path, changes):
    sequence, _ = by_omega(5)
    sequence.save(tmp_path / "good")
    with zipfile.ZipFile(tmp_path / "good") as good, zipfile.ZipFile(tmp_path / "bad", "w") as bad:
        state = json.loads(good.read("sequence.json"))
        bad.writestr("sequence.json", json.dumps(state | changes))
        bad.writestr("policy", good.read("policy"))
    with pytest.raises(ValueError, match="bad"):
        SolveSequence.load(tmp_path / "bad")


def test_file_that_is_not_there_is_said_to_be(tmp_path):
    with pytest.raises(FileNotFoundError):
        SolveSequence.load(tmp_path / "none")


def test_policy_that_cannot_be_saved_leaves_no_file(tmp_path):
    class Plain(Scripted):
        save = None

    sequence = SolveSequence({"safe": Steady(5)}, policy=Plain("safe"))
    with pytest.raises(TypeError, match="Plain"):
        sequence.save(tmp_path / "state")
    assert list(tmp_path.iterdir()) == []


def test_names_and_omegas_of_numpy_are_saved(tmp_path):
    sequence = SolveSequence(
        "ssor_cg", arms=np.array([1.0, 1.5]), default=np.float64(1.5), policy=Scripted(1.0)
    )
    sequence.save(tmp_path / "state")
    assert SolveSequence.load(tmp_path / "state", policy=Scripted).arms == [1.0, 1.5]


@pytest.mark.parametrize(
    "names",
    [[("cg", 1), ("cg", 2)], [1, 2], [np.int64(1), np.int64(2)], [np.float32(0.1), 2], [None, "a"]],
    ids=str,
)
def test_names_are_given_back_as_they_were(tmp_path, names):
    solvers = {name: Steady(5 - k) for k, name in enumerate(names)}
    sequence = SolveSequence(solvers, cost="iterations", rng=0)
    for _ in range(6):
        sequence(A, B)
    sequence.save(tmp_path / "state")
    again = SolveSequence.load(tmp_path / "state", method=solvers)
    assert again.history == sequence.history
    assert [type(call.arm) for call in again.history] == [type(call.arm) for call in sequence.history]
    assert [again(A, B).arm for _ in range(9)] == [sequence(A, B).arm for _ in range(9)]
    with pytest.raises(ValueError, match="method must be a dict of the solvers"):
        SolveSequence.load(tmp_path / "state", method={str(name): solvers[name] for name in names})


def test_names_that_cannot_be_known_again_are_refused(tmp_path):
    sequence = SolveSequence({object(): Steady(5)}, cost="iterations")
    with pytest.raises(TypeError, match="must be named by strings, numbers or tuples"):
        sequence.save(tmp_path / "state")
    assert list(tmp_path.iterdir()) == []


def test_policy_that_is_damaged_is_said_to_be_in_the_users_file(tmp_path):
    sequence, _ = by_omega(5)
    sequence.save(tmp_path / "good")
    with zipfile.ZipFile(tmp_path / "good") as good, zipfile.ZipFile(tmp_path / "bad", "w") as bad:
        bad.writestr("sequence.json", good.read("sequence.json"))
        bad.writestr("policy", good.read("policy")[:100])
    with pytest.raises(ValueError, match="bad' holds no policy") as refused:
        SolveSequence.load(tmp_path / "bad")
    assert "/tmp" not in str(refused.value).replace(str(tmp_path), "")


def test_sequence_is_pickled_and_saved_while_others_use_it(tmp_path):
    heat = pysolve.gallery.HeatEquation(nx=8)
    sequence = SolveSequence("ssor_cg", rng=0)
    system = heat.advance()[:3]
    sequence(*system)
    stop = threading.Event()

    def work():
        while not stop.is_set():
            sequence(*system)

    threads = [threading.Thread(target=work) for _ in range(2)]
    for thread in threads:
        thread.start()
    for _ in range(20):
        restored = pickle.loads(pickle.dumps(sequence))
        told = len(restored.policy.history)
        assert abs(len(restored.history) - told - sum(call.measured for call in restored.history)) <= 4
        sequence.save(tmp_path / "state")
        assert SolveSequence.load(tmp_path / "state")(*system).info == 0
    stop.set()
    for thread in threads:
        thread.join()
