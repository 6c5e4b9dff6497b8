"""matrix_completion with entries in files: the same factors as in memory, within the memory allowed."""

import contextlib
import errno
import os
import subprocess
import sys
import tempfile

import numpy as np
import pytest
import scipy.sparse as sp
from matrix_completion_cases import coherent, sampled

from pysolve import _matrix_completion_stored as stored
from pysolve import matrix_completion
from pysolve._matrix_completion_stream import entries_of

LITTLE = 1 << 20  # bytes: the entries below take six times that
SHAPE = 1500, 1200


@pytest.fixture(scope="module")
def entries():
    return sampled(*SHAPE, 8, 5)[0]


def saved(path, entries, shape=SHAPE, save=np.savez):
    rows, cols, values = entries
    save(path, rows=rows, cols=cols, values=values, shape=shape)
    return path


@pytest.fixture(autouse=True)
def no_file_is_left(tmp_path):
    """Neither one with a name nor one without, which a descriptor would hold."""
    before = deleted_files()
    yield
    assert deleted_files() == before
    assert not list(tmp_path.glob(".*"))


def deleted_files():
    found = []
    for number in os.listdir("/proc/self/fd") if os.path.isdir("/proc/self/fd") else []:
        with contextlib.suppress(OSError):
            found.append(os.readlink(f"/proc/self/fd/{number}"))
    return sorted(name for name in found if name.endswith("(deleted)"))


# ---- the same as in memory -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"validation": 0.1},
        {"reg": 0.5, "maxiter": 15},
        {"method": "gauss-newton"},
        {"weights": np.random.default_rng(0).random(107680)},
        {"dtype": "f4", "init": "random"},
    ],
    ids=lambda options: "-".join(options),
)
def test_factors_have_the_same_bits_as_in_memory(entries, options, tmp_path):
    path = saved(tmp_path / "a.npz", entries)
    known = matrix_completion((entries, SHAPE), 8, rng=0, rtol=1e-8, **options)
    found = matrix_completion(path, 8, rng=0, rtol=1e-8, memory=LITTLE, **options)
    assert np.array_equal(found.U, known.U)
    assert np.array_equal(found.V, known.V)
    assert found.status is known.status
    np.testing.assert_allclose(found.history["training"], known.history["training"], rtol=1e-5, atol=1e-12)
    assert os.listdir(tmp_path) == ["a.npz"]


def test_sparse_matrices_and_arrays_on_disk_are_taken(entries, tmp_path):
    rows, cols, values = entries
    coo = sp.coo_array((values, (rows, cols)), shape=SHAPE)
    files = {"triplets.npz": saved(tmp_path / "triplets.npz", entries, save=np.savez_compressed)}
    for form in "csr", "csc", "coo":
        sp.save_npz(tmp_path / f"{form}.npz", coo.asformat(form), compressed=form != "csr")
        files[form] = tmp_path / f"{form}.npz"
    maps = []
    for name, x in zip(("rows", "cols", "values"), entries, strict=True):
        np.save(tmp_path / name, x)
        maps.append(np.load(tmp_path / f"{name}.npy", mmap_mode="r"))
    files["maps"] = (tuple(maps), SHAPE)
    for form, observed in files.items():
        given = coo.asformat(form) if form in ("csr", "csc") else coo
        known = matrix_completion(given, 8, rng=0, maxiter=4)
        for memory in LITTLE, 1 << 30:
            found = matrix_completion(observed, 8, rng=0, maxiter=4, memory=memory)
            assert np.array_equal(found.U, known.U), (form, memory)


def test_sketched_rows_are_the_same(tmp_path):
    M, seen = coherent()
    rows, cols = np.nonzero(seen)
    values = M[rows, cols]
    path = saved(tmp_path / "a.npz", (rows, cols, values), M.shape)
    options = {"rank": 12, "rtol": 1e-9, "rng": 0, "method": "als"}
    known = matrix_completion(((rows, cols, values), M.shape), **options)
    found = matrix_completion(path, memory=LITTLE, **options)
    assert np.array_equal(found.U, known.U)


def test_rows_and_columns_longer_than_a_block_are_whole(tmp_path):
    rng = np.random.default_rng(0)
    U, V = rng.standard_normal((40, 2)), rng.standard_normal((30000, 2))
    seen = rng.random((40, 30000)) < 0.2
    seen[3] = True  # 30,000 entries, where a block has 16,384
    rows, cols = np.nonzero(seen)
    entries = rows, cols, (U @ V.T)[rows, cols]
    path = saved(tmp_path / "a.npz", entries, seen.shape)
    known = matrix_completion((entries, seen.shape), 2, rng=0)
    found = matrix_completion(path, 2, rng=0, memory=LITTLE)
    assert np.array_equal(found.U, known.U)
    turned = saved(tmp_path / "b.npz", (cols, rows, entries[2]), seen.shape[::-1])
    assert matrix_completion(turned, 2, rng=0, memory=LITTLE).converged


def test_float32_values_give_float32_factors(entries, tmp_path):
    rows, cols, values = entries
    path = saved(tmp_path / "a.npz", (rows, cols, values.astype("f4")))
    for memory in LITTLE, 1 << 30:
        assert matrix_completion(path, 8, rng=0, maxiter=2, memory=memory).U.dtype == np.float32


def test_entries_of_validation_may_be_in_a_file(entries, tmp_path):
    kept = tuple(x[100:] for x in entries)
    of_it = saved(tmp_path / "v.npz", tuple(x[:100] for x in entries))
    path = saved(tmp_path / "a.npz", kept)
    known = matrix_completion((kept, SHAPE), 8, rng=0, validation=of_it, maxiter=5)
    found = matrix_completion(path, 8, rng=0, validation=of_it, maxiter=5, memory=LITTLE)
    assert np.array_equal(found.U, known.U)
    np.testing.assert_array_equal(found.history["held_out"], known.history["held_out"])
    with pytest.raises(ValueError, match="validation must not share entries with observed"):
        matrix_completion(path, 8, validation=tuple_of(entries, slice(50, 150)), memory=LITTLE)


def tuple_of(entries, chosen):
    return tuple(x[chosen] for x in entries), SHAPE


# ---- memory ----------------------------------------------------------------------------------------------------

MEASURED = """
import resource, sys
import numpy as np
from pysolve import matrix_completion
def peak():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
rng = np.random.default_rng(0)
seen = np.where(rng.random((200, 200)) < 0.5, 1.0, np.nan)
matrix_completion(seen, 4, rng=0, maxiter=3)
before = peak()
result = matrix_completion(sys.argv[1], 4, rng=0, memory=int(sys.argv[2]), maxiter=4)
print(peak() - before)
np.savez(sys.argv[3], U=result.U, V=result.V)
"""


def measured(path, memory, to):
    command = [sys.executable, "-P", "-c", MEASURED, str(path), str(memory), str(to)]
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    ran = subprocess.run(command, capture_output=True, text=True, check=True, env=environment)
    with np.load(to) as found:
        return int(ran.stdout), found["U"], found["V"]


def test_file_of_sixteen_times_the_memory_allowed_is_completed_within_it(tmp_path):
    rng = np.random.default_rng(0)
    n, allowed = 20000, 8 << 20
    flat = np.unique(rng.integers(0, n * n, 2_100_000))
    rng.shuffle(flat)
    i, j = flat // n, flat % n
    U, V = rng.standard_normal((2, n, 4))
    path = saved(tmp_path / "a.npz", (i.astype("i4"), j.astype("i4"), (U[i] * V[j]).sum(axis=1)), (n, n))
    assert i.size * 64 > 16 * allowed
    factors = 3 * 2 * n * 8 * 8  # two factors padded to 8 columns of float64, and copies of them
    peak, U_found, V_found = measured(path, allowed, tmp_path / "b.npz")
    assert peak < allowed + factors
    peak_in_memory, U_known, V_known = measured(path, 1 << 40, tmp_path / "c.npz")
    assert peak_in_memory > 4 * peak
    assert np.array_equal(U_found, U_known)
    assert np.array_equal(V_found, V_known)


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
    calls = []

    def interrupt(*arguments):
        calls.append(arguments)
        if len(calls) == 3:
            raise KeyboardInterrupt
        return sort(*arguments)

    from pysolve import _matrix_completion_sort as module

    sort = module._sort_bucket
    monkeypatch.setattr(module, "_sort_bucket", interrupt)
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
