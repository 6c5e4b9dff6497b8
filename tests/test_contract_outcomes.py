"""`info` is 0 if and only if the recomputed residual meets the tolerance, and no outcome raises or gives NaN."""

import numpy as np
import pytest
import scipy.sparse as sp
import scipy.sparse.linalg as sla
from contract_cases import (
    DTYPES,
    KINDS,
    RELAXATIONS,
    SOLVERS,
    Duck,
    dense,
    each_with,
    noise,
    true_norms,
    vector,
    wide,
)
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import pysolve

solvers = pytest.mark.parametrize("solve", SOLVERS)
all_solvers = pytest.mark.parametrize("solve", [*SOLVERS, *RELAXATIONS])
S = pysolve.Status
quick = settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))


def spd(n, condition, dtype, rng):
    """A random positive definite matrix with this condition number, Hermitian to the last bit."""
    V = rng.standard_normal((n, n)) + (1j * rng.standard_normal((n, n)) if np.dtype(dtype).kind == "c" else 0)
    Q = np.linalg.qr(V)[0]
    A = (Q * np.logspace(0, -np.log10(condition), n)) @ Q.conj().T
    A = A.astype(dtype)
    return (A + A.conj().T) / 2


def check_truth(A, b, result, tolerance, dtype):
    """The promise, up to what rounding in one residual can hide: double precision for matrices of float32."""
    assert np.isfinite(result.x).all()
    assert np.isfinite(result.residual_norms).all()
    assert len(result.residual_norms) == result.iterations + 1
    assert result.message.startswith(str(result.status))
    assert (result.info == 0) == (result.status is S.CONVERGED) == result.converged
    norm = true_norms(A, b, result.x)
    slack = 2 * noise(A, result.x, dtype) + float(np.finfo(b.dtype).eps * norm)
    slack += float(np.finfo(dtype).eps * np.linalg.norm(b))
    assert abs(float(norm) - result.residual_norms[-1]) <= slack
    if result.info == 0:
        assert norm <= tolerance + slack
    else:
        assert norm >= tolerance - slack


@each_with(["csr_array", "ndarray", "LinearOperator"])
@given(
    n=st.integers(1, 40),
    condition=st.sampled_from([1.0, 1e2, 1e5, 1e8, 1e12, 1e16]),
    dtype=st.sampled_from(DTYPES),
    rtol=st.sampled_from([0.0, 1e-2, 1e-5, 1e-10, 1e-15]),
    atol=st.sampled_from([0.0, 1e-3]),
    omega=st.sampled_from([0.1, 1.0, 1.5, 1.99]),
    seed=st.integers(0, 2**16),
)
@quick
def test_info_is_zero_iff_true_residual_meets_tolerance(
    solve, kind, n, condition, dtype, rtol, atol, omega, seed
):
    rng = np.random.default_rng(seed)
    A, b = spd(n, condition, dtype, rng), vector(dtype, n, seed)
    if solve in RELAXATIONS and (A.diagonal().real <= 0).any():
        return  # rounding has taken the smallest eigenvalues below zero
    parameter = {"omega": omega} if solve in RELAXATIONS else {}
    result = solve(KINDS[kind](A), b, rtol=rtol, atol=atol, maxiter=10 * n + 50, **parameter)
    # The residual of a sparse float32 matrix is summed in double: only its last rounding is left.
    exact = (kind == "csr_array" or solve in RELAXATIONS) and dtype in ("f4", "c8")
    check_truth(A, b, result, max(rtol * np.linalg.norm(wide(b)), atol), "f8" if exact else dtype)


@solvers
@pytest.mark.parametrize("kind", ["csr_array", "PackedMatrix"])
def test_float32_says_the_truth_where_scipy_does_not(solve, kind):
    rng = np.random.default_rng(0)
    A, b = spd(100, 1e6, "f4", rng), vector("f4", 100)
    x, info = sla.cg(A, b, rtol=1e-5, maxiter=20_000)
    assert info == 0
    assert true_norms(A, b, x) > 1e-3 * np.linalg.norm(b)
    result = solve(KINDS[kind](A), b, rtol=1e-5, maxiter=2000)
    true = float(true_norms(A, b, result.x))
    assert (result.info == 0) == (true <= 1e-5 * np.linalg.norm(b))
    assert result.residual_norms[-1] == pytest.approx(true, rel=1e-4)


def reflected(diagonal):
    """A symmetric matrix with these eigenvalues and no zero entries."""
    u = np.ones(len(diagonal)) / len(diagonal) ** 0.5
    Q = np.eye(len(diagonal)) - 2 * np.outer(u, u)
    A = Q @ np.diag(diagonal) @ Q
    return (A + A.T) / 2


HARD = {
    "zero": (np.zeros((6, 6)), {S.SINGULAR}),
    "negative": (-reflected(np.arange(1.0, 7)), {S.INDEFINITE}),
    "indefinite": (reflected(np.array([-3.0, -1, 1, 2, 3, 4])), {S.INDEFINITE}),
    "singular": (
        reflected(np.array([0.0, 1, 2, 3, 4, 5])),
        {S.SINGULAR, S.STAGNATED, S.MAXITER, S.INDEFINITE},
    ),
    "hidden": (np.diag([1.0, 1, 1, 1, 1, 0]), {S.SINGULAR, S.STAGNATED, S.MAXITER}),
    "saddle": (np.fliplr(np.eye(6)), {S.SINGULAR, S.INDEFINITE}),
}


@solvers
@pytest.mark.parametrize("kind", ["csr_array", "ndarray", "LinearOperator", "PackedMatrix"])
@pytest.mark.parametrize("name", HARD)
def test_failure_is_told_by_a_status(solve, kind, name):
    A, statuses = HARD[name]
    b = np.array([1.0, -1, 2, -2, 3, 1])
    for M in (None, sla.aslinearoperator(np.eye(6))):
        result = solve(KINDS[kind](A), b, M=M, rtol=1e-10)
        check_truth(A, b, result, 1e-10 * np.linalg.norm(b), "f8")
        assert result.info != 0
        assert result.status in statuses, result.message
        with pytest.raises(pysolve.ConvergenceError, match=r"residual .*tolerance .*iterations"):
            result.raise_if_failed()


@each_with(["csr_array", "ndarray"])
def test_consistent_singular_system_is_solved(solve, kind):
    A = reflected(np.array([0.0, 1, 2, 3, 4, 5]))
    b = A @ np.array([1.0, -1, 2, -2, 3, 1])
    result = solve(KINDS[kind](A), b, rtol=1e-8)
    assert result.converged, result.message


@all_solvers
def test_singular_stencil_gives_the_least_squares_solution_and_says_so(solve):
    A = pysolve.StencilOperator((6, 5), (1.0, 1.0), boundary="neumann")
    b = vector() + 1
    result = solve(A, b, rtol=1e-10, maxiter=3000)
    assert (result.status, result.info < 0) == (S.SINGULAR, True)
    assert "least-squares" in result.message
    np.testing.assert_allclose(A @ result.x, b - b.mean(), atol=1e-7)
    assert result.residual_norms[-1] == pytest.approx(float(true_norms(A.tocsr(), b, result.x)), rel=1e-6)
    assert solve(A, b - b.mean(), rtol=1e-10, maxiter=3000).converged


@pytest.mark.parametrize("solve", [*SOLVERS, pysolve.ssor_cg])  # sweeps do not stagnate there: they creep on
def test_unreachable_tolerance_ends_and_says_so(solve):
    rng = np.random.default_rng(1)
    A, b = spd(60, 1e10, "f8", rng), vector(n=60)
    result = solve(sp.csr_array(A), b, rtol=1e-15, maxiter=100_000)
    assert result.status in (S.STAGNATED, S.MAXITER), result.message
    assert result.info != 0
    assert result.iterations < 100_000


class Wild:
    """A map that answers with values of no use from the k-th call on."""

    shape, dtype = (30, 30), np.dtype("f8")

    def __init__(self, value, k=0):
        self.value, self.k, self.n_calls = value, k, 0

    def matvec(self, r):
        self.n_calls += 1
        return r / 4 if self.n_calls <= self.k else np.full(30, self.value)


@solvers
@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf, 0.0, 1e300, 1e-300])
@pytest.mark.parametrize("k", [0, 3])
def test_bad_preconditioner_never_gives_nan(solve, value, k):
    A, b = dense(), vector()
    result = solve(sp.csr_array(A), b, M=Wild(value, k), rtol=1e-12)
    check_truth(A, b, result, 1e-12 * np.linalg.norm(b), "f8")
    if solve is pysolve.conjugate_directions:
        assert result.converged
        assert result.n_fallbacks > 0
    elif not np.isfinite(value):
        assert result.status is S.BREAKDOWN
        assert "M returns values that are not finite" in result.message


@solvers
@pytest.mark.parametrize("value", [np.nan, np.inf, 0.0])
@pytest.mark.parametrize("k", [0, 4])
def test_operator_that_fails_midway_never_gives_nan(solve, value, k):
    result = solve(Wild(value, k), vector(), rtol=1e-12)
    assert np.isfinite(result.x).all()
    assert (result.info == 0) == bool(result.residual_norms[-1] <= 1e-12 * np.linalg.norm(vector()))


@solvers
def test_non_symmetric_operator_is_told_or_solved(solve):
    A, b = dense() + 2 * np.triu(dense(), 1), vector()
    for operator in (sla.aslinearoperator(A), Duck(A)):
        result = solve(operator, b, rtol=1e-12)
        check_truth(A, b, result, 1e-12 * np.linalg.norm(b), "f8")
        assert result.converged or "A is not symmetric" in result.message
    told = solve(Duck(A), b, rtol=1e-12, maxiter=3)
    assert "A is not symmetric" in told.message


SCALES = [1e-320, 1e-308, 1e-300, 1e-200, 1e-30, 1e30, 1e200, 1e300]


@each_with(["csr_array", "ndarray", "LinearOperator", "PackedMatrix"])
@pytest.mark.parametrize("scale", SCALES)
def test_scale_of_b_does_not_matter(solve, kind, scale):
    A, b = dense(), vector() * scale
    result = solve(KINDS[kind](A), b, rtol=1e-8)
    assert np.isfinite(result.x).all()
    if scale > 1e-305:
        assert result.converged
    unit = 2.0 ** -np.floor(np.log2(np.abs(b).max()) / 2)
    norm = true_norms(A, wide(b) * unit * unit, wide(result.x) * unit * unit)
    meets = norm <= 1e-8 * np.linalg.norm(wide(b) * unit * unit)
    assert (result.info == 0) == bool(meets), result.message


@each_with(["csr_array", "ndarray", "LinearOperator", "StencilOperator"])
@pytest.mark.parametrize("scale", [1e-200, 1e-30, 1e30, 1e200])
def test_scale_of_A_does_not_matter(solve, kind, scale):
    b = vector()
    if kind == "StencilOperator":
        A = pysolve.StencilOperator((5, 6), (scale, scale), shift=scale)
    else:
        A = KINDS[kind](dense() * scale)
    result = solve(A, b, rtol=1e-8)
    assert result.converged, result.message
    np.testing.assert_allclose(result.x * scale, np.linalg.solve(dense(), b), rtol=1e-5)


@all_solvers
def test_solution_beyond_the_largest_number_is_told(solve):
    b = np.full(30, 1.5e308)
    result = solve(sp.csr_array(dense() / 8), b)
    assert np.isfinite(result.x).all()
    assert result.info != 0
    assert not np.isnan(result.residual_norms).any()
