"""Back-substitution with sums of Kronecker products of upper triangular matrices, by halves."""

from __future__ import annotations

from typing import Any

import numpy as np
import scipy.linalg

BLOCK = 48  # an axis longer than this is halved first: the updates between the halves are matrix products

Coefficients = dict[tuple[int, ...], Any]


def back_substitute(
    C: np.ndarray, triangles: list[list[np.ndarray | None]], coefficients: Coefficients
) -> None:
    """Overwrite C with the solution X of sum_k a_k (T_1^(k_1) x ... x T_q^(k_q)) X = C.

    ``triangles[j]`` holds the upper triangular matrices that occur along axis j, None for the identity;
    ``coefficients`` maps (k_1, ..., k_q) to a number, or to an array for the further axes of C, along which all is
    diagonal. Halving an axis: the lower half is solved, its products are subtracted from the upper half, and that is
    solved; an axis of length 1 joins the coefficients. (The recursion of Jonsson and Kagstrom.)
    """
    q = len(triangles)
    if C.size == 0:
        return
    if q == 0:
        C /= coefficients[()]
        return
    numbers = C.ndim == q
    if numbers and q == 1:
        C[...] = scipy.linalg.solve_triangular(
            combined(triangles[0], coefficients, 0, C.shape[0]), C, check_finite=False
        )
        return
    axis = int(np.argmax(C.shape[:q]))
    if C.shape[axis] <= BLOCK:
        if numbers and q == 2 and is_sum(triangles, coefficients):
            _sylvester(C, triangles, coefficients)
            return
        axis = 0
    if C.shape[axis] == 1:
        _drop(C, triangles, coefficients, axis)
    else:
        _halve(C, triangles, coefficients, axis)


def combined(triangles: list[np.ndarray | None], coefficients: Coefficients, axis: int, n: int) -> np.ndarray:
    """The sum of a_k T^(k_axis), of the terms that have identities along all other axes."""
    total = np.zeros((n, n), np.result_type(*coefficients.values(), *(T for T in triangles if T is not None)))
    for key, a in coefficients.items():
        T = triangles[key[axis]]
        if T is None:
            total[np.diag_indices(n)] += a
        else:
            total += a * T
    return total


def is_sum(triangles: list[list[np.ndarray | None]], coefficients: Coefficients) -> bool:
    """Whether no term has more than one factor that is not the identity: a Kronecker sum."""
    return all(
        sum(along[k] is not None for along, k in zip(triangles, key, strict=True)) <= 1
        for key in coefficients
    )


def _sylvester(C: np.ndarray, triangles: list[list[np.ndarray | None]], coefficients: Coefficients) -> None:
    """A X + X B^T = C by LAPACK, the terms without B going to A."""
    of_b = {key: a for key, a in coefficients.items() if triangles[1][key[1]] is not None}
    of_a = {key: a for key, a in coefficients.items() if key not in of_b}
    A = _typed(combined(triangles[0], of_a, 0, C.shape[0]) if of_a else np.zeros((C.shape[0],) * 2), C)
    B = _typed(combined(triangles[1], of_b, 1, C.shape[1]) if of_b else np.zeros((C.shape[1],) * 2), C)
    (trsyl,) = scipy.linalg.get_lapack_funcs(("trsyl",), (A, B, C))
    real = C.dtype.kind == "f"
    X, scale, _ = trsyl(A, B if real else B.conj(), C, tranb="T" if real else "C")
    C[...] = X / scale


def _typed(T: np.ndarray, C: np.ndarray) -> np.ndarray:
    return T.astype(C.dtype, copy=False)


def _drop(
    C: np.ndarray, triangles: list[list[np.ndarray | None]], coefficients: Coefficients, axis: int
) -> None:
    """One unknown along the axis: its diagonal entries multiply the coefficients."""
    left: Coefficients = {}
    for key, a in coefficients.items():
        T = triangles[axis][key[axis]]
        rest = (*key[:axis], *key[axis + 1 :])
        left[rest] = left.get(rest, 0) + (a if T is None else a * T[0, 0])
    part = C[(slice(None),) * axis + (0,)]
    back_substitute(part, [*triangles[:axis], *triangles[axis + 1 :]], left)


def _halve(
    C: np.ndarray, triangles: list[list[np.ndarray | None]], coefficients: Coefficients, axis: int
) -> None:
    half = C.shape[axis] // 2
    if any(T is not None and T[half, half - 1] != 0 for T in triangles[axis]):
        half += 1  # not through a block of a real Schur form
    before = (slice(None),) * axis
    upper, lower = C[(*before, slice(half))], C[(*before, slice(half, None))]

    def part(rows: slice, columns: slice) -> list[list[np.ndarray | None]]:
        cut = [None if T is None else T[rows, columns] for T in triangles[axis]]
        return [*triangles[:axis], cut, *triangles[axis + 1 :]]

    first, second = slice(half), slice(half, None)
    back_substitute(lower, part(second, second), coefficients)
    between = part(first, second)
    for key, a in coefficients.items():
        if between[axis][key[axis]] is None:
            continue
        product: Any = lower
        for j, (along, k) in enumerate(zip(between, key, strict=True)):
            T = along[k]
            if T is not None:
                product = np.moveaxis(np.tensordot(T, product, (1, j)), 0, j)
        upper -= a * product
    back_substitute(upper, part(first, first), coefficients)
