"""Exact recovery near the information limit and of badly conditioned matrices: seeds recovered, and their times."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import completion_problems as problems
import numpy as np
from completion_runs import Run, ours
from report import Bar, Section
from timing import say

TARGET = 1e-10  # on unseen cells
RTOL = 0.2 * TARGET  # on the few entries held out: they do not show the worst of the unseen cells
PATIENCE = 2.0  # times the seconds of the bar, after which a call is stopped


@dataclass(frozen=True)
class Case:
    """A problem, and how many of 20 seeds are to be recovered in how many seconds."""

    n: int
    k: int
    rho: float
    kappa: float
    seeds: int
    seconds: float


CASES = (
    Case(5000, 10, 2.0, 1.0, 19, 0.6),
    Case(5000, 10, 1.5, 1.0, 18, 1.5),
    Case(5000, 10, 1.3, 1.0, 14, 6.0),
    Case(1000, 5, 1.5, 10.0, 17, 5.0),
    Case(1000, 5, 4.0, 1e5, 19, 0.5),
)


def recovery_section(quick: bool) -> Section:
    """Every case with 20 seeds."""
    seeds = 2 if quick else 20
    header = [
        "problem",
        "seeds",
        f"recovered to {TARGET:g}",
        "in time",
        "median s",
        "worst s",
        "median error",
    ]
    made = Section(f"exact recovery on unseen cells, {seeds} seeds, one thread", [*header, "the others say"])
    for case in CASES:
        n = case.n // 5 if quick else case.n
        runs = []
        for seed in range(seeds):
            problem = problems.uniform(n, case.k, case.rho, seed=seed, kappa=case.kappa)
            if seed % 5 == 0:
                say(f"{problem.name}: seed {seed} of {seeds}")
            runs.append(stopped_in_time(problem, PATIENCE * case.seconds))
        made.rows.append(row(problem.name, case, runs))
        in_time = sum(within(run, case.seconds) for run in runs)
        reach = f">= {case.seeds} of 20 seeds in {case.seconds:g} s"
        measured = f"{in_time} of {seeds}"
        made.bars.append(
            Bar(f"recovery, {problem.name}", reach, measured, in_time >= case.seeds / 20 * seeds)
        )
    made.notes += [
        "a seed is a matrix, its cells, drawn until every row and column has at least k, and the library's own seed 0; "
        "singular values are in geometric progression where kappa is given",
        f"rtol = {RTOL:g}; times: of recovered seeds; a call is stopped at {PATIENCE:g} times its bar's seconds",
    ]
    return made


def stopped_in_time(problem: Any, most: float) -> Run:
    """One call, stopped by its callback after so many seconds."""

    def told(about: dict[str, float]) -> None:
        if about["seconds"] > most:
            raise StopIteration

    return ours(problem, RTOL, callback=told)


def within(run: Run, seconds: float) -> bool:
    return run.error <= TARGET and run.seconds <= seconds


def row(name: str, case: Case, runs: list[Run]) -> list[str]:
    """Seeds, times and errors."""
    recovered = [run for run in runs if run.error <= TARGET]
    seconds = [run.seconds for run in recovered] or [np.nan]
    in_time = sum(within(run, case.seconds) for run in runs)
    others = sorted({f"{run.note} {run.error:.0e}" for run in runs if run.error > TARGET})
    error = np.median([run.error for run in recovered] or [np.nan])
    figures = [f"{np.median(seconds):.3f}", f"{max(seconds):.3f}", f"{error:.0e}"]
    return [name, str(len(runs)), str(len(recovered)), str(in_time), *figures, ", ".join(others[:4])]
