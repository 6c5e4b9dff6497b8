"""The learned V-cycle beside a direct solver, in a simulation whose obstacle moves, and on a grid that is large."""

import json
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import multigrid_peers as peers
import numpy as np
import scipy.fft
from multigrid import RTOL, Plan, Problem, Solve, Taken, add_rows, ahead, measured, reached, solved, table
from report import Bar, Section, at_most
from rows_multilevel import OURS
from timing import say

import pysolve
from pysolve import gallery

GIB = 2**30
DIRECT = "direct, sine transform"


def dst_section(plan: Plan) -> Section:
    """Constant coefficients in an empty box, for which a direct solver by sine transforms is the limit."""
    side = plan.n - 1  # n - 1 unknowns are a transform of length 2 n
    section = table(f"empty box, {side}^3, beside the direct solver, {plan.threads} thread(s)")
    problem = Problem(gallery.poisson((side,) * 3))
    makers = {OURS: peers.multilevel(), DIRECT: sine_transform(plan.threads)}
    taken = measured("empty box", problem, makers, plan)
    add_rows(section, "empty box", problem, taken, OURS)
    bar = at_most(f"{section.title}, set-up and solve", 4, taken[OURS].total / taken[DIRECT].total)
    section.bars.append(solved(bar, problem, taken[OURS]))
    return section


def sine_transform(threads: int) -> Any:
    """-Laplace x = b with x = 0 beyond the box, by scipy.fft; its set-up are the eigenvalues."""

    def make(problem: Problem) -> Solve:
        shape, workers = problem.A.grid_shape, {"type": 1, "norm": "ortho", "workers": threads}
        ends = [2 - 2 * np.cos(np.pi * np.arange(1, m + 1) / (m + 1)) for m in shape]
        inverse = 1 / (ends[0][:, None, None] + ends[1][:, None] + ends[2])

        def solve() -> tuple[np.ndarray, int]:
            waves = scipy.fft.dstn(problem.b.reshape(shape), **workers)
            waves *= inverse
            return scipy.fft.dstn(waves, overwrite_x=True, **workers).ravel(), 0  # its own inverse

        return solve

    return make


def smoke_section(plan: Plan) -> Section:
    """A pressure system a time step: a ball moves by a cell, b changes a little, x of the step before is the start."""
    section = table(f"smoke past a moving ball, {plan.n}^3, 1e-06, warm starts, {plan.threads} thread(s)")
    there, missing = peers.chosen("pyamg SA-CG", "scipy cg")
    makers = {OURS: _updated(), **there}
    taken: dict[str, Taken] = {name: Taken() for name in makers}
    for step, problem in enumerate(steps(plan.n, plan.steps)):
        now: dict[str, Taken] = {}
        for name, make in makers.items():
            say(f"smoke, {plan.threads} thread(s), step {step}: {name}")
            if step > 0:
                problem.begin_at(taken[name].x)
            now[name] = Taken()
            now[name].add(problem, make)
            taken[name].x = problem.whole(now[name].x)
            if step > 0:  # the first has no start, and makes the hierarchy
                taken[name].setups += now[name].setups
                taken[name].solves += now[name].solves
        add_rows(section, f"step {step}", problem, now, OURS)
    for name, reach in (("scipy cg", 10), ("pyamg SA-CG", 4)):
        section.bars.append(ahead(section.title, reach, problem, taken, OURS, [name]))
    section.notes += [
        *missing,
        "pysolve: Multilevel.update for the new operator; pyamg: its hierarchy made anew",
    ]
    section.notes.append("the bars are about the steps after the first")
    return section


def _updated() -> Any:
    """A set-up that makes the hierarchy once and updates it afterwards."""
    kept: list[Any] = []

    def make(problem: Problem) -> Solve:
        if kept:
            kept[0].update(problem.A)
        else:
            kept.append(pysolve.Multilevel(problem.A))
        return peers.ours(problem, kept[0])

    return make


def steps(side: int, count: int) -> Iterator[Problem]:
    """A box with walls and an open top; the ball rises by a cell a step, and b turns from one field to another."""
    shape = (side,) * 3
    boundary = [("neumann", "dirichlet"), "neumann", "neumann"]
    places = np.indices(shape, dtype=np.float32) + 0.5
    fields = np.random.default_rng(0).standard_normal((2, side**3))
    for step in range(count + 1):
        middle = np.array([0.4 * side + step, 0.5 * side, 0.5 * side]).reshape(3, 1, 1, 1)
        solid = ((places - middle) ** 2).sum(axis=0) < (0.15 * side) ** 2
        b = np.cos(0.05 * step) * fields[0] + np.sin(0.05 * step) * fields[1]
        yield Problem(gallery.poisson(shape, solid=solid, boundary=boundary), b=b).stored()


def large_section(plan: Plan) -> Section:
    """A constant coefficient on 512^3 cells in a process of its own, whose peak memory is the whole process's."""
    side = plan.n_large
    say(f"{side}^3, {plan.threads} thread(s)")
    script = Path(__file__).with_name("large_solve.py")
    command = [sys.executable, str(script), str(side), str(RTOL), str(plan.threads), "multilevel"]
    start = time.perf_counter()
    found = json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout)
    say(f"{side}^3 took {time.perf_counter() - start:.0f} s with all that is not timed")
    header = ["set-up s", "solve s", "iterations", "true residual", "says", "peak GiB", "one vector"]
    seconds = [f"{found['setup']:.3g}", f"{found['seconds']:.3g}", str(found["iterations"])]
    memory = [f"{found['peak'] / GIB:.2f}", f"{found['vector'] / GIB:.2f}"]
    row = [*seconds, f"{found['residual']:.2e}", found["status"], *memory]
    title = f"empty box, {side}^3, {RTOL:g}, {plan.threads} thread(s)"
    met = reached(found["residual"], RTOL) and found["peak"] <= 16 * GIB
    said = (
        f"{found['peak'] / GIB:.2f} GiB, {found['residual']:.2e}, {found['setup'] + found['seconds']:.3g} s"
    )
    bar = Bar(f"{title}, peak resident memory of the process", "<= 16 GiB, solved", said, met)
    return Section(title, header, [row], bars=[bar])
