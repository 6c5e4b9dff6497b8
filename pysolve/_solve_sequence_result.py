"""What a call of a sequence returns, and what is kept of it."""

from __future__ import annotations

import dataclasses
from typing import Any, NamedTuple

import numpy as np

from pysolve._result import SolveResult, Status
from pysolve._solve_sequence_system import Attempt, System


class Call(NamedTuple):
    """One call of a `SolveSequence`, an entry of its history.

    Attributes
    ----------
    arm : object
        The arm that was chosen; the default where it was measured.
    cost : float
        Of the whole call, in iterations or seconds.
    iterations : int
    seconds : float
    context : float or None
    status : Status
    aborted : bool
        The arm was stopped by the backstop.
    failed : bool
        The arm broke down or returned nothing of use.
    measured : bool
        The default was taken only to know what it costs.

    Examples
    --------
    >>> import numpy as np, pysolve
    >>> sequence = pysolve.SolveSequence("ssor_cg", rng=0)
    >>> _ = sequence(pysolve.gallery.poisson((20, 20)), np.ones(400))
    >>> call = sequence.history[0]
    >>> call.arm, call.measured, call.cost == call.iterations
    (1.0, True, True)
    """

    arm: Any
    cost: float
    iterations: int
    seconds: float
    context: float | None
    status: Status
    aborted: bool
    failed: bool
    measured: bool

    @classmethod
    def of(
        cls, result: SequenceResult, attempts: list[Attempt], context: float | None, measured: bool
    ) -> Call:
        """The entry of a call that gave this result."""
        seconds = attempts[0].seconds if len(attempts) == 1 else sum(attempt.seconds for attempt in attempts)
        return cls(
            *(result.arm, result.cost, result.iterations, seconds, context, result.status),
            *(result.aborted, result.failed, measured),
        )


@dataclasses.dataclass(frozen=True, eq=False, repr=False)
class SequenceResult(SolveResult):
    """Result of a call of a `SolveSequence`; its iterations and norms are those of all that was done.

    Attributes
    ----------
    arm : object
        The arm that was chosen: an omega, or a name.
    cost : float
        Of the whole call, in iterations or seconds.
    aborted : bool
        The arm was stopped by the backstop, and the default went on.
    failed : bool
        The arm broke down or returned nothing of use, and the default went on.

    Examples
    --------
    >>> import numpy as np, pysolve
    >>> sequence = pysolve.SolveSequence("ssor_cg", rng=0)
    >>> result = sequence(pysolve.gallery.poisson((20, 20)), np.ones(400))
    >>> result.arm, result.cost == result.iterations
    (1.0, True)
    """

    arm: Any = None
    cost: float = 0.0
    aborted: bool = False
    failed: bool = False

    def __repr__(self) -> str:
        return super().__repr__().replace("SolveResult", "SequenceResult")[:-1] + f", arm={self.arm!r})"


def merged(system: System, attempts: list[Attempt], arm: Any, cost: float, default: Any) -> SequenceResult:
    """One result of all attempts: all iterations, and the best x."""
    first, last = attempts[0], attempts[-1]
    outcome = {"arm": arm, "cost": cost, "aborted": first.end == "cut", "failed": first.end == "failed"}
    if last is first and first.x is not None:
        times = first.n_fallbacks, first.setup_time, first.solve_time
        told = first.status, first.iterations, first.norms, first.message
        return SequenceResult(first.x, first.info, *told, *times, **outcome)
    norms = np.concatenate([first.norms, *(attempt.norms[1:] for attempt in attempts[1:])])
    if last.end == "converged":
        ended, x = last, last.x
    else:  # the last word is the default's
        ended = next((attempt for attempt in reversed(attempts) if attempt.arm == default), last)
        norms[-1], x = _nearest(system, attempts)
    assert x is not None
    iterations = len(norms) - 1
    return SequenceResult(
        x=x,
        info=max(iterations, 1) if ended.status is Status.MAXITER else ended.info,
        status=ended.status,
        iterations=iterations,
        residual_norms=norms,
        message="; then ".join(
            [first.message, *(f"{attempt.arm!r}: {attempt.message}" for attempt in attempts[1:])]
        ),
        n_fallbacks=sum(attempt.n_fallbacks for attempt in attempts),
        setup_time=sum(attempt.setup_time for attempt in attempts),
        solve_time=sum(attempt.solve_time for attempt in attempts),
        **outcome,
    )


def _nearest(system: System, attempts: list[Attempt]) -> tuple[float, np.ndarray]:
    """The least residual and its x, in the type and shape that a solution has; it may be the start."""
    found = [(float(attempt.norms[-1]), attempt.x) for attempt in attempts if attempt.x is not None]
    start = system.start()
    if found:
        like = found[0][1]
        start = start.reshape(like.shape).astype(like.dtype)
    return min([*found, (float(attempts[0].norms[0]), start)], key=lambda pair: pair[0])
