"""The command `pysolve` as a process: whole files or none, progress, interrupts, pipes and exit codes."""

import os
import re
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
import scipy.io
import scipy.sparse as sp

import pysolve
from pysolve import _cli_progress, _cli_writing
from pysolve._cli import main
from pysolve._cli_progress import Progress


@pytest.fixture
def system(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    scipy.io.mmwrite("A.mtx", sp.diags_array([2.0, 3.0, 4.0]))
    return "A.mtx"


@pytest.fixture
def run(system, capsys):
    def call(*argv):
        code = main(list(argv))
        said = capsys.readouterr()
        return code, said.out, said.err

    return call


def test_failure_in_the_middle_of_writing_leaves_the_old_file(run, system, monkeypatch):
    def half(file, x):
        file.write(b"half of it")
        raise OSError(28, "No space left on device")

    np.save("x.npy", np.zeros(1))
    monkeypatch.setattr(_cli_writing.np, "save", half)
    code, _, err = run("solve", system, "--output", "x.npy")
    assert (code, "No space left" in err) == (2, True)
    assert sorted(os.listdir()) == ["A.mtx", "x.npy"]
    assert np.load("x.npy").tolist() == [0]


def test_interrupt_in_the_middle_of_writing_leaves_nothing(run, system, monkeypatch):
    def interrupted(file, x):
        file.write(b"half of it")
        raise KeyboardInterrupt

    monkeypatch.setattr(_cli_writing.np, "save", interrupted)
    assert run("solve", system, "--output", "x.npy")[0] == 130
    assert os.listdir() == ["A.mtx"]


def test_written_file_has_the_usual_mode_and_a_link_stays_a_link(run, system):
    open("usual", "w").close()
    os.symlink("target.npy", "x.npy")
    assert run("solve", system, "--output", "x.npy")[0] == 0
    assert os.path.islink("x.npy")
    assert os.stat("target.npy").st_mode == os.stat("usual").st_mode


def test_folder_that_cannot_be_written_is_known_before_the_solve(run, system, monkeypatch):
    monkeypatch.setattr(pysolve, "cg", lambda *a, **k: pytest.fail("solved"))
    os.mkdir("locked")
    os.chmod("locked", 0o555)
    if os.access("locked", os.W_OK):  # root may write anywhere
        monkeypatch.setattr("builtins.open", refuse)
    code, out, err = run("solve", system, "--output", "locked/x.npy")
    assert (code, out, "cannot write" in err, "Permission denied" in err) == (2, "", True, True)
    os.chmod("locked", 0o755)


def refuse(path, *mode):
    raise PermissionError(13, "Permission denied", path)


ERRORS = [
    (KeyboardInterrupt, 130, "interrupted"),
    (MemoryError, 2, "there is not enough memory for this"),
    (ValueError("A is odd"), 2, "A is odd"),
    (TypeError("A is no matrix"), 2, "A is no matrix"),
    (ZeroDivisionError("division by zero"), 2, "solving with cg failed: division by zero"),
    (OverflowError, 2, "solving with cg failed: OverflowError"),
    (RuntimeError("out of luck\nand more"), 2, "solving with cg failed: out of luck"),
    (np.linalg.LinAlgError("Singular matrix"), 2, "solving with cg failed: Singular matrix"),
]


@pytest.mark.parametrize(("error", "code", "text"), ERRORS, ids=lambda value: str(value)[:20])
def test_error_in_the_solver_is_one_line(run, system, monkeypatch, error, code, text):
    def fail(*args, **options):
        raise error

    monkeypatch.setattr(pysolve, "cg", fail)
    assert run("solve", system) == (code, "", f"pysolve: {text}\n")


def test_error_in_the_set_up_is_one_line_too(run, system, monkeypatch):
    def fail(A):
        raise RuntimeError("no coarse grid")

    monkeypatch.setattr(pysolve, "Jacobi", fail)
    code, out, err = run("solve", system, "--preconditioner", "jacobi")
    assert (code, out, err) == (2, "", "pysolve: setting up jacobi failed: no coarse grid\n")


class Terminal:
    """A stand-in for stderr that remembers."""

    def __init__(self, live):
        self.text, self.isatty = "", lambda: live

    def write(self, text):
        self.text += text

    def flush(self):
        pass


@pytest.mark.parametrize("live", [True, False])
def test_progress_comes_late_and_shows_iteration_and_residual(monkeypatch, live):
    terminal = Terminal(live)
    monkeypatch.setattr(sys, "stderr", terminal)
    monkeypatch.setattr(_cli_progress, "MANY", 20)
    A, b = np.eye(20), np.ones(20)
    with Progress("solving", after=0.3) as progress:
        callback = progress.callback(A, b)
        assert (callback is not None) == live
        time.sleep(0.02)
        look(callback)
        assert terminal.text == ""
        time.sleep(0.3)
        look(callback)
        time.sleep(0.6 if live else 0.1)
    assert ("iteration 2, relative residual 1.0" in terminal.text) == live
    assert re.search(r"\r\x1b\[K$" if live else r"^solving, \d+ s\n$", terminal.text)


def look(callback):
    if callback is not None:
        callback(np.zeros(20))


def test_solve_is_a_plain_call_unless_a_terminal_waits_for_a_large_system(run, monkeypatch):
    plain = run("solve", "poisson:40x40", "--quiet", "--output", "quiet.npy")
    assert plain == (0, "", "")
    seen, cg = [], pysolve.cg
    monkeypatch.setattr(pysolve, "cg", lambda *a, **k: seen.append(k["callback"]) or cg(*a, **k))
    assert run("solve", "poisson:40x40", "--output", "x.npy")[0] == 0
    with open("x.npy", "rb") as x, open("quiet.npy", "rb") as quiet:
        assert x.read() == quiet.read()  # the same bits
    monkeypatch.setattr(sys, "stderr", Terminal(True))
    assert run("solve", "poisson:40x40")[0] == 0
    assert seen == [None, None]
    monkeypatch.setattr(_cli_progress, "MANY", 1600)
    assert run("solve", "poisson:40x40")[0] == 0
    assert seen[2].iterations > 0


def test_solve_that_takes_long_shows_the_time_where_there_is_no_terminal(run, system, monkeypatch):
    cg = pysolve.cg
    monkeypatch.setattr(pysolve, "cg", lambda *a, **k: time.sleep(2.2) or cg(*a, **k))
    code, _, err = run("solve", system)
    assert code == 0
    assert re.match(r"solving with cg, \d+ s\n", err)


def test_progress_says_nothing_when_quick_or_quiet(monkeypatch):
    terminal = Terminal(True)
    monkeypatch.setattr(sys, "stderr", terminal)
    with Progress("reading"):
        pass
    monkeypatch.setattr(_cli_progress, "MANY", 2)
    with Progress("reading", quiet=True, after=0.0) as progress:
        assert progress.callback(np.eye(2), np.ones(2)) is None
        time.sleep(0.05)
    assert terminal.text == ""


# -P: the source folder may be the current one, and has no compiled module.
def module(*argv, **options):
    return subprocess.run(
        [sys.executable, "-P", "-m", "pysolve", *argv], capture_output=True, text=True, **options
    )


def test_module_runs_as_the_command_does(system):
    done = module("solve", system, "--output", "x.npy")
    assert (done.returncode, done.stderr) == (0, "")
    assert os.path.exists("x.npy")
    missing = module("solve", "missing.mtx")
    assert (missing.returncode, missing.stderr) == (2, "pysolve: no such file: 'missing.mtx'\n")


def test_version_and_help_are_0_and_no_command_is_2(run):
    assert run("--version")[:2] == (0, f"pysolve {pysolve.__version__}\n")
    for command in ("solve", "compare", "demo"):
        assert command in run("--help")[1]
        assert run(command, "--help")[0] == 0
    assert run()[0] == 2


def test_reader_that_goes_away_is_no_traceback(system):
    script = f"{sys.executable} -P -m pysolve solve {system} | true"
    done = subprocess.run(script, shell=True, capture_output=True, text=True)
    assert done.stderr == ""


@pytest.mark.skipif(os.name != "posix", reason="signals are sent the POSIX way")
def test_interrupt_from_the_keyboard_is_130(system):
    code = (
        "import sys, time, pysolve; from pysolve._cli import main\n"
        "def slow(*a, **k): print('solving', flush=True); time.sleep(60)\n"
        "pysolve.cg = slow; sys.exit(main(['solve', 'A.mtx']))"
    )
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    with subprocess.Popen([sys.executable, "-P", "-c", code], **pipes) as process:
        assert process.stdout.readline() == "solving\n"
        process.send_signal(signal.SIGINT)
        assert process.communicate(timeout=20)[1] == "pysolve: interrupted\n"
        assert process.returncode == 130
