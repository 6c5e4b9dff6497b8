"""The kernels of the whole module, with NumPy arrays in and out, in launches of several shapes or on a device."""

import ctypes

import pytest
from cuda_device import DeviceKernels

# Threads of a block and most blocks, simulated: few small blocks walk their data in several rounds.
LAUNCHES = [(64, 2), (256, 2048), pytest.param("device", marks=pytest.mark.gpu)]


def launched(request):
    """The kernels in launches of the shape that is the parameter of a fixture: a generator, for its set-up and end."""
    if request.param == "device":
        yield DeviceKernels()
        return
    import cupy_double

    module = request.getfixturevalue("simulated_kernels")
    simulate = ctypes.CDLL(module.__file__).simulate
    simulate(request.param[0], ctypes.c_int64(request.param[1]))
    yield DeviceKernels(module, cupy_double)
    simulate(64, ctypes.c_int64(2))
