"""V-cycles on the device: one call for a cycle, or its graph, in a workspace of the thread and the stream."""

from __future__ import annotations

import functools
import math
import threading
from collections.abc import Callable
from typing import Any

import numpy as np

from pysolve._backend import device_namespace, empty, zeros

STEP = 32  # powers of two between one factor and the next
MOST_GRAPHS = 32  # of a stream: more than the vectors of one solve ask for


class DeviceCycles:
    """The cycles of one set-up. What is kept here goes with it: a graph holds the addresses and numbers that it met."""

    def __init__(self, hierarchy: Any, A: Any) -> None:
        self.hierarchy, self.A, self.keep = hierarchy, A, bool(A._decoupled.size)
        self.local = threading.local()

    def apply(self, r: Any, z: Any) -> None:
        """z = M r, and r in solid cells. Waits for the size of r."""
        size = max(float(r.max()), -float(r.min())) if r.size else 0.0
        self.launch(r, z, factor_for(size, r.dtype))

    def launch(self, r: Any, z: Any, factor: float) -> None:
        """The same with a factor that makes r of a size for float32; waits for nothing."""
        self._run(self._workspace(), self._source(r, z), z, factor)

    def captured(self, r: Any, z: Any, norm: float) -> Callable[[], None]:
        """A function that launches z = M r for these two vectors, as one graph where the stream allows it.

        `norm` is that of r, more or less: one graph serves those within a factor of 2^16 of a power of 2^32.
        """
        factor = factor_for(norm, r.dtype)
        graphs = self._workspace().graphs
        key = r.data.ptr, z.data.ptr, r.dtype.str, factor
        if key not in graphs:
            if len(graphs) >= MOST_GRAPHS:
                graphs.clear()
            graphs[key] = self._graph(r, z, factor)
        graph = graphs[key]

        def launch() -> None:
            stream = device_namespace().cuda.get_current_stream()
            if graph is None or stream.is_capturing():  # the launches join the graph that is made there
                self.launch(r, z, factor)
            else:
                self._source(r, z)
                graph.launch(stream)

        return launch

    def _graph(self, r: Any, z: Any, factor: float) -> Any:
        """The launches as a graph, or None where they cannot be captured.

        They are captured on a stream of their own, which runs nothing: the default one cannot be captured, and that of
        the caller may be under capture already. The graph is launched where the caller is.
        """
        if (
            "stream" not in z.__cuda_array_interface__
        ):  # CuPy was told not to export it: launches are not where it is
            return None
        space, source = self._workspace(), z if self.null[1] else r  # room of the caller's stream
        stream = device_namespace().cuda.Stream(non_blocking=True)
        try:
            with stream:
                stream.begin_capture()
                try:
                    self._run(space, source, z, factor)
                finally:
                    graph = stream.end_capture()
        except RuntimeError:  # CuPy's errors are such
            return None
        return graph

    def _source(self, r: Any, z: Any) -> Any:
        """What a cycle starts from: r, or where constants are to be taken out first, a copy in z."""
        if not self.null[1]:
            return r
        z[:] = r
        return z

    def _run(self, space: _Workspace, source: Any, z: Any, factor: float) -> None:
        h, (labels, count) = self.hierarchy, self.null
        last = min(h.scale / factor, float(np.finfo(z.dtype).max))
        if count:
            h.module.stencil_project_out(labels, count, z)
        h.module.multilevel_cycle(space.plan, source, factor, last, self.keep, z)
        if count:
            h.module.stencil_project_out(labels, count, z)

    @functools.cached_property
    def null(self) -> tuple[Any, int]:
        """Every cell's component in the null space, as an array that the kernels can read, and their number."""
        labels, count = self.A.components
        return (zeros(labels.size, np.int32, labels) if count and labels.strides == (0,) else labels), count

    def _workspace(self) -> _Workspace:
        """That of this thread and its stream: launches that may overlap must not share one."""
        spaces = self.local.__dict__
        stream = f"stream {device_namespace().cuda.get_current_stream().ptr}"
        if stream not in spaces:
            spaces[stream] = _Workspace(self.hierarchy)
        space: _Workspace = spaces[stream]
        return space

    def bytes_per_cycle(self, itemsize: int) -> int:
        """By the costs that csrc/multilevel_cycle.hpp states; 0 for the level that is solved at once."""
        h = self.hierarchy
        steps = [tau.size for tau in h.weights.tau]
        return sum(
            _bytes_of(level, steps[min(k, 1)], itemsize if k == 0 else 4) for k, level in enumerate(h.levels)
        )


class _Workspace:
    """The plan of all levels with room to work in, and the graphs that have been made of it."""

    def __init__(self, h: Any) -> None:
        def room(size: int) -> Any:
            return empty(size, np.float32, h.coarsest)

        levels = []
        for k, level in enumerate(h.levels):
            n, below = level.box.size, [transfer.box.size for transfer in level.transfers]
            u, y = (room(n if level.smooths else 0) for _ in range(2))
            half = room(below[0] if level.smooths and level.axes[0] == 0 and len(below) > 1 else 0)
            work = u, room(n), y, half, room(below[-1])
            inverse = level.inverse if level.smooths else None
            alphas = tuple(transfer.alpha for transfer in level.transfers)
            scale = float(h.weights.scale[min(k, 1)])
            levels.append((level.box.grid, inverse, scale, tuple(level.axes), alphas, work))
        tau = tuple(np.ascontiguousarray(row) for row in h.weights.tau)
        self.plan = h.module.multilevel_plan(levels, tau, h.solve, room(h.coarsest.size))
        self.graphs: dict[Any, Any] = {}


def factor_for(size: float, dtype: Any) -> float:
    """The power of 2^32 that brings numbers of about this size nearest to 1, within the exponents of the type."""
    if not 0 < size < math.inf:
        return 1.0
    most = 96 if dtype == np.float32 else 992
    exponent = STEP * round(math.log2(size) / STEP)
    return 2.0 ** -min(max(exponent, -most), most)


def _bytes_of(level: Any, n_steps: int, itemsize: int) -> int:
    """That one cycle moves at a level, each value of a launch counted once."""
    n, *below = [level.box.size, *(transfer.box.size for transfer in level.transfers)]
    alphas = 4 * sum([n, *below[:-1]])
    transfers = 2 * alphas + 8 * below[-1] + 4 * n  # of which x is written
    if not level.smooths:
        return transfers + 4 * n
    fused = level.axes[0] == 0
    between = (8 * below[0] if len(below) > 1 else 0) if fused else 8 * n
    sweeps = (12 + 8 + 12 + 2 * itemsize + itemsize) + (2 * n_steps - 3) * 16
    return transfers + 4 * n + between + n * (sweeps + 2 * n_steps * level.box.bytes_of_weights)
