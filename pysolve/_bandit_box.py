"""Small least squares problems from their normal equations G theta = h, with the coefficients in a box."""

from __future__ import annotations

import numpy as np

RANK = 1e-12  # of the largest eigenvalue: what is less counts as 0


def least_norm(G: np.ndarray, h: np.ndarray) -> np.ndarray:
    """The shortest of all minimisers of theta^T G theta / 2 - h^T theta."""
    values, vectors = np.linalg.eigh(G)
    kept = values > RANK * values[-1]
    return vectors @ np.where(kept, (h @ vectors) / np.where(kept, values, 1.0), 0.0)


def box_least_squares(
    G: np.ndarray, h: np.ndarray, bound: np.ndarray, start: np.ndarray | None = None
) -> np.ndarray:
    """The minimiser with -bound <= theta <= bound, by Stark and Parker's active sets.

    Free coefficients move towards their common minimiser until one meets its bound and is fixed there; when all have
    arrived, the fixed one that would gain most by leaving its bound is set free. `start` saves time where it is near.
    """
    theta = np.zeros_like(h) if start is None else np.clip(start, -bound, bound)
    free = np.abs(theta) < bound
    for _ in range(10 * len(h)):
        while free.any():
            fixed = ~free
            goal = theta.copy()
            goal[free] = least_norm(G[np.ix_(free, free)], h[free] - G[np.ix_(free, fixed)] @ theta[fixed])
            beyond = free & (np.abs(goal) > bound)
            if not beyond.any():
                theta = goal
                break
            step = goal - theta
            room = (np.copysign(bound, goal) - theta)[beyond] / step[beyond]
            theta = theta + room.min() * step
            met = np.flatnonzero(beyond)[room <= room.min()]
            theta[met] = np.copysign(bound, goal)[met]
            free[met] = False
        slope = h - G @ theta
        gain = np.where(free | (bound == 0), 0.0, -slope * np.sign(theta))
        best = int(gain.argmax())
        if gain[best] <= 1e-10 * np.abs(h).max():
            break
        free[best] = True
    return theta
