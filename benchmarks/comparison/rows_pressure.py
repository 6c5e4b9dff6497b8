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
    add_rows(section, "empty box", taken, OURS)
    bar = at_most(f"{section.title}, set-up and solve", 4, taken[OURS].total / taken[DIRECT].total)
    section.bars.append(solved(bar, taken[OURS]))
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
    """The pressure of each time step of a smoke simulation with a moving ball; the last pressure is the start."""
    section = table(f"smoke past a moving ball, {plan.n_smoke}^3, 1e-06, {plan.threads} thread(s)")
    there, missing = peers.chosen("pyamg SA-CG", "scipy cg")
    makers = {OURS: _updated(), **there}
    steps: list[dict[str, Taken]] = []
    for step, problem, flow in _pressures(plan.n_smoke, plan.steps):
        now = {name: Taken() for name in makers}
        for name, make in makers.items():
            say(f"smoke, {plan.threads} thread(s), step {step}: {name}")
            now[name].add(problem, make)
        flow.project(now[OURS].x)  # so that the next system is the same for all
        add_rows(section, f"step {step}" if step else "warm-up", now, OURS)
        if step:  # what comes before makes the hierarchy, and touches its memory for the first time
            steps.append(now)
    medians = {name: _over_steps([now[name] for now in steps]) for name in makers}
    add_rows(section, f"median of {plan.steps} steps", medians, OURS)
    for name, reach in (("scipy cg", 10), ("pyamg SA-CG", 4)):
        section.bars.append(ahead(section.title, reach, medians, OURS, [name]))
    section.notes += [
        *missing,
        "pysolve: Multilevel.update for the new operator; pyamg: its hierarchy made anew; all start from the pressure "
        "that pysolve found in the step before",
        "the bars are about the medians; the residual there is the worst of the steps",
    ]
    return section


def _pressures(side: int, count: int) -> Iterator[tuple[int, Problem, Any]]:
    """(step, system, flow) of a simulation, which goes on with the pressure that the flow is given; step 0 first."""
    flow = gallery.Smoke((side,) * 3, moving=True)
    for step in range(count + 1):
        A, b, x0 = flow.advance()
        problem = Problem(A, b=b).stored()
        problem.begin_at(x0)
        yield step, problem, flow


def _over_steps(steps: list[Taken]) -> Taken:
    """What one solver took in all of them: medians of seconds and iterations, the worst residual."""
    iterations = int(np.median([one.iterations for one in steps]))
    whole = Taken(iterations=iterations, true=float(np.max([one.true for one in steps])))
    for one in steps:
        whole.setups += one.setups
        whole.solves += one.solves
    return whole


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
