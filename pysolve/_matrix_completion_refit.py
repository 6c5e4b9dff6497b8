"""The end of a recovery: the entries held out are put back, and only their rows and columns are fitted again."""

from __future__ import annotations

import numpy as np

from pysolve import _backend
from pysolve._matrix_completion_als import State
from pysolve._matrix_completion_factors import KERNELS, orthonormalise
from pysolve._matrix_completion_group import ALONE

SURE = 0.7  # times rtol: an error on entries held out that leaves room for their chance


def short_of_one(state: State) -> list[np.ndarray]:
    """The rows and the columns with entries held out."""
    sides = zip((state.by_rows, state.by_columns), state.whole, strict=True)
    return [np.flatnonzero(whole > side.end) for side, whole in sides]


def few_suffice(state: State, error: float, rtol: float) -> bool:
    """Whether the factors are good enough but for these rows and columns; `error` is that on entries held out."""
    plain = state.robust is None and state.bias is None and not state.nonneg and state.reg == 0
    at_once = state.n_parts == 0 and state.damping == 0 and state.group is ALONE
    return plain and at_once and error <= SURE * rtol


def refit(state: State, some: list[np.ndarray], error: float) -> None:
    """Half steps of some rows and columns alone, when the entries held out, fitted with this `error`, are back.

    The residual of all entries is at most that before the steps, none of which makes its rows' larger.
    """
    state.iterations += 1
    sides = state.sides(state.U.dtype)
    for entries, chosen, V, U in zip(sides, some, (state.V, state.U), (state.U, state.V), strict=True):
        orthonormalise(V, U, state.k)
        part = (
            _backend.contiguous(entries[0][chosen]),
            _backend.contiguous(entries[1][chosen]),
            *entries[2:],
        )
        u = U[chosen]
        KERNELS.matrix_completion_half_step(part, V, u, state.k, None, state.n_cg, None)
        U[chosen] = u
        state.cg_steps += state.n_cg
    state.training = float(np.hypot(state.training, error * state.held_size / state.size))
