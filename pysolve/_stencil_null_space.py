"""The null space of a stencil operator: constants on connected components that nothing ties to 0."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from scipy import ndimage
from scipy.sparse import csc_array, csr_array
from scipy.sparse.csgraph import connected_components

from pysolve._stencil_faces import above, along, below


class NullSpace:
    """What a stencil operator knows of its null space."""

    shape: tuple[int, int]
    grid_shape: tuple[int, ...]
    dtype: np.dtype
    boundary: tuple[tuple[Any, ...], ...]
    shift: Any
    _decoupled: np.ndarray
    _components: tuple[np.ndarray, int] | None

    @property
    def _faces(self) -> tuple[np.ndarray, ...]:
        raise NotImplementedError

    @property
    def decoupled(self) -> np.ndarray:
        """bool ndarray of shape `grid_shape`: the cells whose row is that of the identity."""
        mask = np.zeros(self.shape[0], dtype=bool)
        mask[self._decoupled] = True
        return mask.reshape(self.grid_shape)

    @property
    def components(self) -> tuple[np.ndarray, int]:
        """(labels, n_components) of the connected components on which a constant is in the null space.

        labels is an int32 ndarray of shape (n,), -1 in cells outside these components: decoupled cells and
        components with a Dirichlet face or a shift. Found on first use.
        """
        if self._components is None:
            self._components = components(
                self._faces, self.boundary, self.shift, self._decoupled, self.grid_shape
            )
        return self._components

    @property
    def n_components(self) -> int:
        """int: dimension of the null space, the number of components without Dirichlet face and shift."""
        return self.components[1]

    @property
    def null_space(self) -> csc_array:
        """csc_array of shape (n, n_components): an orthonormal basis of the null space."""
        return basis(*self.components, self.dtype)

    def project_out_null_space(self, d: np.ndarray) -> np.ndarray:
        """Subtract from `d`, in place, its mean on every component that has a null space.

        Parameters
        ----------
        d : float ndarray of shape (n,) or (n, k)
            Overwritten.

        Returns
        -------
        ndarray : `d` itself
        """
        if d.shape[:1] != self.shape[:1] or d.ndim > 2:
            raise ValueError(f"d must have shape ({self.shape[0]},) or ({self.shape[0]}, k), got {d.shape}")
        project_out(*self.components, d)
        return d


def components(
    faces: Sequence[np.ndarray],
    boundary: Sequence[tuple[Any, ...]],
    shift: Any,
    decoupled: np.ndarray,
    extents: tuple[int, ...],
) -> tuple[np.ndarray, int]:
    """Labels of the components on which a constant is in the null space, -1 elsewhere; their number.

    A component has a null space when it has no open Dirichlet face and no shift.
    """
    n = int(np.prod(extents, dtype=np.int64))
    constant = all(f.size == k + 1 for f, k in zip(faces, extents, strict=True))
    if (
        constant
        and not decoupled.size
        and all(k == 1 or f.any() for f, k in zip(faces, extents, strict=True))
    ):
        grounded = np.any(np.asarray(shift) > 0) or any(
            sides[0] != "periodic" and (f.flat[0] > 0 or f.flat[-1] > 0)
            for f, sides in zip(faces, boundary, strict=True)
        )
        return np.broadcast_to(np.int32(-1 if grounded else 0), (n,)), 0 if grounded else 1
    n_labels, labels = _connected(faces, boundary, decoupled, extents)
    pinned = np.zeros(n_labels, dtype=bool)
    pinned[labels[_grounded(faces, boundary, shift, extents).ravel()]] = True
    pinned[labels[decoupled]] = True
    renumbered = np.where(pinned, -1, np.cumsum(~pinned) - 1).astype(np.int32)
    return renumbered[labels], n_labels - int(pinned.sum())


def _connected(
    faces: Sequence[np.ndarray],
    boundary: Sequence[tuple[Any, ...]],
    decoupled: np.ndarray,
    extents: tuple[int, ...],
) -> tuple[int, np.ndarray]:
    """Number and flat labels of the sets of cells that open faces connect; decoupled cells are apart."""
    coupled = np.ones(extents, dtype=bool)
    coupled.flat[decoupled] = False
    inside = all("periodic" not in sides for sides in boundary)
    for axis, f in enumerate(faces):
        if inside:
            both = below(coupled, axis) & above(coupled, axis)
            inside = bool(((along(f, axis, slice(1, -1)) > 0) == both).all())
    if (
        inside
    ):  # faces are closed around decoupled cells only: an image of them says it all, at a tenth of the time
        labels, n_labels = ndimage.label(coupled)
        unused = 0 if decoupled.size else 1  # the label 0 is that of the background
        return n_labels + 1 - unused, labels.ravel() - unused
    return connected_components(_graph(faces, boundary, extents), directed=False)


def _grounded(
    faces: Sequence[np.ndarray], boundary: Sequence[tuple[Any, ...]], shift: Any, extents: tuple[int, ...]
) -> np.ndarray:
    """The cells with a shift or an open Dirichlet face, as booleans of the shape of the box."""
    grounded = np.zeros(extents, dtype=bool)
    grounded |= shift > 0
    for axis, f in enumerate(faces):
        if boundary[axis][0] != "periodic":
            for end in (0, -1):
                part = along(grounded, axis, end)
                part |= along(f, axis, end) > 0
    return grounded


def _graph(
    faces: Sequence[np.ndarray], boundary: Sequence[tuple[Any, ...]], extents: tuple[int, ...]
) -> csr_array:
    """The open faces between two cells as the edges from a cell to its high neighbours, one row a cell."""
    cells = np.arange(np.prod(extents, dtype=np.int64), dtype=np.int32).reshape(extents)
    neighbour = np.empty((*extents, len(extents)), dtype=np.int32)
    is_open = np.empty(neighbour.shape, dtype=bool)
    for axis, f in enumerate(faces):
        neighbour[..., axis] = np.roll(cells, -1, axis)
        is_open[..., axis] = above(f, axis) > 0
        if boundary[axis][0] != "periodic":
            along(is_open[..., axis], axis, -1)[...] = False
    indptr = np.zeros(cells.size + 1, dtype=np.int32)
    np.cumsum(is_open.sum(axis=-1, dtype=np.int32).ravel(), out=indptr[1:])
    indices = neighbour[is_open]
    return csr_array((np.ones(indices.size), indices, indptr), shape=(cells.size, cells.size))


def basis(labels: np.ndarray, n_components: int, dtype: np.dtype) -> csc_array:
    """Orthonormal basis of the null space, one sparse column a component."""
    rows = np.flatnonzero(labels >= 0)
    columns = labels[rows]
    norms = np.sqrt(np.bincount(columns, minlength=n_components))
    values = (1 / norms[columns]).astype(dtype)
    return csc_array((values, (rows, columns)), shape=(labels.size, n_components))


def project_out(labels: np.ndarray, n_components: int, d: np.ndarray) -> None:
    """Subtract from `d`, in place, its mean on every component; sums are in float64."""
    if n_components == 0:
        return
    if labels.strides == (0,):  # one component, of all the cells
        d -= d.mean(axis=0, dtype=np.float64).astype(d.dtype)
        return
    group = labels + 1  # group 0: the cells outside
    cells = np.maximum(np.bincount(group, minlength=n_components + 1), 1)
    for column in [d] if d.ndim == 1 else d.T:
        means = np.bincount(group, weights=column, minlength=n_components + 1) / cells
        means[0] = 0
        column -= means.astype(d.dtype)[group]
