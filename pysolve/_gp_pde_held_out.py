"""The equation between the points of the grid: what the solver has not seen says whether it was resolved."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from pysolve._arrays import largest_magnitude
from pysolve._backend import beside
from pysolve._gp_pde_device import spread
from pysolve._gp_pde_result import GPSolution

POINTS = 200
SEED = 0


def held_out_residual(
    solution: GPSolution, operator: Mapping[Any, Any], f: Any, nonlinear: Any
) -> float | None:
    """Root mean square of the residual at random points of the domain, relative to the largest of its terms there.

    None where it cannot be had: with arrays or unknown numbers in the equation, or functions that only take the grid.
    """
    if not all(_is_plain(part) for part in (f, *operator.values())):
        return None
    low, high = np.array([[x[0], x[-1]] for x in solution.axes]).T
    points = beside(np.random.default_rng(SEED).uniform(low, high, (POINTS, len(low))), solution.u)
    try:
        with np.errstate(all="ignore"):
            return _relative(solution, operator, f, nonlinear, points)
    except Exception:  # a user's function that cannot take scattered points; the grid it could take
        return None


def _is_plain(part: Any) -> bool:
    return callable(part) or (np.isscalar(part) and not isinstance(part, str))


def _relative(
    solution: GPSolution, operator: Any, f: Any, nonlinear: Any, points: np.ndarray
) -> float | None:
    n = (len(points),)
    right = spread(f(*points.T) if callable(f) else f, n, points)
    total, largest = -right, largest_magnitude(right)
    for key, coefficient in operator.items():
        orders = key if isinstance(key, tuple) else (key,)
        a = spread(coefficient(*points.T) if callable(coefficient) else coefficient, n, points)
        term = a * solution.predict(points, deriv=tuple(int(k) for k in orders))
        total, largest = total + term, max(largest, largest_magnitude(term))
    if nonlinear is not None:
        total = total + nonlinear[0](solution.predict(points))
    found = float(np.sqrt(np.mean(total**2))) / largest if largest > 0 else 0.0
    return found if np.isfinite(found) else None
