"""How a completion ended, and the mean and biases that it may predict by."""

from __future__ import annotations

import dataclasses
import enum
from typing import Any

import numpy as np


class CompletionStatus(enum.Enum):
    """How a completion ended. ``str(status)`` is the explanation.

    Examples
    --------
    >>> from pysolve import CompletionStatus
    >>> print(CompletionStatus.MAXITER)
    the limit of iterations was reached before the tolerance
    """

    RECOVERED = "entries held out of the fit are predicted to the tolerance"
    MINIMUM = "the error on the validation entries has stopped falling; the factors of its minimum were kept"
    STATIONARY = "the regularised fit has stopped changing"
    STALLED = (
        "the error on entries held out has stopped falling above the tolerance; the best factors were kept"
    )
    NOISE = "no rank predicts entries held out of the fit: they look like noise, and rank 1 was taken"
    FITTED = "the entries are fitted to the tolerance, but there were too few to hold any out as a proof"
    MAXITER = "the limit of iterations was reached before the tolerance"
    STOPPED = "the callback stopped the iteration; the best factors so far were kept"
    INTERRUPTED = "the iteration was interrupted; the best factors so far were kept"

    def __str__(self) -> str:
        return self.value


SUCCESSES = {CompletionStatus.RECOVERED, CompletionStatus.MINIMUM, CompletionStatus.STATIONARY}


@dataclasses.dataclass(frozen=True, eq=False)
class CompletionBias:
    """What is predicted before the factors are asked: ``mean + rows[i] + cols[j]``.

    Attributes
    ----------
    mean : float
        Of all values.
    rows, cols : ndarray of shape (m,), (n,)
        What each row and each column adds to it, in the units of the values.

    Examples
    --------
    >>> import numpy as np, pysolve
    >>> bias = pysolve.CompletionBias(3.5, np.array([0.5, -0.5]), np.array([0.25, 0.0, -0.25]))
    >>> bias.at(0, 2)
    3.75
    """

    mean: float
    rows: np.ndarray
    cols: np.ndarray

    def at(self, i: Any, j: Any) -> Any:
        """The sum for rows `i` and columns `j`, which are broadcast against each other."""
        found = self.mean + (self.rows[i] + self.cols[j])
        return float(found) if np.ndim(found) == 0 else found

    def __repr__(self) -> str:
        return f"CompletionBias(mean={self.mean:.6g}, {self.rows.size} rows, {self.cols.size} columns)"
