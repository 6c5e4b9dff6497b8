"""The regularised least-squares problem of a fixed kernel, and the prior weights of the frequencies by evidence.

Rows A_b c = r_b + noise of standard deviation sd_b, in blocks, and c = w z with z ~ N(0, I). The posterior of z is that
of the least-squares problem with rows [A_b w / sd_b; I], which one QR decomposition solves: the normal equations
would lose half of the digits.

Rows and triangles are where the problem is; vectors of one number for each coefficient (c, w) are on the host.
"""

from __future__ import annotations

import dataclasses

import numpy as np

from pysolve._backend import beside, namespace, on_host
from pysolve._gp_pde_device import solve_triangular, triangle

LEAST_WEIGHT = 1e-9  # of a group, relative to the largest: below it the frequency is pruned
NEGLIGIBLE = 1e-6  # the same, below which it does not matter by how much it still changes
EM_STEPS = 40
EM_TOLERANCE = 0.05  # relative change of the weights at which they are good enough


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

    @property
    def finite(self) -> bool:
        """Whether all its numbers are."""
        return bool(np.isfinite(self.A).all()) and bool(np.isfinite(self.r).all())


def compress(A: np.ndarray, r: np.ndarray, sd: float, fixed: bool, floor: float | None = None) -> Block:
    """The block of rows with the same sums of squares, of at most one row more than columns."""
    count = len(r)
    if count > A.shape[1] + 1:
        found = triangle(np.column_stack([A, r]))[: A.shape[1] + 1]
        A, r = found[:, :-1], found[:, -1]
    return Block(A, r, count, sd, sd if floor is None else floor, fixed)


def joined(first: Block, second: Block) -> Block:
    """The rows of both, which have one standard deviation."""
    both = compress(
        np.vstack([first.A, second.A]),
        np.concatenate([first.r, second.r]),
        first.sd,
        first.fixed,
        first.floor,
    )
    return dataclasses.replace(both, count=first.count + second.count)


@dataclasses.dataclass(frozen=True)
class Fit:
    """The posterior at given weights: mean c, triangle R with covariance of z = (R^T R)^-1, evidence.

    Coefficients of weight 0 are 0, and R is without them.
    """

    c: np.ndarray
    weights: np.ndarray  # w, the prior standard deviation of every coefficient
    R: np.ndarray
    log_evidence: float
    residuals: tuple[np.ndarray, ...]  # of every block, compressed

    @property
    def used(self) -> np.ndarray:
        """The coefficients of a weight that is not 0."""
        return np.flatnonzero(self.weights)

    def half(self, rows: np.ndarray) -> np.ndarray:
        """H with rows Cov(c) rows^T = H^T H."""
        weighted = rows[:, beside(self.used, rows)] * beside(self.weights[self.used], rows)
        return solve_triangular(self.R, weighted.T, "T")

    def variance(self, rows: np.ndarray) -> np.ndarray:
        """Posterior variance of rows @ c, shape (n,)."""
        half = self.half(rows)
        return np.einsum("ij,ij->j", half, half)

    def sample(self, n: int, rng: np.random.Generator) -> np.ndarray:
        """Draws of c from the posterior, shape (n, size)."""
        z = beside(rng.standard_normal((len(self.R), n)), self.R)
        draws = np.tile(beside(self.c, z), (n, 1))
        spread = solve_triangular(self.R, z)
        draws[:, beside(self.used, z)] += (beside(self.weights[self.used, None], z) * spread).T
        return draws


def fit(blocks: list[Block], weights: np.ndarray, centre: np.ndarray | None = None) -> Fit:
    """The posterior for the prior N(centre, weights^2) of c; the centre is 0 by default."""
    used = np.flatnonzero(weights)
    w, size = weights[used], len(used)
    like = blocks[0].A if blocks else w
    place = beside(used, like)
    rows = [block.A[:, place] * beside(w / block.sd, like) for block in blocks]
    prior = np.zeros(size) if centre is None else centre[used] / w
    r = np.concatenate([*(block.r / block.sd for block in blocks), beside(prior, like)])
    found = triangle(np.column_stack([np.vstack([*rows, namespace(like).eye(size)]), r]))
    R, z = found[:size, :size], found[:size, size]
    c = np.zeros(len(weights))
    c[used] = w * on_host(solve_triangular(R, z))
    left = float(found[size, size]) ** 2 if len(found) > size else 0.0
    n = sum(block.count for block in blocks)
    log_det = float(np.log(np.abs(np.diag(R))).sum())
    log_sd = sum(block.count * np.log(block.sd) + block.log_units for block in blocks)
    evidence = -0.5 * left - log_det - log_sd - 0.5 * n * np.log(2 * np.pi)
    moved = beside(c, like)
    return Fit(c, weights, R, float(evidence), tuple(block.r - block.A @ moved for block in blocks))


def group_weights(found: Fit, groups: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """|z_g|^2 of every group, and how many of its coefficients the rows determine.

    That is gamma_g = size_g - trace of the posterior covariance of z_g.
    """
    used = found.used[found.used < len(groups)]
    inverse = solve_triangular(found.R, namespace(found.R).eye(len(found.R)))[: len(used)]
    variances = on_host(np.einsum("ij,ij->i", inverse, inverse))
    z = found.c[used] / found.weights[used]
    count = int(groups.max(initial=-1)) + 1
    squares = np.bincount(groups[used], z * z, minlength=count)
    return squares, np.bincount(groups[used], 1 - variances, minlength=count)


def weight_factors(
    found: Fit, groups: np.ndarray, constrained: Fit | None = None
) -> tuple[np.ndarray, float]:
    """MacKay's update of the groups' prior standard deviations, sqrt(|z_g|^2 / gamma_g), and gamma.

    With rows that are exact beside noisy ones, of the evidence of the noisy ones alone, log p(all) - log p(exact): an
    equation that holds exactly says which functions there are, not how large they are, and a thousand zeros on its
    right side would make them small. `constrained` is the posterior of the exact rows.
    """
    squares, gamma = group_weights(found, groups)
    total = gamma.sum()
    if constrained is not None:
        squares_of_exact, gamma_of_exact = group_weights(constrained, groups)
        squares, gamma = np.maximum(squares - squares_of_exact, 0), gamma - gamma_of_exact
    gamma = np.maximum(gamma, 1e-3)
    return np.sqrt(squares / gamma), total


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
        exact = [block for block in blocks if block.count and block.sd <= block.floor]
        exact_equations = any(not block.fixed for block in exact)
        noisy = len(exact) < sum(block.count > 0 for block in blocks)
        constrained = fit(exact, found.weights, centre) if exact_equations and noisy else None
        factor, determined = weight_factors(found, groups, constrained)
        weights = found.weights.copy()
        weights[:size] *= np.clip(factor[groups], 1e-3, 1e3)
        least_now = np.full(size, LEAST_WEIGHT * weights[:size].max(initial=0))
        if least is not None:
            least_now = np.maximum(least_now, least[:size])
        used = found.weights > 0
        weights[:size] = np.where(used[:size], np.maximum(weights[:size], least_now), 0)
        change = _update_noise(blocks, found, determined)
        felt = used & (weights > NEGLIGIBLE * weights[:size].max(initial=0))
        change = max(change, float(np.abs(np.log(weights[felt] / found.weights[felt])).max(initial=0)))
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
