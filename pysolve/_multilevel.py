"""Multilevel: a learned V-cycle on stencil operators, a preconditioner that is linear and positive definite."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from pysolve import _multilevel_weights
from pysolve._array_files import read_arrays, save_arrays
from pysolve._backend import as_array, contiguous, device_of, empty
from pysolve._multilevel_files import operator_from_arrays, operator_to_arrays
from pysolve._multilevel_hierarchy import Hierarchy
from pysolve._placed import Placed
from pysolve._stencil import StencilOperator
from pysolve._stencil_faces import check_shape
from pysolve._writing import check_path


class Multilevel(Placed):
    r"""A learned multigrid V-cycle for a `StencilOperator`: ``z = M r``, close to the solution of ``A z = r``.

    Linear, symmetric and positive definite, so that `cg` takes it as its `M`, as do the solvers of SciPy, pyamg
    and PETSc. The iterations hardly depend on the size of the grid, nor on anisotropy along its axes, and little on a
    coefficient that varies smoothly or between regions of some cells.

    .. math::
        M = \tilde S + E^T \, s P B P^T E, \quad
        E = I - S A = \prod_k (I - \tau_k D A), \quad
        D = \mathrm{diag}(m_c / a_{cc})

    with the transfers P to a grid on which pairs of cells are joined along the strong axes, the cycle B on that
    grid, and :math:`\tilde S` what smoothing alone does. *Learned* are the steps :math:`\tau`, the scales s, and two
    small nets that see what surrounds a cell (closed faces, jumps, the strongest axis, the shift) and say how far to
    relax it, :math:`m_c`, and how the transfers resist there. They are evaluated once for a geometry, when the
    hierarchy is set up.

    Parameters
    ----------
    A : StencilOperator, or sparse array or matrix of shape (n, n)
        Walls, solid cells, jumps, any shift, Dirichlet, Neumann and periodic sides, in 2-D and 3-D; singular
        operators too (the constants of `StencilOperator.null_space` are taken out).
    shape : tuple of int, optional
        Extents of the box: needed for a matrix, which `StencilOperator.from_csr` must recognise.
    weights : {"default", "tuned", "textbook", "untrained"} or path, default "default"
        "default" are the learned ones; "textbook" is aggregation with two damped Jacobi steps; "tuned" the same with
        Chebyshev steps and an over-correction set by hand; "untrained" has the transfers of "default" and no
        learned number in it. Or a file written by ``python -m pysolve.training multilevel``.

    Attributes
    ----------
    shape : tuple of int
    dtype : dtype
        That of `A`; the cycle itself runs in float32.
    levels : list of tuple of int
        Extents of the grids, the finest first.
    setup_time : float
        Seconds that the last set-up took.
    bytes_per_cycle : int
        Bytes of memory that one application moves, by the cost model of the kernels.

    Raises
    ------
    TypeError, ValueError
        For an `A` that is no stencil operator on a box of `shape`, and for weights that cannot be read, are of
        another version, or fail the certificate that the cycle is positive definite.

    See Also
    --------
    cg : takes it as `M`.
    StencilOperator.update : changes the coefficient in place; then call `update` here.

    Notes
    -----
    Beyond `A` it keeps about 16 float32 vectors in 3-D with weights that vary, 13 with constant ones.
    Made from an operator on the GPU it lives there, and a cycle is one CUDA graph (`to_device` copies it); an operator
    without arrays serves both places.
    Several threads may use one object at once, each with a workspace of its own, but not while another updates it.
    After `A` has changed, call `update`: until then M is the cycle of the old coefficient. Where the coefficient is
    rough, that is, jumps by orders of magnitude from cell to cell, the learned transfers have no advantage:
    "tuned" takes fewer iterations there.

    References
    ----------
    .. [1] W. L. Briggs, V. E. Henson, S. F. McCormick, *A Multigrid Tutorial*, 2nd ed., SIAM, 2000.
    .. [2] P. Wesseling, *An Introduction to Multigrid Methods*, Wiley, 1992, section 5.4: transfers that depend on
           the operator.
    .. [3] A. Kaneda et al., "A Deep Conjugate Direction Method for Iteratively Solving Linear Systems", ICML 2023,
           arXiv:2205.10763: learned directions.

    Examples
    --------
    >>> import numpy as np, pysolve
    >>> A = pysolve.gallery.obstacle_box((40, 40, 40))
    >>> M = pysolve.Multilevel(A)
    >>> b = np.ones(A.shape[0])
    >>> result = pysolve.cg(A, b, M=M, rtol=1e-6)
    >>> result.converged, result.iterations < 10
    (True, True)
    """

    __array_ufunc__ = None

    def __init__(self, A: Any, *, shape: Any = None, weights: Any = "default") -> None:
        self._weights = _multilevel_weights.find_weights(weights)
        self._set_up(_as_stencil(A, shape))

    def _set_up(self, A: StencilOperator) -> None:
        start = time.perf_counter()
        self.A, self.shape, self.dtype = A, A.shape, A.dtype
        self._place, self._keeps_arrays, self._twin = A._place, A._keeps_arrays, None
        with device_of(A.weights[0]):
            self._hierarchy = Hierarchy(A, self._weights.dimensions[len(A.grid_shape)])
        self.setup_time = time.perf_counter() - start

    def _move(self, copied: Any) -> None:
        self._set_up(self.A.to_device(self._place))

    def update(self, A: StencilOperator | None = None) -> None:
        """Set up again for an operator that has changed, in the arrays of the last set-up.

        Parameters
        ----------
        A : StencilOperator, or sparse array or matrix of shape (n, n), optional
            Of the same extents as before; if omitted the one given last (after `StencilOperator.update`).

        Raises
        ------
        ValueError
            If its extents differ.
        """
        if A is None:
            A = self.A
        A = _as_stencil(A, None if isinstance(A, StencilOperator) else self.A.grid_shape)
        if A.grid_shape != self.A.grid_shape:
            raise ValueError(f"A must have the extents {self.A.grid_shape}, but has {A.grid_shape}")
        if A._place != self._place:
            here, there = _PLACES[A._place], _PLACES[self._place]
            raise TypeError(f"A is on the {here}, but M on the {there}: move A by to_device")
        start = time.perf_counter()
        # What a next use sets up for, should this one fail.
        self.A, self.dtype, self._keeps_arrays, self._twin = A, A.dtype, A._keeps_arrays, None
        with device_of(A.weights[0]):
            self._hierarchy.make(A)
        self.setup_time = time.perf_counter() - start

    def matvec(self, r: Any) -> np.ndarray:
        """One V-cycle from zero: ``M r``.

        Parameters
        ----------
        r : array_like of shape (n,), (n, 1) or (n, k)
            Real or complex (part by part); on the GPU where the arrays of `A` are there.

        Returns
        -------
        ndarray of the shape of `r`
            In float32 for float32 and smaller types, in double precision for others; computed in float32.

        Raises
        ------
        ValueError, TypeError
            If `r` has not n rows, or does not hold numbers.
        """
        r = as_array(r)
        if r.ndim not in (1, 2) or r.shape[0] != self.shape[0]:
            raise ValueError(f"r must have shape ({self.shape[0]},) or ({self.shape[0]}, k), got {r.shape}")
        if r.dtype.kind not in "biufc":
            raise TypeError(f"r must hold numbers, got dtype {r.dtype}")
        if r.dtype.kind == "c":
            return self.matvec(r.real) + 1j * self.matvec(r.imag)
        real = np.float32 if np.can_cast(r.dtype, np.float32) else np.float64
        M = self._at(r)
        with device_of(r):
            if r.ndim == 1:
                return M._apply(contiguous(r, real))
            z = empty(r.shape, real, r)
            for k in range(r.shape[1]):
                z[:, k] = M._apply(contiguous(r[:, k], real))
        return z

    rmatvec = matmat = __matmul__ = matvec

    def _apply(self, r: Any) -> Any:
        z = empty(r.size, r.dtype, r)
        self._apply_into(r, z)
        return z

    def _apply_into(self, r: Any, z: Any) -> None:
        """z = M r, for contiguous vectors of float32 or float64; r is left as it is. The device waits for max |r|."""
        self._complete()
        if self._place == "cuda":
            self._hierarchy.on_device.apply(r, z)
            return
        A, right = self.A, r
        if A.n_components > 0:
            z[:] = r  # which is read before z is written
            right = A.project_out_null_space(z)
        if self._hierarchy.cycle(right, z) and A._decoupled.size:
            z[A._decoupled] = r[A._decoupled]
        if A.n_components > 0:
            A.project_out_null_space(z)

    def _captured(self, r: Any, z: Any, norm: float) -> Callable[[], None]:
        """A function that does z = M r for these vectors, with r of about this norm; on the device it does not wait.

        It is for the thread and the stream that are the current ones, and until the next `update`.
        """
        self._complete()
        if self._place == "cuda":
            return self._hierarchy.on_device.captured(r, z, norm)
        return lambda: self._apply_into(r, z)

    def _complete(self) -> None:
        if self._hierarchy.solve is None:  # an update was interrupted
            self._set_up(self.A)

    @property
    def levels(self) -> list[tuple[int, ...]]:
        return self._hierarchy.extents(len(self.A.grid_shape))

    @property
    def bytes_per_cycle(self) -> int:
        return self._hierarchy.bytes_per_cycle(self.A.dtype.itemsize)

    def save(self, path: Any) -> None:
        """Write the operator and the weights to a file (.npz), whole or not at all.

        Parameters
        ----------
        path : str or path-like
        """
        arrays = _multilevel_weights.to_arrays(self._weights)
        save_arrays(path, arrays | operator_to_arrays(self.A) | {"name": np.array(self._weights.name)})

    @classmethod
    def load(cls, path: Any) -> Multilevel:
        """Read what `save` wrote, check it, and set up.

        Parameters
        ----------
        path : str or path-like

        Returns
        -------
        Multilevel

        Raises
        ------
        ValueError
            For a file that is truncated, of another kind or version, or fails the checks of weights and operator.
        """
        name = check_path(path)
        arrays = read_arrays(Path(name), name)
        A = operator_from_arrays(arrays, name)
        return cls(A, weights=_multilevel_weights.from_arrays(arrays, str(arrays["name"])))

    def __getstate__(self) -> dict[str, Any]:
        return {"A": self.A, "weights": self._weights}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self._weights = state["weights"]
        self._set_up(state["A"])

    def __repr__(self) -> str:
        grids = " > ".join("x".join(map(str, extents)) for extents in self.levels)
        return f"{type(self).__name__}({grids}, weights={self._weights.name!r}, dtype={self.dtype})"


_PLACES = {"cpu": "host", "cuda": "GPU"}


def _as_stencil(A: Any, shape: Any) -> StencilOperator:
    if isinstance(A, StencilOperator):
        if shape is not None and check_shape(shape) != A.grid_shape:
            raise ValueError(f"shape must be that of A, {A.grid_shape}, but is {shape!r}")
        return A
    if shape is None:
        raise TypeError(
            f"A must be a StencilOperator, or a matrix with shape=(nx, ny[, nz]), not {type(A).__name__} without shape"
        )
    return StencilOperator.from_csr(A, shape)
