"""Runs of conjugate gradients for the tests, on any module of kernels: compared with those of the reference."""

import numpy as np
import reference.conjugate_directions as reference
import scipy.sparse as sp
from csr_cases import VALUES, random_values
from stencil_cases import reference_grid

import pysolve


def close(found, expected, dtype, scale, factor=1e3):
    np.testing.assert_allclose(found, expected, rtol=0, atol=factor * float(np.finfo(dtype).eps) * scale)


def largest(*arrays):
    return max(float(abs(array).max(initial=0)) for array in arrays)


def grid_matrix(dtype, shape=(25, 40)):
    """The matrix of a box, Hermitian with complex entries where the type is complex."""
    A = pysolve.gallery.poisson(shape, format="csr").astype(dtype)
    if dtype[0] == "c":
        A = sp.diags_array(A.diagonal()) + sp.triu(A, 1) * (0.8 + 0.6j) + sp.tril(A, -1) * (0.8 - 0.6j)
    return sp.csr_array(A).astype(dtype)


def operator(kind, dtype, shape=(25, 40)):
    """An operator of this kind, and what the compiled run and that of the reference take for it."""
    if kind == "stencil":
        A = pysolve.gallery.poisson(shape, dtype=dtype)
        return A, A._kernel_args, (reference_grid(A),)
    matrix = grid_matrix(dtype, shape)
    args = pysolve.PackedMatrix(matrix)._kernel_args
    args = args if kind == "sell" else (matrix.indptr, matrix.indices, matrix.data)
    return matrix, args, args


RUNS = [(kind, dtype) for kind in ("csr", "sell", "stencil") for dtype in VALUES]
RUNS = [(kind, dtype) for kind, dtype in RUNS if kind != "stencil" or dtype[0] == "f"]


def run(module, kind, args, d, vectors, state, n_steps, **values):
    """A run of so many steps on `vectors`, in place: its state and its norms."""
    for name, value in (values | {"n_steps": n_steps}).items():
        setattr(state, name, value)
    norms = np.full(n_steps, np.nan)
    with np.errstate(all="ignore"):
        getattr(module, f"conjugate_directions_run_{kind}")(*args, d, *vectors, norms, state)
    return state, norms[: state.n_steps]


def start(rng, n, dtype, mid_run, closed=slice(0)):
    """x, r, p, q and the numbers of a run: at its start, or in its midst with any p."""
    x, r, p, q = (random_values(rng, n, dtype) for _ in range(4))
    if not mid_run:
        p[:] = 0
    r[closed] = p[closed] = 0
    values = {"rho": 0.7 * n, "beta": 0.4} if mid_run else {}
    return [x, r, p, q], values | {"tolerance": -1.0}  # a residual that is 0 but for rounding ends nothing


def assert_same_run(module, kind, args, reference_args, d, vectors, n_steps, dtype, values):
    twins, before = [v.copy() for v in vectors], largest(*vectors[:3])
    state, norms = run(module, kind, args, d, vectors, module.RunState(), n_steps, **values)
    wanted, expected = run(reference, kind, reference_args, d, twins, reference.RunState(), n_steps, **values)
    assert (state.end, state.n_steps) == (wanted.end, wanted.n_steps)
    for found, twin in zip(vectors[:3], twins[:3], strict=True):  # q is scratch
        close(found, twin, dtype, before + largest(twin))
    close(norms, expected, dtype, before * len(twins[0]))
    for name in ("rho", "beta", "curvature") if state.end == "steps" else ():
        close(getattr(state, name), getattr(wanted, name), dtype, 10 * max(1.0, abs(getattr(wanted, name))))
