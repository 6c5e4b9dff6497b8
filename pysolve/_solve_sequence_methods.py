"""What a sequence chooses among: a method of pysolve at a relaxation parameter, or solvers by name."""

from __future__ import annotations

import inspect
import math
import time
from collections.abc import Callable
from typing import Any

import numpy as np

from pysolve._backend import on_device
from pysolve._iterate import check_control
from pysolve._result import SolveResult, Status
from pysolve._solve_sequence_system import Attempt, CheckedSystem, System, attempt_of
from pysolve._sor import sor, ssor_cg
from pysolve._sor_matrix import SorWorkspace

# What a solver may raise for a system that it cannot solve (SuperLU says "exactly singular" with a RuntimeError, and
# ConvergenceError is one). Any other exception is a wrong call, and passes.
NUMERICAL = (ArithmeticError, np.linalg.LinAlgError, RuntimeError, MemoryError)
NOT_NUMERICAL = (NotImplementedError, RecursionError)
INTEGERS = (int, type(None))
FAULTS = (Status.INDEFINITE, Status.SINGULAR, Status.STAGNATED)
NO_LIMIT = 2.0**31  # iterations that nobody waits for
ARGUMENTS = frozenset(("x0", "rtol", "atol", "maxiter", "callback"))


class Relaxation:
    """`sor` or `ssor_cg`: the arms are values of omega. The backstop counts iterations, whatever the cost is."""

    counts_iterations = True
    shares_maxiter = True  # `maxiter` is of all attempts of a call together

    def __init__(self, name: str) -> None:
        self.name = name
        self._set_up()

    def _set_up(self) -> None:
        self._solve: Callable[..., SolveResult] = {"sor": sor, "ssor_cg": ssor_cg}[self.name]
        self._workspace = SorWorkspace()

    def __getstate__(self) -> dict[str, Any]:
        return {"name": self.name}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.name = state["name"]
        self._set_up()

    def check_arm(self, arm: Any, name: str) -> Any:
        """`arm` as a relaxation parameter."""
        if isinstance(arm, bool) or not isinstance(arm, int | float | np.integer | np.floating):
            raise TypeError(f"{name} must be a number in (0, 2), the relaxation parameter, not {arm!r}")
        if not 0 < arm < 2:
            raise ValueError(f"{name} must lie in (0, 2), but is {arm!r}")
        return float(arm)

    def prepare(self, A: Any, b: Any, x0: Any, rtol: Any, atol: Any, maxiter: Any) -> System:
        """The system, which the solve will check; here only what may be no number is looked at."""
        if not (type(rtol) is float is type(atol) and type(maxiter) in INTEGERS):
            rtol, atol, maxiter = check_control(rtol, atol, maxiter, None)
        if isinstance(x0, str):
            raise TypeError(f"x0 must be an array or None, not {x0!r}")
        return System(A, b, x0, rtol, atol, maxiter)

    def can_stop(self, arm: Any) -> bool:
        """Whether an attempt by this arm ends at its limit."""
        return True

    def is_hopeless(self, attempt: Attempt) -> bool:
        """Whether no other arm can do what this one could not: what is wrong is wrong with the system."""
        return attempt.status in FAULTS

    def attempt(self, arm: Any, system: System, limit: float) -> Attempt:
        """Solve with this omega, for at most `maxiter` iterations of the call and at most `limit`."""
        maxiter = system.maxiter
        cap = _whole(limit)
        is_limited = cap is not None and (maxiter is None or cap < maxiter)
        start = time.perf_counter()
        result = self._solve(
            *(system.A, system.b, system.x0),
            rtol=system.rtol,
            atol=system.atol,
            maxiter=cap if is_limited else maxiter,
            omega=arm,
            workspace=self._workspace,
        )
        seconds = time.perf_counter() - start
        if result.status is Status.MAXITER:
            return attempt_of(result, "cut" if is_limited else "short", seconds, arm)
        return attempt_of(result, "converged" if result.info == 0 else "failed", seconds, arm)


class Solvers:
    """Solvers by name, each ``solver(A, b, ...)``; of the other arguments each gets those that it takes."""

    shares_maxiter = False

    def __init__(self, solvers: dict[Any, Callable[..., Any]], counts_iterations: bool) -> None:
        if not solvers:
            raise ValueError("method must name at least one solver, but the dict is empty")
        for name, solver in solvers.items():
            if not callable(solver):
                raise TypeError(f"method[{name!r}] must be a solver to call, not {solver!r}")
        self.solvers, self.counts_iterations = dict(solvers), counts_iterations
        self._arguments = {name: _arguments(solver) for name, solver in solvers.items()}

    def check_arm(self, arm: Any, name: str) -> Any:
        """`arm` as the name of a solver."""
        if arm not in self.solvers:
            raise ValueError(f"{name} must be one of {list(self.solvers)}, but is {arm!r}")
        return arm

    def prepare(self, A: Any, b: Any, x0: Any, rtol: Any, atol: Any, maxiter: Any) -> System:
        """The system, checked."""
        return CheckedSystem(A, b, x0, *check_control(rtol, atol, maxiter, None))

    def can_stop(self, arm: Any) -> bool:
        """Whether an attempt by this solver ends at its limit, or soon after."""
        return ("maxiter" if self.counts_iterations else "callback") in self._arguments[arm][0]

    def is_hopeless(self, attempt: Attempt) -> bool:
        """No: what one solver cannot solve another may."""
        return False

    def attempt(self, arm: Any, system: Any, limit: float) -> Attempt:
        """Solve with this solver, as long as its cost is below `limit` where it can be stopped."""
        watch = Watch(limit, system.b.shape) if limit < math.inf and not self.counts_iterations else None
        cap = _whole(limit) if self.counts_iterations else None
        if cap is not None and system.maxiter is not None and system.maxiter <= cap:
            cap = None
        attempt = self._run(arm, system, watch, system.maxiter if cap is None else cap)
        is_over = cap is not None and attempt.iterations >= cap and attempt.x is not None
        if (is_over or (watch is not None and watch.is_over)) and attempt.end != "converged":
            attempt.end = "cut"
        attempt.arm = arm
        system.check_unchanged(arm)
        return attempt

    def _run(self, arm: Any, system: Any, watch: Watch | None, maxiter: int | None) -> Attempt:
        """The solver on copies of b and x0, which it may use as it likes."""
        start = None if system.x0 is None else system.x0.copy()
        control = system.rtol, system.atol, maxiter, watch
        given = dict(zip(("x0", "rtol", "atol", "maxiter", "callback"), (start, *control), strict=True))
        takes, needs = self._arguments[arm]
        arguments = {
            name: value
            for name, value in given.items()
            if name in takes and (value is not None or name in needs)
        }
        b, began = system.b.copy(), time.perf_counter()
        try:
            answer = self.solvers[arm](system.A, b, **arguments)
        except StopIteration:  # SciPy's solvers let it pass
            if watch is None or not watch.is_over:
                raise
            answer = watch.x, 1
        except NUMERICAL as error:
            if isinstance(error, NOT_NUMERICAL):
                raise
            return _failure(arm, repr(error), system, time.perf_counter() - began)
        return self._judged(arm, answer, system, time.perf_counter() - began)

    def _judged(self, arm: Any, answer: Any, system: CheckedSystem, seconds: float) -> Attempt:
        """What a solver returned, with the residual recomputed: its own word counts for nothing."""
        told = answer if isinstance(answer, SolveResult) else None
        if told is None and self.counts_iterations:
            raise TypeError(
                f"cost='iterations' needs solvers that return a SolveResult, but {arm!r} returned "
                f"a {type(answer).__name__}; use cost='seconds'"
            )
        x = system.solution(_first_of(answer, arm) if told is None else told.x)
        last = np.inf if x is None else system.norm(x)
        if not np.isfinite(last):
            return _failure(arm, "it returned no finite x of the shape of b", system, seconds)
        norms = _norms(told, system.first, last)
        if last <= system.tolerance:
            return Attempt("converged", x, Status.CONVERGED, 0, norms, str(Status.CONVERGED), seconds)
        message = (
            f"{arm!r} ended before the tolerance (residual {last:.3g}, tolerance {system.tolerance:.3g})"
        )
        if told is not None and told.status not in (Status.CONVERGED, Status.MAXITER, Status.STOPPED):
            return Attempt("failed", x, told.status, told.info or -4, norms, message, seconds)
        end, info = "short" if last < norms[0] else "failed", max(len(norms) - 1, 1)
        return Attempt(end, x, Status.MAXITER, info, norms, message, seconds)


class Watch:
    """A callback that ends a solve which has taken its seconds, and keeps where it stood."""

    def __init__(self, limit: float, shape: tuple[int, ...]) -> None:
        self.end, self.shape, self.is_over = time.perf_counter() + limit, shape, False
        self.x: Any = None

    def __call__(self, xk: Any = None, *_: Any, **__: Any) -> None:
        if time.perf_counter() >= self.end:
            self.is_over = True
            if np.shape(xk) == self.shape:  # some give the norm of the residual instead
                self.x = xk.copy() if on_device(xk) else np.array(xk)
            raise StopIteration


def _whole(limit: float) -> int | None:
    """A limit on iterations, None where it is none."""
    return None if limit >= NO_LIMIT else math.ceil(limit)


def _first_of(answer: Any, arm: Any) -> Any:
    """x of a pair ``(x, info)``, as SciPy's solvers return it, or of a plain array, as direct ones do."""
    if isinstance(answer, np.ndarray) or on_device(answer):
        return answer
    try:
        x, _ = answer
    except (TypeError, ValueError):
        raise TypeError(f"{arm!r} must return x, (x, info) or a SolveResult, not {answer!r}") from None
    return x


def _norms(told: SolveResult | None, first: Any, last: float) -> np.ndarray:
    """The residual's norms as the solver told them, with the first and last as they are."""
    norms = np.empty(0) if told is None else np.array(told.residual_norms, dtype=float).reshape(-1)
    if norms.size < 2:  # one call counts as one iteration
        return np.array([first, last])
    norms[0], norms[-1] = first, last
    return norms


def _failure(arm: Any, why: str, system: System, seconds: float) -> Attempt:
    norms, message = np.array([system.first, system.first]), f"{arm!r} failed: {why}"
    return Attempt("failed", None, Status.BREAKDOWN, -4, norms, message, seconds)


def _arguments(solver: Callable[..., Any]) -> tuple[frozenset[str], frozenset[str]]:
    """The arguments beside A and b that a solver takes by name, and those of them that it cannot do without."""
    try:
        parameters = inspect.signature(solver).parameters.values()
    except (TypeError, ValueError):  # a compiled function without a signature
        return ARGUMENTS, frozenset()
    by_name = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)
    takes = {p.name: p.default is p.empty for p in parameters if p.kind in by_name}
    needs = frozenset(name for name, needed in takes.items() if needed)
    takes_all = any(p.kind is p.VAR_KEYWORD for p in parameters)
    return ARGUMENTS if takes_all else ARGUMENTS & takes.keys(), ARGUMENTS & needs
