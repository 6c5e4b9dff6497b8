"""Seconds: the heat equation step by step, each step solved by everybody in turn."""

import time
from collections.abc import Callable
from typing import Any

import numpy as np
from report import Section, at_least
from scipy.sparse.linalg import cg
from sequence_costs import OMEGAS, RTOL, Progress

import pysolve

SAMPLE = 20  # every so many steps the best omega in hindsight is looked for


def best_omega(nx: int, T: int) -> float:
    """The best fixed omega in hindsight, by every 20th step."""
    flow, totals = pysolve.gallery.HeatEquation(nx, format="stencil"), np.zeros(len(OMEGAS))
    progress = Progress(f"heat equation, nx={nx}: the best fixed omega", T)
    for t in range(T):
        A, b, x0, _ = flow.advance()
        if t % SAMPLE == SAMPLE // 2 or T <= SAMPLE:
            totals += [pysolve.ssor_cg(A, b, x0, rtol=RTOL, omega=omega).iterations for omega in OMEGAS]
        flow.accept(pysolve.ssor_cg(A, b, x0, rtol=RTOL, omega=1.8).x)
        progress(t + 1)
    return float(OMEGAS[np.argmin(totals)])


def contenders(sequence: Any, omega: float) -> dict[str, Callable[..., Any]]:
    """Name -> solve(A, matrix, b, x0, context); the matrix is A in CSR form, made off the clock."""
    workspace = pysolve.SorWorkspace()

    def fixed(omega: float) -> Callable[..., Any]:
        return lambda A, matrix, b, x0, c: pysolve.ssor_cg(
            A, b, x0, rtol=RTOL, omega=omega, workspace=workspace
        )

    return {
        "scipy cg": lambda A, matrix, b, x0, c: cg(matrix, b, x0, rtol=RTOL, maxiter=10**6),
        "pysolve cg": lambda A, matrix, b, x0, c: pysolve.cg(A, b, x0, rtol=RTOL),
        "ssor_cg, omega = 1": fixed(1.0),
        f"ssor_cg, omega = {omega:g}, best fixed in hindsight": fixed(omega),
        "SolveSequence": lambda A, matrix, b, x0, c: sequence(A, b, x0, rtol=RTOL, context=c),
    }


def seconds_section(nx: int, T: int, format: str, omega: float) -> Section:
    """Wall clock of T steps; the order in which they solve a step changes from step to step."""
    flow = pysolve.gallery.HeatEquation(nx, format=format)
    twin = pysolve.gallery.HeatEquation(nx, format="csr")
    sequence = pysolve.SolveSequence("ssor_cg", domain=flow.domain, rng=0)
    calls = contenders(sequence, omega)
    seconds, iterations = ({name: np.zeros(T) for name in calls} for _ in range(2))
    advance, names = 0.0, list(calls)
    progress = Progress(f"heat equation, nx={nx}, {format}: seconds", T)
    for t in range(T):
        start = time.perf_counter()
        A, b, x0, context = flow.advance()
        advance += time.perf_counter() - start
        twin.n_steps = t
        matrix = A if format == "csr" else twin.advance()[0]
        for name in names[t % len(names) :] + names[: t % len(names)]:
            start = time.perf_counter()
            result = calls[name](A, matrix, b, x0, context)
            seconds[name][t] = time.perf_counter() - start
            iterations[name][t] = getattr(result, "iterations", 0)
            if result[1] != 0:
                raise RuntimeError(f"{name} did not converge in step {t}")
        flow.accept(result[0])
        progress(t + 1)
    return table(f"heat equation, nx={nx}, A as {format}: seconds of {T} steps", seconds, iterations, advance)


def table(title: str, seconds: dict[str, Any], iterations: dict[str, Any], advance: float) -> Section:
    """Totals, and how many times faster SolveSequence is."""
    ours = seconds["SolveSequence"].sum()
    made = Section(title, ["solver", "seconds", "ms a step", "iterations", "SolveSequence is faster by"])
    for name, values in seconds.items():
        total, count = values.sum(), int(iterations[name].sum())
        figures = (
            f"{total:.2f}",
            f"{1e3 * values.mean():.3f}",
            f"{count:,}" if count else "",
            f"{total / ours:.2f}",
        )
        made.rows.append([name, *figures])
    made.notes.append(f"solves alone; to advance and make A and b took {advance:.2f} s")
    made.notes.append("all get the same systems and starts, one after the other within each step; one thread")
    best = next(name for name in seconds if "hindsight" in name)
    if len(seconds[best]) == 5000:
        made.bars = [
            at_least(f"{title}: SolveSequence over scipy cg", 6.0, seconds["scipy cg"].sum() / ours),
            at_least(
                f"{title}: SolveSequence over ssor_cg at the best fixed", 1.25, seconds[best].sum() / ours
            ),
        ]
    return made
