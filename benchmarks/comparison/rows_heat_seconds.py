"""Seconds: the heat equation, everybody with a simulation of its own, in turn for some steps each."""

import time
from collections.abc import Callable
from typing import Any

import numpy as np
from report import Section, at_least
from scipy.sparse.linalg import cg
from sequence_costs import OMEGAS, RTOL, Progress

import pysolve

SAMPLE = 20  # every so many steps the best omega in hindsight is looked for
BLOCK = 50  # steps in a turn: the machine's moods reach everybody, and caches are warm as in a run alone


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
    """Name -> solve(A, b, x0, context)."""

    def fixed(omega: float) -> Callable[..., Any]:
        workspace = pysolve.SorWorkspace()
        return lambda A, b, x0, c: pysolve.ssor_cg(A, b, x0, rtol=RTOL, omega=omega, workspace=workspace)

    return {
        "scipy cg": lambda A, b, x0, c: cg(A, b, x0, rtol=RTOL, maxiter=10**6),
        "pysolve cg": lambda A, b, x0, c: pysolve.cg(A, b, x0, rtol=RTOL),
        "ssor_cg, omega = 1": fixed(1.0),
        f"ssor_cg, omega = {omega:g}, best fixed in hindsight": fixed(omega),
        "SolveSequence": lambda A, b, x0, c: sequence(A, b, x0, rtol=RTOL, context=c),
    }


def seconds_section(nx: int, T: int, format: str, omega: float) -> Section:
    """Wall clock of the solves of T steps; scipy's cg gets the matrix in CSR form always."""
    domain = pysolve.gallery.HeatEquation(2).domain
    calls = contenders(pysolve.SolveSequence("ssor_cg", domain=domain, rng=0), omega)
    flows = {
        name: pysolve.gallery.HeatEquation(nx, format="csr" if name == "scipy cg" else format)
        for name in calls
    }
    seconds, iterations = ({name: np.zeros(T) for name in calls} for _ in range(2))
    progress = Progress(f"heat equation, nx={nx}, {format}: seconds", T)
    for first in range(0, T, BLOCK):
        for name, solve in calls.items():
            for t in range(first, min(first + BLOCK, T)):
                seconds[name][t], iterations[name][t] = step(flows[name], solve, name)
        progress(min(first + BLOCK, T))
    return table(f"heat equation, nx={nx}, A as {format}: seconds of {T} steps", seconds, iterations)


def step(flow: Any, solve: Callable[..., Any], name: str) -> tuple[float, int]:
    """One step; the seconds and, where they are told, the iterations of its solve."""
    system = flow.advance()
    start = time.perf_counter()
    result = solve(*system)
    seconds = time.perf_counter() - start
    x, info = result
    if info != 0:
        raise RuntimeError(f"{name} did not converge in step {flow.n_steps}")
    flow.accept(x)
    return seconds, getattr(result, "iterations", 0)


def table(title: str, seconds: dict[str, Any], iterations: dict[str, Any]) -> Section:
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
    made.notes.append(
        f"solves alone, one thread; everybody in turn for {BLOCK} steps of a simulation of its own"
    )
    best = next(name for name in seconds if "hindsight" in name)
    if len(seconds[best]) == 5000:
        made.bars = [
            at_least(f"{title}: SolveSequence over scipy cg", 6.0, seconds["scipy cg"].sum() / ours),
            at_least(
                f"{title}: SolveSequence over ssor_cg at the best fixed", 1.25, seconds[best].sum() / ours
            ),
        ]
    return made
