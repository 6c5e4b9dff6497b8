"""Weights of a DirectionNet: what is read, and what is refused with the reason; arguments that do not fit."""

import io
import pickle

import numpy as np
import pytest
from direction_net_cases import random_model

from pysolve import DirectionNet, cg, conjugate_directions, gallery

A = gallery.poisson((2, 3, 4))
R = np.arange(24.0)


def saved(tmp_path, arrays, name="weights.npz"):
    path = tmp_path / name
    np.savez(path, **arrays)
    return path


@pytest.mark.parametrize("kind", [str, lambda path: path])
def test_file_of_weights_gives_what_its_arrays_give(tmp_path, kind):
    path = saved(tmp_path, random_model())
    np.testing.assert_array_equal(
        DirectionNet(A, model=kind(path)) @ R, DirectionNet(A, model=random_model()) @ R
    )


def test_weights_may_be_stored_in_other_precisions():
    model = {k: v.astype("f2") if v.dtype == "f4" else v for k, v in random_model().items()}
    same = {k: v.astype("f8") if v.dtype == "f2" else v for k, v in model.items()}
    np.testing.assert_array_equal(DirectionNet(A, model=model) @ R, DirectionNet(A, model=same) @ R)


def test_weights_are_copied():
    model = random_model()
    net = DirectionNet(A, model=model)
    before = net @ R
    model["kernels"][:] = np.nan
    np.testing.assert_array_equal(net @ R, before)


def changed(**arrays):
    return random_model() | arrays


def without(name):
    return {key: value for key, value in random_model().items() if key != name}


@pytest.mark.parametrize(
    ("model", "message"),
    [
        (changed(version=np.array(2)), "model must have version 1, but its version is 2"),
        (without("version"), "version is absent"),
        (changed(version=np.array([])), "version is empty"),
        (changed(architecture=np.array("256")), "architecture '64' or '128', but its architecture is 256"),
        (without("architecture"), "architecture is absent"),
        (without("biases"), r"model must have an array biases, of shape \(14, 16\)"),
        (changed(first_bias=np.zeros((1, 16))), r"first_bias must have shape \(16,\), .* is \(1, 16\)"),
        (random_model("128") | {"architecture": np.array("64")}, r"kernels must have shape \(14, "),
        (
            changed(last_kernel=np.zeros(16, int)),
            "last_kernel must hold real floating-point numbers, not .* int64",
        ),
        (changed(last_kernel=np.full(16, np.nan)), r"last_kernel must be finite, but is nan at \(0,\)"),
        (changed(last_bias=np.array(1e300)), "last_bias must be finite, but is inf"),
    ],
)
def test_weights_that_do_not_fit_are_refused(tmp_path, model, message):
    with pytest.raises(ValueError, match=message):
        DirectionNet(A, model=model)
    with pytest.raises(ValueError, match=message.removeprefix("model ")):
        DirectionNet(A, model=saved(tmp_path, model))


def test_file_cut_anywhere_is_refused(tmp_path):
    path = saved(tmp_path, random_model())
    whole = path.read_bytes()
    for share in (0.0, 0.001, 0.3, 0.6, 0.99, 0.9999):
        path.write_bytes(whole[: int(share * len(whole))])
        with pytest.raises(ValueError, match=r"weights\.npz is not a whole file of weights: "):
            DirectionNet(A, model=path)


def test_byte_that_flipped_is_noticed(tmp_path):
    path = saved(tmp_path, random_model())
    whole = bytearray(path.read_bytes())
    whole[len(whole) // 2] ^= 0xFF
    path.write_bytes(whole)
    with pytest.raises(ValueError, match=r"is not a whole file of weights: .*CRC"):
        DirectionNet(A, model=path)


class Explosive:
    def __reduce__(self):
        return (pytest.fail, ("a pickle was loaded",))


@pytest.mark.parametrize("kind", ["array in the file", "whole file", "npy"])
def test_pickles_are_never_loaded(tmp_path, kind):
    objects = np.empty(16, dtype=object)
    objects[:] = Explosive()
    if kind == "array in the file":
        path = saved(tmp_path, changed(first_bias=objects))
    else:
        path, text = tmp_path / "weights.npz", io.BytesIO()
        pickle.dump(Explosive(), text) if kind == "whole file" else np.save(text, objects)
        path.write_bytes(text.getvalue())
    with pytest.raises(ValueError, match=r"is not a whole file of weights: .*pickle"):
        DirectionNet(A, model=path)


def test_file_of_one_array_is_refused(tmp_path):
    np.save(tmp_path / "weights.npy", R)
    with pytest.raises(ValueError, match=r"it is an \.npy"):
        DirectionNet(A, model=tmp_path / "weights.npy")


def test_missing_file_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"there is no file .*nothing"):
        DirectionNet(A, model=tmp_path / "nothing.npz")
    with pytest.raises(ValueError, match="is not a whole file"):
        DirectionNet(A, model=tmp_path)


@pytest.mark.parametrize("model", [None, 3, random_model, [random_model()]])
def test_model_of_another_type_is_refused(model):
    with pytest.raises(TypeError, match=r"model must be .* not "):
        DirectionNet(A, model=model)


def test_operator_that_does_not_fit_is_refused():
    with pytest.raises(ValueError, match=r"A must be on a 3-D box, but its grid_shape is \(3, 4\)"):
        DirectionNet(gallery.poisson((3, 4)), model=random_model())
    with pytest.raises(ValueError, match="A must be on a 3-D box"):
        DirectionNet(gallery.poisson((3, 4), format="csr"), shape=(3, 4), model=random_model())
    with pytest.raises(
        ValueError, match=r"shape must be that of the box of A, \(2, 3, 4\), but is \(4, 3, 2\)"
    ):
        DirectionNet(A, shape=(4, 3, 2), model=random_model())
    for other in (A.tocsr(), np.eye(24), "A"):
        with pytest.raises(TypeError, match=r"A must be a StencilOperator, or a matrix .* shape"):
            DirectionNet(other, model=random_model())
    dense = np.eye(24)
    dense[0, 23] = dense[23, 0] = -0.5
    with pytest.raises(ValueError):
        DirectionNet(dense, shape=(2, 3, 4), model=random_model())


# ---- the weights that are shipped --------------------------------------------------------------------------


def test_shipped_weights_are_those_of_the_smaller_network():
    net = DirectionNet(A)
    assert (net.architecture, net.n_parameters) == ("64", 97_457)


def unseen(scene, shape, seed):
    """A scene that was not drawn in training, and noise in its fluid."""
    operator = gallery.scenes[scene](shape, rng=seed)
    b = np.random.default_rng(seed).standard_normal(operator.shape[0])
    return operator, np.where(operator.decoupled.ravel(), 0, b)


@pytest.mark.parametrize("scene", ["obstacle_box", "bubbles"])
def test_solve_with_shipped_weights_ends_at_the_true_residual(scene):
    operator, b = unseen(scene, (13, 16, 18), 900)
    result = conjugate_directions(operator, b, M=DirectionNet(operator), rtol=1e-8, maxiter=5000)
    assert result.converged
    assert np.linalg.norm(b - operator @ result.x) <= 1.0001e-8 * np.linalg.norm(b)


@pytest.mark.parametrize("scene", ["obstacle_box", "free_surface"])
@pytest.mark.parametrize("shape", [(16, 16, 16), (32, 32, 32), (24, 33, 29)])
def test_shipped_weights_need_fewer_iterations_than_cg_on_scenes_like_those_trained_on(scene, shape):
    operator, b = unseen(scene, shape, 901)
    learned = conjugate_directions(operator, b, M=DirectionNet(operator), rtol=1e-4)
    assert learned.converged
    assert learned.iterations < 0.4 * cg(operator, b, rtol=1e-4).iterations
