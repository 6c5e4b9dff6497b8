"""benchmarks/gpu.py runs: on simulated kernels at sizes of a few cells; without a device it says why it does not."""

import subprocess
import sys
from pathlib import Path

import pytest

import pysolve

BENCHMARKS = Path(__file__).resolve().parents[1] / "benchmarks"
ROWS = ("matvec", "cg", "cycle", "sweep", "network", "completion", "kron")

if not BENCHMARKS.is_dir():
    pytest.skip("the benchmarks are not here", allow_module_level=True)


def output_of(script, *options):
    command = [sys.executable, "-P", str(BENCHMARKS / script), *options]
    found = subprocess.run(command, capture_output=True, text=True, timeout=300)
    assert found.returncode == 0, found.stdout + found.stderr
    return found.stdout


@pytest.mark.parametrize("row", ROWS)
def test_every_row_runs_on_simulated_kernels(row, tmp_path):
    file = tmp_path / "result.md"
    said = output_of("gpu.py", "--simulated", "--rows", row, "--output", str(file))
    if "nothing was measured, the simulated CUDA backend is not built" in said:
        pytest.skip("the simulated CUDA backend is not built: make simulated")
    text = file.read_text()
    assert "the figures mean nothing" in text
    assert "| not measured |" in text  # the bars: of a machine that is none they say nothing
    assert "failed" not in text


def test_rows_are_those_of_the_command():
    text = (BENCHMARKS / "gpu.py").read_text()
    assert f"ROWS = {ROWS}".replace("'", '"') in text


@pytest.mark.parametrize("script", ["table", "multilevel", "relaxation", "completion", "kron", "gpu"])
def test_without_a_device_each_command_says_why(script):
    if pysolve.show_config()["cuda_devices"]:
        pytest.skip("there is a device")
    option = [] if script == "gpu" else ["--device", "cuda"]
    said = output_of(f"{script}.py", "--quick", *option)
    assert said.startswith("pysolve on the GPU: nothing was measured, ")
