"""A problem with the features of its axes: the least-squares system, linearised anywhere, and its residuals."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Sequence
from typing import Any

import numpy as np

from pysolve._arrays import largest_magnitude
from pysolve._backend import beside, namespace, on_host, zeros
from pysolve._gp_pde_device import spread
from pysolve._gp_pde_equations import Equations, at_known, nonlinear_at
from pysolve._gp_pde_evidence import Block, compress, joined
from pysolve._gp_pde_features import Features
from pysolve._gp_pde_grid_products import chain
from pysolve._gp_pde_problem import Face, Problem
from pysolve._gp_pde_rows import GridRows

NUGGET = 1e-13  # noise of exact equations and boundary values, relative to the largest
TOO_SMALL = 1e-14  # products of features whose size is below this part of the largest are left out
WIDEST_WEIGHTS = 1e6  # of the frequencies' first weights, relative to u
UNKNOWNS_SD = (
    1e4  # of the prior of the unknown numbers, relative to where they start: no knowledge to speak of
)


class DenseSystem:
    """Rows written out, for any number of axes, and at most a few thousand features.

    The coefficients are those of the features, then the unknown numbers. They are on the host, and so are their
    weights; rows, residuals and values of u are where f is.

    Parameters
    ----------
    problem : Problem
        The problem.
    features : sequence of Features
        One for each axis.
    """

    def __init__(self, problem: Problem, features: Sequence[Features]) -> None:
        self.problem, self.rows = problem, GridRows(problem, features)
        self.size, self.flat = self.rows.size, len(problem.unknowns)
        self.known = np.isfinite(problem.f)
        self.groups = tensor_groups(features)
        self.place = {name: i for i, name in enumerate(problem.unknowns)}
        self.starts = np.array(list(problem.starts.values()), dtype=np.float64)
        self.noise = spread(problem.noise, problem.shape, problem.f)
        self.exact = problem.exact
        self.centre = np.concatenate([np.zeros(self.size), self.starts])
        each = namespace(problem.f).ones(problem.shape) if self.exact else self.noise
        self.pieces = Equations(problem, self.rows, each)
        self.unit = float(1 / np.sqrt(float(np.mean(each[self.known] ** -2.0)))) if self.pieces.count else 1.0
        self.log_units = float(np.log(each[self.known]).sum())
        self.weights, self.u_scale, self.f_scale = self._scales()
        self.conditions = self._conditions()

    def _scales(self) -> tuple[np.ndarray, float, float]:
        """First weights of the features, and what u and the equation are about as large as."""
        norms = self._group_norms([piece.operator(self.starts) for piece in self.pieces])
        largest = norms.max(initial=0) or 1.0
        f, trace = self.problem.f_scale, self.problem.trace_scale
        u = max(trace, f / largest) or 1.0
        weights = np.maximum(trace, f / np.maximum(norms, 1e-300)) if max(f, trace) > 0 else u
        weights = np.clip(weights, 1e-3 * u, WIDEST_WEIGHTS * u) * np.ones(len(norms))
        f = f or largest * u
        first = np.where(self._sizes() > TOO_SMALL, weights[self.groups], 0.0)
        return np.concatenate([first, UNKNOWNS_SD * self._unknowns_scales(u, f)]), u, f

    def _sizes(self) -> np.ndarray:
        """Largest value of every product of features, of the axes' relative to their largest."""
        axes = range(len(self.problem.axes))
        sizes = [on_host(np.abs(self.rows.matrix(axis, 0)).max(axis=0)) for axis in axes]
        return functools.reduce(np.kron, [each / (each.max(initial=0) or 1.0) for each in sizes])

    def _group_norms(self, parts: list[np.ndarray]) -> np.ndarray:
        """Root mean square over the equations of every group's rows, those of features of size 1."""
        sums = self.unit**2 * sum((on_host((part**2).sum(axis=0)) for part in parts), np.zeros(self.size))
        counts = np.maximum(1, np.bincount(self.groups))
        return np.sqrt(np.bincount(self.groups, sums / max(1, self.pieces.count)) / counts)

    def _unknowns_scales(self, u: float, f: float) -> np.ndarray:
        """What every unknown number is about as large as: its start, or what makes its term as large as the others."""
        scales = np.abs(self.starts)
        others = max(f, u * self._group_norms([piece.fixed for piece in self.pieces]).max(initial=0))
        for i in range(self.flat):
            moving = [part for part in (piece.moving[i] for piece in self.pieces) if part is not None]
            columns = np.concatenate([piece.sources[:, i] for piece in self.pieces])
            size = u * self._group_norms(moving).max(initial=0)
            size += self.unit * float(np.linalg.norm(columns)) / np.sqrt(max(1, self.pieces.count))
            scales[i] = max(scales[i], others / size if size > 0 else 0.0)
        return np.where(scales == 0, 1.0, scales)

    # ---- rows of the equation ------------------------------------------------------------------------------------
    def equations(self, c: np.ndarray, unknowns: np.ndarray, sd: float) -> Block:
        """The equations linearised at (c, unknowns), with noise sd (times the one given, where one was)."""
        gathered = None
        floor = (
            NUGGET * self.f_scale if self.exact else min(sd, NUGGET * self.f_scale / float(self.noise.max()))
        )
        for piece in self.pieces:
            A, columns, r = piece.linearised(self.problem, c, unknowns)
            block = compress(np.hstack([A, columns]), r, sd, not self.exact, floor)
            gathered = block if gathered is None else joined(gathered, block)
        assert gathered is not None
        return dataclasses.replace(gathered, count=self.pieces.count, log_units=self.log_units)

    def residual(self, c: np.ndarray, unknowns: np.ndarray) -> np.ndarray:
        """Left side minus right side of the equation where f is known, shape (n,); inf where it is not finite."""
        total: Any = -self.problem.f[self.known]
        for term in self.problem.terms:
            factor = 1.0 if term.unknown is None else unknowns[self.place[term.unknown]]
            coefficient = at_known(term.coefficient, slice(None), self.known)
            total = total + factor * coefficient * self.values(c, orders=term.orders)[self.known]
        for source in self.problem.sources:
            total = total - unknowns[self.place[source.unknown]] * source.shape[self.known]
        if self.problem.nonlinear is not None:
            total = total + nonlinear_at(self.problem, self.values(c)[self.known])[0]
        return np.where(np.isfinite(total), total, np.inf)

    def squares(self, c: np.ndarray, weights: np.ndarray, sd: float) -> float:
        """Sum of squares of all residuals over their noise, and of the prior; infinite where it is not finite."""
        left = self.residual(c[: self.size], c[self.size :])
        each = 1.0 if self.exact else self.noise[self.known]
        total = float(np.sum((left / each) ** 2)) / sd**2
        total += np.sum(((c - self.centre)[weights > 0] / weights[weights > 0]) ** 2)
        for block in self.conditions:
            total += float(np.sum((block.A @ beside(c, block.A) - block.r) ** 2)) / block.sd**2
        return float(total) if np.isfinite(total) else np.inf

    def values(
        self, c: np.ndarray, part: slice = slice(None), orders: Sequence[int] | None = None
    ) -> np.ndarray:
        """d^orders u on the grid, or on a slice of its first axis."""
        features = self.rows.features
        orders = orders or (0,) * len(features)
        first, *others = (self.rows.matrix(axis, order) for axis, order in enumerate(orders))
        shape = [each.size for each in features]
        return chain([first[part], *others], beside(np.reshape(c, shape), self.problem.f))

    # ---- conditions ----------------------------------------------------------------------------------------------
    def _conditions(self) -> list[Block]:
        """Sides, periods and measurements: blocks that no linearisation changes."""
        blocks = [self._face(face) for face in self.problem.faces]
        for axis in self.problem.periodic:
            highest = max((term.orders[axis] for term in self.problem.terms), default=1)
            blocks += [self._period(axis, order) for order in range(max(1, highest))]
        if self.problem.data is not None:
            sd = np.maximum(self.problem.data.sd, NUGGET * self.u_scale)
            A = self.rows.points(self.problem.data.points) / sd[:, None]
            floor = NUGGET * self.u_scale / (float(sd.min()) if sd.size else np.inf)
            block = self._block(A, self.problem.data.values / sd, 1.0, floor)
            blocks.append(dataclasses.replace(block, log_units=float(np.log(sd).sum())))
        return blocks

    def _block(self, A: np.ndarray, r: np.ndarray, sd: float, floor: float | None = None) -> Block:
        """Rows of features only, without noise but for the nugget (floor None) or with it (sd in units of it)."""
        return compress(np.hstack([A, zeros((len(A), self.flat), np.float64, A)]), r, sd, True, floor)

    def _face(self, face: Face) -> Block:
        A, r = self.rows.face(face)
        scale = max(largest_magnitude(r), max(abs(face.a), abs(face.b)) * self.u_scale)
        return self._block(A, r, NUGGET * scale)

    def _period(self, axis: int, order: int) -> Block:
        A = self.rows.period(axis, order)
        length = self.problem.axes[axis][-1] - self.problem.axes[axis][0]
        return self._block(A, zeros(len(A), np.float64, A), NUGGET * self.u_scale / length**order)


def tensor_groups(features: Sequence[Features]) -> np.ndarray:
    """Which combination of the axes' frequencies every coefficient belongs to."""
    groups = np.zeros(1, dtype=np.int64)
    for part in features:
        count = int(part.groups.max(initial=0)) + 1
        groups = (groups[:, None] * count + part.groups).ravel()
    return groups
