"""The solvers that a multigrid is compared with, each as a set-up that returns the solve.

pyamg factors its coarsest level at the first use, so that use is part of its set-up here. Its settings, like
AMGCL's, are the fastest of those that were tried on the obstacle box and the free surface. Where a library
brings a preconditioner and no solver, pysolve's cg iterates, which is faster than scipy's.
"""

import importlib
from typing import Any

import environment
import numpy as np
import plain
import scipy.sparse.linalg as spla
from multigrid import Make, Problem, Solve, Taken
from timing import say

import pysolve

# name -> options; the first was the fastest on the obstacle box and the free surface.
AMGCL = {
    f"AMGCL {short}+{relaxation} CG": {"coarsening.type": coarsening, "relax.type": relaxation}
    for short, coarsening in (("SA", "smoothed_aggregation"), ("RS", "ruge_stuben"))
    for relaxation in ("spai0", "ilu0")
}
AMGCL_USUAL = next(iter(AMGCL))
MAXITER = 5000
INSTALLED_BY = {
    "pyamg": "pip install pyamg",
    "pyamgcl": "pip install pyamgcl (builds; needs Boost's headers)",
    "ilupp": "pip install ilupp",
    "a C++ compiler": "c++ or g++ on the PATH",
}


def multilevel(weights: str = "default") -> Make:
    """pysolve.Multilevel and cg."""

    def make(problem: Problem) -> Solve:
        M = pysolve.Multilevel(problem.A, weights=weights)
        return ours(problem, M)

    return make


def ours(problem: Problem, M: Any = None) -> Solve:
    """pysolve's cg on the operator, matrix-free."""

    def solve() -> tuple[Any, int]:
        result = pysolve.cg(problem.A, problem.b, problem.x0, rtol=problem.rtol, M=M)
        return result.x, result.iterations

    return solve


def pyamg_cg(method: str, **options: Any) -> Make:
    """One of pyamg's hierarchies and pyamg's cg."""

    def make(problem: Problem) -> Solve:
        import pyamg

        levels = getattr(pyamg, method)(problem.matrix, **options)
        coarsest = levels.levels[-1].A
        levels.coarse_solver(coarsest, np.zeros(coarsest.shape[0]))

        def solve() -> tuple[Any, int]:
            norms: list[float] = []
            given = {"x0": problem.start, "tol": problem.rtol, "maxiter": MAXITER}
            x = levels.solve(problem.right, accel="cg", residuals=norms, **given)
            return x, len(norms) - 1

        return solve

    return make


def amgcl_cg(name: str) -> Make:
    """AMGCL with the options of that name, and its cg."""

    def make(problem: Problem) -> Solve:
        import pyamgcl

        options = {"type": "cg", "tol": problem.rtol, "maxiter": MAXITER}
        solver = pyamgcl.solver(pyamgcl.amg(problem.matrix, AMGCL[name]), options)
        return lambda: (solver(problem.right), int(solver.iters))

    return make


def best_amgcl(label: str, problem: Problem) -> str:
    """The options of AMGCL that are the fastest here, of those that solve; each is tried once."""
    totals = {AMGCL_USUAL: np.inf}
    for name in AMGCL:
        say(f"{label}: trying {name}")
        taken = Taken()
        try:
            taken.add(problem, amgcl_cg(name))
        except (ArithmeticError, RuntimeError, ValueError) as error:  # where a set-up breaks down
            say(f"{name} failed: {error}")
            continue
        if taken.counts:
            totals[name] = taken.total
    return min(totals, key=lambda name: totals[name])


def incomplete_cholesky_cg(problem: Problem) -> Solve:
    """IC(0) by ilupp and pysolve's cg."""
    import ilupp

    return _preconditioned(problem, ilupp.IChol0Preconditioner(problem.matrix))


def modified_cholesky_cg(problem: Problem) -> Solve:
    """MIC(0), a plain loop compiled in this run, and pysolve's cg."""
    return _preconditioned(problem, plain.ModifiedCholesky(plain.compiled(), problem.matrix))


def _preconditioned(problem: Problem, M: Any) -> Solve:
    def solve() -> tuple[Any, int]:
        result = pysolve.cg(problem.matrix, problem.right, problem.start, rtol=problem.rtol, M=M)
        return result.x, result.iterations

    return solve


def scipy_cg(problem: Problem) -> Solve:
    """scipy's cg without a preconditioner."""

    def solve() -> tuple[Any, int]:
        counted: list[int] = []
        given = {"x0": problem.start, "rtol": problem.rtol, "callback": lambda _: counted.append(1)}
        return spla.cg(problem.matrix, problem.right, **given)[0], len(counted)

    return solve


FORWARD, BACKWARD = (("gauss_seidel", {"sweep": sweep}) for sweep in ("forward", "backward"))
SWEEPS = {"presmoother": FORWARD, "postsmoother": BACKWARD}
PYAMG_SA = pyamg_cg("smoothed_aggregation_solver", **SWEEPS, improve_candidates=None, max_coarse=500)
PYAMG_RS = pyamg_cg("ruge_stuben_solver", **SWEEPS)
# name in the tables -> library, solver
PEERS: dict[str, tuple[str, Make]] = {
    "pyamg SA-CG": ("pyamg", PYAMG_SA),
    "pyamg RS-CG": ("pyamg", PYAMG_RS),
    **{name: ("pyamgcl", amgcl_cg(name)) for name in AMGCL},
    "IC(0)-CG": ("ilupp", incomplete_cholesky_cg),
    "MIC(0)-CG": ("a C++ compiler", modified_cholesky_cg),
    "scipy cg": ("scipy", scipy_cg),
    "pysolve cg, matrix-free": ("pysolve", ours),
}
PYAMG = ("pyamg SA-CG", "pyamg RS-CG")


def chosen(*names: str) -> tuple[dict[str, Make], list[str]]:
    """(the peers of these names that are installed, a note on each that is not); loads them, which is not timed."""
    there = {name: PEERS[name][1] for name in names if _there(PEERS[name][0])}
    missing = {PEERS[name][0] for name in names} - {PEERS[name][0] for name in there}
    return there, [f"not installed: {library} ({INSTALLED_BY[library]})" for library in sorted(missing)]


def _there(library: str) -> bool:
    """Whether there is `library`, which is then loaded."""
    if library == "a C++ compiler":
        return plain.compiled() is not None
    return environment.installed(library) and bool(importlib.import_module(library))
