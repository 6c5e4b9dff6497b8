"""Biases: M_ij = mean + rows_i + cols_j + u_i.v_j, a row's bias solved together with its u.

A row's bias is one more component of its u, to which every column has the same: [u_i, b_i] has the equations of a half
step of rank k + 1 against [V, 1], on the values less the columns' biases. The constant column is 1 / sqrt(n): it is as
long as those of an orthonormal V.
"""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

import numpy as np

from pysolve import _backend
from pysolve._matrix_completion_factors import KERNELS, stride

if TYPE_CHECKING:
    from pysolve._matrix_completion_als import State

FIRST = 3  # alternations of the first biases


@dataclasses.dataclass
class Bias:
    """Biases of the rows and columns, in units of the scale of the values, of which the mean was taken."""

    rows: np.ndarray
    cols: np.ndarray
    reg: float  # the weight of their squares


def less_other(entries: tuple[Any, ...], other: np.ndarray) -> tuple[Any, ...]:
    """The entries of a side less the biases of what crosses it."""
    values = entries[3] - other.astype(entries[3].dtype)[entries[2]]
    return (*entries[:3], values, entries[4])


def less_bias(entries: tuple[Any, ...], bias: Bias, turned: bool) -> tuple[Any, ...]:
    """The entries of a side (turned: that of the columns) less all biases."""
    mine, other = (bias.cols, bias.rows) if turned else (bias.rows, bias.cols)
    less = less_other(entries, other)
    values = less[3]
    values -= np.repeat(mine.astype(values.dtype), np.diff(np.append(entries[0], values.size)))
    return less


def bias_half_step(
    entries: tuple[Any, ...], V: np.ndarray, U: np.ndarray, state: State, which: str, reg: np.ndarray | None
) -> float:
    """Rows of U and their biases take their steps together; V is orthonormal. Returns the sum of squares before."""
    bias, k, turned = state.bias, state.k, which == "U"
    assert bias is not None
    mine, other = (bias.cols, bias.rows) if turned else (bias.rows, bias.cols)
    unit = V.shape[0] ** -0.5
    wide, out = _extended(V, k, unit), _extended(U, k, mine / unit)
    if reg is not None:
        factor = 1.0 if state.robust is None else state.robust.factor
        reg = np.append(reg, bias.reg * factor * unit**2)
    less = less_other(entries, other)
    squares = KERNELS.matrix_completion_half_step(less, wide, out, k + 1, reg, state.n_cg, None)
    U[:, :k] = out[:, :k]
    mine[:] = out[:, k] * unit
    return float(squares)


def _extended(factor: np.ndarray, k: int, column: Any) -> np.ndarray:
    """A factor of rank k + 1: this one, and a column."""
    out: np.ndarray = _backend.zeros((factor.shape[0], stride(k + 1)), factor.dtype)
    out[:, :k] = factor[:, :k]
    out[:, k] = column
    return out


def center(V: np.ndarray, U: np.ndarray, k: int, used: np.ndarray, mine: np.ndarray) -> None:
    """Moves the mean of V's rows (those with entries) to the biases of U's rows: the same matrix, and then the
    constant column is orthogonal to V."""
    mean = V[used, :k].mean(axis=0, dtype=np.float64)
    V[used, :k] -= mean.astype(V.dtype)
    mine += U[:, :k] @ mean


def center_all(state: State) -> float:
    """Factors and biases that sum to 0 over the rows (columns) with entries, without regularisation: only then are they
    determined. What the mean becomes larger by is returned."""
    assert state.bias is not None
    used = [side.counts > 0 for side in (state.by_rows, state.by_columns)]
    center(state.V, state.U, state.k, used[1], state.bias.rows)
    center(state.U, state.V, state.k, used[0], state.bias.cols)
    mean = 0.0
    for bias, some in zip((state.bias.rows, state.bias.cols), used, strict=True):
        mine = float(bias[some].mean())
        bias[some] -= mine
        mean += mine
    return mean


def first_biases(state: State, r: np.ndarray) -> None:
    """Biases alone on r, what is to be fitted of the entries by rows."""
    bias, side = state.bias, state.sides(np.dtype("f8"))[0]
    assert bias is not None
    rows = np.repeat(np.arange(bias.rows.size), np.diff(np.append(side[0], r.size)))
    cols = side[2]
    w = np.ones(r.size) if side[4] is None else side[4].astype(np.float64)
    held = np.arange(r.size) >= side[1][rows]
    w[held] = 0
    reg = bias.reg * (1.0 if state.robust is None else state.robust.factor)
    totals = [np.bincount(index, w, extent.size) for index, extent in ((rows, bias.rows), (cols, bias.cols))]
    shares = [np.divide(1, total + reg, out=np.zeros_like(total), where=total > 0) for total in totals]
    bias.rows[:], bias.cols[:] = 0, 0
    for _ in range(FIRST):
        bias.cols[:] = shares[1] * np.bincount(cols, w * (r - bias.rows[rows]), bias.cols.size)
        bias.rows[:] = shares[0] * np.bincount(rows, w * (r - bias.cols[cols]), bias.rows.size)


def mean_of(values: np.ndarray, weights: np.ndarray | None, robust: bool) -> float:
    """The mean of the values (robust: their median), exact where all are equal."""
    largest = float(np.abs(values).max(initial=0.0))
    if largest == 0:
        return 0.0
    if robust:
        return largest * float(np.median((values if weights is None else values[weights > 0]) / largest))
    return largest * float(np.average(values / largest, weights=weights))
