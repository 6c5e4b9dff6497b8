"""The paper's two sequences, and what every omega costs on every system of them: a table, computed once.

A policy that is tried on the table sees what it would have seen in the run: the start of a solve does not depend on
how the one before was solved, but for what lies below the tolerance.
"""

import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from timing import STARTED, say

import pysolve

OMEGAS = np.linspace(1, 1.95, 20)
RTOL = 1e-8
UNLIMITED = 10**6  # iterations: what converges slowly has to be counted to its end


@dataclass
class Costs:
    """Iterations of every omega on every system, and of what else there is to compare with."""

    name: str
    contexts: np.ndarray  # (T,)
    table: np.ndarray  # (T, 20)
    domain: tuple[float, float]
    others: dict[str, int] = field(default_factory=dict)  # totals

    @property
    def T(self) -> int:
        return len(self.contexts)

    def best_fixed(self, T: int | None = None) -> tuple[float, int]:
        """The best omega for the first T systems, and its total."""
        totals = self.table[:T].sum(axis=0)
        best = int(np.argmin(totals))
        return float(OMEGAS[best]), int(totals[best])


def shifted(variance: str, T: int, rng: int | None = None) -> Iterator[tuple[Any, Any, None, float]]:
    """The shifted Laplacians: (A, b, x0, context)."""
    for A, b, context in pysolve.gallery.ShiftedLaplacians(variance=variance, n_systems=T, rng=rng):
        yield A, b, None, context


def heat(nx: int, T: int, format: str = "stencil") -> Iterator[tuple[Any, Any, Any, float]]:
    """The heat equation, going on with the answers of ssor_cg."""
    flow = pysolve.gallery.HeatEquation(nx, format=format)
    for _ in range(T):
        A, b, x0, context = flow.advance()
        yield A, b, x0, context
        flow.accept(pysolve.ssor_cg(A, b, x0, rtol=1e-2 * RTOL, omega=1.5, maxiter=UNLIMITED).x)


def shifted_costs(variance: str, T: int, folder: Path | None = None) -> Costs:
    """SOR on the shifted Laplacians, and at Young's omega of every system."""
    name = f"shifted Laplacian, {variance} variance"
    domain = pysolve.gallery.ShiftedLaplacians(n_systems=1).domain

    def young(A: Any, b: Any, x0: Any, context: float) -> int:
        beta = 4 * np.cos(np.pi / 11) / (4 + context)
        omega = 1 + (beta / (1 + np.sqrt(1 - beta**2))) ** 2
        return pysolve.sor(A, b, rtol=RTOL, omega=omega, maxiter=UNLIMITED).iterations

    systems = shifted(variance, T)
    return costs(name, pysolve.sor, systems, T, domain, {"Young's omega for each": young}, folder)


def heat_costs(nx: int, T: int, folder: Path | None = None) -> Costs:
    """SSOR-CG on the heat equation, and plain conjugate gradients."""

    def plain(A: Any, b: Any, x0: Any, context: float) -> int:
        return pysolve.cg(A, b, x0, rtol=RTOL, maxiter=UNLIMITED).iterations

    found = costs(
        f"heat equation, nx={nx}", pysolve.ssor_cg, heat(nx, T), T, (0.0, 10.0), {"cg": plain}, folder
    )
    found.others["best of the 20 for each"] = int(found.table.min(axis=1).sum())
    return found


def costs(
    name: str, method: Any, systems: Any, T: int, domain: Any, others: dict[str, Any], folder: Path | None
) -> Costs:
    """Solve every system at every omega; `folder` keeps tables from run to run."""
    file = None if folder is None else folder / f"{name.replace(' ', '-').replace(',', '')}-{T}.npz"
    if file is not None and file.exists():
        kept = np.load(file)
        totals = {key: int(kept[f"total {key}"]) for key in others}
        return Costs(name, kept["contexts"], kept["table"], domain, totals)
    contexts, table = np.empty(T), np.empty((T, len(OMEGAS)), dtype=np.int64)
    totals, workspace = dict.fromkeys(others, 0), pysolve.SorWorkspace()
    progress = Progress(name, T)
    for t, (A, b, x0, context) in enumerate(systems):
        contexts[t] = context
        for arm, omega in enumerate(OMEGAS):
            result = method(A, b, x0, rtol=RTOL, omega=omega, maxiter=UNLIMITED, workspace=workspace)
            table[t, arm] = result.raise_if_failed().iterations
        for key, count in others.items():
            totals[key] += count(A, b, x0, context)
        progress(t + 1)
    if file is not None:
        folder.mkdir(parents=True, exist_ok=True)
        np.savez(file, contexts=contexts, table=table, **{f"total {key}": n for key, n in totals.items()})
    return Costs(name, contexts, table, domain, totals)


class Progress:
    """A line on stderr every ten seconds or so."""

    def __init__(self, name: str, total: int) -> None:
        self.name, self.total, self.last = name, total, STARTED

    def __call__(self, done: int) -> None:
        now = time.perf_counter()
        if now - self.last > 10 or done == self.total:
            say(f"{self.name}: {done} of {self.total}")
            self.last = now
