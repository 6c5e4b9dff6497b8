"""One application of the learned V-cycle beside a product and the memory's bandwidth, its set-up, tight tolerances."""

from typing import Any

import multigrid_peers as peers
import numpy as np
from multigrid import Plan, Problem, add_rows, measured, reached, table
from report import Bar, Section, at_least, at_most
from rows_multilevel import OURS, SCENES, closed_box
from timing import Times, interleaved, say

import pysolve
from pysolve import gallery

FITTED = ("tuned", "default")  # by hand, and by learning: the shipped ones


def cycle_section(plan: Plan) -> Section:
    """The V-cycle by hand and as shipped, beside a product in double precision and beside the bandwidth."""
    header = [
        "system",
        "weights",
        "steps",
        "product ms",
        "V-cycle ms",
        "ratio",
        "MB a V-cycle",
        "GB/s",
        "of the copy",
    ]
    section = Section(f"one V-cycle, {plan.n}^3, {plan.threads} thread(s)", header)
    copy = max(plan.limits.copy.values())
    for system, A in _systems(plan).items():
        say(f"cycle, {plan.threads} thread(s): {system}")
        r, made = Problem(A).b, {weights: pysolve.Multilevel(A, weights=weights) for weights in FITTED}
        calls = {"product": lambda A=A, r=r: A.matvec(r)}
        calls |= {weights: lambda M=M, r=r: M.matvec(r) for weights, M in made.items()}
        times = interleaved(calls, 2 * plan.rounds, plan.budget)
        for weights, M in made.items():
            section.bars += _cycle_row(section, (system, weights), M, times, copy)
    section.notes.append(
        f"of the copy: of {copy:.1f} GB/s, the fastest far beyond the caches; more than all of it is possible "
        "where the last cache keeps a part of the levels"
    )
    section.notes.append("steps: of the smoother on a level, on the way down and again on the way up")
    section.notes.append(
        "closed box: constants are taken out before and after, in the seconds and not in the MB, so no bar for the GB/s"
    )
    section.notes.append("MB: what the kernels' headers say that one application moves")
    return section


def _systems(plan: Plan) -> dict[str, Any]:
    shape = (plan.n,) * 3
    scenes = {name: gallery.scenes[name](shape) for name in SCENES}
    return {"empty box": gallery.poisson(shape), "closed box": closed_box(plan.n), **scenes}


def _cycle_row(section: Section, names: tuple[str, str], M: Any, times: Times, copy: float) -> list[Bar]:
    """A row for a system and weights."""
    product, cycle = times.median("product"), times.median(names[1])
    steps = str(M._weights.dimensions[3].tau.shape[1])
    rate = M.bytes_per_cycle / cycle / 1e9
    moved = [f"{M.bytes_per_cycle / 1e6:.1f}", f"{rate:.1f}", f"{rate / copy:.0%}"]
    row = [f"{product * 1e3:.3g}", f"{cycle * 1e3:.3g}", f"{cycle / product:.2f}x", *moved]
    section.rows.append([*names, steps, *row])
    what = f"{section.title}, {', '.join(names)}"
    bars = [
        at_most(f"{what}, over a product", 6, cycle / product),
        at_least(f"{what}, share of the copy", 60, 100 * rate / copy, " %"),
    ]
    return (
        bars if M.A.n_components == 0 else bars[:1]
    )  # the bytes of taking out the constants are not counted


def setup_section(plan: Plan) -> Section:
    """Making the hierarchy, and making it again for new coefficients, in V-cycles."""
    header = ["system", "weights", "V-cycle ms", "set-up ms", "in V-cycles", "update ms", "in V-cycles"]
    section = Section(f"set-up, {plan.n}^3, {plan.threads} thread(s)", header)
    for scene in SCENES:
        A = gallery.scenes[scene]((plan.n,) * 3)
        for weights in FITTED:
            say(f"set-up, {plan.threads} thread(s): {scene}, {weights}")
            times = _setup_times(A, weights, plan)
            cycle, setup, update = (times.median(name) for name in ("cycle", "setup", "update"))
            row = [
                f"{setup * 1e3:.3g}",
                f"{setup / cycle:.2f}",
                f"{update * 1e3:.3g}",
                f"{update / cycle:.2f}",
            ]
            section.rows.append([scene, weights, f"{cycle * 1e3:.3g}", *row])
            what = f"{section.title}, {scene}, {weights}, over a V-cycle"
            section.bars.append(at_most(what, 5, setup / cycle))
    return section


def _setup_times(A: Any, weights: str, plan: Plan) -> Times:
    M, r = pysolve.Multilevel(A, weights=weights), Problem(A).b
    calls = {
        "cycle": lambda: M.matvec(r),
        "setup": lambda: pysolve.Multilevel(A, weights=weights),
        "update": lambda: M.update(A),
    }
    return interleaved(calls, 2 * plan.rounds, plan.budget)


def tight_section(plan: Plan) -> Section:
    """A single-precision cycle within a double-precision iteration reaches what double precision can."""
    section = table(f"tight tolerances, {plan.n}^3, {plan.threads} thread(s)")
    for scene in SCENES:
        A = gallery.scenes[scene]((plan.n,) * 3)
        for rtol in (1e-10, 1e-12):
            problem = Problem(A, rtol=rtol)
            taken = measured(f"{scene}, {rtol:g}", problem, {OURS: peers.multilevel()}, plan)
            add_rows(section, f"{scene}, {rtol:g}", taken, OURS)
            true = taken[OURS].true
            what = f"{scene} {plan.n}^3, {plan.threads} thread(s), true residual"
            section.bars.append(Bar(what, f"<= {rtol:g}", f"{true:.2e}", reached(true, rtol)))
    least = np.finfo(float).eps
    section.notes.append(f"the rounding of double precision is {least:.1e}")
    return section
