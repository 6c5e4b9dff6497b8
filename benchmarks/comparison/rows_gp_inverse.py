"""Unknown sources and coefficients from noisy sensors: estimates, and whether their standard deviations are right."""

from __future__ import annotations

from collections.abc import Callable

import gp_problems as problems
import numpy as np
from gp_runs import cpu, relative, spread, within
from report import Section
from timing import say

SEEDS = {problems.darcy: 20, problems.heat_source: 3}  # a heat source takes a minute
HEADER = [
    "problem, seeds",
    "unknown",
    "truth",
    "estimate, of all seeds",
    "sd",
    "truth within 2 sd",
    "u: error",
    "CPU s",
    "says",
]


def inverse_section(quick: bool) -> Section:
    """Every problem over some seeds, which draw the sensors and the noise."""
    made = Section("Inverse problems", HEADER)
    for make in (problems.darcy,) if quick else tuple(SEEDS):
        made.rows += rows(make, 2 if quick else SEEDS[make])
    made.notes.append(
        "sd: that which gp_pde gives, the median; truth within 2 sd: the share of seeds, about 95% if sd is right; "
        "u: median relative error, and the share of points whose truth lies within 2 sd; a spectral method has no "
        "such call"
    )
    return made


def rows(make: Callable[[int], problems.Problem], n_seeds: int) -> list[list[str]]:
    """A row for every unknown number."""
    runs = []
    for seed in range(n_seeds):
        problem = make(seed)
        say(f"{problem.name}, seed {seed}")
        runs.append(cpu(problem.call))
        mean, std = runs[-1].result.predict(problem.grid, return_std=True)
        truth = problem.truth
        runs[-1].error, runs[-1].share = relative(mean, truth), within(mean, std, truth)
    u_error = f"{np.median([run.error for run in runs]):.1e}, {np.mean([run.share for run in runs]):.0%} within 2 sd"
    seconds = f"{np.median([run.seconds for run in runs]):.2f}"
    said = ", ".join(sorted({run.result.status.name.lower() for run in runs}))
    made = []
    for name, exact in problem.unknowns.items():
        found = np.array([run.result.coefficients[name] for run in runs])
        right = np.mean(np.abs(found[:, 0] - exact) <= 2 * found[:, 1])
        figures = [f"{exact:g}", spread(found[:, 0], ".3g"), f"{np.median(found[:, 1]):.2g}", f"{right:.0%}"]
        made.append([f"{problem.name}, {n_seeds}", name, *figures, u_error, seconds, said])
    return made
