"""Products of a stencil operator with arrays of any type and layout, and its form for the kernels."""

from typing import Any

import numpy as np

from pysolve._backend import contiguous, empty_beside, module_at
from pysolve._stencil_faces import SIDES


def product(A: Any, X: np.ndarray) -> np.ndarray:
    """``A X`` for an array of shape (n, k), in the wider of the two types; complex ones part by part."""
    if X.dtype.kind not in "biufc":
        raise TypeError(f"x must hold numbers, got dtype {X.dtype}")
    A = A if np.result_type(A.dtype, X.real.dtype).itemsize <= A.dtype.itemsize else _widened(A)
    is_complex = X.dtype.kind == "c"
    Y = empty_beside(X, np.result_type(A.dtype, np.complex64) if is_complex else A.dtype)
    for source, target in [(X.real, Y.real), (X.imag, Y.imag)] if is_complex else [(X, Y)]:
        for column in range(X.shape[1]):
            x, y = contiguous(source[:, column], A.dtype), target[:, column]
            out = y if y.flags.c_contiguous else np.empty_like(x)
            A._matvec(x, out)
            if out is not y:
                y[:] = out
    return Y


def _widened(A: Any) -> Any:
    """A in float64, made once: a float32 operator times a float64 vector keeps the vector's precision."""
    if A._wide is None:
        A._wide = A.astype(np.float64)
    return A._wide


def three_axes(A: Any) -> tuple[list[Any], list[Any], list[Any]]:
    """Extents, sides and weights of `A` along three axes: a 2-D box has extent 1, and no faces, along the second."""
    extents, weights, sides = list(A.grid_shape), list(A.weights), list(A.boundary)
    for axis, extent in enumerate(extents):
        if extent == 1 and sides[axis][0] == "periodic":
            sides[axis] = ("neumann", "neumann")  # closed: it joins the cell to itself
    if len(extents) == 2:
        constant = isinstance(weights[0], float)
        if not constant:
            weights = [weights[0].reshape(-1, 1, extents[1]), weights[1].reshape(extents[0], 1, -1)]
        extents.insert(1, 1)
        sides.insert(1, ("neumann", "neumann"))
        weights.insert(1, 0.0 if constant else None)
    return extents, sides, weights


def side_codes(sides: list[Any]) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """The kernels' codes of the low and of the high sides."""
    low, high = (tuple(SIDES.index(pair[end]) for pair in sides) for end in (0, 1))
    return low, high


def make_grid(A: Any) -> Any:
    """The kernels' handle of `A`."""
    extents, sides, weights = three_axes(A)
    shift = A.shift if isinstance(A.shift, float) else A.shift.ravel()
    decoupled = A._decoupled if A._decoupled.size else None
    return module_at(A._place).stencil_grid(
        tuple(extents), *side_codes(sides), tuple(weights), shift, decoupled, A.dtype.str[1:]
    )
