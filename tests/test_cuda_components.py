"""Components of stencil operators on the device: the labels of the CPU, and the same means taken out."""

import numpy as np
import pytest
from cuda_cases import stencil_handle
from cuda_launches import LAUNCHES, launched
from hypothesis import given, settings
from hypothesis import strategies as st
from stencil_cases import operators

import pysolve
from pysolve import gallery

checked = settings(max_examples=40, deadline=None)
core = pysolve._backend._core
kernels = pytest.fixture(scope="module", params=LAUNCHES, ids=str)(launched)


def assert_same_components(kernels, A):
    expected, labels = (np.full(A.shape[0], -9, np.int32) for _ in range(2))
    count = core.stencil_components(A._kernel_args[0], expected)
    assert kernels.stencil_components(stencil_handle(kernels, A)[1], labels) == count
    np.testing.assert_array_equal(labels, expected)
    return expected, count


@given(A=operators(scales=(1.0,)))
@checked
def test_labels_equal_those_of_the_cpu(kernels, A):
    assert_same_components(kernels, A)


def maze(shape, seed):
    """Closed faces at random: many components, and long ways from a cell to its first one."""
    solid = np.random.default_rng(seed).random(shape) < (0.42 if len(shape) == 2 else 0.7)
    return gallery.poisson(shape, solid=solid, boundary="neumann")


@pytest.mark.parametrize("seed", [0, 1])
@pytest.mark.parametrize("shape", [(40, 50), (9, 10, 11)])
def test_means_of_many_components_equal_those_of_the_cpu(kernels, shape, seed):
    A = maze(shape, seed)
    labels, count = assert_same_components(kernels, A)
    assert count > 4
    expected = np.random.default_rng(0).standard_normal(A.shape[0])
    d = expected.copy()
    core.stencil_project_out(labels, count, expected)
    kernels.stencil_project_out(labels, count, d)
    np.testing.assert_allclose(d, expected, rtol=0, atol=1e-14)


@given(count=st.integers(1, 7), n=st.sampled_from([7, 64, 65, 1000]), dtype=st.sampled_from(["f4", "f8"]))
@checked
def test_means_of_few_components_equal_those_of_the_cpu(kernels, count, n, dtype):
    rng = np.random.default_rng(n)
    labels = rng.integers(-1, count, n).astype(np.int32)  # -1: of none; some may have no cell
    expected = (rng.standard_normal(n) + 3).astype(dtype)
    d = expected.copy()
    core.stencil_project_out(labels, count, expected)
    kernels.stencil_project_out(labels, count, d)
    np.testing.assert_allclose(d, expected, rtol=0, atol=32 * np.finfo(dtype).eps)


def test_a_long_winding_way_is_one_component(kernels):
    solid = np.zeros((33, 34), bool)
    solid[1::4, :-1] = solid[3::4, 1:] = True
    A = gallery.poisson(solid.shape, solid=solid, boundary="neumann")
    assert assert_same_components(kernels, A)[1] == 1
