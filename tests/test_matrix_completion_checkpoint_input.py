"""Checkpoints of matrix_completion: files of other runs and damaged ones are refused; what fields may hold."""

import dataclasses
import errno
import json
import os

import numpy as np
import pytest
from matrix_completion_cases import sampled

from pysolve import _array_files, matrix_completion
from pysolve import _matrix_completion_als as als
from pysolve import _matrix_completion_checkpoint as checkpoint
from pysolve import _matrix_completion_run as run
from pysolve._matrix_completion_kept import Reader, Writer, kept_fields

SHAPE = 60, 50
ENTRIES = sampled(*SHAPE, 3, 5)[0]
CALL = {"observed": (ENTRIES, SHAPE), "rank": 3, "rng": 0, "rtol": 1e-8, "maxiter": 4}


@pytest.fixture
def path(tmp_path):
    matrix_completion(**CALL, checkpoint=tmp_path / "a.npz")
    return tmp_path / "a.npz"


def with_value(position, value):
    parts = [x.copy() for x in ENTRIES]
    parts[position][5] = value
    return tuple(parts), SHAPE


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"rank": 2}, "rank was 3 and is 2"),
        ({"observed": with_value(2, 7.0)}, "observed"),
        ({"observed": (ENTRIES, (60, 51))}, r"shape was \[60, 50\] and is \[60, 51\]"),
        ({"reg": 0.5}, "reg was 0.0 and is 0.5"),
        ({"weights": np.ones(ENTRIES[0].size)}, "observed"),
        ({"rtol": 1e-3}, "rtol was 1e-08 and is 0.001"),
        ({"method": "als"}, "method was auto and is als"),
        ({"init": "random"}, "init was auto and is random"),
        ({"dtype": "f4"}, "dtype was float64 and is float32"),
        ({"validation": 0.2}, "observed"),
        ({"x0": (np.ones((60, 3)), np.ones((50, 3)))}, "x0"),
        ({"rng": 1}, "rng"),
    ],
)
def test_checkpoint_of_another_run_is_refused_and_left_alone(change, message, path):
    before = path.read_bytes()
    with pytest.raises(ValueError, match=f"checkpoint: .* is of a run with other arguments: .*{message}"):
        matrix_completion(**CALL | change, checkpoint=path)
    assert path.read_bytes() == before


def test_damaged_files_are_refused(path):
    whole = path.read_bytes()
    damaged = bytearray(whole)
    damaged[len(whole) // 2] ^= 1
    for text in whole[: len(whole) // 2], whole[:-1], bytes(damaged), b"", b"nothing of the kind":
        path.write_bytes(text)
        with pytest.raises(ValueError, match="cannot be read: it is not a file of arrays"):
            matrix_completion(**CALL, checkpoint=path)
        assert path.read_bytes() == text


def changed(path, change):
    with np.load(path) as file:
        arrays = dict(file)
    header = json.loads(str(arrays["header"]))
    change(header, arrays)
    arrays["header"] = np.array(json.dumps(header))
    np.savez(path, **arrays)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda header, arrays: header.update(version=2), "its version must be 1, but is 2"),
        (lambda header, arrays: header.update(format="other"), "it holds something else"),
        (lambda header, arrays: header.pop("first"), "it lacks 'first'"),
        (lambda header, arrays: header.pop("watch"), "it lacks 'watch'"),
        (lambda header, arrays: header["first"].update(bit_generator="os"), "its random generator is 'os'"),
        (lambda header, arrays: header["state"].pop("reg"), "written by another version of pysolve"),
        (lambda header, arrays: header["state"].update(more={"is": 1}), "written by another version"),
        (lambda header, arrays: header["state"].update(reg={"call": 1}), "unknown kind 'call'"),
        (lambda header, arrays: header["state"].update(held={"known": "secret"}), "it lacks 'secret'"),
        (lambda header, arrays: header["state"].update(held={"of": "Popen", "fields": {}}), "lacks 'Popen'"),
        (lambda header, arrays: arrays.pop("state.U"), "it lacks 'state.U'"),
        (lambda header, arrays: arrays.update({"state.U": np.ones((4, 8))}), "its U is no factor"),
        (lambda header, arrays: arrays["state.V"].fill(np.nan), "its V is no factor"),
        (lambda header, arrays: header["state"].update(V={"is": 3}), "no attribute 'shape'"),
    ],
)
def test_files_that_hold_no_checkpoint_are_refused(change, message, path):
    changed(path, change)
    with pytest.raises(ValueError, match=f"checkpoint: .* holds none that can be used: .*{message}"):
        matrix_completion(**CALL, checkpoint=path)


def test_other_files_of_arrays_are_not_overwritten(tmp_path):
    np.savez(tmp_path / "data.npz", rows=ENTRIES[0])
    before = (tmp_path / "data.npz").read_bytes()
    with pytest.raises(ValueError, match="holds none that can be used: it lacks 'header'"):
        matrix_completion(**CALL, checkpoint=tmp_path / "data.npz")
    assert (tmp_path / "data.npz").read_bytes() == before


def test_python_objects_are_not_read(path):
    with np.load(path) as file:
        arrays = dict(file)
    np.savez(path, **arrays | {"state.U": np.array([print], dtype=object)})
    with pytest.raises(ValueError, match="an array of Python objects"):
        matrix_completion(**CALL, checkpoint=path)


def test_place_that_cannot_be_written_is_said_before_the_run(tmp_path):
    called = []
    with pytest.raises(FileNotFoundError, match=r"none.a\.npz"):
        matrix_completion(**CALL, checkpoint=tmp_path / "none" / "a.npz", callback=called.append)
    with pytest.raises((IsADirectoryError, PermissionError, ValueError), match=tmp_path.name):
        matrix_completion(**CALL, checkpoint=tmp_path, callback=called.append)
    assert called == []
    with pytest.raises(ValueError, match="rng must have one of the bit generators PCG64"):
        matrix_completion(**CALL | {"rng": np.random.Generator(Odd())}, checkpoint=tmp_path / "a.npz")


class Odd(np.random.PCG64):
    """A bit generator of somebody else's."""


def test_full_disk_leaves_the_checkpoint_before(tmp_path, monkeypatch):
    path, writes = tmp_path / "a.npz", []
    savez = np.savez

    def full(file, **arrays):
        writes.append(file)
        if len(writes) > 2:
            file.write(b"part")
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        savez(file, **arrays)

    monkeypatch.setattr(_array_files.np, "savez", full)
    with pytest.raises(OSError, match="No space left on device") as failed:
        matrix_completion(**CALL, checkpoint=path)
    assert failed.value.filename == str(path)
    assert os.listdir(tmp_path) == ["a.npz"]
    monkeypatch.undo()
    known = matrix_completion(**CALL)
    assert np.array_equal(matrix_completion(**CALL, checkpoint=path).U, known.U)


# ---- fields ----------------------------------------------------------------------------------------------------


def left_out(of):
    return {field.name for field in dataclasses.fields(of)} - set(kept_fields(of))


def test_fields_that_are_not_written_are_made_anew():
    """Whoever marks another field so must see to it that a resumed run makes it anew, and add it here."""
    assert left_out(als.State) == {"typed", "group"}
    assert left_out(als.Watch) == {"maxiter", "report", "start", "keep"}


@pytest.mark.parametrize(
    "value", [{"a": 1}, {1, 2}, print, object(), np.array([None]), np.random.default_rng()]
)
def test_field_of_a_kind_that_cannot_be_written_is_an_error(value, tmp_path, monkeypatch):
    prepared = run.prepared

    def with_another(request, **options):
        state = prepared(request, **options)
        state.sketch = value
        return state

    monkeypatch.setattr("pysolve._matrix_completion.prepared", with_another)
    with pytest.raises(TypeError, match=r"a checkpoint cannot hold state\.sketch, which is a "):
        matrix_completion(**CALL, checkpoint=tmp_path / "a.npz")


@dataclasses.dataclass
class Part:
    numbers: tuple
    array: np.ndarray
    left_out: dict = dataclasses.field(default_factory=dict, metadata={"kept": False})


def test_values_come_back_as_they_were():
    shared = np.arange(6.0).reshape(2, 3)
    part = Part((1, 2.5, None, "a", True), np.float32([1, 2]), {"a": print})
    values = [part, [part, (shared, 3)], shared.copy(), np.inf, np.int64(3), [1.0, np.nan], ()]
    writer = Writer({"known": shared})
    spec = json.loads(json.dumps(writer.value(values, "x")))
    found = Reader(writer.arrays, {"known": shared}, [Part]).value(spec)
    assert found[0].numbers == part.numbers
    assert found[0].left_out == {}
    assert found[0].array.dtype == np.float32
    assert found[1][1][0] is shared
    assert np.array_equal(found[2], shared)
    assert found[2] is not shared
    assert found[3:5] == [np.inf, 3]
    assert found[6] == ()
    assert checkpoint.VERSION == 1
