"""Conjugate gradients per iteration, on a large grid and on a hundred unknowns, and the memory a solve takes.

Per iteration means the whole call, checks, packing and looks at the true residual included, over its iterations.
"""

from collections.abc import Callable
from typing import Any

import environment
import numpy as np
import products
import scipy.sparse as sp
import scipy.sparse.linalg as spla
import solves
from plain import plain_cg
from report import Bar, Plan, Section, at_most
from timing import Times, interleaved, say

import pysolve

STEPS = 100  # two looks at the true residual, and one packing
REACH = {"csr": 0.4, "stencil": 0.13}


class Ours:
    """A solve by pysolve that keeps the seconds of its iterations alone."""

    def __init__(self, A: Any, b: np.ndarray) -> None:
        self.A, self.b, self.seconds = A, b, []

    def __call__(self) -> None:
        result = pysolve.cg(self.A, self.b, rtol=0.0, maxiter=STEPS)
        if result.iterations != STEPS:
            raise RuntimeError(f"{result.iterations} iterations instead of {STEPS}: {result.message}")
        self.seconds.append(result.solve_time)

    @property
    def alone(self) -> float:
        return float(np.median(self.seconds)) / STEPS


def iteration_section(plan: Plan) -> Section:
    """cg on a CSR matrix and on a stencil operator against scipy's cg, and against a plain fused loop."""
    grid = pysolve.gallery.poisson((plan.n,) * 3)
    A, b = grid.tocsr(), products.random_vector(plan.n**3)
    header = ["system", "threads", "scipy ms", "pysolve ms", "ratio", "iterations alone ms", "plain loop ms"]
    section = Section(f"cg per iteration, {plan.n}^3, {STEPS} iterations, random b", header)
    packed = pysolve.PackedMatrix(A)
    for n in plan.threads:
        say(f"cg per iteration, {n} thread(s)")
        ours = {name: Ours(S, b) for name, S in (("csr", A), ("packed before", packed), ("stencil", grid))}
        calls: dict[str, Callable[[], Any]] = {
            "scipy": lambda: spla.cg(A, b, rtol=0.0, maxiter=STEPS),
            "scipy with stencil": lambda: spla.cg(spla.aslinearoperator(grid), b, rtol=0.0, maxiter=STEPS),
            **ours,
        }
        if plan.loops:
            calls["plain"] = plain_cg(plan.loops, plan.n, b, STEPS, n)
        with environment.threads(n):
            times = interleaved(calls, plan.rounds, plan.budget)
        _add_iteration_rows(section, n, ours, times, plan)
    section.notes += [
        "pysolve: the whole call over its iterations: checks, packing after 10 steps, two looks at the residual; "
        "iterations alone: without checks and packing",
        "scipy's ms is on the CSR matrix in every row; its ratio to the stencil rows is the same system",
        "plain loop: three passes an iteration in C++ with OpenMP, fused by hand, compiled in this run"
        if plan.loops
        else "plain loop: no compiler was found, so not measured",
    ]
    return section


def _add_iteration_rows(section: Section, n: int, ours: dict[str, Ours], times: Times, plan: Plan) -> None:
    them = times.median("scipy") / STEPS
    plain = times.median("plain") / STEPS if plan.loops else np.nan
    for name, solve in ours.items():
        us = times.median(name) / STEPS
        row = [
            name,
            str(n),
            f"{them * 1e3:.3g}",
            f"{us * 1e3:.3g}",
            f"{us / them:.3f}x",
            f"{solve.alone * 1e3:.3g}",
        ]
        section.rows.append([*row, f"{plain * 1e3:.3g}" if name == "stencil" and plan.loops else ""])
        if n == 2 and name in REACH:
            what = f"cg per iteration, {name}, {n} threads, against scipy's cg"
            section.bars.append(at_most(what, REACH[name], us / them))
    us = times.median("stencil") / STEPS
    what = f"cg per iteration, stencil, {n} thread(s), against a plain fused loop"
    missing = Bar(what, "< 1x", "no compiler", None)
    section.bars.append(at_most(what, 1.0, us / plain) if plan.loops else missing)
    mixed = times.median("scipy with stencil") / STEPS
    section.notes.append(
        f"{n} thread(s): scipy's cg with pysolve's stencil operator {mixed * 1e3:.3g} ms; largest spread "
        f"{times.spread():.0%}"
    )


def small_section(plan: Plan) -> Section:
    """A hundred unknowns, where the calls cost more than the arithmetic."""
    one = np.ones(99)
    systems = {
        "Poisson 10 x 10": pysolve.gallery.poisson((10, 10), format="csr"),
        "tridiagonal, 100": sp.csr_array(sp.diags([-one, np.full(100, 2.0), -one], [-1, 0, 1])),
    }
    header = ["system", "iterations scipy", "pysolve", "scipy us", "pysolve us", "ratio"]
    section = Section("cg per iteration, n = 100, to 1e-10, random b, one thread", header)
    b = products.random_vector(100)
    for name, A in systems.items():
        say(f"n = 100: {name}")
        counted: list[int] = []
        spla.cg(A, b, rtol=1e-10, callback=lambda x, counted=counted: counted.append(1))
        k_them, k_us = len(counted), pysolve.cg(A, b, rtol=1e-10).iterations
        calls = {
            "scipy": lambda A=A: spla.cg(A, b, rtol=1e-10),
            "pysolve": lambda A=A: pysolve.cg(A, b, rtol=1e-10),
        }
        with environment.threads(1):
            times = interleaved(calls, plan.repeat, plan.budget)
        them, us = times.median("scipy") / k_them * 1e6, times.median("pysolve") / k_us * 1e6
        section.rows.append([name, str(k_them), str(k_us), f"{them:.3g}", f"{us:.3g}", f"{us / them:.3f}x"])
        section.bars.append(at_most(f"cg per iteration, n = 100, {name}", 0.3, us / them))
    section.notes.append(
        "microseconds of the whole call over its iterations: what a call costs at all is in it"
    )
    return section


def memory_section(plan: Plan) -> Section:
    """Vectors that cg allocates, x among them, at their peak; and what more iterations add."""
    side = min(plan.n, 64)
    grid = pysolve.gallery.poisson((side,) * 3)
    A, b = grid.tocsr(), products.random_vector(side**3)
    packed = pysolve.PackedMatrix(A)
    header = ["system", "vectors", "packed copy, vectors", "bytes per iteration"]
    section = Section(f"memory of cg beyond A and b, {side}^3, by tracemalloc", header)
    for name, S in (("stencil", grid), ("PackedMatrix", packed), ("csr", A)):
        say(f"memory: {name}")
        few, many = (solves.memory_of(solves.pysolve_cg(S, b, rtol=0.0, maxiter=k)) for k in (50, 150))
        copy = packed.nbytes if name == "csr" else 0
        vectors = (few - copy) / b.nbytes
        grows = (many - few) / 100
        section.rows.append(
            [name, f"{vectors:.2f}", f"{copy / b.nbytes:.2f}" if copy else "", f"{grows:.0f}"]
        )
        what = f"memory of cg, {name}" + (", besides the packed copy" if copy else "")
        section.bars.append(Bar(what, "4 vectors", f"{vectors:.2f}", vectors < 4.05))
        section.bars.append(
            Bar(f"allocated per iteration, {name}", "no vector", f"{grows:.0f} bytes", grows < 256)
        )
    section.notes.append(
        "what grows is the list of residual norms, a number an iteration, which the result returns"
    )
    section.notes.append("csr: the packed copy is made once a solve has taken 10 steps with a large matrix")
    return section
