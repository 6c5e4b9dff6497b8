"""A whole V-cycle in one call equals the reference, and the host's: simulated, and on a device where there is one."""

import numpy as np
import pytest
from cuda_cases import PLACES, kernels_at
from multilevel_cases import close, floats
from multilevel_cycle_cases import cycle, expected_cycle

from pysolve import Multilevel, StencilOperator, _backend, gallery
from pysolve._multilevel_weights import DimensionWeights, Weights, chebyshev, constant_net


@pytest.fixture(scope="module", params=PLACES)
def kernels(request):
    """Every kernel, with NumPy arrays in and out."""
    return kernels_at(request)


def with_steps(n_steps, half=0.5):
    """Weights with so many steps a level, another number of them on the finest."""
    tau = np.array([chebyshev(n_steps, 0.4, 2.0)] * 2, np.float32)
    w = DimensionWeights(tau, np.array([1.1, 0.9]), 0.3, constant_net(1.0), constant_net(half))
    return Weights("test", {2: w, 3: w})


def rough(shape, boundary, seed, open_share=0.9, strengths=(1.0, 1.0, 1.0), shift=0.0):
    """A box with weights that vary, and closed faces; periodic ends are the same face."""
    rng = np.random.default_rng(seed)
    weights = []
    for axis, strength in zip(range(len(shape)), strengths, strict=False):
        faces = [n + (a == axis) for a, n in enumerate(shape)]
        w = strength * rng.uniform(0.2, 1, faces) * (rng.random(faces) < open_share)
        if boundary == "periodic":
            np.moveaxis(w, axis, 0)[-1] = np.moveaxis(w, axis, 0)[0]
        weights.append(w)
    return StencilOperator(shape, weights, boundary=boundary, shift=shift)


# Odd and even extents along every axis, one and two cells, one to three axes coarsened, levels without sweeps.
SMALL = {
    "odd": rough((5, 3, 9), "dirichlet", 0),
    "even": rough((4, 6, 8), "neumann", 1),
    "periodic": rough((4, 5, 6), "periodic", 2),
    "periodic, odd first": rough((5, 2, 8), "periodic", 3),
    "periodic, two": rough((2, 8, 7), "periodic", 4),
    "plane": rough((9, 13), "neumann", 5, shift=0.1),
    "last axis": rough((3, 4, 33), "dirichlet", 6, strengths=(1e-3, 1e-3, 1.0)),
    "middle axis": rough((2, 35, 3), "periodic", 7, strengths=(1e-3, 1.0, 1e-3)),
    "first axis": rough((70, 1, 2), "dirichlet", 8, strengths=(1.0, 1e-3, 1e-3)),
    "middle and last": rough((3, 6, 10), "neumann", 9, strengths=(1e-3, 1.0, 1.0)),
    "constant": gallery.poisson((5, 4, 7), format="stencil"),
    "constant plane": gallery.poisson((12, 9), boundary="periodic", format="stencil"),
    "shifts": rough((4, 4, 6), "dirichlet", 10, shift=np.random.default_rng(0).random((4, 4, 6))),
    "coarsest alone": rough((3, 4, 5), "neumann", 11),
}


@pytest.mark.parametrize("real", ["f4", "f8"])
@pytest.mark.parametrize("n_steps", [2, 3])
@pytest.mark.parametrize("name", SMALL)
def test_cycle_equals_the_reference(kernels, name, n_steps, real):
    M = Multilevel(SMALL[name], weights=with_steps(n_steps))
    r = floats(M.shape[0], 1).astype(real)
    close(cycle(kernels, M, r), expected_cycle(M, r))


@pytest.mark.parametrize("name", ["odd", "coarsest alone"])
def test_factors_and_solid_cells_equal_the_reference(kernels, name):
    M = Multilevel(SMALL[name])
    solid = SMALL[name].diagonal() == 0
    r = floats(M.shape[0], 2)
    for keep in (False, True):
        z = cycle(kernels, M, r, 2.0**-3, 2.0**9, keep)
        close(z, expected_cycle(M, r, 2.0**-3, 2.0**9, keep))
        np.testing.assert_array_equal(z[solid], r[solid] * keep)
        np.testing.assert_array_equal(cycle(kernels, M, r.copy(), 2.0**-3, 2.0**9, keep), z)
        both = r.copy()
        np.testing.assert_array_equal(cycle(kernels, M, both, 2.0**-3, 2.0**9, keep, into=both), z)


LARGE = {
    "obstacles": gallery.obstacle_box((34, 37, 41)),
    "constant": gallery.poisson((40, 33, 35), format="stencil"),
    "many planes": gallery.obstacle_box((90, 12, 13)),
    "periodic": rough((36, 20, 33), "periodic", 0),
    "periodic, odd": rough((37, 20, 9), "periodic", 1),
    "plane": rough((150, 131), "dirichlet", 2),
    "long": rough((3000, 2, 2), "dirichlet", 3),
}


@pytest.mark.parametrize("name", LARGE)
def test_cycles_of_many_blocks_equal_the_hosts(kernels, name):
    M = Multilevel(LARGE[name], weights=with_steps(3) if name == "long" else "default")
    r, z = floats(M.shape[0], 3), np.empty(M.shape[0], np.float32)
    assert M._hierarchy.cycle(r, z) in (False, True)
    close(cycle(kernels, M, r) * M._hierarchy.scale, z)


def test_levels_that_no_launch_takes_are_refused(device):
    module = _backend.module_at("cuda")
    grid = module.stencil_grid((4, 4, 4), (0,) * 3, (0,) * 3, (1.0,) * 3, 0.0, None, "f4")
    alphas = tuple(device.zeros(n, np.float32) for n in (64, 32))
    level = grid, None, 1.0, (0, 1), alphas, (None,) * 5
    solution = device.zeros(16, np.float32)
    with pytest.raises(ValueError, match="a level of the first axis and others must have sweeps"):
        module.multilevel_plan(
            [level], (np.ones(2, np.float32),) * 2, device.zeros(256, np.float32), solution
        )
