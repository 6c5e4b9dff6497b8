"""The same system for pysolve, scipy, pyamg and PETSc: each `Peer` solves once and says what it took."""

import importlib.util
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import scipy.sparse as sp
import scipy.sparse.linalg as spla

import pysolve

INSTALL = {
    "pyamg": "pip install pyamg",
    "petsc4py": "pip install petsc petsc4py, or your system's packages",
}

# Options of pyamg: the fastest of those that were tried on pressures around obstacles and under a free surface.
PYAMG_FOR_PRESSURE = {
    "improve_candidates": None,
    "max_coarse": 500,
    "presmoother": ("gauss_seidel", {"sweep": "forward"}),
    "postsmoother": ("gauss_seidel", {"sweep": "backward"}),
}


@dataclass
class Problem:
    """One system: `csr` for libraries that need stored entries, `operator` a StencilOperator or None."""

    csr: sp.csr_array
    b: np.ndarray
    rtol: float
    maxiter: int | None = None
    operator: Any = None
    x0: np.ndarray | None = None


@dataclass
class Outcome:
    """One solve: seconds, the answer, and the residual norms of the iterations where they were asked for."""

    setup: float
    solve: float
    x: np.ndarray
    iterations: int
    said: bool
    norms: np.ndarray | None = None


Run = Callable[[Problem, bool], Outcome]


@dataclass
class Peer:
    """A line of the table; `run(problem, watch)` solves, and keeps the residual norms when `watch`."""

    library: str
    method: str
    preconditioner: str
    run: Run
    outcomes: list[Outcome] = field(default_factory=list)


def peers(problem: Problem) -> tuple[list[Peer], list[str]]:
    """([Peer], [names of libraries that are not installed])."""
    jacobi, amg = "Jacobi", {"pyamg SA": pyamg_inverse} if _installed("pyamg") else {}
    scipys = {"none": no_inverse, jacobi: scipy_jacobi, **amg}
    ours = {"none": no_inverse, jacobi: pysolve.Jacobi, **amg}
    found = [Peer("scipy", "cg", name, scipy_cg(make)) for name, make in scipys.items()]
    found += [Peer("pysolve", "cg", name, pysolve_run(pysolve.cg, make)) for name, make in ours.items()]
    directions = pysolve_run(pysolve.conjugate_directions, pysolve.Jacobi)
    found.append(Peer("pysolve", "conjugate_directions", jacobi, directions))
    if problem.operator is not None:
        free: dict[str, Callable] = {
            "none": no_inverse,
            jacobi: pysolve.Jacobi,
            "Multilevel": pysolve.Multilevel,
        }
        runs = {name: pysolve_run(pysolve.cg, make, matrix_free=True) for name, make in free.items()}
        found += [Peer("pysolve", "cg, matrix-free", name, run) for name, run in runs.items()]
    if _installed("petsc4py"):
        kinds = {jacobi: "jacobi", "GAMG": "gamg"}
        found += [Peer("PETSc", "cg", name, petsc_cg(kind)) for name, kind in kinds.items()]
    return found, [name for name in INSTALL if not _installed(name)]


def _installed(name: str) -> bool:
    return importlib.util.find_spec(name) is not None


def relative_residual(A: Any, b: np.ndarray, x: np.ndarray) -> float:
    """Norm of b - A x over norm of b, recomputed; the worst column of several."""
    b_norm = np.linalg.norm(b, axis=0)
    return float(np.max(np.linalg.norm(b - A @ x, axis=0) / np.where(b_norm > 0, b_norm, 1.0)))


def pyamg_inverse(A: Any, **options: Any) -> Any:
    """One V-cycle of pyamg's smoothed aggregation, set up to the last level, which it would factor at the first use."""
    import pyamg

    stored = A.tocsr() if hasattr(A, "tocsr") else sp.csr_array(A)
    stored.sort_indices()
    levels = pyamg.smoothed_aggregation_solver(sp.csr_matrix(stored), **options)
    coarsest = levels.levels[-1].A
    levels.coarse_solver(coarsest, np.zeros(coarsest.shape[0]))
    return levels.aspreconditioner()


def no_inverse(A: Any) -> None:
    """No preconditioner."""


def scipy_jacobi(A: Any) -> spla.LinearOperator:
    """The inverse diagonal as scipy's users write it; as an operator it is faster than as a sparse matrix."""
    inverse = 1.0 / A.diagonal()
    return spla.LinearOperator(A.shape, matvec=lambda r: inverse * r, dtype=A.dtype)


def pysolve_run(method: Callable, make_inverse: Callable, matrix_free: bool = False) -> Run:
    """`run` of a `Peer` that solves with a method of pysolve; all that is not iterating is set-up."""

    def run(problem: Problem, watch: bool) -> Outcome:
        A = problem.operator if matrix_free else problem.csr
        start = time.perf_counter()
        M = make_inverse(A)
        r = method(A, problem.b, problem.x0, rtol=problem.rtol, maxiter=problem.maxiter, M=M)
        total = time.perf_counter() - start
        return Outcome(total - r.solve_time, r.solve_time, r.x, r.iterations, r.converged, r.residual_norms)

    return run


def scipy_cg(make_inverse: Callable) -> Run:
    """`run` of a `Peer` that solves with scipy's cg; it counts iterations only when it watches."""

    def run(problem: Problem, watch: bool) -> Outcome:
        A, b, norms = problem.csr, problem.b, [np.linalg.norm(problem.b)]
        count = (lambda x: norms.append(np.linalg.norm(b - A @ x))) if watch else None
        start = time.perf_counter()
        M = make_inverse(A)
        ready = time.perf_counter()
        with np.errstate(all="ignore"):  # where A is indefinite; the table says what came of it
            x, info = spla.cg(
                A, b, x0=problem.x0, rtol=problem.rtol, maxiter=problem.maxiter, M=M, callback=count
            )
        done = time.perf_counter()
        return Outcome(ready - start, done - ready, x, len(norms) - 1, info == 0, np.array(norms))

    return run


def petsc_solver(matrix: Any, kind: str, rtol: float, maxiter: int | None = None) -> Any:
    """PETSc's cg on a PETSc matrix with its preconditioner `kind`, set up; it stops as scipy does."""
    from petsc4py import PETSc

    solver = PETSc.KSP().create()
    solver.setOperators(matrix)
    solver.setType("cg")
    solver.getPC().setType(kind)
    solver.setNormType(PETSc.KSP.NormType.UNPRECONDITIONED)
    solver.setTolerances(rtol=rtol, atol=0.0, max_it=maxiter or 10 * matrix.getSize()[0])
    solver.setUp()
    return solver


def petsc_cg(kind: str) -> Run:
    """`run` of a `Peer` that solves with PETSc's cg and its preconditioner `kind`."""

    def run(problem: Problem, watch: bool) -> Outcome:
        from petsc4py import PETSc

        A, n = problem.csr, problem.csr.shape[0]
        start = time.perf_counter()
        rows = A.indptr.astype(PETSc.IntType), A.indices.astype(PETSc.IntType)
        matrix = PETSc.Mat().createAIJ(size=(n, n), csr=(*rows, A.data.astype(PETSc.ScalarType)))
        solver = petsc_solver(matrix, kind, problem.rtol, problem.maxiter)
        solver.setConvergenceHistory()
        ready = time.perf_counter()
        b, x = matrix.createVecs()
        b.setArray(problem.b)
        solver.solve(b, x)
        done = time.perf_counter()
        said, norms = solver.getConvergedReason() > 0, np.array(solver.getConvergenceHistory())
        answer, iterations = x.getArray().real.copy(), solver.getIterationNumber()
        return Outcome(ready - start, done - ready, answer, iterations, said, norms)

    return run
