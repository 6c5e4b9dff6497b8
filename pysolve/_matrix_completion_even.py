"""Rows and columns of outstanding size, brought to that of the others, for the robust losses.

D M E with diagonal D and E has the rank of M. A row made of huge outliers alone has, at its size, the weight of all
others: a component of the factors would be its own. So rows (columns) beyond `OUTSTANDING` times the typical one are
fitted divided by a power of two; at the end of the iteration those that the factors predict are given their size back,
and it goes on. The others stay as they are: they have no say beyond that of any row.
"""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

import numpy as np

from pysolve._matrix_completion_entries import Side, Triplets
from pysolve._matrix_completion_factors import KERNELS

if TYPE_CHECKING:
    from pysolve._matrix_completion_als import State

OUTSTANDING = 8.0  # times the typical median of |y| of a row (column)
PREDICTED = 0.3  # median of |r| over that of |y|, up to which a row follows the factors

Scales = tuple[np.ndarray, np.ndarray]


def typical_sizes(sides: tuple[Side, Side]) -> tuple[Scales, float]:
    """The medians of |y| in rows and columns, and the median of those of the rows."""
    zeros = [np.zeros((len(side.begin), 8)) for side in sides]
    medians = _medians(tuple(side.of_type(np.float64) for side in sides), zeros[0], zeros[1], 1)
    seen = medians[0][medians[0] > 0]
    return medians, float(np.median(seen)) if seen.size else 1.0


def _medians(sides: tuple[Any, ...], U: np.ndarray, V: np.ndarray, k: int) -> Scales:
    """Of |y - u.v| in every row and column."""
    found = []
    for side, mine, other in (sides[0], U, V), (sides[1], V, U):
        medians = np.zeros(mine.shape[0], mine.dtype)
        KERNELS.matrix_completion_deviations(
            side, other, mine, k, np.zeros(side[3].size, mine.dtype), medians
        )
        found.append(medians)
    return found[0], found[1]


def scales_of(medians: Scales, level: float) -> Scales | None:
    """Factors of rows and columns: 1 for all but those of outstanding size; None where there are none of these."""
    over = [np.where(x > OUTSTANDING * level, x / level, 1.0) for x in medians]
    rows, cols = (np.exp2(-np.round(np.log2(x))) for x in over)
    return (rows, cols) if (rows < 1).any() or (cols < 1).any() else None


def evened(entries: tuple[Any, ...], scales: Scales | None, turned: bool) -> tuple[Any, ...]:
    """The entries of a side (turned: that of the columns) times the factors of their row and column."""
    if scales is None:
        return entries
    mine, others = scales[::-1] if turned else scales
    begin, end, indices, values, weights = entries
    factor = np.repeat(mine, np.diff(np.append(begin, indices.size))) * others[indices]
    return begin, end, indices, values * factor.astype(values.dtype), weights


def evened_held(held: Triplets | None, scales: Scales | None) -> Triplets | None:
    """The same of the entries held out."""
    if held is None or scales is None:
        return held
    return dataclasses.replace(held, values=held.values * scales[0][held.rows] * scales[1][held.cols])


def scale_factors(state: State, scales: Scales | None) -> None:
    """Brings the factors from the scales they have to others (None: 1)."""
    if state.even is None:
        return
    for factor, old, new in zip(
        (state.U, state.V), state.even, scales or (np.ones(1), np.ones(1)), strict=True
    ):
        factor *= (new / old).astype(factor.dtype)[:, None]


def give_back(state: State) -> bool:
    """Gives rows and columns that the factors predict their size back. Returns whether there were any, the first time
    it is asked."""
    if state.even is None or state.given_back:
        return False
    state.given_back = True
    sides, dtype = state.sides(state.U.dtype, raw=True), state.U.dtype
    zeros = [np.zeros((x.shape[0], 8), dtype) for x in (state.U, state.V)]
    left, whole = _medians(sides, state.U, state.V, state.k), _medians(sides, zeros[0], zeros[1], 1)
    rows, cols = (
        np.where(r <= PREDICTED * y, 1.0, scale) for r, y, scale in zip(left, whole, state.even, strict=True)
    )
    if np.array_equal(rows, state.even[0]) and np.array_equal(cols, state.even[1]):
        return False
    scale_factors(state, (rows, cols))
    assert state.robust is not None
    for widths, old, new in zip(state.robust.widths, state.even, (rows, cols), strict=True):
        widths *= new / old
    state.robust.weights, state.robust.flat = None, 0
    state.even, state.typed = (rows, cols), {}
    return True
