"""Solvers with vectors and operators on the device: the same answers, and nothing copied to the host unasked."""

import numpy as np
import pytest

import pysolve
from pysolve import gallery

SCALARS = 4096  # bytes: what a solve may copy to the host at once


def stays(device):
    """Nothing but scalars and norms has been copied to the host."""
    return max(getattr(device, "transfers", []), default=0) <= SCALARS


@pytest.mark.parametrize("dtype", ["f4", "f8"])
def test_stencil_products_on_the_device_are_those_on_the_host(device, dtype):
    A = gallery.obstacle_box((6, 5, 4)).astype(dtype)
    D = A.to_device("cuda")
    x = np.random.default_rng(0).standard_normal(A.shape[0]).astype(dtype)
    y = D @ device.asarray(x)
    assert isinstance(y, device.ndarray)
    np.testing.assert_allclose(device.asnumpy(y), A @ x, rtol=0, atol=1e-5 if dtype == "f4" else 1e-13)
    np.testing.assert_array_equal(device.asnumpy(D.diagonal()), A.diagonal())


def test_packed_matrices_and_jacobi_live_on_the_device(device, sparse_on_device):
    A = gallery.poisson((9, 7), format="csr")
    x = np.random.default_rng(0).standard_normal(63)
    P = pysolve.PackedMatrix(sparse_on_device(A))
    np.testing.assert_allclose(device.asnumpy(P @ device.asarray(x)), A @ x, rtol=1e-13)
    np.testing.assert_array_equal(device.asnumpy(P.diagonal()), A.diagonal())
    M = pysolve.Jacobi(P)
    np.testing.assert_allclose(device.asnumpy(M @ device.asarray(x)), x / 4)
    assert stays(device)


def test_arrays_in_two_places_are_refused_by_name(device, sparse_on_device):
    A = gallery.poisson((4, 4), format="csr")
    b = np.ones(16)
    with pytest.raises(
        TypeError, match=r"A .* is on the host, but b .* is on GPU 0: move one: cupy.asarray\(A\)"
    ):
        pysolve.cg(A, device.asarray(b))
    with pytest.raises(TypeError, match=r"A .* is on GPU 0, but b .* is on the host"):
        pysolve.cg(sparse_on_device(A), b)
