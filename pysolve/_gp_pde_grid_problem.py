"""The rows of a PDE on a grid of product features: equation, faces, periodic ends, data."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from pysolve._backend import as_array
from pysolve._gp_pde_device import spread
from pysolve._gp_pde_grid_basis import AxisBasis, GridAxis, axis_basis
from pysolve._gp_pde_grid_rows import Coefficient, KronRows, PointRows, Term, weights
from pysolve._gp_pde_grid_system import RowSet

Orders = tuple[int, ...]
MOST_UNSEEN = 20000


@dataclasses.dataclass(frozen=True, eq=False)
class Condition:
    """A functional of one axis (1, r_axis), applied at every grid point of the others: values there, and their sd."""

    axis: int
    functional: np.ndarray
    rows: KronRows


class GridProblem:
    """u(x) = sum_r c_r prod_j phi_{j, r_j}(x_j) with c ~ N(0, I), and everything that is known of u.

    Parameters
    ----------
    axes : sequence of GridAxis
        The features of each axis on its grid points, with the derivatives that the rows need.
    rtol : float
        Functions of an axis that vanish on the grid to this part of their size are left out. Larger values cost
        accuracy: solutions take such functions with large coefficients, and the prior keeps rounding out of them.
    like : array, optional
        Where the tensors are, on the host by default; `axes` are on the host.

    Notes
    -----
    Right-hand sides with NaN are rows that are not known. Each `sd` is a number or an array like the right-hand side;
    an infinite one is a row without weight. For a noise-free problem take sd some 1e-12 of the largest right-hand side
    for the equation and some 1e-10 of the largest u for the faces: low frequencies amplify a misfit of the equation.
    Beside a noisy equation some 1e-5 of u is tight enough for the faces, and far easier for conjugate gradients.
    """

    def __init__(self, axes: Sequence[GridAxis], *, rtol: float = 1e-14, like: Any = None) -> None:
        self.like = like
        # Beyond so many features what the grid cannot see has to go.
        reduce = math.prod(np.shape(axis.features[0])[1] for axis in axes) > MOST_UNSEEN
        self.bases: list[AxisBasis] = [axis_basis(axis, rtol, reduce) for axis in axes]
        self.grid = tuple(basis.features[0].shape[0] for basis in self.bases)
        self.size = tuple(basis.size for basis in self.bases)
        self.blocks: list[KronRows | PointRows] = []
        self.equations: list[tuple[dict[Orders, Coefficient], KronRows]] = []
        self.conditions: list[Condition] = []

    def equation(
        self, terms: Mapping[Orders, Coefficient], f: np.ndarray, sd: float | np.ndarray
    ) -> KronRows:
        """sum_t a_t d^orders u = f at the grid points; a_t a number or an array that broadcasts to the grid."""
        made: list[Term] = []
        for orders, a in terms.items():
            factors = [basis.features[k] for basis, k in zip(self.bases, orders, strict=True)]
            made.append((a if np.ndim(a) == 0 else as_array(a).astype(float), factors))
        w, values = weights(sd, spread(f, self.grid, self.like).copy())
        rows = KronRows(made, w, values).separated()
        self.equations.append((dict(terms), rows))
        self.blocks.append(rows)
        return rows

    def condition(
        self, axis: int, functional: np.ndarray, g: float | np.ndarray, sd: float | np.ndarray
    ) -> None:
        """A functional of the features of one axis (R_axis,) times the grid of the others equals g on that grid."""
        row = self.bases[axis].rows(np.reshape(functional, (1, -1)))
        self._add_condition(axis, row, g, sd)

    def _add_condition(
        self, axis: int, row: np.ndarray, g: float | np.ndarray, sd: float | np.ndarray
    ) -> None:
        others = tuple(n for j, n in enumerate(self.grid) if j != axis)
        shape = tuple(1 if j == axis else n for j, n in enumerate(self.grid))
        values = spread(g, others, self.like).copy().reshape(shape)
        deviation = spread(sd, others, self.like).reshape(shape) if np.ndim(sd) else sd
        w, values = weights(deviation, values)
        factors = [row if j == axis else basis.features[0] for j, basis in enumerate(self.bases)]
        rows = KronRows([(1.0, factors)], w, values)
        self.conditions.append(Condition(axis, row, rows))
        self.blocks.append(rows)

    def face(
        self,
        axis: int,
        high: bool,
        g: float | np.ndarray,
        sd: float | np.ndarray,
        *,
        a: float = 1.0,
        b: float = 0.0,
    ) -> None:
        """a u + b du/dn = g on the low or high face of an axis, n pointing outward."""
        basis = self.bases[axis]
        end = basis.high if high else basis.low
        row = a * end[0]
        if b != 0.0:
            row = row + (b if high else -b) * end[1]
        self._add_condition(axis, row.reshape(1, -1), g, sd)

    def periodic(self, axis: int, sd: float | np.ndarray, orders: Sequence[int] = (0, 1)) -> None:
        """u and its derivatives of these orders are the same at both ends of the axis."""
        basis = self.bases[axis]
        for k in orders:
            self._add_condition(axis, (basis.high[k] - basis.low[k]).reshape(1, -1), 0.0, sd)

    def points(self, rows: Sequence[np.ndarray], values: np.ndarray, sd: float | np.ndarray) -> None:
        """u (or the derivative whose feature rows (n, R_j) are given) at n scattered points equals the values."""
        self.point_terms([(1.0, list(rows))], values, sd)

    def point_terms(self, terms: Sequence[Term], values: np.ndarray, sd: float | np.ndarray) -> None:
        """sum_t a_t d^orders_t u = values at n scattered points: an equation off the grid."""
        turned: list[Term] = [
            (a, [basis.rows(F) for basis, F in zip(self.bases, factors, strict=True)]) for a, factors in terms
        ]
        w, values = weights(sd, spread(values, np.shape(values), self.like).copy())
        self.blocks.append(PointRows(turned, w, values))

    @property
    def axis_s(self) -> list[np.ndarray]:
        """The prior standard deviations along each axis."""
        return [basis.s for basis in self.bases]

    @property
    def s(self) -> np.ndarray:
        """The prior standard deviation of each coefficient z."""
        return RowSet([], self.axis_s, [], self.like).s

    @property
    def functionals(self) -> list[np.ndarray]:
        """The functionals (m_j, r_j) of the conditions of each axis."""
        found = []
        for j, basis in enumerate(self.bases):
            mine = [condition.functional for condition in self.conditions if condition.axis == j]
            found.append(np.vstack([np.zeros((0, basis.size)), *mine]))
        return found

    def system(self) -> RowSet:
        """All rows, compressed where they are plain Kronecker products, and the prior."""
        blocks = [block.compressed() if isinstance(block, KronRows) else block for block in self.blocks]
        return RowSet(blocks, self.axis_s, self.functionals, self.like)
