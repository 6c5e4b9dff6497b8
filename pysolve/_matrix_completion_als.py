"""The alternation: half steps of conjugate gradients on both factors in turn, and what watches it."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np

from pysolve import _backend
from pysolve._matrix_completion_bias import Bias, bias_half_step, center
from pysolve._matrix_completion_entries import Side, Triplets
from pysolve._matrix_completion_even import Scales, evened, evened_held
from pysolve._matrix_completion_factors import KERNELS, drop_spikes, gauge, of_type, orthonormalise
from pysolve._matrix_completion_group import ALONE
from pysolve._matrix_completion_losses import Robust, reweigh, robust_residual
from pysolve._matrix_completion_nonneg import Momentum, nonneg_iterate
from pysolve._matrix_completion_relaxation import relaxation
from pysolve._matrix_completion_result import CompletionStatus
from pysolve._matrix_completion_split import only_part
from pysolve._matrix_completion_stored import without_aside
from pysolve._matrix_completion_watch import OTHER, Watch, crawls, overfitted, slow

CLIP = 4.0  # times the root-mean-square length of a row: Gaussian rows stay below it
LEAST = 0.05
CONTRACTION = 0.6  # of a step of conjugate gradients, beyond which a row with many entries counts as coherent
PROBE, SKETCHED_CG = 5, 4  # steps that measure it, and steps with the sketch
NONE = np.zeros(0, np.int64)
EVERYWHERE = "srht", "rows", "count"  # sketches that are asked for: all rows take them
CLIPPED = 30  # alternations that clip: later, a fit that is no better is noise, and clipping disturbs it
FALLS = 0.5  # times the residual before: beyond, every step of conjugate gradients is measured
FLOOR = 5e-7  # relative residual below which float32 gains nothing


@dataclasses.dataclass
class State:
    """The problem and where its solution stands. Values are scaled to root-mean-square 1."""

    by_rows: Side
    by_columns: Side
    held: Triplets | None
    k: int
    U: np.ndarray
    V: np.ndarray
    size: float  # norm of the fitted values (weighted)
    held_size: float
    whole: tuple[np.ndarray, np.ndarray]  # where rows and columns end when nothing is held out
    reg: float = 0.0
    n_cg: int = 2
    cg_steps: int = 0
    iterations: int = 0
    training: float = np.inf
    sketch: str = "auto"
    n_parts: int = 0  # that the entries are split into; 0: every half step sees all of them
    part: int = 0  # the one that counts
    seed: int = 0  # of the parts
    coherent: tuple[np.ndarray, np.ndarray] = (NONE, NONE)  # rows and columns that need the sketch
    aside: tuple[np.ndarray, np.ndarray] | None = None  # masks of rows and columns that do not count
    robust: Robust | None = None  # None: least squares
    even: Scales | None = None  # what rows and columns of outstanding size are multiplied by (robust losses)
    given_back: bool = False  # whether those that the factors predict have their size back
    bias: Bias | None = None
    falls: bool = (
        False  # whether the last alternation shrank the residual well: the next may take steps unmeasured
    )
    nonneg: bool = False
    momentum: Momentum | None = None  # of non-negative factors
    phase: str = ""  # the loop that runs: a resumed run begins at its top
    attempt: int = 0  # of the paces tried one after the other
    plain: int = 0  # alternations without regularisation so far
    lengths: np.ndarray = dataclasses.field(default_factory=lambda: np.zeros(0))  # of the columns then
    damping: float = 0.0
    all_held: tuple[Triplets | None, float] | None = None  # held and its size, while rows are set aside
    began: int = 0  # the iteration this part of the phase began at
    tried: int = 0  # how often rows and columns were set aside
    fitted: float = np.inf  # relative residual where Gauss-Newton stalled
    ended: float = np.inf  # the same of the last attempt, before rows and columns were set aside
    moved: float = np.inf  # relative change of M in the last Gauss-Newton step
    noise: bool = False  # whether what stalled looks like noise
    grown: bool = False  # whether some rows or columns were brought back at the end
    poor: tuple[np.ndarray, np.ndarray] = (NONE, NONE)  # masks of rows and columns with hardly any entries
    lowered: tuple[np.ndarray, ...] | None = None  # factors when the regularisation had gone
    fallback: tuple[np.ndarray, ...] | None = None  # the best of all attempts
    fallback_error: float = np.inf
    typed: dict[Any, Any] = dataclasses.field(default_factory=dict, metadata=OTHER)
    group: Any = dataclasses.field(default=ALONE, metadata=OTHER)

    def sides(self, dtype: Any, raw: bool = False) -> tuple[tuple[Any, ...], tuple[Any, ...]]:
        """Both copies of the entries for the kernels, values cast once for each type; `raw`: with the weights given."""
        if dtype not in self.typed:
            self.typed[dtype] = tuple(
                without_aside(evened(side.of_type(dtype), self.even, turned), self.aside, turned)
                for side, turned in ((self.by_rows, False), (self.by_columns, True))
            )
        rows, cols = self.typed[dtype]
        sides = (
            (self.by_rows.begin, self.by_rows.end, *rows[2:]),
            (self.by_columns.begin, self.by_columns.end, *cols[2:]),
        )
        if self.n_parts:
            rows, cols = (
                only_part(side, turned, self.part, self.n_parts, self.seed)
                for side, turned in zip(sides, (False, True), strict=True)
            )
            return rows, cols
        return sides if self.robust is None or raw else self.robust.weighted(sides)

    def set_aside(self, rows: np.ndarray, cols: np.ndarray) -> None:
        """Gives the entries of the rows and columns of these masks no weight; none in the masks brings all back."""
        self.aside = (rows, cols) if rows.any() or cols.any() else None
        self.typed = {}

    def convert(self, dtype: Any) -> None:
        if self.robust is not None and self.U.dtype != dtype:
            self.robust.weights = None  # as where a run is resumed
        self.U, self.V = of_type(self.U, dtype), of_type(self.V, dtype)

    def held_out(self) -> float:
        """Relative residual on the entries held out; NaN without any."""
        held = evened_held(self.held, self.even)
        if held is not None and self.bias is not None:
            less = held.values - self.bias.rows[held.rows] - self.bias.cols[held.cols]
            held = dataclasses.replace(held, values=less)
        if held is not None and self.robust is not None:
            return robust_residual(held, self.U, self.V, self.k) / self.held_size
        return relative_residual(held, self.U, self.V, self.k, self.held_size, self.group)

    def best(self) -> tuple[np.ndarray, ...]:
        biases = () if self.bias is None else (self.bias.rows.copy(), self.bias.cols.copy())
        return self.U.copy(), self.V.copy(), *biases

    def restore(self, best: tuple[np.ndarray, ...]) -> None:
        self.U, self.V = best[:2]
        if self.bias is not None:
            self.bias.rows, self.bias.cols = best[2:]


def size_of(entries: Any) -> float:
    """Norm of the values, weighted; 1 where they are all 0."""
    if not isinstance(entries, Triplets):
        return float(entries.norm())
    squares = entries.values**2 if entries.weights is None else entries.weights * entries.values**2
    return float(np.sqrt(squares.sum())) or 1.0


def relative_residual(
    held: Triplets | None, U: np.ndarray, V: np.ndarray, k: int, size: float, group: Any = ALONE
) -> float:
    """Norm of the residual over norm of the values on some entries."""
    if held is None or group.sum(float(len(held))) == 0:  # no entry proves nothing, not that all is well
        return float("nan")
    squares = KERNELS.matrix_completion_residual(
        held.rows,
        held.cols,
        held.values.astype(U.dtype),
        None if held.weights is None else held.weights.astype(U.dtype),
        U,
        group.named(V, "held"),
        k,
        None,
    )
    error = float(np.sqrt(group.sum(squares)))
    return error / size if size > 0 else error


def regularisation(
    entries: tuple[Any, ...], V: np.ndarray, U: np.ndarray, state: State, clip: float
) -> np.ndarray | None:
    """Makes V orthonormal, and returns what the regularisation adds to the equations of U's rows."""
    strength = state.reg if state.robust is None else state.reg * state.robust.factor
    if strength == 0:
        orthonormalise(V, U, state.k, clip, state.group)
        return None
    # reg (|U|^2 + |V|^2) of balanced factors, told in this gauge: U's column of length s counts reg / s. A column that
    # has vanished must be able to come back: no more than `LEAST` of its length is believed to be gone.
    lengths = gauge(V, U, state.k, 0.0 if state.phase == "lowering" else clip, state.group)
    if state.phase == "lowering":
        drop_spikes(V, state.k, state.group)
    total = state.group.sum
    share = total(float((entries[1] - entries[0]).sum())) / (total(U.shape[0]) * total(V.shape[0]))
    least = max(LEAST * strength / share, float(np.finfo(np.float64).tiny))
    return strength / np.maximum(lengths, least)


def half_step(
    entries: tuple[Any, ...],
    V: np.ndarray,
    U: np.ndarray,
    state: State,
    clip: float,
    which: str,
    coherent: np.ndarray,
) -> float:
    """V is made orthonormal, then U's rows take their steps. Returns the relative residual before them.

    `which` of the state's factors V is.
    """
    if state.bias is not None and state.reg == 0:
        mine = state.bias.cols if which == "U" else state.bias.rows
        center(V, U, state.k, _used(state, which), mine)
    reg = regularisation(entries, V, U, state, clip)
    if state.bias is not None:
        state.cg_steps += state.n_cg
        return float(np.sqrt(bias_half_step(entries, V, U, state, which, reg))) / state.size
    everywhere = state.sketch in EVERYWHERE
    if everywhere:
        coherent = _backend.beside(np.arange(U.shape[0]), U)
    alone = state.reg > 0 or coherent.size or state.robust is not None
    omega = 1.0 if alone else relaxation(entries, V, U, state)
    n_cg = 0 if everywhere else state.n_cg
    V = state.group.named(V, which)
    foreseen = state.falls and not alone
    squares = KERNELS.matrix_completion_half_step(entries, V, U, state.k, reg, n_cg, None, omega, foreseen)
    state.cg_steps += SKETCHED_CG if everywhere else n_cg
    if coherent.size:
        KERNELS.matrix_completion_sketched_step(
            entries,
            V,
            U,
            state.k,
            reg,
            SKETCHED_CG,
            coherent,
            state.sketch if state.sketch in EVERYWHERE else "count",
            4 * state.k,
            state.cg_steps,
            None,
        )
    return float(np.sqrt(state.group.sum(squares) * max(state.n_parts, 1))) / state.size


def _used(state: State, which: str) -> np.ndarray:
    return (state.by_columns if which == "V" else state.by_rows).counts > 0


def find_coherent(state: State) -> None:
    """Flags rows and columns with many entries on whose equations conjugate gradients make little way: 8 k random rows
    of an incoherent factor would have shrunk the residual to less than half a step."""
    rows, cols = state.sides(state.U.dtype)
    found = []
    for entries, V, U, which in (rows, state.V, state.U, "V"), (cols, state.U, state.V, "U"):
        reg = regularisation(entries, V, U, state, 0.0)
        V = state.group.named(V, which)
        shrunk = _backend.empty(U.shape[0], np.float32, U)
        KERNELS.matrix_completion_half_step(entries, V, U, state.k, reg, PROBE, shrunk)
        state.cg_steps += PROBE
        found.append(np.flatnonzero((shrunk > CONTRACTION) & (entries[1] - entries[0] > 8 * state.k)))
    state.coherent = found[0], found[1]
    if state.robust is not None:
        state.robust.weights = None  # the probe moved the factors


def iterate(state: State) -> None:
    """One alternation: U's half step, then V's. Rows are clipped until the fit is good enough to trust them."""
    if state.robust is not None and state.robust.weights is None:
        reweigh(state, anew=not state.robust.widths, again=True)
    if state.nonneg:
        state.iterations += 1
        state.training = nonneg_iterate(state)
        if state.robust is not None:
            reweigh(state)
        return
    before = state.training
    clip = CLIP if before > 0.1 and state.iterations < CLIPPED else 0.0
    state.iterations += 1
    state.part += 1
    rows = state.sides(state.U.dtype)[0]
    half_step(rows, state.V, state.U, state, clip, "V", state.coherent[0])
    state.part += 1
    cols = state.sides(state.U.dtype)[1]
    state.training = half_step(cols, state.U, state.V, state, clip, "U", state.coherent[1])
    state.falls = state.training < FALLS * before
    if state.robust is not None:
        reweigh(state)


def alternate(
    state: State, watch: Watch, dtype: Any, patience: int = 10, noise: float = np.inf
) -> CompletionStatus:
    """ALS-CG from the V that is there: in float32 to its floor, then in float64.

    With `noise`, it gives up where the error on entries held out hardly falls although that is not from noise.
    """
    wide = np.dtype(dtype)
    while True:
        watch.keep(state, watch)
        iterate(state)
        watch.record(state)
        end = watch.end(patience)
        if end is not None:
            return end
        plain = state.bias is None and not state.nonneg and state.sketch == "auto"
        if plain and watch.iterations % 8 == 0 and slow(watch):
            find_coherent(state)
        if crawls(watch) and overfitted(watch, noise):
            return CompletionStatus.STALLED
        narrow = state.U.dtype != wide
        if narrow and (state.training < FLOOR or ((state.training < 1e-4 or state.reg > 0) and slow(watch))):
            state.convert(wide)
