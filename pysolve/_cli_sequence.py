"""The part of `pysolve demo` that learns: the heat equation, and the relaxation parameter of each of its steps."""

import sys
import time
from typing import Any

import numpy as np
import scipy.sparse.linalg as spla

import pysolve
from pysolve import gallery
from pysolve._cli_peers import relative_residual
from pysolve._cli_progress import Progress
from pysolve._cli_table import aligned, ratio

STEPS = 300
LARGEST = 100  # intervals along a side: scipy has to solve every step too
HEADER = ["all steps", "seconds", "iterations", "residual", "ratio"]
NOTE = """The conductivity changes all the time, and with it the omega that is best. SolveSequence learns it from the
iterations of the steps before; every solve starts from the last temperature."""
OWN = "pysolve, SolveSequence"


def learn(size: int, rtol: float, title: str) -> tuple[Any, str, float]:
    """Run it for a demo of that size; the sequence at its end, what to print, and the worst residual."""
    heat = gallery.HeatEquation(
        min(max(8, 2 * size), LARGEST), dt=1 / STEPS
    )  # one period of the conductivity
    sequence = pysolve.SolveSequence("ssor_cg", domain=heat.domain, rng=0)
    workspace, kappa = pysolve.SorWorkspace(), 0.0
    solvers: dict[str, Any] = {
        "scipy cg": lambda A, b, x0: _scipy(A, b, x0, rtol),
        "pysolve ssor_cg, omega = 1": lambda A, b, x0: pysolve.ssor_cg(
            A, b, x0, rtol=rtol, workspace=workspace
        ),
        OWN: lambda A, b, x0: sequence(A, b, x0, rtol=rtol, context=kappa),
    }
    measured: dict[str, list[Any]] = {name: [0.0, 0, 0.0] for name in solvers}
    with Progress(title) as progress:
        for step in range(1, STEPS + 1):
            progress.text = f"{title}, step {step} of {STEPS}"
            A, b, x0, kappa = heat.advance()
            for name, solve in solvers.items():
                start = time.perf_counter()
                result = solve(A, b, x0)
                sums = measured[name]
                sums[0] += time.perf_counter() - start
                sums[1] += result.iterations
                sums[2] = max(sums[2], relative_residual(A, b, result.x))
            heat.accept(result.x)
    print(f"{title}: pysolve {measured[OWN][0]:.3g} s", file=sys.stderr, flush=True)
    return sequence, _report(heat.nx, measured), max(sums[2] for sums in measured.values())


class _Counted:
    """What scipy's cg returns, with the iterations that it does not tell."""

    def __init__(self, x: np.ndarray, iterations: int) -> None:
        self.x, self.iterations = x, iterations


def _scipy(A: Any, b: np.ndarray, x0: np.ndarray, rtol: float) -> _Counted:
    calls: list[None] = []
    x, _ = spla.cg(A, b, x0, rtol=rtol, maxiter=None, callback=lambda _: calls.append(None))
    return _Counted(x, len(calls))


def _report(nx: int, measured: dict[str, list[Any]]) -> str:
    last = measured[OWN][0]
    rows = [
        [name, f"{seconds:.3g}", str(iterations), f"{worst:.1e}", ratio(seconds, last)]
        for name, (seconds, iterations, worst) in measured.items()
    ]
    title = f"heat equation, {nx - 1} x {nx - 1} unknowns, {STEPS} steps\n"
    return "\n".join([title, aligned(HEADER, rows), "", NOTE])
