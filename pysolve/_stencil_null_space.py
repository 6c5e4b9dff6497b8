"""The null space of a stencil operator: constants on connected components that nothing ties to 0."""

from typing import Any

import numpy as np
from scipy.sparse import csc_array

from pysolve._backend import contiguous, empty, kernels, namespace, same_device, zeros


class NullSpace:
    """What a stencil operator knows of its null space."""

    shape: tuple[int, int]
    grid_shape: tuple[int, ...]
    dtype: np.dtype
    boundary: tuple[tuple[Any, ...], ...]
    shift: Any
    _decoupled: Any
    _place: str
    _components: tuple[np.ndarray, int] | None

    @property
    def decoupled(self) -> np.ndarray:
        """bool ndarray of shape `grid_shape`: the cells whose row is that of the identity."""
        mask = zeros(self.shape[0], bool, self)
        mask[self._decoupled] = True
        return mask.reshape(self.grid_shape)

    @property
    def components(self) -> tuple[np.ndarray, int]:
        """(labels, n_components) of the connected components on which a constant is in the null space.

        labels is an int32 ndarray of shape (n,), -1 in cells outside these components: decoupled cells and
        components with a Dirichlet face or a shift. Found on first use.
        """
        if self._components is None:
            self._components = components(self)
        return self._components

    @property
    def n_components(self) -> int:
        """int: dimension of the null space, the number of components without Dirichlet face and shift."""
        return self.components[1]

    @property
    def null_space(self) -> csc_array:
        """csc_array of shape (n, n_components): an orthonormal basis of the null space."""
        if self._place == "cuda":
            raise TypeError("null_space is a SciPy matrix: take that of A.to_device('cpu')")
        return basis(*self.components, self.dtype)

    def project_out_null_space(self, d: Any) -> Any:
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
        same_device(A=self, d=d)
        project_out(*self.components, d)
        return d


def components(A: Any) -> tuple[np.ndarray, int]:
    """Labels of the components on which a constant is in the null space, -1 elsewhere; their number."""
    n = A.shape[0]
    whole = isinstance(A.weights[0], float) and not A._decoupled.size
    if whole and all(k == 1 or f.any() for f, k in zip(A._faces, A.grid_shape, strict=True)):
        grounded = bool(np.any(A.shift > 0)) or any(
            sides[0] != "periodic" and (f.flat[0] > 0 or f.flat[-1] > 0)
            for f, sides in zip(A._faces, A.boundary, strict=True)
        )
        xp = namespace(A)
        return xp.broadcast_to(xp.asarray(-1 if grounded else 0, np.int32), (n,)), 0 if grounded else 1
    labels = empty(n, np.int32, A)
    n_components = kernels(labels).stencil_components(A._kernel_args[0], labels)
    if n_components <= 1 and labels.min() == labels.max():
        labels = namespace(A).broadcast_to(labels[:1].copy(), (n,))  # all cells alike: no array need be kept
    return labels, n_components


def basis(labels: np.ndarray, n_components: int, dtype: np.dtype) -> csc_array:
    """Orthonormal basis of the null space, one sparse column a component."""
    rows = np.flatnonzero(labels >= 0)
    columns = labels[rows]
    norms = np.sqrt(np.bincount(columns, minlength=n_components))
    values = (1 / norms[columns]).astype(dtype)
    return csc_array((values, (rows, columns)), shape=(labels.size, n_components))


def project_out(labels: Any, n_components: int, d: Any) -> None:
    """Subtract from `d`, in place, its mean on every component; sums are in float64."""
    if n_components == 0:
        return
    if labels.strides == (0,):  # one component, of all the cells
        d -= d.mean(axis=0, dtype=np.float64).astype(d.dtype)
        return
    module = kernels(labels)
    for column in [d] if d.ndim == 1 else d.T:
        values = contiguous(column, d.dtype if d.dtype.kind == "f" else np.float64)
        module.stencil_project_out(labels, n_components, values)
        if values is not column:
            column[...] = values
