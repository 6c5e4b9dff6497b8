"""matrix_completion with entries in files: what is refused, as in memory, and what goes wrong."""

import errno
import os
import tempfile

import numpy as np
import pytest
import scipy.sparse as sp
from matrix_completion_streams import ENTRIES, LITTLE, SHAPE, nothing_left, saved

from pysolve import _matrix_completion_sort as sort
from pysolve import _matrix_completion_stored as stored
from pysolve import matrix_completion
from pysolve._matrix_completion_stream import entries_of


@pytest.fixture(autouse=True)
def no_file_is_left(tmp_path):
    with nothing_left(tmp_path):
        yield


@pytest.fixture
def entries():
    return ENTRIES


# ---- what is wrong with them -----------------------------------------------------------------------------------


def changed(entries, position, place, value):
    parts = [x.copy() for x in entries]
    parts[position][place] = value
    return tuple(parts)


@pytest.mark.parametrize(
    ("position", "value", "message"),
    [
        (0, 1500, r"rows must be from 0 to 1499, but rows\[70000\] is 1500"),
        (1, -1, r"cols must be from 0 to 1199, but cols\[70000\] is -1"),
        (2, np.nan, r"values must be finite, but values\[70000\] is nan"),
        (2, np.inf, r"values must be finite, but values\[70000\] is inf"),
    ],
)
def test_wrong_entries_have_the_same_messages(entries, position, value, message, tmp_path):
    wrong = changed(entries, position, 70000, value)
    path = saved(tmp_path / "a.npz", wrong)
    with pytest.raises(ValueError, match=message):
        matrix_completion((wrong, SHAPE), 8)
    with pytest.raises(ValueError, match=message):
        matrix_completion(path, 8, memory=LITTLE)


def test_two_entries_in_one_place_are_refused_by_name(entries, tmp_path):
    twice = tuple(np.append(x, x[[90000, 7]]) for x in entries)
    path = saved(tmp_path / "a.npz", twice)
    texts = []
    for observed in (twice, SHAPE), path:
        with pytest.raises(ValueError, match="observed must not have two entries in one place") as refused:
            matrix_completion(observed, 8, memory=LITTLE)
        texts.append(str(refused.value))
    assert texts[0] == texts[1]
    assert os.listdir(tmp_path) == ["a.npz"]


def test_wrong_weights_are_refused(entries, tmp_path):
    path = saved(tmp_path / "a.npz", entries)
    count = entries[0].size
    w = np.ones(count)
    w[80000] = -1
    for weights, message in (
        (w, r"weights must not be negative, but weights\[80000\] is -1"),
        (np.zeros(count), "weights must not all be 0"),
        (np.where(w < 0, np.nan, w), r"weights must be finite, but weights\[80000\] is nan"),
        (w[1:], f"weights must be {count} real numbers"),
    ):
        with pytest.raises(ValueError, match=message):
            matrix_completion(path, 8, weights=weights, memory=LITTLE)


@pytest.mark.parametrize("memory", [LITTLE, 1 << 30])
def test_files_that_are_none_are_refused(entries, memory, tmp_path):
    path = saved(tmp_path / "a.npz", entries)
    whole = path.read_bytes()
    rows, cols, values = entries
    damaged = bytearray(whole)
    damaged[3 * len(whole) // 4] ^= 1  # a value
    for text, message in (
        (whole[: len(whole) // 2], "cannot be read: File is not a zip file"),
        (b"rows,cols,values", "cannot be read: it is no file of arrays"),
        (bytes(damaged), "cannot be read: Bad CRC-32"),
    ):
        path.write_bytes(text)
        with pytest.raises(ValueError, match=message):
            matrix_completion(path, 8, memory=memory)
    for arrays, message in (
        ({"rows": rows, "cols": cols, "shape": SHAPE}, "it has no values"),
        ({"rows": rows, "cols": cols, "values": values}, "it has no shape"),
        ({"rows": rows[1:], "cols": cols, "values": values, "shape": SHAPE}, "must be of one length"),
        ({"rows": rows, "cols": cols, "values": values, "shape": [3]}, "two positive integers"),
        ({"rows": rows[None], "cols": cols, "values": values, "shape": SHAPE}, "rows must be one-dim"),
        ({"rows": rows, "cols": cols, "values": np.array([None]), "shape": SHAPE}, "Python objects"),
        ({"format": b"dia", "data": values, "shape": SHAPE}, "must be CSR, CSC or COO, not DIA"),
    ):
        np.savez(path, **arrays)
        with pytest.raises(ValueError, match=message):
            matrix_completion(path, 8, memory=memory)
    np.savez(path, rows=rows + 0.5, cols=cols, values=values, shape=SHAPE)
    with pytest.raises(TypeError, match="rows must be integers"):
        matrix_completion(path, 8, memory=memory)
    with pytest.raises(FileNotFoundError):
        matrix_completion(tmp_path / "none.npz", 8, memory=memory)


def test_indptr_that_does_not_fit_is_refused(entries, tmp_path):
    A = sp.coo_array((entries[2], entries[:2]), shape=SHAPE).tocsr()
    for indptr in A.indptr[:-1], A.indptr[::-1], np.append(A.indptr[:-1], 3):
        np.savez(
            tmp_path / "a.npz", indptr=indptr, indices=A.indices, data=A.data, shape=SHAPE, format=b"csr"
        )
        with pytest.raises(ValueError, match="its indptr does not fit"):
            matrix_completion(tmp_path / "a.npz", 8, memory=LITTLE)


def test_full_disk_is_an_error_that_says_what_for(entries, tmp_path, monkeypatch):
    class Full:
        def __init__(self, file):
            self.file, self.left = file, 100_000

        def write(self, data):
            self.left -= len(data)
            if self.left < 0:
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            return self.file.write(data)

        def __getattr__(self, name):
            return getattr(self.file, name)

    opened = tempfile.TemporaryFile
    monkeypatch.setattr(stored.tempfile, "TemporaryFile", lambda **options: Full(opened(**options)))
    path = saved(tmp_path / "a.npz", entries)
    with pytest.raises(
        OSError, match=r"No space left on device .*temporary file of (430720|861440) bytes"
    ) as failed:
        matrix_completion(path, 8, memory=LITTLE)
    assert failed.value.errno == errno.ENOSPC
    assert failed.value.filename == str(tmp_path)


def test_interrupt_while_entries_are_put_in_order_leaves_nothing(entries, tmp_path, monkeypatch):
    calls, sorted_bucket = [], sort._sort_bucket

    def interrupt(*arguments):
        calls.append(arguments)
        if len(calls) == 3:
            raise KeyboardInterrupt
        return sorted_bucket(*arguments)

    monkeypatch.setattr(sort, "_sort_bucket", interrupt)
    with pytest.raises(KeyboardInterrupt):
        matrix_completion(saved(tmp_path / "a.npz", entries), 8, memory=LITTLE)
    calls.clear()
    assert os.listdir(tmp_path) == ["a.npz"]


def test_folder_that_cannot_be_written_is_left_alone(entries, tmp_path, monkeypatch):
    used = []
    path = saved(tmp_path / "a.npz", entries)
    original = stored.Stored.__init__

    def watched(self, folder, *rest):
        used.append(folder)
        original(self, folder, *rest)

    monkeypatch.setattr(stored.Stored, "__init__", watched)
    monkeypatch.setattr(os, "access", lambda *_: False)
    matrix_completion(path, 8, memory=LITTLE, maxiter=1)
    assert set(used) == {tempfile.gettempdir()}


def test_memory_must_be_a_number_of_bytes(entries):
    with pytest.raises(ValueError, match="memory must be from 1048576"):
        matrix_completion((entries, SHAPE), 8, memory=10)
    with pytest.raises(TypeError, match="memory must be an integer"):
        matrix_completion((entries, SHAPE), 8, memory="1 GB")


def test_number_of_entries_drawn_for_validation_is_as_in_memory(entries, tmp_path):
    path = saved(tmp_path / "a.npz", entries)
    streamed, _ = entries_of(path, LITTLE)
    taken = streamed.survey(None, 5384, np.random.default_rng(3))
    assert (len(taken), len(streamed)) == (5384, 107680 - 5384)


def test_what_needs_all_entries_at_once_says_so(entries, tmp_path):
    streamed, _ = entries_of(saved(tmp_path / "a.npz", entries), LITTLE)
    with pytest.raises(ValueError, match="memory must be 6891520 bytes at least for this"):
        assert streamed.values is None
