"""The network of the deep conjugate direction method: pysolve's kernels beside the same network in torch.

Torch's is the one that `pysolve.training` fits; weights do not change what an application costs, so they are random.
"""

from typing import Any

import environment
import numpy as np
from multigrid import Plan, Problem
from report import Bar, Section, at_most
from timing import interleaved, say

import pysolve
from pysolve import gallery


def direction_net_section(plan: Plan) -> Section:
    """One application, in single precision on both sides."""
    side = 16 if plan.quick else 64
    header = ["cells", "torch ms", "pysolve ms", "ratio"]
    section = Section(f"one application of DirectionNet, {side}^3, {plan.threads} thread(s)", header)
    why = _why_not()
    if why:
        section.notes.append(f"left out: {why}")
        section.bars.append(Bar(section.title, "<= 0.5x", why, None))
        return section
    say(section.title)
    A = gallery.obstacle_box((side,) * 3)
    M, r = pysolve.DirectionNet(A), Problem(A).b
    single = r.astype(np.float32).reshape(A.grid_shape)
    calls = {"torch": torch_model(single, M.architecture, plan.threads), "pysolve": lambda: M.matvec(r)}
    times = interleaved(calls, plan.rounds, plan.budget)
    them, us = times.median("torch"), times.median("pysolve")
    section.rows.append([f"{side}^3", f"{them * 1e3:.3g}", f"{us * 1e3:.3g}", f"{us / them:.2f}x"])
    section.bars.append(at_most(f"{section.title}, over torch", 0.5, us / them))
    return section


def _why_not() -> str:
    if not hasattr(pysolve, "DirectionNet"):
        return "this pysolve has no DirectionNet"
    return "" if environment.installed("torch") else "torch is not installed"


def torch_model(r: np.ndarray, architecture: str, threads: int) -> Any:
    """An application to `r` as a call."""
    import torch

    from pysolve.training import direction_net_model as model

    torch.set_num_threads(threads)
    parameters, x = model.initial(architecture, seed=0), torch.from_numpy(r)[None, None]

    def call() -> Any:
        with torch.inference_mode():
            return model.network(parameters, x, architecture)

    return call
