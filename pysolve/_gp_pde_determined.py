"""Whether a problem leaves its solution open: whether with right sides 0 it has solutions that are not 0.

That is looked at on a small grid on the host: to it are copied coefficients that vary, interpolated to that grid, and
the points of the measurements.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any

import numpy as np
import scipy.interpolate

from pysolve._arrays import largest_magnitude
from pysolve._backend import beside, on_device, on_host
from pysolve._gp_pde_equations import nonlinear_at
from pysolve._gp_pde_evidence import Block, Fit, fit
from pysolve._gp_pde_features import Features, OscillatoryFeatures
from pysolve._gp_pde_grid_products import chain
from pysolve._gp_pde_posterior import DensePosterior
from pysolve._gp_pde_problem import Face, Measurements, Problem, Source, Term
from pysolve._gp_pde_signals import SPREAD
from pysolve._gp_pde_system import DenseSystem

UNDETERMINED = 0.03  # standard deviation relative to u that is no knowledge, were all data exact
EXACTLY = 1e-8  # what the noise of data is multiplied by to make them exact
PROBES = 12  # points of every axis at which that is looked at
MOST_OF_ENVELOPE = 20  # features of an envelope in the test for solutions of the homogeneous problem
MOST_FEATURES = 520  # of all axes together there
NEARLY = 1e-10  # relative residual with which one counts as a solution there
NEARLY_SMOOTH = 2e-6  # the same without lines: what these features leave of a mode as sinh(pi y) sin(pi x)


def has_null_space(system: DenseSystem, c: np.ndarray, unknowns: np.ndarray) -> bool:
    """Whether a smooth function of size 1 solves the problem, linearised, with all right sides 0.

    The equations are asked for everywhere, on a grid of its own, so that it does not matter how many points f is
    known at: what lies between them is the business of the evidence, but a missing boundary value is nobody's.
    """
    u = system.values(c)
    if _has_null_space(system.problem, _fewer(system.rows.features), u, unknowns, NEARLY):
        return True
    return (
        len(system.problem.axes) > 1
        and not system.problem.unknowns
        and has_smooth_null_space(system.problem, u)
    )


def has_smooth_null_space(problem: Problem, u: np.ndarray) -> bool:
    """The same for a problem without unknown numbers, of u on its grid, among functions without lines.

    For solvers of many features: a constant, a slope, a first mode are what missing or badly placed conditions leave
    open.
    """
    features = [
        OscillatoryFeatures(x[0], x[-1], (0.0,), (SPREAD / (x[-1] - x[0]),), trend=True) for x in problem.axes
    ]
    return _has_null_space(problem, _fewer(features), u, np.zeros(0), NEARLY_SMOOTH)


def _has_null_space(
    problem: Problem, features: Sequence[Features], u: np.ndarray, unknowns: np.ndarray, nearly: float
) -> bool:
    if not bool(np.isfinite(problem.f).any()):
        return False
    homogeneous = _homogeneous(problem, features, u, unknowns)
    if homogeneous is None:
        return False
    test = DenseSystem(homogeneous, features)
    blocks = [test.equations(np.zeros(test.size), test.starts, nearly * test.f_scale), *test.conditions]
    return _largest_sd(test, fit(blocks, test.weights, test.centre)) > UNDETERMINED


def is_open(system: DenseSystem, blocks: list[Block], found: Fit) -> bool:
    """Whether u is open somewhere under the weights found, not for noise but even if all data were exact."""
    most = UNDETERMINED * max(largest_magnitude(system.values(found.c[: system.size])), 1e-3 * system.u_scale)
    if _largest_sd(system, found) <= most:
        return False
    exact = [
        dataclasses.replace(block, sd=max(EXACTLY * block.sd, block.floor)) if block.fixed else block
        for block in blocks
    ]
    return _largest_sd(system, fit(exact, found.weights, system.centre)) > most


def _largest_sd(system: DenseSystem, found: Fit) -> float:
    posterior = DensePosterior(found, tuple(part.size for part in system.rows.features))
    matrices = []
    for part, x in zip(system.rows.features, system.problem.axes, strict=True):
        rows = part.matrix(np.linspace(x[0], x[-1], min(PROBES, len(x))))
        matrices.append(beside(rows, system.problem.f))
    return float(np.sqrt(posterior.variance_grid(matrices).max()))


def _fewer(features: Sequence[Features]) -> list[Features]:
    """The smoothest features of every axis."""
    most = MOST_OF_ENVELOPE
    while True:
        made: list[Features] = [
            dataclasses.replace(part, most=most) if isinstance(part, OscillatoryFeatures) else part
            for part in features
        ]
        if most <= 2 or np.prod([part.size for part in made]) <= MOST_FEATURES:
            return made
        most -= 2


def _homogeneous(
    problem: Problem, features: Sequence[Features], u: np.ndarray, unknowns: np.ndarray
) -> Problem | None:
    """The problem linearised at (u, unknowns), with right sides 0, on Chebyshev points; None where not finite."""
    sizes = [part.size + 4 for part in features]
    axes = tuple(_points(x, n) for x, n in zip(problem.axes, sizes, strict=True))
    value = dict(zip(problem.unknowns, unknowns, strict=True))
    terms = [
        Term(term.orders, _moved(term.coefficient * value.get(term.unknown or "", 1.0), problem.axes, axes))
        for term in problem.terms
    ]
    if problem.nonlinear is not None:
        slope = nonlinear_at(problem, u)[1]
        if not bool(np.isfinite(slope).all()):
            return None
        terms.append(Term((0,) * len(axes), _moved(slope, problem.axes, axes)))
    sources = [
        Source(np.broadcast_to(_moved(part.shape, problem.axes, axes), sizes), part.unknown)
        for part in problem.sources
    ]
    faces = [_face(face, problem.axes, axes) for face in problem.faces]
    data = problem.data
    if data is not None:
        count = len(data.values)
        data = Measurements(on_host(data.points), np.zeros(count), np.zeros(count))
    starts = {part.unknown: 0.0 for part in sources}
    return Problem(
        axes, tuple(terms), np.zeros(sizes), 0.0, tuple(faces), problem.periodic, data, None, tuple(sources), starts
    )  # fmt: skip


def _points(x: np.ndarray, n: int) -> np.ndarray:
    inner = (x[0] + x[-1]) / 2 - (x[-1] - x[0]) / 2 * np.cos(np.pi * np.arange(1, n - 1) / (n - 1))
    return np.concatenate([x[:1], inner, x[-1:]])


def _moved(values: Any, old: Sequence[np.ndarray], new: Sequence[np.ndarray], method: str = "linear") -> Any:
    """Values on the grid of the old axes, interpolated to the new ones; on the host."""
    if np.ndim(values) == 0 or not old:
        return on_host(values)
    if on_device(values):
        weights = [beside(_interpolation(*pair, method), values) for pair in zip(old, new, strict=True)]
        return on_host(chain(weights, values))
    grid = np.stack(np.meshgrid(*new, indexing="ij"), axis=-1)
    return scipy.interpolate.RegularGridInterpolator(tuple(old), np.asarray(values), method=method)(grid)


def _interpolation(x: np.ndarray, to: np.ndarray, method: str) -> np.ndarray:
    """The matrix of an axis that takes values at x to those at `to`: (to.size, x.size)."""
    parts = scipy.interpolate.RegularGridInterpolator((x,), np.eye(len(x)), method=method)
    return parts(to[:, None])


def _face(face: Face, old: Sequence[np.ndarray], new: Sequence[np.ndarray]) -> Face:
    """The same side with value 0 wherever the nearest point's is known."""
    before, after = ([x for j, x in enumerate(axes) if j != face.axis] for axes in (old, new))
    known = _moved(np.where(np.isfinite(face.g), 1.0, 0.0), before, after, "nearest")
    g = np.where(np.asarray(known) > 0.5, 0.0, np.nan)
    return dataclasses.replace(face, g=g)
