"""Training of the direction network: its data, its loss, and runs that are interrupted."""

import importlib.util
import os
import sys

import numpy as np
import pytest
from threadpoolctl import threadpool_limits

from pysolve import DirectionNet, StencilOperator, cg, gallery
from pysolve._array_files import save_arrays
from pysolve.training import __main__ as command

needs_torch = pytest.mark.skipif(importlib.util.find_spec("torch") is None, reason="torch is not installed")


@pytest.fixture(autouse=True)
def one_thread():
    """Tiny arrays: threads would wait for each other."""
    with threadpool_limits(1):
        yield


TINY = ["direction_net", "--size", "6", "--batch", "3", "--seed", "3", "--checkpoint-every", "2"]


def train(path, *more):
    command.main([*TINY, "--out", str(path), *more])


def weights(path):
    with np.load(path, allow_pickle=False) as arrays:
        return {name: arrays[name] for name in arrays.files}


def test_missing_torch_is_named_with_the_way_to_get_it(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "torch", None)
    with pytest.raises(SystemExit, match=r"needs torch, .*: pip install pysolve\[train\]"):
        train(tmp_path / "w.npz", "--steps", "1")


def test_unknown_command_is_refused_and_the_known_ones_are_listed(capsys):
    with pytest.raises(SystemExit):
        command.main(["nothing"])
    assert "direction_net" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("options", "named"),
    [
        (["--out", "w.csv"], "--out: must be a file that ends in .npz, got w.csv"),
        (["--out", "none/w.npz"], "--out: cannot be written: none/w.npz"),
        (["--steps", "0"], "--steps: must be a whole number of at least 1, got 0"),
        (["--rate", "-1"], "--rate: must be a finite number above 0, got -1"),
        (["--seed", "-1"], "--seed: must be"),
        (["--start", "none.npz"], "there is no file none.npz"),
        ([], "go on from it with --resume"),
    ],
)
def test_option_that_does_not_fit_is_refused_before_anything_runs(
    tmp_path, monkeypatch, capsys, options, named
):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "w.checkpoint.npz").touch()
    with pytest.raises(SystemExit) as caught:
        train("w.npz", *options)
    assert caught.value.code == 2
    assert named in capsys.readouterr().err


# ---- data --------------------------------------------------------------------------------------------------


def test_cosines_are_the_eigenvectors_of_the_empty_box():
    from pysolve.training import direction_net_data as data

    residual, energy = data.spectral((4, 5, 6), np.random.default_rng(0))
    A = data.empty_box((4, 5, 6)).tocsr().toarray()
    for axis, (n, top) in enumerate([(4, True), (5, False), (6, False)]):
        values, vectors = data.cosines(n, top)
        np.testing.assert_allclose(vectors.T @ vectors, np.eye(n), atol=1e-12, err_msg=str(axis))
        line = gallery.poisson((n, 1), boundary=[("neumann", "dirichlet" if top else "neumann"), "neumann"])
        np.testing.assert_allclose(line.tocsr() @ vectors, vectors * values, atol=1e-12)
    b = residual.ravel()
    assert energy == pytest.approx(b @ np.linalg.solve(A, b), rel=1e-9)


@pytest.mark.parametrize("number", range(8))
def test_samples_are_masked_of_unit_mean_square_and_know_their_energy(number):
    from pysolve.training import direction_net_data as data

    sample, again = (data.draw(8, 5, number) for _ in range(2))
    b = sample.residual.astype(float)
    assert not b[sample.fluid == 0].any()
    assert (b**2).sum() == pytest.approx(sample.fluid.sum(), rel=1e-5)
    boundary = [("neumann", "dirichlet"), "neumann", "neumann"]
    A = StencilOperator(b.shape, sample.faces, shift=np.ascontiguousarray(sample.shift), boundary=boundary)
    x = cg(A.astype(float), b.ravel(), rtol=1e-8).x
    assert sample.energy == pytest.approx(b.ravel() @ x, rel=1e-3)
    np.testing.assert_array_equal(again.residual, sample.residual)


@needs_torch
def test_step_is_the_exact_line_search_on_the_operator():
    import torch

    from pysolve.training import direction_net_model as model

    A = gallery.free_surface((5, 6, 7))
    b, d = np.random.default_rng(1).standard_normal((2, A.shape[0]))
    b[A.decoupled.ravel()] = d[A.decoupled.ravel()] = 0

    def tensor(x):
        return torch.tensor(np.reshape(x, (1, 1, *np.shape(x)[-3:])))

    faces, shift = [tensor(w) for w in A.weights], tensor(A.shift)
    left, gain = model.step_along(
        faces, shift, tensor(b.reshape(A.grid_shape)), tensor(d.reshape(A.grid_shape))
    )
    q = A @ d
    np.testing.assert_allclose(left.numpy().ravel(), b - (b @ d) / (d @ q) * q, atol=1e-12)
    assert float(gain[0]) == pytest.approx((b @ d) ** 2 / (d @ q))


# ---- runs --------------------------------------------------------------------------------------------------


@needs_torch
@pytest.mark.parametrize("loss", ["energy", "residual"])
def test_training_lowers_the_loss_and_writes_what_the_network_reads(tmp_path, loss):
    path = tmp_path / "w.npz"
    train(path, "--steps", "60", "--loss", loss)
    curve = np.loadtxt(tmp_path / "w.csv", delimiter=",", skiprows=1)
    assert curve[:, 0].tolist() == [50, 60]
    assert np.isfinite(curve).all()
    assert sorted(os.listdir(tmp_path)) == ["w.csv", "w.npz"]
    A = gallery.obstacle_box((6, 6, 6))
    assert np.isfinite(DirectionNet(A, model=path) @ np.ones(A.shape[0])).all()


@needs_torch
@pytest.mark.parametrize("at", [1, 3, 4, 5])
def test_interrupted_run_that_goes_on_gives_the_same_weights(tmp_path, monkeypatch, at):
    from pysolve.training import direction_net_loop as loop

    train(tmp_path / "whole.npz", "--steps", "6")
    advance = loop.Training.advance

    def interrupted(self):
        if self.step == at:
            raise KeyboardInterrupt
        return advance(self)

    monkeypatch.setattr(loop.Training, "advance", interrupted)
    with pytest.raises(KeyboardInterrupt):
        train(tmp_path / "w.npz", "--steps", "6")
    monkeypatch.undo()
    assert not (tmp_path / "w.npz").exists()
    train(tmp_path / "w.npz", "--steps", "6", "--resume")
    whole, resumed = weights(tmp_path / "whole.npz"), weights(tmp_path / "w.npz")
    assert list(whole) == list(resumed)
    for name, array in whole.items():
        np.testing.assert_array_equal(resumed[name], array, err_msg=name)
    assert (tmp_path / "w.csv").read_text() == (tmp_path / "whole.csv").read_text()


@needs_torch
def test_checkpoint_is_never_half_written(tmp_path, monkeypatch):
    path = tmp_path / "c.npz"
    save_arrays(path, {"a": np.arange(3)})

    def killed(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "replace", killed)
    with pytest.raises(KeyboardInterrupt):
        save_arrays(path, {"a": np.arange(9)})
    np.testing.assert_array_equal(weights(path)["a"], np.arange(3))


@needs_torch
def test_run_with_other_settings_than_its_checkpoint_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr("pysolve.training.direction_net.write_curve", lambda *_: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        train(tmp_path / "w.npz", "--steps", "2")
    with pytest.raises(SystemExit, match="made with steps = 2, not 3"):
        train(tmp_path / "w.npz", "--steps", "3", "--resume")
