"""The simulation of `pysolve demo`: smoke around a ball that moves, and its pressure by three libraries."""

import importlib.util
import sys
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import numpy as np

import pysolve
from pysolve import gallery
from pysolve._cli_peers import (
    INSTALL,
    PYAMG_FOR_PRESSURE,
    Outcome,
    Problem,
    Run,
    no_inverse,
    pyamg_inverse,
    pysolve_run,
    relative_residual,
    scipy_cg,
)
from pysolve._cli_progress import Progress
from pysolve._cli_table import aligned, ratio, seconds

STEPS, EVERY = 40, 10  # pysolve solves in every step; the others, which are slower, in one of so many
DT = 0.06
LARGEST = 64  # cells along a side: advection takes its time too
HEADER = ["pressure of one step", "set-up s", "solve s", "iterations", "residual", "ratio"]
NOTE = """The ball moves, so each set-up is for a new matrix, for scipy and pyamg that of the cells outside the ball;
every solve starts from the last pressure."""
OWN = "pysolve, Multilevel"


class Refreshed:
    """The V-cycle of pysolve for one geometry after another, in the same memory."""

    def __init__(self) -> None:
        self.M: Any = None

    def __call__(self, A: Any) -> Any:
        if self.M is None:
            self.M = pysolve.Multilevel(A)
        else:
            self.M.update(A)
        return self.M


@dataclass
class Side:
    """One solver: its answers to the systems that all have solved, and the worst residual among them."""

    run: Run
    outcomes: list[Outcome] = field(default_factory=list)
    worst: float = 0.0

    def times(self) -> list[tuple[float, float]]:
        """Seconds of set-up and solve; the first system is not timed: it warms up and counts iterations."""
        return [(outcome.setup, outcome.solve) for outcome in self.outcomes[1:]]

    def median(self) -> float:
        return float(np.median([sum(pair) for pair in self.times()]))


def simulate(size: int, rtol: float, title: str) -> tuple[Any, str, float]:
    """Run it for a demo of that size; the flow at its end, what to print, and the worst residual."""
    flow = gallery.Smoke((min(max(8, 3 * size // 4), LARGEST),) * 3, moving=True, dt=DT)
    sides = {"scipy": Side(scipy_cg(no_inverse))}
    if importlib.util.find_spec("pyamg") is not None:
        sides["scipy with pyamg SA"] = Side(scipy_cg(partial(pyamg_inverse, **PYAMG_FOR_PRESSURE)))
    sides[OWN] = Side(pysolve_run(pysolve.cg, Refreshed(), matrix_free=True))
    with Progress(title) as progress:
        for k in range(1, STEPS + 1):
            progress.text = f"{title}, step {k} of {STEPS}"
            _step(flow, rtol, sides, k)
    print(f"{title}: pysolve {sides[OWN].median():.3g} s a step", file=sys.stderr, flush=True)
    return flow, _report(flow, sides), max(side.worst for side in sides.values())


def _step(flow: Any, rtol: float, sides: dict[str, Side], k: int) -> None:
    """The k-th step; the flow goes on with the answer of pysolve, which comes last."""
    A, b, x0 = flow.advance()
    if k % EVERY:
        flow.project(sides[OWN].run(Problem(None, b, rtol, None, A, x0), False).x)
        return
    matrix, fluid = A.tocsr(), ~A.decoupled.ravel()
    whole = Problem(matrix, b, rtol, None, A, x0)
    outside = Problem(matrix[fluid][:, fluid], b[fluid], rtol, None, None, x0[fluid])
    for name, side in sides.items():
        outcome = side.run(whole if name == OWN else outside, not side.outcomes)
        side.outcomes.append(outcome)
        x = outcome.x
        if name != OWN:
            x = np.zeros_like(x0)
            x[fluid] = outcome.x
        side.worst = max(side.worst, relative_residual(matrix, b, x))
        flow.project(x)


def _report(flow: Any, sides: dict[str, Side]) -> str:
    rows = []
    for name, side in sides.items():
        setup, solve = (seconds(list(part)) for part in zip(*side.times(), strict=True))
        compared = ratio(side.median(), sides[OWN].median())
        rows.append([name, setup, solve, str(side.outcomes[0].iterations), f"{side.worst:.1e}", compared])
    missing = [] if len(sides) == 3 else [f"Not installed: pyamg ({INSTALL['pyamg']})."]
    size = " x ".join(map(str, flow.shape))
    return "\n".join(
        [f"smoke around a ball that moves, {size} cells\n", aligned(HEADER, rows), "", NOTE, *missing]
    )


def frame(flow: Any) -> Any:
    """A picture of the flow as it is now."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7, 7.3), dpi=120, layout="constrained", facecolor="#0d1018")
    axes = figure.add_subplot()
    flow.draw(axes)
    size = " x ".join(map(str, flow.shape))
    axes.set_title(f"smoke around a ball that moves: {size} cells", color="#d5d9dd", fontsize=12)
    return figure
