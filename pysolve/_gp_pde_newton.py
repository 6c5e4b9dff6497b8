"""The posterior of a dense system: one least-squares problem, or Gauss-Newton steps where it is not linear."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

import numpy as np

from pysolve._arrays import largest_magnitude
from pysolve._gp_pde_determined import has_null_space, is_open
from pysolve._gp_pde_evidence import Block, Fit, fit, fit_by_evidence
from pysolve._gp_pde_inverse import ROUNDS, VariableProjection, has_moved
from pysolve._gp_pde_outcome import GPStatus
from pysolve._gp_pde_system import NUGGET, DenseSystem

NEWTON_STEPS = 60
NEWTON_TOLERANCE = 1e-11  # relative change of u at which Gauss-Newton is at its end
ROUNDING = 1e-6  # a change below this that no longer falls is rounding
SMALL = 1e-3  # a change below this is rounding too where the sum of squares stays the same
HALVINGS = 14
LOOSER = 2.0  # times more noise of the equations is worth another try


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
    if bilinear:
        return with_unknown_coefficients(system, sd, report)
    return GaussNewton(system, sd, report).run()


def with_unknown_coefficients(system: DenseSystem, sd: float, report: Callable[[str], None]) -> Solved:
    """The posterior where numbers in the operator are unknown: that of the problem linearised at the best ones."""
    search = VariableProjection(system, sd, report)
    status = search.run()
    found, open_ = posterior_at(system, search.c, search.weights, search.sd)
    if status in (GPStatus.SOLVED, GPStatus.MAXITER):
        search.weights = found.weights
        with np.errstate(all="ignore"):
            last = search.project(search.c[system.size :], search.c[: system.size])
        if last.finite:
            search.c = np.concatenate([last.c, last.theta])
    return _split(system, dataclasses.replace(found, c=search.c), search.steps, status, open_)


def posterior_at(system: DenseSystem, c: np.ndarray, weights: np.ndarray, sd: float) -> tuple[Fit, bool]:
    """The posterior of the problem linearised at c, and whether something is open.

    Where that is not finite, the posterior of the conditions alone.
    """
    with np.errstate(all="ignore"):
        block = system.equations(c[: system.size], c[system.size :], sd)
    if not block.finite:
        none = dataclasses.replace(block, A=block.A[:0], r=block.r[:0], count=0, log_units=0.0)
        return fit([none, *system.conditions], system.weights, system.centre), True
    return best_fit(system, [block, *system.conditions], c, weights)


def best_fit(
    system: DenseSystem, blocks: list[Block], c: np.ndarray, weights: np.ndarray
) -> tuple[Fit, bool]:
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
    """Gauss-Newton with line search, for a nonlinear term.

    Parameters
    ----------
    system : DenseSystem
        The problem with its features.
    sd : float
        Noise of the equations.
    report : callable
        Called with a sentence after every step.
    """

    def __init__(self, system: DenseSystem, sd: float, report: Callable[[str], None]) -> None:
        self.system, self.sd, self.report = system, sd, report
        self.c = system.centre
        self.weights = system.weights
        self.change = np.inf
        self.steps = 0

    def run(self) -> Solved:
        """Steps at fixed weights and evidence in turn; the last finite iterate whatever happens."""
        status = GPStatus.MAXITER
        with np.errstate(all="ignore"):
            self._reweigh()  # or frequencies that f lacks would lead the search astray
            for _ in range(ROUNDS):
                status = self._descend()
                if status is not GPStatus.SOLVED or not self._reweigh():
                    break
        return self._finished(self.steps, status)

    def _descend(self) -> GPStatus:
        """Steps until u no longer changes."""
        self.change = np.inf
        status = GPStatus.MAXITER
        while self.steps < NEWTON_STEPS and status is GPStatus.MAXITER:
            self.steps += 1
            status = self._step()
            self.report(f"Gauss-Newton step {self.steps}: relative change {self.change:.1e}")
        return status

    def _step(self) -> GPStatus:
        blocks = self._blocks(self.c, self.sd)
        if blocks is None:
            return GPStatus.BREAKDOWN
        found = fit(blocks, self.weights, self.system.centre)
        if not np.isfinite(found.c).all():
            return GPStatus.BREAKDOWN
        length, finite = self._step_length(found)
        before, self.change = self.change, length * self._relative(found.c - self.c)
        self.c = self.c + length * (found.c - self.c)
        if length == 0:
            if self._is_still(found):
                return GPStatus.SOLVED
            if self._loosen(blocks[0], found):
                return GPStatus.MAXITER
            return GPStatus.STAGNATED if finite else GPStatus.BREAKDOWN
        no_less = length < 1 or self.change > before / 2
        done = self.change < NEWTON_TOLERANCE or (self.change < ROUNDING and no_less)
        return GPStatus.SOLVED if done else GPStatus.MAXITER

    def _is_still(self, found: Fit) -> bool:
        """Whether a step that makes nothing smaller is one of rounding, in u or in the sum of squares."""
        change = self._relative(found.c - self.c)
        before = self.system.squares(self.c, self.weights, self.sd)
        rise = self.system.squares(found.c, self.weights, self.sd) - before
        return change < ROUNDING or (change < SMALL and rise <= ROUNDING * before)

    def _loosen(self, block: Block, found: Fit) -> bool:
        """Give exact equations the noise that the features leave of the linearised ones; whether that was more.

        A solution that the features do not resolve would otherwise drive the coefficients up without bound.
        """
        if block.fixed or block.count == 0:
            return False
        before, self.sd = self.sd, float(np.linalg.norm(found.residuals[0])) / np.sqrt(block.count)
        return self.sd > LOOSER * before

    def _reweigh(self) -> bool:
        """Weights and noise by evidence at the solution; whether they changed by much."""
        blocks = self._blocks(self.c, self.sd)
        if blocks is None:
            return False
        before = self.weights, self.sd
        found = fit_by_evidence(blocks, self.weights, self.system.groups, self.system.centre)
        self.weights, self.sd = found.weights, blocks[0].sd
        return has_moved(before, (self.weights, self.sd), self.system.size)

    def _blocks(self, c: np.ndarray, sd: float) -> list[Block] | None:
        """The system linearised at c; None where that is not finite."""
        block = self.system.equations(c[: self.system.size], c[self.system.size :], sd)
        return [block, *self.system.conditions] if block.finite else None

    def _relative(self, step: np.ndarray) -> float:
        """Size of a step, in u on the grid and in the unknown numbers."""
        size = self.system.size
        u = largest_magnitude(self.system.values(self.c[:size]))
        moved = largest_magnitude(self.system.values(step[:size])) / max(u, self.system.u_scale)
        others = np.abs(step[size:]) / np.maximum(np.abs(self.c[size:]), 1e-8)
        return float(max(moved, others.max(initial=0)))

    def _step_length(self, found: Fit) -> tuple[float, bool]:
        """The longest of 1, 1/2, 1/4, ... that makes the sum of squares smaller, 0 where none does.

        And whether all that were tried were finite.
        """
        start = self.system.squares(self.c, self.weights, self.sd)
        finite = True
        for halvings in range(HALVINGS):
            length = 0.5**halvings
            tried = self.system.squares(self.c + length * (found.c - self.c), self.weights, self.sd)
            finite = finite and bool(np.isfinite(tried))
            if tried < start:
                return length, finite
        return 0.0, finite

    def _finished(self, step: int, status: GPStatus) -> Solved:
        """The posterior at the last iterate, without another step."""
        found, open_ = posterior_at(self.system, self.c, self.weights, self.sd)
        return _split(self.system, dataclasses.replace(found, c=self.c), step, status, open_)
