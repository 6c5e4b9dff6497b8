"""Real systems with the Jacobi preconditioner, time to a solution of 1e-8, against scipy's cg with the same.

Every `.mtx.gz` in the folder that PYSOLVE_MATRICES names. b is A times ones, and random. A call makes its
preconditioner and solves. Scipy's is made both as a LinearOperator and as a diagonal matrix, and the faster
counts.
"""

import os
from pathlib import Path
from typing import Any

import environment
import numpy as np
import products
import scipy.io
import scipy.sparse as sp
import scipy.sparse.linalg as spla
import solves
from report import Bar, Plan, Section
from timing import Times, interleaved, say

import pysolve
from pysolve._cli_peers import relative_residual, scipy_jacobi

RTOL = 1e-8
METHODS = ("cg", "conjugate_directions")
HEADER = ["system", "b", "solver", "ms", "iterations", "true residual", "scipy over this", "says"]


def systems_section(plan: Plan) -> Section:
    """All systems, or one line that says why not."""
    title = f"real systems, Jacobi, rtol {RTOL:g}, {plan.threads[-1]} thread(s)"
    section = Section(title, HEADER)
    folder = os.environ.get("PYSOLVE_MATRICES")
    paths = sorted(Path(folder).glob("*.mtx.gz")) if folder else []
    if not paths:
        why = f"no .mtx.gz in {folder}" if folder else "PYSOLVE_MATRICES is not set"
        section.notes.append(f"left out: {why}")
        section.bars.append(Bar("real systems", "as below", why, None))
        return section
    for path in paths:
        A = sp.csr_array(scipy.io.mmread(path)).astype(np.float64)
        A.sum_duplicates()
        for kind, b in (("ones", A @ np.ones(A.shape[0])), ("random", products.random_vector(A.shape[0]))):
            say(f"{path.name.removesuffix('.mtx.gz')}, b {kind}")
            _one_system(section, path.name.removesuffix(".mtx.gz"), A, kind, b, plan)
    section.notes += [
        "ms: preconditioner and solve, median of interleaved calls; at most 10 n iterations on both sides",
        "true residual: norm(b - A x) / norm(b), recomputed here; says: what the solver itself reports",
        "scipy: the faster of its two forms of the preconditioner; its iterations are counted in a call of its own",
    ]
    return section


def _one_system(section: Section, name: str, A: Any, kind: str, b: np.ndarray, plan: Plan) -> None:
    scipys = {"scipy operator": scipy_jacobi, "scipy diagonal": solves.scipy_jacobi_matrix}
    calls = {key: solves.scipy_cg(A, b, make, rtol=RTOL) for key, make in scipys.items()}
    calls |= {method: solves.pysolve_cg(A, b, pysolve.Jacobi, method, rtol=RTOL) for method in METHODS}
    with environment.threads(plan.threads[-1]):
        times = interleaved(calls, plan.rounds, plan.budget / 2)
    base = min(scipys, key=times.median)
    counted: list[int] = []
    x, info = spla.cg(A, b, rtol=RTOL, M=scipys[base](A), callback=lambda _: counted.append(1))
    true = relative_residual(A, b, x)
    said = _said(info == 0, true, "converged" if info == 0 else f"info = {info}")
    row = [f"{times.median(base) * 1e3:.3g}", str(len(counted)), f"{true:.1e}", "", said]
    section.rows.append([name, kind, "scipy cg", *row])
    for method in METHODS:
        _ours(section, name, A, kind, b, method, times, base)


def _ours(
    section: Section, name: str, A: Any, kind: str, b: np.ndarray, method: str, times: Times, base: str
) -> None:
    result = getattr(pysolve, method)(A, b, rtol=RTOL, M=pysolve.Jacobi(A))
    true, ratio = relative_residual(A, b, result.x), times.median(base) / times.median(method)
    said = _said(result.converged, true, result.status.name.lower())
    row = [f"{times.median(method) * 1e3:.3g}", str(result.iterations), f"{true:.1e}", f"{ratio:.2f}x", said]
    section.rows.append([name, kind, f"pysolve {method}", *row])
    met = ratio >= 1.0 and result.converged == _reached(true)
    measured = f"{ratio:.2f}x, {true:.1e}, {said}"
    section.bars.append(
        Bar(f"{name}, b {kind}, {method}", f">= 1x scipy, {RTOL:g} or why not", measured, met)
    )


def _reached(true: float) -> bool:
    """Two correct recomputations of a residual may differ in rounding."""
    return true <= RTOL * (1 + 1e-6)


def _said(claims: bool, true: float, text: str) -> str:
    if claims and not _reached(true):
        return f"{text}, which is not so"
    return text
