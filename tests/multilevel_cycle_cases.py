"""Whole V-cycles for the CUDA kernels: the levels of a `Multilevel` on the host, handed to multilevel_cycle."""

import numpy as np
import reference.multilevel as reference
from cuda_cases import DeviceKernels
from reference.stencil import Grid


def cycle(kernels, M, r, factor=1.0, last=1.0, keep=False, into=None):
    """What multilevel_cycle makes of r: the cycle of a Multilevel on the host."""
    on_device = isinstance(kernels, DeviceKernels)
    module, moved = (kernels.module, kernels.moved) if on_device else (kernels, lambda x: x)
    h, levels = M._hierarchy, []
    for k, level in enumerate(h.levels):
        box = level.box
        weights = tuple(moved(w) for w in box.weights)
        grid = module.stencil_grid(box.n, box.low, box.high, weights, moved(box.shift), None, "f4")
        places = [transfer.box.size for transfer in level.transfers]
        u, x, y, half, coarse = (
            moved(np.full(n, np.nan, "f4")) for n in (*[box.size] * 3, places[0], places[-1])
        )
        alphas = tuple(moved(transfer.alpha) for transfer in level.transfers)
        inverse = moved(level.inverse) if level.smooths else None
        scale = float(h.weights.scale[min(k, 1)])
        levels.append((grid, inverse, scale, tuple(level.axes), alphas, (u, x, y, half, coarse)))
    solution = moved(np.full(h.coarsest.size, np.nan, "f4"))
    right = moved(r)
    z = right if into is r else moved(np.full_like(r, np.nan))
    parts = levels, tuple(h.weights.tau), moved(h.solve), solution
    if on_device:
        module.multilevel_cycle(module.multilevel_plan(*parts), right, factor, last, keep, z)
        return kernels.cupy.asnumpy(z)
    simulated_cycle(kernels, *parts, right, factor, last, keep, z)
    return z


def simulated_cycle(kernels, levels, tau, solve, solution, r, factor, last, keep, z):
    sizes = [len(levels), solution.size, tau[0].size, tau[1].size, keep]
    numbers = np.array([factor, last, *(level[2] for level in levels)])
    arrays = [r, z, solve, solution, *map(np.ascontiguousarray, tau), numbers]
    for (_, extents, faces), inverse, _, axes, alphas, work in levels:
        missing = 3 - len(axes)
        sizes += [*extents, len(axes), *axes, *[0] * missing]
        arrays += [*faces, inverse, *work, *alphas, *[None] * missing]
    kernels._run("multilevel_cycle", [r.dtype], sizes, arrays)


def expected_cycle(M, r, factor=1.0, last=1.0, keep=False):
    """The same by the reference."""
    h, levels = M._hierarchy, []
    for k, level in enumerate(h.levels):
        box = level.box
        sizes = [tuple(n + (a == b) for b, n in enumerate(box.n)) for a in range(3)]
        weights = [
            w if w is None or isinstance(w, float) else w.reshape(size)
            for w, size in zip(box.weights, sizes, strict=True)
        ]
        weights[1] = 0.0 if weights[1] is None else weights[1]
        shift = box.shift if isinstance(box.shift, float) else box.shift.reshape(box.n)
        grid = Grid(box.n, box.low, box.high, weights, shift, None, "f4")
        inverse = level.inverse if level.smooths else None
        alphas = [transfer.alpha for transfer in level.transfers]
        levels.append((grid, inverse, h.weights.scale[min(k, 1)], level.axes, alphas))
    z = np.empty(r.size)
    reference.multilevel_cycle(levels, h.weights.tau, h.solve, r, factor, last, keep, z)
    return z
