"""Systems on the device for the tests of cg, and what holds for every one of them."""

import numpy as np
import scipy.sparse as sp

import pysolve
from pysolve import gallery

SOLVERS = [pysolve.cg, pysolve.conjugate_directions]
GRID = (11, 13)
N = 143


class Duck:
    """No more than .shape and .matvec."""

    def __init__(self, A):
        self.A, self.shape, self.dtype = A, A.shape, A.dtype

    def matvec(self, x):
        return self.A @ x


def poisson(kind="csr", dtype="f8", moved=None):
    """The operator on the host as a sparse matrix, and one of this kind where `moved` moves it."""
    host = gallery.poisson(GRID, dtype="f8", format="csr").astype(dtype)
    if np.dtype(dtype).kind == "c":
        host = host + sp.triu(host, 1) * 0.5j - sp.tril(host, -1) * 0.5j + sp.eye_array(N)
        host = sp.csr_array(host).astype(dtype)
    if kind == "stencil":
        return host, moved(gallery.poisson(GRID, dtype=dtype))
    there = moved(sp.csr_matrix(host))
    if kind == "packed":
        there = pysolve.PackedMatrix(there)
    elif kind == "dense":
        there = moved(host.toarray())
    elif kind == "matvec":
        there = Duck(there)
    return host, there


def right_side(dtype="f8", *columns):
    rng = np.random.default_rng(0)
    b = rng.standard_normal((N, *columns))
    return (b + 1j * rng.standard_normal(b.shape) if np.dtype(dtype).kind == "c" else b).astype(dtype)


def true_norm(A, x, b):
    return np.linalg.norm(b - A @ x.astype(np.result_type(x, np.float64)))


def back(device, x):
    """A copy on the host that is not counted: the test's, not the solver's."""
    assert isinstance(x, device.ndarray)
    host = device.asnumpy(x)
    getattr(device, "transfers", []).clear()
    return host
