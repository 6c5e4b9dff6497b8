"""Unknown coefficients of the operator: variable projection, with a first guess from a smooth fit of the data.

Unknown numbers theta multiply derivatives of u, so that equations known exactly tie u and theta together: the data can
only be met along a narrow curved valley, in which steps in (c, theta) at once get stuck. Here u is solved for whenever
theta is tried: J(theta) = min_c of all squares over their noise. J has few arguments and a mild shape, and its
Gauss-Newton step comes from the same QR decomposition as u: with D = d residual / d theta and
Q^T [r, D] = [r_1, D_1; r_2, D_2], cut at the number of features, it is the least-squares solution of D_2 step = r_2
(Golub and Pereyra's variable projection in Kaufman's form).
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

import numpy as np
import scipy.linalg

from pysolve._arrays import largest_magnitude
from pysolve._backend import beside, namespace, on_device, on_host
from pysolve._gp_pde_device import solve_triangular, triangle
from pysolve._gp_pde_evidence import fit_by_evidence
from pysolve._gp_pde_outcome import GPStatus
from pysolve._gp_pde_system import DenseSystem

MOST_STEPS = 40
HALVINGS = 12
ROUNDS = 4  # of steps and evidence
PART_OF_SD = 0.02  # a step below this part of the standard deviation is none
RELATIVE = 1e-10  # and one below this part of the number itself, of data without noise
SETTLED = 0.1  # change of the logarithm of a weight at which the evidence has settled
LINEARISATIONS = 8  # of N, at most, for every theta that is tried
UNMOVED = 1e-9  # change of u relative to its size at which they are enough
JITTER = 1e-5  # relative noise at least, in the smooth fit
SMOOTH_SCALES = np.logspace(-2, 2, 9)


@dataclasses.dataclass(frozen=True)
class Projection:
    """The best coefficients c for given theta, the sum of squares J there, and the step in theta that lowers it."""

    theta: np.ndarray
    c: np.ndarray
    squares: float
    step: np.ndarray
    sds: np.ndarray

    @property
    def finite(self) -> bool:
        """Whether it can be used."""
        return bool(np.isfinite(self.c).all() and np.isfinite(self.squares) and np.isfinite(self.step).all())

    @property
    def is_still(self) -> bool:
        """Whether the step is as good as none."""
        return bool(
            np.all(np.abs(self.step) <= np.maximum(PART_OF_SD * self.sds, RELATIVE * np.abs(self.theta)))
        )


class VariableProjection:
    """Search for the unknown numbers of a system; afterwards `c` holds all coefficients and `weights` theirs.

    Parameters
    ----------
    system : DenseSystem
        The problem with its features.
    sd : float
        Noise of the equations.
    report : callable
        Called with a sentence after every step.
    """

    def __init__(self, system: DenseSystem, sd: float, report: Callable[[str], None]) -> None:
        self.system, self.sd, self.report = system, sd, report
        self.weights = system.weights
        self.steps = 0
        self.c = system.centre

    def run(self) -> GPStatus:
        """Steps and weights by evidence in turn."""
        with np.errstate(all="ignore"):
            best = self._first()
            status = GPStatus.BREAKDOWN
            for _ in range(ROUNDS):
                if not best.finite:
                    break
                best, status = self._descend(best)
                self.c = np.concatenate([best.c, best.theta])
                if status is not GPStatus.SOLVED or not self._reweigh():
                    break
                best = self.project(best.theta, best.c)
        return status

    def _first(self) -> Projection:
        """The better of the numbers given as starts and those that a smooth fit of the data suggests."""
        smooth = smooth_fit(self.system)
        tried = [self.project(self.system.starts, smooth), self.project(self.matched(smooth), smooth)]
        usable = [each for each in tried if each.finite]
        return min(usable or tried[:1], key=lambda each: each.squares)

    def matched(self, c: np.ndarray) -> np.ndarray:
        """The numbers with which the equations hold best for given u."""
        system = self.system
        at = np.zeros_like(system.starts)
        lines = [piece.linearised(system.problem, c, at) for piece in system.pieces]
        D = np.vstack([columns for _, columns, _ in lines])
        r = np.concatenate([value - A @ beside(c, A) for A, _, value in lines])
        wide = system.weights[system.size :]
        theta = (
            on_host(np.linalg.lstsq(D * beside(wide, D), r, rcond=1e-8)[0]) * wide
            if bool(np.isfinite(D).all()) and bool(np.isfinite(r).all())
            else system.starts
        )
        return theta if np.isfinite(theta).all() else system.starts

    def _descend(self, best: Projection) -> tuple[Projection, GPStatus]:
        """Gauss-Newton with line search, at fixed weights."""
        while self.steps < MOST_STEPS:
            if best.is_still:
                return best, GPStatus.SOLVED
            self.steps += 1
            found = self._along(best)
            if found is None:
                small = np.abs(best.step) <= np.maximum(best.sds, 1e-6 * np.abs(best.theta))
                return best, GPStatus.SOLVED if small.all() else GPStatus.STAGNATED
            best = found
            self.report(
                f"step {self.steps}: {dict(zip(self.system.place, best.theta.tolist(), strict=True))}"
            )
        return best, GPStatus.MAXITER

    def _along(self, best: Projection) -> Projection | None:
        """The first of the steps 1, 1/2, 1/4, ... that makes the sum of squares smaller."""
        for halvings in range(HALVINGS):
            tried = self.project(best.theta + 0.5**halvings * best.step, best.c)
            if tried.finite and tried.squares < best.squares:
                return tried
        return None

    def _reweigh(self) -> bool:
        """Weights, and the equations' noise, by evidence at the numbers found; whether they changed by much."""
        system, before = self.system, (self.weights, self.sd)
        block = system.equations(self.c[: system.size], self.c[system.size :], self.sd)
        found = fit_by_evidence(
            [block, *system.conditions], self.weights, system.groups, system.centre, steps=2
        )
        if not np.isfinite(found.c).all():
            return False
        self.weights, self.sd = found.weights, block.sd
        return has_moved(before, (self.weights, self.sd), system.size)

    def project(self, theta: np.ndarray, near: np.ndarray) -> Projection:
        """The best c for these numbers; N is linearised near c, again and again until u no longer changes.

        Where it goes on changing, J is that of the equations as they are, which is large.
        """
        found = self._projected(theta, near)
        if self.system.problem.nonlinear is None:
            return found
        for _ in range(LINEARISATIONS):
            if not found.finite:
                break
            before, found = found, self._projected(theta, found.c)
            moved = largest_magnitude(self.system.values(found.c - before.c))
            if moved <= UNMOVED * self.system.u_scale:
                return found
        squares = self.system.squares(np.concatenate([found.c, theta]), self.weights, self.sd)
        return dataclasses.replace(found, squares=squares)

    def _projected(self, theta: np.ndarray, near: np.ndarray) -> Projection:
        system, size = self.system, self.system.size
        used, wide = np.flatnonzero(self.weights[:size]), self.weights[size:]
        lines = [piece.linearised(system.problem, near, theta) for piece in system.pieces]
        like = lines[0][0]
        place, w = beside(used, like), beside(self.weights[used], like)
        rows = [A / self.sd for A, _, _ in lines]
        r = [(value - D @ beside(theta, D)) / self.sd for _, D, value in lines]
        rows += [block.A / block.sd for block in system.conditions]
        r += [block.r / block.sd for block in system.conditions]
        eye = namespace(like).eye(len(used))
        turn = Turn(np.vstack([*(part[:, place] * w for part in rows), eye]))
        inside, outside = turn(np.concatenate([*r, 0 * w])[:, None])
        c = np.zeros(size)
        c[used] = on_host(w * solve_triangular(turn.R, inside[:, 0]))
        D = namespace(like).zeros((turn.count, len(theta)))
        at = 0
        for (A, _, _), piece in zip(lines, system.pieces, strict=True):
            D[at : at + len(A)] = piece.by_unknowns(c) / self.sd
            at += len(A)
        # the prior of theta, N(start, wide^2), is another row for each
        G, rest = few_rows(turn(D)[1], outside)
        G = np.vstack([G * wide, np.eye(len(theta))])
        rest = np.concatenate([rest, (system.starts - theta) / wide])
        if not (np.isfinite(G).all() and np.isfinite(rest).all()):
            return Projection(theta, c, np.inf, np.zeros_like(theta), np.full_like(theta, np.inf))
        Q, T = np.linalg.qr(G)
        step = wide * scipy.linalg.solve_triangular(T, Q.T @ rest)
        sds = wide * np.linalg.norm(scipy.linalg.solve_triangular(T, np.eye(len(T))), axis=1)
        return Projection(theta, c, float(rest @ rest), step, sds)


def has_moved(before: tuple[np.ndarray, float], after: tuple[np.ndarray, float], size: int) -> bool:
    """Whether the weights that count, of the first `size` coefficients, or the noise are others than before."""
    counted = np.flatnonzero(after[0][:size] > 1e-3 * after[0][:size].max(initial=0))
    change = np.abs(np.log(after[0][counted] / before[0][counted])).max(initial=0)
    return bool(max(change, abs(np.log(after[1] / before[1]))) > SETTLED)


class Turn:
    """A QR decomposition of M, as reflections on the host, whose Q is formed on the device."""

    def __init__(self, M: np.ndarray) -> None:
        self.count, n = M.shape
        self.Q = None
        if on_device(M):
            self.Q, self.R = np.linalg.qr(M)
        else:
            (self.h, self.tau), R = scipy.linalg.qr(M, mode="raw", overwrite_a=True, check_finite=False)
            self.R = R[:n]

    def __call__(self, columns: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Q^T columns, and coordinates of what is orthogonal to M: in a basis of its own, or on the device as it is."""
        if self.Q is not None:
            inside = self.Q.T @ columns
            rest = columns - self.Q @ inside
            return inside, rest - self.Q @ (self.Q.T @ rest)
        work = scipy.linalg.lapack.dormqr("L", "T", self.h, self.tau, columns, -1)[1]
        found = scipy.linalg.lapack.dormqr("L", "T", self.h, self.tau, columns, int(work[0]))[0]
        return found[: len(self.R)], found[len(self.R) :]


def few_rows(D: np.ndarray, r: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Rows on the host with the same sums of squares: those of the device become a triangle there first."""
    if on_device(D):
        found = triangle(np.hstack([D, r]))
        D, r = on_host(found[:, :-1]), on_host(found[:, -1:])
    return D, r[:, 0]


def smooth_fit(system: DenseSystem) -> np.ndarray:
    """Coefficients that meet sides and measurements, without the equations; the prior's size by evidence."""
    size = system.size
    w = beside(system.weights[:size], system.problem.f)
    rows = [block.A[:, :size] * w for block in system.conditions]
    if not rows:
        return np.zeros(size)
    heights = [JITTER * largest_magnitude(np.linalg.norm(part, axis=1)) for part in rows]
    sds = [max(block.sd, height) for block, height in zip(system.conditions, heights, strict=True)]
    B = np.vstack([part / sd for part, sd in zip(rows, sds, strict=True)])
    r = np.concatenate([block.r / sd for block, sd in zip(system.conditions, sds, strict=True)])
    eigenvalues, V = np.linalg.eigh(B @ B.T)
    along = V.T @ r
    variances = [scale**2 * np.maximum(eigenvalues, 0) + 1 for scale in SMOOTH_SCALES]
    evidence = [float(-np.sum(along**2 / each) - np.log(each).sum()) for each in variances]
    best = int(np.argmax(evidence))
    z = B.T @ (V @ (along / variances[best])) * SMOOTH_SCALES[best] ** 2
    return system.weights[:size] * on_host(z)
