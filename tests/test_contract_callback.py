"""Callbacks, several right-hand sides at once, and several threads at once."""

import threading
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import scipy.sparse as sp
from contract_cases import (
    KINDS,
    RELAXATIONS,
    SOLVERS,
    N,
    by_map,
    dense,
    each_with,
    each_with_map,
    true_norms,
    vector,
)

import pysolve

solvers = pytest.mark.parametrize("solve", SOLVERS)
FORMS = ["csr_array", "csc_matrix", "ndarray", "StencilOperator", "PackedMatrix"]


@each_with_map(FORMS)
def test_callback_sees_every_iterate_read_only(solve, kind, preconditioned):
    A, b, seen = dense(), vector(), []

    def see(xk):
        assert xk.shape == b.shape
        assert not xk.flags.writeable
        with pytest.raises(ValueError, match="read-only"):
            xk[0] = 0
        seen.append(xk.copy())

    M = {"M": pysolve.Jacobi(A)} if preconditioned else {}
    result = solve(KINDS[kind](A), b, **M, rtol=1e-8, callback=see)
    assert len(seen) == result.iterations > 3
    np.testing.assert_array_equal(seen[-1], result.x)
    norms = [float(true_norms(A, b, x)) for x in seen]
    np.testing.assert_allclose(result.residual_norms[1:], norms, rtol=1e-6)


@each_with(FORMS)
def test_callback_changes_no_iterate(solve, kind):
    A, b = KINDS[kind](dense()), vector()
    plain, watched = solve(A, b, rtol=1e-9), solve(A, b, rtol=1e-9, callback=lambda xk: None)
    # To rounding: without a callback, compiled runs move x by two steps at a time.
    np.testing.assert_allclose(watched.x, plain.x, rtol=1e-13, atol=1e-13 * np.abs(plain.x).max())
    assert watched.iterations == plain.iterations
    np.testing.assert_allclose(watched.residual_norms[:-1], plain.residual_norms[:-1], rtol=1e-12)


@each_with(FORMS)
def test_stop_iteration_stops(solve, kind):
    calls = []

    def stop(xk):
        calls.append(xk.copy())
        if len(calls) == 3:
            raise StopIteration

    result = solve(KINDS[kind](dense()), vector(), rtol=1e-9, callback=stop)
    assert (len(calls), result.iterations, len(result.residual_norms)) == (3, 3, 4)
    assert result.status is pysolve.Status.STOPPED
    assert result.info < 0
    np.testing.assert_array_equal(result.x, calls[-1])
    assert result.residual_norms[-1] == pytest.approx(float(true_norms(dense(), vector(), result.x)))


@pytest.mark.parametrize("solve", [*SOLVERS, *RELAXATIONS])
def test_stop_at_the_solution_is_converging(solve):
    A, b = sp.csr_array(dense()), vector()

    def stop(xk):
        if np.linalg.norm(b - A @ xk) <= 1e-5 * np.linalg.norm(b):
            raise StopIteration

    assert solve(A, b, callback=stop).info == 0


class Own(Exception):
    pass


@each_with(FORMS)
@pytest.mark.parametrize(
    "error", [Own("mine"), ZeroDivisionError("1/0"), KeyboardInterrupt(), GeneratorExit()]
)
def test_other_exceptions_of_a_callback_pass_unchanged(solve, kind, error):
    def fail(xk):
        raise error

    with pytest.raises(type(error)) as raised:
        solve(KINDS[kind](dense()), vector(), callback=fail)
    assert raised.value is error


class Failing:
    shape, dtype = (N, N), np.dtype("f8")

    def matvec(self, x):
        raise Own("mine")


@solvers
def test_exceptions_of_an_operator_pass_unchanged(solve):
    with pytest.raises(Own, match="mine"):
        solve(Failing(), vector())
    with pytest.raises(Own, match="mine"):
        solve(dense(), vector(), M=Failing())


def columns(dtype="f8"):
    """Columns that take a different number of steps: general, an eigenvector, zero, general and scaled."""
    eigenvector = np.linalg.eigh(dense(dtype))[1][:, 4]
    b = np.stack([vector(dtype), eigenvector, np.zeros(N), 1e6 * vector(dtype, seed=3)], axis=1)
    return b.astype(dtype)


@pytest.mark.parametrize("kind", [*FORMS, "LinearOperator"])
@pytest.mark.parametrize("order", ["C", "F"])
def test_each_column_equals_its_own_solve(kind, order):
    A, b = KINDS[kind](dense()), np.asarray(columns(), order=order)
    M = pysolve.Jacobi(dense())
    result = pysolve.cg(A, b, M=M, rtol=1e-9)
    assert result.converged
    assert result.x.shape == b.shape
    assert result.residual_norms.shape == (result.iterations + 1, 4)
    singles = [pysolve.cg(A, column.copy(), M=M, rtol=1e-9) for column in b.T]
    assert result.iterations == max(single.iterations for single in singles)
    assert len({single.iterations for single in singles}) > 2
    for j, single in enumerate(singles):
        np.testing.assert_allclose(result.x[:, j], single.x, rtol=1e-12, atol=1e-12)
        norms = result.residual_norms[:, j]
        np.testing.assert_allclose(
            norms[: single.iterations + 1], single.residual_norms, rtol=1e-6, atol=1e-12
        )
        np.testing.assert_array_equal(norms[single.iterations :], norms[single.iterations])
    np.testing.assert_array_equal(result.x[:, 2], 0)


@pytest.mark.parametrize("dtype", ["f4", "c8", "c16"])
def test_columns_of_every_type(dtype):
    A, b = sp.csr_array(dense(dtype)), columns(dtype)
    result = pysolve.cg(A, b, rtol=1e-4)
    assert (result.converged, result.x.dtype) == (True, dtype)
    assert (true_norms(A, b, result.x) <= 1.01e-4 * np.linalg.norm(b, axis=0) + 1e-12).all()


@pytest.mark.parametrize("kind", FORMS)
def test_callback_sees_all_columns(kind):
    b, seen = columns(), []
    result = pysolve.cg(KINDS[kind](dense()), b, callback=lambda xk: seen.append(xk.copy()))
    assert len(seen) == result.iterations
    assert {xk.shape for xk in seen} == {b.shape}
    np.testing.assert_array_equal(seen[-1], result.x)


def test_one_column_that_fails_fails_the_solve():
    A, b = np.diag([1.0, 2, 3, 0]), np.array([[1.0, 1], [1, 1], [1, 1], [0, 1]])
    result = pysolve.cg(sp.csr_array(A), b)
    assert result.info != 0
    assert result.status is not pysolve.Status.CONVERGED
    np.testing.assert_allclose(result.x[:, 0], [1, 1 / 2, 1 / 3, 0], rtol=1e-4)
    assert np.isfinite(result.x).all()


def test_start_for_columns():
    A, b = sp.csr_array(dense()), columns()
    x = np.linalg.solve(dense(), b)
    assert pysolve.cg(A, b, x, rtol=1e-8).iterations == 0
    np.testing.assert_array_equal(pysolve.cg(A, b, x[:, 0], maxiter=0).x[:, 1], x[:, 0])
    M = pysolve.Jacobi(A)
    np.testing.assert_array_equal(pysolve.cg(A, b, "Mb", M=M, maxiter=0).x, M @ b)


def test_no_columns_is_an_empty_solution():
    result = pysolve.cg(dense(), np.empty((N, 0)))
    assert (result.info, result.x.shape, result.iterations) == (0, (N, 0), 0)
    assert result.residual_norms.shape == (1, 0)
    assert "SolveResult" in repr(result)


def test_conjugate_directions_refuses_columns():
    with pytest.raises(ValueError, match=r"b must have shape \(30,\) or \(30, 1\).* its shape is \(30, 4\)"):
        pysolve.conjugate_directions(dense(), columns())


@each_with(FORMS)
def test_threads_at_once_give_the_answers_of_one(solve, kind):
    """All on one operator; new for each round, so that what is made on first use is raced for.

    A preconditioner and a workspace are shared too.
    """
    n_threads = 4
    right = [vector(seed=seed) for seed in range(n_threads)]
    alone = [solve(KINDS[kind](dense()), b, rtol=1e-10) for b in right]
    for _ in range(3):
        A, gate = KINDS[kind](dense()), threading.Barrier(n_threads)
        shared = by_map(solve, pysolve.Jacobi(dense())) or {"workspace": pysolve.SorWorkspace()}

        def work(b, A=A, gate=gate, shared=shared):
            gate.wait()
            return [solve(A, b, rtol=1e-10), *(solve(A, b, **shared, rtol=1e-10) for _ in range(5))]

        with ThreadPoolExecutor(n_threads) as pool:
            together = list(pool.map(work, right))
        for (plain, *sharing), single in zip(together, alone, strict=True):
            for result in [plain, *sharing] if solve in RELAXATIONS else [plain]:
                np.testing.assert_array_equal(result.x, single.x)
                np.testing.assert_array_equal(result.residual_norms, single.residual_norms)
            for result in sharing:
                np.testing.assert_allclose(result.x, single.x, rtol=1e-6, atol=1e-8)
