"""What a solve returns: the solution, and a status whose text explains it."""

from __future__ import annotations

import dataclasses
import enum
from collections.abc import Iterator
from typing import Any

import numpy as np


class Status(enum.Enum):
    """How a solve ended. ``str(status)`` is the explanation.

    Examples
    --------
    >>> import pysolve
    >>> print(pysolve.Status.MAXITER)
    the limit of iterations was reached before the tolerance
    """

    CONVERGED = "the recomputed residual meets the tolerance"
    MAXITER = "the limit of iterations was reached before the tolerance"
    STAGNATED = (
        "the residual has reached the accuracy that this precision allows for this system; "
        "the tolerance asked for is below it"
    )
    INDEFINITE = "A is not positive definite: a direction of negative curvature was met"
    SINGULAR = "A is singular, and b has a part that no x can reproduce"
    BREAKDOWN = "a number that is not finite, or a direction of no use, came up; the x returned is finite"
    STOPPED = "the callback stopped the solve"
    DIVERGED = "the residual grows without bound: the iteration diverges for this A and these parameters"

    def __str__(self) -> str:
        return self.value


class ConvergenceError(RuntimeError):
    """Raised by `SolveResult.raise_if_failed` for a solve that did not converge.

    Parameters
    ----------
    result : SolveResult
        The result that failed; kept as the attribute ``result``. Its message is that of the error.

    Examples
    --------
    >>> import numpy as np, pysolve
    >>> try:
    ...     pysolve.cg(np.diag([1.0, -1.0]), np.array([0.0, 1.0])).raise_if_failed()
    ... except pysolve.ConvergenceError as error:
    ...     print(error.result.status.name)
    INDEFINITE
    """

    def __init__(self, result: SolveResult) -> None:
        super().__init__(result.message)
        self.result = result

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.result,)


@dataclasses.dataclass(frozen=True, eq=False)
class SolveResult:
    """Result of a solve. Unpacks as ``x, info``, as results of ``scipy.sparse.linalg`` do.

    Attributes
    ----------
    x : ndarray, or CuPy array where `b` was one of the device
        The solution, of the shape of `b`.
    info : int
        0 if and only if the recomputed residual meets the tolerance; the number of iterations (at least 1)
        where `maxiter` was reached; negative for every other end.
    status : Status
        How the solve ended; ``str(status)`` explains it.
    iterations : int
        Steps taken; with several columns, the most that one of them took.
    residual_norms : ndarray of float64, shape (iterations + 1,) or (iterations + 1, k)
        2-norm of the residual before the first step and after each one. The last is recomputed from
        ``b - A x``. A column that ends earlier keeps its last value.
    message : str
        The status, with the figures of this solve.
    n_fallbacks : int
        Directions of `M` that were rejected in favour of the residual.
    setup_time, solve_time : float
        Seconds spent checking and preparing, and iterating.

    Examples
    --------
    >>> import numpy as np, pysolve
    >>> x, info = pysolve.cg(np.diag([1.0, 2.0]), np.ones(2))
    >>> x, info
    (array([1. , 0.5]), 0)
    """

    x: np.ndarray
    info: int
    status: Status
    iterations: int
    residual_norms: np.ndarray
    message: str
    n_fallbacks: int = 0
    setup_time: float = 0.0
    solve_time: float = 0.0

    @property
    def converged(self) -> bool:
        """Whether the recomputed residual meets the tolerance."""
        return self.info == 0

    def raise_if_failed(self) -> SolveResult:
        """Raise unless the solve converged.

        Returns
        -------
        SolveResult
            The result itself, so that calls can be chained.

        Raises
        ------
        ConvergenceError
            With the message of the result, if it did not converge.
        """
        if not self.converged:
            raise ConvergenceError(self)
        return self

    def __iter__(self) -> Iterator[Any]:
        return iter((self.x, self.info))

    def __len__(self) -> int:
        return 2

    def __getitem__(self, index: int | slice) -> Any:
        return (self.x, self.info)[index]

    def __repr__(self) -> str:
        return (
            f"SolveResult({self.status.name}, iterations={self.iterations}, "
            f"residual_norm={np.max(self.residual_norms[-1], initial=0):.3g}, n={self.x.shape[0]})"
        )
