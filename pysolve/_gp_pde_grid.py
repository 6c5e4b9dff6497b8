"""The linear and nonlinear least-squares solve behind gp_pde on a grid of product features.

    minimise over z   sum_blocks ||W (A z - b)||^2 + ||z / s||^2

- up to `direct_size` coefficients: a triangular factor (QR, or Cholesky of the normal equations), refined by conjugate
  gradients on the rows themselves; the posterior is exact;
- beyond, with next to no noise and a boundary value problem: lifting and fast diagonalisation (_gp_pde_grid_fast);
- beyond, otherwise: conjugate gradients preconditioned by a factor of the leading coefficients;
- nonlinear: Gauss-Newton around any of them (_gp_pde_grid_newton).
"""

from __future__ import annotations

import dataclasses
import functools
import math
import time
from collections.abc import Callable

import numpy as np

from pysolve._arrays import largest_magnitude
from pysolve._backend import beside, zeros
from pysolve._gp_pde_device import spread
from pysolve._gp_pde_grid_factor import Factor, factorise
from pysolve._gp_pde_grid_fast import IMPOSSIBLE, TensorSolver, build, fast_solve
from pysolve._gp_pde_grid_leading import LeadingPreconditioner
from pysolve._gp_pde_grid_posterior import ExactPosterior, GridPosterior, SampledPosterior
from pysolve._gp_pde_grid_problem import GridProblem
from pysolve._gp_pde_grid_refine import Preconditioner, excess, refine
from pysolve._gp_pde_grid_result import GridSolution, GridStatus
from pysolve._gp_pde_grid_rows import KronRows
from pysolve._gp_pde_grid_system import RowSet

METHODS = ("auto", "direct", "qr", "cholesky", "fast", "iterative")
Callback = Callable[[str, int, float], object]


class Watch:
    """Calls the callback with (stage, step, size) once two seconds have passed, at most twice a second."""

    def __init__(self, callback: Callback | None) -> None:
        self.callback, self.stopped = callback, False
        self.next = time.monotonic() + 2.0

    def __call__(self, stage: str, step: int, size: float) -> bool:
        now = time.monotonic()
        if self.callback is not None and now >= self.next:
            self.next = now + 0.5
            self.stopped = self.stopped or bool(self.callback(stage, step, size))
        return self.stopped


def nearly_noise_free(problem: GridProblem) -> bool:
    """Whether each right-hand side of the equation is at least 1e8 sd; those of the conditions where it is zero."""
    for blocks in (
        [rows for _, rows in problem.equations],
        [condition.rows for condition in problem.conditions],
    ):
        largest = [largest_magnitude(block.right) for block in blocks]
        if any(largest):
            return min(size for size in largest if size > 0) >= 1e8
    return False


def choose(problem: GridProblem, method: str, direct_size: int) -> tuple[str, TensorSolver | None]:
    """The method, and the solver of the fast one."""
    if method not in METHODS:
        raise ValueError(f"method must be one of {METHODS}, got {method!r}")
    if method == "auto":
        n = math.prod(problem.size)
        # Above half of it the exact posterior costs a second or more, and the fast method next to nothing.
        solver = build(problem) if n > direct_size // 2 and nearly_noise_free(problem) else None
        if solver is not None and not solver.singular:
            return "fast", solver
        return ("direct" if n <= direct_size else "iterative"), None
    if method == "fast":
        solver = build(problem)
        if solver is None:
            raise ValueError(
                "method='fast' needs one equation known at every grid point, no points, scalar sd, and as many "
                "conditions on each axis as the order of the equation along it"
            )
        return "fast", solver
    return method, None


def preconditioner(system: RowSet, method: str, leading_size: int) -> tuple[Preconditioner, str]:
    if method == "iterative":
        return LeadingPreconditioner(system, leading_size), "iterative"
    factor = factorise(system, method="auto" if method == "direct" else method)
    return factor, factor.method


def patience(inner: Preconditioner) -> int:
    return 3 if isinstance(inner, Factor) else 40


def posterior_of(problem: GridProblem, system: RowSet, inner: Preconditioner) -> GridPosterior:
    """Exact from a factor of this very system, by perturbed solves otherwise."""
    if isinstance(inner, Factor):
        return ExactPosterior(problem.bases, inner, system.s)

    def draw(rng: np.random.Generator) -> np.ndarray:
        prior = system.s * normal(rng, system.s.shape, system.s)
        right = [-y for y in system.forward(prior)]
        for block, y in zip(system.blocks, right, strict=False):
            # Rows without weight are not rows. A projected block has orthonormal rows, so its noise is white too.
            y += np.where(spread(block.weight, y.shape, y) > 0, normal(rng, y.shape, y), 0.0)
        right[-1] = start = np.zeros_like(prior)
        return prior + refine(system, inner, start, right=right, tol=1e-6, patience=patience(inner))[0]

    return SampledPosterior(problem.bases, draw)


def normal(rng: np.random.Generator, shape: tuple[int, ...], like: np.ndarray) -> np.ndarray:
    """Normal random numbers where `like` is, the same ones there as on the host."""
    return beside(rng.standard_normal(shape), like)


def fast_posterior(problem: GridProblem, solver: TensorSolver, rows: KronRows) -> GridPosterior:
    """By perturbed solves: what the noise of the rows does to u, and what the features do that no row sees."""

    def draw(rng: np.random.Generator) -> np.ndarray:
        prior = problem.s * normal(rng, problem.size, problem.like)

        def noise(part: KronRows) -> np.ndarray:
            return normal(rng, part.values.shape, problem.like) / part.weight - part.unweighted(prior)

        f, g = noise(rows), [noise(condition.rows) for condition in problem.conditions]
        return prior + fast_solve(solver, rows, f, g, tol=1e-8)[0]

    return SampledPosterior(problem.bases, draw)


def solve_grid(
    problem: GridProblem,
    *,
    method: str = "auto",
    direct_size: int = 6000,
    leading_size: int = 3000,
    tol: float = 1e-15,
    maxiter: int = 300,
    callback: Callback | None = None,
) -> GridSolution:
    """The posterior mean of the coefficients, for linear rows.

    Parameters
    ----------
    problem : GridProblem
    method : {"auto", "direct", "qr", "cholesky", "fast", "iterative"}
    direct_size : int
        Up to so many coefficients a factor is made: n^2 doubles three times over, n^3 / 3 multiplications. With next
        to no noise "auto" takes the fast method from half as many on, where it applies.
    leading_size : int
        The coefficients in the factor of the iterative method.
    tol : float
        Of the gradient, relative to that at zero.
    maxiter : int
        Of conjugate gradients.
    callback : callable, optional
        Called with (stage, step, size) in what takes longer than two seconds; a true answer stops.

    Returns
    -------
    GridSolution
    """
    watch = Watch(callback)
    chosen, solver = choose(problem, method, direct_size)
    if solver is not None:
        found = solve_fast(problem, solver, watch)
        if method == "fast" or math.prod(problem.size) > direct_size or resolved(found):
            return found
        chosen = "direct"
    system = problem.system()
    watch("factor", 0, math.nan)
    inner, name = preconditioner(system, chosen, leading_size)
    start = fast_start(problem) if name == "iterative" else zeros(problem.size, np.float64, problem.like)
    z, steps, gradient = refine(
        system, inner, start, tol=tol, maxiter=maxiter, patience=patience(inner),
        watch=lambda step, size: watch("conjugate gradients", step, size),
    )  # fmt: skip
    status = GridStatus.STOPPED if watch.stopped else ended(gradient, steps, maxiter)
    # Where the conditions outweigh all else their share of the gradient says little: the rest is looked at.
    if name == "iterative" and status is GridStatus.CONVERGED and excess(system, inner, z) > 1e-4:
        status = GridStatus.MAXITER if steps >= maxiter else GridStatus.STAGNATED
    return GridSolution(
        problem,
        z,
        status,
        name,
        steps,
        gradient,
        system,
        functools.partial(posterior_of, problem, system, inner),
    )


def fast_start(problem: GridProblem) -> np.ndarray:
    """What the fast method makes of noisy equations: the conditions hold, conjugate gradients see to the noise."""
    solver, none = build(problem), zeros(problem.size, np.float64, problem.like)
    if solver is None or solver.singular:
        return none
    rows, g = problem.equations[0][1], [condition.rows.values for condition in problem.conditions]
    z = fast_solve(solver, rows, rows.values, g, tol=1e-10)[0]
    # Rounding in coefficients that the prior holds at zero would be countless of their deviations.
    s = problem.s
    return np.where(s > 1e-14 * s.max(), z, 0.0) if bool(np.isfinite(z).all()) else none


def resolved(found: GridSolution, most: float = 1e-6) -> bool:
    """Whether the misfit of the equation is small beside the largest right-hand side, in units of their sd."""
    largest = max(largest_magnitude(block.right) for block in found.system.blocks)
    return found.status is GridStatus.CONVERGED and found.residual_norms[0] <= most * largest


def ended(gradient: float, steps: int, maxiter: int, enough: float = 1e-8) -> GridStatus:
    if gradient <= enough:
        return GridStatus.CONVERGED
    return GridStatus.MAXITER if steps >= maxiter else GridStatus.STAGNATED


def solve_fast(problem: GridProblem, solver: TensorSolver, watch: Watch) -> GridSolution:
    """Once, and once more with functions that the prior calls next to impossible where that lowers a large misfit."""
    found = solve_fast_once(problem, solver, watch)
    if not resolved(found, 1e-10) and not watch.stopped:
        wider = build(problem, impossible=1e-6 * IMPOSSIBLE)
        if wider is not None and not wider.singular:
            other = solve_fast_once(problem, wider, watch)
            if other.residual_norms[0] < found.residual_norms[0]:
                # Without a prior the wider basis amplifies noise: draws stay in the narrower one.
                return dataclasses.replace(other, make_posterior=found.make_posterior)
    return found


def solve_fast_once(problem: GridProblem, solver: TensorSolver, watch: Watch) -> GridSolution:
    rows = problem.equations[0][1]
    z, steps, size = fast_solve(
        solver, rows, rows.values, [c.rows.values for c in problem.conditions],
        watch=lambda step, size: watch("fast", step, size),
    )  # fmt: skip
    status = GridStatus.CONVERGED if size <= 1e-8 else GridStatus.STAGNATED
    system = RowSet(problem.blocks, problem.axis_s, problem.functionals, problem.like)
    return GridSolution(
        problem,
        z,
        status,
        "fast",
        steps,
        size,
        system,
        functools.partial(fast_posterior, problem, solver, rows),
    )
