"""What a solve takes: memory, threads, the GIL; and that it can be had in threads and in forked children."""

import os
import subprocess
import sys
import threading
import tracemalloc
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from threadpoolctl import threadpool_limits

import pysolve
from pysolve._backend import kernels

core = kernels(np.empty(0))
SHAPE = (300, 501)  # above the size from which kernels share their work
KINDS = ["stencil", "csr", "PackedMatrix"]
kinds = pytest.mark.parametrize("kind", KINDS)


def operator(kind, shape=SHAPE):
    A = pysolve.gallery.poisson(shape, format="stencil" if kind == "stencil" else "csr")
    return pysolve.PackedMatrix(A) if kind == "PackedMatrix" else A


def right_hand_side(A, seed=0):
    return np.random.default_rng(seed).standard_normal(A.shape[0])


# ---- memory ------------------------------------------------------------------------------------------------


def peak_of(solve):
    """Most bytes that Python and NumPy held during the call beyond those before it, its result included."""
    solve()  # what is made once, on first use
    tracemalloc.start()
    try:
        before = tracemalloc.get_traced_memory()[0]
        result = solve()
        return tracemalloc.get_traced_memory()[1] - before, result
    finally:
        tracemalloc.stop()


@kinds
@pytest.mark.parametrize("preconditioned", [False, True])
@pytest.mark.parametrize("end", ["CONVERGED", "MAXITER"])
def test_solve_takes_four_vectors(kind, preconditioned, end):
    A = operator(kind)
    b, M = right_hand_side(A), pysolve.Jacobi(A) if preconditioned else None
    peak, result = peak_of(lambda: pysolve.cg(A, b, M=M, rtol=0.05, maxiter=60 if end == "MAXITER" else None))
    assert (result.status.name, result.iterations >= 60) == (end, True)
    copy = pysolve.PackedMatrix(A).nbytes if kind == "csr" else 0  # made after 50 steps
    assert copy < peak <= 4 * b.nbytes + 1.2 * copy + 64_000


@kinds
def test_nothing_is_allocated_per_iteration(kind):
    A = operator(kind, (60, 70))
    b = right_hand_side(A)
    few, many = (
        peak_of(lambda k=k: pysolve.cg(A, b, rtol=0.0, maxiter=k)) for k in (60, 1000)
    )  # packed in both
    n_more = many[1].iterations - few[1].iterations
    assert n_more > 150
    # The norms: a float and its place in a list, which doubles, and in an array, for each.
    assert many[0] - few[0] <= 80 * n_more + 10_000 < 2 * b.nbytes


def test_packing_a_large_matrix_costs_its_copy_and_no_more_vectors():
    A = operator("csr", (480, 500))
    b = right_hand_side(A)
    packed = pysolve.PackedMatrix(A)
    few, _ = peak_of(lambda: pysolve.cg(A, b, rtol=0.0, maxiter=10))
    many, result = peak_of(lambda: pysolve.cg(A, b, rtol=0.0, maxiter=60))
    assert (A.nnz > 1 << 20, result.iterations) == (True, 60)
    assert few <= 4 * b.nbytes + 64_000
    assert packed.nbytes < many <= 4 * b.nbytes + 1.2 * packed.nbytes + 64_000


@kinds
@pytest.mark.parametrize("n_keep", [1, 3])
def test_directions_take_two_vectors_each(kind, n_keep):
    """x, r, one for M's argument, one for its answer, and P and Q for those kept and the one on trial."""
    A = operator(kind)
    M = type("Map", (), {"shape": A.shape, "dtype": A.dtype, "matvec": lambda self, r: r / 4})()
    b = right_hand_side(A)
    peak, _ = peak_of(lambda: pysolve.conjugate_directions(A, b, M=M, n_keep=n_keep, rtol=0.05))
    structure = (
        A.indices.nbytes + A.indptr.nbytes if kind == "csr" else 0
    )  # copied, since M could write to it
    assert peak <= (4 + 2 * (n_keep + 1)) * b.nbytes + structure + 64_000


# ---- Python threads ----------------------------------------------------------------------------------------


@kinds
def test_threads_at_once_give_the_bits_of_one(kind):
    A = operator(kind)
    M, rights = pysolve.Jacobi(A), [right_hand_side(A, seed) for seed in range(4)]

    def work(b):
        return pysolve.cg(A, b, M=M, rtol=0.0, maxiter=25)

    alone = [work(b) for b in rights]
    with ThreadPoolExecutor(4) as pool:
        together = list(pool.map(work, rights))
    for one, two in zip(alone, together, strict=True):
        np.testing.assert_array_equal(one.x, two.x)
        np.testing.assert_array_equal(one.residual_norms, two.residual_norms)


@kinds
def test_python_runs_on_while_a_kernel_does(kind):
    """Another thread sees norms that are half written, which it cannot where the kernel holds the GIL."""
    A, n_steps = operator(kind), 1000
    args = (A.indptr, A.indices, A.data) if kind == "csr" else A._kernel_args
    b, state, norms = right_hand_side(A), core.RunState(), np.zeros(n_steps)
    state.n_steps = n_steps
    run = getattr(core, f"conjugate_directions_run_{'sell' if kind == 'PackedMatrix' else kind}")
    vectors = [np.zeros_like(b), b, np.zeros_like(b), np.zeros_like(b)]
    solver = threading.Thread(target=run, args=(*args, None, *vectors, norms, state))
    counts = set()
    solver.start()
    while solver.is_alive():
        counts.add(np.count_nonzero(norms))
    solver.join()
    assert state.n_steps == np.count_nonzero(norms) == n_steps
    assert len(counts - {0, n_steps}) >= 3


# ---- OpenMP threads, and processes -------------------------------------------------------------------------


def run_script(script, folder, **environment):
    """Output of a script in a process of its own; in `folder`, since the sources have no compiled modules."""
    found = subprocess.run(
        [sys.executable, "-c", script],
        cwd=folder,
        env=os.environ | environment,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert found.returncode == 0, found.stderr
    return found.stdout.split()


SOLVE = f"""
import hashlib, os, numpy as np, pysolve
A = pysolve.gallery.poisson({SHAPE})
forms = [A, A.tocsr(), pysolve.PackedMatrix(A.tocsr())]
b = np.random.default_rng(0).standard_normal(A.shape[0])
def bits():
    results = [pysolve.cg(form, b, M=M, rtol=0.0, maxiter=12) for form in forms for M in (None, pysolve.Jacobi(A))]
    results.append(pysolve.conjugate_directions(A.tocsr(), b, M=pysolve.Jacobi(A), n_keep=3, maxiter=12, rtol=0.0))
    return hashlib.sha256(b"".join(r.x.tobytes() + r.residual_norms.tobytes() for r in results)).hexdigest()
"""
REPORT = (
    SOLVE
    + """
print(bits(), pysolve.show_config()["openmp_threads"], len(os.listdir("/proc/self/task")))
"""
)
FORK = (
    SOLVE
    + """
import signal, time
before = bits()
child = os.fork()
if child == 0:
    os._exit(0 if bits() == before else 1)
for _ in range(600):
    done, status = os.waitpid(child, os.WNOHANG)
    if done:
        break
    time.sleep(0.1)
else:
    os.kill(child, signal.SIGKILL)
    raise SystemExit("the child hangs")
print(os.waitstatus_to_exitcode(status), bits() == before)
"""
)


@pytest.mark.skipif(not Path("/proc/self/task").is_dir(), reason="no list of a process's threads here")
def test_number_of_threads_is_that_of_the_environment_and_the_bits_are_the_same(tmp_path):
    other = {"OPENBLAS_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}
    one, two = (run_script(REPORT, tmp_path, OMP_NUM_THREADS=str(k), **other) for k in (1, 2))
    assert one[1:] == ["1", "1"]
    assert two[1:] == ["2", "2"]
    assert one[0] == two[0]


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork on this system")
def test_forked_child_can_solve(tmp_path):
    assert run_script(FORK, tmp_path, OMP_NUM_THREADS="2") == ["0", "True"]


@kinds
def test_limits_of_threadpoolctl_are_kept_and_the_bits_are_the_same(kind):
    A, found = operator(kind), []
    b = right_hand_side(A)
    for n_threads in (1, 2):
        with threadpool_limits(n_threads, user_api="openmp"):
            assert pysolve.show_config()["openmp_threads"] == n_threads
            found.append(pysolve.cg(A, b, M=pysolve.Jacobi(A), rtol=0.0, maxiter=30))
    one, two = found
    np.testing.assert_array_equal(one.x, two.x)
    np.testing.assert_array_equal(one.residual_norms, two.residual_norms)
