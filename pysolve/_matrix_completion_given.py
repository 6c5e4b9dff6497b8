"""Factors that a call gives to begin with."""

from __future__ import annotations

from typing import Any

import numpy as np

from pysolve._arrays import as_numbers, check_finite, largest_magnitude

FARTHEST = 1e15  # of an entry of x0[0] @ x0[1].T, in units of the scale


def checked_x0(
    x0: Any, shape: tuple[int, int], k: int, scale: float, nonneg: bool
) -> tuple[np.ndarray, np.ndarray]:
    if not isinstance(x0, tuple) or len(x0) != 2:
        raise TypeError("x0 must be a tuple of two arrays, U and V")
    factors = []
    for factor, n, name in (x0[0], shape[0], "x0[0]"), (x0[1], shape[1], "x0[1]"):
        factor = as_numbers(factor, name, device=True)
        if factor.shape != (n, k) or factor.dtype.kind == "c":
            raise ValueError(
                f"{name} must be real and of shape {(n, k)}, not {factor.dtype} and {factor.shape}"
            )
        factor = factor.astype(np.float64)
        check_finite(factor, name)
        if nonneg and (factor < 0).any():
            at = tuple(int(x) for x in np.argwhere(factor < 0)[0])
            raise ValueError(
                f"{name} must not be negative with nonneg=True, but {name}{list(at)} is {factor[at]}"
            )
        factors.append(factor)
    with np.errstate(over="ignore"):
        U, V = factors[0] / scale, factors[1]
        largest = largest_magnitude(U) * largest_magnitude(V)
    if not largest <= FARTHEST:
        raise ValueError(
            f"x0 must be in the units of observed, but its largest entries have a product {largest:.3g} times the root "
            "mean square of observed"
        )
    return U, V
