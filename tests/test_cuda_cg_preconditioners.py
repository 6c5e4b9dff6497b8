"""cg and conjugate_directions on the device with preconditioners: compiled, without a wait, or of others."""

import numpy as np
import pytest
import scipy.sparse as sp
from cuda_cg_cases import (
    GRID,
    SOLVERS,
    Duck,
    N,
    back,
    poisson,
    right_side,
    true_norm,
)

import pysolve
from pysolve import Status, gallery
from pysolve._conjugate_directions_device import LOOK_EVERY, NORMS, steps_ahead
from pysolve._stopping import CHECK_EVERY

pytestmark = pytest.mark.usefixtures("only_numbers_leave_the_device")


@pytest.mark.parametrize("kind", ["csr", "packed", "stencil"])
@pytest.mark.parametrize("solve", SOLVERS)
def test_jacobi_and_diagonal_matrices_run_compiled(device, moved, solve, kind):
    A, there = poisson(kind, "f8", moved)
    b = right_side()
    diagonal = moved(sp.csr_matrix(sp.diags_array(1 / A.diagonal())))
    for M in (pysolve.Jacobi(there), diagonal):
        result = solve(there, moved(b), M=M, rtol=1e-8)
        assert result.info == 0
        assert true_norm(A, back(device, result.x), b) <= 1.001e-8 * np.linalg.norm(b)


@pytest.mark.parametrize("dtype", ["f4", "f8"])
@pytest.mark.parametrize("scene", ["poisson", "obstacles", "neumann"])
def test_multilevel_takes_the_steps_of_the_cpu(device, moved, scene, dtype):
    if scene == "obstacles":
        A = gallery.obstacle_box((8, 7, 9), dtype=dtype)
    else:
        A = gallery.poisson((16, 17), boundary="neumann" if scene == "neumann" else "dirichlet", dtype=dtype)
    b = A @ np.random.default_rng(0).standard_normal(A.shape[0]).astype(dtype)
    there = moved(A)
    rtol = 1e-4 if dtype == "f4" else 1e-8
    M = pysolve.Multilevel(there)
    getattr(device, "transfers", []).clear()  # of the set-up
    result = pysolve.cg(there, moved(b), M=M, rtol=rtol)
    on_cpu = pysolve.cg(A, b, M=pysolve.Multilevel(A), rtol=rtol)
    assert result.info == 0
    assert abs(result.iterations - on_cpu.iterations) <= 1
    x = back(device, result.x)
    assert np.linalg.norm(b - A @ x) <= 1.01 * rtol * np.linalg.norm(b)
    again = pysolve.cg(there, moved(b), M=M, rtol=rtol, maxiter=2)
    assert (again.iterations, again.status) == (2, Status.MAXITER)
    np.testing.assert_allclose(again.residual_norms, on_cpu.residual_norms[:3], rtol=1e-2)


def test_multilevel_of_another_geometry_is_used_for_what_it_is_worth(device, moved):
    A = gallery.log_normal((16, 16), contrast=1e2)
    b = np.ones(256)
    M = pysolve.Multilevel(moved(gallery.poisson((16, 16))))
    getattr(device, "transfers", []).clear()
    result = pysolve.cg(moved(A), moved(b), M=M, rtol=1e-8)
    assert result.info == 0
    assert np.linalg.norm(b - A @ back(device, result.x)) <= 1.001e-8 * 16


@pytest.mark.parametrize("solve", SOLVERS)
def test_preconditioners_of_others(device, moved, solve):
    A, there = poisson("csr", "f8", moved)
    b = right_side()
    M = Duck(moved(sp.csr_matrix(sp.linalg.inv(sp.csc_array(A + sp.eye_array(N))))))
    result = solve(there, moved(b), M=M, rtol=1e-8)
    assert (result.info, result.iterations < 40) == (0, True)
    assert true_norm(A, back(device, result.x), b) <= 1.001e-8 * np.linalg.norm(b)


def test_learned_directions_that_are_of_no_use_cost_nothing_but_time(device, moved):
    A = gallery.poisson(GRID)
    rng = np.random.default_rng(0)

    class Noise:
        shape, dtype = A.shape, A.dtype

        def matvec(self, r):
            return device.asarray(rng.standard_normal(N)) + 0 * r

    result = pysolve.conjugate_directions(moved(A), moved(right_side()), M=Noise(), rtol=1e-6)
    assert result.info == 0
    assert np.linalg.norm(right_side() - A @ back(device, result.x)) <= 1.001e-6 * np.linalg.norm(
        right_side()
    )


@pytest.mark.parametrize(
    ("norms", "tolerance", "ahead"),
    [
        ([1.0], 1e-6, 1),  # nothing is known of the pace
        ([1.0, 0.1], 1e-6, 5),
        ([1.0, 0.5, 0.25], 1e-6, LOOK_EVERY),
        ([1.0, 0.1], 0.09, 1),
        ([1.0, 2.0], 1e-6, LOOK_EVERY),
        ([1.0, np.nan], 1e-6, LOOK_EVERY),
        ([1.0, 0.1], 0.0, LOOK_EVERY),
    ],
)
def test_the_next_look_is_where_the_pace_says_the_end_is(norms, tolerance, ahead):
    assert steps_ahead(norms, tolerance) == ahead


def test_steps_with_a_cycle_are_looked_at_less_often_than_taken(device, moved):
    if not hasattr(device, "transfers"):
        pytest.skip("the stand-in counts what is copied")
    A = gallery.log_normal((16, 17), contrast=1e3)
    there, b = moved(A), moved(np.random.default_rng(0).standard_normal(A.shape[0]))
    M = pysolve.Multilevel(there)
    device.transfers.clear()
    result = pysolve.cg(there, b, M=M, rtol=1e-10)
    looks = device.transfers.count(8 * (NORMS + CHECK_EVERY))
    assert result.info == 0
    assert looks <= result.iterations - 2, (looks, result.iterations)
