"""Large grids with next to no noise: lift the boundary, project on the rest, diagonalise axis by axis.

Per axis the coefficients are split into the null space V of the axis's boundary functionals B, and pinv(B). The
boundary values fix the second part (a Boolean sum of liftings); the equation, projected on the span of V, the first:

    sum_j (A_j along axis j) y + c_0 y = V^T (f - L lift),  A_j = V^T L_j V = S_j diag(lambda_j) S_j^-1,

solved by dividing by sum_j lambda_j + c_0 (Lynch, Rice and Thomas). What is not a sum of one-axis operators with
constant coefficients (variable coefficients, mixed derivatives) is left to GMRES, with this as the preconditioner. The
prior plays no part beyond the choice of the features: for noisy equations this is no more than a first guess.
The matrices of the axes are made on the host; a solve is products with them where the right-hand sides are.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import scipy.linalg
import scipy.sparse.linalg

from pysolve._backend import beside, namespace, on_device, zeros
from pysolve._gp_pde_gmres import gmres
from pysolve._gp_pde_grid_basis import AxisBasis
from pysolve._gp_pde_grid_problem import GridProblem, Orders
from pysolve._gp_pde_grid_products import chain, mode_product
from pysolve._gp_pde_grid_rows import Coefficient, KronRows

Terms = dict[Orders, Coefficient]
# With eigenvectors worse than this the diagonalisation loses what it should solve.
WORST_EIGENVECTORS = 1e8
# Part of the largest prior deviation below which a function is left out.
IMPOSSIBLE = 1e-12


def own_axis(orders: Orders) -> int | None:
    """The one axis that a term differentiates; None for none or several."""
    axes = [j for j, k in enumerate(orders) if k > 0]
    return axes[0] if len(axes) == 1 else None


def mean(a: Coefficient) -> float:
    return float(np.mean(a))


def orthonormal(basis: AxisBasis, impossible: float) -> tuple[np.ndarray, np.ndarray]:
    """Q and U^-1 with F U^-1 = Q: the basis, orthonormal to rounding and not just to its root.

    Without the prior nothing holds back functions that it calls impossible and that the grid hardly sees: they go.
    """
    kept = np.flatnonzero(basis.s > impossible * basis.s.max())
    Q, U = np.linalg.qr(basis.features[0][:, kept])
    U_inverse = np.zeros((basis.size, kept.size))
    U_inverse[kept] = scipy.linalg.solve_triangular(U, np.eye(kept.size))
    return Q, U_inverse


class TensorSolver:
    """The solver of one problem; `build` says whether the problem has the form."""

    def __init__(self, problem: GridProblem, terms: Terms, impossible: float) -> None:
        self.problem, self.d = problem, len(problem.size)
        made = [orthonormal(basis, impossible) for basis in problem.bases]
        self.Q, self.U_inverse = [Q for Q, _ in made], [U_inverse for _, U_inverse in made]
        self.shape = tuple(Q.shape[1] for Q in self.Q)
        self.L = [self._operator(j, terms) for j in range(self.d)]
        self.shift = sum(mean(a) for orders, a in terms.items() if not any(orders))
        self.B = [B @ U_inverse for B, U_inverse in zip(problem.functionals, self.U_inverse, strict=True)]
        self.B_inverse = [np.linalg.pinv(B) for B in self.B]
        self.to_modes, self.from_modes, eigenvalues_of_axes = [], [], []
        self.worst = 1.0
        for L, B in zip(self.L, self.B, strict=True):
            V = scipy.linalg.qr(B.T, mode="full")[0][:, B.shape[0] :]
            eigenvalues, S = np.linalg.eig(V.T @ L @ V)
            self.worst = max(self.worst, float(np.linalg.cond(S)))
            self.to_modes.append(np.linalg.solve(S, V.T) if self.worst < 1e15 else V.T)
            self.from_modes.append(V @ S)
            eigenvalues_of_axes.append(eigenvalues)
        self._place(eigenvalues_of_axes)

    def _place(self, eigenvalues: list[np.ndarray]) -> None:
        """What the solves take, where the problem is; the divisors of all modes are made there."""
        like = self.problem.like
        made = [c.functional @ self.U_inverse[c.axis] for c in self.problem.conditions]
        self.functionals = [beside(F, like) for F in made]
        for name in ("Q", "U_inverse", "L", "B", "B_inverse", "to_modes", "from_modes"):
            setattr(self, name, [beside(part, like) for part in getattr(self, name)])
        total = namespace(like).full((), self.shift, dtype=complex)
        for part in eigenvalues:
            total = total[..., None] + beside(part, like)
        size = np.abs(total)
        tiny = size <= 1e-13 * (float(size.max()) if size.size else 0.0)
        self.singular = bool(tiny.any())
        self.divisor = np.where(tiny, np.inf, total)
        if not any(S.dtype.kind == "c" for S in self.from_modes):
            self.divisor = self.divisor.real

    def _operator(self, j: int, terms: Terms) -> np.ndarray:
        features, Q, U_inverse = self.problem.bases[j].features, self.Q[j], self.U_inverse[j]
        L = np.zeros((Q.shape[1],) * 2)
        for orders, a in terms.items():
            if own_axis(orders) == j:
                L += mean(a) * (Q.T @ features[orders[j]] @ U_inverse)
        return L

    def lift(self, g: list[np.ndarray]) -> np.ndarray:
        """The Boolean sum of the liftings of the values of all conditions, given in the bases of the other axes."""
        total = zeros(self.shape, np.float64, self.problem.like)
        for j, (B, B_inverse) in enumerate(zip(self.B, self.B_inverse, strict=True)):
            mine = [g[i] for i, c in enumerate(self.problem.conditions) if c.axis == j]
            if mine:
                wanted = np.concatenate(mine, axis=j) - mode_product(B, total, j)
                total = total + mode_product(B_inverse, wanted, j)
        return total

    def apply(self, f: np.ndarray, g: list[np.ndarray]) -> np.ndarray:
        """U z for an equation with right-hand side f in the bases, and conditions with right-hand sides g."""
        lift = self.lift(g)
        rest = f - self.shift * lift
        for j, L in enumerate(self.L):
            rest = rest - mode_product(L, lift, j)
        y = chain(self.to_modes, rest) / self.divisor
        return lift + chain(self.from_modes, y).real

    def project(self, rows: KronRows, values: np.ndarray) -> np.ndarray:
        """Values on the grid of some rows in the bases of the axes."""
        single = [n == 1 and m != 1 for n, m in zip(rows.values.shape, self.problem.grid, strict=True)]
        return chain([None if one else Q.T for one, Q in zip(single, self.Q, strict=True)], values)


def build(
    problem: GridProblem, terms: Terms | None = None, impossible: float = IMPOSSIBLE
) -> TensorSolver | None:
    """A solver, if the problem has the form.

    That is one equation known everywhere, and on each axis as many conditions as the order of the equation along it.
    `terms` stand in for the problem's own (those of a linearised equation); `impossible` is the part of the largest
    prior deviation below which functions are left out.
    """
    plain = len(problem.equations) == 1 and len(problem.blocks) == 1 + len(problem.conditions)
    if not plain or len(problem.size) < 2 or not all(basis.orthonormal for basis in problem.bases):
        return None
    own, rows = problem.equations[0]
    terms = own if terms is None else terms
    if np.ndim(rows.weight) or any(np.ndim(c.rows.weight) for c in problem.conditions):
        return None
    for j in range(len(problem.size)):
        order = max((k[j] for k in terms), default=0)
        count = sum(c.axis == j for c in problem.conditions)
        if count != order or problem.grid[j] == 1:
            return None
    kept = [int((basis.s > impossible * basis.s.max()).sum()) for basis in problem.bases]
    if any(k <= len(B) for k, B in zip(kept, problem.functionals, strict=True)):
        return None
    solver = TensorSolver(problem, terms, impossible)
    return None if solver.worst > WORST_EIGENVECTORS else solver


def compact(solver: TensorSolver, rows: KronRows) -> Callable[[np.ndarray], np.ndarray]:
    """U z to the equation's left side in the bases; constant coefficients never leave the bases."""
    if not rows.constant:
        return lambda Y: solver.project(rows, rows.unweighted(chain(solver.U_inverse, Y)))
    made: dict[tuple[int, int], np.ndarray] = {}
    for _, factors in rows.placed:
        for j, (Q, F, U_inverse) in enumerate(zip(solver.Q, factors, solver.U_inverse, strict=True)):
            made.setdefault((j, id(F)), Q.T @ F @ U_inverse)
    terms = [(a, [made[j, id(F)] for j, F in enumerate(factors)]) for a, factors in rows.placed]
    return KronRows(terms, 1.0, zeros(solver.shape, np.float64, rows.values)).unweighted


def fast_solve(
    solver: TensorSolver,
    rows: KronRows,
    f: np.ndarray,
    g: list[np.ndarray],
    *,
    tol: float = 1e-13,
    maxiter: int = 60,
    watch: Callable[[int, float], bool] | None = None,
) -> tuple[np.ndarray, int, float]:
    """z, the iterations, and the last correction relative to z. `rows` is the equation (its coefficients may vary)."""
    left = compact(solver, rows)
    conditions = solver.problem.conditions
    f = solver.project(rows, f)
    g = [solver.project(c.rows, values) for c, values in zip(conditions, g, strict=True)]

    def image(Y: np.ndarray) -> np.ndarray:
        ends = [mode_product(F, Y, c.axis) for F, c in zip(solver.functionals, conditions, strict=True)]
        return solver.apply(left(Y), ends)

    wanted = solver.apply(f, g)
    scale = float(np.linalg.norm(wanted))
    Y, step, size = wanted, 1, 0.0
    for _ in range(4):
        correction = wanted - image(Y)
        before, size = size, float(np.linalg.norm(correction)) / (scale or 1.0)
        if size <= tol or not np.isfinite(size) or (0.0 < before <= 4 * size):
            break
        if size > 1e-6:
            correction, more = krylov(image, correction, tol / size, maxiter, watch)
            step += more
        Y, step = Y + correction, step + 1
    return chain(solver.U_inverse, Y), step, size


def krylov(
    image: Callable[[np.ndarray], np.ndarray],
    right: np.ndarray,
    tol: float,
    maxiter: int,
    watch: Callable[[int, float], bool] | None,
) -> tuple[np.ndarray, int]:
    """GMRES for what is left; its own residual is not trusted, the caller looks at the true one."""
    if on_device(right):
        return gmres(image, right, max(tol, 1e-13), min(maxiter, 40), watch)
    steps = 0

    def count(size: float) -> None:
        nonlocal steps
        steps += 1
        if watch is not None:
            watch(steps, size)

    A = scipy.sparse.linalg.LinearOperator(
        (right.size,) * 2, matvec=lambda z: image(z.reshape(right.shape)).ravel(), dtype=float
    )
    z, _ = scipy.sparse.linalg.gmres(
        A, right.ravel(), rtol=max(tol, 1e-13), restart=min(maxiter, 40), maxiter=max(maxiter // 40, 1),
        callback=count, callback_type="pr_norm",
    )  # fmt: skip
    return z.reshape(right.shape), steps
