"""A problem with the features of its axes: the least-squares system, linearised anywhere, and its residuals."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from pysolve._gp_pde_evidence import Block, compress, joined
from pysolve._gp_pde_features import Features
from pysolve._gp_pde_problem import Face, Problem, Term
from pysolve._gp_pde_rows import GridRows

NUGGET = 1e-13  # noise of exact equations and boundary values, relative to the largest
WIDEST_WEIGHTS = 1e6  # of the frequencies' first weights, relative to u
UNKNOWNS_SD = (
    1e4  # of the prior of the unknown numbers, relative to where they start: no knowledge to speak of
)


class DenseSystem:
    """Rows written out, for any number of axes, and at most a few thousand features.

    The coefficients are those of the features, then the unknown numbers.

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
        self.noise = np.broadcast_to(np.asarray(problem.noise, dtype=np.float64), problem.shape)
        self.exact = not bool(np.any(self.noise > 0))
        self.centre = np.concatenate([np.zeros(self.size), self.starts])
        self.weights, self.u_scale, self.f_scale = self._scales()
        self.conditions = self._conditions()

    def _scales(self) -> tuple[np.ndarray, float, float]:
        """First weights of the features, and what u and the equation are about as large as."""
        sums = np.zeros(self.size)
        for part in self.rows.slices():
            sums += (self._linear(part, self.starts) ** 2).sum(axis=0)
        counts = np.maximum(1, np.bincount(self.groups))
        norms = np.sqrt(np.bincount(self.groups, sums / max(1, self.known.sum())) / counts)
        largest = norms.max(initial=0) or 1.0
        f, trace = self.problem.f_scale, self.problem.trace_scale
        u = max(trace, f / largest) or 1.0
        weights = np.clip(np.maximum(trace, f / np.maximum(norms, 1e-300)), 1e-3 * u, WIDEST_WEIGHTS * u)
        wide = UNKNOWNS_SD * np.where(self.starts == 0, 1.0, np.abs(self.starts))
        return np.concatenate([weights[self.groups], wide]), u, f or largest * u

    # ---- rows of the equation ------------------------------------------------------------------------------------
    def _term(self, term: Term, part: slice) -> np.ndarray:
        rows = self.rows.derivative(term.orders, part)[self.known[part].ravel()]
        return at_known(term.coefficient, part, self.known)[:, None] * rows

    def _linear(self, part: slice, unknowns: np.ndarray) -> np.ndarray:
        """Rows of the linear operator where f is known."""
        A = np.zeros((int(self.known[part].sum()), self.size))
        for term in self.problem.terms:
            A += (1.0 if term.unknown is None else unknowns[self.place[term.unknown]]) * self._term(
                term, part
            )
        return A

    def _by_unknowns(self, part: slice, c: np.ndarray) -> np.ndarray:
        """Derivatives of the residual by the unknown numbers, at the coefficients c."""
        columns = np.zeros((int(self.known[part].sum()), self.flat))
        for term in self.problem.terms:
            if term.unknown is not None:
                columns[:, self.place[term.unknown]] += self._term(term, part) @ c
        for source in self.problem.sources:
            columns[:, self.place[source.unknown]] -= at_known(source.shape, part, self.known)
        return columns

    def equations(self, c: np.ndarray, unknowns: np.ndarray, sd: float) -> Block:
        """The equations linearised at (c, unknowns), with noise sd (times the one given, where one was)."""
        gathered = None
        for part in self.rows.slices():
            A, columns = self._linear(part, unknowns), self._by_unknowns(part, c)
            r = self.problem.f[part][self.known[part]]
            for term in self.problem.terms:
                if term.unknown is not None:
                    r = r + unknowns[self.place[term.unknown]] * (self._term(term, part) @ c)
            if self.problem.nonlinear is not None:
                N, slope = self.problem.nonlinear
                u = self.values(c, part)[self.known[part]]
                by_u = np.broadcast_to(slope(u), u.shape)
                A += (
                    by_u[:, None]
                    * self.rows.derivative((0,) * len(self.problem.axes), part)[self.known[part].ravel()]
                )
                r = r + by_u * u - N(u)
            each = np.ones(len(r)) if self.exact else self.noise[part][self.known[part]]
            block = compress(np.hstack([A, columns]) / each[:, None], r / each, sd, not self.exact)
            gathered = block if gathered is None else joined(gathered, block)
        assert gathered is not None
        return gathered

    def residual(self, c: np.ndarray, unknowns: np.ndarray) -> np.ndarray:
        """Left side minus right side of the equation where f is known, shape (n,)."""
        total: Any = -self.problem.f[self.known]
        for term in self.problem.terms:
            factor = 1.0 if term.unknown is None else unknowns[self.place[term.unknown]]
            coefficient = at_known(term.coefficient, slice(None), self.known)
            total = total + factor * coefficient * self.values(c, orders=term.orders)[self.known]
        for source in self.problem.sources:
            total = total - unknowns[self.place[source.unknown]] * source.shape[self.known]
        if self.problem.nonlinear is not None:
            total = total + self.problem.nonlinear[0](self.values(c)[self.known])
        return total

    def values(
        self, c: np.ndarray, part: slice = slice(None), orders: Sequence[int] | None = None
    ) -> np.ndarray:
        """d^orders u on the grid, or on a slice of its first axis."""
        features = self.rows.features
        orders = orders or (0,) * len(features)
        value = c.reshape([each.size for each in features])
        for axis, order in enumerate(orders):
            matrix = self.rows.matrix(axis, order)[part if axis == 0 else slice(None)]
            value = np.moveaxis(np.tensordot(matrix, value, axes=(1, axis)), 0, axis)
        return value

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
            blocks.append(self._block(A, self.problem.data.values / sd, 1.0))
        return blocks

    def _block(self, A: np.ndarray, r: np.ndarray, sd: float) -> Block:
        return compress(np.hstack([A, np.zeros((len(A), self.flat))]), r, sd, True)

    def _face(self, face: Face) -> Block:
        A, r = self.rows.face(face)
        scale = max(float(np.abs(r).max(initial=0)), max(abs(face.a), abs(face.b)) * self.u_scale)
        return self._block(A, r, NUGGET * scale)

    def _period(self, axis: int, order: int) -> Block:
        A = self.rows.period(axis, order)
        length = self.problem.axes[axis][-1] - self.problem.axes[axis][0]
        return self._block(A, np.zeros(len(A)), NUGGET * self.u_scale / length**order)


def at_known(values: float | np.ndarray, part: slice, known: np.ndarray) -> np.ndarray:
    """A number or an array on the grid where f is known, on a slice of the first axis."""
    return np.broadcast_to(values, known.shape)[part][known[part]]


def tensor_groups(features: Sequence[Features]) -> np.ndarray:
    """Which combination of the axes' frequencies every coefficient belongs to."""
    groups = np.zeros(1, dtype=np.int64)
    for part in features:
        count = int(part.groups.max(initial=0)) + 1
        groups = (groups[:, None] * count + part.groups).ravel()
    return groups
