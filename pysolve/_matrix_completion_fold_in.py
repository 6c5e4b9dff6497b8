"""New rows for factors that are there: V stays as it is, and each row solves its least squares exactly."""

from __future__ import annotations

from typing import Any

import numpy as np
import scipy.optimize

from pysolve import _backend
from pysolve._matrix_completion_device import on_gpu, refuse
from pysolve._matrix_completion_entries import Side, by_rows_and_columns, triplets_from, weights_of
from pysolve._matrix_completion_factors import KERNELS, padded, stride
from pysolve._matrix_completion_outcome import CompletionBias

WIDE = np.dtype("f8")
BLOCK_BYTES = 1 << 26  # of the blocks, or of the panels, that are there at one time
FLOOR = (
    1e-13  # damping of blocks without regularisation, in units of V's squares; refinement takes it out again
)
SETTLED = (
    1e-11  # size of the last correction, relative to the row, beyond which a row is solved by singular values
)
NEGLIGIBLE = 1e-12  # of the largest singular value: smaller ones are taken for 0
STRONGEST = 1e100  # regularisation, at which rows are 0 to rounding
WIDEST = 1e5  # most that the column of the rows' biases may be longer or shorter than those of V


def rows_from(new_rows: Any, n: int, weights: Any) -> tuple[Side, float]:
    """The entries of new rows, by rows, and the largest of their weights; errors name the argument."""
    if on_gpu(new_rows):
        refuse("fold_in", "new_rows")
    try:
        entries, shape = triplets_from(new_rows)
        if shape[1] != n:
            raise ValueError(f"observed must have {n} columns, as the matrix that was fitted, not {shape[1]}")
        largest, entries.weights = weights_of(weights, len(entries))
        by_rows, _ = by_rows_and_columns(entries, shape)
    except (TypeError, ValueError) as error:
        raise type(error)(str(error).replace("observed", "new_rows")) from None
    return by_rows, largest


def fold_in(
    entries: Side,
    largest_weight: float,
    V: np.ndarray,
    reg: float,
    bias: CompletionBias | None,
    nonneg: bool = False,
) -> tuple[np.ndarray, np.ndarray | None]:
    """(U, biases of the rows or None) in float64: argmin sum_e w_e (y_e - b - u.v_e)^2 + reg (|u|^2 + b^2).

    All is solved in units in which values and V are about 1: no square overflows or is lost.
    """
    values = entries.values
    if bias is not None:
        values = values - bias.mean - bias.cols[entries.indices]
    unit, length = _largest(values), _largest(V)
    X, reg = V / length, min(reg / length / length / largest_weight, STRONGEST)
    column = 1.0
    if bias is not None:
        # b = c z makes z one more unknown of the row, of the weight of the others if c = 1 / length.
        column = float(np.clip(1 / length, 1 / WIDEST, WIDEST)) if reg > 0 else 1.0
        X = np.column_stack((X, np.full(len(V), column)))
    rows = Side(entries.begin, entries.end, entries.indices, values / unit, entries.weights)
    found = (_nonneg_rows(rows, X, V.shape[1], reg) if nonneg else solve_rows(rows, X, reg)) * unit
    k = V.shape[1]
    return found[:, :k] / length, None if bias is None else found[:, k] * column


def _largest(values: np.ndarray) -> float:
    return float(np.abs(values).max(initial=0)) or 1.0


def solve_rows(entries: Side, V: np.ndarray, reg: float) -> np.ndarray:
    """argmin_u sum_e w_e (y_e - u.v_e)^2 + reg |u|^2 for each row, of several the shortest; 0 without entries.

    Blocks (the inverses of V_i^T W V_i + reg) and three corrections solve what is well conditioned; the rest, and
    rows with fewer entries than unknowns, goes by singular values.
    """
    m, k = entries.begin.size, V.shape[1]
    U = np.zeros((m, stride(k)))
    wide = padded(V, WIDE)
    at_once = max(1, BLOCK_BYTES // (8 * k * stride(k)))
    hard = np.zeros(m, bool)
    everything = entries.of_type(WIDE)
    for first in range(0, m, at_once):
        some = slice(first, first + at_once)
        part = (
            np.ascontiguousarray(entries.begin[some]),
            np.ascontiguousarray(entries.end[some]),
            *everything[2:],
        )
        hard[some] = _by_blocks(part, wide, U[some], k, reg)
    if reg == 0:
        hard |= entries.counts < k
    hard &= entries.counts > 0
    _by_singular_values(entries, V, U, reg, np.flatnonzero(hard))
    return U[:, :k]


def _nonneg_rows(entries: Side, V: np.ndarray, k: int, reg: float) -> np.ndarray:
    """The same without negative numbers in the first k columns (the next, a bias, is free), one row after the other."""
    free = V[:, k:]
    wide = np.column_stack((V, -free))  # the free one is the difference of two
    penalty = np.sqrt(reg) * np.eye(wide.shape[1])
    U = np.zeros((entries.begin.size, wide.shape[1]))
    for row in np.flatnonzero(entries.counts):
        some = slice(entries.begin[row], entries.end[row])
        root = np.ones(1) if entries.weights is None else np.sqrt(entries.weights[some])
        A = wide[entries.indices[some]] * root[:, None]
        y = np.append(entries.values[some] * root, np.zeros(len(penalty)))
        U[row] = scipy.optimize.nnls(np.vstack((A, penalty)), y)[0]
    U[:, k : V.shape[1]] -= U[:, V.shape[1] :]
    return U[:, : V.shape[1]]


def _by_blocks(part: tuple[Any, ...], V: np.ndarray, U: np.ndarray, k: int, reg: float) -> np.ndarray:
    """Solves rows of U; returns which are not solved."""
    H = _backend.empty((len(U), k, stride(k)), WIDE)
    step = np.empty_like(U)
    KERNELS.matrix_completion_blocks(part, V, k, max(reg, FLOOR), H)
    for _ in range(4):
        KERNELS.matrix_completion_gradient(part, V, U, step, k)
        step -= reg * U
        KERNELS.matrix_completion_apply_blocks(H, step, k, 1.0)
        U += step
    return np.asarray((abs(step).max(axis=1) > SETTLED * abs(U).max(axis=1)) | (H[:, 0, 0] == 0))


def _by_singular_values(entries: Side, V: np.ndarray, U: np.ndarray, reg: float, rows: np.ndarray) -> None:
    """The same for the chosen rows, those with equally many entries at once."""
    counts = entries.counts[rows]
    for count in np.unique(counts):
        alike = rows[counts == count]
        at_once = max(1, BLOCK_BYTES // (8 * int(count) * V.shape[1]))
        for first in range(0, alike.size, at_once):
            some = alike[first : first + at_once]
            places = entries.begin[some, None] + np.arange(count)
            A, y = V[entries.indices[places]], entries.values[places]
            if entries.weights is not None:
                root = np.sqrt(entries.weights[places])
                A, y = A * root[..., None], y * root
            left, s, right = np.linalg.svd(A, full_matrices=False)
            share = np.einsum("rds,rd->rs", left, y)
            kept = s > NEGLIGIBLE * s[:, :1]
            share *= np.where(kept, s, 0) / np.where(kept, s * s + reg, 1)
            U[some, : V.shape[1]] = np.einsum("rs,rsk->rk", share, right)
