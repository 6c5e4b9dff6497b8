"""Three ways to solve (S a K S^T + s2 I) x = b, S the rows of the cells that have a value.

- Dense: a Cholesky factor, where few cells have a value.
- Direct: by the spectrum of the whole grid, P = (a K + s2 I)^-1, and a Schur complement for m missing cells:
  (A_oo)^-1 = P_oo - P_om P_mm^-1 P_mo, log|A_oo| = log|A| + log|P_mm|. Without a missing cell it is P itself.
- Iterative: conjugate gradients. The preconditioner B B^T + s2 I has the largest eigenvalues of the grid, B = S Q_r
  diag(a lambda_r)^(1/2); with B = U diag(sigma) V^T its powers p are s2^p I + U diag((sigma^2 + s2)^p - s2^p) U^T.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import scipy.linalg

from pysolve._backend import beside, empty, namespace, on_device, zeros
from pysolve._gp_pde_device import cholesky_solve, lower_cholesky, solve_triangular
from pysolve._grid_gp_covariance import Covariance, Places

FEW_SEEN, FEW_MISSING = 2048, 512
MOST_NUMBERS = 1 << 25  # in one array of a solver
RANK, RANK_OF_SEARCH = 256, 64  # of the preconditioner: one to keep, and one that serves few solves
PROBES, LANCZOS_STEPS = 16, 60
TOGETHER = 64  # right sides


def solver_for(covariance: Covariance, rtol: float, maxiter: int, rng: Any) -> Any:
    """The cheapest of the three."""
    grid = covariance.grid
    if grid.missing.size and grid.seen.size <= FEW_SEEN:
        return Dense(covariance)
    if grid.missing.size <= FEW_MISSING and grid.missing.size * grid.size <= MOST_NUMBERS:
        return Direct(covariance)
    return Iterative(covariance, rtol, maxiter, rng, RANK)


def cholesky(A: np.ndarray) -> np.ndarray:
    """L of A = L L^T, in place of A on the host; LinAlgError where rounding makes it indefinite."""
    if not on_device(A):
        return scipy.linalg.cholesky(A, lower=True, overwrite_a=True, check_finite=False)
    L = lower_cholesky(A)
    if L is None:
        raise np.linalg.LinAlgError("the covariance matrix is not positive definite")
    return L


class Dense:
    """By a Cholesky factor of the observed covariance matrix."""

    exact = True
    converged, iterations = True, 0

    def __init__(self, covariance: Covariance) -> None:
        self.covariance = covariance
        seen = covariance.grid.seen
        at = np.unravel_index(seen, covariance.grid.shape)
        A = namespace(seen).full((seen.size, seen.size), covariance.amplitude**2)
        for K, cell in zip(covariance.matrices, at, strict=True):
            A *= K[cell[:, None], cell]
        A.reshape(-1)[:: seen.size + 1] += covariance.s2
        self.L = cholesky(A)

    def solve(self, b: np.ndarray) -> np.ndarray:
        return cholesky_solve(self.L, b)

    def log_determinant(self) -> float:
        return 2.0 * float(np.log(np.diagonal(self.L)).sum())

    def explained(self, places: Places) -> np.ndarray:
        """The part of the prior's variance that the data explain, at each place: k^T A^-1 k."""
        found = empty(places.size, np.float64, self.L)
        for first in range(0, places.size, TOGETHER):
            some = namespace(self.L).arange(first, min(first + TOGETHER, places.size))
            k = self.covariance.amplitude**2 * places.columns(some, self.covariance.grid.seen)
            half = solve_triangular(self.L, k, lower=True)
            found[some] = np.einsum("np,np->p", half, half)
        return found


class Direct:
    """By eigenvectors, and a Schur complement of the missing cells."""

    exact = True
    converged, iterations = True, 0

    def __init__(self, covariance: Covariance) -> None:
        self.covariance = covariance
        grid = covariance.grid
        units = zeros((grid.size, grid.missing.size), np.float64, grid.seen)
        units[grid.missing, namespace(grid.seen).arange(grid.missing.size)] = 1.0
        self.W = covariance.inverse(units) if grid.missing.size else units
        schur = self.W[grid.missing]
        self.L = cholesky((schur + schur.T) / 2) if grid.missing.size else schur

    def solve(self, b: np.ndarray) -> np.ndarray:
        grid = self.covariance.grid
        x = self.covariance.inverse(grid.whole(b))
        if grid.missing.size:
            x -= self.W @ cholesky_solve(self.L, x[grid.missing])
        return x[grid.seen]

    def log_determinant(self) -> float:
        whole = float(np.log(self.covariance.eigenvalues + self.covariance.s2).sum())
        return whole + 2.0 * float(np.log(np.diagonal(self.L)).sum())

    def explained(self, places: Places) -> np.ndarray:
        """k^T P k by the squares of the turned rows, less that of the missing cells."""
        covariance = self.covariance
        a = covariance.amplitude**2
        squares = [(row @ Q) ** 2 for row, (_, Q) in zip(places.rows, covariance.decompositions, strict=True)]
        found = a**2 * places.apply(squares, 1.0 / (covariance.eigenvalues + covariance.s2))
        for first in range(0, self.L.shape[0], TOGETHER):
            units = zeros((self.L.shape[0], min(TOGETHER, self.L.shape[0] - first)), np.float64, self.L)
            units[first : first + TOGETHER] = namespace(self.L).eye(units.shape[1])
            half = self.W @ solve_triangular(self.L, units, "T", lower=True)
            found -= a**2 * (places.apply(places.rows, half) ** 2).sum(axis=1)
        return found


class Iterative:
    """By preconditioned conjugate gradients; the determinant by stochastic Lanczos quadrature."""

    exact = False

    def __init__(self, covariance: Covariance, rtol: float, maxiter: int, rng: Any, rank: int) -> None:
        self.covariance, self.rtol, self.maxiter, self.rng = covariance, rtol, maxiter, rng
        self.converged, self.iterations = True, 0
        self.sigma: np.ndarray
        grid, s2 = covariance.grid, covariance.s2
        values = covariance.eigenvalues
        rank = min(rank, max(1, int((values > s2).sum())), MOST_NUMBERS // grid.seen.size, grid.seen.size)
        top = np.argpartition(values, -rank)[-rank:]
        at, chosen = np.unravel_index(grid.seen, grid.shape), np.unravel_index(top, grid.shape)
        B = np.broadcast_to(np.sqrt(values[top]), (grid.seen.size, rank)).copy()
        for (_, Q), cell, column in zip(covariance.decompositions, at, chosen, strict=True):
            B *= Q[cell[:, None], column]
        orthonormal, R = (
            np.linalg.qr(B) if on_device(B) else scipy.linalg.qr(B, mode="economic", overwrite_a=True)
        )
        turn, self.sigma, _ = np.linalg.svd(R) if on_device(R) else scipy.linalg.svd(R)
        self.U = orthonormal @ turn

    def power(self, X: np.ndarray, p: float) -> np.ndarray:
        """The preconditioner's matrix to the power p, times X."""
        s2 = self.covariance.s2
        change = (self.sigma**2 + s2) ** p - s2**p
        turned = self.U.T @ X
        return s2**p * X + self.U @ (turned * (change if X.ndim == 1 else change[:, None]))

    def solve(self, b: np.ndarray) -> np.ndarray:
        """Conjugate gradients, all columns side by side, each with its own numbers."""
        columns = b[:, None] if b.ndim == 1 else b
        x, r = np.zeros_like(columns), columns.copy()
        wanted = self.rtol * np.linalg.norm(columns, axis=0)
        z = self.power(r, -1.0)
        p, rz = z.copy(), np.einsum("nc,nc->c", r, z)
        for step in range(1, self.maxiter + 1):
            active = np.linalg.norm(r, axis=0) > wanted
            if not bool(active.any()):
                break
            self.iterations = max(self.iterations, step)
            q = self.covariance.observed(p)
            alpha = np.where(active, rz / np.where(active, np.einsum("nc,nc->c", p, q), 1.0), 0.0)
            x += alpha * p
            r -= alpha * q
            z = self.power(r, -1.0)
            rz, old = np.einsum("nc,nc->c", r, z), rz
            p = z + np.where(active, rz / np.where(old > 0, old, 1.0), 0.0) * p
        residual = np.linalg.norm(columns - self.covariance.observed(x), axis=0)
        self.converged = self.converged and bool(np.all(residual <= 10 * wanted))
        return x.reshape(b.shape)

    def log_determinant(self) -> float:
        """log|M| + tr log(M^-1/2 A M^-1/2), the trace by Lanczos from random signs, the same for the same seed."""
        n, s2 = self.covariance.grid.seen.size, self.covariance.s2
        known = float(np.log(self.sigma**2 + s2).sum()) + (n - self.sigma.size) * math.log(s2)
        generator = np.random.default_rng(self.rng)
        signs = beside(generator.integers(0, 2, (n, PROBES)) * 2.0 - 1.0, self.U)
        return known + float(np.mean([self._quadrature(signs[:, k]) for k in range(PROBES)]))

    def _quadrature(self, sign: np.ndarray) -> float:
        n = sign.size
        basis = [sign / math.sqrt(n)]
        alphas: list[float] = []
        betas: list[float] = []
        for _ in range(min(LANCZOS_STEPS, n)):
            w = self.power(self.covariance.observed(self.power(basis[-1], -0.5)), -0.5)
            alphas.append(float(basis[-1] @ w))
            for _again in range(2):  # orthogonal to all before it, twice: once loses digits
                for v in basis:
                    w -= (v @ w) * v
            beta = float(np.linalg.norm(w))
            if beta <= 1e-10 * abs(alphas[0]):
                break
            betas.append(beta)
            basis.append(w / beta)
        values, vectors = scipy.linalg.eigh_tridiagonal(alphas, betas[: len(alphas) - 1])
        return n * float(vectors[0] ** 2 @ np.log(np.maximum(values, np.finfo(float).tiny)))

    def explained(self, places: Places) -> np.ndarray:
        """k^T A^-1 k, a solve for each place."""
        found = empty(places.size, np.float64, self.U)
        for first in range(0, places.size, TOGETHER):
            some = namespace(self.U).arange(first, min(first + TOGETHER, places.size))
            k = self.covariance.amplitude**2 * places.columns(some, self.covariance.grid.seen)
            found[some] = np.einsum("np,np->p", k, self.solve(k))
        return found
