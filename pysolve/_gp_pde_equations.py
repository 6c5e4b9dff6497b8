"""The equations on the grid as rows, in pieces that are made once and put together for every linearisation."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator

import numpy as np

from pysolve._backend import as_array, beside, namespace, same_device
from pysolve._gp_pde_device import spread, triangle
from pysolve._gp_pde_problem import Problem, Term
from pysolve._gp_pde_rows import GridRows

KEPT_ENTRIES = 64_000_000  # of pieces: more are made anew whenever they are needed


@dataclasses.dataclass(frozen=True)
class Piece:
    """Equations A_0 c + sum_i theta_i (A_i c - s_i) + N(V c) = f of some points, all divided by `each`.

    `fixed` is A_0, `moving` holds A_i (None where no term has that number), `sources` the columns s_i,
    `values` is V, only where there is an N. Rows are where f is; c and theta come from the host.
    """

    fixed: np.ndarray
    moving: tuple[np.ndarray | None, ...]
    sources: np.ndarray
    f: np.ndarray
    values: np.ndarray | None
    each: np.ndarray

    def operator(self, unknowns: np.ndarray) -> np.ndarray:
        """Rows of the linear part, shape (m, size)."""
        A = self.fixed.copy()
        for theta, part in zip(unknowns, self.moving, strict=True):
            if part is not None:
                A += theta * part
        return A

    def by_unknowns(self, c: np.ndarray) -> np.ndarray:
        """Derivatives of the residual by the unknown numbers, shape (m, k)."""
        columns, c = -self.sources, beside(c, self.sources)
        for i, part in enumerate(self.moving):
            if part is not None:
                columns[:, i] += part @ c
        return columns

    def linearised(
        self, problem: Problem, c: np.ndarray, unknowns: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """(A, D, r): the equations near (c, unknowns) are A c' + D theta' = r; c = 0 will do without N and A_i."""
        A, D, r = self.operator(unknowns), self.by_unknowns(c), self.f.copy()
        c = beside(c, r)
        for theta, part in zip(unknowns, self.moving, strict=True):
            if part is not None:
                r += theta * (part @ c)
        if problem.nonlinear is not None and self.values is not None:
            u = (self.values @ c) * self.each
            N, by_u = nonlinear_at(problem, u)
            A += by_u[:, None] * self.values
            r += (by_u * u - N) / self.each
        return A, D, r


class Equations:
    """The pieces of a problem: kept if they fit into memory, and compressed to few rows if the equations are linear.

    Parameters
    ----------
    problem : Problem
        The problem.
    rows : GridRows
        The features' rows on its grid.
    noise : ndarray, shape of the grid
        Relative noise of every point: 1 where the equations are exact.
    """

    def __init__(self, problem: Problem, rows: GridRows, noise: np.ndarray) -> None:
        self.problem, self.rows, self.noise = problem, rows, noise
        self.known = np.isfinite(problem.f)
        self.count = int(self.known.sum())
        self.names = problem.unknowns
        self._kept: list[Piece] | None = None
        in_memory = self.count * rows.size * (2 + len(self.names)) <= KEPT_ENTRIES
        if problem.nonlinear is None:
            self._kept = self._compressed()
        elif in_memory:
            self._kept = list(self._made())

    def __iter__(self) -> Iterator[Piece]:
        return iter(self._made() if self._kept is None else self._kept)

    def _made(self) -> Iterator[Piece]:
        return (self._piece(part) for part in self.rows.slices())

    def term(self, term: Term, part: slice) -> np.ndarray:
        """Rows of one term where f is known, without its unknown number."""
        rows = self.rows.derivative(term.orders, part)[self.known[part].ravel()]
        return at_known(term.coefficient, part, self.known)[:, None] * rows

    def _piece(self, part: slice) -> Piece:
        known = self.known[part]
        m, k = int(known.sum()), len(self.names)
        each = self.noise[part][known]
        xp = namespace(self.known)
        fixed, sources = xp.zeros((m, self.rows.size)), xp.zeros((m, k))
        moving: list[np.ndarray | None] = [None] * k
        for term in self.problem.terms:
            rows = self.term(term, part) / each[:, None]
            if term.unknown is None:
                fixed += rows
            else:
                i = self.names.index(term.unknown)
                moving[i] = rows if moving[i] is None else moving[i] + rows
        for source in self.problem.sources:
            sources[:, self.names.index(source.unknown)] += at_known(source.shape, part, self.known) / each
        values = None
        if self.problem.nonlinear is not None:
            values = self.rows.derivative((0,) * len(self.problem.axes), part)[known.ravel()] / each[:, None]
        return Piece(fixed, tuple(moving), sources, self.problem.f[part][known] / each, values, each)

    def _compressed(self) -> list[Piece]:
        """One piece with the same sums of squares as all, of no more rows than columns."""
        gathered: np.ndarray | None = None
        uses: tuple[bool, ...] = ()
        for piece in self._made():
            uses = tuple(part is not None for part in piece.moving)
            stacked = np.hstack(
                [
                    piece.fixed,
                    *(part for part in piece.moving if part is not None),
                    piece.sources,
                    piece.f[:, None],
                ]
            )
            gathered = stacked if gathered is None else np.vstack([gathered, stacked])
            if len(gathered) > 1.5 * gathered.shape[1]:
                gathered = triangle(gathered)[: gathered.shape[1]]
        assert gathered is not None
        n, k = self.rows.size, len(self.names)
        blocks = iter(np.split(gathered[:, : n * (1 + sum(uses))], 1 + sum(uses), axis=1))
        fixed = next(blocks)
        moving = tuple(next(blocks) if used else None for used in uses)
        flat = gathered[:, n * (1 + sum(uses)) :]
        each = namespace(gathered).ones(len(gathered))
        return [Piece(fixed, moving, flat[:, :k], flat[:, k], None, each)]


def nonlinear_at(problem: Problem, u: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """N and its derivative at u, as arrays of u's shape."""
    assert problem.nonlinear is not None
    made = []
    for name, function in zip(("N", "dN"), problem.nonlinear, strict=True):
        with np.errstate(all="ignore"):
            value = as_array(function(u.copy()))
        if value.dtype.kind not in "fiub":
            raise TypeError(f"nonlinear: {name} must return real numbers, got dtype {value.dtype}")
        if value.shape not in ((), u.shape):
            raise ValueError(
                f"nonlinear: {name} must return an array of the shape {u.shape} of u, got {value.shape}"
            )
        if value.ndim:
            same_device(u=u, **{f"what {name} returns": value})
        made.append(spread(value, u.shape, u).copy())
    return made[0], made[1]


def at_known(values: float | np.ndarray, part: slice, known: np.ndarray) -> np.ndarray:
    """A number or an array on the grid where f is known, on a slice of the first axis."""
    return spread(values, known.shape, known)[part][known[part]]
