"""matrix_completion while it runs: progress in lines and in one line, and Ctrl-C."""

import io
import os
import signal
import subprocess
import sys

import numpy as np
import pytest
from matrix_completion_cases import sampled, unseen_error

from pysolve import CompletionStatus, matrix_completion

SHAPE = 60, 60
ENTRIES, U, V = sampled(*SHAPE, 2, 6)


class Terminal(io.StringIO):
    def isatty(self):
        return True


def test_lines_are_written_to_stderr(capsys):
    result = matrix_completion((ENTRIES, SHAPE), 2, rng=0, progress=True)
    out, err = capsys.readouterr()
    assert out == ""
    lines = err.splitlines()
    assert len(lines) == result.iterations
    assert lines[0].startswith("iteration 1: training ")
    assert ", held out " in lines[0]
    assert lines[0].endswith(" s, alternating")
    assert lines[-1].endswith("all entries")
    assert "held out" not in lines[-1]


def test_line_on_a_terminal_is_rewritten_and_stays(monkeypatch):
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    result = matrix_completion((ENTRIES, SHAPE), 2, rng=0, progress=True)
    text = terminal.getvalue()
    assert text.count("\r\x1b[Kiteration ") == result.iterations
    assert text.count("\n") == 1
    assert text.endswith("\n")


def test_line_on_a_terminal_ends_before_an_error(monkeypatch):
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)

    def fail(told):
        raise RuntimeError("of the callback")

    with pytest.raises(RuntimeError, match="of the callback"):
        matrix_completion((ENTRIES, SHAPE), 2, rng=0, progress=True, callback=fail)
    assert terminal.getvalue().endswith("alternating\n")


def test_phases_are_told(capsys):
    matrix_completion((ENTRIES, SHAPE), 2, rng=0, progress=True, method="gauss-newton")
    text = capsys.readouterr().err
    assert "lowering the regularisation" in text
    assert "Gauss-Newton" in text


def test_nothing_is_written_unless_asked(capsys):
    matrix_completion((ENTRIES, SHAPE), 2, rng=0)
    assert capsys.readouterr() == ("", "")


INTERRUPTED = """
import sys, time
from matrix_completion_cases import sampled
from pysolve import matrix_completion
entries = sampled(300, 250, 5, 6, noise=0.1)[0]
def told(state):
    if state["iteration"] == 12:
        print("going", flush=True)
    if state["iteration"] > 12:
        time.sleep(0.02)
result = matrix_completion((entries, (300, 250)), 5, rng=0, maxiter=10**6, reg=1e-3, rtol=0.0, callback=told)
print(result.status.name, result.iterations == len(result.history["training"]))
import numpy as np
np.savez(sys.argv[1], U=result.U, V=result.V)
"""


@pytest.mark.skipif(os.name != "posix", reason="signals are sent as on POSIX")
def test_interrupt_returns_the_best_so_far(tmp_path):
    command = [sys.executable, "-P", "-c", INTERRUPTED, str(tmp_path / "a.npz")]
    environment = os.environ | {"PYTHONPATH": os.path.dirname(__file__)}
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment)
    assert process.stdout.readline() == "going\n"
    process.send_signal(signal.SIGINT)
    out, _ = process.communicate(timeout=60)
    assert out == f"{CompletionStatus.INTERRUPTED.name} True\n"
    assert process.returncode == 0
    _, U, V = sampled(300, 250, 5, 6, noise=0.1)
    with np.load(tmp_path / "a.npz") as found:
        M = U @ V.T
        assert np.linalg.norm(found["U"] @ found["V"].T - M) < 0.1 * np.linalg.norm(M)


def test_interrupted_result_is_the_best_of_its_history():
    entries, U, V = sampled(100, 90, 3, 6, noise=0.5)

    def interrupt(told):
        if told["iteration"] == 9:
            raise KeyboardInterrupt

    result = matrix_completion((entries, (100, 90)), 3, rng=0, validation=0.1, rtol=0.0, callback=interrupt)
    assert result.status is CompletionStatus.INTERRUPTED
    assert result.iterations == 9
    assert unseen_error(result, U, V) < 0.3
