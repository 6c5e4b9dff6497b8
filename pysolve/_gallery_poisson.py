"""Poisson operators on boxes with solid cells and variable coefficients, by finite volumes."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from scipy.sparse import csr_array

from pysolve._gallery_arguments import check_array, check_positive
from pysolve._stencil import StencilOperator
from pysolve._stencil_faces import (
    above,
    along,
    below,
    check_boundary,
    check_factors,
    check_shape,
    face_weights,
    is_number,
)


def poisson(
    shape: Any,
    *,
    solid: Any = None,
    boundary: Any = "dirichlet",
    coefficient: Any = None,
    anisotropy: Any = None,
    dtype: Any = float,
    format: str = "stencil",
) -> StencilOperator | csr_array:
    r"""Finite-volume Poisson operator :math:`-\nabla \cdot (a \nabla x)` on a box of cells with unit spacing.

    Two cells with coefficients a and b are coupled with the harmonic mean ``2 a b / (a + b)``; a Dirichlet
    face has the coefficient of its cell. Divide by ``h**2`` for a spacing h. With the defaults this is the
    matrix of ``pyamg.gallery.poisson``: ``2 d`` on the diagonal and -1 for each neighbour.

    Parameters
    ----------
    shape : tuple of int
        Extents of the box, 2 or 3 of them.
    solid : bool ndarray of shape `shape`, optional
        True in solid cells: their faces are closed and their rows are those of the identity.
    boundary : str or sequence, default "dirichlet"
        "dirichlet", "neumann" or "periodic", for all sides or for each axis, as in `StencilOperator`.
    coefficient : float, ndarray of shape `shape` or callable, optional
        The coefficient a of every cell, finite and positive (ignored in solid cells). A callable gets the
        cell centres, one array of numbers in (0, 1) for each axis, to be broadcast.
    anisotropy : sequence of float, optional
        A factor on the weights of each axis.
    dtype : {float64, float32}, default float64
        Type of the weights.
    format : {"stencil", "csr"}, default "stencil"
        What to return.

    Returns
    -------
    StencilOperator or csr_array
        Of shape ``(n, n)`` with ``n = prod(shape)``, symmetric and positive semi-definite.

    Raises
    ------
    ValueError, TypeError
        Naming the argument, what it was and what was expected.

    References
    ----------
    .. [1] R. Eymard, T. Gallouet, R. Herbin, "Finite volume methods", Handbook of Numerical Analysis 7, 2000.

    Examples
    --------
    >>> from pysolve import gallery
    >>> gallery.poisson((2, 2), format="csr").toarray()
    array([[ 4., -1., -1.,  0.],
           [-1.,  4.,  0., -1.],
           [-1.,  0.,  4., -1.],
           [ 0., -1., -1.,  4.]])
    >>> gallery.poisson((64, 64), coefficient=lambda x, y: 1 + x * y, boundary="neumann")
    StencilOperator((64, 64), weights=arrays, boundary='neumann', shift=0.0, dtype=float64)
    """
    extents = check_shape(shape)
    factors = check_factors(anisotropy, len(extents))
    if solid is None and (coefficient is None or is_number(coefficient)):
        scale = 1.0 if coefficient is None else check_positive(coefficient, "coefficient")
        return finish(extents, [scale * factor for factor in factors], boundary, 0.0, dtype, format)
    solid = _mask(solid, extents)
    weights = face_weights(_cell_values(coefficient, solid, extents), factors, boundary)
    close(weights, solid, boundary)
    return finish(extents, weights, boundary, 0.0, dtype, format)


def _mask(solid: Any, extents: tuple[int, ...]) -> np.ndarray:
    if solid is None:
        return np.zeros(extents, dtype=bool)
    expected = f"a bool array of shape {extents}"
    mask = check_array(solid, "solid", expected)
    if mask.dtype != bool or mask.shape != extents:
        raise ValueError(f"solid must be {expected}, got {mask.dtype} of shape {mask.shape}")
    return mask


def _cell_values(coefficient: Any, solid: np.ndarray, extents: tuple[int, ...]) -> np.ndarray:
    """The coefficient as a float64 array of shape `extents`, 1 in solid cells."""
    if coefficient is None:
        return np.ones(extents)
    if callable(coefficient):
        coefficient = coefficient(
            *np.meshgrid(*[(np.arange(k) + 0.5) / k for k in extents], indexing="ij", sparse=True)
        )
    expected = "a number, an array of numbers or a callable that returns one of them"
    values = check_array(coefficient, "coefficient", expected).astype(np.float64, copy=False)
    try:
        values = np.where(solid, 1.0, np.broadcast_to(values, extents))
    except ValueError:
        raise ValueError(f"coefficient must have shape {extents}, got {values.shape}") from None
    if not (values.min() > 0 and values.max() < np.inf):
        cell = tuple(int(i) for i in np.argwhere(~((values > 0) & (values < np.inf)))[0])
        raise ValueError(f"coefficient must be finite and positive, got {values[cell]} in cell {cell}")
    return values


def close(weights: list[np.ndarray], cells: np.ndarray, boundary: Any) -> None:
    """Set the weights of all faces of the marked cells to 0."""
    for axis, (faces, sides) in enumerate(zip(weights, check_boundary(boundary, cells.ndim), strict=True)):
        below(faces, axis)[cells] = 0
        above(faces, axis)[cells] = 0
        if sides[0] == "periodic":  # the first and the last face are one face
            both = np.minimum(along(faces, axis, 0), along(faces, axis, -1))
            along(faces, axis, 0)[...] = along(faces, axis, -1)[...] = both


def finish(
    extents: tuple[int, ...], weights: Sequence[Any], boundary: Any, shift: Any, dtype: Any, format: str
) -> StencilOperator | csr_array:
    """The operator in the format asked for; the arrays become its own."""
    if format not in ("stencil", "csr"):
        raise ValueError(f"format must be 'stencil' or 'csr', got {format!r}")
    for array in (*weights, shift):
        if isinstance(array, np.ndarray):
            array.setflags(write=False)  # so that it is kept without a copy
    A = StencilOperator(extents, weights, boundary=boundary, shift=shift, dtype=dtype)
    return A if format == "stencil" else A.tocsr()
