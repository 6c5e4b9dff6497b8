"""The part of `pysolve demo` with a differential equation: noise that integration amplifies, and a Gaussian process."""

import sys
import time
from typing import Any

import numpy as np
import scipy.interpolate

import pysolve
from pysolve import gallery
from pysolve._cli_progress import Progress
from pysolve._cli_table import aligned

NOISE = 0.01  # of the largest |f|
WRONG = 0.1  # an error beyond which the demo has failed
HEADER = ["u'' = f, u = sin 100x", "seconds", "error"]
NOTE = """f is known at {} points with {:.0%} noise. The error is relative; the truth lies within two standard
deviations of gp_pde's at {:.0%} of the points."""


def equation(title: str) -> tuple[Any, np.ndarray, str, bool]:
    """Solve it both ways: the solution, the truth on its grid, what to print, and whether it is one."""
    case = gallery.pde_case("P1")
    x = case.axes[0]
    sd = NOISE * np.abs(case.f(x)).max()
    f = case.f(x) + sd * np.random.default_rng(0).standard_normal(len(x))
    truth = case.u(x)
    with Progress(title):
        start = time.perf_counter()
        integral = _integrated(x, f, *case.boundary[0])
        middle = time.perf_counter()
        solution = pysolve.gp_pde(case.operator, f, case.axes, case.boundary, noise=sd, return_std=True)
        end = time.perf_counter()
    errors = [float(np.linalg.norm(u - truth) / np.linalg.norm(truth)) for u in (integral, solution.u)]
    within = float(np.mean(np.abs(solution.u - truth) <= 2 * solution.std))
    print(f"{title}: pysolve {end - middle:.3g} s", file=sys.stderr, flush=True)
    rows = [
        ["scipy, a spline through f, integrated twice", f"{middle - start:.3f}", f"{errors[0]:.2g}"],
        ["pysolve gp_pde", f"{end - middle:.3f}", f"{errors[1]:.2g}"],
    ]
    report = f"{aligned(HEADER, rows)}\n\n{NOTE.format(len(x), NOISE, within)}"
    return solution, truth, report, errors[1] <= WRONG


def _integrated(x: np.ndarray, f: np.ndarray, low: float, high: float) -> np.ndarray:
    """u'' = f: a cubic spline through f, integrated twice, and the line that meets the values at the ends."""
    u = scipy.interpolate.CubicSpline(x, f).antiderivative(2)(x)
    share = (x - x[0]) / (x[-1] - x[0])
    return u + low - u[0] + share * ((high - low) - (u[-1] - u[0]))
