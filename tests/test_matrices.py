"""Real systems: each is solved to the true residual asked for, or the result says truthfully why not."""

import functools

import numpy as np
import pytest
import scipy.io
import scipy.sparse as sp
import scipy.sparse.linalg as sla
from contract_cases import SOLVERS, noise, true_norms

import pysolve

NAMES = ["1138_bus", "494_bus", "ani4", "bcsstk03", "bcsstk13", "bcsstk14", "bcsstk16", "gr_30_30", "rapA",
         "wathenSmall"]  # fmt: skip
RTOL = 1e-8


@functools.cache
def read(path):
    if not path.exists():
        pytest.skip(f"{path.name} is not in the folder that PYSOLVE_MATRICES names")
    return sp.csr_array(scipy.io.mmread(path))


def right_hand_side(A, kind):
    n = A.shape[0]
    return A @ np.ones(n) if kind == "ones" else np.random.default_rng(0).standard_normal(n)


@functools.cache
def scipys_iterations(path, kind):
    """Of SciPy's cg with the same preconditioner; None where it does not end within 10 n."""
    A, seen = read(path), []
    M = sp.diags_array(1 / A.diagonal())
    _, info = sla.cg(A, right_hand_side(A, kind), rtol=RTOL, M=M, callback=lambda xk: seen.append(0))
    return len(seen) if info == 0 else None


def residual(A, b, x):
    """norm(b - A x) with row sums in extended precision."""
    products = A.data.astype(np.longdouble) * x[A.indices]
    return float(np.linalg.norm(b - np.add.reduceat(products, A.indptr[:-1])))


@pytest.mark.parametrize("solve", SOLVERS)
@pytest.mark.parametrize("kind", ["ones", "random"])
@pytest.mark.parametrize("name", NAMES)
def test_true_residual_is_reached_or_the_reason_told(matrices, solve, name, kind):
    path = matrices / f"{name}.mtx.gz"
    A = read(path)
    b = right_hand_side(A, kind)
    result = solve(A, b, M=pysolve.Jacobi(A), rtol=RTOL)
    tolerance, norm = RTOL * np.linalg.norm(b), residual(A, b, result.x)
    rounding = 1e-16 * sla.norm(A) * np.linalg.norm(result.x)
    assert abs(norm - result.residual_norms[-1]) <= 1e-6 * norm + rounding
    theirs = scipys_iterations(path, kind)
    if result.converged:
        assert norm <= tolerance * (1 + 1e-9) + rounding
    else:
        assert theirs is None, f"scipy's cg ends, ours does not: {result.message}"
        assert norm > tolerance
        assert result.status in (pysolve.Status.STAGNATED, pysolve.Status.MAXITER)
    if solve is pysolve.cg and theirs is not None:
        assert result.iterations <= 1.1 * theirs + 5


@pytest.mark.parametrize("name", ["494_bus", "bcsstk16"])
def test_packed_and_plain_and_dense_agree(matrices, name):
    A = read(matrices / f"{name}.mtx.gz")
    b, M = A @ np.ones(A.shape[0]), pysolve.Jacobi(A)
    plain = pysolve.cg(A, b, M=M, rtol=RTOL)
    packed = pysolve.cg(pysolve.PackedMatrix(A), b, M=M, rtol=RTOL)
    assert plain.converged
    assert packed.converged
    assert abs(plain.iterations - packed.iterations) <= 0.1 * plain.iterations + 5
    if A.shape[0] < 1000:
        D = A.toarray()
        assert true_norms(D, b, packed.x) <= RTOL * np.linalg.norm(b) + noise(D, packed.x, "f8")


@pytest.mark.parametrize("name", ["gr_30_30", "rapA", "ani4"])
def test_float32_reaches_what_it_says(matrices, name):
    A = read(matrices / f"{name}.mtx.gz").astype(np.float32)
    b = (A @ np.ones(A.shape[0])).astype(np.float32)
    for rtol in (1e-4, 1e-7):
        result = pysolve.cg(A, b, M=pysolve.Jacobi(A), rtol=rtol)
        true = residual(A, b.astype(float), result.x.astype(float))
        assert (result.info == 0) == (true <= rtol * np.linalg.norm(b.astype(float)))
        assert result.residual_norms[-1] == pytest.approx(true, rel=1e-5)
        assert result.converged or rtol < 1e-6
