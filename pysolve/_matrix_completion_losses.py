"""Losses that gross outliers do not sway: Huber's and the absolute value, by least squares reweighted every iteration.

Huber's loss is h(r) = r^2 for |r| <= delta and 2 delta |r| - delta^2 beyond. The parabola that touches it from above at
the residual r0 has the weight min(1, delta / |r0|), so a half step with these weights never makes the sum of h larger.
An entry beyond delta pulls with the force 2 delta, however far away it is.

While the fit still improves, delta is no less than the median of |r| in the entry's row (column): then outliers pull
every row no harder than it is wrong, and all rows approach the solution at one rate, exactly where there is no noise.
Once progress ends, that falls to nothing and the loss is what was asked for (graduated non-convexity).

Values and delta are in units of the scale of the values here.
"""

from __future__ import annotations

import dataclasses
import numbers
from typing import TYPE_CHECKING, Any

import numpy as np

from pysolve._matrix_completion_bias import less_bias
from pysolve._matrix_completion_entries import Side, Triplets
from pysolve._matrix_completion_factors import KERNELS

if TYPE_CHECKING:
    from pysolve._matrix_completion_als import State

KEPT = 0.75  # share of the smallest residuals (values) that a size is measured on: one entry in four may be an outlier
SAMPLE = 100_000  # entries that a size and a median are taken of
DEVIATION = 1.4826  # standard deviation of Gaussian residuals over their median absolute value
EFFICIENT = 1.345  # delta over standard deviation: 95% of the efficiency of least squares on Gaussian noise
LEAST = 0.01  # delta of the absolute value, in medians of |r|
# Least delta of a row, in medians of its residuals: at first, later, and its factor an iteration.
FIRST, STEADY, SETTLE = 2.0, 1.0, 0.9
PROGRESS, FLAT = (
    0.97,
    3,
)  # no progress: the residual falls by less than this factor, so many iterations in a row
FALL = 0.7  # factor of the row's delta then
# Most delta of a row, in medians of all entries, its factor an iteration, and so many of these: no float overflows.
LOOSE, LOOSER, LOOSEST = 2.0, 1.3, 200
FAR = 10.0  # values beyond, in units of what is typical of their row and column, count as that
FARTHEST = 1e6  # the same of the scale: only to keep all arithmetic safe


@dataclasses.dataclass
class Robust:
    """The loss, and where it stands. `weights` follow from the fit and from the numbers."""

    loss: str
    delta: float | None  # None: from the residuals
    size: float = 1.0  # root mean square of the values, of the smaller three quarters
    width: float = 1.0  # delta in this iteration
    ratio: float = FIRST  # least delta of a row, in medians of its residuals
    widths: list[np.ndarray] = dataclasses.field(
        default_factory=list
    )  # delta of rows, columns: they never grow
    median: float = 1.0  # of |r| over all entries
    worst: float = 0.0  # the largest median of a row or a column, over `size`
    training: float = np.inf  # root mean square of the residuals, of the smaller three quarters, over `size`
    flat: int = 0  # iterations without progress
    # Of the entries by rows, and by columns: they follow from the rest.
    weights: tuple[np.ndarray, np.ndarray] | None = dataclasses.field(default=None, metadata={"kept": False})

    @property
    def factor(self) -> float:
        """What the loss was multiplied by to have the weight 1 at its centre: the regularisation has to be, too."""
        return 2 * self.width if self.loss == "l1" else 1.0

    @property
    def settled(self) -> bool:
        """Whether the loss is what was asked for."""
        return self.ratio < LEAST

    def weighted(self, sides: Any) -> Any:
        """Both copies of the entries with the weights of this iteration."""
        if self.weights is None:
            return sides
        return tuple(
            (*side[:4], weights.astype(side[3].dtype, copy=False))
            for side, weights in zip(sides, self.weights, strict=True)
        )

    def narrow(self, progress: float) -> None:
        """The next `ratio`; progress: the factor by which the residual fell."""
        if self.ratio > STEADY:
            self.ratio = max(STEADY, SETTLE * self.ratio)
            return
        self.flat = self.flat + 1 if progress > PROGRESS else 0
        if self.flat >= FLAT:
            self.ratio = 0.0 if self.settled else FALL * self.ratio


def reweigh(state: State, anew: bool = False, again: bool = False) -> None:
    """Sets the weights of all entries, and the training residual, by the fit that is there.

    `anew`: from a first fit; `again`: from one that was seen before.
    """
    robust = state.robust
    assert robust is not None
    dtype = state.U.dtype
    if anew:
        robust.widths = [np.full(side.begin.size, np.inf) for side in (state.by_rows, state.by_columns)]
    found = []
    factors = (state.U, state.V), (state.V, state.U)
    for turned, (entries, (U, V)) in enumerate(zip(state.sides(dtype, raw=True), factors, strict=True)):
        if state.bias is not None:
            entries = less_bias(entries, state.bias, bool(turned))
        r, medians = np.zeros(entries[3].size, dtype), np.empty(U.shape[0], dtype)
        KERNELS.matrix_completion_deviations(entries, V, U, state.k, r, medians)
        if not turned:
            _measure(state, robust, _sample(r, entries[4]), anew or again)
        least = np.minimum(
            robust.ratio * medians, LOOSE * LOOSER ** min(state.iterations, LOOSEST) * robust.median
        )
        robust.widths[turned] = least = np.minimum(robust.widths[turned], least)
        robust.worst = max(robust.worst if turned else 0.0, float(medians.max(initial=0)) / robust.size)
        width = np.repeat(
            np.maximum(robust.width, least).astype(dtype), np.diff(np.append(entries[0], r.size))
        )
        np.maximum(r, width, out=r)
        np.divide(width, r, out=r)
        found.append(r if entries[4] is None else r * entries[4])
    robust.weights = found[0], found[1]


def _measure(state: State, robust: Robust, r: np.ndarray, same: bool) -> None:
    """The training residual, and with it delta."""
    before, robust.training = robust.training, kept_norm(r) / robust.size
    state.training = robust.training
    if not same:
        robust.narrow(robust.training / before if before > 0 else 1.0)
    robust.median = median = float(np.median(r)) if r.size else 0.0
    if robust.delta is not None:
        width = robust.delta
    else:
        width = median * (LEAST if robust.loss == "l1" else EFFICIENT * DEVIATION)
    robust.width = max(width, float(np.finfo(state.U.dtype).eps))


def _sample(x: np.ndarray, weights: np.ndarray | None) -> np.ndarray:
    """At most `SAMPLE` values, evenly spread, of those that have a weight."""
    step = max(1, -(-x.size // SAMPLE))
    return x[::step] if weights is None else x[::step][weights[::step] > 0]


def kept_norm(x: np.ndarray, weights: np.ndarray | None = None) -> float:
    """Root mean square of the three quarters of smallest magnitude, among those that have a weight."""
    if weights is not None:
        x = x[weights > 0]
    if x.size == 0:
        return 0.0
    count = max(1, int(KEPT * x.size))
    least = np.partition(np.abs(x.astype(np.float64)), count - 1)[:count]
    largest = float(least.max())
    return largest * float(np.sqrt(np.mean(np.square(least / largest)))) if largest > 0 else 0.0


def robust_residual(held: Triplets, U: np.ndarray, V: np.ndarray, k: int) -> float:
    """Root mean square of the residual over that of the values, each of the smaller three quarters."""
    r = np.empty(len(held), U.dtype)
    KERNELS.matrix_completion_residual(held.rows, held.cols, held.values.astype(U.dtype), None, U, V, k, r)
    return kept_norm(r, held.weights)


# ---- the argument, and values that outliers do not scale --------------------------------------------------------


def loss_from(given: Any) -> tuple[str, float | None]:
    """The name of the loss and its delta, None where it follows from the residuals."""
    if isinstance(given, tuple) and len(given) == 2 and given[0] == "huber":
        delta = given[1]
        if isinstance(delta, (bool, np.bool_)) or not isinstance(delta, numbers.Real):
            raise TypeError(f"loss[1], Huber's delta, must be a real number, not {delta!r}")
        if not 0 < float(delta) < np.inf:
            raise ValueError(f"loss[1], Huber's delta, must be positive and finite, not {delta}")
        return "huber", float(delta)
    if not isinstance(given, str) or given not in ("l2", "huber", "l1"):
        raise ValueError(f"loss must be 'l2', 'huber', ('huber', delta) or 'l1', not {given!r}")
    return given, None


def robust_scale(values: np.ndarray, weights: np.ndarray | None) -> float:
    """Root mean square of the smaller three quarters of the values; of those that are not 0 where those are 0."""
    values = values if weights is None else values[weights > 0]
    return kept_norm(values) or kept_norm(values[values != 0]) or 1.0


def cut_far(sides: tuple[Side, Side], medians: tuple[np.ndarray, np.ndarray], level: float) -> None:
    """Cuts values at `FAR` times what is typical of their row and column: u.v of factors with no outstanding rows.

    A loss that grows without bound would rather have a factor's column point at a few huge outliers and fit them.
    """
    for side, mine, others in zip(sides, medians, medians[::-1], strict=True):
        limit = np.repeat(np.maximum(mine, level), np.diff(np.append(side.begin, side.values.size)))
        limit *= np.maximum(others / level, 1.0)[side.indices]
        limit *= FAR
        np.clip(side.values, -limit, limit, out=side.values)


def cut(values: np.ndarray, scale: float) -> np.ndarray:
    """Values over their scale; those that no fit comes near are brought to where all arithmetic is safe."""
    with np.errstate(over="ignore"):
        return np.clip(values / scale, -FARTHEST, FARTHEST)
