"""One system of a sequence, with its residual recomputed here; and one attempt at it."""

from __future__ import annotations

import copy
import dataclasses
from collections.abc import Callable
from typing import Any

import numpy as np

from pysolve import _arrays
from pysolve._backend import as_array, namespace, on_device, same_device, zeros
from pysolve._csr import is_sparse
from pysolve._result import SolveResult, Status
from pysolve._system import check_square, check_vector


@dataclasses.dataclass
class Attempt:
    """One solve by one arm. `end` is one of

    - "converged": the recomputed residual meets the tolerance;
    - "cut": the limit of the sequence ended it;
    - "short": it ended before the tolerance, closer than it began;
    - "failed": it broke down, or left nothing of use.
    """

    end: str
    x: np.ndarray | None  # finite, of the shape of b
    status: Status
    info: int
    norms: np.ndarray  # of the residual: before the first iteration and after each
    message: str
    seconds: float
    n_fallbacks: int = 0
    setup_time: float = 0.0
    solve_time: float = 0.0
    arm: Any = None
    from_start: bool = True  # from the x0 of the call

    @property
    def iterations(self) -> int:
        return len(self.norms) - 1


@dataclasses.dataclass
class System:
    """The arguments of a call as they came: methods of pysolve check them, and recompute the residual."""

    A: Any
    b: Any
    x0: Any
    rtol: float
    atol: float
    maxiter: int | None
    solved: Attempt | None = None  # where nothing is to be done
    first: float | None = None  # norm of the residual at the start

    def start(self) -> np.ndarray:
        """x at the start, in an array of its own."""
        if self.x0 is not None:
            return namespace(self.x0).array(self.x0)
        return zeros(self.b.shape, np.float64, self.b) if on_device(self.b) else np.zeros(np.shape(self.b))

    def after(self, attempt: Attempt) -> System:
        """The same system for another to go on with, from where the attempt stood; itself where that is no nearer."""
        if attempt.x is None or not attempt.norms[-1] < attempt.norms[0]:
            return self
        rest = copy.copy(self)
        rest.x0, rest.first = attempt.x, float(attempt.norms[-1])
        return rest

    def check_unchanged(self, arm: Any) -> None:
        """ValueError where the arm has written to A, as far as that is seen."""


class CheckedSystem(System):
    """The arguments checked, for solvers that come from outside."""

    def __init__(self, A: Any, b: Any, x0: Any, rtol: float, atol: float, maxiter: int | None) -> None:
        check_square(A)
        n = A.shape[0]
        b = check_vector(b, n, "b", columns=False)
        self.product: Callable[[Any], Any] = A.__matmul__ if hasattr(A, "__matmul__") else A.matvec
        super().__init__(A, b, None if x0 is None else _start(x0, b), rtol, atol, maxiter)
        norm_b = _arrays.norm(b)
        self.tolerance = max(rtol * norm_b, atol)
        if norm_b == 0:
            self.x0 = None
        self.first = self.norm(self.x0)
        self.entries = _sum_of_entries(A)
        if self.first <= self.tolerance:
            end, status = "converged", Status.CONVERGED
            self.solved = Attempt(end, self.start(), status, 0, np.array([self.first]), str(status), 0.0)

    def start(self) -> np.ndarray:
        kinds = [self.b.dtype, *([] if self.x0 is None else [self.x0.dtype])]
        dtype = _arrays.value_type(*kinds, getattr(self.A, "dtype", None) or kinds[0])
        return zeros(self.b.shape, dtype, self.b) if self.x0 is None else self.x0.astype(dtype)

    def norm(self, x: np.ndarray | None) -> float:
        """norm(b - A x), in double precision."""
        if x is None:
            return _arrays.norm(self.b)
        wide = x.astype(np.result_type(x.dtype, np.float64), copy=False)
        with np.errstate(all="ignore"):
            Ax = as_array(self.product(wide.reshape(-1)))
            return _arrays.norm(self.b.reshape(-1) - Ax.reshape(-1))

    def solution(self, x: Any) -> np.ndarray | None:
        """What a solver returned as an array like b; None where it is no finite one."""
        try:
            x = as_array(x)
        except (TypeError, ValueError):
            return None
        if on_device(x) != on_device(self.b):
            return None
        if x.dtype.kind not in "biufc" or x.size != self.b.size or x.ndim not in (1, 2):
            return None
        if not np.isfinite(x).all():
            return None
        return x.reshape(self.b.shape).copy()  # a solver may use its array again

    def check_unchanged(self, arm: Any) -> None:
        if _sum_of_entries(self.A) != self.entries:
            raise ValueError(f"solvers must not write to A, but {arm!r} did: give it A.copy()")


def _sum_of_entries(A: Any) -> bytes | None:
    """What changes with the entries of a sparse matrix, as a rule; a sum costs less than a product."""
    data: Any = getattr(A, "data", None) if is_sparse(A) else None
    if not (isinstance(data, np.ndarray) or on_device(data)) or data.dtype.kind not in "biufc":
        return None
    with np.errstate(all="ignore"):
        return bytes(np.array([data.sum().item(), data.size]).tobytes())


def _start(x0: Any, b: Any) -> Any:
    same_device(b=b, x0=x0)
    x0 = _arrays.as_numbers(x0, "x0", device=True)
    if x0.shape != b.shape and not (x0.ndim <= 2 and x0.shape in ((b.shape[0],), (b.shape[0], 1))):
        raise ValueError(f"x0 must have the shape of b, {b.shape}, but its shape is {x0.shape}")
    _arrays.check_finite(x0, "x0")
    return x0.reshape(b.shape)


def attempt_of(result: SolveResult, end: str, seconds: float, arm: Any) -> Attempt:
    """The attempt of a solver that checked its answer itself."""
    told = end, result.x, result.status, result.info, result.residual_norms, result.message, seconds
    return Attempt(*told, result.n_fallbacks, result.setup_time, result.solve_time, arm)
