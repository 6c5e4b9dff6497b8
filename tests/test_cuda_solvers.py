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
        TypeError,
        match=r"A .* is on the host, but b .* is on GPU 0: move one: cupyx.scipy.sparse.csr_matrix\(A\)",
    ):
        pysolve.cg(A, device.asarray(b))
    with pytest.raises(TypeError, match=r"A .* is on GPU 0, but b .* is on the host"):
        pysolve.cg(sparse_on_device(A), b)
    with pytest.raises(
        TypeError, match=r"M .* is on GPU 0, but b .* on the host: .*asarray\(b\), M\.get\(\)"
    ):
        pysolve.cg(A, b, M=sparse_on_device(A))


class Tensor:
    """An array of another library on the device: its type and its products are not NumPy's."""

    dtype = "tensor.float64"

    def __init__(self, array):
        self.array, self.shape, self.ndim = array, array.shape, array.ndim

    @property
    def __cuda_array_interface__(self):
        return self.array.__cuda_array_interface__

    def __matmul__(self, x):
        raise TypeError("a tensor is multiplied with tensors")


@pytest.mark.parametrize("solve", [pysolve.cg, pysolve.conjugate_directions, pysolve.sor, pysolve.ssor_cg])
def test_arrays_of_other_libraries_are_taken_and_cupys_are_returned(device, solve):
    A, b = gallery.poisson((6, 5), format="csr").toarray(), np.arange(1.0, 31.0)
    more = {"omega": 1.5} if solve is pysolve.sor else {}
    if solve in (pysolve.cg, pysolve.conjugate_directions):
        more = {"M": Tensor(device.asarray(np.eye(30) / 4))}
    x = solve(Tensor(device.asarray(A)), Tensor(device.asarray(b)), rtol=1e-10, **more).x
    assert isinstance(x, device.ndarray)
    np.testing.assert_allclose(A @ device.asnumpy(x), b, rtol=1e-8)
    assert stays(device)


def test_integers_and_formats_of_any_name_are_taken_on_the_device(device, sparse_on_device):
    A, b = gallery.poisson((6, 5), format="csr"), np.arange(1.0, 31.0)
    dense = device.asarray(A.toarray().astype("i8"))
    x = pysolve.sor(dense, device.asarray(b), omega=1.5, rtol=1e-10).x
    np.testing.assert_allclose(A @ device.asnumpy(x), b, rtol=1e-8)
    if device.__name__ == "cupy":
        from cupyx.scipy.sparse import dia_matrix

        D = dia_matrix(sparse_on_device(A))
    else:
        from cupy_double.sparse import dia_matrix

        D = dia_matrix(A)
    for solve in (pysolve.cg, pysolve.ssor_cg):
        x = solve(D, device.asarray(b), rtol=1e-10).x
        np.testing.assert_allclose(A @ device.asnumpy(x), b, rtol=1e-8)
        with pytest.raises(TypeError, match=r"A .* is on (the GPU|GPU 0), but b .* is on the host"):
            solve(D, b)
    assert pysolve.Jacobi(D).inverse.shape == (30,)


def test_an_operator_without_arrays_is_made_once_for_each_gpu(device, monkeypatch):
    A, x = gallery.poisson((6, 5)), device.asarray(np.ones(30))
    there = A._at(x)
    assert there._place == "cuda"
    assert A._at(x) is there
    if device.__name__ != "cupy":
        monkeypatch.setattr(device.ndarray, "device", property(lambda self: device.cuda.Device(1)))
        assert A._at(x) is not there


def test_results_are_made_on_the_gpu_of_the_vector(device, monkeypatch):
    if device.__name__ == "cupy":
        pytest.skip("looks at which GPU is asked for: on one there is nothing to see")
    A, x, entered = gallery.poisson((6, 5)), device.asarray(np.ones(30)), []
    monkeypatch.setattr(device.ndarray, "device", property(lambda self: device.cuda.Device(1)))
    monkeypatch.setattr(device.cuda.Device, "__enter__", lambda self: entered.append(self.id))
    _ = A @ x
    assert set(entered) == {1}
