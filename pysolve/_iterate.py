"""Drives the columns of a system to their ends, and makes the result."""

from __future__ import annotations

import math
import numbers
import operator
import time
from collections.abc import Callable
from typing import Any

import numpy as np

from pysolve import _arrays
from pysolve._backend import beside, device_of, on_device
from pysolve._csr import CsrMatrix
from pysolve._result import SolveResult, Status
from pysolve._stopping import CHECK_EVERY, Stopping
from pysolve._system import System

SPARE = 100  # iterations that a method may take beyond 10 n where that is more than conjugate gradients need
LARGE = 1 << 24  # unknowns from which an interrupt (Ctrl-C) should not have to wait for CHECK_EVERY steps


def check_control(rtol: Any, atol: Any, maxiter: Any, callback: Any) -> tuple[float, float, int | None]:
    """The arguments that control the iteration, checked."""
    rtol, atol = _tolerance(rtol, "rtol"), _tolerance(atol, "atol")
    if maxiter is not None:
        try:
            maxiter = operator.index(maxiter)
        except TypeError:
            raise TypeError(f"maxiter must be an integer or None, not {maxiter!r}") from None
        if maxiter < 0:
            raise ValueError(f"maxiter must be at least 0, but is {maxiter}")
    if callback is not None and not callable(callback):
        raise TypeError(f"callback must be callable, not {callback!r}")
    return rtol, atol, maxiter


def _tolerance(value: Any, name: str) -> float:
    if type(value) is not float and not isinstance(value, (numbers.Real, np.bool_)):
        raise TypeError(f"{name} must be a real number, not {value!r}")
    if not 0 <= float(value) < math.inf:
        raise ValueError(f"{name} must be finite and at least 0, but is {value!r}")
    return float(value)


def solve_columns(
    make: Callable[[], System],
    make_steps: Callable[[System, int], Any],
    rtol: float,
    atol: float,
    maxiter: int | None,
    callback: Callable[[Any], Any] | None,
    spare: int = 0,
) -> SolveResult:
    """Solve the system that `make` returns with the steps that `make_steps` returns for a column.

    Without `maxiter` the limit is 10 n iterations, and `spare` ones.
    """
    start = time.perf_counter()
    system = make()
    with device_of(system.x):
        return _solved(system, make_steps, rtol, atol, maxiter, callback, spare, start)


def _solved(
    system: System,
    make_steps: Callable[[System, int], Any],
    rtol: float,
    atol: float,
    maxiter: int | None,
    callback: Callable[[Any], Any] | None,
    spare: int,
    start: float,
) -> SolveResult:
    calls_back = callback is not None or (system.M is not None and system.inverse_diagonal is None)
    if calls_back and isinstance(system.A, CsrMatrix):
        system.A.own_structure()
    maxiter = 10 * system.n + spare if maxiter is None else maxiter
    columns = [
        _column(system, j, make_steps, rtol, atol * system.scale, maxiter) for j in range(len(system.b))
    ]
    ready = time.perf_counter()
    _run(columns, system, callback)
    end = time.perf_counter()
    packing = getattr(system.packed, "setup_time", 0.0)
    return _result(system, columns, ready - start + packing, end - ready - packing)


def _column(
    system: System, j: int, make_steps: Callable[[System, int], Any], rtol: float, atol: float, maxiter: int
) -> Stopping:
    norm_b = _arrays.norm(system.b[j])
    if norm_b == 0:
        system.x[:, j] = 0
        return Stopping(None, 0.0, rtol, atol, maxiter)
    steps = make_steps(system, j)
    return Stopping(steps, norm_b, rtol, atol, maxiter)


def _run(columns: list[Stopping], system: System, callback: Callable[[Any], Any] | None) -> None:
    """All columns advance side by side: one step at a time where a callback wants to see it."""
    n_steps = 1 if callback is not None else CHECK_EVERY if system.n < LARGE else 10
    while active := [column for column in columns if column.status is None]:
        n_before = sum(column.iterations for column in active)
        for column in active:
            column.advance(n_steps)
        if callback is None or sum(column.iterations for column in active) == n_before:
            continue
        try:
            callback(_view(system))
        except StopIteration:
            for column in active:
                column.stop()


def _view(system: System) -> Any:
    """The iterate as the caller knows it, read-only (CuPy's arrays know no such thing)."""
    with np.errstate(over="ignore"):
        x = system.x if system.scale == 1.0 else system.x / system.dtype.type(system.scale)
    view = x.reshape(system.shape, order="F").view()
    if not on_device(view):
        view.flags.writeable = False
    return view


def _result(system: System, columns: list[Stopping], setup_time: float, solve_time: float) -> SolveResult:
    for j, column in enumerate(columns):
        _finish(system, j, column)
    if system.scale != 1.0:
        _unscale(system, columns)
    worst = next((c for c in columns if c.status is not Status.CONVERGED), None)
    status = Status.CONVERGED if worst is None else worst.status
    assert status is not None
    iterations = max((c.iterations for c in columns), default=0)
    info = 0 if worst is None else max(worst.iterations, 1) if status is Status.MAXITER else _CODES[status]
    return SolveResult(
        x=system.x.reshape(system.shape, order="F"),
        info=info,
        status=status,
        iterations=iterations,
        residual_norms=_norms(system, columns, iterations),
        message=_message(system, columns, worst),
        n_fallbacks=sum(c.steps.n_fallbacks for c in columns if c.steps is not None),
        setup_time=setup_time,
        solve_time=max(solve_time, 0.0),
    )


_CODES = {
    Status.STAGNATED: -1,
    Status.INDEFINITE: -2,
    Status.SINGULAR: -3,
    Status.BREAKDOWN: -4,
    Status.STOPPED: -5,
    Status.DIVERGED: -6,
}


def _finish(system: System, j: int, column: Stopping) -> None:
    """Settle what the steps could not know: b outside the range of A, and an x that has left the numbers."""
    steps = column.steps
    if steps is None:
        return
    if steps.unreachable > 0:
        column.norms = [float(np.hypot(norm, steps.unreachable)) for norm in column.norms]
        if column.status is Status.CONVERGED and column.norms[-1] > column.tolerance:
            column.status = Status.SINGULAR
    if column.status is Status.BREAKDOWN and not np.isfinite(system.x[:, j]).all():
        system.x[:, j] = system.start()[:, j]
        column.norms[-1] = steps.true_norm()


def _unscale(system: System, columns: list[Stopping]) -> None:
    """x as the caller knows it. Where that leaves or rounds in the range of the numbers, what is true of it."""
    scale = system.dtype.type(system.scale)
    for j, column in enumerate(columns):
        x = system.x[:, j]
        with np.errstate(over="ignore", under="ignore", invalid="ignore"):
            unscaled = x / scale
        steps = column.steps
        if steps is None or _same_bits(again := unscaled * scale, x):
            x[:] = unscaled
            continue
        fits = np.isfinite(unscaled).all()
        x[:] = again if fits else system.start()[:, j]
        column.norms[-1] = float(np.hypot(steps.true_norm(), steps.unreachable))
        if column.norms[-1] <= column.tolerance:
            column.status = Status.CONVERGED
        elif not fits:
            column.status = Status.BREAKDOWN
        elif column.status is Status.CONVERGED:
            column.status = Status.STAGNATED
        x[:] = x / scale


def _same_bits(x: Any, y: Any) -> bool:
    """Whether two vectors are the same; on the device of finite values only."""
    return bool((x == y).all()) if on_device(x) else x.tobytes() == y.tobytes()


def _norms(system: System, columns: list[Stopping], iterations: int) -> np.ndarray:
    padded = [c.norms + [c.norms[-1]] * (iterations - c.iterations) for c in columns]
    with np.errstate(over="ignore"):  # a norm beyond the largest number is infinite
        norms = np.array(padded, dtype=np.float64).reshape(len(columns), iterations + 1).T / system.scale
    return norms if len(system.shape) == 2 and system.shape[1] != 1 else norms[:, 0].copy()


def summary(status: Status, norm: float, tolerance: float, iterations: int) -> str:
    """The status as a sentence with its figures."""
    return f"{status} (residual {norm:.3g}, tolerance {tolerance:.3g}, {iterations} iterations)"


def _message(system: System, columns: list[Stopping], worst: Stopping | None) -> str:
    """The status as a sentence with figures, and what else the user should know."""
    shown = worst if worst is not None else max(columns, key=lambda c: c.norms[-1], default=None)
    if shown is None or shown.steps is None:
        return str(Status.CONVERGED)
    assert shown.status is not None
    norm, tolerance = shown.norms[-1] / system.scale, shown.tolerance / system.scale
    parts = [summary(shown.status, norm, tolerance, shown.iterations)]
    if n_rejected := sum(c.steps.n_fallbacks for c in columns if c.steps is not None):
        parts.append(f"{n_rejected} directions of M were rejected")
    if shown.steps.notes:
        parts.append(shown.steps.notes)
    if worst is not None and worst.status is not Status.STOPPED:
        parts.extend(_explanations(system, worst))
    return "; ".join(parts)


def _explanations(system: System, column: Stopping) -> list[str]:
    """Reasons for a failure that are worth looking for only once it has happened."""
    found = []
    steps = column.steps
    if steps.unreachable > 0 and column.norms[-1] > 0:
        found.append(
            f"b has a part of norm {steps.unreachable / system.scale:.3g} in the null space of A; x is a least-squares "
            "solution"
        )
    probes = {"A": _product_of(system.A), "M": system.M if system.inverse_diagonal is None else None}
    with np.errstate(all="ignore"):
        found += [
            f"{name} {fault}"
            for name, product in probes.items()
            if product is not None and (fault := _fault_of(product, system))
        ]
    return found


def _product_of(A: Any) -> Callable[[Any], Any] | None:
    """The product with an operator that was not checked for symmetry when it came in."""
    if A._kind is not None:
        return None

    def product(x: Any) -> Any:
        y = np.empty_like(x)
        A._matvec(x, y)
        return y

    return product


def _fault_of(product: Callable[[Any], Any], system: System) -> str:
    """What two random vectors show: values that are not finite, or u^H A v off conj(v^H A u) by 1e-3 of its size."""
    rng = np.random.default_rng(0)
    u, v = (beside(rng.standard_normal(system.n).astype(system.dtype), system.x) for _ in range(2))
    try:
        Au, Av = product(u.copy()), product(v.copy())
    except Exception:  # an operator that cannot take these is not the question here
        return ""
    if not np.isfinite(Au).all() or not np.isfinite(Av).all():
        return "returns values that are not finite"
    largest = max(_arrays.largest_magnitude(Au), _arrays.largest_magnitude(Av))
    if largest == 0:
        return ""
    Au, Av = Au / largest, Av / largest  # whose squares are numbers
    size = _arrays.norm(u) * _arrays.norm(Av) + _arrays.norm(v) * _arrays.norm(Au)
    asymmetry = float(abs(np.vdot(u, Av) - np.conj(np.vdot(v, Au))))
    if not np.isfinite(size) or asymmetry <= 1e-3 * size / system.n**0.5:
        return ""
    return f"is not {'Hermitian' if system.dtype.kind == 'c' else 'symmetric'}"
