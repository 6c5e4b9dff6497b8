"""What a completion returns: the factors, how it ended, and what can be done with them."""

from __future__ import annotations

import dataclasses
import os
from typing import Any

import numpy as np

from pysolve import _backend
from pysolve import _matrix_completion_files as files
from pysolve._matrix_completion_device import Placed
from pysolve._matrix_completion_fold_in import fold_in, rows_from
from pysolve._matrix_completion_outcome import SUCCESSES, CompletionBias, CompletionStatus
from pysolve._matrix_completion_picture import draw
from pysolve._matrix_completion_top import Seen, indices_of, top

__all__ = ["SUCCESSES", "CompletionBias", "CompletionResult", "CompletionStatus"]
AT_ONCE = 1 << 16  # entries that are predicted at one time


@dataclasses.dataclass(frozen=True, eq=False)
class CompletionResult(Placed):
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
    reg : float
        The regularisation of the fit, which `fold_in` uses too.
    nonneg : bool
        Whether the factors were to have no negative numbers; those of rows folded in have none either.
    seen : object with ``begin`` and ``indices``, or None
        Where the entries of the fit are: those of row i in the columns ``indices[begin[i]:begin[i + 1]]``. None where
        the entries were read from disk in blocks.
    row_ids, col_ids : ndarray or None
        The names of rows and columns in rising order, of results that were made from named rows and columns, as
        ``pysolve complete`` does.

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
    reg: float = 0.0
    nonneg: bool = False
    seen: Seen | None = None
    row_ids: np.ndarray | None = None
    col_ids: np.ndarray | None = None

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

    @property
    def singular_values(self) -> np.ndarray:
        """Those of ``U @ V.T``, the largest first."""
        triangles: Any = [np.linalg.qr(factor.astype("f8"), mode="r") for factor in (self.U, self.V)]
        found: np.ndarray = np.linalg.svd(triangles[0] @ triangles[1].T, compute_uv=False)
        return found

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
        i, j = np.broadcast_arrays(indices_of(i, "i", self.shape[0]), indices_of(j, "j", self.shape[1]))
        found = _backend.empty(i.size, self.U.dtype, self.U)
        i, j, shape = _backend.beside(i.ravel(), self.U), _backend.beside(j.ravel(), self.U), i.shape
        for first in range(0, found.size, AT_ONCE):
            some = slice(first, first + AT_ONCE)
            found[some] = np.einsum("ek,ek->e", self.U[i[some]], self.V[j[some]])
            if self.bias is not None:
                found[some] += self.bias.at(i[some], j[some])
        return found.reshape(shape) if shape else float(found[0])

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
            rows = _backend.beside(np.atleast_1d(indices_of(rows, "rows", self.shape[0])), self.U)
        if not isinstance(cols, slice):
            cols = _backend.beside(np.atleast_1d(indices_of(cols, "cols", self.shape[1])), self.U)
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
        found: np.ndarray = self.U[rows] @ self.V[cols].T
        if self.bias is not None:
            found += self.bias.mean + self.bias.rows[rows][:, None]
            found += self.bias.cols[cols]
        return found

    def fold_in(self, new_rows: Any, *, weights: Any = None) -> Any:
        """Factors of rows that were not in the fit, with `V` as it is.

        Parameters
        ----------
        new_rows : sparse matrix, tuple, ndarray or masked array
            Their entries, in any form of `matrix_completion`'s `observed`, with n columns.
        weights : array_like, optional
            A weight for each entry, as in `matrix_completion`.

        Returns
        -------
        U : ndarray of shape (n_new, rank)
            For each row the least sum of squares plus ``reg`` times its square, solved exactly; where many are least,
            the shortest; 0 without entries.
        rows : ndarray of shape (n_new,)
            Their biases, where the result has a `bias`; without entries 0.

        Examples
        --------
        >>> import numpy as np, pysolve
        >>> result = pysolve.matrix_completion(np.outer([1.0, 2.0, 3.0], [1.0, -1.0, 2.0]), 1, rng=0)
        >>> U = result.fold_in([[np.nan, 5.0, np.nan]])  # a row of which one entry is known
        >>> (U @ result.V.T).round(4)
        array([[ -5.,   5., -10.]])
        """
        self._check_on_host("fold_in")
        entries, largest_weight = rows_from(new_rows, self.shape[1], weights)
        U, rows = fold_in(entries, largest_weight, self.V, self.reg, self.bias, self.nonneg)
        U = U.astype(self.U.dtype)
        return U if rows is None else (U, rows.astype(self.U.dtype))

    def top(self, row: Any, n: int, exclude_seen: bool = True) -> tuple[np.ndarray, np.ndarray]:
        """The columns of the largest predictions of a row, or of several.

        Parameters
        ----------
        row : int or array_like of int
            One row or some.
        n : int
            How many columns.
        exclude_seen : bool
            Whether to leave out the columns in which the row has an entry of the fit.

        Returns
        -------
        cols : ndarray of int of shape (n,), or (n_rows, n)
            The largest prediction first; equal ones in the order of the columns. Where a row has fewer columns left,
            there are as many for one row; for several the rest is -1.
        values : ndarray of that shape
            The predictions; NaN where there is no column.

        Examples
        --------
        >>> import numpy as np, pysolve
        >>> M = np.outer([1.0, 2.0, 3.0, 4.0], [1.0, 5.0, 2.0, 4.0])
        >>> M[3, 1:3] = np.nan
        >>> cols, values = pysolve.matrix_completion(M, 1, rng=0).top(3, 2)
        >>> cols, values.round(3)
        (array([1, 2]), array([20.,  8.]))
        """
        self._check_on_host("top")
        rows = indices_of(row, "row", self.shape[0]) % self.shape[0]
        if rows.ndim > 1:
            raise ValueError(f"row must be an integer or one-dimensional, but its shape is {rows.shape}")
        if exclude_seen and self.seen is None:
            raise ValueError(
                "exclude_seen must be False: this result does not know which entries were fitted"
            )
        cols, values = top(self, np.atleast_1d(rows), n, self.seen if exclude_seen else None)
        if rows.ndim:
            return cols, values
        count = int((cols[0] >= 0).sum())
        return cols[0, :count], values[0, :count]

    def rows_of(self, ids: Any) -> np.ndarray:
        """The rows of these names in `row_ids`; KeyError for one that is not there."""
        return files.places(self.row_ids, ids, "row")

    def cols_of(self, ids: Any) -> np.ndarray:
        """The columns of these names in `col_ids`; KeyError for one that is not there."""
        return files.places(self.col_ids, ids, "column")

    def save(self, path: str | os.PathLike) -> None:
        """Write a file of arrays (.npz), whole or not at all; nothing in it is a pickle.

        Parameters
        ----------
        path : str or path-like
        """
        self._check_on_host("save")
        files.save(self, path)

    @classmethod
    def load(cls, path: str | os.PathLike) -> CompletionResult:
        """The result of a file of `save`, to the bit.

        Parameters
        ----------
        path : str or path-like

        Returns
        -------
        CompletionResult

        Raises
        ------
        ValueError
            If the file is damaged, of another version or of something else.
        """
        return files.load(cls, path)

    def plot(self, figure: Any = None) -> Any:
        """Draw the errors against seconds and the singular values; needs matplotlib.

        Parameters
        ----------
        figure : matplotlib.figure.Figure, optional
            Where to draw; a new one if omitted.

        Returns
        -------
        matplotlib.figure.Figure
        """
        self._check_on_host("plot")
        return draw(self.history, self.singular_values, str(self.status), figure)

    def __repr__(self) -> str:
        m, n = self.shape
        bias = "" if self.bias is None else ", bias"
        text = f"{self.status.name}, {m} x {n}, rank={self.rank}{bias}, iterations={self.iterations}"
        return f"CompletionResult({text})"
