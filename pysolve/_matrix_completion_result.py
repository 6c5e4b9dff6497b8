"""What a completion returns: the factors, how it ended, and the curve of its errors."""

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


@dataclasses.dataclass(frozen=True, eq=False)
class CompletionResult:
    """Result of `matrix_completion`: the matrix is ``U @ V.T``, plus `bias` where there is one.

    Attributes
    ----------
    U, V : ndarray of shape (m, rank), (n, rank)
        The factors, in the balanced gauge: ``U.T @ U == V.T @ V``, diagonal.
    status : CompletionStatus
        How the iteration ended; ``str(status)`` explains it.
    iterations : int
        Alternations, and Gauss-Newton steps.
    history : dict of str to ndarray
        For each iteration: ``"training"`` and ``"held_out"``, the relative residual (norm of the residual over norm
        of the values) on the entries fitted and on those held out, NaN where none are; ``"seconds"`` since the
        start; ``"cg_steps"``, conjugate-gradient steps for each row so far.
    message : str
        The status, with the figures of this run.
    empty_rows, empty_cols : int
        Rows and columns without an entry: they are predicted as 0, or by the bias.
    bias : CompletionBias or None
        What is added to ``U @ V.T``: a mean, and a number for each row and column.

    Examples
    --------
    >>> import numpy as np, pysolve
    >>> rng = np.random.default_rng(0)
    >>> M = rng.standard_normal((60, 2)) @ rng.standard_normal((2, 50))
    >>> seen = np.where(rng.random(M.shape) < 0.5, M, np.nan)
    >>> result = pysolve.matrix_completion(seen, 2, rng=0)
    >>> bool(abs(result.to_dense() - M).max() < 1e-4)
    True
    """

    U: np.ndarray
    V: np.ndarray
    status: CompletionStatus
    iterations: int
    history: dict[str, np.ndarray]
    message: str
    empty_rows: int = 0
    empty_cols: int = 0
    bias: CompletionBias | None = None

    @property
    def converged(self) -> bool:
        """Whether the run reached what it was for: the matrix is recovered, or the minimum asked for is found."""
        return self.status in SUCCESSES

    @property
    def shape(self) -> tuple[int, int]:
        """Shape of the matrix."""
        return self.U.shape[0], self.V.shape[0]

    @property
    def rank(self) -> int:
        """Columns of the factors."""
        return int(self.U.shape[1])

    def predict(self, i: Any, j: Any) -> Any:
        """Entries of the matrix.

        Parameters
        ----------
        i, j : int or array_like of int
            Rows and columns, broadcast against each other; negative ones count from the end.

        Returns
        -------
        float or ndarray
            ``M[i, j]``, of the shape of the indices.
        """
        i, j = np.broadcast_arrays(_indices(i, "i", self.shape[0]), _indices(j, "j", self.shape[1]))
        found = np.einsum("...k,...k->...", self.U[i], self.V[j])
        if self.bias is not None:
            found = (found + self.bias.at(i, j)).astype(self.U.dtype)
        return float(found) if found.ndim == 0 else found

    def block(self, rows: Any, cols: Any) -> np.ndarray:
        """The dense block of the matrix at these rows and columns.

        Parameters
        ----------
        rows, cols : slice or array_like of int
            As an index of each factor.

        Returns
        -------
        ndarray of shape (n_rows, n_cols)
            ``U[rows] @ V[cols].T``, plus the bias.
        """
        if not isinstance(rows, slice):
            rows = np.atleast_1d(_indices(rows, "rows", self.shape[0]))
        if not isinstance(cols, slice):
            cols = np.atleast_1d(_indices(cols, "cols", self.shape[1]))
        return self._dense(rows, cols)

    def to_dense(self) -> np.ndarray:
        """The whole matrix.

        Returns
        -------
        ndarray of shape (m, n)
            ``U @ V.T``, plus the bias.
        """
        return self._dense(slice(None), slice(None))

    def _dense(self, rows: Any, cols: Any) -> np.ndarray:
        found = np.asarray(self.U[rows] @ self.V[cols].T)
        if self.bias is not None:
            found += self.bias.mean + self.bias.rows[rows][:, None]
            found += self.bias.cols[cols]
        return found

    def __repr__(self) -> str:
        m, n = self.shape
        return (
            f"CompletionResult({self.status.name}, {m} x {n}, rank={self.rank}, iterations={self.iterations})"
        )


def _indices(x: Any, name: str, extent: int) -> np.ndarray:
    x = np.asarray(x)
    if x.dtype.kind not in "iu":
        raise TypeError(f"{name} must be integers, not of dtype {x.dtype}")
    if x.size and not (-extent <= x.min() and x.max() < extent):
        raise IndexError(f"{name} must be below {extent}, but reaches from {x.min()} to {x.max()}")
    return x
