"""What every solver promises about its call and its result, over every solver and every kind of A."""

import inspect

import numpy as np
import pytest
import scipy.sparse as sp
import scipy.sparse.linalg as sla
from contract_cases import (
    CASES,
    CLOSED,
    DTYPES,
    KINDS,
    RELAXATIONS,
    SOLVERS,
    N,
    by_map,
    dense,
    each_with,
    each_with_map,
    noise,
    true_norms,
    vector,
)

import pysolve

solvers = pytest.mark.parametrize("solve", [*SOLVERS, *RELAXATIONS])
FORMS = ["csr_array", "csc_matrix", "ndarray", "StencilOperator"]


@solvers
def test_signature_is_that_of_scipy(solve):
    own = list(inspect.signature(solve).parameters.values())
    left_out = {"tol"} if solve in SOLVERS else {"tol", "M"}
    scipys = [p for p in inspect.signature(sla.cg).parameters.values() if p.name not in left_out]
    shown = [(p.name, p.kind, p.default) for p in own]
    assert shown[: len(scipys)] == [(p.name, p.kind, p.default) for p in scipys]
    assert all(p.kind is p.KEYWORD_ONLY and p.default is not p.empty for p in own[len(scipys) :])


@pytest.mark.parametrize(
    ("solve", "kind", "dtype"),
    [
        (solve, *case)
        for solve in (*SOLVERS, *RELAXATIONS)
        for case in CASES
        if solve in SOLVERS or case[0] not in CLOSED
    ],
)
def test_every_kind_of_operator_gives_the_solution(solve, kind, dtype):
    A, b = dense(dtype), vector(dtype)
    rtol = 1e-4 if dtype in ("f4", "c8") else 1e-10
    result = solve(KINDS[kind](A), b, rtol=rtol)
    assert result.converged, result.message
    # An operator that does not tell its type is asked with float64, as SciPy does.
    widest = np.result_type(dtype, "f8") if kind in ("matvec", "matmul") else np.dtype(dtype)
    assert (result.x.shape, result.x.dtype) == (b.shape, widest)
    assert true_norms(A, b, result.x) <= rtol * np.linalg.norm(b) + noise(A, result.x, dtype)
    np.testing.assert_allclose(
        result.x, np.linalg.solve(A, b), rtol=0, atol=20 * rtol * np.abs(result.x).max()
    )


@each_with(KINDS)
def test_nothing_given_is_written(solve, kind):
    A, b, x0 = dense(), vector(), vector(seed=1)
    kept = A.copy(), b.copy(), x0.copy()
    operator = KINDS[kind](A)
    parts = [getattr(operator, name, None) for name in ("data", "indices", "indptr", "row", "col", "offsets")]
    for array in (A, b, x0, *parts):
        if isinstance(array, np.ndarray) and array.dtype != object:
            array.setflags(write=False)
    M = KINDS["LinearOperator"](np.diag(1 / np.diag(A)))
    result = solve(operator, b, x0, **by_map(solve, M), rtol=1e-10)
    assert result.converged
    assert not any(np.shares_memory(result.x, array) for array in (b, x0))
    for array, copy in zip((A, b, x0), kept, strict=True):
        np.testing.assert_array_equal(array, copy)


@each_with_map(FORMS)
def test_result_unpacks_and_records_every_iteration(solve, kind, preconditioned):
    A, b = dense(), vector()
    result = solve(KINDS[kind](A), b, **({"M": pysolve.Jacobi(A)} if preconditioned else {}), rtol=1e-9)
    x, info = result
    assert x is result.x is result[0]
    assert info == result.info == result[1] == 0
    assert len(result) == 2
    assert isinstance(result.iterations, int)
    assert result.residual_norms.dtype == np.float64
    assert len(result.residual_norms) == result.iterations + 1 > 5
    assert result.residual_norms[0] == pytest.approx(np.linalg.norm(b))
    assert abs(result.residual_norms[-1] - true_norms(A, b, x)) <= noise(A, x, "f8")
    assert (result.residual_norms[:-1] > 1e-9 * np.linalg.norm(b)).all()
    assert min(result.setup_time, result.solve_time) >= 0
    assert result.raise_if_failed() is result


@each_with(FORMS)
def test_zero_right_hand_side_gives_new_zeros(solve, kind):
    b, x0 = np.zeros(N), vector()
    result = solve(KINDS[kind](dense()), b, x0)
    assert (result.info, result.iterations) == (0, 0)
    assert not result.x.any()
    assert not np.shares_memory(result.x, b)
    assert not np.shares_memory(result.x, x0)
    np.testing.assert_array_equal(result.residual_norms, [0])


@each_with(FORMS)
def test_exact_start_takes_no_iteration(solve, kind):
    A, x0 = dense(), np.arange(N, dtype=float)
    result = solve(KINDS[kind](A), A @ x0, x0)
    assert (result.info, result.iterations, len(result.residual_norms)) == (0, 0, 1)
    np.testing.assert_array_equal(result.x, x0)


@each_with(FORMS)
def test_converging_at_maxiter_is_converging(solve, kind):
    A, b = KINDS[kind](dense()), vector()
    needed = solve(A, b).iterations
    assert solve(A, b, maxiter=needed).info == 0
    short = solve(A, b, maxiter=needed - 1)
    assert (short.info, short.status) == (needed - 1, pysolve.Status.MAXITER)
    assert short.iterations == needed - 1
    with pytest.raises(pysolve.ConvergenceError, match="limit of iterations") as raised:
        short.raise_if_failed()
    assert raised.value.result is short


@solvers
@pytest.mark.parametrize("shape", [(N,), (N, 1), (N, 3)])
def test_solution_has_the_shape_of_b(solve, shape):
    if shape == (N, 3) and solve is pysolve.conjugate_directions:
        pytest.skip("takes one right-hand side at a time")
    A, b = dense(), np.random.default_rng(0).standard_normal(shape)
    for x0 in (None, np.zeros(shape), "Mb"):
        result = solve(A, b, x0, rtol=1e-8)
        assert result.converged
        assert result.x.shape == shape
        assert result.residual_norms.ndim == (2 if shape == (N, 3) else 1)
        np.testing.assert_allclose(A @ result.x, b, atol=1e-6)


@solvers
@pytest.mark.parametrize("n", [0, 1])
def test_smallest_systems(solve, n):
    A, b = sp.csr_array(2.0 * np.eye(n)), np.ones(n)
    for given_A in (A, A.toarray()):
        result = solve(given_A, b)
        assert (result.info, result.x.tolist()) == (0, [0.5] * n)


@pytest.mark.parametrize("solve", SOLVERS)
def test_start_named_mb_is_m_times_b(solve):
    A, b = sp.csr_array(dense()), vector()
    M = pysolve.Jacobi(A)
    named, given = solve(A, b, "Mb", M=M), solve(A, b, M @ b, M=M)
    np.testing.assert_array_equal(named.x, given.x)
    assert solve(A, b, "Mb", maxiter=0).x.tolist() == b.tolist()


@solvers
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", ["csr", "csc", "bsr"])
def test_index_types_and_array_or_matrix_give_the_same_bits(solve, dtype, name):
    A, b = getattr(sp, f"{name}_array")(dense(dtype)), vector(dtype)
    first = solve(A, b)
    long = A.copy()
    long.indices, long.indptr = A.indices.astype(np.int64), A.indptr.astype(np.int64)
    assert {long.indices.dtype, A.indices.dtype} == {np.dtype("i4"), np.dtype("i8")}
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
    assert solve(A, vector(), vector("c16")).x.dtype == "c16"
    assert solve(KINDS["StencilOperator"](dense()), vector("c16")).x.dtype == "c16"
