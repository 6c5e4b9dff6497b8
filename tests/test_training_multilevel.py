"""Training of the V-cycle: seeded, resumable to the bit; what it writes is certified."""

import numpy as np
import pytest

from pysolve import Multilevel, cg, gallery
from pysolve import _multilevel_weights as mw
from pysolve._array_files import read_arrays
from pysolve.training import __main__ as command
from pysolve.training import multilevel
from pysolve.training.evolution import Evolution
from pysolve.training.multilevel_problems import PROBLEMS, SIZES, draw

TRIAL = ["--candidates", "6", "--scenes", "3", "--dimensions", "2", "--sizes", "12", "16", "--seed", "3"]


def train(out, generations, *more):
    command.main(["multilevel", "--out", str(out), "--generations", str(generations), *TRIAL, *more])
    return mw.load(out, "trained")


def test_interrupted_training_ends_as_an_uninterrupted_one(tmp_path, monkeypatch, capsys):
    whole = train(tmp_path / "whole.npz", 3)
    kept = multilevel._save_checkpoint

    def interrupted(*state):
        kept(*state)
        raise KeyboardInterrupt

    for _ in range(2):
        monkeypatch.setattr(multilevel, "_save_checkpoint", interrupted)
        with pytest.raises(KeyboardInterrupt):
            train(tmp_path / "cut.npz", 3, "--resume")
        monkeypatch.undo()
        assert not (tmp_path / "cut.npz").exists()
    cut = train(tmp_path / "cut.npz", 3, "--resume")
    for field in ("tau", "scale", "relaxation", "resistance"):
        one, other = (getattr(w.dimensions[2], field) for w in (whole, cut))
        np.testing.assert_array_equal(one, other)
    curves = [
        np.loadtxt(tmp_path / f"{name}.csv", delimiter=",", skiprows=1)[:, :4] for name in ("whole", "cut")
    ]
    np.testing.assert_array_equal(*curves)
    assert "held-out" in capsys.readouterr().out
    assert sorted(p.name for p in tmp_path.iterdir()) == ["cut.csv", "cut.npz", "whole.csv", "whole.npz"]


def test_trained_weights_solve(tmp_path):
    train(tmp_path / "w.npz", 1)
    A = gallery.obstacle_box((30, 30))
    b = np.random.default_rng(0).standard_normal(A.shape[0])
    result = cg(A, b, M=Multilevel(A, weights=tmp_path / "w.npz"), rtol=1e-8)
    assert result.converged
    assert result.iterations <= 20
    assert np.linalg.norm(b - A @ result.x) <= 1.01e-8 * np.linalg.norm(b)


# ---- what is refused before anything runs ------------------------------------------------------------------------


@pytest.fixture
def refused(monkeypatch, capsys):
    """The message of a training that ends with exit code 2 before any scene is drawn."""
    monkeypatch.setattr(multilevel, "draw", lambda *_: pytest.fail("the training has begun"))

    def call(out, *options):
        with pytest.raises(SystemExit) as caught:
            command.main(["multilevel", "--out", str(out), *TRIAL, *options])
        assert caught.value.code == 2
        return capsys.readouterr().err

    return call


@pytest.mark.parametrize(
    ("options", "named"),
    [
        (["--generations", "0"], "--generations: must be a whole number of at least 1"),
        (["--generations", "1001"], "at most 1000, got 1001"),
        (["--candidates", "3"], "--candidates: must be a whole number of at least 4, got 3"),
        (["--scenes", "0"], "--scenes: must be"),
        (["--scenes", "many"], "--scenes: must be a whole number of at least 1, got many"),
        (["--sizes", "7", "16"], "--sizes: must be a whole number of at least 8, got 7"),
        (["--seed", "-1"], "--seed: must be"),
        (["--seed", "1000"], "--seed: must be a whole number of at least 0 and at most 999, got 1000"),
        (["--start", "best"], "--start: weights must be 'default'"),
    ],
)
def test_option_that_does_not_fit_is_refused(refused, tmp_path, options, named):
    assert named in refused(tmp_path / "w.npz", *options)


@pytest.mark.parametrize(
    ("name", "named"),
    [
        ("w.csv", "must be a file that ends in .npz"),
        ("none/w.npz", "No such file or directory"),
        ("folder.npz", "Is a directory"),
    ],
)
def test_file_that_cannot_be_written_is_refused(refused, tmp_path, name, named):
    (tmp_path / "folder.npz").mkdir()
    message = refused(tmp_path / name)
    assert "--out" in message
    assert named in message
    assert ".part" not in message


@pytest.fixture
def interrupted(tmp_path, monkeypatch):
    """The --out of a training that was interrupted before its weights were written, after 2 generations."""
    monkeypatch.setattr(multilevel.mw, "save", lambda *_: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        train(tmp_path / "w.npz", 2)
    monkeypatch.undo()
    return tmp_path / "w.npz"


def test_checkpoint_is_neither_overwritten_nor_taken_for_another_training(interrupted, refused):
    checkpoint = interrupted.with_name("w.2d.checkpoint.npz")
    before = checkpoint.read_bytes()
    assert "go on from it with --resume, or remove it" in refused(interrupted, "--generations", "3")
    message = refused(interrupted, "--resume", "--generations", "3", "--seed", "4", "--start", "tuned")
    assert "made with --seed 3, not 4, --start untrained, not tuned" in message
    message = refused(interrupted, "--resume", "--generations", "1")
    assert "has 2 generations: --generations must be at least that, got 1" in message
    assert checkpoint.read_bytes() == before


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        (None, "cannot be read"),
        ({"mean": np.ones(3)}, "of another training"),
        ({"rng": np.array("{}")}, "is no checkpoint of this training"),
        ({"curve": np.ones(3)}, "is no checkpoint of this training"),
        ({"options": np.array("x")}, "is no checkpoint of this training"),
        ({}, "lacks options"),
    ],
)
def test_checkpoint_of_something_else_is_refused(interrupted, refused, changes, named):
    checkpoint = interrupted.with_name("w.2d.checkpoint.npz")
    arrays = read_arrays(checkpoint, "checkpoint") | (changes or {})
    if changes == {}:
        del arrays["options"]
    np.savez(checkpoint, **arrays)
    if changes is None:
        checkpoint.write_bytes(checkpoint.read_bytes()[:100])
    message = refused(interrupted, "--resume", "--generations", "3")
    assert named in message
    assert str(checkpoint) in message


# ---- the parts ------------------------------------------------------------------------------------------------------


def test_candidate_that_fails_the_certificate_costs_infinitely_much():
    w = mw.BUILT_IN["untrained"][2]
    bad = mw.DimensionWeights(5 * w.tau, w.scale, w.theta, w.relaxation, w.resistance)
    systems = draw(0, 2, ["poisson"], 1, (12, 16))
    assert multilevel.mean_cost(systems, 2, bad, np.ones(1)) == np.inf
    assert np.isfinite(multilevel.mean_cost(systems, 2, w, np.ones(1)))


def test_numbers_and_weights_are_the_same_thing():
    w = multilevel.open_nets(mw.BUILT_IN["untrained"][3])
    again = multilevel.from_numbers(multilevel.to_numbers(w), w)
    for field in ("tau", "scale", "relaxation", "resistance"):
        np.testing.assert_allclose(getattr(again, field), getattr(w, field), rtol=1e-6)


@pytest.mark.parametrize("name", PROBLEMS)
@pytest.mark.parametrize("dimension", [2, 3])
def test_scenes_are_seeded_and_no_larger_than_said(name, dimension):
    (A, b), (B, c) = draw(5, dimension, [name], 1)[0], draw(5, dimension, [name], 1)[0]
    np.testing.assert_array_equal(A.diagonal(), B.diagonal())
    np.testing.assert_array_equal(b, c)
    assert len(A.grid_shape) == dimension
    assert max(A.grid_shape) <= max(SIZES[dimension])


def test_evolution_finds_the_minimum_of_an_ill_scaled_function():
    scales = np.array([1.0, 10.0, 100.0, 0.1])
    evolution = Evolution(np.ones(4), 0.3, 10, seed=1)
    for _ in range(250):
        evolution.tell(((evolution.ask() * scales) ** 2).sum(axis=1))
    assert np.abs(evolution.mean * scales).max() < 1e-6


def test_unknown_sub_command_is_refused(capsys):
    with pytest.raises(SystemExit):
        command.main(["nothing"])
    assert "multilevel" in capsys.readouterr().err


@pytest.mark.parametrize("dimension", [2, 3])
def test_shipped_weights_have_the_held_out_cost_of_the_last_row_of_their_curve(dimension):
    rows = np.loadtxt(mw.MODELS / "multilevel.csv", delimiter=",", skiprows=1)
    expected = rows[rows[:, 0] == dimension][-1, 3]
    systems = draw(multilevel.HELD_OUT, dimension, list(PROBLEMS), multilevel.N_HELD_OUT, SIZES[dimension])
    default, untrained = (mw.find_weights(name).dimensions[dimension] for name in ("default", "untrained"))
    base = [multilevel.iterations_per_digit(A, b, dimension, untrained) for A, b in systems]
    cost = np.exp(multilevel.mean_cost(systems, dimension, default, np.array(base)))
    assert cost == pytest.approx(expected, abs=0.02)
    assert cost < 0.95
