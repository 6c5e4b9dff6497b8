"""`gp_pde` with method="joint": the arguments of the paper's objective, and its minimum as a solution."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Any

from pysolve._backend import on_device
from pysolve._gp_pde_finish import finished_joint
from pysolve._gp_pde_joint import JointProblem, minimise_joint
from pysolve._gp_pde_problem import Problem
from pysolve._gp_pde_result import GPSolution

JOINT_OPTIONS = {"Q", "freq_scale", "lambda_b", "jitter", "optimiser", "maxiter", "learning_rate"}


def solved_jointly(
    problem: Problem, kernel: Any, options: Mapping[str, Any], report: Callable[[str], Any], started: float
) -> GPSolution:
    """The paper's own objective; TypeError for arrays on the GPU."""
    if on_device(problem.f):
        raise TypeError(
            "method='joint' takes NumPy arrays, but the problem is on the GPU: give cupy.asnumpy(f) and the other "
            "arrays likewise, or take method='least-squares'"
        )
    unknown = set(options) - JOINT_OPTIONS
    if unknown:
        raise ValueError(
            f"options of method='joint' are {', '.join(sorted(JOINT_OPTIONS))}, got {sorted(unknown)}"
        )
    plain = all(face.b == 0 for face in problem.faces) and not problem.periodic
    if not plain or problem.unknowns or problem.data is not None or not problem.exact:
        raise ValueError(
            "method='joint' takes values of u at the sides only, no noise, data or unknown numbers"
        )
    sides: list[list[Any]] = [[None, None] for _ in problem.axes]
    for face in problem.faces:
        sides[face.axis][face.end] = face.g / face.a
    numbers = {name: options[name] for name in ("Q", "freq_scale", "lambda_b", "jitter") if name in options}
    given = JointProblem(
        problem.axes,
        problem.summed_terms,
        problem.f,
        [tuple(pair) for pair in sides],
        problem.nonlinear,
        kernel,
        **numbers,
    )
    steering = {name: options[name] for name in ("optimiser", "maxiter", "learning_rate") if name in options}
    found = minimise_joint(
        given, callback=lambda step, loss: report(f"joint step {step}: loss {loss:.6g}"), **steering
    )
    seconds = time.perf_counter() - started
    return finished_joint(problem, found, {"frequencies": 0.0, "solve": seconds, "total": seconds})
