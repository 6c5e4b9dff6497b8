"""What the steps of every method have in common: they own x and r of one column, and serve `_stopping.Stopping`."""

from __future__ import annotations

from typing import Any

import numpy as np

from pysolve._arrays import norm
from pysolve._backend import empty
from pysolve._result import Status
from pysolve._system import System


class Steps:
    """The column, its residual, and the scale of rounding in p^H A p."""

    n_fallbacks = 0
    notes = ""
    failure = Status.BREAKDOWN

    norm_A: float  # at least the largest Rayleigh quotient seen
    floor: float  # p^H A p / p^H p that may be rounding
    buffer: Any  # for the recomputed residual; the steps may use it in between

    def __init__(self, system: System, column: int) -> None:
        self.A, self.n, self.dtype = system.A, system.n, system.dtype
        self.x, self.b = system.x[:, column], system.b[column]
        self.eps = float(np.finfo(self.dtype).eps)
        self.norm_is_known = self.A.norm is not None
        self._set_norm(self.A.norm or 0.0)
        self.unreachable = 0.0  # norm of the part of b outside the range of A
        self.has_cells = hasattr(self.A, "project_out_null_space")
        if self.has_cells:
            self._settle_stencil()
        self.r = empty(self.n, self.dtype, self.b)

    def _set_norm(self, norm_A: float) -> None:
        self.norm_A, self.floor = norm_A, self.eps * norm_A / max(1.0, self.n**0.5)

    def _settle_stencil(self) -> None:
        """Solve the decoupled cells at once; take out of b what the null space of A cannot reproduce."""
        cells = self.A._decoupled
        self.x[cells] = self.b[cells]
        if self.A.n_components > 0:
            reachable = self.A.project_out_null_space(self.b.copy())
            self.unreachable = float(np.linalg.norm(self.b - reachable))
            self.b = reachable

    def first_norm(self) -> float:
        if self.x.any():
            return self.true_norm()
        self.buffer[:] = self.b
        return norm(self.b)

    def true_norm(self) -> float:
        return float(self.A._residual(self.b, self.x, self.buffer) ** 0.5)

    def _failed(self, curvature: float, p: Any) -> Status:
        """Why no step can be taken along p, where curvature is p^H A p / p^H p."""
        if not np.isfinite(curvature):
            return Status.BREAKDOWN
        if curvature < -self.floor:
            return Status.INDEFINITE
        self.A._matvec(p, self.buffer)
        # norm(A p)^2 <= norm(A) p^H A p, were A semidefinite.
        semidefinite = norm(self.buffer) ** 2 <= 4 * self.norm_A * self.floor * norm(p) ** 2
        return Status.SINGULAR if semidefinite else Status.INDEFINITE
