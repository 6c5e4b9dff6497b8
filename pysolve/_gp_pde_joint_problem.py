"""What the joint objective is made of: the equation on a grid, its boundary values and the kernel's kind."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from pysolve._arrays import as_numbers, check_finite
from pysolve._gallery_arguments import check_count, check_number, check_positive
from pysolve._gp_pde_joint_kernel import KernelParameters
from pysolve._spectral_derivatives import GAUSSIAN, KINDS, MATERN_ORDER

Elementwise = Callable[[np.ndarray], Any]


@dataclasses.dataclass(frozen=True, eq=False)
class JointProblem:
    """An equation on a grid: sum_t coefficient_t d^orders_t u + N(u) = f, u given on faces.

    Attributes
    ----------
    axes : tuple of ndarray
        Rising coordinates, one array for each dimension.
    terms : dict of tuple of int to float or ndarray
        Orders of differentiation along each axis, and the coefficient, which broadcasts to the grid.
    f : ndarray of the shape of the grid
        NaN where it is unknown: there the equation has no part in the objective.
    boundary : tuple of pairs
        For each axis the values on its first and its last face; None for a face without.
    nonlinear : pair of callables, optional
        N and its derivative, elementwise.
    kind : {"stm", "gm", "se", "matern52"}
    Q : int
        Frequencies of each axis.
    freq_scale : float
        The largest of the first guess, 0 to it in even steps.
    lambda_b : float
        The weight of the boundary.
    jitter : float
        Added to the diagonal of each axis' covariance matrix.
    """

    axes: Sequence[Any]
    terms: Mapping[Any, Any]
    f: Any
    boundary: Sequence[Any]
    nonlinear: tuple[Elementwise, Elementwise] | None = None
    kind: str = "stm"
    Q: int = 30
    freq_scale: float = 20.0
    lambda_b: float = 200.0
    jitter: float = 1e-6

    def __post_init__(self) -> None:
        if not isinstance(self.kind, str) or self.kind not in KINDS:
            raise ValueError(f"kind must be one of {', '.join(KINDS)}, but is {self.kind!r}")
        axes = tuple(_axis(x, j) for j, x in enumerate(self.axes))
        if not axes:
            raise ValueError("axes must have at least one array, but is empty")
        shape = tuple(x.size for x in axes)
        checked = {
            "axes": axes,
            "terms": _terms(self.terms, shape, self.kind),
            "f": _source(self.f, shape),
            "boundary": _faces(self.boundary, shape),
            "nonlinear": _pair(self.nonlinear),
            "Q": check_count(self.Q, "Q", 1),
            "freq_scale": _not_negative(self.freq_scale, "freq_scale"),
            "lambda_b": _not_negative(self.lambda_b, "lambda_b"),
            "jitter": check_positive(self.jitter, "jitter"),
        }
        for name, value in checked.items():
            object.__setattr__(self, name, value)

    @property
    def shape(self) -> tuple[int, ...]:
        """Points along each axis."""
        return tuple(x.size for x in self.axes)

    def start(self) -> JointParameters:
        """The reference's first guess: u = 0, equal weights, rho = 1, both precisions 1."""
        Q = self.Q
        kernel = KernelParameters(
            np.full(Q, -math.log(Q)), np.linspace(0.0, 1.0, Q) * self.freq_scale, np.zeros(Q)
        )
        return JointParameters(np.zeros(self.shape), (kernel,) * len(self.axes), 0.0, 0.0)


@dataclasses.dataclass(frozen=True, eq=False)
class JointParameters:
    """What is optimised: u on the grid, a kernel for each axis, log precisions of the boundary and the equation."""

    U: np.ndarray
    kernels: tuple[KernelParameters, ...]
    log_tau: float
    log_v: float

    def pack(self) -> np.ndarray:
        """All numbers in one vector: u, then the kernels, then the two precisions."""
        parts = [part for k in self.kernels for part in (k.log_weights, k.frequencies, k.log_scale)]
        return np.concatenate([self.U.ravel(), *parts, [self.log_tau, self.log_v]])

    def unpack(self, vector: np.ndarray) -> JointParameters:
        """Parameters of these shapes from a vector of `pack`."""
        U, rest = vector[: self.U.size].reshape(self.U.shape), vector[self.U.size : -2]
        kernels, first = [], 0
        for kernel in self.kernels:
            Q = kernel.frequencies.size
            kernels.append(KernelParameters(*rest[first : first + 3 * Q].reshape(3, Q)))
            first += 3 * Q
        return JointParameters(U, tuple(kernels), float(vector[-2]), float(vector[-1]))


def _axis(x: Any, j: int) -> np.ndarray:
    x = as_numbers(x, f"axes[{j}]")
    if x.ndim != 1 or x.size < 2 or x.dtype.kind == "c":
        raise ValueError(
            f"axes[{j}] must be a row of at least 2 real numbers, but has shape {x.shape}, {x.dtype}"
        )
    check_finite(x, f"axes[{j}]")
    x = x.astype(np.float64)
    if not np.all(np.diff(x) > 0):
        place = int(np.argmin(np.diff(x) > 0))
        raise ValueError(f"axes[{j}] must rise, but {x[place + 1]} follows {x[place]} at index {place + 1}")
    return x


def _terms(terms: Any, shape: tuple[int, ...], kind: str) -> dict[tuple[int, ...], np.ndarray]:
    if not isinstance(terms, Mapping):
        raise TypeError(f"terms must be a dict of orders to coefficients, not {type(terms).__name__}")
    found = {}
    for orders, coefficient in terms.items():
        row = orders if isinstance(orders, tuple) else (orders,)
        row = tuple(check_count(order, f"an order of the term {orders!r}", 0) for order in row)
        if len(row) != len(shape):
            raise ValueError(f"a term must have {len(shape)} orders, one for each axis, but is {orders!r}")
        if kind not in GAUSSIAN and max(row) > MATERN_ORDER:
            raise ValueError(
                f"orders must be at most {MATERN_ORDER} for kind={kind!r}, but a term is {orders!r}"
            )
        found[row] = _grid(coefficient, f"coefficient of the term {orders!r}", shape)
    return found


def _grid(values: Any, name: str, shape: tuple[int, ...], finite: bool = True) -> np.ndarray:
    """Real values that broadcast to the shape, as float64."""
    array = as_numbers(values, name)
    if array.dtype.kind == "c":
        raise TypeError(f"{name} must be real, not of dtype {array.dtype}")
    if finite:
        check_finite(array, name)
    try:
        return np.array(np.broadcast_to(array.astype(np.float64), shape))
    except ValueError:
        raise ValueError(f"{name} must broadcast to the shape {shape}, but has shape {array.shape}") from None


def _source(f: Any, shape: tuple[int, ...]) -> np.ndarray:
    f = _grid(f, "f", shape, finite=False)
    if np.isinf(f).any():
        raise ValueError("f must be finite, or NaN where it is unknown, but has an infinite value")
    return f


def _faces(boundary: Any, shape: tuple[int, ...]) -> tuple[tuple[np.ndarray | None, ...], ...]:
    if len(boundary) != len(shape):
        raise ValueError(f"boundary must have {len(shape)} pairs, one for each axis, but has {len(boundary)}")
    found = []
    for j, pair in enumerate(boundary):
        if pair is None:
            pair = (None, None)
        if len(pair) != 2:
            raise ValueError(f"boundary[{j}] must be a pair (low, high), but has {len(pair)} parts")
        face = shape[:j] + shape[j + 1 :]
        sides = (None if side is None else _grid(side, f"boundary[{j}]", face) for side in pair)
        found.append(tuple(sides))
    return tuple(found)


def _pair(nonlinear: Any) -> Any:
    if nonlinear is None:
        return None
    if len(nonlinear) != 2 or not all(map(callable, nonlinear)):
        raise TypeError("nonlinear must be a pair of callables (N, dN), or None")
    return tuple(nonlinear)


def _not_negative(value: Any, name: str) -> float:
    return check_number(value, name, "finite and at least 0", lambda number: 0 <= number < math.inf)
