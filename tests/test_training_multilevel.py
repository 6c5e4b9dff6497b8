"""Training of the V-cycle: seeded, resumable to the bit; what it writes is certified."""

import numpy as np
import pytest

from pysolve import Multilevel, gallery
from pysolve import _multilevel_weights as mw
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

    def interrupted(path, evolution, curve):
        kept(path, evolution, curve)
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


def test_trained_weights_work(tmp_path):
    train(tmp_path / "w.npz", 1)
    A = gallery.poisson((30, 30))
    assert Multilevel(A, weights=tmp_path / "w.npz").levels == Multilevel(A).levels


@pytest.mark.parametrize("spoil", ["cut", "other"])
def test_checkpoint_of_something_else_is_refused(tmp_path, spoil):
    out = tmp_path / "w.npz"
    train(out, 1)
    checkpoint = tmp_path / "w.2d.checkpoint.npz"
    if spoil == "cut":
        checkpoint.write_bytes(checkpoint.read_bytes()[:100])
    else:
        np.savez(checkpoint, mean=np.ones(3))
    with pytest.raises(ValueError, match=r"cannot be read|lacks"):
        train(out, 2, "--resume")


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


def test_shipped_weights_are_as_the_file_beside_them_says():
    """Certified on loading, and no worse than untrained ones on scenes that nobody trained on."""
    default, untrained = mw.find_weights("default"), mw.find_weights("untrained")
    for dimension in (2, 3):
        systems = draw(77, dimension, list(PROBLEMS), 6, (20, 32))
        ratios = [
            multilevel.iterations_per_digit(A, b, dimension, default.dimensions[dimension])
            / multilevel.iterations_per_digit(A, b, dimension, untrained.dimensions[dimension])
            for A, b in systems
        ]
        assert np.exp(np.mean(np.log(ratios))) < 1.03
