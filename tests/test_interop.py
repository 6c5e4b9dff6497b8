"""pysolve's parts inside other libraries' solvers, and theirs inside pysolve's: each skipped where absent."""

import importlib.util
import runpy
import warnings
from pathlib import Path

import numpy as np
import pytest
import scipy.sparse as sp
import scipy.sparse.linalg as sla
from contract_cases import SOLVERS

import pysolve
from pysolve import gallery

solvers = pytest.mark.parametrize("solve", SOLVERS)
GRID = (24, 20)
EXAMPLES = Path(__file__).resolve().parents[1] / "examples"


def absent(name, why=""):
    return pytest.mark.skipif(importlib.util.find_spec(name) is None, reason=f"{name} is not installed{why}")


def problem():
    rng = np.random.default_rng(0)
    A = gallery.poisson(GRID, coefficient=np.exp(rng.standard_normal(GRID)))
    return A, A.tocsr(), rng.standard_normal(A.shape[0])


def operators():
    stencil, matrix, _ = problem()
    return {"StencilOperator": stencil, "PackedMatrix": pysolve.PackedMatrix(matrix)}


def inverses():
    stencil, matrix = problem()[:2]
    return {"Jacobi": pysolve.Jacobi(matrix), "Multilevel": pysolve.Multilevel(stencil)}


OPERATORS = pytest.mark.parametrize("name", ["StencilOperator", "PackedMatrix"])
INVERSES = pytest.mark.parametrize("inverse", ["Jacobi", "Multilevel"])


# ---- scipy -------------------------------------------------------------------------------------------------
@OPERATORS
@INVERSES
@pytest.mark.parametrize("method", ["cg", "minres", "gmres", "bicgstab", "qmr", "lgmres", "gcrotmk", "tfqmr"])
def test_scipys_solvers_take_our_operators_and_inverses(name, inverse, method):
    _, matrix, b = problem()
    A, M = operators()[name], inverses()[inverse]
    options = {"M": M}
    if method == "qmr":
        options = {"M1": M, "M2": sla.aslinearoperator(sp.eye_array(b.size))}  # it wants both or neither
    elif method == "tfqmr":
        options = {}  # SciPy's own goes wrong with any M
    x, info = getattr(sla, method)(A, b, rtol=1e-8, maxiter=3000, **options)
    assert info == 0
    np.testing.assert_allclose(matrix @ x, b, atol=1e-5)


@solvers
def test_the_call_of_scipys_cg_gives_the_same_answer(solve):
    _, A, b = problem()
    M = sla.LinearOperator(A.shape, matvec=lambda r: r / A.diagonal(), dtype=A.dtype)
    theirs, _ = sla.cg(A, b, rtol=1e-10, atol=0.0, maxiter=2000, M=M)
    ours, info = solve(A, b, rtol=1e-10, atol=0.0, maxiter=2000, M=M)
    assert info == 0
    np.testing.assert_allclose(ours, theirs, rtol=1e-7, atol=1e-7)


@OPERATORS
def test_linear_operator_algebra(name):
    _, matrix, b = problem()
    A = sla.aslinearoperator(operators()[name])
    J = sla.aslinearoperator(pysolve.Jacobi(matrix))
    D = sp.diags_array(1 / matrix.diagonal())
    np.testing.assert_allclose(
        (2 * A + A @ J @ A) @ b, 2 * matrix @ b + matrix @ (D @ (matrix @ b)), atol=1e-10
    )
    np.testing.assert_allclose(A.H @ b, matrix @ b)
    np.testing.assert_allclose(A.T @ b, matrix @ b)
    np.testing.assert_allclose(A @ np.stack([b, 2 * b], axis=1), matrix @ np.stack([b, 2 * b], axis=1))
    np.testing.assert_allclose((A**2) @ b, matrix @ (matrix @ b))
    np.testing.assert_allclose(J.H @ b, D @ b)


@solvers
def test_our_solvers_take_what_algebra_makes(solve):
    _, matrix, b = problem()
    A = sla.aslinearoperator(operators()["StencilOperator"]) + 0.5 * sla.aslinearoperator(
        sp.eye_array(len(b))
    )
    result = solve(A, b, M=sla.aslinearoperator(pysolve.Jacobi(matrix)), rtol=1e-9)
    assert result.converged
    np.testing.assert_allclose(matrix @ result.x + 0.5 * result.x, b, atol=1e-6)


@OPERATORS
def test_scipys_eigensolvers_take_our_operators(name):
    _, matrix, _ = problem()
    A, M = operators()[name], pysolve.Jacobi(matrix)
    exact = np.linalg.eigvalsh(matrix.toarray())
    largest = sla.eigsh(A, k=3, return_eigenvectors=False)
    np.testing.assert_allclose(np.sort(largest), exact[-3:], rtol=1e-8)
    X = np.random.default_rng(1).standard_normal((A.shape[0], 4))
    smallest, _ = sla.lobpcg(A, X, M=sla.aslinearoperator(M), largest=False, tol=1e-6, maxiter=400)
    np.testing.assert_allclose(np.sort(smallest), exact[:4], rtol=1e-5)


def test_our_cg_serves_as_the_inverse_in_eigsh():
    _, matrix, _ = problem()
    inverse = sla.LinearOperator(
        matrix.shape, matvec=lambda r: pysolve.cg(matrix, r, rtol=1e-12).x, dtype="f8"
    )
    smallest = sla.eigsh(matrix, k=2, sigma=0, OPinv=inverse, return_eigenvectors=False)
    np.testing.assert_allclose(np.sort(smallest), np.linalg.eigvalsh(matrix.toarray())[:2], rtol=1e-8)


@solvers
def test_scipys_factorisations_serve_as_m(solve):
    _, matrix, b = problem()
    plain = solve(matrix, b, rtol=1e-8)
    factors = sla.splu(matrix.tocsc())
    M = sla.LinearOperator(matrix.shape, matvec=factors.solve, dtype="f8")
    result = solve(matrix, b, M=M, rtol=1e-8)
    assert result.converged
    assert result.iterations <= 3 < plain.iterations


# ---- pyamg -------------------------------------------------------------------------------------------------
def hierarchy(A):
    import pyamg

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        np.random.seed(0)  # noqa: NPY002  pyamg draws from the global state
        return pyamg.smoothed_aggregation_solver(sp.csr_matrix(A), max_coarse=20)


@absent("pyamg")
@solvers
@pytest.mark.parametrize("form", ["stencil", "csr"])
def test_pyamg_preconditions_our_solvers(solve, form):
    stencil, matrix, b = problem()
    A = stencil if form == "stencil" else matrix
    plain = solve(A, b, rtol=1e-8)
    result = solve(A, b, M=hierarchy(matrix).aspreconditioner(), rtol=1e-8)
    assert result.converged
    assert result.n_fallbacks == 0
    assert 3 * result.iterations < plain.iterations


@absent("pyamg")
def test_pyamg_builds_on_our_matrix_and_uses_our_cg():
    stencil, matrix, b = problem()
    ml = hierarchy(stencil.tocsr())
    x, info = ml.solve(b, tol=1e-8, accel=pysolve_cg_for_pyamg, return_info=True)
    assert info == 0
    np.testing.assert_allclose(matrix @ x, b, atol=1e-5)


def pysolve_cg_for_pyamg(A, b, x0=None, tol=1e-5, maxiter=None, M=None, callback=None, residuals=None):
    result = pysolve.cg(A, b, x0, rtol=tol, maxiter=maxiter, M=M, callback=callback)
    if residuals is not None:
        residuals[:] = result.residual_norms.tolist()
    return tuple(result)


@absent("pyamg")
@OPERATORS
@INVERSES
def test_pyamgs_cg_takes_our_operators_and_inverses(name, inverse):
    import pyamg.krylov

    _, matrix, b = problem()
    A, M = operators()[name], inverses()[inverse]
    for pair in ((sla.aslinearoperator(A), sla.aslinearoperator(M)), (matrix, M)):
        x, info = pyamg.krylov.cg(pair[0], b, M=pair[1], tol=1e-8, maxiter=2000)
        assert info == 0
        np.testing.assert_allclose(matrix @ x, b, atol=1e-5)


# ---- petsc4py ----------------------------------------------------------------------------------------------
PETSC = absent("petsc4py", " (Debian: apt install python3-petsc4py, for /usr/bin/python3)")


class Shell:
    """A pysolve operator as the context of a PETSc shell matrix and of a Python preconditioner."""

    def __init__(self, operator):
        self.operator = operator

    def mult(self, mat, x, y):
        y.setArray(self.operator @ x.getArray(readonly=True))

    def apply(self, pc, x, y):
        y.setArray(self.operator @ x.getArray(readonly=True))


@PETSC
@OPERATORS
@INVERSES
def test_petscs_cg_takes_our_operators_and_inverses(name, inverse):
    from petsc4py import PETSc

    _, matrix, b = problem()
    A = PETSc.Mat().createPython([len(b)] * 2, Shell(operators()[name])).setUp()
    ksp = PETSc.KSP().create()
    ksp.setOperators(A)
    ksp.setType("cg")
    ksp.getPC().setType("python")
    ksp.getPC().setPythonContext(Shell(inverses()[inverse]))
    ksp.setTolerances(rtol=1e-9, max_it=2000)
    x, right = A.createVecs()
    right.setArray(b)
    ksp.solve(right, x)
    assert ksp.getConvergedReason() > 0
    np.testing.assert_allclose(matrix @ x.getArray(), b, atol=1e-5)


@PETSC
@solvers
def test_petscs_preconditioner_serves_as_m(solve):
    from petsc4py import PETSc

    _, matrix, b = problem()
    A = PETSc.Mat().createAIJ(matrix.shape, csr=(matrix.indptr, matrix.indices, matrix.data))
    pc = PETSc.PC().create()
    pc.setOperators(A)
    pc.setType("icc")
    pc.setUp()
    given, answer = A.createVecs()

    def apply(r):
        given.setArray(r)
        pc.apply(given, answer)
        return answer.getArray().copy()

    plain = solve(matrix, b, rtol=1e-8)
    result = solve(matrix, b, M=sla.LinearOperator(matrix.shape, matvec=apply, dtype="f8"), rtol=1e-8)
    assert result.converged
    assert result.iterations < 0.6 * plain.iterations


def test_petsc_example_runs_or_says_how_to_get_petsc(capsys):
    runpy.run_path(str(EXAMPLES / "petsc.py"), run_name="__main__")
    said = capsys.readouterr().out
    if importlib.util.find_spec("petsc4py") is None:
        assert said.count("\n") == 1
        assert "python3-petsc4py" in said
    else:
        assert said.count("iterations") >= 4


# ---- device arrays and tensors -----------------------------------------------------------------------------
@absent("torch")
@solvers
def test_cpu_tensors_are_taken_through_numpys_protocol(solve):
    import torch

    _, matrix, b = problem()
    result = solve(matrix, torch.from_numpy(b), torch.zeros(len(b), dtype=torch.float64), rtol=1e-8)
    assert result.converged
    assert isinstance(result.x, np.ndarray)
    np.testing.assert_array_equal(result.x, solve(matrix, b, np.zeros(len(b)), rtol=1e-8).x)
    with pytest.raises(TypeError, match="b must be an array of numbers"):
        solve(matrix, torch.from_numpy(b).requires_grad_())


class OnDevice:
    """What cupy and torch show of an array on a GPU."""

    shape, dtype, ndim, size = (480,), np.dtype("f8"), 1, 480
    __cuda_array_interface__ = {"shape": (480,), "typestr": "<f8", "data": (16, False), "version": 3}  # noqa: RUF012

    def __array__(self, *args, **kwargs):
        raise AssertionError("a copy from the device was asked for in silence")


@solvers
def test_device_array_with_host_matrix_is_refused_in_words(solve):
    _, matrix, b = problem()
    with pytest.raises(TypeError, match=r"A \(.*\) is on the host, but b \(OnDevice\) is on the GPU"):
        solve(matrix, OnDevice())
    with pytest.raises(TypeError, match=r"b \(ndarray\) is on the host, but x0 \(OnDevice\) is on the GPU"):
        solve(matrix, b, OnDevice())


@absent("cupy")
@solvers
def test_cupy_arrays_are_refused_in_words(solve):
    import cupy

    if not cupy.cuda.is_available():
        pytest.skip("cupy finds no device")
    _, matrix, b = problem()
    with pytest.raises(TypeError, match=r"A \(.*\) is on the host, but b \(ndarray\) is on GPU 0"):
        solve(matrix, cupy.asarray(b), rtol=1e-8)
