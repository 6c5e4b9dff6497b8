"""`StencilOperator` to a sparse matrix and back: which matrices are face weights on a box."""

import itertools
import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from scipy.sparse import csr_array, issparse

from pysolve._csr import safe_to_multiply
from pysolve._stencil_faces import above, along, below, check_shape

Faces = Sequence[np.ndarray]
Boundary = Sequence[Sequence[str]]
Extents = tuple[int, ...]
ROUNDING = 8  # two numbers are the same when they differ by at most this many units of rounding


def to_csr(
    faces: Faces, boundary: Boundary, shift: Any, decoupled: np.ndarray, extents: Extents, index_dtype: Any
) -> csr_array:
    """Canonical CSR matrix (sorted, no duplicates, no stored zeros) of the operator given by its faces."""
    n, width = math.prod(extents), 2 * len(extents) + 1
    index_dtype = np.dtype(index_dtype)
    if index_dtype not in (np.dtype(np.int32), np.dtype(np.int64)):
        raise TypeError(f"index_dtype must be int32 or int64, got {index_dtype}")
    if n * width > np.iinfo(index_dtype).max:
        raise ValueError(
            f"index_dtype int32 is too small for a matrix of {n} rows; ask for index_dtype=np.int64"
        )
    cells = np.arange(n, dtype=index_dtype).reshape(extents)
    columns = np.empty((*extents, width), dtype=index_dtype)
    values = np.zeros((*extents, width), dtype=faces[0].dtype)
    diagonal = values[..., width // 2]
    columns[..., width // 2] = cells
    for axis, f in enumerate(faces):
        # Low neighbours first, diagonal, high neighbours last: sorted already, but for the periodic faces.
        for weights, step, end, place in (
            (below(f, axis), 1, 0, axis),
            (above(f, axis), -1, -1, width - 1 - axis),
        ):
            columns[..., place] = np.roll(cells, step, axis)
            values[..., place] = -weights
            if boundary[axis][0] != "periodic":
                along(values[..., place], axis, end)[...] = 0
            diagonal += weights
    diagonal += shift
    values.reshape(n, width)[decoupled, width // 2] = 1
    stored = values != 0
    indptr = np.zeros(n + 1, dtype=index_dtype)
    np.cumsum(stored.sum(axis=-1).ravel(), out=indptr[1:])
    A = csr_array((values[stored], columns[stored], indptr), shape=(n, n))
    # SciPy may have narrowed the indices.
    A.indices, A.indptr = (part.astype(index_dtype, copy=False) for part in (A.indices, A.indptr))
    A.sum_duplicates()  # a periodic axis of extent 2 has both faces between the same two cells
    return A


def recognise(A: Any, shape: Any) -> dict[str, Any]:
    """The arguments of the StencilOperator that equals `A`; ValueError says what does not fit."""
    extents = check_shape(shape)
    A, dtype = _checked(A, extents)
    eps = ROUNDING * float(np.finfo(dtype).eps)
    _check_symmetric(A, eps)
    faces, periodic = _faces(A, extents)
    excess, tolerance = _excess(A.diagonal(), faces, extents, eps)
    found = _constant(faces, periodic, excess, tolerance, eps) or _variable(faces, periodic, excess)
    return {"shape": extents, "dtype": dtype, **found}


def _checked(A: Any, extents: Extents) -> tuple[csr_array, np.dtype]:
    """A as a canonical float64 matrix of its own, and the dtype of the operator to be."""
    if not issparse(A) and not isinstance(A, np.ndarray):
        raise TypeError(f"A must be a sparse array, a sparse matrix or an ndarray, got {type(A).__name__}")
    if A.ndim != 2 or A.shape[0] != A.shape[1]:
        raise ValueError(f"A must be square, got shape {A.shape}")
    if A.shape[0] != math.prod(extents):
        raise ValueError(
            f"A has {A.shape[0]} rows, but a box of shape {extents} has {math.prod(extents)} cells"
        )
    if A.dtype.kind not in "biuf":
        raise TypeError(f"A must be real, got dtype {A.dtype}")
    dtype = np.dtype(np.float32 if A.dtype == np.float32 else np.float64)
    A = safe_to_multiply(A, "A") if issparse(A) else A
    own = csr_array(A, dtype=np.float64, copy=True)
    own.sum_duplicates()
    own.eliminate_zeros()
    if not np.isfinite(own.data).all():
        row, column, value = _first(own, ~np.isfinite(own.data))
        raise ValueError(f"A[{row}, {column}] is {value}, expected a finite number")
    return own, dtype


def _first(A: csr_array, bad: np.ndarray) -> tuple[int, int, float]:
    """Row, column and value of the first entry that is marked."""
    k = int(np.argmax(bad))
    return int(np.searchsorted(A.indptr, k, side="right")) - 1, int(A.indices[k]), float(A.data[k])


def _check_symmetric(A: csr_array, eps: float) -> None:
    mirrored = A.T.tocsr()
    difference = (abs(A - mirrored) - eps * (abs(A) + abs(mirrored))).tocsr()
    if difference.nnz and difference.data.max() > 0:
        row, column, _ = _first(difference, difference.data > 0)
        raise ValueError(
            f"A is not symmetric: A[{row}, {column}] = {A[row, column]}, "
            f"but A[{column}, {row}] = {A[column, row]}"
        )


def _faces(A: csr_array, extents: Extents) -> tuple[list[np.ndarray], list[bool]]:
    """Face weights of every axis with closed boundaries, and which axes have periodic faces."""
    rows = np.repeat(np.arange(A.shape[0]), np.diff(A.indptr))
    upper = A.indices > rows
    rows, columns, values = rows[upper], A.indices[upper], A.data[upper]
    if values.size and values.max() > 0:
        k = int(np.argmax(values > 0))
        raise ValueError(
            f"A[{rows[k]}, {columns[k]}] = {values[k]} is positive: a face weight would be negative"
        )
    faces, periodic, fits = [], [], np.zeros(rows.size, dtype=bool)
    for axis, extent in enumerate(extents):
        stride = math.prod(extents[axis + 1 :])
        position = (rows // stride) % extent
        inner = (columns - rows == stride) & (position < extent - 1)
        # On an axis of extent 2 the periodic face joins the same cells as the inner one, which gets both.
        wrapped = (columns - rows == (extent - 1) * stride) & (position == 0) & (extent > 2)
        cells = np.zeros(extents)
        cells.ravel()[rows[inner]] = -values[inner]
        f = np.zeros([k + (j == axis) for j, k in enumerate(extents)])
        along(f, axis, slice(1, -1))[...] = along(cells, axis, slice(None, -1))
        if wrapped.any():
            cells.fill(0)
            cells.ravel()[rows[wrapped]] = -values[wrapped]
            along(f, axis, 0)[...] = along(f, axis, -1)[...] = along(cells, axis, 0)
        faces.append(f)
        periodic.append(bool(wrapped.any()))
        fits |= inner | wrapped
    if not fits.all():
        k = int(np.argmin(fits))
        raise ValueError(
            f"A[{rows[k]}, {columns[k]}] = {values[k]} is outside the stencil: in a box of shape {extents} "
            f"the cells {rows[k]} and {columns[k]} have no face in common"
        )
    return faces, periodic


def _excess(
    diagonal: np.ndarray, faces: Faces, extents: Extents, eps: float
) -> tuple[np.ndarray, np.ndarray]:
    """What the diagonal exceeds the face weights by (0 in identity rows), and the rounding of that."""
    diagonal = diagonal.reshape(extents)
    total = np.zeros(extents)
    for axis, f in enumerate(faces):
        total += below(f, axis) + above(f, axis)
    excess = diagonal - total
    excess[np.abs(excess) <= eps * total] = 0
    wrong = (excess < 0) | (diagonal <= 0)
    if wrong.any():
        row = int(np.argmax(wrong))
        raise ValueError(
            f"A is not diagonally dominant: the diagonal of row {row} is {diagonal.flat[row]} and its other "
            f"entries add up to {-total.flat[row]}, so that its shift would be negative or the row 0"
        )
    decoupled = (total == 0) & (diagonal == 1)
    excess[decoupled] = 0
    return excess, np.where(decoupled, 0, 2 * eps * diagonal)


def _constant(
    faces: Faces, periodic: list[bool], excess: np.ndarray, tolerance: np.ndarray, eps: float
) -> dict[str, Any] | None:
    """Scalar weights and the Dirichlet sides that explain the excess, else a shift; None if they vary."""
    weights: list[float] = []
    choices: list[list[tuple[str, str]]] = []
    for axis, f in enumerate(faces):
        used = f if periodic[axis] else along(f, axis, slice(1, -1))
        weight = float(used.flat[0]) if used.size else 0.0
        if used.size and used.max() - used.min() > eps * weight:
            return None
        weights.append(weight)
        ends = ("neumann", "dirichlet") if weight > 0 else ("neumann",)
        choices.append([("periodic", "periodic")] if periodic[axis] else list(itertools.product(ends, ends)))
    # Cells at most one away from a corner tell the candidates apart; the best is then compared everywhere.
    # With no excess at all the first one, closed, stays: what is in the null space of A remains there.
    sample = np.ix_(*(sorted({0, min(1, k - 1), max(k - 2, 0), k - 1}) for k in excess.shape))
    everywhere = np.ix_(*(range(k) for k in excess.shape))
    best, shift, found = np.inf, 0.0, None
    for boundary in itertools.product(*choices):
        rest = excess[sample] - _boundary_weight(weights, boundary, excess.shape, sample)
        least = max(float(rest.min()), 0.0)
        if least < best and (rest >= -tolerance[sample]).all() and (rest <= least + tolerance[sample]).all():
            best, found = least, boundary
            shift = least if least > tolerance[sample].flat[rest.argmin()] else 0.0
    if found is not None:
        rest = excess - shift - _boundary_weight(weights, found, excess.shape, everywhere)
        if (np.abs(rest) <= tolerance).all():
            return {"weights": weights, "boundary": found, "shift": shift}
    walls = [("periodic",) * 2 if is_periodic else ("neumann",) * 2 for is_periodic in periodic]
    return {"weights": weights, "boundary": walls, "shift": excess}


def _boundary_weight(
    weights: list[float], boundary: Boundary, extents: Extents, positions: tuple[np.ndarray, ...]
) -> Any:
    """Weight of the Dirichlet faces of the cells at `positions` (an open mesh), for scalar weights."""
    return sum(
        weight * ((sides[0] == "dirichlet") * (i == 0) + (sides[1] == "dirichlet") * (i == extent - 1))
        for weight, sides, extent, i in zip(weights, boundary, extents, positions, strict=True)
    )


def _variable(faces: Faces, periodic: list[bool], excess: np.ndarray) -> dict[str, Any]:
    """Weights as arrays: an excess at the boundary only becomes Dirichlet faces, any other the shift."""
    sides = [["periodic"] * 2 if is_periodic else ["neumann"] * 2 for is_periodic in periodic]
    ends = [(axis, end) for axis in range(len(faces)) if not periodic[axis] for end in (0, -1)]
    rest = excess.copy()
    for axis, end in ends:
        along(rest, axis, end)[...] = 0
    if rest.any():
        return {"weights": faces, "boundary": sides, "shift": excess}
    # Edges and corners belong to several sides: the side with the most excess takes theirs.
    rest[...] = excess
    for axis, end in sorted(ends, key=lambda side: -np.mean(along(excess, *side) > 0)):
        part = along(rest, axis, end)
        if part.any():
            sides[axis][end] = "dirichlet"
            along(faces[axis], axis, end)[...] = part
            part[...] = 0
    return {"weights": faces, "boundary": sides, "shift": 0.0}
