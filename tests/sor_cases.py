"""Systems for the tests of sor: drawn by hypothesis with the awkward cases planted, and runs of the kernels on them."""

import itertools

import numpy as np
import reference.sor as reference
import scipy.sparse as sp
from csr_cases import INDICES, VALUES, random_values
from hypothesis import strategies as st
from reference.csr import wide

from pysolve import gallery
from pysolve._backend import kernels

core = kernels(np.empty(0))
SWEEPS = [reference.FORWARD, reference.BACKWARD, reference.SYMMETRIC]
ORDERS = ["natural", "multicolor"]


@st.composite
def systems(draw, hermitian=True):
    """(A in double, its three arrays as the kernels take them): positive definite, small, awkward."""
    rng = np.random.default_rng(draw(st.integers(0, 2**16)))
    n = draw(st.sampled_from([0, 1, 2, 3, 7, 8, 9, 20, 65]))
    dtype, index = draw(st.sampled_from(VALUES)), draw(st.sampled_from(INDICES))
    kind = draw(st.sampled_from(["none", "few", "many", "chain", "arrow"]))
    mask = rng.random((n, n)) < {"none": 0.0, "few": 0.1, "many": 0.7}.get(kind, 0.0)
    if kind == "chain":
        mask = np.eye(n, k=1) > 0
    elif kind == "arrow" and n:
        mask[0] = mask[:, -1] = True
    A = np.triu(mask, 1) * random_values(rng, n * n, dtype).reshape(n, n)
    A = A + A.conj().T if hermitian else A + (rng.random((n, n)) < 0.1) * np.tril(A.T, -1) * 0.5
    A = A * 1.0 + np.diag(abs(A).sum(axis=1) + rng.uniform(0.1, 1, n))
    A = (A * draw(st.sampled_from([1e-12, 1.0, 1e12]))).astype(dtype)
    return wide(A), arrays_of(A, index, rng if draw(st.booleans()) else None)


def arrays_of(A, index="i4", rng=None):
    """indptr, indices, data; the entries of every row in random order where a generator is given."""
    A = sp.csr_array(A)
    indptr, indices, data = A.indptr.astype(index), A.indices.astype(index), A.data.copy()
    if rng is not None:
        for begin, end in itertools.pairwise(indptr):
            shuffled = begin + rng.permutation(end - begin)
            indices[begin:end], data[begin:end] = indices[shuffled], data[shuffled]
    for array in (indptr, indices, data):
        array.setflags(write=False)
    return indptr, indices, data


def order_of(A, name):
    return None if name == "natural" else reference.color_order(A)


def state_of(n_steps, tolerance=-1.0):
    state = core.RunState()
    state.n_steps, state.tolerance = n_steps, tolerance
    return state


def sor_run(split, b, x, omega, sweep, n_steps, tolerance=-1.0):
    state, norms = state_of(n_steps, tolerance), np.full(n_steps, -7.0)
    core.sor_run_csr(split, b, x, omega, sweep, norms, state)
    assert (norms[state.n_steps :] == -7).all()
    return state, norms[: state.n_steps]


def close(found, expected, dtype, factor=200.0):
    scale = abs(expected).max(initial=0.0)
    eps = float(np.finfo(dtype).eps)
    np.testing.assert_allclose(wide(found), expected, rtol=0, atol=factor * eps * scale)


def laplacian(shape, dtype="f8"):
    A = gallery.poisson(shape, format="csr").astype(dtype)
    if dtype[0] == "c":
        A = sp.diags_array(A.diagonal()) + sp.triu(A, 1) * (0.8 + 0.6j) + sp.tril(A, -1) * (0.8 - 0.6j)
    return sp.csr_array(A).astype(dtype)
