"""Beyond the paper, without noise: waves, variable coefficients, a nonlinear equation in time."""

from __future__ import annotations

import gp_problems as problems
from gp_runs import fastest, relative, within
from report import Section
from timing import say

HEADER = ["problem", "points", "error", "CPU s", "status", "truth within 2 sd", "Chebyshev error", "CPU s "]


def more_section(quick: bool) -> Section:
    """Each beside the spectral method, where it is one that this method is for."""
    makers = [problems.helmholtz_line, problems.diffusion_line]
    if not quick:
        makers += [problems.helmholtz_square, problems.diffusion_square, problems.sine_gordon]
    made = Section("Beyond the paper, without noise", HEADER)
    for make in makers:
        problem = make()
        say(f"{problem.name}, {problem.points} points")
        made.rows.append(row(problem))
    made.notes.append(
        "a band of two standard deviations that holds the truth everywhere is as it should be here: without noise the "
        "standard deviation is the prior's, of what the points leave open, and rounding"
    )
    return made


def row(problem: problems.Problem) -> list[str]:
    """Ours, and the peer's where there is one."""
    run = fastest(problem.call)
    mean, std = run.result.predict(problem.grid, return_std=True)
    figures = [f"{relative(mean, problem.truth):.1e}", f"{run.seconds:.3f}", run.result.status.name.lower()]
    covered = f"{within(mean, std, problem.truth):.2f}"
    if problem.peer is None:
        return [problem.name, problem.points, *figures, covered, "-", "-"]
    peer = fastest(problem.peer)
    theirs = [f"{relative(peer.result, problem.truth):.1e}", f"{peer.seconds:.3f}"]
    return [problem.name, problem.points, *figures, covered, *theirs]
