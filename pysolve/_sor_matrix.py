"""Sparse matrices as SOR sees them: L, D and U apart, in an order in which neighbouring rows are independent."""

from __future__ import annotations

import numbers
import threading
from typing import Any

import numpy as np
import scipy.sparse as sp

from pysolve import _arrays
from pysolve._backend import empty, kernels, on_device
from pysolve._csr import CsrMatrix, is_sparse, symmetry_tolerance
from pysolve._stencil import StencilOperator

ORDERS = ("natural", "multicolor")
SWEEPS = {"forward": 0, "backward": 1, "symmetric": 2}


class SplitMatrix(CsrMatrix):
    """A checked CSR matrix with a positive diagonal, and its split for sweeps in one order of the rows."""

    def __init__(self, A: Any, dtype: np.dtype, order: str) -> None:
        super().__init__(A, dtype)
        self.split = checked_split(self._kernel_args, order)

    def astype(self, dtype: Any) -> SplitMatrix:
        """Itself: it was made in the type that the system is solved in."""
        if np.dtype(dtype) != self.dtype:
            raise AssertionError(f"split in {self.dtype}, but the system is of type {dtype}")
        return self


class SplitStencil(SplitMatrix):
    """A real stencil operator for complex vectors: its entries, with its decoupled cells and its null space."""

    def __init__(self, A: StencilOperator, dtype: np.dtype, order: str) -> None:
        super().__init__(A.tocsr(), dtype, order)
        self._cells, self._decoupled, self.n_components = A, A._decoupled, A.n_components

    def project_out_null_space(self, d: np.ndarray) -> np.ndarray:
        for part in (d.real, d.imag):
            self._cells.project_out_null_space(part)
        return d


class SorWorkspace:
    """What solves of one pattern of entries share: pass the same one to solves that follow each other.

    The first solve with a matrix finds an order in which its rows can be relaxed side by side. With a workspace,
    later ones take that over where the matrix has the same pattern and only other values, as in a simulation
    whose coefficients change from step to step. What solves return does not depend on it.

    Notes
    -----
    Holds a copy of the matrix with its pattern for each order and type it was used with, and about a dozen vectors. Two
    solves at the same time may be given the same workspace: one of them does without. So does a solve with a callback,
    with several columns, or whose matrix or vectors have to be converted first (to CSR, to another type).

    Examples
    --------
    >>> import numpy as np, pysolve
    >>> A, b = pysolve.gallery.poisson((20, 20), format="csr"), np.ones(400)
    >>> workspace = pysolve.SorWorkspace()
    >>> [pysolve.ssor_cg(k * A, b, omega=1.6, workspace=workspace).iterations for k in (1, 2, 4)]
    [12, 12, 12]
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._splits: dict[tuple[Any, ...], Any] = {}
        self._vectors: Any = None

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), ()  # all of it is made again on the next solve

    def split(self, arrays: tuple[np.ndarray, ...], order: str) -> Any:
        """The split of a matrix, with the order of the rows of an earlier one where the pattern is the same."""
        key = order, arrays[2].dtype, _place(arrays[2])
        split = self._splits.get(key)
        if split is None or not split.update(*arrays):
            split = self._splits[key] = kernels(arrays[2]).SorSplit(*arrays, order)
        return split

    def vectors(self, n_values: int, dtype: np.dtype, like: Any) -> Any:
        """That many values of memory where `like` is, whatever they hold."""
        kept = self._vectors
        if kept is None or kept.size < n_values or kept.dtype != dtype or _place(kept) != _place(like):
            self._vectors = kept = empty(n_values, dtype, like)
        return kept[:n_values]


def _place(x: Any) -> Any:
    """The GPU that holds an array; None for the host."""
    return (getattr(getattr(x, "device", None), "id", None),) if on_device(x) else None


def split_of(arrays: tuple[np.ndarray, ...], order: str, workspace: SorWorkspace | None) -> Any:
    """The split of a matrix, whatever is to be said about it."""
    if workspace is not None:
        return workspace.split(arrays, order)
    return kernels(arrays[2]).SorSplit(*arrays, order)


def checked_split(arrays: tuple[np.ndarray, ...], order: str) -> Any:
    """The split of a matrix; ValueError for the first entry that does not allow relaxation."""
    split = split_of(arrays, order, None)
    if split.fault == "duplicate":
        raise ValueError(
            f"A must have each entry once, but A[{split.row}, {split.column}] is stored twice: "
            "call A.sum_duplicates()"
        )
    if split.fault == "diagonal":
        row = slice(*(int(end) for end in arrays[0][split.row : split.row + 2]))
        found = arrays[2][row][arrays[1][row] == split.row]
        entry = f"is {found[0]}" if found.size else "is not stored"
        raise ValueError(
            f"A must have a positive diagonal, but its entry in row {split.row} {entry}: "
            "SOR divides by the diagonal"
        )
    return split


def with_entries(A: Any) -> Any:
    """`A` as a sparse matrix or a stencil operator; TypeError where its entries cannot be had."""
    if is_sparse(A) or isinstance(A, StencilOperator):
        return A
    if on_device(A) and hasattr(A, "__cuda_array_interface__"):
        from cupyx.scipy.sparse import csr_matrix

        A = _arrays.as_numbers(A, "A", device=True)
        _arrays.check_finite(A, "A")
        return csr_matrix(A.astype(_arrays.value_type(A.dtype), copy=False)) if A.ndim == 2 else A
    if isinstance(A, np.ndarray):
        _arrays.as_numbers(A, "A")
        _arrays.check_finite(A, "A")
        return sp.csr_array(A) if A.ndim == 2 else A
    raise TypeError(
        "A must be a sparse array or matrix, a dense array or a StencilOperator, whose entries SOR can relax "
        f"one after another, not {type(A).__name__}"
    )


def check_omega(omega: Any) -> float:
    """omega as a float in (0, 2)."""
    if type(omega) is not float and (isinstance(omega, bool) or not isinstance(omega, numbers.Real)):
        raise TypeError(f"omega must be a real number, not {omega!r}")
    if not 0 < float(omega) < 2:
        raise ValueError(f"omega must lie in (0, 2), but is {omega!r}")
    return float(omega)


def relative_asymmetry(split: Any) -> float:
    """The largest ``|a_ij - conj(a_ji)|`` over the norm of the matrix."""
    return 0.0 if split.symmetric else float(split.asymmetry / min(split.norm, np.finfo(np.float64).max))


def check_symmetric(split: Any, given: np.dtype, dtype: np.dtype) -> None:
    """ValueError where the entries of the matrix are not those of a Hermitian one, up to rounding."""
    asymmetry = relative_asymmetry(split)
    if asymmetry > symmetry_tolerance(given, dtype):
        kind = "Hermitian" if dtype.kind == "c" else "symmetric"
        raise ValueError(
            f"A must be {kind} (and positive definite), but it is not: relative asymmetry {asymmetry:.1e}"
        )
