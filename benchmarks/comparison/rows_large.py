"""A large stencil solve within its memory, and multigrid by the peers, set-up and solve apart."""

import json
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import environment
import numpy as np
import products
import scipy.sparse as sp
import scipy.sparse.linalg as spla
import solves
from report import Bar, Plan, Section
from timing import say

import pysolve
from pysolve._cli_peers import petsc_solver, relative_residual

GIB = 2**30
PEER_RTOL = 1e-8
Sample = tuple[float, float, np.ndarray, int | None]  # set-up, solve, x, iterations


def large_section(plan: Plan) -> Section:
    """The solve in a process of its own, whose peak memory is the whole process's."""
    n, rtol = plan.threads[-1], 1e-6
    say(f"{plan.n_large}^3 stencil system, {n} thread(s)")
    script = Path(__file__).with_name("large_solve.py")
    command = [sys.executable, str(script), str(plan.n_large), str(rtol), str(n)]
    found = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
    row = [f"{found['seconds']:.3g}", str(found["iterations"]), f"{found['residual']:.2e}", found["status"]]
    memory = [f"{found['peak'] / GIB:.3f}", f"{found['imports'] / GIB:.3f}", f"{found['vector'] / GIB:.3f}"]
    header = ["s", "iterations", "true residual", "says", "peak GiB", "of it imports", "one vector"]
    section = Section(
        f"cg on {plan.n_large}^3 cells, matrix-free, to {rtol:g}, {n} thread(s)", header, [row + memory]
    )
    met = found["residual"] <= rtol * (1 + 1e-6) and found["peak"] <= 1.5 * GIB
    measured = f"{found['peak'] / GIB:.2f} GiB, {found['residual']:.2e}, {found['seconds']:.3g} s"
    what = f"{plan.n_large}^3 stencil system, {rtol:g}, peak resident memory of the process"
    section.bars.append(Bar(what, "<= 1.5 GiB, solved", measured, met))
    return section


def peers_section(plan: Plan) -> Section:
    """Multigrid and Jacobi by the peers, beside pysolve; nothing to reach, it says where plain cg stands."""
    n = plan.threads[-1]
    header = ["cells", "library", "method", "set-up s", "solve s", "iterations", "true residual"]
    section = Section(f"peers, Poisson, random b, rtol {PEER_RTOL:g}, {n} thread(s)", header)
    for side in plan.n_peers:
        A = pysolve.gallery.poisson((side,) * 3)
        matrix, b = A.tocsr(), products.random_vector(side**3)
        makers = _makers(A, matrix, b)
        samples: dict[tuple[str, str], list[Sample]] = {key: [] for key in makers}
        with environment.threads(n):
            for turn in range(min(plan.rounds, 3)):
                shared: dict[str, Any] = {}
                for key, make in makers.items():
                    say(f"peers, {side}^3, round {turn + 1}: {' '.join(key)}")
                    samples[key].append(make(shared))
        for key, taken in samples.items():
            setup, solve = (f"{np.median([sample[i] for sample in taken]):.3g}" for i in (0, 1))
            _, _, x, iterations = taken[-1]
            true = f"{relative_residual(matrix, b, x):.1e}"
            counted = "" if iterations is None else str(iterations)
            section.rows.append([f"{side}^3", *key, setup, solve, counted, true])
    absent = [name for name in ("pyamg", "petsc4py") if not environment.installed(name)]
    if absent:
        section.notes.append(f"not installed: {', '.join(absent)}")
    section.notes.append("medians of interleaved rounds; in a round, the rows with pyamg SA share one set-up")
    return section


def _makers(A: Any, matrix: Any, b: np.ndarray) -> dict[tuple[str, str], Callable[[dict], Sample]]:
    makers = {
        ("pysolve", "cg, stencil"): _plain(solves.pysolve_cg(A, b, rtol=PEER_RTOL)),
        ("pysolve", "cg, csr"): _plain(solves.pysolve_cg(matrix, b, rtol=PEER_RTOL)),
        ("scipy", "cg, csr"): _plain(solves.scipy_cg(matrix, b, rtol=PEER_RTOL)),
    }
    if environment.installed("pyamg"):
        makers["pyamg", "SA, its own cg"] = _with_sa(matrix, b, _pyamg_solve)
        makers["scipy", "cg, pyamg SA"] = _with_sa(matrix, b, _scipy_solve)
        makers["pysolve", "cg, stencil, pyamg SA"] = _with_sa(
            matrix, b, lambda S, b, ml: _pysolve_solve(A, b, ml)
        )
    if environment.installed("petsc4py"):
        for kind in ("jacobi", "gamg"):
            makers["PETSc", f"cg, {kind}"] = _petsc(matrix, b, kind)
    return makers


def _plain(solve: solves.Solve) -> Callable[[dict], Sample]:
    def run(shared: dict) -> Sample:
        start = time.perf_counter()
        x, iterations = solve()
        return 0.0, time.perf_counter() - start, x, iterations

    return run


def _hierarchy(matrix: Any, shared: dict) -> tuple[Any, float]:
    """pyamg's levels and the seconds they took, once a round; the coarsest is factored at the first use."""
    import pyamg

    if "levels" not in shared:
        start = time.perf_counter()
        levels = pyamg.smoothed_aggregation_solver(sp.csr_matrix(matrix))
        levels.aspreconditioner() @ np.ones(matrix.shape[0])
        shared["levels"] = levels, time.perf_counter() - start
    return shared["levels"]


def _with_sa(
    matrix: Any, b: np.ndarray, solve: Callable[..., tuple[np.ndarray, int]]
) -> Callable[[dict], Sample]:
    def run(shared: dict) -> Sample:
        levels, setup = _hierarchy(matrix, shared)
        start = time.perf_counter()
        x, iterations = solve(matrix, b, levels)
        return setup, time.perf_counter() - start, x, iterations

    return run


def _pyamg_solve(matrix: Any, b: np.ndarray, levels: Any) -> tuple[np.ndarray, int]:
    norms: list[float] = []
    x = levels.solve(b, tol=PEER_RTOL, accel="cg", residuals=norms, maxiter=500)
    return x, len(norms) - 1


def _scipy_solve(matrix: Any, b: np.ndarray, levels: Any) -> tuple[np.ndarray, int]:
    norms: list[int] = []
    M = levels.aspreconditioner()
    x, _ = spla.cg(matrix, b, rtol=PEER_RTOL, M=M, callback=lambda _: norms.append(1))
    return x, len(norms)


def _pysolve_solve(A: Any, b: np.ndarray, levels: Any) -> tuple[np.ndarray, int]:
    result = pysolve.cg(A, b, rtol=PEER_RTOL, M=levels.aspreconditioner())
    return result.x, result.iterations


def _petsc(matrix: Any, b: np.ndarray, kind: str) -> Callable[[dict], Sample]:
    def run(shared: dict) -> Sample:
        start = time.perf_counter()
        solver = petsc_solver(products.petsc_matrix(matrix), kind, PEER_RTOL)
        ready = time.perf_counter()
        x, iterations = solves.petsc_solve(solver, b)()
        return ready - start, time.perf_counter() - ready, x, iterations

    return run
