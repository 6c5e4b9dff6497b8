"""What watches a completion: it records each iteration, keeps the best factors, and says when to stop."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from pysolve._matrix_completion_result import CompletionStatus

if TYPE_CHECKING:
    from pysolve._matrix_completion_als import State

OVERFITTED = 1.5  # times what noise does to the ratio of the errors on entries held out and on those fitted
CRAWLS = 16  # alternations after which half of them should have halved the error on entries held out
OTHER: Any = {"kept": False}  # a field that a checkpoint leaves out: it is made anew where a run is resumed


@dataclasses.dataclass
class Watch:
    """Records each iteration, keeps the best factors, and says when to stop."""

    rtol: float
    maxiter: int = dataclasses.field(metadata=OTHER)
    has_held: bool
    validated: bool  # the entries held out are the user's: their minimum is what is looked for
    regularised: bool
    report: Callable[[int, float, float, float, str], None] = dataclasses.field(metadata=OTHER)
    start: float = dataclasses.field(default_factory=time.perf_counter, metadata=OTHER)
    keep: Callable[[State, Watch], None] = dataclasses.field(
        default=lambda state, watch: None, metadata=OTHER
    )
    training: list[float] = dataclasses.field(default_factory=list)
    held_out: list[float] = dataclasses.field(default_factory=list)
    seconds: list[float] = dataclasses.field(default_factory=list)
    cg_steps: list[int] = dataclasses.field(default_factory=list)
    best_error: float = np.inf
    best_at: int = 0
    best: tuple[np.ndarray, ...] | None = None
    choice: str = ""  # how the rank was chosen
    noise: bool = False  # no rank predicts anything
    settled: bool = True  # the loss is what was asked for
    worst: float = 0.0  # robust losses: the median residual of the worst row or column

    @property
    def iterations(self) -> int:
        return len(self.training)

    def record(self, state: State) -> None:
        error = state.held_out()
        if state.robust is not None:
            self.settled, self.worst = state.robust.settled, state.robust.worst
        self.training.append(state.training)
        self.held_out.append(error)
        self.seconds.append(time.perf_counter() - self.start)
        self.cg_steps.append(state.cg_steps)
        watched = error if self.has_held else state.training
        if watched < self.best_error:
            if watched < 0.999 * self.best_error:
                self.best_at = self.iterations
            self.best_error, self.best = watched, None
            if watched > 10 * self.rtol:  # below, the iteration will end at its tolerance, not at a minimum
                self.best = state.best()
        self.report(self.iterations, state.training, error, self.seconds[-1], state.phase)

    def history(self) -> dict[str, np.ndarray]:
        return {
            "training": np.array(self.training),
            "held_out": np.array(self.held_out),
            "seconds": np.array(self.seconds),
            "cg_steps": np.array(self.cg_steps, dtype=np.int64),
        }

    def end(self, patience: int) -> CompletionStatus | None:
        """Why the iteration ends here, or None."""
        fitted = self.training[-1] <= 10 * self.rtol and self.worst <= 100 * self.rtol
        if self.has_held and self.held_out[-1] <= self.rtol and fitted:
            return CompletionStatus.RECOVERED
        if np.isnan(self.training[-1]):  # it will not become a number again
            return CompletionStatus.STALLED
        if self.regularised and self.settled and self._steady():
            return CompletionStatus.STATIONARY
        if not self.has_held and not self.regularised and self.training[-1] <= self.rtol:
            return CompletionStatus.FITTED
        if self.iterations - self.best_at >= patience and (self.has_held or not self.regularised):
            found = self.validated and self.best_error < 1  # else zeros predict as well
            return CompletionStatus.MINIMUM if found else CompletionStatus.STALLED
        return CompletionStatus.MAXITER if self.iterations >= self.maxiter else None

    def _steady(self, over: int = 3) -> bool:
        lately = self.training[-over - 1 :]
        return (
            len(lately) > over
            and bool(np.isfinite(lately).all())
            and max(lately) - min(lately) <= self.rtol * max(lately)
        )


def slow(watch: Watch, over: int = 3, factor: float = 0.8) -> bool:
    """Whether the training residual has fallen by less than `factor` a step lately."""
    t = watch.training
    return len(t) > over and t[-1] > factor**over * t[-1 - over]


def crawls(watch: Watch) -> bool:
    return watch.iterations > CRAWLS and watch.held_out[-1] > 0.5 * watch.held_out[-1 - CRAWLS // 2]


def overfitted(watch: Watch, noise: float) -> bool:
    """Whether the entries held out are fitted much worse than the others: not from noise, which makes the factor
    `noise`, N / (N - unknowns) of N entries, but because directions are missing and the fit puts others there."""
    return watch.held_out[-1] > OVERFITTED * noise * watch.training[-1]
