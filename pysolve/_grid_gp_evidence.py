"""Length scales, amplitude and noise that make the data most probable.

With A = S a^2 K S^T + s2 I and x = A^-1 y the evidence is -(y . x + log|A| + n log 2 pi) / 2, and its derivative by a
parameter is (x . A' x - tr(A^-1 A')) / 2. Where A is too large to factorise and cells are missing, the search takes
log|A| to be the sum of log(n/N lambda + s2) over the n largest eigenvalues lambda of the whole grid's covariance, which
is exact without a missing cell. What a result reports as its evidence is computed anew.
"""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import scipy.linalg
import scipy.optimize

from pysolve._backend import namespace, on_device
from pysolve._gp_pde_device import solve_triangular
from pysolve._grid_gp_covariance import Covariance, Grid, correlation, outer
from pysolve._grid_gp_solvers import RANK_OF_SEARCH, Dense, Direct, Iterative
from pysolve._kron import KronOperator
from pysolve._spectral_mixture import SpectralMixture

EXACT = 1024  # observed cells up to which the search has the exact determinant of a grid with missing cells
STEPS = 60  # of the search
SOLVER_STEPS, SOLVER_RTOL = 200, 1e-4  # of a solve in it: y . x errs by the square
STARTS = [
    (0.05, 0.1),
    (0.2, 0.1),
    (0.2, 0.01),
    (0.6, 0.1),
]  # of extents, and noise of the spread of the values


@dataclasses.dataclass
class Model:
    """Kinds or kernels of the axes, and numbers; None for one that is searched for."""

    kernels: list[Any]
    length_scales: list[float | None]
    amplitude: float | None
    noise: float | None

    def free(self) -> list[Any]:
        """The axes whose length scale is searched for, then the amplitude and the noise, where they are."""
        axes = [
            j
            for j, kernel in enumerate(self.kernels)
            if self.length_scales[j] is None and not isinstance(kernel, SpectralMixture)
        ]
        return axes + [name for name in ("amplitude", "noise") if getattr(self, name) is None]

    def with_numbers(self, free: list[Any], logarithms: np.ndarray) -> Model:
        """This model with the free numbers filled in."""
        scales, others = list(self.length_scales), {"amplitude": self.amplitude, "noise": self.noise}
        for name, value in zip(free, np.exp(logarithms).tolist(), strict=True):
            if isinstance(name, str):
                others[name] = value
            else:
                scales[name] = value
        return Model(self.kernels, scales, others["amplitude"], others["noise"])

    def covariance(self, grid: Grid) -> Covariance:
        """The prior of a model without a free number."""
        made = [
            kernel if isinstance(kernel, SpectralMixture) else correlation(kernel, scale or 1.0)
            for kernel, scale in zip(self.kernels, self.length_scales, strict=True)
        ]
        return Covariance(grid, made, self.amplitude or 0.0, self.noise or 0.0)


def searched(model: Model, grid: Grid, y: np.ndarray, rtol: float, maxiter: int, rng: Any) -> Model:
    """The model with its free numbers at a maximum of the evidence."""
    free = model.free()
    if not free:
        return model
    spread = float(y.std()) or 1.0

    def loss(logarithms: np.ndarray) -> tuple[float, np.ndarray]:
        covariance = model.with_numbers(free, logarithms).covariance(grid)
        try:
            return evidence_loss(covariance, y, free, max(rtol, SOLVER_RTOL), maxiter, rng)
        except np.linalg.LinAlgError:
            return 1e100, np.zeros(len(free))

    starts = [np.array([_first(name, grid, spread, part, noise) for name in free]) for part, noise in STARTS]
    best = min(starts, key=lambda start: loss(start)[0])
    bounds = [_range(name, grid, spread) for name in free]
    options = {"maxiter": STEPS, "ftol": 1e-9}
    found = scipy.optimize.minimize(loss, best, jac=True, method="L-BFGS-B", bounds=bounds, options=options)
    return model.with_numbers(free, found.x)


def evidence_loss(
    covariance: Covariance, y: np.ndarray, free: list[Any], rtol: float, maxiter: int, rng: Any
) -> tuple[float, np.ndarray]:
    """Minus the evidence, without its constant, and the derivatives by the logarithms of the free numbers."""
    grid = covariance.grid
    if grid.missing.size and y.size <= EXACT:
        solver: Any = Dense(covariance)
        half_traces, log_determinant = _dense_traces(solver, free), solver.log_determinant()
    else:
        if grid.missing.size:  # one solve alone does not pay for a Schur complement
            solver = Iterative(covariance, rtol, min(maxiter, SOLVER_STEPS), rng, RANK_OF_SEARCH)
        else:
            solver = Direct(covariance)
        log_determinant, half_traces = _spectral_traces(covariance, free)
    x = solver.solve(y)
    loss = 0.5 * (float(y @ x) + log_determinant)
    whole = grid.whole(x)
    signal = float(y @ x) - covariance.s2 * float(x @ x)
    gradient = np.empty(len(free))
    for place, name in enumerate(free):
        if name == "amplitude":
            quadratic = 2 * signal
        elif name == "noise":
            quadratic = 2 * covariance.s2 * float(x @ x)
        else:
            changed = list(covariance.matrices)
            changed[name] = grid.slope(name, covariance.kernels[name])
            quadratic = covariance.amplitude**2 * float(whole @ (KronOperator(*changed) @ whole))
        gradient[place] = half_traces[place] - 0.5 * quadratic
    return loss, gradient


def _spectral_traces(covariance: Covariance, free: list[Any]) -> tuple[float, np.ndarray]:
    """log|A| by the largest eigenvalues, and half its derivatives."""
    n, N = covariance.grid.seen.size, covariance.grid.size
    top = np.argpartition(covariance.eigenvalues, N - n)[N - n :] if n < N else slice(None)
    scaled = n / N * covariance.eigenvalues[top]
    total = scaled + covariance.s2
    traces = []
    for name in free:
        if name == "amplitude":
            traces.append(float((scaled / total).sum()))
        elif name == "noise":
            traces.append(float((covariance.s2 / total).sum()))
        else:
            rows = [values for values, _ in covariance.decompositions]
            Q = covariance.decompositions[name][1]
            rows[name] = np.einsum("ij,ij->j", Q, covariance.grid.slope(name, covariance.kernels[name]) @ Q)
            change = covariance.amplitude**2 * n / N * outer(rows)[top]
            traces.append(0.5 * float((change / total).sum()))
    return float(np.log(total).sum()), np.array(traces)


def _dense_traces(solver: Dense, free: list[Any]) -> np.ndarray:
    """Half the traces of A^-1 A'."""
    covariance = solver.covariance
    grid, n = covariance.grid, covariance.grid.seen.size
    inverse = inverse_of(solver.L)
    noise = covariance.s2 * float(np.trace(inverse))
    at = np.unravel_index(grid.seen, grid.shape)
    traces = []
    for name in free:
        if isinstance(name, str):
            traces.append(n - noise if name == "amplitude" else noise)
            continue
        changed = list(covariance.matrices)
        changed[name] = grid.slope(name, covariance.kernels[name])
        product = inverse * covariance.amplitude**2
        for K, cell in zip(changed, at, strict=True):
            product *= K[cell[:, None], cell]
        traces.append(0.5 * float(product.sum()))
    return np.array(traces)


def inverse_of(L: np.ndarray) -> np.ndarray:
    """(L L^T)^-1."""
    if on_device(L):
        half = solve_triangular(L, namespace(L).eye(len(L)), lower=True)
        return half.T @ half
    inverse, _ = scipy.linalg.lapack.dpotri(L, lower=1)
    inverse = np.tril(inverse)
    return inverse + np.tril(inverse, -1).T


def _extent(grid: Grid, j: int) -> float:
    return float(np.ptp(grid.axes[j])) or 1.0


def _first(name: Any, grid: Grid, spread: float, part: float, noise: float) -> float:
    value = {"amplitude": spread, "noise": noise * spread}.get(name)
    return float(np.log(part * _extent(grid, name) if value is None else value))


def _range(name: Any, grid: Grid, spread: float) -> tuple[float, float]:
    """Length scales from half the smallest gap to ten extents; the others over many decades."""
    if name == "amplitude":
        low, high = 1e-2 * spread, 1e3 * spread
    elif name == "noise":
        low, high = 1e-5 * spread, 1e1 * spread
    else:
        gaps = np.diff(grid.axes[name])
        low, high = 0.5 * float(gaps.min(initial=_extent(grid, name))), 10 * _extent(grid, name)
    return float(np.log(low)), float(np.log(high))
