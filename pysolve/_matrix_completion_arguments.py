"""The arguments of `matrix_completion`: every check and its message."""

from __future__ import annotations

import dataclasses
import time
from typing import Any

import numpy as np

from pysolve._arrays import largest_magnitude
from pysolve._matrix_completion_bias import mean_of
from pysolve._matrix_completion_device import device_method, together
from pysolve._matrix_completion_entries import Triplets, rounded, weights_of
from pysolve._matrix_completion_given import checked_x0
from pysolve._matrix_completion_group import ALONE
from pysolve._matrix_completion_losses import cut, loss_from, robust_scale
from pysolve._matrix_completion_numbers import choice, flag, generator_of, integer, real
from pysolve._matrix_completion_split import checked_split
from pysolve._matrix_completion_stream import IN_MEMORY, Streamed, dtype_of, entries_of
from pysolve._matrix_completion_validation import check_size, checked_validation, taken_from

LARGEST_RANK = 4096
AUTO = "auto"
MAXITER = 4000


@dataclasses.dataclass
class Request:
    """What was asked for, checked. Values are divided by `scale`, their root mean square."""

    entries: Any  # to fit: Triplets or Streamed
    validation: Triplets | None
    shape: tuple[int, int]
    scale: float
    k: int
    reg: float
    given_reg: float
    loss: str
    delta: float | None  # in units of the scale
    nonneg: bool
    bias_reg: float | None  # None: no biases
    mean: float  # taken from the values before they were scaled
    init: str
    method: str
    rtol: float
    maxiter: int
    dtype: np.dtype
    x0: tuple[np.ndarray, np.ndarray] | None
    rng: np.random.Generator
    started: float
    sketch: str
    split: bool
    warm: tuple[np.ndarray, np.ndarray] | None = (
        None  # padded factors that the search for the rank ended with
    )

    def close(self) -> None:
        """Nothing on disk is needed any more."""
        if isinstance(self.entries, Streamed):
            self.entries.close()


def request_from(
    observed: Any,
    rank: Any,
    reg: Any,
    weights: Any,
    init: Any,
    method: Any,
    rtol: Any,
    maxiter: Any,
    validation: Any,
    dtype: Any,
    x0: Any,
    rng: Any,
    group: Any = ALONE,
    memory: Any = IN_MEMORY,
    model: tuple[Any, Any, Any] = ("l2", False, False),
    sketch: Any = "auto",
    split: Any = False,
) -> Request:
    started = time.perf_counter()
    generator = generator_of(rng)
    entries, shape = entries_of(observed, integer(memory, "memory", 1 << 20, IN_MEMORY))
    k = _first_rank(rank, shape, x0, group)
    reg, (loss, delta) = real(reg, "reg", 0.0, np.inf), loss_from(model[0])
    bias, nonneg = flag(model[1], "bias"), flag(model[2], "nonneg")
    method = choice(method, "method", ("auto", "als", "gauss-newton"))
    if together(entries, weights, x0):
        method = device_method(rank, loss, bias, method, split, group is ALONE)
    _check_together(
        loss, bias, nonneg, method, isinstance(entries, Streamed) or group is not ALONE, is_auto(rank)
    )
    largest_weight, validation = _surveyed(entries, weights, validation, shape, generator, group)
    _check_enough(group.sum(len(entries)), k, shape, reg, bias)
    mean = mean_of(entries.values, entries.weights, loss != "l2") if bias else 0.0
    scale = scaled(entries, validation, mean, loss, group)
    check_size(validation)
    return Request(
        entries=entries,
        validation=validation,
        shape=shape,
        scale=scale,
        k=k,
        reg=reg / largest_weight / (1.0 if loss == "l1" else scale),
        given_reg=reg,
        loss=loss,
        delta=None if delta is None else delta / scale,
        init=choice(init, "init", ("auto", "spectral", "degree", "random")),
        method=method,
        rtol=real(rtol, "rtol", 0.0, 1.0),
        maxiter=MAXITER if maxiter is None else integer(maxiter, "maxiter", 1, 2**31),
        dtype=_dtype(dtype, observed, scale),
        x0=None if x0 is None else checked_x0(x0, shape, k, scale, nonneg),
        nonneg=nonneg,
        bias_reg=reg / largest_weight * (scale if loss == "l1" else 1.0) if bias else None,
        mean=mean,
        rng=generator,
        started=started,
        sketch=choice(sketch, "sketch", ("auto", "srht", "rows", "count", "never")),
        split=checked_split(split, entries, method),
    )


def _first_rank(rank: Any, shape: tuple[int, int], x0: Any, group: Any) -> int:
    """The rank; 1 where it is yet to be found."""
    if not is_auto(rank):
        return _rank(rank, min(*shape, LARGEST_RANK))
    if x0 is not None or group is not ALONE:
        where = "where x0 is given" if group is ALONE else "on several ranks of processes"
        raise ValueError(f"rank must be a number {where}, not 'auto'")
    return 1


def _surveyed(
    entries: Any, weights: Any, validation: Any, shape: tuple[int, int], rng: np.random.Generator, group: Any
) -> tuple[float, Triplets | None]:
    """The largest weight, by which all are divided, and the entries for validation."""
    validation = checked_validation(validation, len(entries), shape)
    if isinstance(
        validation, int
    ):  # a mask of outliers drawn with the same seed is not to decide who is taken
        rng = np.random.default_rng(rng.integers(1 << 63))
    if isinstance(entries, Streamed):
        found = entries.survey(weights, validation, rng)
        return entries.largest_weight, found
    largest, entries.weights = weights_of(weights, len(entries), group)
    taken = taken_from(validation, entries, shape, rng)
    for part in entries, taken:
        if part is not None and part.weights is not None and not part.weights.all():
            part.leave(part.weights > 0)  # what has no weight is no proof either
    if taken is not None and len(taken) == 0:
        raise ValueError("validation must have at least one entry whose weight is not 0")
    return largest, taken


def scaled(entries: Any, validation: Triplets | None, mean: float, loss: str, group: Any) -> float:
    """Takes the mean from all values and divides them by the scale of the entries to fit, which is returned."""
    if isinstance(entries, Streamed):  # which divide as they are read
        if validation is not None:
            validation.values = validation.values / entries.scale
            check_size(validation)
        return entries.scale
    parts = [part for part in (entries, validation) if part is not None]
    unit = float(np.abs(entries.values).max(initial=0.0)) if mean else 1.0
    for part in parts:
        if mean:
            part.values = part.values / unit - mean / unit
    robust = loss != "l2"
    scale = robust_scale(entries.values, entries.weights) if robust else _scale(entries, group)
    for part in parts:
        part.values = cut(part.values, scale) if robust else part.values / scale
    check_size(validation)
    return unit * scale


def _scale(entries: Triplets, group: Any) -> float:
    """Root mean square of the values; 1 where they are all 0. No square overflows or is lost."""
    values = entries.values
    largest = group.largest(largest_magnitude(values))
    if largest == 0:
        return 1.0
    squares = group.sum(float(np.sum((values / largest) ** 2)))
    return rounded(largest * float(np.sqrt(squares / group.sum(values.size))))


def _check_together(loss: str, bias: bool, nonneg: bool, method: str, apart: bool, auto: bool) -> None:
    if apart and (loss != "l2" or bias or nonneg):
        raise ValueError(
            f"loss={loss!r}, bias={bias} and nonneg={nonneg}: entries on disk or on several ranks can be fitted with "
            "loss='l2', bias=False and nonneg=False alone"
        )
    if auto and (loss != "l2" or bias or nonneg):
        raise ValueError(
            f"rank='auto' is found for loss='l2' without bias and nonneg alone, not for loss={loss!r}, bias={bias} and "
            f"nonneg={nonneg}: give a number"
        )
    if bias and nonneg:
        raise ValueError(
            "bias=True and nonneg=True cannot be had together: biases may be negative, and a non-negative model has "
            "them as two more columns (rank + 2)"
        )
    if method == "gauss-newton" and (loss != "l2" or bias or nonneg):
        raise ValueError(
            "method='gauss-newton' is for loss='l2' without bias or nonneg: use method='als' or 'auto' with these"
        )


def _check_enough(count: int, k: int, shape: tuple[int, int], reg: float, bias: bool = False) -> None:
    unknowns = k * (shape[0] + shape[1] - k)
    if bias:  # the mean, the other biases, and factors whose columns sum to 0
        unknowns += shape[0] + shape[1] - 1 - 2 * k
    if count == 0:
        raise ValueError("observed must have at least one entry to fit")
    if count < unknowns and reg == 0:
        raise ValueError(
            f"observed has {count} entries to fit, fewer than the {unknowns} unknowns of rank {k}"
            f"{' and the biases' if bias else ''}: lower the rank, or give reg > 0"
        )


def is_auto(rank: Any) -> bool:
    """Whether the rank is to be found."""
    return isinstance(rank, str) and rank == AUTO


def _rank(rank: Any, most: int) -> int:
    if isinstance(rank, str):
        raise ValueError(f"rank must be an integer or {AUTO!r}, not {rank!r}")
    return integer(rank, "rank", 1, most)


def _dtype(dtype: Any, observed: Any, scale: float) -> np.dtype:
    """The type of the factors, in which values of that scale are neither infinite nor 0."""
    if dtype is None:
        found: np.dtype = np.dtype("f4") if dtype_of(observed) == np.float32 else np.dtype("f8")
    else:
        try:
            found = np.dtype(dtype)
        except TypeError:
            found = np.dtype("V")
    if found not in (np.dtype("f4"), np.dtype("f8")):
        raise ValueError(f"dtype must be float32 or float64, not {dtype!r}")
    if found == np.float32 and not 1.2e-38 <= scale <= 3.4e38:  # its normal numbers
        raise ValueError(f"dtype must be float64 for values of about {scale:.3g}, not float32")
    return found
