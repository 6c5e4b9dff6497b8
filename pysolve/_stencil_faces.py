"""The faces of a box of cells: checks of `StencilOperator`'s arguments, and which faces are open."""

import numbers
import operator
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from pysolve._backend import as_array, beside, namespace, on_device, same_device, zeros

SIDES = ("dirichlet", "neumann", "periodic")  # the position is the kernels' code of a side


def along(array: np.ndarray, axis: int, index: int | slice) -> np.ndarray:
    """The part `index` (an int or a slice) of `array` along `axis`, as a view."""
    return array[(slice(None),) * axis + (index,)]


def below(faces: np.ndarray, axis: int) -> np.ndarray:
    """The low face of every cell, a view."""
    return along(faces, axis, slice(None, -1))


def above(faces: np.ndarray, axis: int) -> np.ndarray:
    """The high face of every cell, a view."""
    return along(faces, axis, slice(1, None))


# ---- the arguments, one check each ----------------------------------------------------------------------


def check_shape(shape: Any) -> tuple[int, ...]:
    """Extents of the box as a tuple of 2 or 3 ints, each at least 1."""
    try:
        extents = tuple(operator.index(extent) for extent in shape)
    except TypeError:
        raise TypeError(f"shape must be a sequence of 2 or 3 integers, got {shape!r}") from None
    if len(extents) not in (2, 3) or min(extents) < 1:
        raise ValueError(f"shape must hold 2 or 3 extents, each at least 1, got {shape!r}")
    return extents


def check_dtype(dtype: Any, values: Iterable[Any]) -> np.dtype:
    """float32 or float64: what was asked for, or float32 when every array among `values` is float32."""
    if dtype is None:
        types = {as_array(value).dtype for value in values if np.ndim(value) > 0}
        return np.dtype(np.float32 if types == {np.dtype(np.float32)} else np.float64)
    try:
        asked = np.dtype(dtype)
    except (TypeError, ValueError):  # not the name of any type
        asked = None
    if asked is None or asked not in (np.dtype(np.float32), np.dtype(np.float64)):
        raise TypeError(f"dtype must be float32 or float64, got {dtype!r}")
    return asked


def check_boundary(boundary: Any, ndim: int) -> tuple[tuple[Any, ...], ...]:
    """One (low, high) pair of strings for each axis."""
    entries = (boundary,) * ndim if isinstance(boundary, str) else boundary
    try:
        pairs = tuple((entry, entry) if isinstance(entry, str) else tuple(entry) for entry in entries)
    except TypeError:
        raise TypeError(f"boundary must be a string or one entry for each axis, got {boundary!r}") from None
    if len(pairs) != ndim:
        raise ValueError(f"boundary must have one entry for each of the {ndim} axes, got {boundary!r}")
    for axis, pair in enumerate(pairs):
        if len(pair) != 2 or any(side not in SIDES for side in pair):
            raise ValueError(
                f"boundary[{axis}] must be one of {SIDES} or a (low, high) pair of them, got {pair!r}"
            )
        if "periodic" in pair and pair[0] != pair[1]:
            raise ValueError(f"boundary[{axis}] is {pair!r}: 'periodic' must be on both sides of an axis")
    return pairs


def check_weights(
    weights: Any, extents: tuple[int, ...], boundary: Sequence[tuple[Any, ...]], dtype: np.dtype
) -> tuple[Any, ...]:
    """One float for each axis, or one read-only array of face weights for each axis."""
    try:
        entries = tuple(weights)
    except TypeError:
        raise TypeError(f"weights must have one entry for each axis, got {weights!r}") from None
    if len(entries) != len(extents):
        raise ValueError(
            f"weights must have one entry for each of the {len(extents)} axes, got {len(entries)}"
        )
    scalars = [axis for axis, entry in enumerate(entries) if np.ndim(entry) == 0]
    if not scalars:
        return tuple(
            _face_array(entry, axis, extents, boundary[axis], dtype) for axis, entry in enumerate(entries)
        )
    if len(scalars) < len(entries):
        raise ValueError(
            f"weights must be all scalars or all arrays, got scalars for the axes {scalars} only"
        )
    return tuple(_scalar(entry, f"weights[{axis}]", dtype) for axis, entry in enumerate(entries))


def check_shift(shift: Any, extents: tuple[int, ...], dtype: np.dtype) -> float | np.ndarray:
    """A float, or a read-only array of the shape of the box."""
    if np.ndim(shift) == 0:
        return _scalar(shift, "shift", dtype)
    return _sealed(_array(shift, "shift", extents, dtype))


def check_factors(anisotropy: Any, ndim: int) -> tuple[float, ...]:
    """One finite factor for each axis, each at least 0; ones for None."""
    if anisotropy is None:
        return (1.0,) * ndim
    message = f"anisotropy must hold {ndim} finite factors, each at least 0, got {anisotropy!r}"
    factors = tuple(anisotropy) if np.iterable(anisotropy) else (None,)
    if not all(is_number(factor) for factor in factors):
        raise TypeError(message)
    try:
        factors = tuple(float(factor) for factor in factors)
    except OverflowError:  # an int beyond the largest float
        raise ValueError(message) from None
    if len(factors) != ndim or not all(0 <= factor < np.inf for factor in factors):
        raise ValueError(message)
    return factors


def is_number(value: Any) -> bool:
    """A real number: of Python, of NumPy, or in an array without axes."""
    if isinstance(value, np.ndarray) or on_device(value):
        return value.ndim == 0 and value.dtype.kind in "iuf"
    return isinstance(value, numbers.Real)


def _scalar(value: Any, name: str, dtype: np.dtype) -> float:
    if as_array(value).dtype.kind not in "iuf":
        raise TypeError(f"{name} must be a real number or an array, got {value!r}")
    with np.errstate(over="ignore"):
        rounded = float(dtype.type(value))  # what the kernels of this dtype compute with
    if not 0 <= rounded < np.inf:
        raise ValueError(f"{name} must be finite in {dtype} and at least 0, got {value!r}")
    return rounded


def _array(values: Any, name: str, expected: tuple[int, ...], dtype: np.dtype) -> np.ndarray:
    """`values` in C order, of type `dtype`: one that nobody can write to is kept, any other is copied."""
    try:
        given = as_array(values)
    except ValueError:  # rows of different lengths
        raise ValueError(f"{name} must be an array of shape {expected}, got {values!r}") from None
    if given.dtype.kind not in "biuf":
        raise TypeError(f"{name} must hold real numbers, got dtype {given.dtype}")
    if given.shape != expected:
        raise ValueError(f"{name} must have shape {expected}, got {given.shape}")
    shared = not on_device(given) and not given.flags.writeable and given.base is None
    xp = namespace(given)
    with np.errstate(over="ignore"):
        array = (xp.asarray if shared else xp.array)(given, dtype=dtype, order="C")
    if not (array.min() >= 0 and array.max() < np.inf):  # also false for NaN, and needs no array of booleans
        where = tuple(int(i) for i in np.argwhere(~((array >= 0) & (array < np.inf)))[0])
        raise ValueError(
            f"{name} must be finite in {dtype} and at least 0, got {given[where]} at index {where}"
        )
    return array


def _face_array(
    values: Any, axis: int, extents: tuple[int, ...], sides: tuple[Any, ...], dtype: np.dtype
) -> np.ndarray:
    name = f"weights[{axis}]"
    expected = tuple(extent + (k == axis) for k, extent in enumerate(extents))
    array = _array(values, name, expected, dtype)
    first, last = along(array, axis, 0), along(array, axis, -1)
    if sides[0] == "periodic" and not np.array_equal(first, last):
        where = tuple(int(i) for i in np.argwhere(first != last)[0])
        raise ValueError(
            f"{name}: face 0 and face {extents[axis]} of a periodic axis are the same face and must have "
            f"the same weight, got {first[where]} and {last[where]} at position {where} of the boundary"
        )
    closed = [end for end, side in zip((0, -1), sides, strict=True) if not _carries(side, extents[axis])]
    if any(along(array, axis, end).any() for end in closed):
        array = array if on_device(array) or array.flags.writeable else array.copy()
        for end in closed:
            along(array, axis, end)[...] = 0
    return _sealed(array)


def _carries(side: str, extent: int) -> bool:
    """False for a closed side; a periodic face of an axis of extent 1, cell to itself, carries nothing."""
    return side == "dirichlet" or (side == "periodic" and extent > 1)


def _sealed(array: np.ndarray) -> np.ndarray:
    if not on_device(array):
        array.setflags(write=False)
    return array


def check_place(weights: Sequence[Any], shift: Any) -> str:
    """Where the arrays are, "cpu" or "cuda": "cpu" where there are none."""
    arrays = {f"weights[{axis}]": w for axis, w in enumerate(weights) if not isinstance(w, float)}
    return "cuda" if same_device(**arrays, shift=None if isinstance(shift, float) else shift) else "cpu"


# ---- which faces are open -------------------------------------------------------------------------------


def constant_faces(
    weight: float, axis: int, extents: tuple[int, ...], sides: tuple[Any, ...], dtype: np.dtype
) -> np.ndarray:
    """The faces along `axis` for a scalar weight, as an array of extent 1 along the other axes."""
    faces = np.full(extents[axis] + 1, weight, dtype=dtype)
    for end, side in zip((0, -1), sides, strict=True):
        if not _carries(side, extents[axis]):
            faces[end] = 0
    return faces.reshape([-1 if k == axis else 1 for k in range(len(extents))])


def face_weights(a: np.ndarray, factors: Sequence[float], boundary: Any) -> list[np.ndarray]:
    """Harmonic means of the coefficients of the two cells of a face, times the factor of its axis; 0 where one is 0."""
    weights = []
    for axis, (factor, sides) in enumerate(zip(factors, check_boundary(boundary, a.ndim), strict=True)):
        faces = zeros(tuple(k + (j == axis) for j, k in enumerate(a.shape)), np.float64, a)
        along(faces, axis, slice(1, -1))[...] = _harmonic_mean(below(a, axis), above(a, axis))
        first, last = along(a, axis, 0), along(a, axis, -1)
        for end, cells, side in ((0, first, sides[0]), (-1, last, sides[1])):
            if side != "neumann":
                along(faces, axis, end)[...] = cells if side == "dirichlet" else _harmonic_mean(first, last)
        with np.errstate(over="ignore"):  # an infinite weight is refused where it is checked
            faces *= factor
        weights.append(faces)
    return weights


def _harmonic_mean(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    # The quotient lies in [1, 2], so that nothing overflows or is lost; a == b gives exactly a.
    larger, mean = np.maximum(a, b), a / 2 + b / 2
    positive = mean > 0
    return np.minimum(a, b) * np.where(positive, larger / np.where(positive, mean, 1), 1)


def update(A: Any, coefficient: Any, anisotropy: Any, shift: Any) -> None:
    """New weights and shift for `A`, all made and checked before any of them is set."""
    if coefficient is None and anisotropy is not None:
        raise ValueError(f"anisotropy needs a coefficient beside it, got anisotropy={anisotropy!r} alone")
    if coefficient is None and shift is None:
        raise TypeError("update must be given a coefficient, a shift or both, got neither")
    weights, faces, new_shift = A.weights, A._faces, A.shift
    if coefficient is not None:
        cells = _array(coefficient, "coefficient", A.grid_shape, A.dtype)
        factors = check_factors(anisotropy, cells.ndim)
        given = face_weights(cells, factors, A.boundary)
        weights = faces = check_weights(given, A.grid_shape, A.boundary, A.dtype)
    if shift is not None:
        new_shift = check_shift(shift, A.grid_shape, A.dtype)
    decoupled = decoupled_cells(faces, new_shift, A.grid_shape)
    A.weights, A.shift, A._decoupled = weights, new_shift, decoupled


def decoupled_cells(faces: Sequence[np.ndarray], shift: Any, extents: tuple[int, ...]) -> np.ndarray:
    """Sorted flat indices of the cells whose faces are all closed and whose shift is 0."""
    constant = all(f.size == extents[axis] + 1 for axis, f in enumerate(faces))
    if (constant and any(f.any() for f in faces)) or (np.ndim(shift) == 0 and shift > 0):
        return np.empty(
            0, dtype=np.int64
        )  # every cell has an open face or a shift: allocate nothing of size n
    coupled = zeros(extents, bool, shift if np.ndim(shift) else faces[0])
    for axis, f in enumerate(faces):
        f = beside(f, coupled)
        coupled |= below(f, axis) > 0
        coupled |= above(f, axis) > 0
    coupled |= shift > 0
    return np.flatnonzero(~coupled).astype(np.int64, copy=False)


def eigenvalue_bound(A: Any) -> float:
    """A bound on the eigenvalues of the coupled cells: by Gershgorin, twice the largest diagonal entry.

    The rows of decoupled cells are left out, and so is their eigenvalue 1: what counts as rounding among
    coupled cells of weight 1e-12 is measured against this bound, solid cells elsewhere or not.
    """
    return sum(4 * float(np.max(faces)) for faces in A._faces) + float(np.max(A.shift)) or 1.0
