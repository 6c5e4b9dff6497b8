"""The features of an axis in a well-conditioned basis in which the prior is diagonal.

Features carry the square roots of their prior variances, and these fall to rounding: an SVD of the matrix of features
as it is would mix columns of very different sizes, and the derivatives would lose every digit of the small ones. So

    E = Phi S^-1 = U Sigma V^T            columns of unit norm; singular values below rtol are dropped,
    M = Sigma V^T S = X diag(s) Y^T       one-sided Jacobi, accurate for each s relative to itself,
    Phi Y diag(s)^-1 = U X                orthonormal on the grid, with prior N(0, diag(s^2)) on its coefficients z,

and c = T z with T = S^-1 V Sigma^-1 X. Derivatives and ends are the features' own, times the same T.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping

import numpy as np
import scipy.linalg

from pysolve._backend import as_array, beside


@dataclasses.dataclass(frozen=True, eq=False)
class GridAxis:
    """The features of one axis: what the caller hands over.

    Attributes
    ----------
    features : mapping of int to ndarray of shape (N, R)
        The derivative of that order of each feature (a column) at each grid point; 0 must be there.
    low, high : mapping of int to ndarray of shape (R,)
        The same at the two ends of the axis, where boundary conditions hold; may be empty.
    """

    features: Mapping[int, np.ndarray]
    low: Mapping[int, np.ndarray] = dataclasses.field(default_factory=dict)
    high: Mapping[int, np.ndarray] = dataclasses.field(default_factory=dict)


@dataclasses.dataclass(frozen=True, eq=False)
class AxisBasis:
    """The same axis in the basis of z: c = T z, z ~ N(0, diag(s^2)); its matrices are on the host."""

    T: np.ndarray
    s: np.ndarray
    features: dict[int, np.ndarray]
    low: dict[int, np.ndarray]
    high: dict[int, np.ndarray]
    orthonormal: bool

    @property
    def size(self) -> int:
        return self.s.size

    def rows(self, Phi: np.ndarray) -> np.ndarray:
        """Rows of features (n, R), of any derivative, in this basis (n, r), where they are."""
        Phi = as_array(Phi)
        return Phi @ beside(self.T, Phi)


def graded_svd(M: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """X and s of M = X diag(s) Y^T for M (r, R), r <= R, whose columns may differ by many orders of magnitude."""
    # LAPACK's preconditioned Jacobi SVD; joba=2 keeps relative accuracy for D_1 C D_2 with C well conditioned.
    sva, _, X, work, _, info = scipy.linalg.lapack.dgejsv(np.array(M.T, order="F"), joba=2, jobu=0, jobv=0)
    if info == 0 and np.isfinite(sva).all():
        return X, sva * (work[0] / work[1])
    X, s, _ = np.linalg.svd(M, full_matrices=False)
    return X, s


def transform(Phi: np.ndarray, rtol: float, reduce: bool) -> tuple[np.ndarray, np.ndarray, bool]:
    """T, s and whether Phi T is orthonormal.

    Where the grid has too few points to tell the features apart they stay as they are, unless `reduce` says otherwise.
    """
    N, R = Phi.shape
    size = np.linalg.norm(Phi, axis=0)
    if not size.any():
        return np.eye(R), np.ones(R), False
    seen = np.flatnonzero(size > 0)
    size = size[seen]
    _, sigma, Vt = np.linalg.svd(Phi[:, seen] / size, full_matrices=False)
    r = int((sigma > rtol * sigma[0]).sum())
    if r == N < R and not reduce:
        return np.eye(R), np.ones(R), False
    sigma, Vt = sigma[:r], Vt[:r]
    X, s = graded_svd((sigma[:, None] * Vt) * size)
    T = np.zeros((R, r))
    T[seen] = ((Vt.T / sigma) / size[:, None]) @ X
    # So small it is zero anyway, and the product of the squares of 1/s over the axes must not overflow.
    return T, np.maximum(s, 1e-30 * s.max()), True


def axis_basis(axis: GridAxis, rtol: float = 1e-14, reduce: bool = False) -> AxisBasis:
    """The basis of an axis; functions that vanish on the grid to `rtol` of their size are left out."""
    T, s, orthonormal = transform(np.asarray(axis.features[0], dtype=float), rtol, reduce)

    def turned(rows: Mapping[int, np.ndarray]) -> dict[int, np.ndarray]:
        return {order: np.asarray(F, dtype=float) @ T for order, F in rows.items()}

    return AxisBasis(T, s, turned(axis.features), turned(axis.low), turned(axis.high), orthonormal)
