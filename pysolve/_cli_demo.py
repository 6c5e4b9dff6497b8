"""`pysolve demo`: scipy's cg beside pysolve's on built-in problems, in a simulation, in a sequence that is learned,
and on a differential equation.

Same system, tolerance and threads.
"""

import os
import sys
from argparse import Namespace
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy import ndimage

import pysolve
from pysolve import gallery
from pysolve._cli_files import InputError
from pysolve._cli_pde import equation
from pysolve._cli_peers import (
    Outcome,
    Problem,
    Run,
    no_inverse,
    pysolve_run,
    relative_residual,
    scipy_cg,
    scipy_jacobi,
)
from pysolve._cli_progress import Progress
from pysolve._cli_sequence import learn
from pysolve._cli_simulation import frame, simulate
from pysolve._cli_table import aligned, ratio, seconds, threads_text
from pysolve._cli_threads import rerun
from pysolve._cli_writing import check_picture_path, write_picture

RTOL, REPEAT, N_SMALL = 1e-6, 3, 100
SIDE = ["iterations", "residual"]
HEADER = ["problem", "unknowns", "scipy s", *SIDE, "pysolve s", *SIDE, "ratio"]
NOTE = """ratio: seconds of scipy over seconds of pysolve, set-up included; scipy always gets the CSR matrix.
residual: norm(b - A x) / norm(b), recomputed for both with the same matrix."""


@dataclass
class Case:
    """A row of the table: `scipy` and `pysolve` each solve all the problems."""

    title: str
    problems: list[Problem]
    scipy: Run
    pysolve: Run


@dataclass
class Measured:
    """One side: median seconds, iterations of all problems together, worst residual, last answer."""

    time: float
    iterations: int
    residual: float
    x: np.ndarray


def demo(arguments: Namespace) -> int:
    """Run `pysolve demo`; 0 when every solve converged, else 1."""
    if arguments.plot:
        check_picture_path(arguments.plot)
        for path in _beside(arguments.plot):
            check_picture_path(path, [arguments.plot])
    if (code := rerun(arguments)) is not None:
        return code
    cases = [make(arguments.size) for make in CASES]
    n_parts = len(cases) + 3
    results = [_measure(case, f"[{i}/{n_parts}] {case.title}") for i, case in enumerate(cases, 1)]
    flow, report, residual = simulate(arguments.size, RTOL, f"[{n_parts - 2}/{n_parts}] smoke around a ball")
    sequence, learned, worst = learn(arguments.size, RTOL, f"[{n_parts - 1}/{n_parts}] heat equation")
    solution, truth, noisy, solved = equation(f"[{n_parts}/{n_parts}] an equation with noise")
    print(f"scipy's cg beside pysolve's, rtol {RTOL:g}, medians of {REPEAT}, interleaved; {threads_text()}\n")
    print(aligned(HEADER, [_row(case, *pair) for case, pair in zip(cases, results, strict=True)]))
    print(f"\n{NOTE}\n\n{report}\n\n{learned}\n\n{noisy}\n")
    _draw(
        arguments.plot,
        cases,
        results,
        [lambda: frame(flow), sequence.plot, lambda: solution.plot(truth=truth)],
    )
    worst = max(worst, residual, *(side.residual for pair in results for side in pair))
    return 0 if worst <= 1.01 * RTOL and solved else 1


def _poisson_csr(size: int) -> Case:
    A = gallery.poisson((size,) * 3, format="csr")
    return Case(f"Poisson {size}^3, CSR", [_random(A)], scipy_cg(no_inverse), _cg(no_inverse))


def _poisson_free(size: int) -> Case:
    A = gallery.poisson((size,) * 3)
    problem = _random(A.tocsr(), A)
    return Case(f"Poisson {size}^3, matrix-free", [problem], scipy_cg(no_inverse), _cg(no_inverse, True))


def _obstacles(size: int) -> Case:
    A = gallery.obstacle_box((size,) * 3)
    problem = Problem(A.tocsr(), _inflow(A), RTOL, None, A)
    return Case(f"obstacle box {size}^3, matrix-free", [problem], scipy_cg(no_inverse), _cg(no_inverse, True))


def _log_normal(size: int) -> Case:
    A = gallery.log_normal((4 * size,) * 2, rng=0, format="csr")
    title = f"log-normal {4 * size}^2, CSR, Jacobi"
    return Case(title, [_random(A)], scipy_cg(scipy_jacobi), _cg(pysolve.Jacobi))


def _many_small(size: int) -> Case:
    A, rng = gallery.poisson((10, 10), format="csr"), np.random.default_rng(0)
    problems = [Problem(A, rng.standard_normal(100), RTOL) for _ in range(N_SMALL)]
    return Case(f"{N_SMALL} small systems, CSR", problems, scipy_cg(no_inverse), _cg(no_inverse))


CASES = (_poisson_csr, _poisson_free, _obstacles, _log_normal, _many_small)


def _cg(make_inverse: Callable, matrix_free: bool = False) -> Run:
    return pysolve_run(pysolve.cg, make_inverse, matrix_free)


def _random(csr: Any, operator: Any = None) -> Problem:
    return Problem(csr, np.random.default_rng(0).standard_normal(csr.shape[0]), RTOL, None, operator)


def _inflow(A: Any) -> np.ndarray:
    """Fluid enters evenly through the floor and leaves through the open top."""
    b = np.zeros(A.grid_shape)
    b[0] = ~A.decoupled[0]
    return b.reshape(-1)


def _measure(case: Case, title: str) -> list[Measured]:
    """Scipy's side and pysolve's; the first round is not timed: it warms up and counts iterations."""
    runs = {"scipy": case.scipy, "pysolve": case.pysolve}
    rounds: dict[str, list[list[Outcome]]] = {name: [] for name in runs}
    for turn in range(REPEAT + 1):
        for name, run in runs.items():
            with Progress(f"{title}: {name}, {f'run {turn} of {REPEAT}' if turn else 'warming up'}"):
                rounds[name].append([run(problem, turn == 0) for problem in case.problems])
    pair = [_summary(case.problems, rounds[name]) for name in runs]
    text = f"{title}: scipy {pair[0].time:.3g} s, pysolve {pair[1].time:.3g} s"
    print(text, file=sys.stderr, flush=True)
    return pair


def _summary(problems: list[Problem], rounds: list[list[Outcome]]) -> Measured:
    times = [sum(o.setup + o.solve for o in outcomes) for outcomes in rounds[1:]]
    worst = max(relative_residual(p.csr, p.b, o.x) for p, o in zip(problems, rounds[-1], strict=True))
    return Measured(float(np.median(times)), sum(o.iterations for o in rounds[0]), worst, rounds[-1][-1].x)


def _row(case: Case, scipy: Measured, own: Measured) -> list[str]:
    n = sum(len(problem.b) for problem in case.problems)
    sides = [[seconds([m.time]), str(m.iterations), f"{m.residual:.1e}"] for m in (scipy, own)]
    return [case.title, str(n), *sides[0], *sides[1], ratio(scipy.time, own.time)]


def _beside(path: str) -> list[str]:
    """The pictures of the simulation, the sequence and the equation lie beside that of the table."""
    return [name.join(os.path.splitext(path)) for name in ("_smoke", "_sequence", "_equation")]


def _draw(
    plot: str | None, cases: list[Case], results: list[list[Measured]], others: list[Callable[[], Any]]
) -> None:
    path = plot or "demo.png"
    paths = [path, *_beside(path)]
    try:
        for each in paths:
            check_picture_path(each)
    except InputError as error:  # without --plot the picture is a present, not an order
        print(f"no picture: {error}")
        return
    from pysolve._cli_pictures import demo_picture

    chosen = CASES.index(_obstacles)
    A = cases[chosen].problems[0].operator
    pressure, solid = _best_slice(results[chosen][1].x.reshape(A.grid_shape), A.decoupled)
    rows = [(case.title, scipy.time, own.time) for case, (scipy, own) in zip(cases, results, strict=True)]
    figures = demo_picture(pressure, solid, rows), *(make() for make in others)
    for each, figure in zip(paths, figures, strict=True):
        write_picture(each, figure)
    print(f"drawn: {', '.join(paths)}")


def _best_slice(pressure: np.ndarray, solid: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The upright slice that cuts the most obstacles; of several, the one with most solid."""

    def obstacles(place: tuple[int, int]) -> tuple[int, int]:
        part = solid.take(place[1], axis=place[0])
        return int(ndimage.label(part)[1]), int(np.count_nonzero(part))

    places = [(axis, index) for axis in (1, 2) for index in range(solid.shape[axis])]
    axis, index = max(places, key=obstacles)
    return pressure.take(index, axis=axis), solid.take(index, axis=axis)
