"""From what a solver found to a `GPSolution` with its status and figures."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from pysolve._arrays import largest_magnitude
from pysolve._backend import beside, on_host
from pysolve._gp_pde_determined import has_smooth_null_space
from pysolve._gp_pde_device import spread
from pysolve._gp_pde_features import Features, KernelFeatures
from pysolve._gp_pde_grid_posterior import ExactPosterior
from pysolve._gp_pde_grid_products import chain
from pysolve._gp_pde_joint import JointResult, JointStatus
from pysolve._gp_pde_large import OPEN_NUGGET, LargeSolve, solve_large
from pysolve._gp_pde_newton import Solved
from pysolve._gp_pde_outcome import GPStatus
from pysolve._gp_pde_posterior import DensePosterior
from pysolve._gp_pde_problem import Problem
from pysolve._gp_pde_result import GPSolution, at_points
from pysolve._gp_pde_system import NUGGET, DenseSystem

RESOLVED = 1e-6  # relative residual of exact equations that the features explain
NOISE_EXPLAINS = 2.0  # residual in units of the noise that the noise explains
OPEN = 0.03  # standard deviation relative to the largest u that is no knowledge, where data are exact
PROBES = 9  # points of every axis at which that is looked at
JOINT = {
    JointStatus.CONVERGED: GPStatus.SOLVED,
    JointStatus.MAXITER: GPStatus.MAXITER,
    JointStatus.OVERFLOW: GPStatus.BREAKDOWN,
}


def finished_dense(
    problem: Problem, system: DenseSystem, solved: Solved, timings: dict[str, float]
) -> GPSolution:
    """Of the dense solver."""
    features = system.rows.features
    shape = tuple(part.size for part in features)
    posterior = DensePosterior(solved.posterior, shape)
    left = system.residual(solved.c, solved.unknowns)
    status = solved.status
    if status is GPStatus.SOLVED:
        status = judged(problem, left, system.f_scale, solved.undetermined)
        if conditions_missed(system, solved):
            status = GPStatus.UNRESOLVED
    counts = [int(part.groups.max(initial=0)) + 1 for part in features]
    weights = np.zeros(int(np.prod(counts)))
    weights[system.groups] = solved.posterior.weights[: system.size]
    sds = np.sqrt(np.diag(posterior.unknowns_covariance))
    return GPSolution(
        u=system.values(solved.c),
        weights=weights.reshape(counts),
        coefficients={
            name: (float(value), float(sd))
            for name, value, sd in zip(problem.unknowns, solved.unknowns, sds, strict=True)
        },
        coefficient_covariance=posterior.unknowns_covariance,
        log_evidence=solved.posterior.log_evidence,
        iterations=solved.iterations,
        _c=beside(solved.c.reshape(shape), problem.f),
        _posterior=posterior,
        **common(problem, features, left, system.f_scale, status, timings),
    )


def finished_large(
    problem: Problem, features: Sequence[Features], solved: LargeSolve, timings: dict[str, float], rng: Any
) -> GPSolution:
    """Of the grid solver."""
    matrices = [
        {k: beside(part.matrix(x, k), problem.f) for k in {0} | {term.orders[j] for term in problem.terms}}
        for j, (part, x) in enumerate(zip(features, problem.axes, strict=True))
    ]
    u = chain([each[0] for each in matrices], solved.c)
    known = np.isfinite(problem.f)
    total = -problem.f[known]
    for term in problem.terms:
        value = chain([each[k] for each, k in zip(matrices, term.orders, strict=True)], solved.c)
        total = total + spread(term.coefficient, u.shape, u)[known] * value[known]
    if problem.nonlinear is not None:
        with np.errstate(all="ignore"):
            total = total + problem.nonlinear[0](u[known])
    posterior, status = solved.posterior(rng), solved.status
    if status is GPStatus.SOLVED:
        open_ = is_open(problem, features, posterior, u) or has_smooth_null_space(problem, u)
        status = judged(problem, total, solved.f_scale, open_)
        if measurements_missed(problem, solved.c, features):
            status = GPStatus.UNRESOLVED
    if problem.exact and total.size:
        missed = float(np.sqrt(np.mean(total**2))) / solved.f_scale * largest_magnitude(u)
        posterior = posterior.with_error(missed, [each[0] for each in matrices])
    return GPSolution(
        u=u,
        weights=group_sizes(solved.c, features),
        coefficients={},
        coefficient_covariance=np.zeros((0, 0)),
        log_evidence=posterior.log_evidence,
        iterations=max(1, solved.solution.newton_steps),
        _c=solved.c,
        _posterior=posterior,
        **common(problem, features, total, solved.f_scale, status, timings),
    )


def solved_large(
    problem: Problem,
    features: Sequence[Features],
    report: Callable[[str], Any],
    timings: dict[str, float],
    rng: Any,
) -> GPSolution:
    """By the large solver; where u is open the spread is that of equations which the features can meet."""
    solved = solve_large(problem, features, report)
    found = finished_large(problem, features, solved, timings, rng)
    if found.status is not GPStatus.UNDERDETERMINED:
        return found
    wider = solve_large(problem, features, report, OPEN_NUGGET).solution
    return dataclasses.replace(
        found,
        _posterior=dataclasses.replace(
            solved, solution=dataclasses.replace(wider, z=solved.solution.z)
        ).posterior(rng),
    )


def finished_joint(problem: Problem, found: JointResult, timings: dict[str, float]) -> GPSolution:
    """Of the paper's objective."""
    features = tuple(KernelFeatures(x, kernel) for x, kernel in zip(problem.axes, found.kernels, strict=True))
    c = chain([np.linalg.pinv(part.matrix(part.points)) for part in features], found.U)
    left = -problem.f
    for term in problem.terms:
        left = left + term.coefficient * found.predict(problem.axes, term.orders)
    if problem.nonlinear is not None:
        left = left + problem.nonlinear[0](found.U)
    left = left[np.isfinite(problem.f)]
    status = JOINT.get(found.status, GPStatus.STOPPED)
    scale = problem.f_scale or 1.0
    if status is GPStatus.SOLVED:
        status = judged(problem, left, scale, False)
    return GPSolution(
        u=found.U,
        weights=np.array([kernel.weights for kernel in found.kernels]),
        coefficients={},
        coefficient_covariance=np.zeros((0, 0)),
        log_evidence=-float(found.losses[-1]),
        iterations=found.iterations,
        losses=found.losses,
        _c=c,
        _posterior=NoPosterior(),
        **common(problem, features, left, scale, status, timings),
    )


class NoPosterior:
    """method='joint' finds a point, not a distribution."""

    def _refuse(self, *arguments: Any) -> Any:
        raise ValueError("method='joint' has no standard deviation and no draws: take method='least-squares'")

    variance_grid = variance_points = sample = _refuse


def common(
    problem: Problem,
    features: Sequence[Features],
    left: np.ndarray,
    scale: float,
    status: GPStatus,
    timings: dict[str, float],
) -> dict[str, Any]:
    """The fields that every solver's result has; `left` is the residual where f is known."""
    relative = float(np.sqrt(np.mean(left**2))) / scale if left.size else 0.0
    count = int(np.prod([part.size for part in features]))
    return {
        "status": status,
        "message": f"{status} (relative residual {relative:.2g}, {count} features)",
        "residual_norm": float(np.linalg.norm(left)),
        "relative_residual": relative,
        "frequencies": tuple(part.frequencies for part in features),
        "timings": timings,
        "axes": problem.axes,
        "_measurements": problem.data,
        "_features": tuple(features),
    }


def judged(problem: Problem, left: np.ndarray, scale: float, undetermined: bool) -> GPStatus:
    """A solve whose residual is too large, or whose solution the data leave open, is not SOLVED."""
    if left.size and problem.exact:
        too_large = float(np.sqrt(np.mean(left**2))) > RESOLVED * scale
    elif left.size:
        sd = spread(problem.noise, problem.f.shape, problem.f)[np.isfinite(problem.f)]
        too_large = float(np.sqrt(np.mean((left / sd) ** 2))) > NOISE_EXPLAINS
    else:
        too_large = False
    if not bool(np.isfinite(left).all()):
        return GPStatus.BREAKDOWN
    if too_large:
        return GPStatus.UNRESOLVED
    return GPStatus.UNDERDETERMINED if undetermined else GPStatus.SOLVED


def conditions_missed(system: DenseSystem, solved: Solved) -> bool:
    """Whether a side, a period or the measurements are met much worse than their noise, or rounding, explains."""
    c = np.concatenate([solved.c.ravel(), np.ravel(solved.unknowns)])
    for block in system.conditions:
        left = float(np.linalg.norm(block.A @ beside(c, block.A) - block.r))
        misfit = left / np.sqrt(max(block.count, 1)) / block.sd
        if misfit > (NOISE_EXPLAINS if block.sd == 1.0 else RESOLVED / NUGGET):
            return True
    return False


def measurements_missed(problem: Problem, c: np.ndarray, features: Sequence[Features]) -> bool:
    """The same of the measurements, with the grid solver."""
    if problem.data is None or problem.data.values.size == 0:
        return False
    matrices = [part.matrix(problem.data.points[:, j]) for j, part in enumerate(features)]
    least = RESOLVED * max(largest_magnitude(problem.data.values), problem.trace_scale)
    left = (at_points(c, matrices) - problem.data.values) / np.maximum(problem.data.sd, max(least, 1e-300))
    return bool(np.sqrt(np.mean(left**2)) > NOISE_EXPLAINS)


def is_open(problem: Problem, features: Sequence[Features], posterior: Any, u: np.ndarray) -> bool:
    """Whether an exact posterior leaves u open somewhere; False where only draws are at hand.

    Fast diagonalisation, which has no exact one, is taken for problems with conditions on all sides only.
    """
    if not problem.exact or not isinstance(posterior.solution.posterior, ExactPosterior):
        return False
    matrices = [
        beside(part.matrix(np.linspace(x[0], x[-1], min(PROBES, len(x)))), u)
        for part, x in zip(features, problem.axes, strict=True)
    ]
    return float(posterior.variance_grid(matrices).max()) > (OPEN * largest_magnitude(u)) ** 2


def group_sizes(c: np.ndarray, features: Sequence[Features]) -> np.ndarray:
    """Root mean square of the coefficients of every combination of the axes' frequencies."""
    means = []
    for part in features:
        counts = np.bincount(part.groups)
        mean = (part.groups == np.arange(len(counts))[:, None]) / counts[:, None]
        means.append(beside(mean, c))
    return on_host(np.sqrt(chain(means, c**2)))
