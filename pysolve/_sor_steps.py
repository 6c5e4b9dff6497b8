"""The steps of SOR and of SSOR-preconditioned CG, in compiled runs, for systems that come through `solve_columns`."""

from __future__ import annotations

import numpy as np

from pysolve._arrays import norm
from pysolve._backend import empty, kernels
from pysolve._result import Status
from pysolve._steps import Steps
from pysolve._stopping import CHECK_EVERY
from pysolve._system import System

GROWTH = 1e10  # of the residual: SOR diverges
N_VECTORS = 5  # that the kernels of ssor_cg keep from run to run


class RelaxationSteps(Steps):
    """What both kinds have in common: the run, and whether it could go on. Why it could not, each kind knows."""

    def __init__(self, system: System, column: int, omega: float, order: str) -> None:
        super().__init__(system, column)
        self.omega, self.order, self.kind = omega, order, system.A._kind
        self.matrix = system.A.split if self.kind == "csr" else self.A._kernel_args[0]
        self.kernels = kernels(self.x)
        self.state, self.norms = self.kernels.RunState(), np.empty(CHECK_EVERY)

    def _run(self, n_steps: int, tolerance: float) -> None:
        raise NotImplementedError

    def take(self, n_steps: int, tolerance: float) -> tuple[list[float], str]:
        self.state.n_steps, self.state.tolerance = n_steps, tolerance
        self._run(n_steps, tolerance)
        norms = self.norms[: self.state.n_steps].tolist()
        end = self.state.end
        return norms, end if end in ("steps", "tolerance") else "failed"


class SorSteps(RelaxationSteps):
    """Sweeps. The norms they give are those of the iterates themselves, so there is nothing to restart."""

    def __init__(self, system: System, column: int, omega: float, order: str, sweep: int) -> None:
        super().__init__(system, column, omega, order)
        self.sweep, self.buffer = sweep, self.r
        self.least, self.n_idle = np.inf, 0  # norm of a residual so far, and the steps that were not below it

    def _run(self, n_steps: int, tolerance: float) -> None:
        arguments = (self.b, self.x, self.omega, self.sweep)
        if self.kind == "csr":
            self.kernels.sor_run_csr(self.matrix, *arguments, self.norms, self.state)
        else:
            self.kernels.sor_run_stencil(self.matrix, *arguments, self.order, self.norms, self.state)

    def take(self, n_steps: int, tolerance: float) -> tuple[list[float], str]:
        norms, end = super().take(n_steps, tolerance)
        if end == "failed":
            self.failure = Status.DIVERGED
        elif end == "steps" and norms[-1] > GROWTH * min(self.least, norms[0]):
            self.failure, end = Status.DIVERGED, "failed"
        elif end == "steps" and self._has_idled(norms) and self._is_rounding(norms[-1]):
            self.failure, end = Status.STAGNATED, "failed"
        self.least = min(self.least, *norms) if norms else self.least
        return norms, end

    def _has_idled(self, norms: list[float]) -> bool:
        """Whether the last steps have brought next to nothing."""
        self.n_idle = self.n_idle + len(norms) if min(norms) > 0.99 * self.least else 0
        return self.n_idle >= CHECK_EVERY

    def _is_rounding(self, residual: float) -> bool:
        """Whether a residual is no larger than what rounding leaves of that of the exact solution."""
        size = self.norm_A * norm(self.x) + norm(self.b)
        return residual <= 4 * self.eps * size * max(1.0, self.n**0.25)

    def first_norm(self) -> float:
        self.least = super().first_norm()
        return self.least

    def restart(self) -> None:
        pass


class SsorSteps(RelaxationSteps):
    """Iterations of CG with the symmetric sweep as its preconditioner."""

    def __init__(self, system: System, column: int, omega: float) -> None:
        super().__init__(system, column, omega, "natural")
        self.buffer = empty(self.n, self.dtype, self.b)
        self.work = empty(N_VECTORS * self.n, self.dtype, self.b)
        self.state.floor = self.floor

    def _run(self, n_steps: int, tolerance: float) -> None:
        run = getattr(self.kernels, f"ssor_cg_run_{self.kind}")
        run(self.matrix, self.omega, self.x, self.r, self.work, self.norms, self.state)

    def take(self, n_steps: int, tolerance: float) -> tuple[list[float], str]:
        norms, end = super().take(n_steps, tolerance)
        if end == "failed":
            refused = self.state.end == "not_positive"
            self.failure = self._curvature_failure() if refused else Status.BREAKDOWN
        return norms, end

    def restart(self) -> None:
        self.r, self.buffer = self.buffer, self.r
        self.state.rho = 0.0

    def _curvature_failure(self) -> Status:
        """What is wrong along the direction that was refused; the work begins with it."""
        p = self.work[: self.n]
        self.A._matvec(p, self.buffer)
        with np.errstate(all="ignore"):
            curvature = float(np.vdot(p, self.buffer).real / np.vdot(p, p).real)
        return self._failed(curvature, p)
