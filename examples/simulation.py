"""
A simulation, with three solvers side by side
=============================================

Smoke rises around a ball (`pysolve.gallery.Smoke`); every step solves for the pressure, with pysolve, with SciPy
or with pyamg, or with all of them in turn::

    python examples/simulation.py --solver all --shape 64 64 64 --steps 50
    python examples/simulation.py --solver pysolve --shape 128 128 128 --moving --plot frame.png

All get the same systems, the same start (the last pressure) and the same tolerance, which is checked on the
residual recomputed from their answers. When the ball has moved, pyamg builds its hierarchy anew and pysolve
updates its own; when it has not, both keep what they have. SciPy and pyamg get the matrix of the fluid cells in CSR
form, made off the clock. All run on one thread unless ``OMP_NUM_THREADS`` says otherwise.
"""

import argparse
import importlib.util
import os
import sys
import time
from dataclasses import dataclass, field

if __name__ == "__main__":  # before NumPy is loaded: one thread for all, as scipy's cg has no more
    for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
        os.environ.setdefault(variable, "1")

import numpy as np
from scipy.sparse.linalg import cg

import pysolve

RTOL = 1e-6
SMALLEST = 8  # cells along a side
PICTURES = ("png", "pdf", "svg")
SOLVERS = ("scipy", "pyamg", "pysolve")
# The fastest of the settings that were tried on problems like this one.
PYAMG = {
    "improve_candidates": None,
    "max_coarse": 500,
    "presmoother": ("gauss_seidel", {"sweep": "forward"}),
    "postsmoother": ("gauss_seidel", {"sweep": "backward"}),
}
HEADER = (
    *("solver", "s per step", "set-up s per step", "solve s per step", "iterations"),
    *("worst residual", "worst divergence"),
)


# %%
# The solvers: what is made when the geometry is new, and one solve.


class Scipy:
    """scipy.sparse.linalg.cg on the CSR matrix."""

    fluid_only = True  # the ball's cells would cost it a row each
    M = None

    def set_up(self, A, matrix):
        self.matrix = matrix

    def solve(self, b, x0):
        iterations = []
        x, _ = cg(self.matrix, b, x0=x0, rtol=RTOL, M=self.M, callback=lambda _: iterations.append(1))
        return x, len(iterations)


class Pyamg(Scipy):
    """The same, with a V-cycle of pyamg's smoothed aggregation as preconditioner."""

    def set_up(self, A, matrix):
        import pyamg

        super().set_up(A, matrix)
        levels = pyamg.smoothed_aggregation_solver(matrix, **PYAMG)
        coarsest = levels.levels[-1].A
        levels.coarse_solver(coarsest, np.zeros(coarsest.shape[0]))  # which is factored at the first use
        self.M = levels.aspreconditioner()


class Pysolve:
    """pysolve.cg on the operator, without a matrix, with the learned V-cycle as preconditioner."""

    fluid_only = False
    M = None

    def set_up(self, A, matrix):
        self.A, self.M = A, preconditioner(A, self.M)

    def solve(self, b, x0):
        result = pysolve.cg(self.A, b, x0=x0, rtol=RTOL, M=self.M)
        return result.x, result.iterations


def preconditioner(A, last):
    """The preconditioner for A; `last` is that of the geometry before, or None."""
    if last is None:
        return pysolve.Multilevel(A)
    last.update(A)  # in the memory that it has
    return last


MAKE = {"scipy": Scipy, "pyamg": Pyamg, "pysolve": Pysolve}


# %%
# The simulation: each solver answers the system of every step, and the flow goes on with the last answer.


@dataclass
class Measured:
    """Of one solver: seconds and iterations of every step, and the worst answer."""

    setup: list[float] = field(default_factory=list)
    solve: list[float] = field(default_factory=list)
    project: list[float] = field(default_factory=list)
    iterations: list[int] = field(default_factory=list)
    residual: float = 0.0
    divergence: float = 0.0


def simulate(names, shape, steps, moving=False, progress=lambda text: None):
    """Run the flow; returns it, the seconds of its own work in each step, and {name: Measured}."""
    flow, last = pysolve.gallery.Smoke(shape, moving=moving), None
    solvers = {name: (MAKE[name](), Measured()) for name in names}
    advance = []
    for k in range(1, steps + 1):
        start = time.perf_counter()
        A, b, x0 = flow.advance()
        advance.append(time.perf_counter() - start)
        if moved := A is not last:
            last, matrix, fluid = A, A.tocsr(), ~A.decoupled.ravel()
            stored = matrix[fluid][:, fluid]
        for name, (solver, measured) in solvers.items():
            progress(f"step {k} of {steps}: {name}")
            if solver.fluid_only:
                x = np.zeros_like(x0)
                x[fluid] = answer(solver, measured, (A, stored, b[fluid], x0[fluid]), moved)
            else:
                x = answer(solver, measured, (A, matrix, b, x0), moved)
            judge(measured, flow, matrix, b, x)
    return flow, advance, {name: measured for name, (_, measured) in solvers.items()}


def answer(solver, measured, system, moved):
    """One step of one solver, timed."""
    A, matrix, b, x0 = system
    start = time.perf_counter()
    if moved:
        solver.set_up(A, matrix)
    ready = time.perf_counter()
    x, iterations = solver.solve(b, x0)
    measured.solve.append(time.perf_counter() - ready)
    measured.setup.append(ready - start)
    measured.iterations.append(iterations)
    return x


def judge(measured, flow, matrix, b, x):
    """Let the flow go on with the answer, and see how good it is."""
    start = time.perf_counter()
    flow.project(x)
    measured.project.append(time.perf_counter() - start)
    residual = np.linalg.norm(b - matrix @ x) / np.linalg.norm(b)
    measured.residual = max(measured.residual, float(residual))
    measured.divergence = max(measured.divergence, float(np.abs(flow.divergence).max()))


# %%
# What is printed and drawn.


def table(advance, results):
    """The figures side by side; the first step, in which memory is touched for the first time, counts too."""
    rows = [HEADER]
    for name, m in results.items():
        whole = np.mean(advance) + np.mean(m.setup) + np.mean(m.solve) + np.mean(m.project)
        figures = [f"{value:.4f}" for value in (whole, np.mean(m.setup), np.mean(m.solve))]
        rows.append(
            (name, *figures, f"{np.mean(m.iterations):.1f}", f"{m.residual:.1e}", f"{m.divergence:.1e}")
        )
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return "\n".join(
        "  ".join(
            cell.ljust(w) if i == 0 else cell.rjust(w)
            for i, (cell, w) in enumerate(zip(row, widths, strict=True))
        )
        for row in rows
    )


def picture(flow, path, title):
    """Draw the flow as it is now."""
    from matplotlib.figure import Figure

    height = 7.0 * flow.shape[0] / flow.shape[1]
    figure = Figure(figsize=(7.0, height + 0.3), dpi=120, layout="constrained", facecolor="#0d1018")
    axes = figure.add_subplot()
    flow.draw(axes)
    axes.set_title(title, color="#d5d9dd", fontsize=12)
    figure.savefig(path)


class Progress:
    """A word on stderr now and then, once two seconds have gone by: one line, rewritten, on a terminal."""

    def __init__(self):
        self.start = self.last = time.perf_counter()
        self.live, self.shown = sys.stderr.isatty(), False

    def __call__(self, text):
        now = time.perf_counter()
        if now - self.start > 2 and now - self.last > (0.2 if self.live else 5.0):
            line = f"{text}, {now - self.start:.0f} s"
            print(
                f"\r\x1b[K{line}" if self.live else line,
                end="" if self.live else "\n",
                file=sys.stderr,
                flush=True,
            )
            self.last, self.shown = now, True

    def done(self):
        if self.shown and self.live:
            print("\r\x1b[K", end="", file=sys.stderr)


def arguments(argv):
    parser = argparse.ArgumentParser(description="Smoke around a ball: seconds per step, by solver.")
    parser.add_argument("--solver", choices=(*SOLVERS, "all"), default="all")
    parser.add_argument(
        "--shape", type=int, nargs="+", default=[64, 64, 64], metavar="N", help="2 or 3 extents"
    )
    parser.add_argument("--steps", type=int, default=50)
    parser.add_argument("--moving", action="store_true", help="the ball swings to and fro")
    parser.add_argument("--plot", metavar="FILE", help="draw the last step; needs matplotlib")
    options = parser.parse_args(argv)
    if options.steps < 1:
        parser.error(f"argument --steps: must be at least 1, got {options.steps}")
    if len(options.shape) not in (2, 3) or min(options.shape) < SMALLEST:
        shape = " ".join(map(str, options.shape))
        parser.error(f"argument --shape: must be 2 or 3 extents, each at least {SMALLEST}, got {shape}")
    if options.plot is not None:
        fault = why_not_drawn(options.plot)
        if fault:
            parser.error(f"argument --plot: {fault}")
    return options


def why_not_drawn(path):
    """Why no picture can be drawn and written to `path`; empty if one can."""
    if importlib.util.find_spec("matplotlib") is None:
        return "needs matplotlib, which is not installed: pip install matplotlib"
    kind = os.path.splitext(path)[1][1:].lower()
    if kind not in PICTURES:
        return f"must be a file that ends in {', '.join('.' + known for known in PICTURES)}, got {path!r}"
    folder = os.path.dirname(path) or "."
    if not os.path.isdir(folder):
        return f"cannot write {path!r}: there is no folder {folder!r}"
    target = path if os.path.exists(path) else folder
    if os.path.isdir(path) or not os.access(target, os.W_OK):
        return f"cannot write {path!r}: it is a folder, or not writable"
    return ""


def main(argv=None):
    options = arguments(argv)
    names = [name for name in SOLVERS if options.solver in (name, "all")]
    if "pyamg" in names and importlib.util.find_spec("pyamg") is None:
        print("pyamg is not installed (pip install pyamg): left out")
        names.remove("pyamg")
    if not names:
        return 1
    progress = Progress()
    flow, advance, results = simulate(names, options.shape, options.steps, options.moving, progress)
    progress.done()
    size = " x ".join(map(str, flow.shape))
    kind = "a ball that moves" if options.moving else "a ball at rest"
    threads = pysolve.show_config()["openmp_threads"]
    print(
        f"smoke around {kind}: {size} cells, {options.steps} steps, rtol {RTOL:g}; threads: pysolve {threads}, scipy 1"
    )
    print(table(advance, results))
    print(f"s per step: all of it, of which {np.mean(advance):.4f} s move smoke and air")
    if options.plot:
        picture(flow, options.plot, f"smoke around {kind}: {size} cells, {options.steps} steps")
        print(f"drawn: {options.plot}")
    missed = [name for name, m in results.items() if m.residual > 1.01 * RTOL]
    if missed:
        print(f"the tolerance was missed by: {', '.join(missed)}")
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
