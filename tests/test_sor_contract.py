"""What every solver promises, of the two that relax the entries of a matrix one after another."""

import inspect
import pickle
import threading
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import scipy.sparse as sp
import scipy.sparse.linalg as sla
from contract_cases import CASES, DTYPES, KINDS, N, dense, noise, true_norms, vector
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from test_contract_outcomes import check_truth, spd

import pysolve

S = pysolve.Status
CLOSED = {"LinearOperator", "matvec", "matmul", "PackedMatrix"}  # whose entries cannot be had
solvers = pytest.mark.parametrize("solve", [pysolve.sor, pysolve.ssor_cg])
kinds = pytest.mark.parametrize("kind", ["csr_array", "csc_matrix", "ndarray", "StencilOperator"])


@solvers
def test_signature_is_that_of_scipy_without_the_preconditioner(solve):
    own = list(inspect.signature(solve).parameters.values())
    scipys = [p for p in inspect.signature(sla.cg).parameters.values() if p.name not in ("tol", "M")]
    shown = [(p.name, p.kind, p.default) for p in own]
    assert shown[: len(scipys)] == [(p.name, p.kind, p.default) for p in scipys]
    assert all(p.kind is p.KEYWORD_ONLY and p.default is not p.empty for p in own[len(scipys) :])
    assert pickle.loads(pickle.dumps(solve)) is solve


@solvers
@pytest.mark.parametrize(("kind", "dtype"), [case for case in CASES if case[0] not in CLOSED])
def test_every_kind_of_matrix_gives_the_solution(solve, kind, dtype):
    A, b = dense(dtype), vector(dtype)
    rtol = 1e-4 if dtype in ("f4", "c8") else 1e-10
    result = solve(KINDS[kind](A), b, rtol=rtol)
    assert result.converged, result.message
    assert (result.x.shape, result.x.dtype) == (b.shape, np.dtype(dtype))
    assert true_norms(A, b, result.x) <= rtol * np.linalg.norm(b) + noise(A, result.x, dtype)
    np.testing.assert_allclose(
        result.x, np.linalg.solve(A, b), rtol=0, atol=20 * rtol * np.abs(result.x).max()
    )


@solvers
@pytest.mark.parametrize("kind", sorted(CLOSED))
def test_operator_without_entries_is_refused(solve, kind):
    with pytest.raises(TypeError, match=r"A must be a sparse array.* whose entries SOR can relax"):
        solve(KINDS[kind](dense()), vector())


@solvers
@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind not in CLOSED])
def test_nothing_given_is_written(solve, kind):
    A, b, x0 = dense(), vector(), vector(seed=1)
    kept = A.copy(), b.copy(), x0.copy()
    operator = KINDS[kind](A)
    parts = [getattr(operator, name, None) for name in ("data", "indices", "indptr", "row", "col", "offsets")]
    for array in (A, b, x0, *parts):
        if isinstance(array, np.ndarray) and array.dtype != object:
            array.setflags(write=False)
    result = solve(operator, b, x0, rtol=1e-10)
    assert result.converged
    assert not any(np.shares_memory(result.x, array) for array in (b, x0))
    for array, copy in zip((A, b, x0), kept, strict=True):
        np.testing.assert_array_equal(array, copy)


@solvers
@kinds
def test_result_records_every_iteration(solve, kind):
    A, b = KINDS[kind](dense()), vector()
    result = solve(A, b, rtol=1e-9)
    assert result.info == 0
    assert isinstance(result.iterations, int)
    assert len(result.residual_norms) == result.iterations + 1 > 5
    assert result.residual_norms[0] == pytest.approx(np.linalg.norm(b))
    assert abs(result.residual_norms[-1] - true_norms(dense(), b, result.x)) <= noise(dense(), result.x, "f8")
    before = result.residual_norms[:-1]
    assert (before > 1e-9 * np.linalg.norm(b)).all()


@solvers
@kinds
def test_zero_right_hand_side_and_exact_start_take_no_iteration(solve, kind):
    A, x0 = KINDS[kind](dense()), np.arange(N, dtype=float)
    zero = solve(A, np.zeros(N), x0)
    assert (zero.info, zero.iterations, zero.x.any()) == (0, 0, False)
    exact = solve(A, dense() @ x0, x0)
    assert (exact.info, exact.iterations, len(exact.residual_norms)) == (0, 0, 1)
    np.testing.assert_array_equal(exact.x, x0)


@solvers
@kinds
def test_converging_at_maxiter_is_converging(solve, kind):
    A, b = KINDS[kind](dense()), vector()
    needed = solve(A, b).iterations
    assert solve(A, b, maxiter=needed).info == 0
    short = solve(A, b, maxiter=needed - 1)
    assert (short.info, short.status, short.iterations) == (needed - 1, S.MAXITER, needed - 1)
    with pytest.raises(pysolve.ConvergenceError, match="limit of iterations"):
        short.raise_if_failed()


@solvers
@pytest.mark.parametrize("shape", [(N,), (N, 1), (N, 3)])
def test_solution_has_the_shape_of_b(solve, shape):
    b = np.random.default_rng(0).standard_normal(shape)
    result = solve(dense(), b, rtol=1e-8)
    assert (result.converged, result.x.shape) == (True, shape)
    np.testing.assert_allclose(dense() @ result.x, b, atol=1e-6)


@solvers
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", ["csr", "csc", "bsr"])
def test_index_types_and_array_or_matrix_give_the_same_bits(solve, dtype, name):
    A, b = getattr(sp, f"{name}_array")(dense(dtype)), vector(dtype)
    first = solve(A, b)
    long = A.copy()
    long.indices, long.indptr = A.indices.astype(np.int64), A.indptr.astype(np.int64)
    for other in (long, getattr(sp, f"{name}_matrix")(A)):
        result = solve(other, b)
        assert result.x.tobytes() == first.x.tobytes()
        np.testing.assert_array_equal(result.residual_norms, first.residual_norms)


@solvers
def test_b_of_another_type_gives_the_wider_type(solve):
    A = sp.csr_array(dense())
    for b, expected in ((vector("f4"), "f8"), (vector("c16"), "c16"), (np.arange(N), "f8")):
        assert solve(A, b).x.dtype == expected
    assert solve(A.astype("f4"), vector("f8")).x.dtype == "f8"
    assert solve(KINDS["StencilOperator"](dense()), vector("c16")).x.dtype == "c16"


@solvers
@kinds
def test_callback_sees_every_iterate_and_changes_none(solve, kind):
    A, b, seen = KINDS[kind](dense()), vector(), []

    def see(xk):
        assert not xk.flags.writeable
        seen.append(xk.copy())

    watched, plain = solve(A, b, rtol=1e-8, callback=see), solve(A, b, rtol=1e-8)
    assert len(seen) == watched.iterations == plain.iterations > 3
    np.testing.assert_allclose(watched.x, plain.x, rtol=1e-12, atol=1e-13)
    np.testing.assert_array_equal(seen[-1], watched.x)
    norms = [float(true_norms(dense(), b, x)) for x in seen]
    np.testing.assert_allclose(watched.residual_norms[1:], norms, rtol=1e-6)


@solvers
@kinds
def test_stop_iteration_stops(solve, kind):
    calls = []

    def stop(xk):
        calls.append(xk.copy())
        if len(calls) == 3:
            raise StopIteration

    result = solve(KINDS[kind](dense()), vector(), rtol=1e-9, callback=stop)
    assert (len(calls), result.iterations, result.status) == (3, 3, S.STOPPED)
    np.testing.assert_array_equal(result.x, calls[-1])


@solvers
@given(
    n=st.integers(1, 40),
    condition=st.sampled_from([1.0, 1e2, 1e5, 1e8, 1e12, 1e16]),
    dtype=st.sampled_from(DTYPES),
    rtol=st.sampled_from([0.0, 1e-2, 1e-5, 1e-10, 1e-15]),
    atol=st.sampled_from([0.0, 1e-3]),
    omega=st.sampled_from([0.1, 1.0, 1.5, 1.99]),
    seed=st.integers(0, 2**16),
)
@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
def test_info_is_zero_iff_true_residual_meets_tolerance(solve, n, condition, dtype, rtol, atol, omega, seed):
    rng = np.random.default_rng(seed)
    A, b = spd(n, condition, dtype, rng), vector(dtype, n, seed)
    if (A.diagonal().real <= 0).any():
        return  # rounding has taken the smallest eigenvalues below zero
    result = solve(sp.csr_array(A), b, rtol=rtol, atol=atol, maxiter=10 * n + 50, omega=omega)
    check_truth(A, b, result, max(rtol * np.linalg.norm(b.astype("c16")), atol), dtype)


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
    assert result.iterations < 40
    assert np.isfinite(result.x).all()


def test_matrix_that_is_not_symmetric_is_relaxed_but_not_for_ssor_cg():
    A = sp.csr_array(np.array([[4.0, 1.0, 0.0], [-1.0, 4.0, 2.0], [0.0, 0.0, 4.0]]))
    result = pysolve.sor(A, np.ones(3), rtol=1e-12)
    assert result.converged
    np.testing.assert_allclose(A @ result.x, np.ones(3), rtol=1e-11)
    for refused in (lambda: pysolve.ssor_cg(A, np.ones(3)), lambda: pysolve.SSOR(A)):
        with pytest.raises(ValueError, match="A must be symmetric"):
            refused()


@solvers
def test_singular_stencil_gives_the_least_squares_solution_and_says_so(solve):
    A = pysolve.StencilOperator((6, 5), (1.0, 1.0), boundary="neumann")
    b = vector() + 1
    result = solve(A, b, rtol=1e-10, maxiter=3000)
    assert result.status is S.SINGULAR, result.message
    np.testing.assert_allclose(A @ result.x, b - b.mean(), atol=1e-7)
    assert solve(A, b - b.mean(), rtol=1e-10, maxiter=3000).converged


@solvers
@pytest.mark.parametrize(
    ("dtype", "size_of_A", "size_of_b"),
    [
        ("f4", 1e-30, 1e-30),
        ("f4", 1.0, 1e37),
        ("f8", 1e-200, 1e-90),
        ("f8", 1e100, 1e-150),
        ("f8", 1.0, 1e300),
    ],
)
def test_size_of_the_system_does_not_matter(solve, dtype, size_of_A, size_of_b):
    A = pysolve.gallery.poisson((6, 6), format="csr").toarray()
    b = np.random.default_rng(0).standard_normal(36)
    result = solve(sp.csr_array((A * size_of_A).astype(dtype)), (b * size_of_b).astype(dtype), rtol=1e-4)
    x = np.linalg.solve(A, b) * (size_of_b / size_of_A)
    if np.abs(x).max() < np.finfo(dtype).max:
        assert result.converged, result.message
        np.testing.assert_allclose(result.x, x, rtol=0.01, atol=0.01 * np.abs(x).max())


@solvers
@kinds
def test_threads_at_once_give_the_answers_of_one(solve, kind):
    right = [vector(seed=seed) for seed in range(4)]
    alone = [solve(KINDS[kind](dense()), b, rtol=1e-10) for b in right]
    A, workspace, gate = KINDS[kind](dense()), pysolve.SorWorkspace(), threading.Barrier(4)

    def work(b):
        gate.wait()
        return [solve(A, b, rtol=1e-10, workspace=workspace) for _ in range(5)]

    with ThreadPoolExecutor(4) as pool:
        for results, single in zip(pool.map(work, right), alone, strict=True):
            for result in results:
                np.testing.assert_array_equal(result.x, single.x)
                np.testing.assert_array_equal(result.residual_norms, single.residual_norms)


@solvers
@pytest.mark.parametrize("n", [0, 1])
def test_smallest_systems(solve, n):
    A, b = sp.csr_array(2.0 * np.eye(n)), np.ones(n)
    for given_A in (A, A.toarray()):
        result = solve(given_A, b)
        assert (result.info, result.x.tolist()) == (0, [0.5] * n)
