"""matrix_completion with a checkpoint: a run that was stopped anywhere ends with the bits of one that was not."""

import json
import os
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
from matrix_completion_cases import sampled

from pysolve import CompletionStatus, matrix_completion

SHAPE = 200, 150


def stopped(path, iteration, observed, rank, **options):
    """The run, interrupted after that iteration."""

    def interrupt(told):
        if told["iteration"] == iteration:
            raise KeyboardInterrupt

    found = matrix_completion(observed, rank, checkpoint=path, callback=interrupt, **options)
    assert found.status is CompletionStatus.INTERRUPTED


def same(found, known):
    history = ("training", "held_out", "cg_steps")
    return (
        np.array_equal(found.U, known.U)
        and np.array_equal(found.V, known.V)
        and found.status is known.status
        and all(np.array_equal(found.history[h], known.history[h], equal_nan=True) for h in history)
    )


WAYS = {
    "alternation": (5, 5, {}),
    "continuation": (5, 1.8, {}),
    "gauss-newton": (5, 3, {"method": "gauss-newton"}),
    "validation": (4, 4, {"validation": 0.1}),
    "regularised": (4, 4, {"reg": 0.3}),
    "float32": (4, 5, {"dtype": "f4"}),
    "second attempt": (5, 1.02, {"maxiter": 700}),
}


@pytest.mark.parametrize("way", WAYS)
def test_resumed_run_ends_with_the_same_bits(way, tmp_path):
    rank, oversampling, options = WAYS[way]
    observed = sampled(*SHAPE, rank, 2)[0] if oversampling < 1.1 else sampled(*SHAPE, rank, oversampling)[0]
    if oversampling < 1.1:  # values of no rank: nothing is found, and it is tried again from another start
        observed = *observed[:2], np.random.default_rng(0).standard_normal(observed[2].size)
    observed = observed, SHAPE
    options = {"rng": 0, "rtol": 1e-8} | options
    known = matrix_completion(observed, rank, **options)
    for at in sorted({1, 2, *np.linspace(3, known.iterations - 1, 4).astype(int).tolist()}):
        path = tmp_path / f"{at}.npz"
        stopped(path, at, observed, rank, **options)
        seen = []
        found = matrix_completion(observed, rank, checkpoint=path, callback=seen.append, **options)
        assert same(found, known), at
        assert at - 1 <= seen[0]["iteration"] <= at
        assert (np.diff(found.history["seconds"]) > 0).all()


def test_weights_start_and_file_of_entries_are_resumed(tmp_path):
    entries, U, V = sampled(1500, 1200, 8, 5)
    np.savez(tmp_path / "a.npz", rows=entries[0], cols=entries[1], values=entries[2], shape=(1500, 1200))
    rng = np.random.default_rng(0)
    options = {
        "weights": rng.random(entries[0].size),
        "x0": (U + 0.1 * rng.standard_normal(U.shape), V),
        "rng": 0,
        "memory": 1 << 20,
    }
    known = matrix_completion(tmp_path / "a.npz", 8, **options)
    stopped(tmp_path / "c.npz", 4, tmp_path / "a.npz", 8, **options)
    # in memory: the same factors, and errors the same to rounding
    options["memory"] = 1 << 30
    found = matrix_completion((entries, (1500, 1200)), 8, checkpoint=tmp_path / "c.npz", **options)
    assert np.array_equal(found.U, known.U)


@pytest.mark.parametrize("rng", [None, np.random.default_rng(5)])
def test_random_numbers_go_on_where_they_were(rng, tmp_path):
    observed = sampled(*SHAPE, 4, 4)[0], SHAPE
    stopped(tmp_path / "a.npz", 3, observed, 4, rng=rng, validation=0.1)
    (tmp_path / "b.npz").write_bytes((tmp_path / "a.npz").read_bytes())
    found = [
        matrix_completion(observed, 4, rng=rng, validation=0.1, checkpoint=tmp_path / name)
        for name in ("a.npz", "b.npz")
    ]
    assert found[0].converged
    assert same(*found)


def test_finished_run_is_returned_at_once(tmp_path):
    observed = sampled(*SHAPE, 4, 5)[0], SHAPE
    known = matrix_completion(observed, 4, rng=0, checkpoint=tmp_path / "a.npz")
    before = (tmp_path / "a.npz").read_bytes()
    seen = []
    found = matrix_completion(observed, 4, rng=0, checkpoint=tmp_path / "a.npz", callback=seen.append)
    assert seen == []
    assert same(found, known)
    assert found.message == known.message
    assert (tmp_path / "a.npz").exists()
    assert len(before) > 0
    assert os.listdir(tmp_path) == ["a.npz"]


def test_run_goes_on_beyond_its_limit_of_iterations(tmp_path):
    observed = sampled(*SHAPE, 4, 5)[0], SHAPE
    known = matrix_completion(observed, 4, rng=0, rtol=1e-9)
    first = matrix_completion(observed, 4, rng=0, rtol=1e-9, maxiter=5, checkpoint=tmp_path / "a.npz")
    assert first.status is CompletionStatus.MAXITER
    assert same(matrix_completion(observed, 4, rng=0, rtol=1e-9, checkpoint=tmp_path / "a.npz"), known)


KILLED = """
import sys, time
import numpy as np
from matrix_completion_cases import sampled
from pysolve import matrix_completion
told = open(sys.argv[2], "a", buffering=1)
def tell(state):
    time.sleep(0.01)
    told.write(f"{state['iteration']}\\n")
observed = sampled(200, 150, 5, 1.8)[0], (200, 150)
result = matrix_completion(observed, 5, rng=0, rtol=1e-8, checkpoint=sys.argv[1], callback=tell)
np.savez(sys.argv[3], U=result.U, V=result.V)
"""


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="there is no SIGKILL")
def test_killed_runs_lose_an_iteration_at_most_and_end_with_the_same_bits(tmp_path):
    checkpoint, told, ended = (tmp_path / name for name in ("a.npz", "told", "end.npz"))
    here = os.path.dirname(__file__)
    command = [sys.executable, "-P", "-c", KILLED, *map(str, (checkpoint, told, ended))]
    rng, kills, last = np.random.default_rng(0), 0, 0
    while not ended.exists():
        process = subprocess.Popen(command, env=os.environ | {"PYTHONPATH": here, "OMP_NUM_THREADS": "1"})
        size = told.stat().st_size if told.exists() else 0
        while kills < 5 and process.poll() is None and not (told.exists() and told.stat().st_size > size):
            time.sleep(0.005)
        if kills < 5:
            time.sleep(rng.uniform(0, 0.2))
            process.kill()
            kills += 1
        process.wait()
        lines = [int(line) for line in told.read_text()[size:].splitlines()]
        assert last <= lines[0] <= last + 1, "an iteration that was told of is done again at most once"
        last = lines[-1]
    known = matrix_completion((sampled(*SHAPE, 5, 1.8)[0], SHAPE), 5, rng=0, rtol=1e-8)
    assert kills == 5
    with np.load(ended) as found:
        assert np.array_equal(found["U"], known.U)
        assert np.array_equal(found["V"], known.V)


def test_header_is_json_and_arrays_need_no_pickle(tmp_path):
    observed = sampled(*SHAPE, 4, 5)[0], SHAPE
    stopped(tmp_path / "a.npz", 3, observed, 4, rng=0)
    with np.load(tmp_path / "a.npz", allow_pickle=False) as file:
        header = json.loads(str(file["header"]))
        assert {"header", "state.U", "state.V"} <= set(file.files)
    assert header["version"] == 1
    assert header["arguments"]["rank"] == 4
