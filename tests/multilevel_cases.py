"""Cases for the kernels of multilevel, and what each must do on every backend: what the reference does, in float32."""

import numpy as np
import pytest
import reference.multilevel as reference
from hypothesis import strategies as st

from pysolve._multilevel_weights import N_NET


def random_net(seed):
    rng = np.random.default_rng(seed)
    net = rng.standard_normal(N_NET).astype(np.float32)
    net[-2:] = np.sort(rng.uniform(0.2, 2, 2))
    return net


NETS = st.integers(0, 2**16).map(random_net)
BOXES = st.tuples(st.integers(1, 5), st.integers(1, 5), st.sampled_from([1, 2, 3, 7, 8, 16, 17, 34, 35, 51]))


@st.composite
def pairings(draw):
    """An axis of a box, faces along it (some closed) and half resistances (some cells solid)."""
    n, axis, periodic = draw(BOXES), draw(st.integers(0, 2)), draw(st.booleans())
    rng = np.random.default_rng(draw(st.integers(0, 2**16)))
    open_share, half = draw(st.sampled_from([0.5, 1.0])), draw(st.sampled_from([0.0, 0.5, 0.7]))
    return pairing(n, axis, periodic, rng, open_share, half)


def pairing(n, axis, periodic, rng, open_share, half):
    """((n, axis, periodic), weights, half, rng): a case of `pairings`."""
    faces = [k + (a == axis) for a, k in enumerate(n)]
    w = 10 ** rng.uniform(-3, 3, faces) * (rng.random(faces) < open_share)
    if periodic:
        np.moveaxis(w, axis, 0)[-1] = np.moveaxis(w, axis, 0)[0]
    both = np.moveaxis(w, axis, 0)
    closed = np.moveaxis((both[:-1] == 0) & (both[1:] == 0), 0, axis)
    half = np.where(closed & (rng.random(n) < 0.5), -1, half)
    return (n, axis, periodic), w.astype(np.float32).ravel(), half.astype(np.float32).ravel(), rng


def floats(n, seed=0):
    return np.random.default_rng(seed).standard_normal(n).astype(np.float32)


def close(found, expected, size=None):
    scale = np.max(np.abs(expected), initial=0) if size is None else size
    np.testing.assert_allclose(found, expected, rtol=0, atol=2e-5 * max(scale, 1e-30))


# ---- every kernel of a module equals the reference ---------------------------------------------------------


def assert_cells_equal(kernels, handle, grid, relaxation, resistance):
    n = int(np.prod(grid.n))
    found, expected = np.full((2, n), np.nan, np.float32), np.empty((2, n))
    kernels.multilevel_cells(handle, relaxation, resistance, *found)
    reference.multilevel_cells(grid, relaxation, resistance, *expected)
    close(found[0], expected[0])
    close(found[1], expected[1])
    inverse, half = np.full((2, n), np.nan, np.float32)
    kernels.multilevel_cells(handle, relaxation, resistance, inverse, None)
    kernels.multilevel_cells(handle, relaxation, resistance, None, half)
    np.testing.assert_array_equal([inverse, half], found)


def assert_joining_equal(kernels, case):
    place, w, half, _ = case
    n, axis, _ = place
    size = half.size // n[axis]
    coarse, alpha = (
        np.full(size * ((n[axis] + 1) // 2 + 1), np.nan, np.float32),
        np.full_like(half, np.nan),
    )
    expected = np.empty(coarse.size), np.empty(alpha.size)
    kernels.multilevel_join(*place, w, half, coarse, alpha)
    reference.multilevel_join(*place, w, half, *expected)
    np.testing.assert_allclose(coarse, expected[0], rtol=1e-5, atol=1e-30)
    np.testing.assert_allclose(alpha, expected[1], rtol=1e-5, atol=1e-6)


def assert_transfers_equal(kernels, case):
    place, _, half, rng = case
    n, axis, _ = place
    alpha = rng.random(half.size).astype(np.float32)
    fine, coarse = floats(half.size, 1), floats(half.size // n[axis] * ((n[axis] + 1) // 2), 2)
    for add in (False, True):
        found, expected = fine.copy(), fine.astype(float)
        kernels.multilevel_prolong(*place, alpha, coarse, 1.7, add, found)
        reference.multilevel_prolong(*place, alpha, coarse, 1.7, add, expected)
        close(found, expected)
    found, expected = np.full_like(coarse, np.nan), np.empty(coarse.size)
    kernels.multilevel_restrict(*place, alpha, fine, found)
    reference.multilevel_restrict(*place, alpha, fine, expected)
    close(found, expected)
    found[:] = np.nan
    kernels.multilevel_add(n, axis, fine, found)
    reference.multilevel_add(n, axis, fine, expected)
    close(found, expected)


def assert_walks_equal(kernels, handle, grid, real, n_steps):
    """Down and up again, with the inverse diagonal in place of D."""
    n, tau = int(np.prod(grid.n)), np.linspace(0.3, 0.8, n_steps).astype("f4")
    inverse = reference.features(grid)[0].ravel().astype("f4")
    b, found, expected = floats(n, 3).astype(real), np.full((3, n), np.nan, np.float32), np.empty((3, n))
    report = kernels.multilevel_descend(handle, b, 2.0, inverse, tau, *found)
    assert report == pytest.approx(
        reference.multilevel_descend(grid, b, 2.0, inverse, tau, *expected), rel=1e-6
    )
    close(found, expected, 40)
    alpha, coarse = np.abs(floats(n, 5)) % 1, floats(n // grid.n[0] * -(-grid.n[0] // 2), 6)
    for share in (None, alpha):
        (u, x, y), z = found.copy(), np.full(n, np.nan, real)
        reference.multilevel_ascend(grid, share, coarse, 1.7, u, inverse, tau, x, y, 3.0, expected[0])
        kernels.multilevel_ascend(handle, share, coarse, 1.7, u, inverse, tau, x, y, 3.0, z)
        close(z, expected[0], 40)


def assert_narrowing_equal(kernels, n, real):
    values = (10.0 ** np.random.default_rng(n).uniform(-30, 3, n) * (np.arange(n) % 3 > 0)).astype(real)
    out, expected = np.full(n, np.nan, np.float32), np.empty(n)
    kernels.multilevel_narrow(values, 2.0**-5, 1e-18, out)
    reference.multilevel_narrow(values, 2.0**-5, 1e-18, expected)
    np.testing.assert_allclose(out, expected, rtol=1e-6)
