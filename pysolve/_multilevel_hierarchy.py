"""The hierarchy of a V-cycle: set up from an operator, and walked down and up again. Arrays are float32."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from pysolve._backend import empty, module_at
from pysolve._multilevel_device import DeviceCycles
from pysolve._multilevel_levels import Box, Level, box_of, fits, pseudo_inverse
from pysolve._multilevel_weights import DimensionWeights
from pysolve._stencil_products import three_axes

SMALLEST = 64  # cells of a level that is solved at once
# Of the largest face: a weaker one counts as this weak, so that no cell comes loose in float32.
LEAST = 2.0**-60


class Hierarchy:
    """All levels of one operator; `cycle` applies them, in a workspace that is made when none is free."""

    def __init__(self, A: Any, weights: DimensionWeights) -> None:
        self.weights = weights
        self.module = module_at(A._place)
        self.levels: list[Level] = []
        self.solve: Any = None  # the inverse on the coarsest box; None: set-up failed
        self.make(A)

    def make(self, A: Any) -> None:
        """Set up for the operator; arrays of an earlier set-up are used again as far as the levels are the same."""
        old, self.levels, self.solve = self.levels, [], None
        levels: list[Level] = []
        box = self._finest(A, old[0].box if old else None)
        while box.size > SMALLEST and (axes := self._strong_axes(box)):
            before = levels[-1] if levels else None
            smooths = not (before and before.smooths and before.axes == axes and len(axes) == 1)
            k = len(levels)
            same = k < len(old) and (old[k].box, old[k].axes, old[k].smooths) == (box, axes, smooths)
            levels.append(old[k] if same else Level(box, axes, smooths))
            levels[-1].make(self.weights, self.module)
            box = levels[-1].transfers[-1].box
        if levels != old or not levels:
            self.spare: list[Any] = []  # workspaces, one for each cycle that ran at the same time
        self.coarsest, self.levels, self.solve = box, levels, pseudo_inverse(box)
        if A._place == "cuda":
            self.on_device = DeviceCycles(self, A)  # graphs of an earlier one hold what it was

    def _finest(self, A: Any, old: Box | None) -> Box:
        """The box of A's own faces, divided by a power of two such that the largest is near 1."""
        self.scale = _power_near(1 / min(max(A.norm, 1e-300), 1e300))
        box = old if old is not None and fits(old, A) else box_of(A)
        box.weights = [self._single(w, out) for w, out in zip(three_axes(A)[2], box.weights, strict=True)]
        box.shift = self._single(A.shift, box.shift)
        box.make_grid(self.module)
        return box

    def _single(self, values: Any, out: Any) -> Any:
        """Values times the scale in float32, none but zeros weaker than LEAST; into `out` if it is an array."""
        if values is None:
            return None
        if isinstance(values, float):
            return max(values * self.scale, LEAST) if values > 0 else 0.0
        if out is None or isinstance(out, float):
            out = empty(values.size, np.float32, values)
        self.module.multilevel_narrow(values.ravel(), self.scale, LEAST, out)
        return out

    def _strong_axes(self, box: Box) -> list[int]:
        """The axes whose faces weigh at least theta times those of the strongest: the ones to coarsen."""
        mean = [0.0 if box.n[a] == 1 else float(np.mean(box.weights[a], dtype=float)) for a in range(3)]
        return [a for a in range(3) if box.n[a] > 1 and mean[a] >= self.weights.theta * max(mean)]

    def extents(self, dimension: int) -> list[tuple[int, ...]]:
        boxes = [level.box for level in self.levels] + [self.coarsest]
        return [box.n if dimension == 3 else (box.n[0], box.n[2]) for box in boxes]

    def bytes_per_cycle(self, itemsize: int) -> int:
        """By the costs that csrc/multilevel.hpp states; 0 for the level that is solved at once."""
        if self.coarsest._place == "cuda":
            return self.on_device.bytes_per_cycle(itemsize)
        return sum(level.n_bytes(itemsize if k == 0 else 4) for k, level in enumerate(self.levels))

    # ---- the cycle ----------------------------------------------------------------------------------------------

    def cycle(self, b: Any, z: Any) -> bool:
        """z = M b, 0 in solid cells; float64 or float32, contiguous. Whether b is more than 0 in a solid cell."""
        spare = self.spare
        try:
            workspace = spare.pop()
        except IndexError:
            workspace = [_buffers(level) for level in self.levels]
        if not self.levels:
            size = float(np.max(np.abs(b), initial=0)) or 1.0
            factor = min(_power_near(1 / size), 2.0**100)
            z[:] = (self.solve @ (b * b.dtype.type(factor))) * (self.scale / factor)
            return True
        self._at(0, workspace, b, z)
        spare.append(workspace)
        return bool(workspace[0]["solid"])

    def _at(self, k: int, workspace: list[dict[str, Any]], b: Any, z: Any) -> Any:
        """One walk from level k down and up again, from the right-hand side b to z (None: an array of the level)."""
        level, buffers, module = self.levels[k], workspace[k], self.module
        scale, tau = self.weights.scale[min(k, 1)], self.weights.tau[min(k, 1)]
        x = buffers["x"]
        if not level.smooths:
            self._to_coarse(level, buffers, b)
            self._from_coarse(level, buffers, self._below(k, workspace), scale, False)
            return x
        grid, inverse, u, y = level.box.grid, level.inverse, buffers["u"], buffers["y"]
        factor, buffers["solid"] = self._descend(level, b, z is not None, tau, u, x, y)
        self._to_coarse(level, buffers, y)
        alpha, e = self._from_coarse(level, buffers, self._below(k, workspace), scale, True)
        if z is None:
            z = y if len(tau) % 2 else x
            last = 1.0
        else:
            last = min(self.scale / factor, float(np.finfo(z.dtype).max))
        module.multilevel_ascend(grid, alpha, e, scale, u, inverse, tau, x, y, last, z)
        return z

    def _descend(
        self, level: Level, b: Any, finest: bool, tau: Any, u: Any, x: Any, y: Any
    ) -> tuple[float, bool]:
        """Steps from x = 0 and the residual y, of `factor` b. The factor, and whether b is not 0 in solid cells."""
        descend, grid, inverse = self.module.multilevel_descend, level.box.grid, level.inverse
        largest, solid = descend(grid, b, 1.0, inverse, tau, u, x, y)
        if not finest or 1e-10 < largest < 1e10:
            return 1.0, solid > 0
        size = largest if 0 < largest < np.inf else float(np.max(np.abs(b), initial=0)) or 1.0
        factor = min(_power_near(1 / size), 2.0**100 if b.dtype == np.float32 else np.inf)
        if factor != 1.0:
            largest, solid = descend(grid, b, factor, inverse, tau, u, x, y)
        return factor, solid > 0

    def _below(self, k: int, workspace: list[dict[str, Any]]) -> Any:
        b = workspace[k]["coarse"][-1]
        if k + 1 < len(self.levels):
            return self._at(k + 1, workspace, b, None)
        np.matmul(self.solve, b, out=workspace[k]["solution"])
        return workspace[k]["solution"]

    def _to_coarse(self, level: Level, buffers: dict[str, Any], r: Any) -> None:
        for transfer, coarse in zip(level.transfers, buffers["coarse"], strict=True):
            self.module.multilevel_restrict(*transfer.place, transfer.alpha, r, coarse)
            r = coarse

    def _from_coarse(
        self, level: Level, buffers: dict[str, Any], e: Any, scale: float, add: bool
    ) -> tuple[Any, Any]:
        """x = scale P e, or x += scale P e; where that can wait for the walk up, what it needs: alpha and e."""
        prolong = self.module.multilevel_prolong
        for transfer, fine in zip(level.transfers[:0:-1], buffers["coarse"][-2::-1], strict=True):
            prolong(*transfer.place, transfer.alpha, e, 1.0, False, fine)
            e = fine
        first = level.transfers[0]
        if add and first.axis == 0:
            return first.alpha, e
        prolong(*first.place, first.alpha, e, scale, add, buffers["x"])
        return None, None


def _buffers(level: Level) -> dict[str, Any]:
    """What a level works in: u, x and y of its size, and what its transfers lead to."""
    n = level.box.size
    buffers: dict[str, Any] = {"x": empty(n, np.float32)}
    if level.smooths:
        buffers |= {"u": empty(n, np.float32), "y": empty(n, np.float32)}
    buffers["coarse"] = [empty(transfer.box.size, np.float32) for transfer in level.transfers]
    buffers["solution"] = empty(level.transfers[-1].box.size, np.float32)
    return buffers


def _power_near(value: float) -> float:
    """The power of two below a positive number, within the exponents that both kinds of floats have."""
    if not value < np.inf:
        return 2.0**1000
    return 2.0 ** min(max(math.floor(math.log2(value)), -1000), 1000) if value > 0 else 2.0**-1000
