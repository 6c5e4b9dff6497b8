"""Stencil kernels in plain Python loops, with the compiled ones' names and arguments: the specification.

A grid is a box of n[0] x n[1] x n[2] cells in C order. Along every axis the weights of the faces are one
constant or an array with one face more than cells: face i lies between the cells i - 1 and i.
"""

import itertools
from typing import NamedTuple

import numpy as np

DIRICHLET, NEUMANN, PERIODIC = range(3)


class Grid(NamedTuple):
    """What a handle of the compiled kernels holds."""

    n: tuple
    low: tuple
    high: tuple
    weights: tuple
    shift: object
    decoupled: object
    dtype: str


def stencil_grid(n, low, high, weights, shift, decoupled, dtype):
    """The handle that the products take first."""
    return Grid(n, low, high, weights, shift, decoupled, dtype)


def decoupled_cells(grid):
    """Flat indices of the cells whose faces are all closed and whose shift is 0."""
    x = np.zeros(grid.n)
    return [
        number
        for number, cell in enumerate(itertools.product(*map(range, grid.n)))
        if shift_of(grid, cell) == 0
        and all(face(grid, cell, axis, side, x)[0] == 0 for axis in range(3) for side in (0, 1))
    ]


def stencil_matvec(grid, x, y):
    """y_c = sum over the faces of c of w_f (x_c - x_neighbour), plus shift_c x_c; x_c in decoupled cells."""
    x = np.asarray(x, dtype=np.float64).reshape(grid.n)
    product = np.zeros(grid.n)
    for cell in itertools.product(*map(range, grid.n)):
        for axis in range(3):
            for side in (0, 1):
                weight, beyond = face(grid, cell, axis, side, x)
                product[cell] += weight * (x[cell] - beyond)
        product[cell] += shift_of(grid, cell) * x[cell]
    if grid.decoupled is not None:
        product.flat[grid.decoupled] = x.flat[grid.decoupled]
    y[:] = product.ravel()


def face(grid, cell, axis, side, x):
    """Weight of the low (0) or high (1) face of `cell` along `axis`, and the value of x beyond it."""
    last = grid.n[axis] - 1
    neighbour = list(cell)
    neighbour[axis] += 1 if side else -1
    if 0 <= neighbour[axis] <= last:
        return weight_of(grid, cell, axis, side), x[tuple(neighbour)]
    kind = (grid.high if side else grid.low)[axis]
    if kind == DIRICHLET:
        return weight_of(grid, cell, axis, side), 0.0
    if kind == NEUMANN:
        return 0.0, 0.0
    if last == 0:
        return 0.0, 0.0  # a face from the cell to itself
    neighbour[axis] %= grid.n[axis]  # periodic: the face at the other end of the axis is this one
    return weight_of(grid, cell, axis, side), x[tuple(neighbour)]


def weight_of(grid, cell, axis, side):
    weights = grid.weights[axis]
    if weights is None:  # the second axis of a 2-D box
        return 0.0
    if isinstance(weights, float):
        return weights
    index = list(cell)
    index[axis] += side
    return float(weights[tuple(index)])


def shift_of(grid, cell):
    return grid.shift if isinstance(grid.shift, float) else float(np.reshape(grid.shift, grid.n)[cell])


def stencil_matvec_dot(grid, x, y):
    """y = A x; returns x . y."""
    stencil_matvec(grid, x, y)
    return float(np.dot(np.asarray(x, dtype=np.float64), np.asarray(y, dtype=np.float64)))


def stencil_residual(grid, b, x, r):
    """r = b - A x; returns r . r."""
    product = np.empty(r.size)
    stencil_matvec(grid, x, product)
    r[:] = b - product
    return float(np.dot(np.asarray(r, dtype=np.float64), np.asarray(r, dtype=np.float64)))
