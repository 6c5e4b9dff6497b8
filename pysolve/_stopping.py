"""The stopping test, on the recomputed residual, written once for every method.

A method supplies *steps*: an object that owns x and r and can

- ``take(n_steps, tolerance) -> (norms, end)``: up to n steps, until norm(r) of its recurrence is at most the
  tolerance; the norm of r after each step, and why it ended: "steps", "tolerance", or "failed" with
  ``steps.failure`` (a Status) set;
- ``true_norm()``: norm(b - A x), recomputed into a buffer;
- ``first_norm()``: the same at the start, where x may be 0 and no product is needed;
- ``restart()``: take that buffer for r, and forget the directions.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from pysolve._result import Status

CHECK_EVERY = 50  # steps between two looks at the true residual
GAP = 2.0  # the recurrence is replaced when the true residual is this many times its own


class Stopping:
    """Drives the steps of one column until the *recomputed* residual meets the tolerance, or cannot.

    ``norm(b - A x) <= max(rtol * norm(b), atol)``
    """

    def __init__(self, steps: Any, norm_b: float, rtol: float, atol: float, maxiter: int) -> None:
        self.steps, self.maxiter = steps, maxiter
        self.tolerance = max(rtol * norm_b, atol)
        self.target = self.tolerance  # for the recurrence; lowered where it runs ahead of the truth
        self.norms: list[float] = [norm_b if steps is None else steps.first_norm()]
        self.status: Status | None = None
        self.restart_norm = np.inf  # true norm at the last restart
        self.n_idle = 0  # restarts in a row that brought less than a factor of two
        if self.norms[0] <= self.tolerance:
            self.status = Status.CONVERGED
        elif not np.isfinite(self.norms[0]):
            self.status = Status.BREAKDOWN
        elif maxiter == 0:
            self.status = Status.MAXITER
        else:
            steps.restart()

    @property
    def iterations(self) -> int:
        return len(self.norms) - 1

    def advance(self, n_steps: int = CHECK_EVERY) -> None:
        """At most n more steps, not past the next look at the true residual; sets `status` at the end."""
        n_steps = min(n_steps, CHECK_EVERY - self.iterations % CHECK_EVERY, self.maxiter - self.iterations)
        norms, end = self.steps.take(n_steps, self.target)
        self.norms.extend(norms)
        if end == "failed":
            self._finish(self.steps.failure)
        elif end == "tolerance" or self.iterations == self.maxiter:
            self._look(at_end=self.iterations == self.maxiter)
        elif self.iterations % CHECK_EVERY == 0:
            self._look(at_end=False)

    def _finish(self, status: Status) -> None:
        """End with `status`, unless x meets the tolerance all the same."""
        self.norms[-1] = true_norm = self.steps.true_norm()
        self.status = Status.CONVERGED if true_norm <= self.tolerance else status

    def _look(self, at_end: bool) -> None:
        """Compare the recurrence with the truth; replace it where it has lost touch."""
        recurred, true_norm = self.norms[-1], self.steps.true_norm()
        self.norms[-1] = true_norm
        if true_norm <= self.tolerance:
            self.status = Status.CONVERGED
        elif at_end:
            self.status = Status.MAXITER
        elif not np.isfinite(true_norm):
            self.status = Status.BREAKDOWN
        elif true_norm <= GAP * recurred:
            # In touch: if it was close to the tolerance, let it go on to where the truth will meet it.
            self.target = min(self.target, 0.5 * recurred) if recurred <= self.target else self.target
        else:
            self._replace(true_norm)

    def _replace(self, true_norm: float) -> None:
        """Restart from the true residual; give up when that has stopped helping."""
        self.n_idle = self.n_idle + 1 if true_norm > 0.5 * self.restart_norm else 0
        self.restart_norm = true_norm
        self.target = self.tolerance
        if self.n_idle >= 2:
            self.status = Status.STAGNATED
        else:
            self.steps.restart()

    def stop(self) -> None:
        """End at the caller's wish."""
        if self.status is None:
            self._finish(Status.STOPPED)
