"""`pysolve complete` and `pysolve predict`: models, reports, and how runs end."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import scipy.sparse as sp
from ratings_cases import matrix, sample, text_of, write

import pysolve
from pysolve import CompletionResult, CompletionStatus
from pysolve._cli import main

PNG = b"\x89PNG\r\n\x1a\n"
GOOD = "1,1,3\n1,2,4\n2,1,5\n2,2,1\n"


@pytest.fixture
def here(tmp_path, monkeypatch):
    """An empty current folder."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def run(here, capsys):
    def call(*argv):
        code = main([str(a) for a in argv])
        said = capsys.readouterr()
        return code, said.out, said.err

    return call


# ---- a run -------------------------------------------------------------------------------------------------


@pytest.fixture
def ratings(here):
    write("r.csv", text_of(header="user,item,rating\n", user="anna{}", item="{}0"))
    return "r.csv"


def test_model_predicts_by_name(run, ratings):
    code, out, err = run("complete", ratings, "--rank", "3", "--output", "m.npz", "--plot", "errors.png")
    assert (code, err) == (0, "")
    assert Path("errors.png").read_bytes()[:8] == PNG
    for text in (
        "r.csv: 40 x 30",
        "rank 3, reg 0",
        "written   m.npz",
        "reading",
        "training  validation",
        "mean alone",
    ):
        assert text in out
    model, M = CompletionResult.load("m.npz"), sample()[3]
    names = [f"anna{a}" for a in range(40)]
    found = model.predict(model.rows_of(names)[:, None], model.cols_of(np.arange(30) * 10))
    np.testing.assert_allclose(found, M, atol=1e-2)

    code, out, _ = run("predict", "m.npz", "anna7", "120", "0")
    items, values = zip(*(line.split("\t") for line in out.splitlines()), strict=True)
    assert (code, items) == (0, ("120", "0"))
    np.testing.assert_allclose(np.array(values, float), M[7, [12, 0]], atol=1e-2)

    code, out, _ = run("predict", "m.npz", "anna7", "--top", "3")
    shown = [int(line.split("\t")[0]) // 10 for line in out.splitlines()]
    assert len(shown) == 3
    assert all(np.diff(M[7, shown]) <= 1e-2)
    fitted = model.seen.columns(model.rows_of("anna7"))
    assert not set(model.cols_of(np.array(shown) * 10)) & set(fitted)


def test_rows_of_a_matrix_are_named_by_their_numbers(run):
    sp.save_npz("r.npz", matrix())
    assert run("complete", "r.npz", "--rank", "3", "--output", "m.npz", "--quiet") == (0, "", "")
    code, out, _ = run("predict", "m.npz", "39", "29")
    model = CompletionResult.load("m.npz")
    assert (code, out) == (0, f"29\t{model.predict(39, 29):.6g}\n")
    for name in "40", "-1", "x":
        assert run("predict", "m.npz", name)[2] == f"pysolve: the model knows no user '{name}'\n"
    assert run("predict", "m.npz", "3", "30")[2] == "pysolve: the model knows no item '30'\n"


def test_same_seed_gives_the_same_file(run, ratings):
    for name in "a.npz", "b.npz", "c.npz":
        run("complete", ratings, "--rank", "2", "--seed", "1" if name == "c.npz" else "0", "--output", name)
    a, b, c = (CompletionResult.load(name) for name in ("a.npz", "b.npz", "c.npz"))
    np.testing.assert_array_equal(a.U, b.U)
    assert (a.U != c.U).any()


def test_without_validation_all_entries_are_fitted(run, ratings):
    code, out, _ = run("complete", ratings, "--rank", "3", "--validation", "0", "--output", "m.npz")
    assert code == 0
    assert "validation" not in out
    assert CompletionResult.load("m.npz").seen.indices.size == sample()[0].size


def test_worse_than_the_mean_is_said(run):
    i, j, _, _ = sample()
    y = np.random.default_rng(0).standard_normal(i.size)
    write("r.csv", "".join(f"{a},{b},{c}\n" for a, b, c in zip(i, j, y, strict=True)))
    _, out, _ = run("complete", "r.csv", "--rank", "8")
    assert "The mean alone predicts better: raise --reg, lower --rank, or try --bias." in out


def test_run_that_is_cut_off_is_1_and_keeps_its_model(run, ratings):
    code, _, err = run("complete", ratings, "--rank", "2", "--maxiter", "1", "--output", "m.npz")
    assert code == 1
    assert err.startswith("pysolve: not converged: the limit of iterations was reached")
    assert CompletionResult.load("m.npz").status is CompletionStatus.MAXITER


def test_run_goes_on_from_its_checkpoint(run, ratings):
    argv = ("complete", ratings, "--rank", "2", "--output", "m.npz")
    assert run(*argv, "--maxiter", "4", "--checkpoint", "c.npz")[0] == 1
    assert run(*argv, "--checkpoint", "c.npz")[0] == 0
    resumed = CompletionResult.load("m.npz")
    assert run(*argv)[0] == 0
    at_once = CompletionResult.load("m.npz")
    np.testing.assert_array_equal(resumed.U, at_once.U)
    assert resumed.iterations == at_once.iterations > 4
    code, _, err = run(*argv, "--checkpoint", "c.npz", "--reg", "3")
    assert code == 2
    assert "c.npz" in err


def test_interrupt_keeps_the_best_so_far(run, ratings, monkeypatch):
    original = pysolve.matrix_completion

    def interrupted(*entries, callback, **arguments):
        def call(state):
            callback(state)
            if state["iteration"] == 3:
                raise KeyboardInterrupt

        return original(*entries, callback=call, **arguments)

    monkeypatch.setattr(pysolve, "matrix_completion", interrupted)
    code, out, err = run("complete", ratings, "--rank", "3", "--output", "m.npz")
    assert (code, err) == (130, "pysolve: interrupted; the best so far was kept\n")
    assert "interrupted" in out
    assert CompletionResult.load("m.npz").iterations == 3


@pytest.mark.skipif(sys.platform == "win32", reason="signals")
def test_ctrl_c_in_the_terminal_keeps_the_best_so_far(here):
    rng = np.random.default_rng(0)
    flat = rng.choice(3000 * 2000, 300_000, replace=False)
    A = sp.coo_array((rng.standard_normal(flat.size), (flat // 2000, flat % 2000)), shape=(3000, 2000))
    sp.save_npz("r.npz", A, compressed=False)
    # Noise without end: no tolerance is reached. The line of progress says when iterations have begun.
    argv = [
        "complete",
        "r.npz",
        "--rank",
        "20",
        "--reg",
        "1",
        "--rtol",
        "0",
        "--validation",
        "0",
        "--maxiter",
        "1000000",
    ]
    process = subprocess.Popen(
        [sys.executable, "-P", "-m", "pysolve", *argv, "--output", "m.npz"], stderr=subprocess.PIPE, text=True
    )
    for line in process.stderr:
        if "iteration" in line:
            break
    process.send_signal(signal.SIGINT)
    _, rest = process.communicate(timeout=60)
    assert process.returncode == 130, rest
    assert "interrupted; the best so far was kept" in rest
    model = CompletionResult.load("m.npz")
    assert model.status is CompletionStatus.INTERRUPTED
    assert model.iterations > 1
    assert sorted(os.listdir()) == ["m.npz", "r.npz"]


def test_progress_tells_what_is_done(here, ratings, monkeypatch):
    from pysolve import _cli_complete

    told = []

    class Watched(_cli_complete.Progress):
        def __setattr__(self, name, value):
            if name == "text":
                told.append(value)
            super().__setattr__(name, value)

    monkeypatch.setattr(_cli_complete, "Progress", Watched)
    main(["complete", ratings, "--rank", "2", "--output", "m.npz", "--quiet"])
    assert any(text.endswith("0.0 million ratings") for text in told)
    assert any("iteration 3, relative residual" in text and "on entries held out" in text for text in told)
    assert "writing m.npz" in told


# ---- what is wrong -----------------------------------------------------------------------------------------


def files():
    write("empty.csv", "")
    write("header.csv", "user,item,rating\n")
    write("few.csv", GOOD)
    write("damaged.npz", "no archive")
    write("damaged.csv.gz", "")
    with open("bad.gz", "wb") as file:
        file.write(b"no gzip")
    os.mkdir("folder")
    sp.save_npz("complex.npz", sp.coo_array(np.eye(3) * 1j))
    sp.save_npz("nan.npz", sp.coo_array(np.full((2, 2), np.nan)))
    twice = sp.coo_array((np.ones(3), (np.array([0, 1, 1]), np.array([0, 1, 1]))), shape=(2, 2))
    np.savez(
        "twice.npz",
        row=twice.row,
        col=twice.col,
        format=b"coo",
        shape=(2, 2),
        data=twice.data,
        _is_array=True,
    )
    np.savez(
        "outside.npz", row=[0, 5], col=[0, 0], format=b"coo", shape=(2, 2), data=[1.0, 2.0], _is_array=True
    )
    sp.save_npz("nothing.npz", sp.coo_array((3, 3)))
    write("m.npz", "no model")


WRONG_RUNS = [
    (["complete", "absent.csv", "--rank", "2"], "no such file: 'absent.csv'"),
    (["complete", "folder", "--rank", "2"], "'folder' is a folder"),
    (["complete", "empty.csv", "--rank", "2"], "'empty.csv' holds no ratings"),
    (["complete", "header.csv", "--rank", "2"], "'header.csv' holds no ratings"),
    (["complete", "nothing.npz", "--rank", "2"], "'nothing.npz' holds no ratings"),
    (["complete", "damaged.npz", "--rank", "2"], "'damaged.npz': it is damaged or not a .npz file"),
    (["complete", "bad.gz", "--rank", "2"], "cannot read 'bad.gz'"),
    (["complete", "complex.npz", "--rank", "2"], "must be real and have two dimensions"),
    (["complete", "nan.npz", "--rank", "1"], "entries that are not finite"),
    (["complete", "twice.npz", "--rank", "1"], "two entries in row 1, column 1"),
    (["complete", "outside.npz", "--rank", "1"], "outside.npz"),
    (["complete", "few.csv", "--rank", "2"], "--validation 0.1 of 4 entries leaves none on one side"),
    (["complete", "few.csv", "--rank", "3", "--validation", "0"], "rank must be from 1 to 2, not 3"),
    (["complete", "few.csv", "--rank", "0"], "must be a whole number, at least 1, got '0'"),
    (
        ["complete", "few.csv", "--rank", "1", "--validation", "1"],
        "must be a number from 0 to below 1, got '1'",
    ),
    (["complete", "few.csv", "--rank", "1", "--seed", "-1"], "must be a whole number, at least 0, got '-1'"),
    (
        ["complete", "few.csv", "--rank", "1", "--output", "few.csv"],
        "unknown kind of file 'few.csv': a model is .npz",
    ),
    (["complete", "nan.npz", "--rank", "1", "--output", "nan.npz"], "'nan.npz' is used twice"),
    (
        ["complete", "nan.npz", "--rank", "1", "--output", "a.npz", "--checkpoint", "a.npz"],
        "'a.npz' is used twice",
    ),
    (["complete", "few.csv", "--rank", "1", "--output", "gone/m.npz"], "cannot write 'gone/m.npz'"),
    (["complete", "few.csv"], "--rank"),
    (["predict", "absent.npz", "1"], "no such file: 'absent.npz'"),
    (["predict", "m.npz", "1"], "'m.npz' cannot be read: it is not a file of arrays (.npz)"),
]


@pytest.mark.parametrize(
    ("argv", "text"),
    WRONG_RUNS,
    ids=lambda value: " ".join(value[:3])[:40] if isinstance(value, list) else "",
)
def test_wrong_runs_are_2_and_say_why(run, argv, text):
    files()
    before = sorted(os.listdir())
    code, out, err = run(*argv)
    assert (code, out) == (2, "")
    assert text in err
    assert sorted(os.listdir()) == before


def test_full_disk_leaves_the_old_model(run, ratings, monkeypatch):
    write("m.npz", "old")

    def full(file, **arrays):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("pysolve._array_files.np.savez", full)
    code, _, err = run("complete", ratings, "--rank", "2", "--output", "m.npz")
    assert (code, err) == (2, "pysolve: cannot write 'm.npz': No space left on device\n")
    assert Path("m.npz").read_text() == "old"
    assert sorted(os.listdir()) == ["m.npz", "r.csv"]
