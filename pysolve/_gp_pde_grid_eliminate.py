"""Coordinates in which the conditions of an axis are coordinates.

Exact conditions beside a noisy equation are rows of very different weight. Their squares in one normal matrix leave
nothing of the equation, unless each coefficient is either fixed by a condition or free of them: on each axis with
functionals B (m, r) the m coefficients p in which B diag(s) is largest are replaced by the values of the functionals,

    y_p = B z,  y_i = z_i elsewhere:    z = E y,  E = I but for rows p, which are B_p^-1 [I at p, -B_i elsewhere].

Scaling the columns then takes care of the weights. The columns that are free of the conditions are made orthonormal
again by a triangle, from the large deviations of the prior to the small ones: its grades stay as they are.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import numpy as np
import scipy.linalg

from pysolve._backend import beside
from pysolve._gp_pde_grid_rows import Rows, Term
from pysolve._gp_pde_grid_system import RowSet


def elimination(B: np.ndarray, s: np.ndarray) -> np.ndarray:
    """E of one axis; the identity where there is no condition, or where they contradict or repeat each other."""
    m, r = B.shape
    E = np.eye(r)
    if m == 0 or m > r:
        return E
    scaled = B * s
    _, R, order = scipy.linalg.qr(scaled, mode="economic", pivoting=True)
    diagonal = np.abs(np.diag(R))
    if diagonal[-1] <= 1e-8 * diagonal[0]:
        return E
    p = order[:m]
    E[p] = -np.linalg.solve(B[:, p], B)
    E[np.ix_(p, p)] = np.linalg.inv(B[:, p])
    order = np.argsort(-s, kind="stable")
    rest = order[~np.isin(order, p)]
    X = E[np.ix_(p, rest)]
    U = np.linalg.cholesky(np.eye(rest.size) + X.T @ X).T
    E[:, rest] = E[:, rest] @ scipy.linalg.solve_triangular(U, np.eye(rest.size))
    return E


def transformed(system: RowSet, E: Sequence[np.ndarray]) -> list[Rows]:
    """The blocks in the coordinates y; what the elimination makes zero is zero."""

    def turned(F: np.ndarray, j: int) -> np.ndarray:
        product = F @ beside(E[j], F)
        if len(F) == 1:
            product[np.abs(product) <= 1e-13 * np.abs(product).max()] = 0.0
        return product

    blocks: list[Rows] = []
    for block in system.blocks:
        made: dict[tuple[int, int], np.ndarray] = {}
        terms: list[Term] = []
        for a, factors in block.terms:
            for j, F in enumerate(factors):
                if (j, id(F)) not in made:
                    made[j, id(F)] = turned(F, j)
            terms.append((a, [made[j, id(F)] for j, F in enumerate(factors)]))
        blocks.append(dataclasses.replace(block, terms=terms))
    return blocks
