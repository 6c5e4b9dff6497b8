"""PDE solves with Gaussian processes: high frequencies, several scales, noise, and an uncertainty."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import numpy as np

from pysolve._gp_pde_arguments import parse
from pysolve._gp_pde_kernels import as_kernel, axis_features, frequencies_from
from pysolve._gp_pde_newton import Solved, solve
from pysolve._gp_pde_outcome import GPStatus
from pysolve._gp_pde_posterior import DensePosterior
from pysolve._gp_pde_problem import Problem
from pysolve._gp_pde_result import GPSolution
from pysolve._gp_pde_system import DenseSystem

RESOLVED = 1e-6  # relative residual of exact equations that the features explain
NOISE_EXPLAINS = 2.0  # residual in units of the noise that the noise explains


def gp_pde(
    operator: Any,
    f: Any,
    axes: Any,
    boundary: Any,
    *,
    kernel: Any = "gm",
    frequencies: Any = "auto",
    noise: Any = 0.0,
    data: Any = None,
    nonlinear: Any = None,
    return_std: bool = False,
    refine: bool = False,
    progress: bool | Callable[[str], None] = False,
    rng: Any = None,
) -> GPSolution:
    started = time.perf_counter()
    problem = parse(operator, f, axes, boundary, noise, data, nonlinear)
    chosen = as_kernel(kernel, frequencies, problem)
    mus = chosen.frequencies or frequencies_from(problem)
    found_at = time.perf_counter()
    best = None
    for spread in chosen.spreads:
        system = DenseSystem(problem, axis_features(chosen, problem, mus, spread))
        solved = solve(system)
        if best is None or solved.posterior.log_evidence > best[1].posterior.log_evidence:
            best = system, solved
    assert best is not None
    timings = {"frequencies": found_at - started, "solve": time.perf_counter() - found_at}
    result = finished(problem, *best, timings)
    if return_std:
        _ = result.std
    result.timings["total"] = time.perf_counter() - started
    return result


def finished(problem: Problem, system: DenseSystem, solved: Solved, timings: dict[str, float]) -> GPSolution:
    """The solution with its status and figures."""
    shape = tuple(part.size for part in system.rows.features)
    posterior = DensePosterior(solved.posterior, shape)
    left = system.residual(solved.c, solved.unknowns)
    rms = float(np.sqrt(np.mean(left**2))) if left.size else 0.0
    status = judged(solved, system, left)
    sds = np.sqrt(np.diag(posterior.unknowns_covariance))
    counts = [int(part.groups.max(initial=0)) + 1 for part in system.rows.features]
    weights = np.zeros(int(np.prod(counts)))
    weights[system.groups] = solved.posterior.weights[: system.size]
    relative = rms / system.f_scale
    return GPSolution(
        u=system.values(solved.c),
        status=status,
        message=f"{status} (relative residual {relative:.2g}, {system.size} features)",
        residual_norm=float(np.linalg.norm(left)),
        relative_residual=relative,
        iterations=solved.iterations,
        frequencies=tuple(part.frequencies for part in system.rows.features),
        weights=weights.reshape(counts),
        coefficients={
            name: (float(value), float(sd))
            for name, value, sd in zip(problem.unknowns, solved.unknowns, sds, strict=True)
        },
        coefficient_covariance=posterior.unknowns_covariance,
        log_evidence=solved.posterior.log_evidence,
        timings=timings,
        axes=problem.axes,
        _features=system.rows.features,
        _c=solved.c.reshape(shape),
        _posterior=posterior,
    )


def judged(solved: Solved, system: DenseSystem, left: np.ndarray) -> GPStatus:
    """A solved system whose residual is too large, or whose solution the data do not determine, is not SOLVED."""
    if solved.status is not GPStatus.SOLVED:
        return solved.status
    if left.size == 0:
        too_large = False
    elif system.exact:
        too_large = np.sqrt(np.mean(left**2)) > RESOLVED * system.f_scale
    else:
        too_large = np.sqrt(np.mean((left / system.noise[system.known]) ** 2)) > NOISE_EXPLAINS
    if too_large:
        return GPStatus.UNRESOLVED
    return GPStatus.UNDERDETERMINED if solved.undetermined else solved.status
