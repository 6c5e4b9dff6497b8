"""The kernels of ``_cuda`` on a device, or of a module that stands for it, with NumPy arrays in and out."""

import numpy as np
import pytest

from pysolve import _backend


class DeviceKernels:
    """The kernels of ``_cuda``: arguments are copied to the device, and what was written is copied back."""

    def __init__(self, module=None, cupy=None):
        self.cupy = cupy or pytest.importorskip("cupy", reason="CuPy is not installed")
        self.module = module or _backend._cuda

    def __getattr__(self, name):
        kernel = getattr(self.module, name)
        if isinstance(kernel, type):
            return lambda *arguments: kernel(*map(self.moved, arguments))

        def call(*arguments):
            stays = on_host(name, len(arguments))
            on_device = [x if k in stays else self.moved(x) for k, x in enumerate(arguments)]
            result = kernel(*on_device)
            for ours, theirs in zip(arguments, on_device, strict=True):
                if isinstance(ours, np.ndarray) and theirs is not ours and ours.flags.writeable:
                    ours[...] = self.cupy.asnumpy(theirs)
            return result

        return call

    def moved(self, x):
        if isinstance(x, tuple):
            return tuple(self.moved(entry) for entry in x)
        if isinstance(x, list):
            return [self.moved(entry) for entry in x]
        return self.cupy.array(x) if isinstance(x, np.ndarray) else x


def on_host(name, n_arguments):
    """Places of the arguments of a kernel that are NumPy arrays on every backend: few numbers, nets, steps, norms."""
    if name.startswith(("conjugate_directions_run_", "sor_run_", "ssor_cg_run_")):
        return {n_arguments - 2}
    places = {"conjugate_directions_orthogonalise": {4}, "multilevel_cells": {1, 2}}
    return (places | {"multilevel_descend": {4}, "multilevel_ascend": {6}}).get(name, set())
