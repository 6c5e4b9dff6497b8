"""examples/heat.py: the loop that a simulation embeds, and the comparison it prints."""

import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import pysolve

EXAMPLE = Path(__file__).resolve().parents[1] / "examples" / "heat.py"


@pytest.fixture(scope="module")
def example():
    spec = importlib.util.spec_from_file_location("heat_example", EXAMPLE)
    module = importlib.util.module_from_spec(spec)
    sys.modules["heat_example"] = module
    spec.loader.exec_module(module)
    return module


def test_loop_gives_the_temperature_that_any_solver_gives(example):
    ours, plain = example.simulate(15, 12), pysolve.gallery.HeatEquation(15)
    for _ in range(12):
        A, b, x0, _ = plain.advance()
        plain.accept(pysolve.cg(A, b, x0, rtol=1e-12).x)
    assert ours.n_steps == 12
    np.testing.assert_allclose(ours.u, plain.u, atol=1e-7)


def test_comparison_counts_and_meets_the_tolerance(example):
    steps = []
    measured, sequence = example.compare(20, 30, steps.append)
    assert steps == list(range(1, 31))
    assert list(measured) == ["scipy cg", "ssor_cg, omega = 1", "SolveSequence"]
    for seconds, iterations, residual in measured.values():
        assert seconds > 0
        assert iterations > 0
        assert residual <= 1.01e-8
    assert measured["SolveSequence"][1] == sequence.total_cost
    assert measured["scipy cg"][1] > measured["ssor_cg, omega = 1"][1]


def test_script_runs_and_prints_its_table(tmp_path):
    command = [sys.executable, str(EXAMPLE), "--nx", "12", "--steps", "5"]
    environment = {k: v for k, v in os.environ.items() if k != "OMP_NUM_THREADS"}
    done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, env=environment)
    assert (done.returncode, done.stderr) == (0, "")
    assert "121 unknowns, 5 steps" in done.stdout
    assert "SolveSequence" in done.stdout


@pytest.mark.parametrize("given", [["--nx", "1"], ["--steps", "0"], ["--nx", "two"]])
def test_wrong_arguments_of_the_script_are_said(example, given, capsys):
    with pytest.raises(SystemExit) as ended:
        example.main(given)
    assert ended.value.code == 2
    assert given[0] in capsys.readouterr().err
