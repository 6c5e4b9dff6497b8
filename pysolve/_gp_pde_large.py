"""From a problem and its features to the grid solver, for more features than rows can be written out for."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from pysolve._arrays import largest_magnitude
from pysolve._backend import as_array, beside, zeros
from pysolve._gp_pde_features import Features
from pysolve._gp_pde_grid import solve_grid
from pysolve._gp_pde_grid_basis import GridAxis
from pysolve._gp_pde_grid_newton import Nonlinear, solve_grid_nonlinear
from pysolve._gp_pde_grid_posterior import SampledPosterior
from pysolve._gp_pde_grid_problem import GridProblem
from pysolve._gp_pde_grid_result import GridSolution, GridStatus
from pysolve._gp_pde_outcome import GPStatus
from pysolve._gp_pde_problem import Problem

EQUATION_NUGGET = 1e-12  # noise of exact equations, relative to the largest |f|
OPEN_NUGGET = 1e-7  # of equations that leave u open: with less, what the features miss of a mode rules it out
SIDE_NUGGET = 1e-14  # of the sides and of periods, relative to the largest u
NAMES = {
    GridStatus.CONVERGED: GPStatus.SOLVED,
    GridStatus.MAXITER: GPStatus.MAXITER,
    GridStatus.STAGNATED: GPStatus.STAGNATED,
    GridStatus.OVERFLOW: GPStatus.BREAKDOWN,
    GridStatus.STOPPED: GPStatus.STOPPED,
}


@dataclasses.dataclass(frozen=True)
class LargeSolve:
    """What the grid solver found, in terms of the axes' features."""

    solution: GridSolution
    amplitude: float
    c: np.ndarray
    status: GPStatus
    f_scale: float

    def posterior(self, rng: Any) -> LargePosterior:
        """Variances and draws of c."""
        return LargePosterior(self.solution, self.amplitude, rng)


class LargePosterior:
    """The grid solver's posterior, asked for with the axes' own features.

    Parameters
    ----------
    solution : GridSolution
        What was found.
    amplitude : float
        What the features of the first axis were multiplied by.
    rng : None, int or numpy.random.Generator
        For variances that are estimated from draws.
    """

    def __init__(self, solution: GridSolution, amplitude: float, rng: Any) -> None:
        self.solution, self.amplitude, self.rng = solution, amplitude, rng
        self.missed = 0.0
        self.sizes = [1.0]

    def with_error(self, missed: float, matrices: Sequence[np.ndarray]) -> LargePosterior:
        """With a standard deviation of at least `missed`: what the features leave of exact equations, in units of u.

        The solver takes exact equations as met. `matrices` are the features on the grid; a derivative's deviation is
        as much larger as its features are.
        """
        self.missed, self.sizes = missed, [_mean_square(part) for part in matrices]
        return self

    def _least(self, matrices: Sequence[np.ndarray]) -> float:
        if self.missed == 0:
            return 0.0
        ratios = [_mean_square(part) / (size or 1.0) for part, size in zip(matrices, self.sizes, strict=True)]
        return float(self.missed**2 * np.prod(ratios))

    def _posterior(self) -> Any:
        """The solver's, which makes its draws with this generator if it needs some."""
        posterior = self.solution.posterior
        if isinstance(posterior, SampledPosterior) and not posterior.drawn:
            posterior.rng = np.random.default_rng(0 if self.rng is None else self.rng)
        return posterior

    def variance_grid(self, matrices: Sequence[np.ndarray]) -> np.ndarray:
        """Variance on a grid; `matrices` are the axes' features there."""
        found = self._posterior().variance([self.amplitude * matrices[0], *matrices[1:]])
        return found + self._least(matrices)

    def variance_points(self, matrices: Sequence[np.ndarray]) -> np.ndarray:
        """Variance at points; row i of every matrix is the axis's features at point i."""
        found = self._posterior().variance_at([self.amplitude * matrices[0], *matrices[1:]])
        return found + self._least(matrices)

    def sample(self, n: int, rng: np.random.Generator) -> np.ndarray:
        """Draws of the features' coefficients, shape (n, *shape)."""
        from pysolve._gp_pde_grid_products import chain

        z = self.solution.z
        bases = [beside(basis.T, z) for basis in self.solution.problem.bases]
        draws = self._posterior().samples(n, rng) if n else []
        made = [self.amplitude * chain(bases, z + draw) for draw in draws]
        return np.stack(made) if made else zeros((0, *(T.shape[0] for T in bases)), np.float64, z)

    @property
    def log_evidence(self) -> float:
        """Logarithm of the data's probability density; NaN where no determinant is at hand."""
        found = self.solution.log_evidence
        return math.nan if found is None else found


def _mean_square(rows: np.ndarray) -> float:
    """Mean over the rows of their sum of squares."""
    return float((rows**2).sum(axis=1).mean()) if len(rows) else 0.0


def solve_large(
    problem: Problem,
    features: Sequence[Features],
    report: Callable[[str], None] | None = None,
    nugget: float = EQUATION_NUGGET,
) -> LargeSolve:
    """The posterior mean by the grid solver: no unknown numbers, prior weights as the data's size suggests."""
    orders = [_orders(problem, axis) for axis in range(len(problem.axes))]
    largest = max(_size(problem, features, term) for term in problem.terms)
    f, trace = problem.f_scale, problem.trace_scale
    u = max(trace, f / largest if largest else 0.0) or 1.0
    amplitude, f_scale = 10.0 * u, f or largest * u or 1.0
    axes = [
        _grid_axis(part, x, wanted, amplitude if axis == 0 else 1.0)
        for axis, (part, x, wanted) in enumerate(zip(features, problem.axes, orders, strict=True))
    ]
    grid = GridProblem(axes, like=problem.f)
    grid.equation(problem.summed_terms, problem.f, nugget * f_scale if problem.exact else problem.noise)
    _add_conditions(grid, problem, features, u, amplitude)
    callback = None if report is None else (lambda stage, step, size: report(f"{stage} {step}: {size:.1e}"))
    if problem.nonlinear is None:
        found = solve_grid(grid, callback=callback)
    else:
        found = solve_grid_nonlinear(
            grid, Nonlinear.of_u(*problem.nonlinear, len(features)), callback=callback
        )
    return LargeSolve(found, amplitude, amplitude * found.c, NAMES[found.status], f_scale)


def _orders(problem: Problem, axis: int) -> set[int]:
    """Derivatives of the axis's features that the rows need."""
    found = {0} | {term.orders[axis] for term in problem.terms}
    found |= {1 for face in problem.faces if face.axis == axis and face.b != 0}
    return found | (set(range(max(1, max(found)))) if axis in problem.periodic else set())


def _size(problem: Problem, features: Sequence[Features], term: Any) -> float:
    """About the largest a term can be for u of size 1."""
    size = largest_magnitude(as_array(term.coefficient))
    for part, k in zip(features, term.orders, strict=True):
        highest = max((2 * np.pi * mu for mu in part.frequencies), default=0.0)
        size *= max(highest, 4.0 / (part.high - part.low)) ** k
    return size


def _grid_axis(part: Features, x: np.ndarray, orders: set[int], amplitude: float) -> GridAxis:
    ends = {k: amplitude * part.matrix(x[[0, -1]], k) for k in orders}
    return GridAxis(
        {k: amplitude * part.matrix(x, k) for k in orders},
        {k: rows[0] for k, rows in ends.items()},
        {k: rows[1] for k, rows in ends.items()},
    )


def _add_conditions(
    grid: GridProblem, problem: Problem, features: Sequence[Features], u: float, amplitude: float
) -> None:
    """Sides, periods and measurements."""
    for face in problem.faces:
        known = largest_magnitude(face.g[np.isfinite(face.g)])
        sd = 100 * SIDE_NUGGET * max(known, max(abs(face.a), abs(face.b)) * u)
        grid.face(face.axis, face.end == 1, face.g, sd, a=face.a, b=face.b)
    for axis in problem.periodic:
        for k in range(max(1, max(term.orders[axis] for term in problem.terms))):
            length = problem.axes[axis][-1] - problem.axes[axis][0]
            grid.periodic(axis, 100 * SIDE_NUGGET * u / length**k, (k,))
    if problem.data is not None:
        rows = [part.matrix(problem.data.points[:, j]) for j, part in enumerate(features)]
        sd = np.maximum(problem.data.sd, 100 * SIDE_NUGGET * u)
        grid.points([amplitude * rows[0], *rows[1:]], problem.data.values, sd)
