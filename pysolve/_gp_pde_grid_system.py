"""All rows together with the prior: the least-squares problem, and its products."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from functools import cached_property
from typing import Any

import numpy as np

from pysolve._backend import beside, namespace, zeros
from pysolve._gp_pde_grid_rows import Rows


@dataclasses.dataclass(eq=False)
class RowSet:
    """All rows and the prior z ~ N(0, diag(s^2)): the least-squares problem min ||W (A z - b)||^2 + ||z / s||^2.

    `axis_s` are the prior deviations along each axis, whose outer product is s; `functionals` the rows (m_j, r_j) of
    each axis that conditions hold for, all over the other axes; both are on the host. s is where `like` is.
    """

    blocks: list[Rows]
    axis_s: list[np.ndarray]
    functionals: list[np.ndarray]
    like: Any = None

    @cached_property
    def s(self) -> np.ndarray:
        total = namespace(self.like).ones(())
        for s in self.axis_s:
            total = total[..., None] * beside(s, self.like)
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
        return [*(block.right for block in self.blocks), zeros(self.s.shape, np.float64, self.like)]

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
