"""
A simulation whose solver learns
================================

The heat equation with a conductivity that changes all the time (`pysolve.gallery.HeatEquation`): every step has another
matrix, and another relaxation parameter omega is best for it. `pysolve.SolveSequence` finds out from the steps
themselves. Beside it, on the same steps: SciPy's conjugate gradients, and SSOR-CG with omega = 1::

    python examples/heat.py --nx 200 --steps 1000

All get the same start, the temperature of the last step, and the same tolerance. All run on one thread unless
``OMP_NUM_THREADS`` says otherwise.
"""

import argparse
import os
import sys
import time

if __name__ == "__main__":  # before NumPy is loaded: one thread for all, as scipy's cg has no more
    for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
        os.environ.setdefault(variable, "1")

import numpy as np
from scipy.sparse.linalg import cg

import pysolve

RTOL = 1e-8


# %%
# The whole of it: a sequence is made once, and called like a solver in every step. The conductivity tells it which
# steps are alike.


def simulate(nx, steps):
    """The temperature after some steps."""
    heat = pysolve.gallery.HeatEquation(nx)
    sequence = pysolve.SolveSequence("ssor_cg", domain=heat.domain)
    for _ in range(steps):
        A, b, x0, kappa = heat.advance()
        x, _ = sequence(A, b, x0, rtol=RTOL, context=kappa)
        heat.accept(x)
    return heat


# %%
# The comparison: each step is solved by everybody in turn, and the flow goes on with the last answer.


def solvers(sequence):
    """Name -> solve(A, b, x0, kappa), which returns x and the number of iterations."""

    def scipy(A, b, x0, kappa):
        iterations = []
        x, _ = cg(A, b, x0, rtol=RTOL, callback=lambda _: iterations.append(1))
        return x, len(iterations)

    workspace = pysolve.SorWorkspace()  # what a sequence has too

    def fixed(A, b, x0, kappa):
        result = pysolve.ssor_cg(A, b, x0, rtol=RTOL, workspace=workspace)
        return result.x, result.iterations

    def learned(A, b, x0, kappa):
        result = sequence(A, b, x0, rtol=RTOL, context=kappa)
        return result.x, result.iterations

    return {"scipy cg": scipy, "ssor_cg, omega = 1": fixed, "SolveSequence": learned}


def compare(nx, steps, progress=lambda step: None):
    """Seconds and iterations of everybody, {name: [seconds, iterations, worst residual]}, and the sequence."""
    heat = pysolve.gallery.HeatEquation(nx)
    sequence = pysolve.SolveSequence("ssor_cg", domain=heat.domain, rng=0)
    calls = solvers(sequence)
    measured = {name: [0.0, 0, 0.0] for name in calls}
    for step in range(1, steps + 1):
        A, b, x0, kappa = heat.advance()
        for name, solve in calls.items():
            start = time.perf_counter()
            x, n = solve(A, b, x0, kappa)
            seconds = time.perf_counter() - start
            residual = float(np.linalg.norm(b - A @ x) / np.linalg.norm(b))
            sums = measured[name]
            measured[name] = [sums[0] + seconds, sums[1] + n, max(sums[2], residual)]
        heat.accept(x)
        progress(step)
    return measured, sequence


# %%
# What is printed.


def table(measured):
    """The figures side by side."""
    last = measured["SolveSequence"][0]
    lines = [f"{'solver':<20}{'seconds':>10}{'iterations':>12}{'worst residual':>16}{'times ours':>12}"]
    for name, (seconds, iterations, residual) in measured.items():
        lines.append(f"{name:<20}{seconds:>10.3f}{iterations:>12,}{residual:>16.1e}{seconds / last:>12.2f}")
    return "\n".join(lines)


def told(steps):
    """A function that says on stderr how far it is, every five seconds."""
    start = last = time.perf_counter()

    def progress(step):
        nonlocal last
        now = time.perf_counter()
        if now - last > 5:
            print(f"step {step} of {steps}, {now - start:.0f} s", file=sys.stderr, flush=True)
            last = now

    return progress


def main(argv=None):
    parser = argparse.ArgumentParser(description="The heat equation: seconds and iterations, by solver.")
    parser.add_argument("--nx", type=int, default=100, help="intervals along a side (100)")
    parser.add_argument("--steps", type=int, default=1000, help="steps of 0.001 units of time (1000)")
    options = parser.parse_args(argv)
    if options.nx < 2 or options.steps < 1:
        parser.error("--nx must be at least 2, and --steps at least 1")
    measured, sequence = compare(options.nx, options.steps, told(options.steps))
    threads = pysolve.show_config()["openmp_threads"]
    print(
        f"heat equation: {(options.nx - 1) ** 2} unknowns, {options.steps} steps, rtol {RTOL:g}; "
        f"threads: pysolve {threads}, scipy 1"
    )
    print(table(measured))
    stopped = sum(call.aborted for call in sequence.history)
    print(
        f"SolveSequence tried {len({call.arm for call in sequence.history})} values of omega; stopped {stopped} solves"
    )
    missed = [name for name, (_, _, residual) in measured.items() if residual > 1.01 * RTOL]
    if missed:
        print(f"the tolerance was missed by: {', '.join(missed)}")
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
