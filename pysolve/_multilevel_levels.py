"""The levels of a V-cycle: boxes of cells, and the transfers from one to the next. Arrays are float32."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from pysolve._backend import beside, empty, on_host
from pysolve._multilevel_weights import DimensionWeights
from pysolve._stencil_faces import SIDES
from pysolve._stencil_products import side_codes, three_axes

SMALL, NULL = 1e-6, 1e-14  # eigenvalues of the last box, over the largest: solved with more, or none at all
NEUMANN, PERIODIC = SIDES.index("neumann"), SIDES.index("periodic")


class Box:
    """A box of cells: always three axes, face weights and shift as flat arrays, numbers or (no such axis) None."""

    def __init__(
        self, n: tuple[int, ...], low: tuple[int, ...], high: tuple[int, ...], place: str = "cpu"
    ) -> None:
        self.n, self.size, self._place = n, math.prod(n), place
        self.low = tuple(NEUMANN if n[a] == 1 and low[a] == PERIODIC else low[a] for a in range(3))
        self.high = tuple(NEUMANN if n[a] == 1 and high[a] == PERIODIC else high[a] for a in range(3))
        self.weights: list[Any] = [None] * 3
        self.shift: Any = 0.0
        self.grid: Any = None

    def has(self, axis: int) -> bool:
        """Whether it has faces along the axis at all: a 2-D box has none along the second."""
        none = axis == 1 and self.n[1] == 1 and isinstance(self.weights[1], float) and self.weights[1] == 0
        return self.weights[axis] is not None and not none

    @property
    def bytes_of_weights(self) -> int:
        """What a product reads of weights and shift for each cell."""
        faces = 0 if isinstance(self.weights[0], float) else 4 * sum(self.has(axis) for axis in range(3))
        return faces + (0 if isinstance(self.shift, float) else 4)

    def n_faces(self, axis: int) -> int:
        return self.size // self.n[axis] * (self.n[axis] + 1)

    def make_grid(self, module: Any) -> None:
        self.grid = module.stencil_grid(
            self.n, self.low, self.high, tuple(self.weights), self.shift, None, "f4"
        )

    def faces(self, axis: int) -> Any:
        """The faces along an axis as an array, also where one number stands for them all."""
        if not isinstance(self.weights[axis], float):
            return self.weights[axis]
        extents = [self.n[a] + (a == axis) for a in range(3)]
        faces = filled(tuple(extents), self.weights[axis], self)
        for end, side in ((0, self.low[axis]), (-1, self.high[axis])):
            if side == NEUMANN:
                faces[(slice(None),) * axis + (end,)] = 0
        return faces.ravel()


def filled(shape: Any, value: float, like: Any) -> Any:
    """A float32 array where `like` is, that holds nothing but `value`."""
    array = empty(shape, np.float32, like)
    array.fill(value)
    return array


class Transfer:
    """P along one axis: the box that it leads to, and every cell's share of the pair beyond its own."""

    def __init__(self, box: Box, axis: int) -> None:
        self.axis, self.n, self.periodic = axis, box.n, box.low[axis] == PERIODIC
        n = tuple((k + 1) // 2 if a == axis else k for a, k in enumerate(box.n))
        self.box = Box(n, box.low, box.high, box._place)
        self.alpha, self.half = (empty(box.size, np.float32, box) for _ in range(2))
        for a in range(3):
            if box.has(a):
                self.box.weights[a] = empty(self.box.n_faces(a), np.float32, box)
        if not isinstance(box.shift, float) or box.shift > 0:
            self.box.shift = empty(self.box.size, np.float32, box)

    @property
    def place(self) -> tuple[Any, ...]:
        return self.n, self.axis, self.periodic

    def make(self, box: Box, weights: DimensionWeights, module: Any) -> None:
        """The faces of the coarse box, and alpha, from those of `box`, whose `half` is made."""
        module.multilevel_join(
            *self.place, box.faces(self.axis), self.half, self.box.weights[self.axis], self.alpha
        )
        for a in range(3):
            if a != self.axis and box.has(a):
                extents = tuple(k + (b == a) for b, k in enumerate(box.n))
                module.multilevel_add(extents, self.axis, box.faces(a), self.box.weights[a])
        if not isinstance(self.box.shift, float):
            shift = box.shift
            if isinstance(shift, float):
                shift = filled(box.size, shift, box)
            module.multilevel_add(box.n, self.axis, shift, self.box.shift)
        if self.box.grid is None:
            self.box.make_grid(module)


class Level:
    """A box, the weights of its smoother in every cell, and the transfers to the next box."""

    def __init__(self, box: Box, axes: list[int], smooths: bool) -> None:
        self.box, self.axes, self.smooths = box, axes, smooths
        self.inverse = empty(box.size if smooths else 0, np.float32, box)
        self.transfers: list[Transfer] = []
        for axis in axes:
            self.transfers.append(Transfer(self.transfers[-1].box if self.transfers else box, axis))

    def make(self, weights: DimensionWeights, module: Any) -> None:
        box = self.box
        for transfer in self.transfers:
            inverse = self.inverse if self.smooths and box is self.box else None
            module.multilevel_cells(box.grid, weights.relaxation, weights.resistance, inverse, transfer.half)
            transfer.make(box, weights, module)
            box = transfer.box

    def n_bytes(self, itemsize: int) -> int:
        """That one cycle moves here, with right-hand sides and results of `itemsize` bytes a value."""
        n, boxes = self.box.size, [self.box, *(transfer.box for transfer in self.transfers)]
        moved = sum((24 if k == 0 else 20) * box.size for k, box in enumerate(boxes[:-1]))
        if not self.smooths:
            return moved
        walks = (28 + itemsize) + (20 + 2 * itemsize)
        return moved + n * (walks + 2 * self.box.bytes_of_weights)


def box_of(A: Any) -> Box:
    """The box of A's cells, which has no arrays yet."""
    extents, sides, _ = three_axes(A)
    return Box(tuple(extents), *side_codes(sides), A._place)


def fits(box: Box, A: Any) -> bool:
    """Whether the arrays made for a box and for those below it can take the faces and the shift of A."""
    other = box_of(A)
    other.weights, other.shift = three_axes(A)[2], A.shift
    return _layout(box) == _layout(other)


def _layout(box: Box) -> tuple[Any, ...]:
    """The extents and sides, and what there are arrays of: faces, the axes that have any, and a shift."""
    shift = box.shift > 0 if isinstance(box.shift, float) else "array"
    axes = [box.has(axis) for axis in range(3)]
    return box._place, box.n, box.low, box.high, isinstance(box.weights[0], float), axes, shift


def pseudo_inverse(box: Box) -> Any:
    """Of the operator on a small box, by its eigenvalues after scaling the diagonal to 1; 0 in solid cells.

    It is found on the host: of a box on the device the faces, some hundred numbers, are copied.
    """
    matrix = np.zeros((box.size,) * 2)
    cells = np.arange(box.size).reshape(box.n)
    diagonal = np.zeros(box.size)
    for axis in range(3):
        if not box.has(axis):
            continue
        extents = tuple(k + (a == axis) for a, k in enumerate(box.n))
        faces = np.moveaxis(on_host(box.faces(axis)).reshape(extents).astype(np.float64), axis, 0)
        along = np.moveaxis(cells, axis, 0)
        np.add.at(diagonal, along, faces[:-1] + faces[1:])
        np.subtract.at(matrix, (along[1:], along[:-1]), faces[1:-1])
        np.subtract.at(matrix, (along[:-1], along[1:]), faces[1:-1])
        if box.low[axis] == PERIODIC:
            np.subtract.at(matrix, (along[0], along[-1]), faces[0])
            np.subtract.at(matrix, (along[-1], along[0]), faces[0])
    diagonal += on_host(box.shift)
    matrix[np.diag_indices(box.size)] += diagonal
    d = np.where(diagonal > 0, 1 / np.sqrt(np.where(diagonal > 0, diagonal, 1)), 0)
    values, vectors = np.linalg.eigh(d[:, None] * matrix * d)
    # A mode that hardly anything ties to 0 is solved for as if it were tied a little more: its inverse would drown all
    # others in float32. The null space, and solid cells, are left at 0.
    largest = values.max(initial=0.0)
    inverse = np.where(values > NULL * largest, 1 / np.maximum(values, SMALL * largest or 1.0), 0)
    solve = np.ascontiguousarray(d[:, None] * ((vectors * inverse) @ vectors.T) * d, dtype=np.float32)
    return beside(solve, box)
