"""Operators on the device launch in the stream that is current, whatever it is."""

import numpy as np
import pytest

from pysolve import gallery
from pysolve._backend import kernels
from pysolve._multilevel import Multilevel


def products(device, A, x, y):
    kernels(x).stencil_matvec(A._kernel_args[0], x, y)


def sweep_of_a_colour(device, A, x, y):
    kernels(x).sor_sweep_stencil(A._kernel_args[0], x, y, 1.0, 0)


def cycle(device, A, x, y):
    y[:] = Multilevel(A) @ x


@pytest.mark.parametrize("work", [products, sweep_of_a_colour, cycle])
def test_launches_are_in_the_stream_that_is_current(device, work):
    """The stand-in looks at each launch; on a device, a stream that does not wait for the others would show it."""
    A = gallery.poisson((12, 10, 8)).to_device("cuda")
    x = np.random.default_rng(0).standard_normal(A.shape[0])
    found = []
    for _ in range(2):
        with device.cuda.Stream(non_blocking=True) as stream:
            y = device.zeros(x.size)
            work(device, A, device.asarray(x), y)
            stream.synchronize()
            found.append(device.asnumpy(y))
    np.testing.assert_array_equal(*found)
