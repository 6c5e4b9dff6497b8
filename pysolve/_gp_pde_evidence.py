"""The regularised least-squares problem of a fixed kernel, and the prior weights of the frequencies by evidence.

Rows A_b c = r_b + noise of standard deviation sd_b, in blocks, and c = w z with z ~ N(0, I). The posterior of z is that
of the least-squares problem with rows [A_b w / sd_b; I], which one QR decomposition solves: the normal equations
would lose half of the digits.
"""

from __future__ import annotations

import dataclasses

import numpy as np
import scipy.linalg

LEAST_WEIGHT = 1e-9  # of a group, relative to the largest: below it the frequency is pruned
EM_STEPS = 40
EM_TOLERANCE = 1e-2  # relative change of the weights at which they are good enough


@dataclasses.dataclass
class Block:
    """Rows of one kind, compressed to a triangle: A^T A and A^T r are those of all `count` rows.

    `floor` is the least standard deviation: that of rounding. `fixed` blocks keep theirs, the others are given
    what the residual shows.
    """

    A: np.ndarray
    r: np.ndarray
    count: int
    sd: float
    floor: float
    fixed: bool
    log_units: float = 0.0  # sum of the logarithms of what the rows were divided by


def compress(A: np.ndarray, r: np.ndarray, sd: float, fixed: bool, floor: float | None = None) -> Block:
    """The block of rows with the same sums of squares, of at most one row more than columns."""
    count = len(r)
    if count > A.shape[1] + 1:
        triangle = scipy.linalg.qr(np.column_stack([A, r]), mode="r", overwrite_a=True, check_finite=False)[0]
        triangle = triangle[: A.shape[1] + 1]
        A, r = triangle[:, :-1], triangle[:, -1]
    return Block(A, r, count, sd, sd if floor is None else floor, fixed)


def joined(first: Block, second: Block) -> Block:
    """The rows of both, which have one standard deviation."""
    both = compress(
        np.vstack([first.A, second.A]), np.concatenate([first.r, second.r]), first.sd, first.fixed, first.floor
    )
    return dataclasses.replace(both, count=first.count + second.count)


@dataclasses.dataclass(frozen=True)
class Fit:
    """The posterior at given weights: mean c, triangle R with covariance of z = (R^T R)^-1, evidence."""

    c: np.ndarray
    weights: np.ndarray  # w, the prior standard deviation of every coefficient
    R: np.ndarray
    log_evidence: float
    residuals: tuple[np.ndarray, ...]  # of every block, compressed

    def half(self, rows: np.ndarray) -> np.ndarray:
        """H with rows Cov(c) rows^T = H^T H."""
        return scipy.linalg.solve_triangular(self.R, (rows * self.weights).T, trans="T", check_finite=False)

    def variance(self, rows: np.ndarray) -> np.ndarray:
        """Posterior variance of rows @ c, shape (n,)."""
        half = self.half(rows)
        return np.einsum("ij,ij->j", half, half)

    def sample(self, n: int, rng: np.random.Generator) -> np.ndarray:
        """Draws of c from the posterior, shape (n, size)."""
        z = rng.standard_normal((len(self.R), n))
        return (
            self.c + (self.weights[:, None] * scipy.linalg.solve_triangular(self.R, z, check_finite=False)).T
        )


def fit(blocks: list[Block], weights: np.ndarray, centre: np.ndarray | None = None) -> Fit:
    """The posterior for the prior N(centre, weights^2) of c; the centre is 0 by default."""
    size = len(weights)
    rows = np.vstack([*(block.A * (weights / block.sd) for block in blocks), np.eye(size)])
    prior = np.zeros(size) if centre is None else centre / weights
    r = np.concatenate([*(block.r / block.sd for block in blocks), prior])
    triangle = scipy.linalg.qr(np.column_stack([rows, r]), mode="r", overwrite_a=True, check_finite=False)[0]
    R, z = triangle[:size, :size], triangle[:size, size]
    z = scipy.linalg.solve_triangular(R, z, check_finite=False)
    c = weights * z
    left = triangle[size, size] ** 2 if len(triangle) > size else 0.0
    n = sum(block.count for block in blocks)
    log_sd = sum(block.count * np.log(block.sd) + block.log_units for block in blocks)
    log_det = np.log(np.abs(np.diag(R))).sum()
    evidence = -0.5 * left - log_det - log_sd - 0.5 * n * np.log(2 * np.pi)
    return Fit(c, weights, R, float(evidence), tuple(block.r - block.A @ c for block in blocks))


def group_weights(found: Fit, groups: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """MacKay's update of the groups' prior standard deviations, and how many coefficients each determines.

    w_g^2 = w_g^2 |z_g|^2 / gamma_g with gamma_g = size_g - trace of the posterior covariance of z_g.
    """
    size = len(groups)
    inverse = scipy.linalg.solve_triangular(found.R, np.eye(len(found.R)), check_finite=False)[:size]
    variances = np.einsum("ij,ij->i", inverse, inverse)
    z = found.c[:size] / found.weights[:size]
    counts = np.bincount(groups)
    gamma = np.maximum(counts - np.bincount(groups, variances), 1e-3)
    factor = np.sqrt(np.bincount(groups, z * z) / gamma)
    return factor, gamma


def fit_by_evidence(
    blocks: list[Block],
    weights: np.ndarray,
    groups: np.ndarray,
    centre: np.ndarray | None = None,
    steps: int = EM_STEPS,
    least: np.ndarray | None = None,
) -> Fit:
    """Weights of the groups, and the standard deviations of blocks that are not fixed, by maximal evidence.

    Coefficients beyond the groups' keep their weights, and none falls below `least`.
    """
    found = fit(blocks, weights, centre)
    size = len(groups)
    for _ in range(steps):
        factor, gamma = group_weights(found, groups)
        weights = found.weights.copy()
        weights[:size] *= np.clip(factor[groups], 1e-3, 1e3)
        weights[:size] = np.maximum(weights[:size], LEAST_WEIGHT * weights[:size].max(initial=0))
        if least is not None:
            weights = np.maximum(weights, least)
        change = _update_noise(blocks, found, gamma.sum())
        change = max(change, float(np.abs(np.log(weights / found.weights)).max(initial=0)))
        found = fit(blocks, weights, centre)
        if change < EM_TOLERANCE:
            break
    return found


def _update_noise(blocks: list[Block], found: Fit, determined: float) -> float:
    """The blocks' standard deviations from their residuals; the largest change of a logarithm."""
    n = sum(block.count for block in blocks)
    change = 0.0
    for block, left in zip(blocks, found.residuals, strict=True):
        if block.fixed or block.count == 0:
            continue
        free = block.count * max(1 - determined / n, 1 / (n + 1))
        sd = max(float(np.linalg.norm(left)) / np.sqrt(free), block.floor)
        change = max(change, abs(np.log(sd / block.sd)))
        block.sd = sd
    return change
