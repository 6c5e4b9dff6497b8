"""The peer: Chebyshev collocation on a box with Dirichlet's values, dense in one dimension, a Kronecker sum in more."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import scipy.linalg
import scipy.sparse.linalg

NEWTON_STEPS, CLOSE = 20, 1e-12


def points(low: float, high: float, n: int) -> np.ndarray:
    """Chebyshev's extreme points, increasing."""
    x = -np.cos(np.pi * np.arange(n) / (n - 1))
    return low + (high - low) * (x + 1) / 2


def derivative(x: np.ndarray) -> np.ndarray:
    """The matrix that differentiates the polynomial through the values at Chebyshev's points x."""
    n = len(x)
    c = np.ones(n)
    c[[0, -1]] = 2
    c *= (-1.0) ** np.arange(n)
    angles = np.pi * np.arange(n) / (n - 1)
    # x_i - x_j by a product of sines: the difference of the points themselves would lose digits
    gaps = np.sin((angles[:, None] + angles) / 2) * np.sin((angles[:, None] - angles) / 2) * (x[-1] - x[0])
    D = np.outer(c, 1 / c) / (gaps + np.eye(n))
    D -= np.diag(D.sum(axis=1))
    return D


def interpolation(x: np.ndarray, where: np.ndarray) -> np.ndarray:
    """The matrix from values at Chebyshev's points to those of their polynomial elsewhere: barycentric formula."""
    w = (-1.0) ** np.arange(len(x))
    w[[0, -1]] /= 2
    gaps = where[:, None] - x
    hit = gaps == 0
    B = w / np.where(hit, 1.0, gaps)
    B /= B.sum(axis=1, keepdims=True)
    rows = hit.any(axis=1)
    B[rows] = hit[rows]
    return B


def on_grid(values: np.ndarray, x: Sequence[np.ndarray], grid: Sequence[np.ndarray]) -> np.ndarray:
    """Values at the product of Chebyshev's points, interpolated to another grid."""
    return along([interpolation(part, where) for part, where in zip(x, grid, strict=True)], values)


def along(matrices: Sequence[np.ndarray], values: np.ndarray) -> np.ndarray:
    """One matrix along every axis: (A_1 x A_2 x ...) values."""
    for axis, A in enumerate(matrices):
        values = np.moveaxis(np.tensordot(A, values, axes=(1, axis)), 0, axis)
    return values


# ---- one dimension ---------------------------------------------------------------------------------------------
def line(
    coefficients: dict[int, Any],
    f: np.ndarray,
    x: np.ndarray,
    conditions: Sequence[tuple[int, int, float]],
    nonlinear: tuple[Callable, Callable] | None = None,
) -> np.ndarray:
    """sum_k coefficient_k d^k u + N(u) = f at the inner points.

    `coefficients` are numbers or arrays at x. A condition (end, order, value) takes the row of its end, 0 or -1.
    """
    D = derivative(x)
    powers = {k: np.linalg.matrix_power(D, k) for k in {*coefficients, 0, 1}}
    A = sum(np.reshape(c, (-1, 1)) * powers[k] for k, c in coefficients.items())
    b = np.array(f, dtype=float)
    for end, order, value in conditions:
        A[end], b[end] = powers[order][end], value
    N, dN = nonlinear or (np.zeros_like, np.zeros_like)
    inner = np.ones(len(x))
    inner[[end for end, _, _ in conditions]] = 0
    u = np.linalg.solve(A, b)
    for _ in range(NEWTON_STEPS if nonlinear else 0):
        step = np.linalg.solve(A + np.diag(inner * dN(u)), b - A @ u - inner * N(u))
        u = u + step
        if np.abs(step).max() < CLOSE * np.abs(u).max():
            break
    return u


# ---- more dimensions -------------------------------------------------------------------------------------------
class FastDiagonalisation:
    """The inverse of shift + A_1 x I x ... + I x A_2 x ... by the eigenvectors of every A."""

    def __init__(self, matrices: Sequence[np.ndarray], shift: float = 0.0) -> None:
        parts = [np.linalg.eig(A) for A in matrices]
        values = [part[0] for part in parts]
        self.V = [part[1] for part in parts]
        self.inverses = [np.linalg.inv(V) for V in self.V]
        self.sum = shift + sum(
            np.reshape(v, np.roll([-1, *[1] * (len(values) - 1)], j)) for j, v in enumerate(values)
        )

    def __call__(self, F: np.ndarray) -> np.ndarray:
        return np.real(along(self.V, along(self.inverses, F) / self.sum))


def box(
    u: Callable,
    f: Callable,
    x: Sequence[np.ndarray],
    shift: float = 0.0,
    nonlinear: tuple[Callable, Callable] | None = None,
) -> np.ndarray:
    """lap u + shift u + N(u) = f with the values of u on all sides."""
    second = [derivative(part) @ derivative(part) for part in x]
    inner = (slice(1, -1),) * len(x)
    grid = np.meshgrid(*x, indexing="ij")
    found, right = np.array(u(*grid)), f(*grid)[inner]
    found[inner] = 0

    def laplace(values: np.ndarray) -> np.ndarray:
        total = shift * values
        for axis, A in enumerate(second):
            total = total + np.moveaxis(np.tensordot(A, values, axes=(1, axis)), 0, axis)
        return total[inner]

    solve = FastDiagonalisation([A[1:-1, 1:-1] for A in second], shift)
    found[inner] = solve(right - laplace(found))
    if nonlinear is None:
        return found
    N, dN = nonlinear
    for _ in range(NEWTON_STEPS):
        slope = dN(found[inner])
        rest = right - laplace(found) - N(found[inner])

        def times(v: np.ndarray, slope: np.ndarray = slope) -> np.ndarray:
            v = v.reshape(slope.shape)
            return (v + solve(slope * v)).ravel()  # what is left of the Laplacian, preconditioned, is 1

        operator = scipy.sparse.linalg.LinearOperator((rest.size, rest.size), times, dtype=float)
        step = scipy.sparse.linalg.gmres(operator, solve(rest).ravel(), rtol=1e-8, restart=40, maxiter=5)[0]
        found[inner] += step.reshape(rest.shape)
        if np.abs(step).max() < 100 * CLOSE * np.abs(found).max():
            break
    return found


def advection(u: Callable, speed: float, x: np.ndarray, t: np.ndarray) -> np.ndarray:
    """speed u_x + u_t = 0 from u at the first x and the first t: a Sylvester equation, by Schur's form."""
    A, B = speed * derivative(x), derivative(t)
    found = np.array(u(*np.meshgrid(x, t, indexing="ij")))
    found[1:, 1:] = 0
    right = -(A @ found + found @ B.T)[1:, 1:]
    found[1:, 1:] = scipy.linalg.solve_sylvester(A[1:, 1:], B[1:, 1:].T, right)
    return found


def solve_case(case: Any, n: int) -> np.ndarray:
    """A case of the gallery with n points of every axis; the values on its test grid."""
    x = [points(part[0], part[-1], n) for part in case.axes]
    if case.name == "ADV":
        values = advection(case.u, case.operator[1, 0], *x)
    elif len(x) > 1:
        values = box(case.u, case.f, x, 0.0, case.nonlinear)
    else:
        conditions = [(0, 0, case.boundary[0][0]), (-1, 0, case.boundary[0][1])]
        values = line({2: case.operator[2,]}, case.f(x[0]), x[0], conditions, case.nonlinear)
    return on_grid(values, x, case.test_grid)
