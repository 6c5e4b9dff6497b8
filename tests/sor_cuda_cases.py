"""What the tests of runs of sor on a device share: the kernels at their places, and runs of them."""

import numpy as np
import pytest
from cuda_cases import stencil_handle
from sor_cases import arrays_of, laplacian

from pysolve import gallery

LAUNCHES = [(32, 1), (64, 3)]  # threads of a block, most blocks
PLACES = [*LAUNCHES, pytest.param("device", marks=pytest.mark.gpu)]


def run(module, name, *arguments, n_steps, tolerance=-1.0, state=None):
    """A run of so many steps: its state and its norms."""
    state, norms = state or module.RunState(), np.full(n_steps, -7.0)
    state.n_steps, state.tolerance = n_steps, tolerance
    getattr(module, name)(*arguments, norms, state)
    assert (norms[state.n_steps :] == -7).all()
    return state, norms[: state.n_steps]


def solver_of(module, kind, order="natural", shape=(12, 9)):
    """A's arguments for the runs of a module, and A."""
    if kind == "csr":
        A = laplacian(shape)
        return module.SorSplit(*arrays_of(A), order), A
    A = gallery.poisson(shape, format="stencil")
    return stencil_handle(module, A)[1], A
