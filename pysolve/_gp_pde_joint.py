"""The objective of GP-HM as the paper has it, over u, the kernels and the noise together.

log N(vec U | 0, C) + lambda_b log N(g | u_b, 1/tau) + log N(0 | residual, 1/v) on the grid, its sign turned: it is kept
for fidelity, and equals the reference implementation's to rounding at given parameters. What the reference does, and
this does too:

- No constant: the terms in log 2 pi are left out.
- The weight of the boundary multiplies its log precision too: lambda_b (B log tau - tau |u_b - g|^2) / 2.
- A corner belongs to each of its faces: in two dimensions its values count twice, B = 2 (N_1 + N_2).
- u on the boundary is still part of U, and the equation is asked for there as well.
- The jitter is on the diagonal of each axis' matrix, not of their product, and not on derivatives of the covariance.
- The Gaussian kernels learn log rho^2, the Matern kernels log rho; it matters to Adam, whose steps are all alike.
- Frequencies may turn negative; the cosine does not mind.
- The start does not depend on a seed: u = 0, w = 1/Q, rho = 1, tau = v = 1, frequencies 0 to freq_scale evenly.
- The loss has no lower bound: with a residual of 0 it falls without end as v grows. Adam runs out of steps first.

What differs: N distances in place of N^2 on an even grid, gradients by hand in place of automatic differentiation,
Cholesky factors in place of LU factors. The reference reports the best of some iterates by the true solution; here it
is the last one.

With both precisions free L-BFGS finds another end: it fits the boundary exactly and calls the equation noise, log tau
up and log v down. Its precisions are therefore bounded, by default from below by those of the start.

Measured on the paper's first case (Student's t, N = 400, Q = 30; relative L2 error on 300 points): Adam 2.3e-2 after
1500 steps, 7.8e-3 after 7500, 8.6e-4 after 10500, 2.6e-5 after 15000; L-BFGS 7e-3 after 500 iterations, 1e-2 after
4000, though its loss keeps falling. An evaluation takes 14 ms of one core. Neither is a fast way to solve the equation.
"""

from __future__ import annotations

import dataclasses
import math
from typing import Any

import numpy as np

from pysolve._arrays import as_numbers, check_finite
from pysolve._gallery_arguments import check_count, check_number, check_positive
from pysolve._gp_pde_joint_objective import JointObjective, fold, unfold
from pysolve._gp_pde_joint_optimise import Course, JointStatus, Progress, adam, lbfgs
from pysolve._gp_pde_joint_problem import JointParameters, JointProblem
from pysolve._spectral_mixture import SpectralMixture

__all__ = ["JointParameters", "JointProblem", "JointResult", "JointStatus", "minimise_joint"]
DEFAULT_STEPS = {"adam": 15_000, "lbfgs": 2_000}


@dataclasses.dataclass(frozen=True, eq=False)
class JointResult:
    """What `minimise_joint` found.

    Attributes
    ----------
    problem : JointProblem
    parameters : JointParameters
        The last iterate, finite.
    losses : ndarray
        The objective at the start and after each iteration.
    status : JointStatus
    """

    problem: JointProblem
    parameters: JointParameters
    losses: np.ndarray
    status: JointStatus

    @property
    def U(self) -> np.ndarray:
        """u on the grid."""
        return self.parameters.U

    @property
    def iterations(self) -> int:
        return self.losses.size - 1

    @property
    def kernels(self) -> tuple[SpectralMixture, ...]:
        """The kernel of each axis."""
        return tuple(kernel.mixture(self.problem.kind) for kernel in self.parameters.kernels)

    def predict(self, axes: Any, orders: Any = None) -> np.ndarray:
        """The conditional mean of u, or of a derivative of these orders, on the grid of other axes."""
        shape = self.problem.shape
        orders = (0,) * len(shape) if orders is None else tuple(orders)
        if len(axes) != len(shape) or len(orders) != len(shape):
            raise ValueError(f"axes and orders must have {len(shape)} parts, one for each axis")
        states = JointObjective(self.problem).states(self.parameters)
        value = self.U
        for state, kernel, x, where, n in zip(
            states, self.kernels, self.problem.axes, axes, orders, strict=True
        ):
            where = np.atleast_1d(as_numbers(where, "axes")).astype(np.float64)
            check_finite(where, "axes")
            flat = kernel.covariance(where[:, None] - x, n) @ unfold(state.solve(value), state.axis)
            value = fold(
                flat,
                state.axis,
                (*value.shape[: state.axis], where.size, *value.shape[state.axis + 1 :]),
            )
        return value


def minimise_joint(
    problem: JointProblem,
    *,
    optimiser: str = "lbfgs",
    maxiter: int | None = None,
    learning_rate: float = 1e-2,
    rtol: float = 1e-12,
    precisions: tuple[float, float] = (0.0, 30.0),
    start: JointParameters | None = None,
    callback: Progress | None = None,
) -> JointResult:
    """Minimise the paper's objective over u, the kernels and the precisions together.

    Parameters
    ----------
    problem : JointProblem
    optimiser : {"lbfgs", "adam"}, default "lbfgs"
        ``"adam"`` makes the reference's iterates.
    maxiter : int, optional
        Iterations, by default 2000 of L-BFGS or 15000 of Adam.
    learning_rate : float, default 1e-2
        Of Adam.
    rtol : float, default 1e-12
        L-BFGS ends when an iteration changes the loss by less than this part of it.
    precisions : tuple of float, default (0, 30)
        Between these L-BFGS keeps log tau and log v.
    start : JointParameters, optional
        The reference's start if omitted.
    callback : callable, optional
        Called with the iteration and its loss; the run ends if it returns something true.

    Returns
    -------
    JointResult
        Always finite: where the objective overflows, the last iterate before.

    Raises
    ------
    ValueError, TypeError
        For a wrong argument.
    """
    if optimiser not in DEFAULT_STEPS:
        raise ValueError(f"optimiser must be one of {', '.join(DEFAULT_STEPS)}, but is {optimiser!r}")
    if callback is not None and not callable(callback):
        raise TypeError(f"callback must be callable, not {type(callback).__name__}")
    maxiter = DEFAULT_STEPS[optimiser] if maxiter is None else check_count(maxiter, "maxiter", 0)
    learning_rate = check_positive(learning_rate, "learning_rate")
    rtol = check_number(rtol, "rtol", "in [0, 1)", lambda number: 0 <= number < 1)
    objective = JointObjective(problem)
    vector = (problem.start() if start is None else _checked_start(start, problem)).pack()
    if optimiser == "lbfgs":
        vector[-2:] = np.clip(vector[-2:], *_checked_precisions(precisions))
    course = Course(vector, [], callback)
    try:
        if optimiser == "adam":
            status = adam(objective, course, maxiter, learning_rate)
        else:
            status = lbfgs(objective, course, maxiter, rtol, precisions)
    except KeyboardInterrupt:
        status = JointStatus.INTERRUPTED
    return JointResult(problem, objective.pattern.unpack(course.vector), np.array(course.losses), status)


def _checked_precisions(bounds: Any) -> tuple[float, float]:
    low, high = (check_number(bound, "precisions", "a pair of numbers", math.isfinite) for bound in bounds)
    if low > high:
        raise ValueError(f"precisions must be a pair (low, high) with low <= high, but is {bounds!r}")
    return low, high


def _checked_start(start: JointParameters, problem: JointProblem) -> JointParameters:
    pattern = problem.start()
    vector = start.pack()
    if start.U.shape != problem.shape or vector.size != pattern.pack().size:
        raise ValueError(f"start must have u of shape {problem.shape} and kernels of Q = {problem.Q} numbers")
    check_finite(vector, "start")
    return start
