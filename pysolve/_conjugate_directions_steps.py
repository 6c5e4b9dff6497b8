"""The steps of conjugate direction methods: the general loop with its safeguards."""

from __future__ import annotations

import math
import time
from typing import Any

import numpy as np

from pysolve._backend import contiguous, empty, kernels, zeros
from pysolve._conjugate_directions_watch import Watch
from pysolve._result import Status
from pysolve._steps import Steps
from pysolve._system import System

LEAST_GAIN = 1 / 16  # of the energy that the residual is certain to gain: less, and a direction is rejected
TINY = 1e-300  # has a logarithm
MOST_REJECTED = 10  # in a row, then M is dropped


class DirectionSteps(Steps):
    """Steps along directions that M proposes, made A-orthogonal to the last n_keep ones.

    With `trusted`, M is a preconditioner and every direction is taken (new ones replace old ones in place);
    otherwise one more slot holds the direction on trial, and one that fails the safeguards is replaced by the
    residual.
    """

    def __init__(self, system: System, column: int, n_keep: int, trusted: bool) -> None:
        super().__init__(system, column)
        self.M, self.trusted = system.M, trusted or system.M is None
        self.M_writes = system.M_writes
        n_slots = n_keep if trusted else n_keep + 1
        self.P, self.Q = (zeros((n_slots, self.n), self.dtype, self.b) for _ in range(2))
        self.pq = np.zeros(n_slots)
        self.slot, self.last, self.alpha = 0, -1, 0.0
        self.buffer = empty(self.n, self.dtype, self.b)
        self.in_place = trusted
        self.watch, self.tolerance = Watch(), TINY
        self.aside: Any = None  # x, r and the directions of M while it is compared
        self.n_rejected = 0
        self.rr = 0.0
        self.kernels = kernels(self.x)

    def take(self, n_steps: int, tolerance: float) -> tuple[list[float], str]:
        norms: list[float] = []
        self.tolerance = max(tolerance, TINY)
        for _ in range(n_steps):
            if not self._step():
                return norms, "failed"
            norms.append(self.rr**0.5)
            if norms[-1] <= tolerance:
                return norms, "tolerance"
        return norms, "steps"

    def restart(self) -> None:
        self.r, self.buffer = self.buffer, self.r
        self.rr = float(np.vdot(self.r, self.r).real)
        self._forget()

    def _forget(self) -> None:
        self.pq[:] = 0
        self.slot, self.last = 0, -1

    def _step(self) -> bool:
        """One iteration; False, with `failure` set, where no direction is left to take."""
        start = time.perf_counter()
        proposes = self.M is not None and (self.trusted or self.watch.on)
        found = self._try(self._proposal(), self.trusted) if proposes else None
        if proposes and not self.trusted:
            self._count(found is not None)
        if found is None and not (proposes and self.trusted):
            found = self._try(self.r, True)
        if found is None:
            self.failure = self._failed(self.curvature, self.P[self.slot])
            return False
        gain, pr, curvature = found
        self.alpha = pr / curvature
        slot = self.slot
        self.rr = self.kernels.conjugate_directions_step(
            self.x, self.r, self.P[slot], self.Q[slot], self.alpha
        )
        self.pq[slot] = curvature
        self.last, self.slot = slot, (slot + 1) % self.pq.size
        if not self.in_place:
            self.pq[self.slot] = 0  # the oldest direction makes room for the next one
        if self.M is not None and not self.trusted:
            self._watch(gain, time.perf_counter() - start)
        self.failure = Status.BREAKDOWN  # should it come to that
        return bool(np.isfinite(self.rr))

    def _proposal(self) -> Any:
        """M's answer to the residual (of norm 1 unless M is trusted): to a copy where M may write to it."""
        assert self.M is not None
        argument = self.buffer
        if not self.trusted:
            np.multiply(self.r, self.dtype.type(1 / self.rr**0.5), out=argument)
        elif self.M_writes:
            argument[:] = self.r
        else:
            argument = self.r
        with np.errstate(over="ignore", invalid="ignore"):  # what is not finite is rejected later on
            return self._masked(self.M(argument))

    def _masked(self, z: Any) -> Any:
        """z in the type of the system; unless M is trusted, without what it says of solid cells and constants."""
        if z.dtype != self.dtype or not z.flags.c_contiguous:
            z = contiguous(z, self.dtype)
        if self.trusted or not self.has_cells:
            return z
        if self.A._decoupled.size or self.A.n_components:
            z = z.copy()
            z[self.A._decoupled] = 0
            self.A.project_out_null_space(z)
        return z

    def _try(self, z: Any, take_any: bool) -> tuple[float, Any, float] | None:
        """Gain in energy, p^H r and p^H A p along z made A-orthogonal, or None if it is of no use."""
        pr, pp, c = self.kernels.conjugate_directions_orthogonalise(
            z, self.r, self.P, self.Q, self.pq, self.slot
        )
        self.curvature = np.nan
        if not np.isfinite(pp) or pp == 0 or not np.isfinite(pr):
            return None
        p, q = self.P[self.slot], self.Q[self.slot]
        curvature = float(self.A._matvec_dot(p, q).real)
        if not take_any and curvature <= self.eps * self._energy_along(c):
            return None  # nothing but rounding is left of z
        self._measure_norm(curvature / pp)
        if not curvature > self.floor * pp:
            self.curvature = curvature / pp
            return None
        gain = abs(pr) * (abs(pr) / curvature)
        if not take_any and gain < LEAST_GAIN * self.rr / self.norm_A:
            return None
        if pr == 0 or not np.isfinite(gain):
            return None
        self.consistent = self.last < 0 or self._is_consistent(pr, c)
        return gain, pr, curvature

    def _is_consistent(self, pr: Any, c: Any) -> bool:
        """Whether r_old^H z vanishes, as r_old^H M r = z_old^H r = 0 does for a fixed symmetric M."""
        with np.errstate(over="ignore", invalid="ignore"):
            cross = pr + self.alpha * np.conj(c[self.last]) * self.pq[self.last]
        return bool(abs(cross) <= 0.01 * abs(pr))

    def _energy_along(self, c: Any) -> float:
        """Energy of z along the directions that are kept, of which it has the coefficients c."""
        with np.errstate(over="ignore", invalid="ignore"):
            return float(self.pq @ np.abs(c) ** 2)

    def _measure_norm(self, rayleigh: float) -> None:
        """Keep norm_A at least as large as every Rayleigh quotient seen, where the operator does not tell it."""
        if not self.norm_is_known and np.isfinite(rayleigh):
            self._set_norm(max(self.norm_A, abs(rayleigh)))

    def _count(self, accepted: bool) -> None:
        self.n_rejected = 0 if accepted else self.n_rejected + 1
        self.n_fallbacks += not accepted
        if self.n_rejected >= MOST_REJECTED:
            self.M = None
            self._forget()
            self.notes = f"M was dropped: {MOST_REJECTED} of its directions in a row were rejected"

    def _watch(self, gain: float, seconds: float) -> None:
        was_on = self.watch.on
        digits = math.log10(max(self.rr, TINY) ** 0.5 / self.tolerance)
        self.watch.record(gain, seconds, self.consistent, digits)
        if self.watch.dropped:
            self.M = self.aside = None
            self.notes = "M was dropped: plain conjugate gradients gained more energy per second"
        elif was_on and not self.watch.on:
            self._set_aside()
        elif self.watch.on and not was_on and self.aside is not None:
            self._take_back()

    def _set_aside(self) -> None:
        """Let conjugate gradients begin anew, and keep what M needs to go on as if they had never been."""
        if self.watch.undoes:
            state = self.P, self.Q, self.pq, self.slot, self.last, self.alpha, self.rr
            self.aside = self.x.copy(), self.r.copy(), state
            self.P, self.Q = (zeros((2, self.n), self.dtype, self.b) for _ in range(2))
            self.pq = np.zeros(2)
        self._forget()

    def _take_back(self) -> None:
        self.x[:], self.r[:], state = self.aside
        self.P, self.Q, self.pq, self.slot, self.last, self.alpha, self.rr = state
        self.aside = None
