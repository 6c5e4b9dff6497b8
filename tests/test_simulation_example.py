"""`gallery.Smoke`, the model flow, and examples/simulation.py, which solves for its pressure in three ways."""

import importlib.util
import os
import pickle
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import pysolve
from pysolve.gallery import Smoke

EXAMPLE = Path(__file__).resolve().parents[1] / "examples" / "simulation.py"
shapes = pytest.mark.parametrize("shape", [(16, 16), (16, 16, 16)])
moving = pytest.mark.parametrize("moving", [False, True])


@pytest.fixture(scope="module")
def example():
    spec = importlib.util.spec_from_file_location("simulation", EXAMPLE)
    module = importlib.util.module_from_spec(spec)
    sys.modules["simulation"] = module  # where dataclasses look for it
    spec.loader.exec_module(module)
    yield module
    del sys.modules["simulation"]


def run(flow, steps, rtol=1e-6):
    """Advance the flow, and yield (A, b) after every projection."""
    for _ in range(steps):
        A, b, x0 = flow.advance()
        flow.project(pysolve.cg(A, b, x0=x0, rtol=rtol).raise_if_failed().x)
        yield A, b


# ---- the flow ----------------------------------------------------------------------------------------------


@shapes
@moving
def test_projection_leaves_the_residual_as_divergence(shape, moving):
    flow = Smoke(shape, moving=moving)
    for A, b in run(flow, 12):
        residual = b - A.tocsr() @ flow.pressure
        np.testing.assert_allclose(flow.divergence.ravel(), -residual, atol=1e-13)
        assert np.abs(flow.divergence).max() <= 1e-6 * np.linalg.norm(b)


@shapes
@moving
def test_smoke_is_bounded_and_never_in_the_ball(shape, moving):
    flow = Smoke(shape, moving=moving)
    for _ in run(flow, 25):
        assert flow.smoke.min() >= 0
        assert flow.smoke.max() == 1
        assert flow.solid.any()
        assert not flow.smoke[flow.solid].any()


@pytest.mark.parametrize("shape", [(32, 24), (24, 20, 20)])
def test_smoke_rises_and_splits_around_the_ball(shape):
    flow = Smoke(shape)
    heights = []
    for _ in run(flow, 50):
        smoke = flow.smoke.reshape(shape[0], -1)
        heights.append(smoke.sum(axis=1) @ np.arange(shape[0]) / smoke.sum())
    assert (np.diff(heights[:30]) > -0.05).all()
    level = int(flow.centre[0] * max(shape))
    left, right = np.split(flow.smoke[level], [int(flow.centre[1] * max(shape))])
    assert min(left.max(), right.max()) > 0.3
    assert flow.smoke[level:].sum() > 0.2 * flow.smoke.sum()
    assert flow.velocity[0][-1].sum() > 0  # out of the open top


@moving
def test_operator_is_new_exactly_when_the_ball_covers_other_cells(moving):
    flow = Smoke((24, 24), moving=moving)
    A, solid, n_new = flow.A, flow.solid, 0
    for _ in run(flow, 20):
        assert (flow.A is A) == np.array_equal(flow.solid, solid)
        np.testing.assert_array_equal(flow.A.decoupled, flow.solid)
        n_new += flow.A is not A
        A, solid = flow.A, flow.solid
    assert (n_new > 5) == moving


def test_air_moves_with_walls_nozzle_and_ball():
    flow = Smoke((24, 24), moving=True)
    for A, _ in run(flow, 3):
        up, right = flow.velocity
        assert np.ptp(up[0][up[0] != 0]) == 0
        assert not right[:, [0, -1]].any()
        inside = flow.solid[:, 1:] & flow.solid[:, :-1]
        speeds = right[:, 1:-1][inside]
        assert np.ptp(speeds) == 0 < speeds[0]
        assert (A.weights[1][:, 1:-1][inside] == 0).all()


def test_second_projection_replaces_the_first():
    flow = Smoke((16, 16))
    A, b, _ = flow.advance()
    x = pysolve.cg(A, b, rtol=1e-10).x
    flow.project(x)
    first = [u.copy() for u in flow.velocity]
    flow.project(np.zeros_like(x))
    flow.project(x)
    for u, v in zip(first, flow.velocity, strict=True):
        np.testing.assert_array_equal(u, v)


def test_last_pressure_is_a_good_start():
    for flow in (Smoke((48, 32)), Smoke((48, 32), moving=True)):
        warm = cold = 0
        for _ in range(20):
            A, b, x0 = flow.advance()
            result = pysolve.cg(A, b, x0=x0, rtol=1e-4)
            warm, cold = warm + result.iterations, cold + pysolve.cg(A, b, rtol=1e-4).iterations
            flow.project(result.x)
        assert warm < cold


def test_flow_pickles_and_goes_on_the_same():
    flow = Smoke((16, 16), moving=True)
    list(run(flow, 3))
    twin = pickle.loads(pickle.dumps(flow))
    list(run(flow, 3))
    list(run(twin, 3))
    np.testing.assert_array_equal(flow.smoke, twin.smoke)


@pytest.mark.parametrize(
    ("arguments", "error", "text"),
    [
        ({"shape": (7, 16)}, ValueError, "extents of at least 8"),
        ({"shape": 16}, TypeError, "shape must be"),
        ({"shape": (16, 16), "dt": 0}, ValueError, "dt must be finite and positive"),
    ],
)
def test_wrong_argument_is_named(arguments, error, text):
    with pytest.raises(error, match=text):
        Smoke(**arguments)
    with pytest.raises(ValueError, match=r"x must have shape \(64,\), got \(3,\)"):
        Smoke((8, 8)).project(np.ones(3))


# ---- the example -------------------------------------------------------------------------------------------


@shapes
@moving
def test_solvers_agree_and_meet_the_tolerance(example, shape, moving):
    names = [name for name in example.SOLVERS if name != "pyamg" or importlib.util.find_spec("pyamg")]
    flow, advance, results = example.simulate(names, shape, 8, moving)
    assert len(advance) == 8
    for measured in results.values():
        assert 0 < measured.residual <= 1.01 * example.RTOL
        assert measured.divergence <= 1e-5
        assert len(measured.solve) == len(measured.iterations) == 8
    answers = {}
    for name in names:
        alone, _, _ = example.simulate([name], shape, 8, moving)
        answers[name] = alone
    for alone in answers.values():
        np.testing.assert_allclose(alone.smoke, flow.smoke, atol=1e-4)
        for u, v in zip(alone.velocity, flow.velocity, strict=True):
            np.testing.assert_allclose(u, v, atol=1e-4)


def test_hierarchy_is_made_anew_only_when_the_ball_moves(example, monkeypatch):
    made = []
    monkeypatch.setattr(
        example.Scipy, "set_up", lambda self, A, matrix: made.append(A) or setattr(self, "matrix", matrix)
    )
    example.simulate(["scipy"], (16, 16), 6)
    assert len(made) == 1
    example.simulate(["scipy"], (16, 16), 6, moving=True)
    assert 2 < len(made) <= 7


def test_example_prints_a_table_and_draws_a_picture(example, tmp_path, capsys):
    image = pytest.importorskip("matplotlib.image")
    for extents in (["16", "16"], ["16", "16", "16"]):
        path = tmp_path / f"{len(extents)}.png"
        options = ["--solver", "pysolve", "--shape", *extents, "--steps", "3", "--plot", str(path)]
        assert example.main(options) == 0
        assert re.search(
            r"^pysolve +(\d+\.\d+ +){4}\d\.\de-\d\d +\d\.\de-\d\d$", capsys.readouterr().out, re.M
        )
        assert path.read_bytes().startswith(b"\x89PNG\r\n\x1a\n")
        assert np.ptp(image.imread(path)) > 0.5


def test_example_without_pyamg_says_so(example, monkeypatch, capsys):
    monkeypatch.setattr(example.importlib.util, "find_spec", lambda name: None)
    assert example.main(["--shape", "8", "8", "--steps", "1"]) == 0
    out = capsys.readouterr().out
    assert "pyamg is not installed (pip install pyamg): left out" in out
    assert re.findall(r"^(\w+) +\d", out, re.M) == ["scipy", "pysolve"]


@pytest.mark.parametrize(
    ("options", "named"),
    [
        (["--steps", "0"], "--steps: must be at least 1, got 0"),
        (["--steps", "-1"], "--steps: must be at least 1, got -1"),
        (["--shape", "16"], "--shape: must be 2 or 3 extents, each at least 8, got 16"),
        (["--shape", "4", "4"], "--shape: must be 2 or 3 extents, each at least 8, got 4 4"),
        (["--shape", "8", "8", "8", "8"], "got 8 8 8 8"),
        (["--plot", "none/x.png"], "--plot: cannot write 'none/x.png': there is no folder 'none'"),
        (["--plot", "x.txt"], "--plot: must be a file that ends in .png, .pdf, .svg, got 'x.txt'"),
        (["--plot", ""], "--plot: must be a file"),
        (["--plot", "folder.png"], "--plot: cannot write 'folder.png': it is a folder"),
    ],
)
def test_option_that_does_not_fit_is_refused_before_anything_runs(
    example, tmp_path, monkeypatch, capsys, options, named
):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(example, "simulate", lambda *_: pytest.fail("the simulation has begun"))
    monkeypatch.setattr(example.importlib.util, "find_spec", lambda name: name)
    (tmp_path / "folder.png").mkdir()
    with pytest.raises(SystemExit) as caught:
        example.main(options)
    assert caught.value.code == 2
    assert named in capsys.readouterr().err


def test_plot_without_matplotlib_is_refused_before_anything_runs(example, monkeypatch, capsys):
    monkeypatch.setattr(example.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(SystemExit):
        example.main(["--plot", "x.png"])
    assert "--plot: needs matplotlib" in capsys.readouterr().err


def test_example_runs_as_a_script(tmp_path):
    command = [sys.executable, "-P", str(EXAMPLE), "--solver", "scipy", "--shape", "8", "8", "--steps", "1"]
    environment = {k: v for k, v in os.environ.items() if k != "OMP_NUM_THREADS"}
    done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, env=environment)
    assert (done.returncode, done.stderr) == (0, "")
    assert "threads: pysolve 1, scipy 1" in done.stdout
