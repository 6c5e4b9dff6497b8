"""conjugate_directions: the compiled kernels equal the reference, and a compiled solve the iteration in Python."""

import functools

import numpy as np
import pytest
import reference.conjugate_directions as reference
import scipy.sparse as sp
from conjugate_directions_cases import (
    RUNS,
    assert_same_run,
    close,
    largest,
    operator,
    run,
    start,
)
from csr_cases import VALUES, matrices, random_values
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from reference.csr import wide
from stencil_cases import operators, reference_grid
from threadpoolctl import threadpool_limits

import pysolve
from pysolve._backend import kernels
from pysolve._conjugate_directions_runs import runs_compiled
from pysolve._system import make_system

core = kernels(np.empty(0))
thorough = settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.filter_too_much])
SIZES = [0, 1, 2, 7, 8, 9, 1000]


# ---- one step ----------------------------------------------------------------------------------------------


def directions(rng, n, n_keep, dtype, share=1.0):
    """z, r, P, Q, pq at random; rows that are not in use hold NaN."""
    z, r = (random_values(rng, n, dtype) for _ in range(2))
    P, Q = (random_values(rng, n_keep * n, dtype).reshape(n_keep, n) for _ in range(2))
    pq = rng.uniform(max(n, 1), 2 * n + 2, n_keep)
    pq[rng.random(n_keep) >= share] = rng.choice([0.0, -1.0, np.nan])
    P[~(pq > 0)] = Q[~(pq > 0)] = np.nan
    return z, r, P, Q, pq


@given(
    n=st.sampled_from(SIZES),
    n_keep=st.sampled_from([1, 2, 3, 5, 64]),
    dtype=st.sampled_from(VALUES),
    share=st.sampled_from([0.0, 0.5, 1.0]),
    seed=st.integers(0, 2**16),
)
@thorough
def test_orthogonalise_equals_the_reference(n, n_keep, dtype, share, seed):
    rng = np.random.default_rng(seed)
    z, r, P, Q, pq = directions(rng, n, n_keep, dtype, share)
    slot, expected = int(rng.integers(n_keep)), P.copy()
    pr, pp, c = core.conjugate_directions_orthogonalise(z, r, P, Q, pq, slot)
    wanted = reference.conjugate_directions_orthogonalise(z, r, expected, Q, pq, slot)
    close(P, expected, dtype, n_keep, factor=50)
    p = wide(P[slot])
    size = np.linalg.norm(p) * np.linalg.norm(r)
    assert pr == pytest.approx(np.vdot(p, wide(r)), rel=1e-12, abs=1e-12 * float(size))
    assert pp == pytest.approx(np.vdot(p, p).real, rel=1e-12)
    np.testing.assert_allclose(c, wanted[2], rtol=1e-12, atol=1e-12)
    assert isinstance(pr, complex) == (dtype[0] == "c")


@pytest.mark.parametrize("dtype", VALUES)
@pytest.mark.parametrize("n", SIZES)
def test_step_equals_the_reference(n, dtype):
    rng = np.random.default_rng(n)
    x, r, p, q = (random_values(rng, n, dtype) for _ in range(4))
    alpha = complex(0.3, -0.7) if dtype[0] == "c" else 0.3
    new_x, new_r = x.copy(), r.copy()
    rr = core.conjugate_directions_step(x, r, p, q, alpha)
    reference.conjugate_directions_step(new_x, new_r, p, q, alpha)
    close(x, new_x, dtype, 1, factor=16)
    close(r, new_r, dtype, 1, factor=16)
    assert rr == pytest.approx(np.vdot(wide(r), wide(r)).real, rel=1e-12)


@pytest.mark.parametrize("dtype", VALUES)
def test_large_steps_are_right_and_have_the_same_bits_with_any_number_of_threads(dtype):
    n, alpha, found = 600_001, 0.3, []  # 6 n v bytes: above the threshold of 4 MB in every type
    z, r, P, Q, pq = directions(np.random.default_rng(0), n, 2, dtype)
    for n_threads in (1, 2):
        X, R, D = z.copy(), r.copy(), P.copy()
        with threadpool_limits(n_threads, user_api="openmp"):
            report = core.conjugate_directions_orthogonalise(z, r, D, Q, pq, 1)
            rr = core.conjugate_directions_step(X, R, D[1], Q[1], alpha)
        found.append((D, X, R, rr, *report))
    assert all(np.array_equal(one, two) for one, two in zip(*found, strict=True))
    reference.conjugate_directions_orthogonalise(z, r, P, Q, pq, 1)
    close(found[0][0], P, dtype, 1)
    reference.conjugate_directions_step(z, r, P[1], Q[1], alpha)
    close(found[0][1], z, dtype, 1)
    close(found[0][2], r, dtype, 1)
    assert found[0][3] == pytest.approx(np.vdot(wide(found[0][2]), wide(found[0][2])).real, rel=1e-12)


# ---- runs --------------------------------------------------------------------------------------------------


@given(A=operators(scales=(1.0,)), jacobi=st.booleans(), mid_run=st.booleans(), seed=st.integers(0, 2**16))
@thorough
def test_step_of_a_run_on_any_stencil_equals_the_reference(A, jacobi, mid_run, seed):
    rng, n, dtype = np.random.default_rng(seed), A.shape[0], A.dtype.str[1:]
    assume(A._decoupled.size < n)
    d = rng.uniform(0.5, 1, n).astype(dtype) if jacobi else None
    vectors, values = start(rng, n, dtype, mid_run, A._decoupled)
    assert_same_run(core, "stencil", A._kernel_args, (reference_grid(A),), d, vectors, 1, dtype, values)


@given(drawn=matrices(square=True, scales=(1.0,), sorted_rows=True), seed=st.integers(0, 2**16))
@thorough
def test_step_of_a_run_on_any_matrix_equals_the_reference(drawn, seed):
    rng, n, dtype = np.random.default_rng(seed), drawn.shape[0], drawn.data.dtype.str[1:]
    A = drawn.scipy()
    A = sp.csr_array(A + A.conj().T + sp.diags_array(np.full(n, 100.0)) if n else A).astype(dtype)
    d = rng.uniform(0.5, 1, n).astype(A.data.real.dtype) if seed % 2 else None
    index = drawn.indptr.dtype
    csr = A.indptr.astype(index), A.indices.astype(index), A.data
    for kind, args in (("csr", csr), ("sell", pysolve.PackedMatrix(A)._kernel_args)):
        vectors, values = start(rng, n, dtype, seed % 3)
        assert_same_run(core, kind, args, args, d, vectors, 1, dtype, values)


# A run moves x by two steps at a time, if it can: even and odd numbers of steps take different ways.
@pytest.mark.parametrize("n_steps", [5, 6])
@pytest.mark.parametrize("jacobi", [False, True])
@pytest.mark.parametrize(("kind", "dtype"), RUNS)
def test_run_equals_the_reference(kind, dtype, jacobi, n_steps):
    rng, (_, args, reference_args) = np.random.default_rng(0), operator(kind, dtype)
    d = rng.uniform(0.2, 0.3, 1000).astype(np.empty(0, dtype).real.dtype) if jacobi else None
    vectors, values = start(rng, 1000, dtype, False)
    whole = [v.copy() for v in vectors]
    assert_same_run(core, kind, args, reference_args, d, vectors, n_steps, dtype, values)
    parts, state = [v.copy() for v in whole], core.RunState()
    for part in (2, n_steps - 3, 1):  # one run in several calls: the same bits, but for rounding in x
        run(core, kind, args, d, parts, state, part)
    np.testing.assert_array_equal(parts[1:3], vectors[1:3])
    close(parts[0], vectors[0], dtype, largest(vectors[0]), factor=50)
    norms = run(core, kind, args, d, [v.copy() for v in whole], core.RunState(), n_steps)[1]
    tolerance = float(norms[n_steps - 3]) * 1.001
    assert_same_run(core, kind, args, reference_args, d, whole, n_steps, dtype, {"tolerance": tolerance})


@pytest.mark.parametrize("n_taken", [1, 2, 3, 4])
@pytest.mark.parametrize("jacobi", [False, True])
@pytest.mark.parametrize(("kind", "dtype"), RUNS)
def test_run_that_ends_in_its_midst_equals_the_reference(kind, dtype, jacobi, n_taken):
    rng, (_, args, reference_args) = np.random.default_rng(0), operator(kind, dtype)
    d = rng.uniform(0.2, 0.3, 1000).astype(np.empty(0, dtype).real.dtype) if jacobi else None
    vectors, _ = start(rng, 1000, dtype, False)
    twins, state, curvatures = [v.copy() for v in vectors], core.RunState(), []
    for _ in range(n_taken + 1):
        curvatures.append(run(core, kind, args, d, twins, state, 1)[0].curvature)
    floor = curvatures[-1] * 1.001  # curvatures fall: it is the last direction that has too little
    assert min(curvatures[:-1]) > floor
    state, _ = run(core, kind, args, d, [v.copy() for v in vectors], core.RunState(), 9, floor=floor)
    assert (state.end, state.n_steps) == ("not_positive", n_taken)
    assert_same_run(core, kind, args, reference_args, d, vectors, 9, dtype, {"floor": floor})


@pytest.mark.parametrize("kind", ["csr", "sell"])
@pytest.mark.parametrize("dtype", ["f4", "f8"])
@pytest.mark.parametrize("spread", [1e-1, 2e-2, 1e-3, 1e-5])
def test_fast_convergence_costs_little_accuracy(kind, dtype, spread):
    """Eigenvalues within 1 +- spread: beta, by which the step of x is divided, is about spread^2."""
    rng = np.random.default_rng(0)
    A = sp.diags_array(1 + spread * rng.uniform(-1, 1, 1000)).tocsr().astype(dtype)
    args = (A.indptr, A.indices, A.data) if kind == "csr" else pysolve.PackedMatrix(A)._kernel_args
    vectors, values = start(rng, 1000, dtype, False)
    b = wide(vectors[1]) + wide(A.toarray()) @ wide(vectors[0])
    run(core, kind, args, None, vectors, core.RunState(), 4, **values)
    close(b - wide(A.toarray()) @ wide(vectors[0]), wide(vectors[1]), dtype, largest(b), factor=100)


@pytest.mark.parametrize("kind", ["csr", "sell", "stencil"])
@pytest.mark.parametrize(
    ("r", "values", "end"),
    [(np.nan, {}, "not_finite"), (1e200, {}, "not_finite"), (1.0, {"floor": 9.0}, "not_positive")],
)
def test_step_that_cannot_be_taken_leaves_x_and_r(kind, r, values, end):
    _, args, _ = operator(kind, "f8")
    vectors = [np.zeros(1000), np.ones(1000), np.zeros(1000), np.zeros(1000)]
    vectors[1][500] = r
    kept = [v.copy() for v in vectors[:2]]
    state, norms = run(core, kind, args, None, vectors, core.RunState(), 5, **values)
    assert (state.end, state.n_steps, norms.size) == (end, 0, 0)
    np.testing.assert_array_equal(vectors[:2], kept)


@pytest.mark.parametrize("jacobi", [False, True])
@pytest.mark.parametrize(("kind", "dtype"), RUNS)
def test_large_runs_have_the_same_bits_with_any_number_of_threads(kind, dtype, jacobi):
    A, args, _ = operator(kind, dtype, (300, 501))
    rng, n, found = np.random.default_rng(0), A.shape[0], []
    d = rng.uniform(0.2, 0.3, n).astype(np.empty(0, dtype).real.dtype) if jacobi else None
    b = random_values(rng, n, dtype)
    for n_threads in (1, 2, 3):
        vectors = [np.zeros(n, dtype), b.copy(), np.zeros(n, dtype), np.zeros(n, dtype)]
        with threadpool_limits(n_threads, user_api="openmp"):
            state, norms = run(core, kind, args, d, vectors, core.RunState(), 12)
        found.append((*vectors[:3], norms, state.rho, state.beta, state.curvature))
    for other in found[1:]:
        assert all(np.array_equal(one, two) for one, two in zip(found[0], other, strict=True))
    x, r = found[0][:2]
    close(wide(A @ x), wide(b) - r, dtype, largest(b), factor=100)


@pytest.mark.parametrize("shape", [(48, 48, 48), (300, 301), (30, 41, 64)])
def test_long_solves_on_a_stencil_have_the_same_bits_with_any_number_of_threads(shape):
    A = pysolve.gallery.poisson(shape)
    for seed in range(4):
        b, found = np.random.default_rng(seed).standard_normal(A.shape[0]), []
        for n_threads in (1, 2, 3):
            with threadpool_limits(n_threads, user_api="openmp"):
                found.append(pysolve.cg(A, b, rtol=1e-12, maxiter=100))
        for other in found[1:]:
            np.testing.assert_array_equal(other.x, found[0].x)
            np.testing.assert_array_equal(other.residual_norms, found[0].residual_norms)


@pytest.mark.parametrize("jacobi", [False, True])
@pytest.mark.parametrize(("kind", "dtype"), RUNS)
def test_compiled_solve_equals_the_iteration_in_python(kind, dtype, jacobi):
    """A map without a known diagonal is solved step by step; so is the same one with the diagonal's values."""
    A, _, _ = operator(kind, dtype)
    d = np.linspace(0.2, 0.3, 1000).astype(np.empty(0, dtype).real.dtype)
    b = random_values(np.random.default_rng(0), 1000, dtype)
    form = pysolve.PackedMatrix(A) if kind == "sell" else A
    diagonal = sp.diags_array(d if jacobi else np.ones_like(d)).tocsr()
    unknown, known = sp.linalg.aslinearoperator(diagonal), diagonal if jacobi else None
    slow = functools.partial(pysolve.cg, form, b, M=unknown, rtol=0.0)
    fast = functools.partial(pysolve.cg, form, b, M=known, rtol=0.0)
    assert [runs_compiled(make_system(form, b, M=M)) for M in (unknown, known)] == [False, True]
    for maxiter in (1, 12, 30):
        one, two = fast(maxiter=maxiter), slow(maxiter=maxiter)
        assert one.iterations == two.iterations == maxiter
        np.testing.assert_allclose(
            one.residual_norms, two.residual_norms, rtol=1e4 * float(np.finfo(dtype).eps)
        )
