"""The network of the deep conjugate direction method: pysolve's kernels beside the same network in torch.

Weights do not change what an application costs, so torch's are random. Kaneda et al., ICML 2023, the "64" model:
3 x 3 x 3 convolutions of 16 channels, a fine level of 5, a coarse one of 6 (one 2 x 2 x 2 average pool, nearest
up-sampling plus what the fine level had), a fine one of 4, and a dense layer.
"""

from typing import Any

import environment
import numpy as np
from multigrid import Plan, Problem
from report import Bar, Section, at_most
from timing import interleaved, say

import pysolve
from pysolve import gallery

N_PARAMETERS = 97_457


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
    calls = {"torch": torch_model(r.astype(np.float32).reshape(A.grid_shape), plan.threads)}
    calls["pysolve"] = lambda: M.matvec(r)
    times = interleaved(calls, plan.rounds, plan.budget)
    them, us = times.median("torch"), times.median("pysolve")
    section.rows.append([f"{side}^3", f"{them * 1e3:.3g}", f"{us * 1e3:.3g}", f"{us / them:.2f}x"])
    section.bars.append(at_most(f"{section.title}, over torch", 0.5, us / them))
    return section


def _why_not() -> str:
    if not hasattr(pysolve, "DirectionNet"):
        return "this pysolve has no DirectionNet"
    return "" if environment.installed("torch") else "torch is not installed"


def torch_model(r: np.ndarray, threads: int) -> Any:
    """An application of the "64" model to `r` as a call."""
    import torch
    from torch import nn

    torch.set_num_threads(threads)

    class Pairs(nn.Module):
        """Convolutions with ReLU; every second one adds its input."""

        def __init__(self, count: int) -> None:
            super().__init__()
            self.layers = nn.ModuleList(nn.Conv3d(16, 16, 3, padding=1) for _ in range(count))

        def forward(self, x: Any) -> Any:
            for first, second in zip(self.layers[::2], self.layers[1::2], strict=True):
                y = torch.relu(first(x))
                x = torch.relu(second(y)) + y
            return x

    class Model(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.first, self.fine = nn.Conv3d(1, 16, 3, padding=1), Pairs(4)
            self.coarse, self.after, self.last = Pairs(6), Pairs(4), nn.Linear(16, 1)

        def forward(self, x: Any) -> Any:
            x = self.fine(self.first(x))
            up = nn.functional.interpolate(self.coarse(nn.functional.avg_pool3d(x, 2)), scale_factor=2)
            return self.last(self.after(up + x).movedim(1, -1))

    model = Model().eval()
    n_parameters = sum(p.numel() for p in model.parameters())
    if n_parameters != N_PARAMETERS:
        raise RuntimeError(f"the model has {n_parameters} parameters, not {N_PARAMETERS}")
    x = torch.from_numpy(r)[None, None]

    def call() -> Any:
        with torch.inference_mode():
            return model(x)

    return call
