"""Gauss-Newton for L u + N(u, derivatives of u) = f on a grid of product features.

Each step solves the linear least-squares problem of the rows linearised at u_k,

    L u + sum_o (dN/du_o)(u_k) d^o u = f - N(u_k) + sum_o (dN/du_o)(u_k) d^o u_k,

from z_k on, by conjugate gradients under a factor that is made once, with the slopes' means, and again with the slopes
themselves only where conjugate gradients find it too far off. A line search halves the step until the sum of squares
falls.
"""

from __future__ import annotations

import dataclasses
import functools
import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from pysolve._backend import as_array
from pysolve._gp_pde_device import spread
from pysolve._gp_pde_grid import (
    Callback,
    Watch,
    choose,
    fast_posterior,
    patience,
    posterior_of,
    preconditioner,
    solve_grid,
)
from pysolve._gp_pde_grid_fast import TensorSolver, build, fast_solve
from pysolve._gp_pde_grid_problem import GridProblem, Orders
from pysolve._gp_pde_grid_refine import Preconditioner, refine
from pysolve._gp_pde_grid_result import GridSolution, GridStatus
from pysolve._gp_pde_grid_rows import KronRows, Term
from pysolve._gp_pde_grid_system import RowSet


@dataclasses.dataclass(frozen=True, eq=False)
class Nonlinear:
    """N and its slopes.

    Attributes
    ----------
    orders : sequence of tuples of int
        The derivatives of u that N depends on.
    value : callable
        N(d^o1 u, d^o2 u, ...), of arrays on the grid, in the order of `orders`.
    slopes : callable
        The partial derivatives of N by each of them, in the same order: a sequence of arrays or numbers.
    """

    orders: Sequence[Orders]
    value: Callable[..., Any]
    slopes: Callable[..., Sequence[Any]]

    @classmethod
    def of_u(cls, N: Callable[..., Any], dN: Callable[..., Any], dimensions: int) -> Nonlinear:
        """N(u) and its derivative dN(u)."""
        return cls([(0,) * dimensions], N, lambda u: [dN(u)])


class Linearised:
    """The equation's rows of a problem, and what N adds to them at an iterate."""

    def __init__(self, problem: GridProblem, nonlinear: Nonlinear, solver: TensorSolver | None) -> None:
        if len(problem.equations) != 1:
            raise ValueError(
                f"a nonlinear problem needs exactly one grid of equations, got {len(problem.equations)}"
            )
        self.problem, self.nonlinear, self.solver = problem, nonlinear, solver
        self.terms, self.rows = problem.equations[0]
        self.plain = problem.system()
        self.place = problem.blocks.index(self.rows)
        self.factors = [
            [basis.features[k] for basis, k in zip(problem.bases, orders, strict=True)]
            for orders in nonlinear.orders
        ]

    def fields(self, Z: np.ndarray) -> list[np.ndarray]:
        return [
            KronRows([(1.0, factors)], 1.0, np.zeros_like(self.rows.values)).unweighted(Z)
            for factors in self.factors
        ]

    def value(self, Z: np.ndarray) -> np.ndarray:
        with np.errstate(all="ignore"):
            return spread(self.nonlinear.value(*self.fields(Z)), self.problem.grid, Z)

    def misfit(self, Z: np.ndarray) -> np.ndarray:
        """Right minus left side of the equation at the grid points."""
        with np.errstate(all="ignore"):
            return self.rows.values - self.rows.unweighted(Z) - self.value(Z)

    def objective(self, Z: np.ndarray) -> float:
        """The sum of squares; infinite where N is not finite on a row that counts.

        The fast method does not minimise it: there it is the square of the correction that the linear part asks for.
        """
        with np.errstate(all="ignore"):
            misfit = self.misfit(Z)
            if self.solver is not None:
                total = self._correction(misfit, Z)
            else:
                total = float(((self.rows.weight * misfit) ** 2).sum()) + float(
                    ((Z / self.plain.s) ** 2).sum()
                )
                for i, block in enumerate(self.plain.blocks):
                    if i != self.place:
                        other = block.right - block.forward(Z)
                        total += float(np.vdot(other, other)) + block.outside
        return total if math.isfinite(total) else math.inf

    def _correction(self, misfit: np.ndarray, Z: np.ndarray) -> float:
        assert self.solver is not None
        rows = [condition.rows for condition in self.problem.conditions]
        g = [self.solver.project(part, part.values - part.unweighted(Z)) for part in rows]
        return float(np.square(self.solver.apply(self.solver.project(self.rows, misfit), g)).sum())

    def slopes(self, Z: np.ndarray) -> tuple[list[np.ndarray], np.ndarray] | None:
        """The slopes and the right-hand side of the linearised rows; None where they are not finite."""
        fields = self.fields(Z)
        with np.errstate(all="ignore"):
            slopes = [spread(slope, self.problem.grid, Z) for slope in self.nonlinear.slopes(*fields)]
            right = self.rows.values - self.nonlinear.value(*fields)
            for slope, field in zip(slopes, fields, strict=True):
                right = right + slope * field
        finite = all(bool(np.isfinite(part).all()) for part in (right, *slopes))
        return (slopes, spread(right, self.problem.grid, Z).copy()) if finite else None

    def at(self, slopes: Sequence[float | np.ndarray], right: np.ndarray) -> KronRows:
        """The linearised rows."""
        extra: list[Term] = list(zip(slopes, self.factors, strict=True))
        return dataclasses.replace(self.rows, terms=[*self.rows.terms, *extra], values=right)

    def system(self, rows: KronRows) -> RowSet:
        blocks = list(self.plain.blocks)
        blocks[self.place] = rows
        return RowSet(blocks, self.plain.axis_s, self.plain.functionals, self.plain.like)


class LinearSteps:
    """Solves the linearised problems, and keeps the factor or the diagonalisation from one to the next."""

    def __init__(self, linearised: Linearised, method: str, leading_size: int) -> None:
        self.linearised, self.method, self.leading_size = linearised, method, leading_size
        self.fast = method == "fast"
        self.inner: Preconditioner | None = None
        self.name, self.iterations, self.gradient = "fast", 0, math.nan

    def tensor_solver(self, slopes: list[np.ndarray]) -> TensorSolver:
        terms = dict(self.linearised.terms)
        for orders, slope in zip(self.linearised.nonlinear.orders, slopes, strict=True):
            terms[orders] = terms.get(orders, 0.0) + float(np.mean(slope))
        solver = build(self.linearised.problem, terms)
        return solver or build(self.linearised.problem)  # type: ignore[return-value]

    def step(self, Z: np.ndarray, slopes: list[np.ndarray], right: np.ndarray, watch: Watch) -> np.ndarray:
        rows = self.linearised.at(slopes, right)
        if self.fast:
            g = [c.rows.values for c in self.linearised.problem.conditions]
            found, steps, self.gradient = fast_solve(self.tensor_solver(slopes), rows, right, g)
            self.iterations += steps
            return found
        system = self.linearised.system(rows)
        if self.inner is None:
            mean = self.linearised.at([float(np.mean(slope)) for slope in slopes], np.zeros_like(right))
            self.factor(self.linearised.system(mean.compressed()))
        found = self._refined(system, Z, 30, watch)
        if self.gradient > 1e-10 and not watch.stopped:
            self.factor(system)
            found = self._refined(system, found, 300, watch)
        return found

    def factor(self, system: RowSet) -> None:
        self.inner, self.name = preconditioner(system, self.method, self.leading_size)

    def _refined(self, system: RowSet, Z: np.ndarray, most: int, watch: Watch) -> np.ndarray:
        assert self.inner is not None
        found, steps, self.gradient = refine(
            system,
            self.inner,
            Z,
            tol=1e-14,
            maxiter=most,
            patience=patience(self.inner),
            watch=lambda i, size: watch("newton", i, size),
        )
        self.iterations += steps
        return found


def line_search(
    linearised: Linearised, Z: np.ndarray, step: np.ndarray, before: float, halvings: int = 30
) -> tuple[np.ndarray, float, float]:
    """The next iterate, its sum of squares and the part of the step taken; part 0 where nothing lowers the sum."""
    part = 1.0
    for _ in range(halvings):
        new = Z + part * step
        after = linearised.objective(new)
        if after < before:
            return new, after, part
        part /= 2
    return Z, before, 0.0


def solve_grid_nonlinear(
    problem: GridProblem,
    nonlinear: Nonlinear,
    *,
    start: np.ndarray | None = None,
    method: str = "auto",
    direct_size: int = 6000,
    leading_size: int = 3000,
    tol: float = 1e-12,
    maxiter: int = 50,
    callback: Callback | None = None,
) -> GridSolution:
    """Gauss-Newton with line search, from `start` (coefficients z) or from the solution without N.

    Stops when a step changes z by at most `tol` of its size, or when rounding leaves nothing to gain; `history` has the
    sums of squares. A nonlinear term that is not finite ends it with `GridStatus.OVERFLOW` and the last finite iterate.
    """
    watch = Watch(callback)
    chosen, solver = choose(problem, method, direct_size)
    linearised = Linearised(problem, nonlinear, solver)
    steps = LinearSteps(linearised, chosen, leading_size)
    if start is None:
        start = solve_grid(problem, method=chosen, leading_size=leading_size, callback=callback).z
    Z = as_array(start).astype(float)
    size, at_zero = linearised.objective(Z), linearised.objective(np.zeros_like(Z))
    if not size <= at_zero:
        Z, size = np.zeros_like(Z), at_zero
    history, status, taken = [size], GridStatus.MAXITER, 0
    at = linearised.slopes(Z)
    while at is not None and taken < maxiter and math.isfinite(size):
        move = steps.step(Z, *at, watch) - Z
        change = float(np.linalg.norm(move)) / (float(np.linalg.norm(Z)) or 1.0)
        Z, size, part = line_search(linearised, Z, move, size)
        history.append(size)
        taken += 1
        if watch("newton", taken, change):
            status = GridStatus.STOPPED
            break
        if change <= tol or part == 0.0:
            status = GridStatus.CONVERGED if change <= max(tol, 1e-8) else GridStatus.STAGNATED
            break
        at = linearised.slopes(Z)
    if at is None or not math.isfinite(size):
        return finished(linearised, steps, Z, GridStatus.OVERFLOW, taken, history)
    return finished(linearised, steps, Z, status, taken, history)


def factored_posterior(problem: GridProblem, system: RowSet, method: str, size: int) -> Any:
    """The posterior of the rows linearised at the end, by a factor of their own."""
    return posterior_of(problem, system, preconditioner(system, method, size)[0])


def finished(
    linearised: Linearised,
    steps: LinearSteps,
    Z: np.ndarray,
    status: GridStatus,
    taken: int,
    history: list[float],
) -> GridSolution:
    """The solution with the rows linearised where it ended; Laplace's approximation is its posterior."""
    problem, at = linearised.problem, linearised.slopes(Z)
    rows = linearised.rows if at is None else linearised.at(*at)
    system = linearised.system(rows)

    if steps.fast:
        posterior = functools.partial(fast_posterior, problem, steps.tensor_solver(at[0] if at else []), rows)
    else:
        posterior = functools.partial(factored_posterior, problem, system, steps.method, steps.leading_size)
    return GridSolution(
        problem, Z, status, steps.name, steps.iterations, steps.gradient, system, posterior, taken, history
    )
