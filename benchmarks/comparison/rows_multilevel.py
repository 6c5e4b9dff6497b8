"""Whole solves with the learned V-cycle: iterations by size and weights, and seconds beside the peers' multigrids.

Right-hand sides are random. The peers get the stored matrix of the fluid cells, made outside of what is timed.
"""

from typing import Any

import multigrid_peers as peers
import numpy as np
from multigrid import Plan, Problem, Taken, add_rows, ahead, measured, solved, table
from report import Bar, Section, at_most
from timing import say

from pysolve import gallery

WEIGHTS = ("textbook", "tuned", "untrained", "default")
SINGULAR = (
    "closed box: singular, b without the constant; only beside what needs no factors of a singular matrix"
)
SCENES = ("obstacle_box", "free_surface")
OURS = "pysolve Multilevel"
PLAIN = "pysolve cg, matrix-free"
FACTORED = (
    "IC(0) by ilupp; MIC(0), which it has not, by plain loops compiled in this run; both factor and solve with one "
    "thread, and pysolve's cg iterates"
)


def iterations_section(plan: Plan) -> Section:
    """The same scenes on finer and finer grids, by each set of weights."""
    header = ["scene", "cells", *(f"{name}: {what}" for name in WEIGHTS for what in ("iterations", "s"))]
    title = f"iterations to 1e-06, {plan.threads} thread(s)"
    section = Section(title, [*header, "true residual, default"])
    for scene in SCENES:
        counts = {}
        for side in plan.sizes:
            problem = Problem(gallery.scenes[scene]((side,) * 3))
            row = {name: _once(f"{scene}, {side}^3, {name}", problem, name) for name in WEIGHTS}
            cells = [text for one in row.values() for text in (str(one.iterations), f"{one.total:.3g}")]
            default = row["default"]
            section.rows.append([scene, f"{side}^3", *cells, f"{default.true:.1e}"])
            counts[side] = default.iterations if default.solved else np.inf
        section.bars += _iteration_bars(scene, counts, plan)
    section.notes.append("s: set-up and solve, once; the tables below have medians")
    return section


def _once(label: str, problem: Problem, weights: str) -> Taken:
    say(f"iterations: {label}")
    taken = Taken()
    taken.add(problem, peers.multilevel(weights))
    return taken


def _iteration_bars(scene: str, counts: dict[int, float], plan: Plan) -> list[Bar]:
    first = next(iter(counts.values()))
    said = ", ".join(f"{count:g} at {side}^3" for side, count in counts.items())
    what = f"iterations, {scene}, default weights, {plan.threads} thread(s)"
    same = all(abs(count - first) <= 1 for count in counts.values())
    return [
        Bar(what, "<= 9 at every size", said, max(counts.values()) <= 9),
        Bar(what, "the same at every size, to 1", said, same),
    ]


def peers_section(plan: Plan) -> Section:
    """Set-up and solve beside pyamg, AMGCL, incomplete factors and plain cg."""
    names = (*peers.PYAMG, peers.AMGCL_USUAL, "IC(0)-CG", "MIC(0)-CG", PLAIN)
    bars = {
        "pyamg, its best": (20, names[:2]),
        "AMGCL": (7, names[2:3]),
        "incomplete factors": (15, names[3:5]),
        "pysolve's own cg": (6, names[5:]),
    }
    section = table(f"peers, {plan.n}^3, 1e-06, {plan.threads} thread(s)")
    there, missing = peers.chosen(*names)
    for scene in SCENES:
        problem = Problem(gallery.scenes[scene]((plan.n,) * 3)).stored()
        taken = measured(scene, problem, {OURS: peers.multilevel(), **there}, plan)
        add_rows(section, scene, taken, OURS)
        for what, (reach, them) in bars.items():
            label = f"{scene} {plan.n}^3, {plan.threads} thread(s), {what}"
            section.bars.append(ahead(label, reach, taken, OURS, them))
    _closed_box(section, plan)
    section.notes += [*missing, FACTORED]
    return section


def closed_box(side: int) -> Any:
    """Walls on all sides, and a ball and a beam in it: the constant is in the null space."""
    x = (np.indices((side,) * 3, dtype=np.float32) + 0.5) / side
    ball = sum((x[k] - place) ** 2 for k, place in enumerate((0.4, 0.6, 0.5))) < 0.15**2
    beam = (abs(x[0] - 0.75) < 0.07) & (abs(x[1] - 0.3) < 0.07)
    return gallery.poisson((side,) * 3, solid=ball | beam, boundary="neumann")


def _closed_box(section: Section, plan: Plan) -> None:
    """A row for each solver that copes with a singular matrix, and the same bars."""
    A = closed_box(plan.n)
    b = np.random.default_rng(0).standard_normal(A.shape[0])
    problem = Problem(A, b=A.project_out_null_space(b)).stored()
    there, _ = peers.chosen(*peers.PYAMG, PLAIN)
    taken = measured("closed box", problem, {OURS: peers.multilevel(), **there}, plan)
    add_rows(section, "closed box", taken, OURS)
    for what, reach, them in (("pyamg, its best", 20, peers.PYAMG), ("pysolve's own cg", 6, [PLAIN])):
        label = f"closed box {plan.n}^3, {plan.threads} thread(s), {what}"
        section.bars.append(ahead(label, reach, taken, OURS, them))
    section.notes.append(SINGULAR)


def log_normal_section(plan: Plan) -> Section:
    """Flow in a porous medium in two dimensions."""
    names = (peers.AMGCL_USUAL, *peers.PYAMG)
    section = table(f"log-normal coefficient, {plan.n_flat}^2, contrast 1e3, {plan.threads} thread(s)")
    there, missing = peers.chosen(*names)
    for seed in plan.seeds[:1]:
        problem = Problem(gallery.log_normal((plan.n_flat,) * 2, contrast=1e3, rng=seed), seed).stored()
        taken = measured("log-normal", problem, {OURS: peers.multilevel(), **there}, plan)
        add_rows(section, f"seed {seed}", taken, OURS)
        for what, reach, them in (("AMGCL", 4, names[:1]), ("pyamg, its best", 1, names[1:])):
            label = f"log-normal {plan.n_flat}^2, {plan.threads} thread(s), {what}"
            section.bars.append(ahead(label, reach, taken, OURS, them))
    section.notes += missing
    return section


def _hard(scene: str, side: int, seed: int) -> Any:
    shape = (side,) * 3
    if scene == "anisotropic 100:1":
        return gallery.anisotropic(shape, ratio=100.0, axis=seed % 3)  # nothing is random in it but the axis
    make, contrast = {
        "bubbles, contrast 1e3": (gallery.bubbles, 1e3),
        "log-normal, contrast 1e6": (gallery.log_normal, 1e6),
    }[scene]
    return make(shape, contrast=contrast, rng=seed)


HARD = ("bubbles, contrast 1e3", "log-normal, contrast 1e6", "anisotropic 100:1")


def hard_section(plan: Plan) -> Section:
    """Coefficients for which one set of weights is poor; on the first seed beside the peers."""
    section = table(f"hard coefficients, unseen seeds, 1e-06, {plan.threads} thread(s)")
    pyamg, missing = peers.chosen(*peers.PYAMG)
    amgcl, absent = peers.chosen(*peers.AMGCL)
    ours = {f"{OURS}, {name}": peers.multilevel(name) for name in WEIGHTS}
    default = f"{OURS}, default"
    for scene in HARD:
        for side in plan.hard_sizes:
            by_seed = []
            for seed in plan.seeds:
                problem, makers = Problem(_hard(scene, side, seed), seed), dict(ours)
                label = f"{scene}, {side}^3, seed {seed}"
                if seed == plan.seeds[0]:
                    problem.stored()
                    best = [peers.best_amgcl(label, problem)] if amgcl else []
                    makers |= pyamg | {name: amgcl[name] for name in best}
                taken = measured(label, problem, makers, plan)
                add_rows(section, label, taken, default)
                by_seed.append(taken)
            section.bars += _hard_bars(f"{scene}, {side}^3, {plan.threads} thread(s)", by_seed)
    tried = [
        f"AMGCL: the fastest of {', '.join(peers.AMGCL)}; each is tried once for a coefficient and a size"
    ]
    section.notes += [*missing, *(absent or tried), "anisotropic: the strong axis is the seed modulo 3"]
    return section


def _hard_bars(label: str, by_seed: list[dict[str, Taken]]) -> list[Bar]:
    """Iterations are summed over the seeds; the cost of one is the mean of the medians."""
    default, tuned, untrained = (f"{OURS}, {name}" for name in ("default", "tuned", "untrained"))

    def over(other: str, what: str) -> float:
        ours, theirs = (sum(getattr(taken[name], what) for taken in by_seed) for name in (default, other))
        return float(ours / theirs)

    said, learned = f"{label}, default over tuned", f"{label}, what learning gives: default over untrained"
    bars = [
        at_most(f"{said}: iterations", 0.6, over(tuned, "iterations")),
        at_most(f"{said}: cost of one", 1.2, over(tuned, "per_iteration")),
        at_most(f"{learned}: iterations", 1, over(untrained, "iterations")),
    ]
    for taken in by_seed:
        solved(bars[0], taken[default])
    for what, them in (("AMGCL", peers.AMGCL), ("pyamg, its best", peers.PYAMG)):
        bars.append(ahead(f"{label}, {what}", 1, by_seed[0], default, them))
    return bars
