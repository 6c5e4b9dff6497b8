"""Stencil operators for the tests: drawn by hypothesis with the awkward cases planted, and their reference."""

import numpy as np
import reference.stencil as reference
from hypothesis import strategies as st

from pysolve import StencilOperator

BOUNDARIES = ["dirichlet", "neumann", "periodic", ("dirichlet", "neumann"), ("neumann", "dirichlet")]
EXTENTS = st.sampled_from([1, 2, 3, 5])
# The kernels take eight cells at a time along the last axis.
LAST_EXTENTS = st.sampled_from([1, 2, 3, 7, 8, 9, 16, 19])
SMALL_EXTENTS = st.integers(1, 4)


@st.composite
def operators(draw, extents=EXTENTS, last_extents=LAST_EXTENTS, scales=(1e-12, 1.0, 1e12)):
    """A StencilOperator: constant or variable, any boundary, solid cells, shift, type and scale."""
    ndim = draw(st.sampled_from([2, 3]))
    shape = (*draw(st.tuples(*[extents] * (ndim - 1))), draw(last_extents))
    boundary = draw(st.tuples(*[st.sampled_from(BOUNDARIES)] * ndim))
    scale, dtype = draw(st.sampled_from(scales)), draw(st.sampled_from(["f4", "f8"]))
    rng = np.random.default_rng(draw(st.integers(0, 2**16)))
    open_share = draw(st.sampled_from([0.0, 0.5, 0.9, 1.0]))
    if draw(st.booleans()):
        weights = [scale * rng.uniform(0.5, 1) * (rng.random() <= open_share) for _ in shape]
    else:
        weights = [face_array(shape, axis, boundary[axis], open_share, scale, rng) for axis in range(ndim)]
    shift = draw(st.sampled_from(["none", "scalar", "array"]))
    if shift == "none":
        value = 0.0
    else:
        size = () if shift == "scalar" else shape
        value = scale * rng.uniform(0.5, 1, size) * (rng.random(size) < 0.5)
    return StencilOperator(shape, weights, boundary=boundary, shift=value, dtype=dtype)


def face_array(shape, axis, sides, open_share, scale, rng):
    faces = [extent + (k == axis) for k, extent in enumerate(shape)]
    weights = scale * rng.uniform(0.5, 1, faces) * (rng.random(faces) < open_share)
    if sides == "periodic":
        weights = np.moveaxis(weights, axis, 0)
        weights[-1] = weights[0]
        weights = np.moveaxis(weights, 0, axis)
    return weights


def reference_grid(A):
    """The operator as the reference takes it: three axes, a 2-D box having extent 1 along the second."""
    n, sides, weights = list(A.grid_shape), list(A.boundary), list(A.weights)
    if len(n) == 2:
        if not isinstance(weights[0], float):
            weights = [weights[0][:, None, :], weights[1][:, None, :]]
        n.insert(1, 1)
        sides.insert(1, ("neumann", "neumann"))
        weights.insert(1, 0.0)
    codes = {"dirichlet": reference.DIRICHLET, "neumann": reference.NEUMANN, "periodic": reference.PERIODIC}
    low, high = ([codes[pair[end]] for pair in sides] for end in (0, 1))
    grid = reference.stencil_grid(tuple(n), low, high, weights, A.shift, None, A.dtype.str[1:])
    return grid._replace(decoupled=reference.decoupled_cells(grid))


def dense(A):
    """The matrix of a small operator, column by column from the reference."""
    grid, n = reference_grid(A), A.shape[0]
    columns = np.zeros((n, n))
    for column, unit in zip(columns, np.eye(n), strict=True):
        reference.stencil_matvec(grid, unit, column)
    return columns.T
