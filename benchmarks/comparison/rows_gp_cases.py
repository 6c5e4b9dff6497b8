"""The cases of the paper: error and CPU seconds, beside Chebyshev collocation and quoted runs of the reference."""

from __future__ import annotations

import gp_chebyshev
from gp_runs import fastest
from report import Bar, Section, at_least, at_most
from timing import say

import pysolve
from pysolve import gallery

LINES = ("P1", "P2", "P3", "P4", "P5", "A1", "A3")
SQUARES = ("P6", "P7", "A2D", "ADV")
REACH = {**dict.fromkeys(LINES, 1e-7), "P2": 1e-8, **dict.fromkeys(SQUARES, 2e-8)}
SECONDS = {**dict.fromkeys(LINES, 0.5), **dict.fromkeys(SQUARES, 4.0)}
STRETCH = 1e-9
# Runs of the paper's own code (JAX) made before this benchmark on two CPU cores; they are not repeated here.
QUOTED = {
    "P1": "9.7e-5 after 15k Adam steps",
    "P2": "1e-3 to 1e-4 after 1000k",
    "P3": "7.5e-4 after 15k",
    "P5": "0.28 after 10k; 1e-3 to 1e-4 after 1000k",
}
STEP_SECONDS, STEPS, SOONER = 3.8, 15_000, 1000.0
QUICK_SIDE = 40  # points of an axis of the squares in a quick run, too few for most of them


def lines_section(quick: bool) -> Section:
    """One dimension."""
    return section("The paper's cases, one dimension", LINES[:3] if quick else LINES, None)


def squares_section(quick: bool) -> Section:
    """Two dimensions."""
    names = ("P7", "ADV") if quick else SQUARES
    return section("The paper's cases, two dimensions", names, QUICK_SIDE if quick else None)


def section(title: str, names: tuple[str, ...], n: int | None) -> Section:
    header = ["case", "points", "error", "CPU s", "status", "Chebyshev error", "CPU s ", "reference (quoted)"]
    made = Section(title, header)
    for name in names:
        say(name)
        add(made, gallery.pde_case(name, n))
    made.notes.append(
        "error: relative 2-norm on 300 evenly spaced points of every axis; CPU seconds of the whole call, one thread, "
        "the least of three; defaults, the same in all cases; Chebyshev: collocation with as many points of each axis"
    )
    made.notes.append(
        f"reference: the paper's code, measured beforehand at {STEP_SECONDS} CPU-s a step on P1 (two cores, 2.2 GB), "
        "and at the checkpoint that is best by the true solution; not repeated here; the seconds to 1e-4 are those "
        "of 15k such steps, on P3 too, where it is not there yet"
    )
    return made


def add(made: Section, case: gallery.PDECase) -> None:
    """The row of a case, and its bars."""
    run = fastest(lambda: pysolve.gp_pde(**case.arguments))
    error = case.error(run.result)
    n = len(case.axes[0])
    peer = fastest(lambda: gp_chebyshev.solve_case(case, n))
    figures = [f"{error:.1e}", f"{run.seconds:.3f}", run.result.status.name.lower()]
    theirs = [f"{case.error(peer.result):.1e}", f"{peer.seconds:.3f}"]
    made.rows.append(
        [case.name, " x ".join([str(n)] * len(case.axes)), *figures, *theirs, QUOTED.get(case.name, "-")]
    )
    made.bars += bars(case.name, error, run.seconds)


def bars(name: str, error: float, seconds: float) -> list[Bar]:
    """Error and time, and how much sooner than the reference."""
    found = [
        at_most(f"{name}: error", REACH[name], error, ""),
        at_most(f"{name}: error, stretch", STRETCH, error, ""),
        at_most(f"{name}: CPU seconds", SECONDS[name], seconds, " s"),
    ]
    if name in ("P1", "P3"):
        sooner = at_least(
            f"{name}: to 1e-4, sooner than the reference", SOONER, STEPS * STEP_SECONDS / seconds
        )
        sooner.met = sooner.met and error <= 1e-4
        found.append(sooner)
    return found
