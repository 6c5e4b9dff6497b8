"""CG on a stencil operator of the device with an M of ours: steps that do not wait for the host."""

from __future__ import annotations

import math

import numpy as np

from pysolve._arrays import norm
from pysolve._backend import beside, empty, kernels, zeros
from pysolve._steps import Steps
from pysolve._stopping import CHECK_EVERY
from pysolve._system import System

LOOK_EVERY = 8  # steps at most between two looks at what has become of them
# Numbers of a step, before the norms (csrc/conjugate_directions.hpp: advance), and its room to work in.
RHO, END, CURVATURE, N_STEPS, TOLERANCE, FLOOR, NORMS, WORK = 0, 1, 2, 3, 4, 5, 8, 4097
STEPS_DONE, TOLERANCE_MET, NOT_POSITIVE = 0, 1, 2


class DeviceSteps(Steps):
    """Steps of CG with an M of ours, fixed and symmetric, whose scalars stay on the device.

    Five vectors: x, r, p, M r and the buffer. Once a step has ended the run the next ones leave x and r alone.
    """

    def __init__(self, system: System, column: int) -> None:
        super().__init__(system, column)
        self.M, self.captured = system.M_into, system.M_captured
        self.z, self.buffer = (empty(self.n, self.dtype, self.b) for _ in range(2))
        self.p = zeros(self.n, self.dtype, self.b)
        self.state, self.work = (zeros(k, np.float64, self.b) for k in (NORMS + CHECK_EVERY, WORK))
        self.rho, self.norm = 0.0, 0.0
        self.kernels, self.grid = kernels(self.x), self.A._kernel_args[0]

    def take(self, n_steps: int, tolerance: float) -> tuple[list[float], str]:
        start = np.zeros(NORMS)
        start[[RHO, TOLERANCE, FLOOR]] = self.rho, tolerance, self.floor
        self.state[:NORMS] = beside(start, self.x)
        norms: list[float] = []
        while len(norms) < n_steps:
            self._launch(min(steps_ahead([self.norm, *norms], tolerance), n_steps - len(norms)))
            found = self.state.get()
            norms = found[NORMS : NORMS + int(found[N_STEPS])].tolist()
            if found[END] != STEPS_DONE:
                return norms, self._ended(found)
        self.rho, self.norm = float(found[RHO]), norms[-1]
        return norms, "steps"

    def _ended(self, found: np.ndarray) -> str:
        self.rho = float(found[RHO])
        if found[END] == TOLERANCE_MET:
            self.norm = float(found[NORMS - 1 + int(found[N_STEPS])])
            return "tolerance"
        self.failure = self._failed(found[CURVATURE] if found[END] == NOT_POSITIVE else np.nan, self.p)
        return "failed"

    def _launch(self, n_steps: int) -> None:
        """So many steps, without waiting for what they do."""
        apply = self.captured(self.r, self.z, self.norm) if self.captured is not None else None
        for _ in range(n_steps):
            if apply is not None:
                apply()
            else:
                assert self.M is not None
                self.M(self.r, self.z)
            if self.A._decoupled.size:
                self.z[self.A._decoupled] = 0  # an M of another geometry may have its say there
            self.kernels.conjugate_directions_advance_stencil(
                self.grid, self.z, self.x, self.r, self.p, self.state, self.work
            )

    def restart(self) -> None:
        self.r, self.buffer = self.buffer, self.r
        self.rho, self.norm = 0.0, norm(self.r)
        self.p.fill(0)


def steps_ahead(norms: list[float], tolerance: float) -> int:
    """Steps that can be launched before the next look: about as many as are left at the pace so far.

    Those that come after the last one cost as much as any other, and bring nothing.
    """
    if len(norms) == 1 or not 0 < norms[-1] < norms[0] or tolerance <= 0:
        return 1 if len(norms) == 1 else LOOK_EVERY
    pace = math.log(norms[0] / norms[-1]) / (len(norms) - 1)
    left = math.log(max(norms[-1] / tolerance, 1.0)) / pace
    return int(min(max(left, 1), LOOK_EVERY))
