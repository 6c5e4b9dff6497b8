"""Files of `Multilevel`: the weights, saved objects, and everything that can be wrong with either."""

import copy
import os
import pickle

import numpy as np
import pytest

from pysolve import Multilevel, StencilOperator, gallery
from pysolve import _multilevel_weights as mw

A = gallery.obstacle_box((20, 18, 22))
SMALL = gallery.obstacle_box((6, 7))


def arrays(**changes):
    return mw.to_arrays(mw.find_weights("untrained")) | changes


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"version": np.array(99)}, "version 1, not of kind multilevel and version 99"),
        ({"kind": np.array("other")}, "kind other"),
        ({"tau_3d": np.ones((3, 2))}, "tau_3d must hold floats of shape"),
        ({"tau_3d": np.full((2, 2), np.nan)}, "tau_3d must be finite"),
        ({"tau_2d": np.full((2, 2), 5.0)}, "multiplies errors by up to"),
        ({"tau_2d": np.full((2, 2), -0.1)}, "multiplies errors by up to"),
        ({"tau_2d": np.ones((2, 1))}, "2 to 16 steps"),
        ({"scale_3d": np.array([1.0, -1.0])}, "scale must be positive"),
        ({"theta_3d": np.array(2.0)}, "theta must lie in"),
        ({"relaxation_2d": np.ones(7, "f4")}, "relaxation_2d must hold floats"),
        ({"relaxation_2d": mw.constant_net(3.0)}, "eigenvalues reach 6"),
        ({"relaxation_2d": mw.constant_net(0.0)}, "clipped within"),
        ({"resistance_2d": mw.constant_net(-1.0)}, "clipped within"),
        ({"tau_3d": np.array(["a"])}, "tau_3d must hold floats"),
    ],
)
def test_weights_that_fail_are_refused_with_the_reason(tmp_path, changes, named):
    path = tmp_path / "w.npz"
    np.savez(path, **arrays(**changes))
    with pytest.raises(ValueError, match=named):
        Multilevel(A, weights=path)


def test_weights_that_cannot_be_read_are_refused(tmp_path):
    good, cut, other = tmp_path / "good.npz", tmp_path / "cut.npz", tmp_path / "other.npz"
    mw.save(good, mw.find_weights("untrained"))
    assert Multilevel(A, weights=good).levels == Multilevel(A).levels
    whole = good.read_bytes()
    for n in (0, 10, len(whole) // 2, len(whole) - 30):
        cut.write_bytes(whole[:n])
        with pytest.raises(ValueError, match="cannot be read"):
            Multilevel(A, weights=cut)
    missing = arrays()
    del missing["tau_3d"]
    np.savez(other, **missing)
    with pytest.raises(ValueError, match="lack the array tau_3d"):
        Multilevel(A, weights=other)
    with pytest.raises(ValueError, match="no file"):
        Multilevel(A, weights=tmp_path / "none.npz")


# ---- damaged files ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "content", [b"", b"# not\nnumbers at all\n", pickle.dumps({"a": 1}), b"PK\x03\x04" + bytes(40)], ids=repr
)
def test_files_of_another_kind_are_named_as_such(tmp_path, content):
    path = tmp_path / "w.npz"
    path.write_bytes(content)
    for read in (lambda: Multilevel(A, weights=path), lambda: Multilevel.load(path)):
        with pytest.raises(ValueError, match=r"is not a file of arrays \(\.npz\)") as caught:
            read()
        assert str(path) in str(caught.value)
        assert "pickle" not in str(caught.value)


def test_file_of_one_array_is_no_file_of_weights(tmp_path):
    np.save(tmp_path / "w.npy", np.ones(3))
    with pytest.raises(ValueError, match=r"is not a file of arrays \(\.npz\)"):
        Multilevel(A, weights=tmp_path / "w.npy")


def test_arrays_of_python_objects_are_refused_without_advice_to_load_them(tmp_path):
    np.savez(tmp_path / "w.npz", **arrays(tau_3d=np.array([{}, {}], object)))
    with pytest.raises(ValueError, match="an array of Python objects") as caught:
        Multilevel(A, weights=tmp_path / "w.npz")
    assert "pickle" not in str(caught.value)


def damaged(whole, rng, kind):
    """The bytes with some of them changed, a stretch of them, or all after some point left out."""
    content = bytearray(whole)
    at = int(rng.integers(len(content)))
    if kind == "cut":
        return bytes(content[:at])
    if kind == "gap":
        del content[at : at + int(rng.integers(1, 200))]
    elif kind == "flags":  # of a member: encrypted, another compression, another version
        start = whole.find(b"PK\x01\x02", at) if whole.find(b"PK\x01\x02", at) >= 0 else 0
        content[start + int(rng.integers(4, 12))] ^= 1 << int(rng.integers(8))
    else:
        for k in rng.integers(len(content), size=int(rng.integers(1, 4))):
            content[k] = int(rng.integers(256))
    return bytes(content)


@pytest.mark.parametrize("kind", ["flip", "flags", "cut", "gap"])
def test_damaged_file_loads_or_is_a_value_error(tmp_path, kind):
    path, rng = tmp_path / "m.npz", np.random.default_rng(["flip", "flags", "cut", "gap"].index(kind))
    Multilevel(SMALL, weights="untrained").save(path)
    whole, refused = path.read_bytes(), []
    for _ in range(150):
        path.write_bytes(damaged(whole, rng, kind))
        try:
            M = Multilevel.load(path)
        except ValueError as error:
            refused.append(str(error))
        else:
            assert np.isfinite(M @ np.ones(M.shape[0])).all()
    assert len(refused) > 40
    assert not any("pickle" in message for message in refused)


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"grid_shape": np.array(6)}, "shape must be a sequence"),
        ({"grid_shape": np.array([6.0, 7.0])}, "shape must be a sequence"),
        ({"grid_shape": np.array([6, -7])}, "shape must hold"),
        ({"grid_shape": np.array([6, 8])}, r"weights\[0\] must have shape"),
        ({"grid_shape": np.array(["six", "7"])}, "shape must be a sequence"),
        ({"boundary": np.array(3)}, "boundary must be"),
        ({"boundary": np.array("open")}, r"boundary\[0\] must be"),
        ({"boundary": np.array([1.0, 2.0])}, "boundary must be"),
        ({"dtype": np.array("complex64")}, "dtype must be <f4 or <f8, got 'complex64'"),
        ({"dtype": np.array([1, 2])}, "dtype must be"),
        ({"shift": np.array("much")}, "shift must be a real number"),
        ({"shift": np.array(1j)}, "shift must be a real number"),
        ({"shift": np.array([1.0])}, "shift must have shape"),
        ({"shift": np.array(-1.0)}, "shift must be finite"),
        ({"face_weights_0": np.array("x")}, "weights must be all"),
        ({"face_weights_1": np.full((6, 8), "x")}, r"weights\[1\] must hold real numbers"),
        ({"face_weights_1": np.full((6, 8), np.nan)}, r"weights\[1\] must be finite"),
        ({"face_weights_2": np.ones(3)}, "one entry for each of the 2 axes"),
        ({"version": np.array("1")}, "version 1, not of kind multilevel and version 1"),
        ({"tau_2d": np.full((2, 2), 1e-40)}, "multiplies errors by up to"),
        ({"tau_2d": np.full((2, 2), 1e300)}, "tau_2d must be finite in float32"),
    ],
)
def test_saved_object_that_does_not_fit_is_a_value_error(tmp_path, changes, named):
    path = tmp_path / "m.npz"
    Multilevel(SMALL).save(path)
    with np.load(path) as file:
        np.savez(path, **dict(file) | changes)
    with pytest.raises(ValueError, match=named):
        Multilevel.load(path)


@pytest.mark.parametrize("path", [3, None, b"m.npz"], ids=repr)
def test_path_that_is_none_is_named(path):
    with pytest.raises(TypeError, match="path must be a str or path-like, got"):
        Multilevel.load(path)
    with pytest.raises(TypeError, match="path must be a str or path-like, got"):
        Multilevel(SMALL).save(path)


def test_path_that_cannot_be_written_is_named(tmp_path):
    for path in (tmp_path / "none" / "m.npz", tmp_path):
        with pytest.raises(OSError) as caught:
            Multilevel(SMALL).save(path)
        assert caught.value.filename == str(path)
        assert ".part" not in str(caught.value)
    assert os.listdir(tmp_path) == []


# ---- files and copies ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("weights", ["default", "tuned", "textbook"])
@pytest.mark.parametrize(
    "B",
    [A, gallery.poisson((20, 31), boundary="neumann"), StencilOperator((9, 9), (1.0, 2.0), shift=0.5)],
    ids=repr,
)
def test_saved_and_pickled_ones_do_the_same(tmp_path, B, weights):
    M, x = Multilevel(B, weights=weights), np.random.default_rng(0).standard_normal(B.shape[0])
    M.save(tmp_path / "m.npz")
    for other in (Multilevel.load(tmp_path / "m.npz"), pickle.loads(pickle.dumps(M)), copy.deepcopy(M)):
        np.testing.assert_array_equal(other @ x, M @ x)
        assert repr(other) == repr(M)


def test_file_of_weights_alone_is_no_saved_object(tmp_path):
    mw.save(tmp_path / "w.npz", mw.find_weights("tuned"))
    with pytest.raises(ValueError, match="lacks"):
        Multilevel.load(tmp_path / "w.npz")
    with pytest.raises(FileNotFoundError):
        Multilevel.load(tmp_path / "none.npz")
