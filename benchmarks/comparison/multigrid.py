"""Systems that a multigrid is compared on, and interleaved rounds of set-up and solve on them."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import scipy.sparse as sp
from report import Bar, Section, at_least
from timing import say

RTOL = 1e-6
HEADER = [
    *("system", "solver", "set-up s", "solve s", "total s", "iterations", "ms an iteration"),
    *("true residual", "total over pysolve's"),
]
HEADER_NOTE = (
    "medians of interleaved rounds; ms an iteration: the whole solve over its iterations; "
    "true residual: norm(b - A x) / norm(b), recomputed here for every solver, the worst of its rounds; the operator "
    "keeps nothing from one round to the next"
)


@dataclass
class Plan:
    """Sizes and repetitions of a run with a number of threads."""

    quick: bool
    threads: int
    rounds: int = 7
    budget: float = 20.0  # seconds of one comparison; three rounds are made whatever they take
    n: int = 128  # cells along a side
    n_smoke: int = 128
    sizes: tuple[int, ...] = (64, 128, 256)
    hard_sizes: tuple[int, ...] = (64, 128)
    n_flat: int = 1000  # of the system in two dimensions
    n_large: int = 512
    seeds: tuple[int, ...] = (1000, 1001, 1002)  # the weights were fitted on none of these
    steps: int = 3  # of a simulation, after one that warms up
    limits: Any = None  # the machine's bandwidth far beyond the caches


def plan(quick: bool, threads: int) -> Plan:
    """The run that the bars are about, or a small one that only shows that everything works."""
    if not quick:
        return Plan(False, threads)
    small = {"n": 16, "n_smoke": 24, "sizes": (8, 16), "hard_sizes": (12,), "n_flat": 40, "n_large": 24}
    return Plan(True, threads, rounds=1, budget=0.5, seeds=(1000, 1001), **small)


class Problem:
    """A x = b on a grid; 0 in solid cells, and random elsewhere where no b is given.

    The peers get the rows and columns of the fluid cells alone, for a solid cell would cost them a row; `stored`
    makes these, which is not timed.
    """

    matrix: sp.csr_matrix
    right: np.ndarray

    def __init__(self, A: Any, seed: int = 0, rtol: float = RTOL, b: np.ndarray | None = None) -> None:
        self.A, self.rtol = A, rtol
        self.fluid = ~A.decoupled.ravel()
        self.b = self.masked(np.random.default_rng(seed).standard_normal(A.shape[0]) if b is None else b)
        self.x0: np.ndarray | None = None
        self.start: np.ndarray | None = None

    def stored(self) -> "Problem":
        """With the matrix, as pyamg wants it, and the right-hand side of the fluid cells."""
        matrix = self.A.tocsr()
        matrix = matrix if self.fluid.all() else matrix[self.fluid][:, self.fluid]
        matrix.sort_indices()
        self.matrix, self.right = sp.csr_matrix(matrix), self.b[self.fluid]
        return self

    def begin_at(self, x: np.ndarray) -> None:
        """Start from `x`, without what it has in cells that are solid now."""
        self.x0 = self.masked(x)
        self.start = self.x0[self.fluid]

    def masked(self, v: np.ndarray) -> np.ndarray:
        """`v` with 0 in solid cells."""
        return np.where(self.fluid, v, 0.0)

    def whole(self, x: np.ndarray) -> np.ndarray:
        """The solution on all cells, of one on all or on the fluid cells."""
        if x.size == self.fluid.size:
            return x
        spread = np.zeros(self.fluid.size)
        spread[self.fluid] = x
        return spread

    def residual(self, x: np.ndarray) -> float:
        """norm(b - A x) / norm(b)."""
        return float(np.linalg.norm(self.b - self.A.matvec(self.whole(x))) / np.linalg.norm(self.b))


Solve = Callable[[], tuple[np.ndarray, int]]
Make = Callable[[Problem], Solve]  # the set-up: makes what solves


@dataclass
class Taken:
    """What the rounds of one solver took, and its last answer."""

    setups: list[float] = field(default_factory=list)
    solves: list[float] = field(default_factory=list)
    x: Any = None
    iterations: int = 0
    true: float = 0.0  # the worst residual
    rtol: float = RTOL

    def add(self, problem: Problem, make: Make) -> None:
        problem.A._forget()  # what an operator makes on first use counts every time: a user's operator is new
        start = time.perf_counter()
        solve = make(problem)
        ready = time.perf_counter()
        self.x, self.iterations = solve()
        self.solves.append(time.perf_counter() - ready)
        self.setups.append(ready - start)
        true = problem.residual(self.x)
        self.true = true if np.isnan(true) else max(self.true, true)
        self.rtol = problem.rtol

    setup = property(lambda self: float(np.median(self.setups)))
    solve = property(lambda self: float(np.median(self.solves)))
    total = property(lambda self: float(np.median(np.add(self.setups, self.solves))))
    per_iteration = property(lambda self: self.solve / max(self.iterations, 1))
    solved = property(lambda self: reached(self.true, self.rtol))
    # A peer stops on an updated residual, which may be a hair off.
    counts = property(lambda self: self.true <= 1.01 * self.rtol)


def measured(label: str, problem: Problem, makers: dict[str, Make], plan: Plan) -> dict[str, Taken]:
    """Set-up and solve by each in turn, round after round."""
    taken = {name: Taken() for name in makers}
    start = time.perf_counter()
    for turn in range(plan.rounds):
        if turn >= 3 and time.perf_counter() - start > plan.budget:
            break
        for name, make in makers.items():
            say(f"{label}, {plan.threads} thread(s), round {turn + 1}: {name}")
            taken[name].add(problem, make)
    return taken


def table(title: str) -> Section:
    """An empty one, for whole solves."""
    return Section(title, list(HEADER), notes=[HEADER_NOTE])


def add_rows(section: Section, system: str, taken: dict[str, Taken], ours: str) -> None:
    """A row for each solver."""
    for name, one in taken.items():
        seconds = [f"{value:.3g}" for value in (one.setup, one.solve, one.total)]
        counted = [str(one.iterations), f"{one.per_iteration * 1e3:.3g}"] if one.iterations else ["", ""]
        ratio = "" if name == ours else f"{one.total / taken[ours].total:.2f}x"
        section.rows.append([system, name, *seconds, *counted, f"{one.true:.1e}", ratio])


def ahead(what: str, reach: float, taken: dict[str, Taken], ours: str, them: Any) -> Bar:
    """The bar that the fastest of `them` takes `reach` times as long as pysolve; only those that solved count."""
    there = [name for name in them if name in taken]
    found = [name for name in there if taken[name].counts]
    dropped = [
        f"{name} left out, true residual {taken[name].true:.1e}" for name in there if name not in found
    ]
    if not found:
        return Bar(what, f">= {reach:g}x", "; ".join(dropped) or "not installed", None)
    best = min(found, key=lambda name: taken[name].total)
    bar = at_least(f"{what}: {best}", reach, taken[best].total / taken[ours].total)
    bar.measured = "; ".join([bar.measured, *dropped])
    return solved(bar, taken[ours])


def solved(bar: Bar, ours: Taken) -> Bar:
    """The same bar, missed where pysolve did not solve."""
    if not ours.solved:
        bar.measured, bar.met = f"{bar.measured}, true residual {ours.true:.1e}", False
    return bar


def reached(true: float, rtol: float) -> bool:
    """Two correct recomputations of a residual may differ in rounding."""
    return true <= rtol * (1 + 1e-6)
