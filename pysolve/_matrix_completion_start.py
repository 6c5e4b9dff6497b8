"""The first factors of a completion: singular vectors of the entries, random ones, or those that are given."""

from __future__ import annotations

import numpy as np

from pysolve import _backend
from pysolve._matrix_completion_als import State
from pysolve._matrix_completion_arguments import Request
from pysolve._matrix_completion_bias import first_biases, less_bias
from pysolve._matrix_completion_factors import (
    KERNELS,
    first_other,
    of_type,
    padded,
    random_factor,
    spectral_start,
    stride,
)
from pysolve._matrix_completion_losses import FIRST, reweigh
from pysolve._matrix_completion_nonneg import nonneg_start

UNEVEN = 4.0  # standard deviation over mean, in units of what chance gives, beyond which a start is random


def first_factors(request: Request, state: State) -> None:
    (m, n), k = request.shape, request.k
    rows, cols = state.by_rows.counts, state.by_columns.counts
    like = state.by_rows.values
    if request.x0 is not None:
        state.U, state.V = (padded(factor, request.dtype) for factor in request.x0)
        state.U[rows == 0] = 0
        state.V[cols == 0] = 0
        for factor, scale in zip((state.U, state.V), state.even or (), strict=False):
            factor *= scale[:, None].astype(factor.dtype)
        _first_weights_and_biases(state)
        return
    state.U, state.V = (_backend.zeros((extent, stride(k)), np.float32, like) for extent in (m, n))
    _first_weights_and_biases(state)
    if state.nonneg:
        nonneg_start(state, request.rng)
        return
    if request.warm is not None:
        (state.U, state.V), request.warm = request.warm, None  # a second attempt starts elsewhere
        return
    state.V = random_factor(n, k, cols > 0, request.rng, np.float32)
    sides = state.sides(np.dtype("f4"))
    if state.bias is not None:
        sides = less_bias(sides[0], state.bias, False), less_bias(sides[1], state.bias, True)
    even = all(c.std() <= UNEVEN * max(c.mean(), 1.0) ** 0.5 for c in (rows, cols))
    init = request.init if request.init != "auto" else "spectral" if even else "degree"
    if init != "random":
        spectral_start(*sides, state.V, state.U, k, by_degree=init == "degree")
    first_other(sides[0], state.V, state.U, k)
    if state.robust is not None:
        reweigh(state, anew=True)


def _first_weights_and_biases(state: State) -> None:
    """Against the factors that are there: against 0, a robust loss takes values beyond delta as delta."""
    if state.bias is not None:
        state.bias.rows[:], state.bias.cols[:] = 0, 0
    if state.robust is not None:
        state.robust.ratio = FIRST
        reweigh(state, anew=True)
    if state.bias is not None:
        first_biases(state, _first_residual(state))
    if state.robust is not None and state.bias is not None:
        reweigh(state, anew=True)


def _first_residual(state: State) -> np.ndarray:
    entries = state.sides(np.dtype("f8"), raw=True)[0]
    major = np.repeat(
        np.arange(entries[0].size, dtype=np.int32), np.diff(np.append(entries[0], entries[3].size))
    )
    r = np.empty(entries[3].size)
    U, V = (of_type(factor, np.dtype("f8")) for factor in (state.U, state.V))
    KERNELS.matrix_completion_residual(major, entries[2], entries[3], None, U, V, state.k, r)
    return r
