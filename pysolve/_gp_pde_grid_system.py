"""All rows together with the prior: the least-squares problem, and its products."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from functools import cached_property

import numpy as np

from pysolve._gp_pde_grid_rows import Rows


@dataclasses.dataclass(eq=False)
class RowSet:
    """All rows and the prior z ~ N(0, diag(s^2)): the least-squares problem min ||W (A z - b)||^2 + ||z / s||^2.

    `axis_s` are the prior deviations along each axis, whose outer product is s; `functionals` the rows (m_j, r_j) of
    each axis that conditions hold for, all over the other axes.
    """

    blocks: list[Rows]
    axis_s: list[np.ndarray]
    functionals: list[np.ndarray]

    @cached_property
    def s(self) -> np.ndarray:
        total = np.ones(())
        for s in self.axis_s:
            total = np.multiply.outer(total, s)
        return total

    def forward(self, Z: np.ndarray) -> list[np.ndarray]:
        return [*(block.forward(Z) for block in self.blocks), Z / self.s]

    def adjoint(self, Y: Sequence[np.ndarray]) -> np.ndarray:
        total = Y[-1] / self.s
        for block, y in zip(self.blocks, Y, strict=False):
            total = total + block.adjoint(y)
        return total

    @property
    def right(self) -> list[np.ndarray]:
        return [*(block.right for block in self.blocks), np.zeros(self.s.shape)]

    def residual(self, Z: np.ndarray) -> list[np.ndarray]:
        return [b - r for b, r in zip(self.right, self.forward(Z), strict=True)]

    def objective(self, Z: np.ndarray) -> float:
        """The sum of squares, with what compression took away."""
        squares = sum(float(np.vdot(r, r)) for r in self.residual(Z))
        return squares + sum(block.outside for block in self.blocks)

    @property
    def count(self) -> int:
        return sum(block.count for block in self.blocks)

    @property
    def log_weight(self) -> float:
        return sum(block.log_weight for block in self.blocks)
