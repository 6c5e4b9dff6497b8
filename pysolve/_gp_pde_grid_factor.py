"""A triangular factor of the problem: R^T R = D E^T (A^T W^2 A + diag(s^-2)) E D with D such that the diagonal is one.

E makes coordinates of the conditions (_gp_pde_grid_eliminate), lest their weights drown the equation's.
Two ways to it. Cholesky of the normal equations costs n^3 / 3 and is a preconditioner that conjugate gradients refine
in one or two steps; it cannot see what is below 1e-8 of the largest singular value. QR of the rows costs some ten times
as much and can; it is taken where the problem is small, or where Cholesky says that it is blind.
"""

from __future__ import annotations

import dataclasses
import functools
from typing import Any

import numpy as np
import scipy.linalg

from pysolve._backend import beside, namespace, on_device
from pysolve._gp_pde_device import lower_cholesky, reciprocal_condition, solve_triangular, triangle
from pysolve._gp_pde_grid_eliminate import elimination, transformed
from pysolve._gp_pde_grid_gram import gram
from pysolve._gp_pde_grid_products import chain
from pysolve._gp_pde_grid_rows import Rows
from pysolve._gp_pde_grid_system import RowSet

# Below this reciprocal condition number the squared equations have lost what the prior alone decides.
BLIND = 1e-14


@dataclasses.dataclass(eq=False)
class Factor:
    """P^-1 = E D R^-1, E the Kronecker product of the eliminations (none: 1); the precision matrix of z is P^T P."""

    R: np.ndarray
    D: np.ndarray
    method: str
    rcond: float
    eliminations: list[np.ndarray]

    @functools.cached_property
    def _placed(self) -> list[np.ndarray]:
        return [beside(E, self.R) for E in self.eliminations]

    def _tensor(self, Y: np.ndarray, factors: list[np.ndarray]) -> np.ndarray:
        """The Kronecker product of the factors on a vector or on columns."""
        if not factors:
            return Y
        shape = [len(E) for E in self.eliminations]
        return chain([*factors, None], Y.reshape(*shape, -1)).reshape(Y.shape)

    def solve(self, y: np.ndarray) -> np.ndarray:
        """E D R^-1 y for a vector or columns."""
        scale = self.D if y.ndim == 1 else self.D[:, None]
        return self._tensor(scale * solve_triangular(self.R, y), self._placed)

    def solve_transposed(self, x: np.ndarray) -> np.ndarray:
        """R^-T D E^T x for a vector or columns."""
        scale = self.D if x.ndim == 1 else self.D[:, None]
        inner = scale * self._tensor(namespace(x).ascontiguousarray(x), [E.T for E in self._placed])
        return solve_triangular(self.R, inner, "T")

    @property
    def logdet(self) -> float:
        """log det of the precision matrix of z."""
        n = self.D.size
        turned = sum(n / len(E) * np.linalg.slogdet(E)[1] for E in self.eliminations)
        logs = float(np.log(np.abs(np.diag(self.R))).sum()) - float(np.log(self.D).sum())
        return float(2 * (logs - turned))


def eliminated(system: RowSet) -> tuple[list[np.ndarray], list[Rows], list[np.ndarray]]:
    """E of each axis; the blocks, and the precision matrices of the prior of each axis, in its coordinates."""
    E = [elimination(B, s) for B, s in zip(system.functionals, system.axis_s, strict=True)]
    prior = [(part / s[:, None]).T @ (part / s[:, None]) for part, s in zip(E, system.axis_s, strict=True)]
    return E, transformed(system, E), prior


def cholesky_factor(system: RowSet) -> Factor:
    """By the normal equations in the coordinates of the conditions."""
    E, blocks, prior = eliminated(system)
    return factor_of(gram(blocks, prior), E)


def factor_of(G: np.ndarray, E: list[np.ndarray]) -> Factor:
    """Of the lower triangle of a normal matrix, which is overwritten.

    The unit diagonal is shifted, more and more, where the matrix is singular to rounding.
    """
    n = G.shape[0]
    diagonal = G.reshape(-1)[:: n + 1]
    D = 1 / np.sqrt(diagonal)
    G *= D
    G *= D[:, None]
    shift = 0.0
    while True:
        diagonal[:] = 1.0 + shift
        R = upper_triangle(G)
        if R is not None:
            break
        shift = max(10 * shift, 1e-15)
    # ||G||_1 lies between 1 and n; its root is near enough for a threshold.
    return Factor(R, D, "cholesky", 0.0 if shift > 0 else condition(R, float(np.sqrt(n))), E)


def upper_triangle(G: Any) -> Any:
    """R of G = R^T R, of which the lower triangle is read (on the host: overwritten where rounding spares it)."""
    if on_device(G):
        L = lower_cholesky(G)
        return None if L is None else L.T
    # The lower triangle by rows is the upper one by columns, as LAPACK has it.
    R, info = scipy.linalg.lapack.dpotrf(G.T, lower=0, clean=0)
    return R if info == 0 else None


def condition(R: Any, size: float) -> float:
    """The reciprocal condition number of R^T R, whose norm is `size`."""
    return reciprocal_condition(R, size) if on_device(R) else float(scipy.linalg.lapack.dpocon(R, size)[0])


def qr_rows(system: RowSet) -> int:
    """The rows that QR would have to take in."""
    return sum(block.values.size for block in system.blocks)


def qr_factor(system: RowSet) -> Factor:
    """By QR of the formed rows, column-scaled, the prior's rows last."""
    n = system.s.size
    rows = [block.dense() for block in system.blocks]
    prior = 1 / system.s.ravel()
    D = 1 / np.sqrt(sum((block**2).sum(axis=0) for block in rows) + prior**2)
    stacked = namespace(D).empty((sum(len(block) for block in rows) + n, n), order="F")
    start = 0
    for block in rows:
        stacked[start : start + len(block)] = block * D
        start += len(block)
    stacked[start:] = np.diag(prior * D)
    R = namespace(D).asfortranarray(triangle(stacked)[:n])
    diagonal = np.abs(np.diag(R))
    return Factor(R, D, "qr", float(diagonal.min() / diagonal.max()) ** 2, [])


def factorise(system: RowSet, *, method: str = "auto", most_flops: float = 2e11) -> Factor:
    """QR where it is cheap or needed and affordable, Cholesky elsewhere; `most_flops` is what QR may cost."""
    n = system.s.size
    cost = 2.0 * n * n * (qr_rows(system) + n)
    if method == "qr" or (method == "auto" and cost < 2e9):
        return qr_factor(system)
    factor = cholesky_factor(system)
    if method == "auto" and factor.rcond < BLIND and cost < most_flops:
        return qr_factor(system)
    return factor
