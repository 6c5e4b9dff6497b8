"""How the joint objective is made small: Adam as the reference does it, and L-BFGS."""

from __future__ import annotations

import dataclasses
import enum
import math
from collections.abc import Callable
from typing import Any

import numpy as np
import scipy.optimize

from pysolve._gp_pde_joint_objective import JointObjective, fold, unfold

BETA1, BETA2, EPSILON = 0.9, 0.999, 1e-8  # Adam's, as in the reference
MEMORY = 20  # pairs of L-BFGS
Progress = Callable[[int, float], Any]


class JointStatus(enum.Enum):
    """How the optimisation of the joint objective ended. ``str(status)`` is the explanation."""

    CONVERGED = "the objective or its gradient has stopped changing, to the tolerance"
    MAXITER = "the limit of iterations was reached"
    STALLED = "no step along the search direction makes the objective smaller"
    OVERFLOW = "the objective was no longer finite; the last finite iterate was kept"
    STOPPED = "the callback stopped the iteration"
    INTERRUPTED = "the iteration was interrupted; the last iterate was kept"

    def __str__(self) -> str:
        return self.value


@dataclasses.dataclass
class Course:
    """The run so far: the last accepted iterate, and the loss at the start and after each step."""

    vector: np.ndarray
    losses: list[float]
    progress: Progress | None

    def accept(self, vector: np.ndarray, loss: float) -> bool:
        """Keep an iterate; whether the callback wants to stop."""
        self.vector = vector
        self.losses.append(loss)
        return self.progress is not None and bool(self.progress(len(self.losses) - 1, loss))


def adam(objective: JointObjective, course: Course, maxiter: int, learning_rate: float) -> JointStatus:
    """Adam with the reference's constants; the loss after step t is that which the reference prints as step t."""
    vector = course.vector
    mean, square = np.zeros_like(vector), np.zeros_like(vector)
    loss, gradient = objective(vector)
    course.losses.append(loss)
    if gradient is None:
        return JointStatus.OVERFLOW
    for t in range(1, maxiter + 1):
        with np.errstate(over="ignore", invalid="ignore"):
            mean = BETA1 * mean + (1 - BETA1) * gradient
            square = BETA2 * square + (1 - BETA2) * gradient**2
            step = mean / (1 - BETA1**t) / (np.sqrt(square / (1 - BETA2**t)) + EPSILON)
        vector = vector - learning_rate * step
        loss, gradient = objective(vector)
        if gradient is None:
            return JointStatus.OVERFLOW
        if course.accept(vector, loss):
            return JointStatus.STOPPED
    return JointStatus.MAXITER


class Whitened:
    """The objective in z, U = (L_1 x ... x L_d) z with the Cholesky factors of the start: there the prior is white."""

    def __init__(self, objective: JointObjective, start: np.ndarray) -> None:
        self.objective, self.shape = objective, objective.problem.shape
        self.n = math.prod(self.shape)
        self.factors = [state.factor for state in objective.states(objective.pattern.unpack(start))]
        self.finite = True  # the last evaluation
        self.largest = math.inf

    def _along(self, U: np.ndarray, apply: Callable[[np.ndarray, np.ndarray], np.ndarray]) -> np.ndarray:
        X = U.reshape(self.shape)
        for axis, L in enumerate(self.factors):
            X = fold(apply(L, unfold(X, axis)), axis, self.shape)
        return X.ravel()

    def whiten(self, vector: np.ndarray) -> np.ndarray:
        z = vector.copy()
        z[: self.n] = self._along(
            vector[: self.n], lambda L, X: scipy.linalg.solve_triangular(L, X, lower=True)
        )
        return z

    def colour(self, z: np.ndarray) -> np.ndarray:
        vector = z.copy()
        vector[: self.n] = self._along(z[: self.n], lambda L, X: L @ X)
        return vector

    def __call__(self, z: np.ndarray) -> tuple[float, np.ndarray]:
        """Loss and gradient; where it is not finite, a loss above every one so far, which the line search leaves."""
        loss, gradient = self.objective(self.colour(z))
        self.finite = gradient is not None
        if gradient is None:
            return self.largest + 9 * abs(self.largest) + 1.0, np.zeros_like(z)
        self.largest = loss
        gradient[: self.n] = self._along(gradient[: self.n], lambda L, X: L.T @ X)
        return loss, gradient


def lbfgs(
    objective: JointObjective, course: Course, maxiter: int, rtol: float, precisions: tuple[float, float]
) -> JointStatus:
    """L-BFGS in the whitened variables, log tau and log v kept within bounds."""
    loss, gradient = objective(course.vector)
    course.losses.append(loss)
    if gradient is None:
        return JointStatus.OVERFLOW
    if maxiter == 0:
        return JointStatus.MAXITER
    whitened = Whitened(objective, course.vector)
    stopped = False

    def accept(intermediate_result: Any) -> None:
        nonlocal stopped
        if course.accept(whitened.colour(intermediate_result.x), float(intermediate_result.fun)):
            stopped = True
            raise StopIteration

    n = course.vector.size
    bounds = scipy.optimize.Bounds(
        np.append(np.full(n - 2, -np.inf), [precisions[0]] * 2),
        np.append(np.full(n - 2, np.inf), [precisions[1]] * 2),
    )
    options = {"maxiter": maxiter, "maxfun": 20 * maxiter, "maxcor": MEMORY, "ftol": rtol, "gtol": 1e-9}
    z = whitened.whiten(course.vector)
    found = scipy.optimize.minimize(
        whitened, z, jac=True, method="L-BFGS-B", bounds=bounds, callback=accept, options=options
    )
    if stopped:
        return JointStatus.STOPPED
    if found.status == 1:
        return JointStatus.MAXITER
    if found.status == 0:
        return JointStatus.CONVERGED
    return JointStatus.STALLED if whitened.finite else JointStatus.OVERFLOW
