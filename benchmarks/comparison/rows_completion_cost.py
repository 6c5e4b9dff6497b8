"""What an iteration costs against the rank, at a fixed number of entries, and its picture."""

from __future__ import annotations

import dataclasses
import os
from pathlib import Path
from typing import Any

import completion_problems as problems
import numpy as np
from completion_runs import ABSENT, Peer, an_iteration, has_cmfrec
from report import Section, at_most
from timing import say

import pysolve

RANKS = (10, 20, 32, 50, 64, 100, 128, 200, 256)
EXACT = (10, 20, 32, 50)  # ranks at which cmfrec's Cholesky is measured: at 256 an iteration takes minutes
CG = (10, 50, 128)
EXPONENT = 1.15
ITERATIONS = 7  # of a call: from the eighth on rows are probed now and then
Costs = dict[str, dict[int, float]]  # library -> rank -> seconds of an iteration


def cost_section(quick: bool, picture: Path | None) -> Section:
    """Seconds of an iteration of each library, the exponents fitted, and where they are drawn."""
    n, count = (300, 2 * 10**4) if quick else (5000, 3 * 10**6)
    ranks = (4, 8, 16) if quick else RANKS
    made = Section(
        f"an iteration against k, m = n = {n}, {count:,} entries, one thread",
        ["k", "pysolve, float32: ms", "ns an entry and k", "cmfrec Cholesky: ms", "cmfrec CG: ms"],
    )
    costs: Costs = {"pysolve": {}, "Cholesky": {}, "CG": {}}
    base = problems.counted(n, ranks[0], count)
    for k in ranks:
        say(f"an iteration at k = {k}")
        problem = of_rank(base, k)
        costs["pysolve"][k] = ours(problem, 2 if quick else 4)
        for name, wanted in ("Cholesky", EXACT), ("CG", CG):
            if has_cmfrec() and (k in wanted or quick):
                peer = Peer(use_cg=name == "CG", use_float=True)
                more = max(1, 60 // k)  # enough that the start hardly counts
                costs[name][k] = an_iteration(
                    peer, problem, more, tries=1 if k == 50 and not peer.use_cg else 2
                )
        cells = [f"{1e3 * costs[name][k]:.1f}" if k in costs[name] else "" for name in costs]
        made.rows.append([str(k), cells[0], f"{1e9 * costs['pysolve'][k] / count / k:.3f}", *cells[1:]])
    slopes = {name: exponent(found) for name, found in costs.items() if len(found) > 1}
    made.notes += [f"{name}: grows as k^{slope:.2f}" for name, slope in slopes.items()]
    upper = {k: costs["pysolve"][k] for k in ranks if k >= ranks[len(ranks) // 2]}
    made.notes.append(f"pysolve, the upper half of the ranks alone: grows as k^{exponent(upper):.2f}")
    made.notes.append("medians over calls of 7 iterations; cmfrec: what one more iteration adds, float32")
    if not has_cmfrec():
        made.notes.append(ABSENT)
    what = f"cost of an iteration, k = {ranks[0]} .. {ranks[-1]}: exponent of k"
    made.bars.append(at_most(what, EXPONENT, slopes["pysolve"], ""))
    if picture is not None:
        draw(costs, slopes, picture, made.title)
        made.notes.append(f"drawn in {picture.name}")
    return made


def of_rank(base: Any, k: int) -> Any:
    """The same cells of a Gaussian matrix of another rank."""
    U, V = np.random.default_rng(k).standard_normal((2, base.shape[0], k))
    values = problems.cells(U, V, base.rows, base.cols)
    truth = problems.cells(U, V, *base.unseen)
    return dataclasses.replace(base, k=k, values=values, truth=truth, name=f"k = {k}")


def ours(problem: Any, repeat: int) -> float:
    """Median seconds of an iteration of the float32 stage, without the first, which follows the start."""
    found = []
    for _ in range(repeat):
        result = pysolve.matrix_completion(
            problem.observed, problem.k, method="als", dtype="f4", rtol=0.0, maxiter=ITERATIONS, rng=0
        )
        found += np.diff(result.history["seconds"]).tolist()
    return float(np.median(found))


def exponent(costs: dict[int, float]) -> float:
    """Of k, by least squares in logarithms."""
    return float(np.polyfit(np.log(list(costs)), np.log(list(costs.values())), 1)[0])


def draw(costs: Costs, slopes: dict[str, float], path: Path, title: str) -> None:
    """Seconds against k on logarithmic axes, with the slopes of k and k^2; written whole or not at all."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(figsize=(7, 4.6), layout="constrained")
    labels = {"pysolve": "pysolve", "Cholesky": "cmfrec, Cholesky", "CG": "cmfrec, CG"}
    for (name, found), marker in zip(costs.items(), "os^", strict=True):
        if found:
            slope = f": $k^{{{slopes[name]:.2f}}}$" if name in slopes else ""
            axes.loglog(list(found), list(found.values()), marker=marker, label=labels[name] + slope)
    ranks = np.array(list(costs["pysolve"]))
    first = costs["pysolve"][int(ranks[0])]
    for power, style in (1, "--"), (2, ":"):
        guide = first * (ranks / ranks[0]) ** power
        label = "slope of $k$" if power == 1 else "slope of $k^2$"
        axes.loglog(ranks, guide, style, color="grey", linewidth=1, label=label)
    axes.set_xticks(ranks, [str(k) for k in ranks])
    axes.minorticks_off()
    axes.set(xlabel="rank k", ylabel="seconds of an iteration", title=title)
    axes.title.set_fontsize(10)
    axes.legend()
    axes.grid(alpha=0.3)
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f".{path.name}.part")
    try:
        figure.savefig(part, dpi=150, format="png")
        os.replace(part, path)
    finally:
        part.unlink(missing_ok=True)
        plt.close(figure)
