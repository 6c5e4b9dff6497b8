"""The paper's objective and its gradient, the adjoints written by hand.

With V_j = K_j^-1 U along axis j, A = (K_1 x ... x K_d)^-1 U, residual R = sum_t a_t U_t + N(U) - f, and U_t the
chain of D_j K_j^-1 over the axes of term t, where D_j is the matrix of a derivative of the covariance,

    loss = 1/2 sum_j (M / N_j) log|K_j| + 1/2 <U, A> - lambda_b (B log tau - tau |u_b - g|^2) / 2
           - (M log v - v |R|^2) / 2,        M equations, B boundary values.

Adjoints: Z = K^-1 X gives X' = K^-1 Z' and K' = -X' Z^T; Y = D Z gives D' = Y' Z^T; the prior gives
K_j' = (M / N_j) K_j^-1 / 2 - A V_j^T / 2 and U' = A. An evaluation costs about 2 N_j^3 + 2 N_j^2 M / N_j (2 + 4 terms)
flops for each axis, and 8 N_j^2 bytes for each matrix.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import scipy.linalg

from pysolve._gp_pde_joint_kernel import AxisKernel
from pysolve._gp_pde_joint_problem import JointParameters, JointProblem


def unfold(X: np.ndarray, axis: int) -> np.ndarray:
    """X as a matrix whose rows are the indices of one axis."""
    return np.moveaxis(X, axis, 0).reshape(X.shape[axis], -1)


def fold(matrix: np.ndarray, axis: int, shape: tuple[int, ...]) -> np.ndarray:
    """The inverse of `unfold`."""
    moved = (shape[axis], *shape[:axis], *shape[axis + 1 :])
    return np.moveaxis(matrix.reshape(moved), 0, axis)


class AxisState:
    """The factorised covariance matrix of one axis, the matrices of its derivatives, and their adjoints."""

    def __init__(self, axis: int, matrices: dict[int, np.ndarray], jitter: float) -> None:
        self.axis, self.matrices = axis, matrices
        K = matrices[0]
        K[np.diag_indices_from(K)] += jitter
        self.factor = scipy.linalg.cholesky(K, lower=True, check_finite=False)
        self.adjoints = {n: np.zeros_like(K) for n in matrices}

    def log_determinant(self) -> float:
        return 2.0 * float(np.log(np.diagonal(self.factor)).sum())

    def inverse(self) -> np.ndarray:
        lower, info = scipy.linalg.lapack.dpotri(self.factor, lower=1)
        if info != 0:
            raise np.linalg.LinAlgError(f"dpotri: {info}")
        lower = np.tril(lower)
        return np.asarray(lower + np.tril(lower, -1).T)

    def solve(self, X: np.ndarray) -> np.ndarray:
        """K^-1 X along the axis."""
        flat = scipy.linalg.cho_solve((self.factor, True), unfold(X, self.axis), check_finite=False)
        return fold(flat, self.axis, X.shape)

    def multiply(self, n: int, X: np.ndarray, transposed: bool = False) -> np.ndarray:
        """D X along the axis, D the matrix of the n-th derivative."""
        D = self.matrices[n].T if transposed else self.matrices[n]
        return fold(D @ unfold(X, self.axis), self.axis, X.shape)

    def add_outer(self, n: int, left: np.ndarray, right: np.ndarray, factor: float = 1.0) -> None:
        """Add factor left right^T to the adjoint of the matrix of order n."""
        self.adjoints[n] += factor * (unfold(left, self.axis) @ unfold(right, self.axis).T)


class JointObjective:
    """Loss and gradient at a packed vector of parameters."""

    def __init__(self, problem: JointProblem) -> None:
        self.problem = problem
        self.pattern = problem.start()
        self.kernels = [AxisKernel(x, problem.kind) for x in problem.axes]
        self.orders = [{0} | {orders[j] for orders in problem.terms} for j in range(len(problem.axes))]
        self.known = ~np.isnan(problem.f)
        self.f = np.where(self.known, problem.f, 0.0)

    def __call__(self, vector: np.ndarray) -> tuple[float, np.ndarray | None]:
        """The loss and its gradient; infinity and None where either is not finite, or a matrix is not definite."""
        with np.errstate(all="ignore"):
            try:
                loss, gradient = self._evaluate(self.pattern.unpack(vector))
            except (np.linalg.LinAlgError, OverflowError):
                return math.inf, None
        if not (math.isfinite(loss) and np.isfinite(gradient).all()):
            return math.inf, None
        return loss, gradient

    def states(self, parameters: JointParameters) -> list[AxisState]:
        """The matrices of every axis."""
        return [
            AxisState(j, kernel.matrices(given, self.orders[j]), self.problem.jitter)
            for j, (kernel, given) in enumerate(zip(self.kernels, parameters.kernels, strict=True))
        ]

    def _evaluate(self, p: JointParameters) -> tuple[float, np.ndarray]:
        states = self.states(p)
        solved = [state.solve(p.U) for state in states]
        prior, by_U = self._prior(p.U, states, solved)
        boundary, by_tau, by_faces = self._boundary(p)
        equation, by_v = self._equation(p, states, solved, by_U)
        by_U += by_faces
        by_kernels = [
            kernel.gradient(given, state.adjoints).ravel()
            for kernel, given, state in zip(self.kernels, p.kernels, states, strict=True)
        ]
        gradient = np.concatenate([by_U.ravel(), *by_kernels, [by_tau, by_v]])
        return prior + boundary + equation, gradient

    def _prior(
        self, U: np.ndarray, states: list[AxisState], solved: list[np.ndarray]
    ) -> tuple[float, np.ndarray]:
        A = solved[0]
        for state in states[1:]:
            A = state.solve(A)
        total = 0.5 * float(np.vdot(U, A))
        for state, V in zip(states, solved, strict=True):
            copies = U.size / U.shape[state.axis]
            total += 0.5 * copies * state.log_determinant()
            state.adjoints[0] += 0.5 * copies * state.inverse()
            state.add_outer(0, A, V, -0.5)
        return total, A.copy()

    def _boundary(self, p: JointParameters) -> tuple[float, float, np.ndarray]:
        by_U, gap, count = np.zeros_like(p.U), 0.0, 0
        weight, tau = self.problem.lambda_b, math.exp(p.log_tau)
        for j, pair in enumerate(self.problem.boundary):
            for end, g in zip((0, -1), pair, strict=True):
                if g is not None:
                    face = (slice(None),) * j + (end,)
                    difference = p.U[face] - g
                    gap, count = gap + float(np.vdot(difference, difference)), count + difference.size
                    by_U[face] += weight * tau * difference
        loss = -0.5 * weight * (count * p.log_tau - tau * gap)
        return loss, -0.5 * weight * (count - tau * gap), by_U

    def _equation(
        self, p: JointParameters, states: list[AxisState], solved: list[np.ndarray], by_U: np.ndarray
    ) -> tuple[float, float]:
        """The loss of the residual and its derivative by log v; that by U is added to `by_U`."""
        problem, v = self.problem, math.exp(p.log_v)
        R = -self.f
        chains = []
        for orders, coefficient in problem.terms.items():
            value, chain = self._term(orders, p.U, states, solved)
            R = R + coefficient * value
            chains.append((coefficient, chain))
        if problem.nonlinear is not None:
            R = R + np.asarray(problem.nonlinear[0](p.U), np.float64)
        R = np.where(self.known, R, 0.0)
        gap, count = float(np.vdot(R, R)), int(self.known.sum())
        for coefficient, chain in chains:
            by_U += self._term_adjoint(v * coefficient * R, chain)
        if problem.nonlinear is not None:
            by_U += np.where(self.known, v * R * np.asarray(problem.nonlinear[1](p.U), np.float64), 0.0)
        return -0.5 * (count * p.log_v - v * gap), -0.5 * (count - v * gap)

    def _term(
        self, orders: tuple[int, ...], U: np.ndarray, states: list[AxisState], solved: list[np.ndarray]
    ) -> tuple[np.ndarray, list[Any]]:
        """The derivative of these orders of the conditional mean, and the steps that led to it."""
        value = U
        chain: list[Any] = []
        for state, n in zip(states, orders, strict=True):
            if n > 0:
                Z = state.solve(value) if chain else solved[state.axis]
                value = state.multiply(n, Z)
                chain.append((state, n, Z))
        return value, chain

    @staticmethod
    def _term_adjoint(adjoint: np.ndarray, chain: list[Any]) -> np.ndarray:
        for state, n, Z in reversed(chain):
            state.add_outer(n, adjoint, Z)
            adjoint = state.solve(state.multiply(n, adjoint, transposed=True))
            state.add_outer(0, adjoint, Z, -1.0)
        return adjoint
