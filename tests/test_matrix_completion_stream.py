"""matrix_completion with entries in files: the same factors as in memory, within the memory allowed."""

import os
import subprocess
import sys

import numpy as np
import pytest
import scipy.sparse as sp
from matrix_completion_cases import coherent
from matrix_completion_streams import ENTRIES, LITTLE, SHAPE, nothing_left, saved

from pysolve import matrix_completion


@pytest.fixture(autouse=True)
def no_file_is_left(tmp_path):
    with nothing_left(tmp_path):
        yield


@pytest.fixture
def entries():
    return ENTRIES


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
    U, V = rng.standard_normal((40, 2)), rng.standard_normal((20000, 2))
    seen = rng.random((40, 20000)) < 0.5
    seen[3] = True  # 20,000 entries, where a block has 16,384
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
import re, sys
import numpy as np
from pysolve import matrix_completion
def peak():  # of resident memory; getrusage would tell the peak of the process that started this one
    return int(re.search(r"VmHWM:\\s+(\\d+) kB", open("/proc/self/status").read())[1]) * 1024
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


@pytest.mark.skipif(not os.path.exists("/proc/self/status"), reason="peak memory is read from /proc")
def test_file_of_sixteen_times_the_memory_allowed_is_completed_within_it(tmp_path):
    rng = np.random.default_rng(0)
    n, allowed = 20000, 8 << 20
    flat = np.unique(rng.integers(0, n * n, 2_200_000))
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
