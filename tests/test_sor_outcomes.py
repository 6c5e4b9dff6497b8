"""Ends of sor and ssor_cg that are out of the ordinary, and teams and signals that are."""

import os
import signal
import subprocess
import sys
import threading
import time

import numpy as np
import pytest
import scipy.sparse as sp
from contract_cases import RELAXATIONS, dense, vector
from test_contract_outcomes import check_truth
from threadpoolctl import threadpool_limits

import pysolve

S = pysolve.Status
solvers = pytest.mark.parametrize("solve", RELAXATIONS)
SMALLER_TEAM = """
import numpy as np, pysolve
A = pysolve.gallery.poisson((1000, 1200))
b = np.random.default_rng(0).standard_normal(A.shape[0])
z = pysolve.SSOR(A, 1.5) @ b
print(pysolve.sor(A, b, maxiter=7).residual_norms[-1], pysolve.ssor_cg(A, b, omega=1.9, maxiter=13).residual_norms[-1])
print(pysolve.sor(A, b, maxiter=7, order="multicolor").residual_norms[-1], float(np.abs(z).sum()))
"""


def test_team_smaller_than_was_asked_for_changes_nothing():
    said = []
    for limit in ({}, {"OMP_THREAD_LIMIT": "1"}, {"OMP_THREAD_LIMIT": "2"}):
        environment = os.environ | {"OMP_NUM_THREADS": "4", "OMP_WAIT_POLICY": "passive"} | limit
        call = [sys.executable, "-P", "-c", SMALLER_TEAM]
        said.append(subprocess.run(call, env=environment, capture_output=True, text=True, check=True).stdout)
    assert len(said[0].split()) == 4
    assert said[0] == said[1] == said[2]


@pytest.mark.parametrize("shape", [(24, 4, 8192), (24, 12, 4096), (20, 40, 300)])
@pytest.mark.parametrize("call", ["sor", "ssor_cg"])
def test_bits_of_flat_boxes_do_not_depend_on_the_threads(shape, call):
    A = pysolve.gallery.poisson(shape)
    b, found = np.random.default_rng(0).standard_normal(A.shape[0]), []
    for threads in (1, 2, 3):
        with threadpool_limits(threads):
            found.append(getattr(pysolve, call)(A, b, maxiter=5, omega=1.7))
    for other in found[1:]:
        np.testing.assert_array_equal(other.x, found[0].x)
        np.testing.assert_array_equal(other.residual_norms, found[0].residual_norms)


@pytest.mark.skipif(
    threading.current_thread() is not threading.main_thread(), reason="signals come to the main thread"
)
@pytest.mark.parametrize("form", ["csr", "stencil"])
@pytest.mark.parametrize("call", ["sor", "ssor_cg"])
def test_whole_solve_can_be_interrupted(form, call):
    A = pysolve.gallery.poisson((300, 300), format=form)
    b = np.random.default_rng(0).standard_normal(90000)  # zero is out of reach: the sweeps go on
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    timer = threading.Timer(0.3, os.kill, (os.getpid(), signal.SIGINT))
    timer.start()
    start = time.perf_counter()
    try:
        with pytest.raises(KeyboardInterrupt):
            getattr(pysolve, call)(A, b, rtol=0.0, maxiter=1_000_000, omega=0.05)
        assert time.perf_counter() - start < 20  # seconds; all sweeps would take many times that
    finally:
        timer.cancel()
        signal.signal(signal.SIGINT, before)


@pytest.mark.parametrize("form", ["csr", "stencil"])
def test_sweeps_that_have_reached_rounding_end_whatever_the_shape_of_b(form):
    A = pysolve.gallery.poisson((20, 20), format=form)
    b = np.random.default_rng(0).standard_normal(400)
    ends = [
        pysolve.sor(A, b, rtol=1e-17, omega=1.7),
        pysolve.sor(A, b[:, None], rtol=1e-17, omega=1.7),
        pysolve.sor(A, b, rtol=1e-17, omega=1.7, callback=lambda xk: None),
    ]
    assert {end.status for end in ends} == {S.STAGNATED}
    assert all(end.iterations < 600 for end in ends)


@solvers
def test_limit_of_iterations_may_be_any_integer(solve):
    assert solve(sp.csr_array(dense()), vector(), maxiter=10**20).converged


@pytest.mark.parametrize("omega", [1e-6, 0.01, 0.1, 1.999, 1.9999])
@pytest.mark.parametrize("form", ["csr", "stencil"])
def test_float32_takes_the_iterations_of_cg_with_ssor_at_any_omega(form, omega):
    A = pysolve.gallery.poisson((40, 40), format=form, dtype="f4")
    b = np.random.default_rng(0).standard_normal(1600).astype("f4")
    fused = pysolve.ssor_cg(A, b, rtol=1e-4, omega=omega)
    plain = pysolve.cg(A, b, rtol=1e-4, M=pysolve.SSOR(A, omega))
    assert fused.converged
    assert fused.iterations <= 1.1 * plain.iterations + 2


@solvers
def test_failure_is_told_by_a_status(solve):
    indefinite = np.array([[1.0, 3.0, 0.0], [3.0, 1.0, 0.0], [0.0, 0.0, 1.0]])
    singular = np.array([[1.0, -1.0, 0.0], [-1.0, 1.0, 0.0], [0.0, 0.0, 1.0]])
    for A, b in ((indefinite, [1.0, 2.0, 3.0]), (singular, [1.0, 1.0, 1.0])):
        result = solve(sp.csr_array(A), np.array(b), rtol=1e-10)
        check_truth(A, np.array(b), result, 1e-10 * np.linalg.norm(b), "f8")
        assert result.info != 0
        assert result.status in (S.DIVERGED, S.INDEFINITE, S.SINGULAR, S.MAXITER, S.STAGNATED), result.message


def test_divergence_is_noticed_and_said():
    A = sp.csr_array(np.array([[1.0, 3.0], [3.0, 1.0]]))
    result = pysolve.sor(A, np.array([1.0, 2.0]))
    assert result.status is S.DIVERGED
    assert result.info < 0
    assert "diverges" in result.message
    assert result.iterations <= 50
    assert np.isfinite(result.x).all()


def test_singular_matrix_is_called_singular():
    A = pysolve.gallery.poisson((30, 30), boundary="neumann", format="csr")
    b = np.random.default_rng(0).standard_normal(900)
    result = pysolve.ssor_cg(A, b, rtol=1e-8)
    assert result.status is S.SINGULAR, result.message
    assert np.isfinite(result.x).all()
    assert pysolve.ssor_cg(A, b - b.mean(), rtol=1e-8).converged


def test_indefinite_matrix_is_called_indefinite():
    A = pysolve.gallery.poisson((10, 10), format="csr") - 0.5 * sp.eye_array(100, format="csr")
    result = pysolve.ssor_cg(A, np.random.default_rng(0).standard_normal(100), rtol=1e-10)
    assert result.status is S.INDEFINITE, result.message
