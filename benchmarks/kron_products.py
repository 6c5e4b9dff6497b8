"""Products with a Kronecker product of dense matrices as calls of no arguments, by the name of a library."""

import importlib.util
import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

LIBRARIES = ("pysolve", "numpy", "pykronecker", "linear_operator")
Call = Callable[[], Any]  # returns the result


def installed() -> list[str]:
    """The libraries that are there."""
    return [name for name in LIBRARIES if importlib.util.find_spec(name) is not None]


def takes(library: str, shapes: Sequence[tuple[int, int]]) -> bool:
    """Whether the library has products with such factors: pykronecker's are square."""
    return library != "pykronecker" or all(m == n for m, n in shapes)


def problem(shapes: Sequence[tuple[int, int]], columns: int = 1) -> tuple[list[np.ndarray], np.ndarray]:
    """Random factors, and x: a vector, or an array of columns."""
    rng = np.random.default_rng(0)
    n = math.prod(shape[1] for shape in shapes)
    factors = [rng.standard_normal(shape) for shape in shapes]
    return factors, rng.standard_normal(n if columns == 1 else (n, columns))


def flops(shapes: Sequence[tuple[int, int]], columns: int = 1) -> float:
    """Of the modes from the last to the first."""
    total, before, after = 0.0, math.prod(n for _, n in shapes), columns
    for m, n in reversed(shapes):
        total += 2.0 * m * before * after
        before, after = before // n, after * m
    return total


def call_of(library: str, factors: list[np.ndarray], x: np.ndarray) -> Call:
    """y = (A_1 x ... x A_d) x by a library."""
    makers = {
        **{"pysolve": _pysolve, "numpy": _numpy},
        **{"pykronecker": _pykronecker, "linear_operator": _linear_operator},
    }
    return makers[library](factors, x)


def _pysolve(factors: list[np.ndarray], x: np.ndarray) -> Call:
    """The kernel into a given result, with work that is made once."""
    from pysolve._backend import empty, kernels

    core = kernels(x)
    y = empty((math.prod(A.shape[0] for A in factors), *x.shape[1:]), x.dtype)
    work = empty(core.kron_work_size(factors, math.prod(x.shape[1:])), x.dtype)
    y.fill(0)
    work.fill(0)

    def call() -> np.ndarray:
        core.kron_matvec(factors, x, y, work)
        return y

    return call


def _numpy(factors: list[np.ndarray], x: np.ndarray) -> Call:
    """A chain of np.matmul from the last mode to the first, into arrays that are made once."""
    before, after = math.prod(A.shape[1] for A in factors), math.prod(x.shape[1:])
    steps: list[tuple[Any, ...]] = []
    given = x
    for A in reversed(factors):
        m, n = A.shape
        before //= n
        result = np.zeros((before, m, after))
        if after == 1:
            steps.append((given.reshape(before, n), A.T, result.reshape(before, m)))
        else:
            steps.append((A, given.reshape(before, n, after), result))
        given, after = result, after * m
    y = given.reshape(-1, *x.shape[1:])

    def call() -> np.ndarray:
        for a, b, c in steps:
            np.matmul(a, b, out=c)
        return y

    return call


def _pykronecker(factors: list[np.ndarray], x: np.ndarray) -> Call:
    from pykronecker import KroneckerProduct

    K = KroneckerProduct(factors)
    return lambda: K @ x


def _linear_operator(factors: list[np.ndarray], x: np.ndarray) -> Call:
    import torch
    from linear_operator import to_linear_operator
    from linear_operator.operators import KroneckerProductLinearOperator

    torch.set_num_threads(1)
    K = KroneckerProductLinearOperator(*(to_linear_operator(torch.from_numpy(A)) for A in factors))
    given = torch.from_numpy(x)
    return lambda: (K @ given).numpy()
