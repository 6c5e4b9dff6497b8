"""The CUDA kernels of multilevel equal the reference: simulated always, on a device where there is one."""

import numpy as np
import pytest
from cuda_cases import PLACES, kernels_at, stencil_handle
from hypothesis import given, settings
from hypothesis import strategies as st
from multilevel_cases import (
    NETS,
    assert_cells_equal,
    assert_joining_equal,
    assert_narrowing_equal,
    assert_transfers_equal,
    assert_walks_equal,
    floats,
    pairing,
    pairings,
    random_net,
)
from stencil_cases import operators

from pysolve import gallery

checked = settings(max_examples=60, deadline=None)


@pytest.fixture(scope="module", params=PLACES)
def kernels(request):
    """Every kernel, with NumPy arrays in and out."""
    return kernels_at(request)


def single(kernels, A):
    """The handle of the operator in float32, and the reference's grid."""
    grid, handle = stencil_handle(kernels, A.astype(np.float32))
    return handle, grid


# ---- a level made from the one below it --------------------------------------------------------------------


@given(A=operators(scales=(1.0,)), relaxation=NETS, resistance=NETS)
@checked
def test_cells_equal_the_reference(kernels, A, relaxation, resistance):
    assert_cells_equal(kernels, *single(kernels, A), relaxation, resistance)


@given(case=pairings())
@checked
def test_joining_equals_the_reference(kernels, case):
    assert_joining_equal(kernels, case)


# ---- the cycle ---------------------------------------------------------------------------------------------


@given(case=pairings())
@checked
def test_transfers_equal_the_reference(kernels, case):
    assert_transfers_equal(kernels, case)


@given(A=operators(scales=(1.0,)), real=st.sampled_from(["f4", "f8"]), n_steps=st.integers(2, 4))
@checked
def test_walks_down_and_up_equal_the_reference(kernels, A, real, n_steps):
    assert_walks_equal(kernels, *single(kernels, A), real, n_steps)


@pytest.mark.parametrize("real", ["f4", "f8"])
@pytest.mark.parametrize("n", [0, 1, 33, 5000])
def test_narrowing_equals_the_reference(kernels, n, real):
    assert_narrowing_equal(kernels, n, real)


# ---- many blocks, and pieces of rows -----------------------------------------------------------------------


@pytest.mark.parametrize("axis", [0, 1, 2])
@pytest.mark.parametrize("n", [(37, 5, 33), (6, 5, 131), (4, 1, 300), (300, 1, 1)])
@pytest.mark.parametrize("periodic", [False, True])
def test_pairs_of_large_boxes_equal_the_reference(kernels, n, axis, periodic):
    case = pairing(n, axis, periodic, np.random.default_rng(0), 0.9, 0.5)
    assert_joining_equal(kernels, case)
    assert_transfers_equal(kernels, case)


@pytest.mark.parametrize("shape", [(40, 129), (2, 3, 700), (13, 12, 33)])
def test_levels_of_many_pieces_equal_the_reference(kernels, shape):
    solid = np.zeros(shape, bool)
    solid[1, 1:3] = True
    for A in (gallery.poisson(shape, solid=solid), gallery.poisson(shape, format="stencil")):
        place = single(kernels, A)
        assert_cells_equal(kernels, *place, random_net(1), random_net(2))
        for real in ("f4", "f8"):
            assert_walks_equal(kernels, *place, real, 3)


@pytest.mark.parametrize("real", ["f4", "f8"])
@pytest.mark.parametrize("n", [1, 33, 256, 5000])
def test_largest_values_are_found_wherever_they_are(kernels, n, real):
    solid = np.arange(n) % 3 == 1
    handle, _ = single(kernels, gallery.poisson((1, n), solid=solid.reshape(1, n)))
    inverse, tau = np.where(solid, 0, 0.5).astype(np.float32), np.array([0.5, 0.5], np.float32)
    for place in {0, min(1, n - 1), n // 2, n - 1}:
        for value in (-1e3, 1e3):
            b = floats(n).astype(real)
            b[place] = value
            largest, in_solid = kernels.multilevel_descend(
                handle, b, 1e-3, inverse, tau, *np.empty((3, n), np.float32)
            )
            scaled = np.abs(1e-3 * b.astype(float))
            assert largest == pytest.approx((scaled * inverse).max(), rel=1e-6)
            assert in_solid == pytest.approx(scaled[solid].max(initial=0), rel=1e-6)
