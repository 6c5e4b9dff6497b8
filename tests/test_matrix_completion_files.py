"""A completion in a file comes back to the bit; a file that is damaged or of something else is refused."""

import json
import os
import re
import subprocess
import sys
import zipfile

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from matrix_completion_cases import made, sampled

from pysolve import CompletionBias, CompletionResult, CompletionStatus, matrix_completion
from pysolve import _array_files as array_files
from pysolve._matrix_completion_top import Seen

FIELDS = ("status", "iterations", "message", "empty_rows", "empty_cols", "reg", "nonneg")


@pytest.fixture(scope="module")
def fitted():
    entries, _, _ = sampled(60, 50, 2, 6)
    return matrix_completion((entries, (60, 50)), 2, rng=0)


def same_bits(a, b):
    return (a is None and b is None) or (
        a.dtype == b.dtype and a.shape == b.shape and a.tobytes() == b.tobytes()
    )


def check_same(result, other):
    assert type(other) is type(result)
    for name in FIELDS:
        assert getattr(other, name) == getattr(result, name)
        assert type(getattr(other, name)) is type(getattr(result, name))
    assert list(other.history) == list(result.history)
    assert all(same_bits(other.history[name], result.history[name]) for name in result.history)
    for name in "U", "V", "row_ids", "col_ids":
        assert same_bits(getattr(result, name), getattr(other, name))
    for name, parts in ("seen", ("begin", "indices")), ("bias", ("rows", "cols")):
        first, second = getattr(result, name), getattr(other, name)
        assert (first is None) == (second is None)
        assert first is None or all(same_bits(getattr(first, part), getattr(second, part)) for part in parts)
    if result.bias is not None:
        assert other.bias.mean == result.bias.mean


def finite(dtype):
    return st.floats(allow_nan=False, allow_infinity=False, width=8 * np.dtype(dtype).itemsize)


@settings(max_examples=50, deadline=None)
@given(
    data=st.data(),
    m=st.integers(1, 5),
    n=st.integers(1, 5),
    k=st.integers(1, 3),
    dtype=st.sampled_from(["f4", "f8"]),
)
def test_file_gives_every_bit_back(data, m, n, k, dtype, tmp_path_factory):
    def array(*shape, kind=dtype):
        count = int(np.prod(shape))
        values = data.draw(st.lists(finite(kind), min_size=count, max_size=count))
        return np.array(values, kind).reshape(shape)

    length = data.draw(st.integers(0, 3))
    history = {name: array(length, kind="f8") for name in ("training", "held_out", "seconds")}
    history["held_out"][:1] = np.nan
    history["cg_steps"] = np.arange(length)
    counts = data.draw(st.lists(st.integers(0, n), min_size=m, max_size=m))
    columns = [j for count in counts for j in range(count)]
    named = data.draw(st.sampled_from(["no", "numbers", "texts"]))
    ids = {
        "no": lambda c: None,
        "numbers": lambda c: np.arange(c) * 3 - 2,
        "texts": lambda c: np.sort([f"ö{j}" for j in range(c)]),
    }
    result = CompletionResult(
        U=array(m, k),
        V=array(n, k),
        status=data.draw(st.sampled_from(list(CompletionStatus))),
        iterations=length,
        history=history,
        message=data.draw(st.text()),
        empty_rows=data.draw(st.integers(0, 2**40)),
        bias=data.draw(st.sampled_from([None, CompletionBias(data.draw(finite("f8")), array(m), array(n))])),
        reg=data.draw(st.floats(0, 1e300)),
        nonneg=data.draw(st.booleans()),
        seen=data.draw(
            st.sampled_from([None, Seen(np.append(0, np.cumsum(counts)), np.array(columns, np.int32))])
        ),
        row_ids=ids[named](m),
        col_ids=ids[named](n),
    )
    path = tmp_path_factory.mktemp("files") / "result"
    result.save(path)
    check_same(result, CompletionResult.load(path))


def test_fit_in_a_file_goes_on_as_it_was(fitted, tmp_path):
    fitted.save(tmp_path / "model.npz")
    other = CompletionResult.load(str(tmp_path / "model.npz"))
    check_same(fitted, other)
    assert os.listdir(tmp_path) == ["model.npz"]
    np.testing.assert_array_equal(other.top(3, 5), fitted.top(3, 5))
    new = np.ones((2, 50))
    np.testing.assert_array_equal(other.fold_in(new), fitted.fold_in(new))


def test_file_holds_no_pickle(fitted, tmp_path):
    fitted.save(tmp_path / "model.npz")
    with np.load(tmp_path / "model.npz", allow_pickle=False) as file:
        assert all(file[name].dtype.kind in "fiU" for name in file.files)


@pytest.mark.parametrize("share", [0.0, 0.1, 0.5, 0.9, 0.999])
def test_file_cut_short_is_refused(fitted, share, tmp_path):
    path = tmp_path / "model.npz"
    fitted.save(path)
    whole = path.read_bytes()
    path.write_bytes(whole[: int(share * len(whole))])
    with pytest.raises(ValueError, match=r"model\.npz' cannot be read"):
        CompletionResult.load(path)


def test_bytes_that_changed_are_found(fitted, tmp_path):
    path = tmp_path / "model.npz"
    fitted.save(path)
    whole = bytearray(path.read_bytes())
    with zipfile.ZipFile(path) as archive:
        place = archive.getinfo("V.npy").header_offset + 300
    whole[place] ^= 1
    path.write_bytes(whole)
    with pytest.raises(ValueError, match=r"model\.npz' cannot be read"):
        CompletionResult.load(path)


def header(**changes):
    def change(arrays):
        given = json.loads(str(arrays["header"])) | changes
        arrays["header"] = np.array(
            json.dumps({name: value for name, value in given.items() if value != "gone"})
        )

    return change


def array(name, change):
    def apply(arrays):
        arrays[name] = change(arrays[name]) if callable(change) else change

    return apply


def spoiled(values, place, value):
    values = values.copy()
    values.flat[place] = value
    return values


WRONG = {
    "version": (header(version=2), "its version must be 1, but is 2"),
    "no version": (header(version="gone"), "its version must be 1, but is None"),
    "format": (header(format="other"), "its header is of something else"),
    "no JSON": (array("header", np.array("{")), "Expecting"),
    "a list": (array("header", np.array("[]")), "its header is of something else"),
    "no header": (lambda arrays: arrays.pop("header"), "it lacks 'header'"),
    "no U": (lambda arrays: arrays.pop("U"), "it lacks 'U'"),
    "no status": (header(status="gone"), "it lacks 'status'"),
    "status": (header(status="FINE"), "it lacks 'FINE'"),
    "iterations": (header(iterations=-1), "iterations must be a whole number of at least 0, not -1"),
    "empty": (header(empty_rows=True), "empty_rows must be a whole number"),
    "message": (header(message=3), "message must be a text, not 3"),
    "reg": (header(reg=-1.0), "reg must not be negative, but is -1.0"),
    "nonneg": (header(nonneg=1), "nonneg must be true or false, not 1"),
    "NaN": (header(reg=float("nan")), "reg must be a finite number, not nan"),
    "mean": (header(mean="much"), "mean must be a finite number, not 'much'"),
    "NaN in U": (array("U", lambda U: spoiled(U, 3, np.nan)), "U must be finite"),
    "rank": (array("V", lambda V: V[:, :1]), r"V must have shape any x 2, not \(50, 1\)"),
    "flat": (array("U", lambda U: U[0]), r"U must have shape any x any, not \(2,\)"),
    "type": (array("V", lambda V: V.astype("f4")), "U and V must be of one type"),
    "no rows": (array("U", lambda U: U[:0]), "U and V must be of one type and not empty"),
    "texts": (array("U", lambda U: U.astype("U4")), "U must not be of dtype <U4"),
    "halves": (array("U", lambda U: U.astype("f2")), "U must not be of dtype float16"),
    "history": (array("history.seconds", lambda h: h[:-1]), "columns of the history differ in length"),
    "history of texts": (array("history.other", lambda h: h.astype("U")), "it lacks 'history.other'"),
    "no history": (lambda arrays: arrays.pop("history.training"), "it lacks 'training'"),
    "history's type": (
        array("history.training", lambda h: h.astype("U")),
        "training must be of real numbers",
    ),
    "begin": (array("seen.begin", lambda b: spoiled(b, 5, 10**6)), "seen.begin must rise"),
    "begin's end": (array("seen.begin", lambda b: spoiled(b, -1, 3)), "seen.begin must rise"),
    "begin's length": (array("seen.begin", lambda b: b[:-1]), r"seen.begin must have shape 61, not \(60,\)"),
    "columns": (array("seen.indices", lambda j: spoiled(j, 7, 50)), "seen.indices must be from 0 to 49"),
    "half of seen": (lambda arrays: arrays.pop("seen.begin"), "it has unknown arrays seen.indices"),
    "unknown": (lambda arrays: arrays.update(W=np.ones(2)), "it has unknown arrays W"),
    "bias without mean": (
        lambda arrays: arrays.update({"bias.rows": np.ones(60)}),
        "unknown arrays bias.rows",
    ),
    "ids": (
        lambda arrays: arrays.update(row_ids=np.zeros(60, int)),
        "row_ids must rise, and no two be equal",
    ),
    "number of ids": (lambda arrays: arrays.update(col_ids=np.arange(3)), "col_ids must have shape 50"),
}


@pytest.mark.parametrize("name", WRONG)
def test_content_that_is_wrong_is_named(fitted, name, tmp_path):
    change, text = WRONG[name]
    fitted.save(tmp_path / "model.npz")
    with np.load(tmp_path / "model.npz") as file:
        arrays = dict(file)
    if name == "history of texts":
        change, text = array("history.cg_steps", lambda h: h.astype("U")), "the history must be of numbers"
    change(arrays)
    np.savez(tmp_path / "model.npz", **arrays)
    with pytest.raises(
        ValueError, match=rf"model\.npz' holds no CompletionResult that can be used: .*{text}"
    ):
        CompletionResult.load(tmp_path / "model.npz")


def test_other_files_and_no_files_are_refused(tmp_path):
    with pytest.raises(FileNotFoundError):
        CompletionResult.load(tmp_path / "absent.npz")
    (tmp_path / "text.npz").write_text("row,col,value\n")
    with pytest.raises(ValueError, match="it is not a file of arrays"):
        CompletionResult.load(tmp_path / "text.npz")
    np.savez(tmp_path / "objects.npz", U=np.array([{}], object))
    with pytest.raises(ValueError, match="an array of Python objects"):
        CompletionResult.load(tmp_path / "objects.npz")
    for call in made().save, CompletionResult.load:
        with pytest.raises(TypeError, match="path must be a str or path-like"):
            call(3)


# ---- a disk that is full -----------------------------------------------------------------------------------


# A process of its own: the limit is of all its files, the one that the tests' output goes to among them.
SMALL_FILES = """
import resource, signal, sys
import numpy as np
import pysolve
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))  # the system refuses as on a full disk, in the middle
result = pysolve.matrix_completion(np.ones((300, 30)), 1)
try:
    result.save(sys.argv[1])
except OSError as error:
    print(error)
"""


def test_disk_that_is_full_leaves_the_old_file(tmp_path):
    path = tmp_path / "model.npz"
    path.write_bytes(b"old")
    command = [sys.executable, "-P", "-c", SMALL_FILES, str(path)]
    told = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True).stdout
    assert re.search(r"File too large.*model\.npz", told)
    assert path.read_bytes() == b"old"
    assert os.listdir(tmp_path) == ["model.npz"]


def test_write_that_fails_leaves_the_old_file(fitted, tmp_path, monkeypatch):
    path = tmp_path / "model.npz"
    path.write_bytes(b"old")

    def half(file, **arrays):
        file.write(b"half of it")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(array_files.np, "savez", half)
    with pytest.raises(OSError, match=r"No space left on device.*model\.npz"):
        fitted.save(path)
    assert path.read_bytes() == b"old"
    assert os.listdir(tmp_path) == ["model.npz"]
