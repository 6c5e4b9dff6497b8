"""Non-negative factors: sweeps of coordinate descent on the rows of each in turn, from points ahead.

No gauge but the lengths of the columns is left: each pair is made equally long, where |U|^2 + |V|^2 is least for the
same U V^T. Where most components are positive the columns are far from orthogonal and the alternation is slow: a half
step starts from, and the other one takes, a factor moved on along its last step (momentum of Nesterov), which begins
anew whenever the residual rises.
"""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

import numpy as np

from pysolve import _backend
from pysolve._matrix_completion_factors import KERNELS

if TYPE_CHECKING:
    from pysolve._matrix_completion_als import State

SWEEPS = 4  # of coordinate descent, a half step


@dataclasses.dataclass
class Momentum:
    """The last step of both factors, and how much of it is taken once more."""

    U: np.ndarray = dataclasses.field(default_factory=lambda: np.zeros(0))
    V: np.ndarray = dataclasses.field(default_factory=lambda: np.zeros(0))
    t: float = 1.0
    objective: float = np.inf

    def advance(self, objective: float) -> bool:
        """Notes the new objective; whether it rose: then the momentum is gone."""
        rose, self.objective = not objective < self.objective, objective
        self.t = 1.0 if rose else (1 + (1 + 4 * self.t**2) ** 0.5) / 2
        return rose

    @property
    def share(self) -> float:
        t = (1 + (1 + 4 * self.t**2) ** 0.5) / 2
        return (self.t - 1) / t


def nonneg_iterate(state: State) -> float:
    """One alternation; returns the relative residual before its second half."""
    rows, cols = state.sides(state.U.dtype)
    factor = 1.0 if state.robust is None else state.robust.factor
    reg = _backend.beside(np.full(state.k, state.reg * factor), state.U) if state.reg > 0 else None
    last = state.momentum
    assert last is not None
    if last.U.shape != state.U.shape:
        last.U, last.V = np.zeros_like(state.U), np.zeros_like(state.V)
    U, V = _ahead(state.U, last.U, last.share), _ahead(state.V, last.V, last.share)
    KERNELS.matrix_completion_nonneg_step(rows, V, U, state.k, reg, SWEEPS)
    last.U = U - state.U
    state.U, U = U, _ahead(U, last.U, last.share)
    before = 0.0 if reg is None else float(reg[0] * (np.vdot(U, U) + np.vdot(V, V)))
    squares = KERNELS.matrix_completion_nonneg_step(cols, U, V, state.k, reg, SWEEPS)
    last.V, state.V = V - state.V, V
    state.cg_steps += 2 * SWEEPS
    if last.advance(squares + before):
        balance(state.U, state.V)  # at no other time: it would look like a step
    return float(np.sqrt(squares)) / state.size


def _ahead(X: np.ndarray, step: np.ndarray, share: float) -> np.ndarray:
    out = np.multiply(step, X.dtype.type(share), dtype=X.dtype)
    out += X
    return np.maximum(out, 0, out=out)


def balance(U: np.ndarray, V: np.ndarray) -> None:
    """Scales each column of U and of V to one length."""
    lengths = [np.sqrt(np.einsum("ic,ic->c", X, X, dtype=np.float64)) for X in (U, V)]
    good = (lengths[0] > 0) & (lengths[1] > 0)
    ratio = np.sqrt(np.where(good, lengths[1] / np.where(good, lengths[0], 1.0), 1.0))
    U *= ratio.astype(U.dtype)
    V /= ratio.astype(V.dtype)


def nonneg_start(state: State, rng: np.random.Generator) -> None:
    """Uniform factors whose mean entry is that of the values; rows without entries are 0."""
    values, weights = state.sides(np.dtype("f8"))[0][3:]
    mean = float(np.average(values, weights=weights))
    most = 2 * (max(mean, 1e-3) / state.k) ** 0.5
    for factor, side in (state.U, state.by_rows), (state.V, state.by_columns):
        factor[:, : state.k] = _backend.beside(most * rng.random((factor.shape[0], state.k)), factor)
        factor[side.counts == 0] = 0
    state.momentum = Momentum()
