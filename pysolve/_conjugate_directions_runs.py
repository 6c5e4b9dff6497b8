"""CG in compiled runs of many steps, and which systems it is for."""

from __future__ import annotations

from typing import Any

import numpy as np

from pysolve._backend import empty, kernels, zeros
from pysolve._jacobi import Jacobi
from pysolve._result import Status
from pysolve._sell import PackedMatrix
from pysolve._steps import Steps
from pysolve._stopping import CHECK_EVERY
from pysolve._system import System

LARGE = 1 << 20  # entries: a CSR matrix beyond the caches, where each product that is not packed costs most
SMALL = 1 << 13  # entries: a CSR matrix that is not packed at all


def runs_compiled(system: System) -> bool:
    """Whether CG on this system runs compiled: on a matrix or stencil of ours, with a diagonal or nothing as M."""
    return system.A._kind is not None and (system.M is None or system.inverse_diagonal is not None)


def runs_by_cells(system: System) -> bool:
    """Whether CG forms A p cell by cell instead of storing it: on a stencil operator, with an M of ours.

    Energies are summed in the type of the vectors, so weights near the ends of its range are left to the other steps.
    """
    if system.A._kind != "stencil" or system.M_into is None:
        return False
    reach = 1e6 if system.dtype.itemsize == 4 else 1e60
    return bool(1 / reach < system.A.norm < reach)


def is_jacobi(M: Any, A: Any, system: System) -> bool:
    """Whether M is the inverse diagonal of A, up to scale and a factor of 10: a map that needs no watching."""
    if isinstance(M, Jacobi) and M.made_from(A):
        return True
    t = system.inverse_diagonal * system.A.diagonal().real
    return bool(t.size == 0 or 0 < t.max() <= 10 * t.min())


class CompiledSteps(Steps):
    """Steps of CG in whole runs of compiled code, for operators that have one; M is a diagonal or nothing.

    Four vectors: x, r, p and the buffer, which holds A p in a run, and the recomputed residual between runs (a
    stencil operator's run does not store A p).
    """

    def __init__(self, system: System, column: int) -> None:
        super().__init__(system, column)
        self.inverse_diagonal = system.inverse_diagonal
        self.p, self.buffer = zeros(self.n, self.dtype, self.b), empty(self.n, self.dtype, self.b)
        self.norms = np.empty(CHECK_EVERY)
        self.kernels = kernels(self.x)
        self.state = self.kernels.RunState()
        self.state.floor = self.floor
        self.system, self.matrix, self.n_taken = system, self.A, 0
        self.pack_after = steps_before_packing(self.A.n_entries) if self.A._kind == "csr" else -1

    def take(self, n_steps: int, tolerance: float) -> tuple[list[float], str]:
        if self.n_taken == self.pack_after:
            self.matrix = packed_if_better(self.system)
        elif self.n_taken < self.pack_after:
            n_steps = min(n_steps, self.pack_after - self.n_taken)
        state = self.state
        state.n_steps, state.tolerance = n_steps, tolerance
        run = getattr(self.kernels, f"conjugate_directions_run_{self.matrix._kind}")
        run(
            *self.matrix._kernel_args,
            self.inverse_diagonal,
            self.x,
            self.r,
            self.p,
            self.buffer,
            self.norms,
            state,
        )
        self.n_taken += state.n_steps
        if state.end in ("not_positive", "not_finite"):
            self.failure = self._failed(state.curvature if state.end == "not_positive" else np.nan, self.p)
            return self.norms[: state.n_steps].tolist(), "failed"
        return self.norms[: state.n_steps].tolist(), state.end

    def restart(self) -> None:
        self.r, self.buffer = self.buffer, self.r
        self.state.rho = self.state.beta = 0.0


class StencilSteps(Steps):
    """Steps of CG on a stencil operator with an M of ours, fixed and symmetric: A p is not stored.

    Five vectors: x, r, p, M r and the buffer.
    """

    def __init__(self, system: System, column: int) -> None:
        super().__init__(system, column)
        self.M, self.z = system.M_into, empty(self.n, self.dtype, self.b)
        self.p, self.buffer = zeros(self.n, self.dtype, self.b), empty(self.n, self.dtype, self.b)
        self.rho = 0.0
        self.kernels, self.grid = kernels(self.x), self.A._kernel_args[0]

    def take(self, n_steps: int, tolerance: float) -> tuple[list[float], str]:
        norms: list[float] = []
        for _ in range(n_steps):
            alpha = self._aim()
            if alpha == 0:
                return norms, "failed"
            rr = self.kernels.conjugate_directions_along_stencil(self.grid, alpha, self.x, self.r, self.p)
            norms.append(rr**0.5)
            if not np.isfinite(rr):
                self.failure = Status.BREAKDOWN
                return norms, "failed"
            if norms[-1] <= tolerance:
                return norms, "tolerance"
        return norms, "steps"

    def _aim(self) -> float:
        """p = M r + beta p, and the step along it; 0, with `failure` set, where there is none to take."""
        assert self.M is not None
        with np.errstate(over="ignore", invalid="ignore"):
            self.M(self.r, self.z)
            self.z[self.A._decoupled] = 0  # an M of another geometry may have its say there
            rho = self.kernels.conjugate_directions_dot(self.r, self.z)
        beta = rho / self.rho if self.rho > 0 else 0.0
        pAp, pp = self.kernels.conjugate_directions_toward_stencil(self.grid, self.z, beta, self.p)
        self.rho = rho
        alpha = rho / pAp if pAp > self.floor * pp else 0.0
        if alpha > 0 and np.isfinite(alpha):
            return alpha
        self.failure = self._failed(pAp / pp if pp > 0 and rho > 0 else np.nan, self.p)
        return 0.0

    def restart(self) -> None:
        self.r, self.buffer = self.buffer, self.r
        self.rho = 0.0
        self.p.fill(0)


def steps_before_packing(n_entries: int) -> int:
    """Steps after which a CSR matrix is packed: packing costs about 6 products beyond the caches, 10 within them."""
    return 10 if n_entries > LARGE else CHECK_EVERY if n_entries > SMALL else -1


def packed_if_better(system: System) -> Any:
    """The matrix of the system packed, made once, if that moves fewer bytes; else the matrix as it is."""
    if system.packed is None:
        system.packed = PackedMatrix._if_smaller(system.A) or system.A
    return system.packed
