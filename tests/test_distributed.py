"""`pysolve.distributed`: the answer of one process on several ranks, and a failure of one told to all."""

import importlib.util
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from distributed_cases import cases

import pysolve
from pysolve import distributed

SCRIPT = Path(__file__).with_name("distributed_cases.py")
LAUNCHER = shutil.which(
    "mpiexec", path=os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
)
pytestmark = pytest.mark.skipif(
    importlib.util.find_spec("mpi4py") is None or LAUNCHER is None,
    reason="mpi4py and an MPI library with mpiexec are not installed",
)


def launch(name, folder, n_ranks, *options, **variables):
    command = [LAUNCHER, *options, "-n", str(n_ranks), sys.executable, "-P", str(SCRIPT), name, str(folder)]
    environment = os.environ | {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"} | variables
    return subprocess.run(command, capture_output=True, text=True, timeout=240, env=environment)


@pytest.fixture(scope="module", params=[1, 2, 4])
def found(request, tmp_path_factory):
    """Every case on so many ranks."""
    folder = tmp_path_factory.mktemp(f"ranks{request.param}")
    done = launch("run_all", folder, request.param)
    assert done.returncode == 0, done.stderr
    with np.load(folder / "all.npz") as arrays:
        return dict(arrays) | {"from_one": np.load(folder / "from_one.npy"), "n_ranks": request.param}


@pytest.mark.parametrize("name", cases())
def test_several_ranks_find_what_one_process_finds(found, name):
    observed, rank, options = cases()[name]
    alone = pysolve.matrix_completion(observed, rank, method="als", rng=0, **options)
    assert found[f"{name}.status"] == alone.status.name
    assert found[f"{name}.iterations"] == alone.iterations
    size = max(np.abs(alone.to_dense()).max(), 1e-300)
    # float32 stages differ in rounding; what they lead to differs less the further it has converged.
    close = {"exact": 1e-10, "empty rows": 1e-8, "tiny": 1e-6, "regularised": 1e-5}.get(name, 2e-4)
    np.testing.assert_allclose(found[f"{name}.M"], alone.to_dense(), atol=close * size, rtol=0)


@pytest.mark.parametrize("name", cases())
def test_blocks_of_the_ranks_cover_the_matrix(found, name):
    shape = cases()[name][0][1]
    blocks = found[f"{name}.blocks"]  # rank, (rows, cols, U's shape, V's shape), 2
    for side in 0, 1:
        bounds = blocks[:, side]
        assert bounds[0, 0] == 0
        assert bounds[-1, 1] == shape[side]
        assert (bounds[1:, 0] == bounds[:-1, 1]).all()
        assert (blocks[:, 2 + side, 0] == bounds[:, 1] - bounds[:, 0]).all()


def test_entries_may_all_come_from_one_rank(found):
    np.testing.assert_allclose(found["from_one"], found["plain.M"], atol=1e-10)


@pytest.mark.parametrize("n_ranks", [2, 4])
def test_a_wrong_argument_on_one_rank_is_an_error_on_all(tmp_path, n_ranks):
    done = launch("bad_argument", tmp_path, n_ranks)
    errors = [(tmp_path / f"error{rank}.txt").read_text() for rank in range(n_ranks)]
    assert errors[1].startswith("ValueError: values must be finite"), done.stderr
    for rank in {*range(n_ranks)} - {1}:
        assert errors[rank].startswith(
            f"RankError: rank 1 of {n_ranks} failed: ValueError: values must be finite"
        )


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="processes are not to be looked up here")
def test_a_rank_that_dies_is_an_error_on_the_others(tmp_path):
    help_text = subprocess.run([LAUNCHER, "-help"], capture_output=True, text=True).stdout
    if "disable-auto-cleanup" not in help_text:
        pytest.skip("this launcher always ends all ranks when one dies")
    launch("dies", tmp_path, 4, "-disable-auto-cleanup")
    errors = [path.read_text() for path in sorted(tmp_path.glob("error*.txt"))]
    assert len(errors) == 3
    for text in errors:
        assert text.startswith("RankError: rank 0 of 4")


@pytest.mark.parametrize(("case", "then"), [("exact", 2), ("exact", 4), ("regularised", 3), ("validated", 1)])
def test_a_checkpoint_is_usable_after_a_death(tmp_path, case, then):
    """Two ranks begin, one is killed; 1, 2, 3 or 4 ranks end with what one process finds."""
    launch("leaves_a_checkpoint", tmp_path, 2, CASE=case)
    assert not (tmp_path / "end.npz").exists()
    done = launch("leaves_a_checkpoint", tmp_path, then, CASE=case)
    assert done.returncode == 0, done.stderr
    observed, rank, options = cases()[case]
    alone = pysolve.matrix_completion(observed, rank, method="als", rng=0, **options)
    with np.load(tmp_path / "end.npz") as end:
        assert end["first"] == 4  # the iteration that was lost, and no other
        assert end["iterations"] == alone.iterations
        M = alone.to_dense()
        np.testing.assert_allclose(end["M"], M, atol=2e-4 * np.abs(M).max())


def test_a_checkpoint_of_another_run_is_refused(tmp_path):
    launch("other_seed", tmp_path, 2)
    errors = [(tmp_path / f"error{rank}.txt").read_text() for rank in (0, 1)]
    assert errors[0].startswith("ValueError: checkpoint: ")
    assert "rng was 0 and is 1" in errors[0]
    assert errors[1].startswith("RankError: rank 0 of 2 failed: ValueError: checkpoint: ")


@pytest.mark.parametrize(("name", "status"), [("stops", "STOPPED"), ("interrupted", "INTERRUPTED")])
def test_all_ranks_stop_together(tmp_path, name, status):
    done = launch(name, tmp_path, 2)
    assert done.returncode == 0, done.stderr
    assert [(tmp_path / f"end{rank}.txt").read_text() for rank in (0, 1)] == [f"{status} 4"] * 2


def test_without_mpi4py_the_error_names_the_extra(monkeypatch):
    monkeypatch.setitem(sys.modules, "mpi4py", None)
    with pytest.raises(ImportError, match=r"pip install pysolve\[mpi\]"):
        distributed.matrix_completion(np.eye(3), 1)
