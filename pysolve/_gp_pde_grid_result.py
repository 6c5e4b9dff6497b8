"""How a solve on a grid ended, and what it found."""

from __future__ import annotations

import dataclasses
import enum
import math
from collections.abc import Callable, Sequence
from functools import cached_property
from typing import Any

import numpy as np

from pysolve._backend import beside
from pysolve._gp_pde_grid_posterior import ExactPosterior, GridPosterior
from pysolve._gp_pde_grid_problem import GridProblem
from pysolve._gp_pde_grid_products import chain
from pysolve._gp_pde_grid_system import RowSet


class GridStatus(enum.Enum):
    """How a solve ended. ``str(status)`` is the explanation."""

    CONVERGED = "the least-squares equations are solved to rounding"
    MAXITER = "the limit of iterations was reached before the tolerance"
    STAGNATED = "the sum of squares could not be lowered further before the tolerance was reached"
    OVERFLOW = "the nonlinear term was not finite; the last finite iterate was kept"
    STOPPED = "the callback stopped the iteration"

    def __str__(self) -> str:
        return self.value


@dataclasses.dataclass(eq=False)
class GridSolution:
    """The coefficients of u and how they were found.

    Attributes
    ----------
    z : ndarray of shape (r_1, ..., r_d)
        The coefficients in the orthonormal bases of the problem.
    status : GridStatus
    method : str
        ``"qr"``, ``"cholesky"``, ``"fast"`` or ``"iterative"``.
    iterations, newton_steps : int
    gradient : float
        Of the least-squares problem, relative to that at zero; with ``"fast"`` the last correction, relative to z.
    system : RowSet
        The rows at the end, the nonlinear term linearised at z.
    """

    problem: GridProblem
    z: np.ndarray
    status: GridStatus
    method: str
    iterations: int
    gradient: float
    system: RowSet
    make_posterior: Callable[[], GridPosterior]
    newton_steps: int = 0
    history: list[float] = dataclasses.field(default_factory=list)

    def __getstate__(self) -> dict[str, Any]:
        """Without the posterior, which may hold closures and is made again at the first use."""
        return {name: value for name, value in self.__dict__.items() if name != "posterior"}

    @property
    def c(self) -> np.ndarray:
        """The coefficients of the caller's features, (R_1, ..., R_d)."""
        return chain([beside(basis.T, self.z) for basis in self.problem.bases], self.z)

    def evaluate(self, rows: Sequence[np.ndarray], z: np.ndarray | None = None) -> np.ndarray:
        """u, or the derivative whose feature rows (n_j, R_j) are given, on the grid of the rows."""
        turned = [beside(basis.rows(F), self.z) for basis, F in zip(self.problem.bases, rows, strict=True)]
        return chain(turned, self.z if z is None else z)

    @cached_property
    def posterior(self) -> GridPosterior:
        """Made at the first use."""
        return self.make_posterior()

    @cached_property
    def residual_norms(self) -> list[float]:
        """The root mean square misfit of each block of rows, in units of its sd."""
        found = []
        for block, misfit in zip(self.system.blocks, self.system.residual(self.z), strict=False):
            found.append(math.sqrt((float(np.vdot(misfit, misfit)) + block.outside) / max(block.count, 1)))
        return found

    @cached_property
    def log_evidence(self) -> float | None:
        """log p(right-hand sides); None where no determinant is at hand (``"fast"``, ``"iterative"``)."""
        posterior = self.posterior
        if not isinstance(posterior, ExactPosterior):
            return None
        rows = self.system.log_weight - 0.5 * self.system.count * math.log(2 * math.pi)
        return rows - 0.5 * (self.system.objective(self.z) + posterior.logdet)
