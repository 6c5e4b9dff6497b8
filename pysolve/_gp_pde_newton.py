"""The posterior of a dense system: one least-squares problem, or Gauss-Newton steps where it is not linear."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

import numpy as np
import scipy.linalg

from pysolve._gp_pde_determined import has_null_space, is_open
from pysolve._gp_pde_evidence import Block, Fit, fit, fit_by_evidence
from pysolve._gp_pde_outcome import GPStatus
from pysolve._gp_pde_system import NUGGET, DenseSystem

NEWTON_STEPS = 60
NEWTON_TOLERANCE = 1e-11  # relative change of u at which Gauss-Newton is at its end
ROUNDING = 1e-6  # a change below this that no longer falls is rounding
HALVINGS = 14
LOOSEST = 1e-2  # relative noise of the equations at which a search for unknown numbers begins
TIGHTER = 0.1  # and what it is multiplied by from step to step


@dataclasses.dataclass
class Solved:
    """Where a solve stands."""

    c: np.ndarray
    unknowns: np.ndarray
    posterior: Fit
    iterations: int
    status: GPStatus
    undetermined: bool


def solve(system: DenseSystem, report: Callable[[str], None] = lambda text: None) -> Solved:
    """The posterior of the system."""
    bilinear = any(term.unknown for term in system.problem.terms)
    sd = NUGGET * system.f_scale if system.exact else 1.0
    if system.problem.nonlinear is None and not bilinear:
        block = system.equations(np.zeros(system.size), system.starts, sd)
        found, open_ = best_fit(system, [block, *system.conditions], system.centre, system.weights)
        return _split(system, found, 1, GPStatus.SOLVED, open_)
    return GaussNewton(system, sd, LOOSEST if bilinear else 0.0, report).run()


def best_fit(system: DenseSystem, blocks: list[Block], c: np.ndarray, weights: np.ndarray) -> tuple[Fit, bool]:
    """The posterior with weights by evidence, and whether something of u is open.

    The evidence prunes what the data do not ask for. Where they could not have asked for it, as for a slope of which
    no boundary value tells, that would be a certainty out of nothing: then no weight falls below its first one.
    """
    size = system.size
    if has_null_space(system, c[:size], c[size:]):
        found = fit_by_evidence(
            blocks, np.maximum(weights, system.weights), system.groups, system.centre, least=system.weights
        )
        return found, True
    found = fit_by_evidence(blocks, weights, system.groups, system.centre)
    return found, is_open(system, blocks, found)


def _split(system: DenseSystem, found: Fit, iterations: int, status: GPStatus, open_: bool) -> Solved:
    return Solved(found.c[: system.size], found.c[system.size :], found, iterations, status, open_)


class GaussNewton:
    """Gauss-Newton with line search; with unknown numbers the equations' noise falls from step to step.

    Unknown coefficients multiply derivatives of u. With exact equations a wrong coefficient forces a wrong u, and
    the measurements can only be met along a narrow curved valley; with loose ones u is fitted first.

    Parameters
    ----------
    system : DenseSystem
        The problem with its features.
    sd : float
        Noise of the equations at the end.
    loose : float
        Relative noise of the equations at the start, 0 for none.
    report : callable
        Called with a sentence after every step.
    """

    def __init__(self, system: DenseSystem, sd: float, loose: float, report: Callable[[str], None]) -> None:
        self.system, self.sd, self.loose, self.report = system, sd, loose, report
        self.c = system.centre
        self.weights = system.weights
        self.change = np.inf

    def run(self) -> Solved:
        """Steps until u no longer changes; the last finite iterate whatever happens."""
        status, step = GPStatus.MAXITER, 0
        while step < NEWTON_STEPS and status is GPStatus.MAXITER:
            step += 1
            with np.errstate(all="ignore"):
                status = self._step()
            self.report(f"Gauss-Newton step {step}: relative change {self.change:.1e}")
        return self._finished(step, status)

    def _step(self) -> GPStatus:
        sd = max(self.sd, self.loose * (self.system.f_scale if self.system.exact else 1e3))
        blocks = self._blocks(self.c, sd)
        if blocks is None:
            return GPStatus.BREAKDOWN
        found = fit_by_evidence(blocks, self.weights, self.system.groups, self.system.centre, steps=2)
        if not np.isfinite(found.c).all():
            return GPStatus.BREAKDOWN
        length = self._step_length(found, blocks[0].sd)
        before, self.change = self.change, length * self._relative(found.c - self.c)
        self.c = self.c + length * (found.c - self.c)
        self.weights = found.weights
        if self.loose > 0:
            self.loose = self.loose * TIGHTER if self.loose > 1e-12 else 0.0
            return GPStatus.MAXITER
        if length == 0:
            return GPStatus.SOLVED if self._relative(found.c - self.c) < ROUNDING else GPStatus.STAGNATED
        done = self.change < NEWTON_TOLERANCE or (self.change < ROUNDING and self.change > before / 2)
        return GPStatus.SOLVED if done else GPStatus.MAXITER

    def _blocks(self, c: np.ndarray, sd: float) -> list[Block] | None:
        """The system linearised at c; None where that is not finite."""
        block = self.system.equations(c[: self.system.size], c[self.system.size :], sd)
        return (
            [block, *self.system.conditions]
            if np.isfinite(block.A).all() and np.isfinite(block.r).all()
            else None
        )

    def _relative(self, step: np.ndarray) -> float:
        """Size of a step, in u on the grid and in the unknown numbers."""
        size = self.system.size
        u = np.abs(self.system.values(self.c[:size])).max(initial=0)
        moved = np.abs(self.system.values(step[:size])).max(initial=0) / max(u, self.system.u_scale)
        others = np.abs(step[size:]) / np.maximum(np.abs(self.c[size:]), 1e-8)
        return float(max(moved, others.max(initial=0)))

    def _step_length(self, found: Fit, sd: float) -> float:
        """The longest of 1, 1/2, 1/4, ... that makes the sum of squares smaller; 0 where none does."""
        start = self._merit(self.c, found.weights, sd)
        for halvings in range(HALVINGS):
            length = 0.5**halvings
            if self._merit(self.c + length * (found.c - self.c), found.weights, sd) < start:
                return length
        return 0.0

    def _merit(self, c: np.ndarray, weights: np.ndarray, sd: float) -> float:
        """Sum of squares of all residuals over their noise, and of the prior; infinite where it is not finite."""
        system, size = self.system, self.system.size
        left = system.residual(c[:size], c[size:])
        each = 1.0 if system.exact else system.noise[system.known]
        total = np.sum((left / each) ** 2) / sd**2 + np.sum(((c - system.centre) / weights) ** 2)
        total += sum(np.sum((block.A @ c - block.r) ** 2) / block.sd**2 for block in system.conditions)
        return float(total) if np.isfinite(total) else np.inf

    def _finished(self, step: int, status: GPStatus) -> Solved:
        """The posterior at the last iterate, without another step."""
        with np.errstate(all="ignore"):
            blocks = self._blocks(self.c, self.sd)
        if blocks is None:
            blocks = self.system.conditions
        try:
            found, open_ = best_fit(self.system, blocks, self.c, self.weights)
        except (scipy.linalg.LinAlgError, ValueError):
            found, open_ = fit(self.system.conditions, self.system.weights, self.system.centre), True
        return _split(self.system, dataclasses.replace(found, c=self.c), step, status, open_)
