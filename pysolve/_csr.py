"""Sparse matrices as the solvers see them: checked once, then multiplied by compiled kernels."""

from __future__ import annotations

from typing import Any

import numpy as np
import scipy.sparse as sp

from pysolve._backend import contiguous, kernels, namespace, on_device


class CsrMatrix:
    """A square sparse matrix whose structure, values and symmetry have been checked.

    Keeps the arrays of a CSR matrix of the right type as they are, without a copy.
    """

    _kind = "csr"
    _place: str

    def __init__(self, A: Any, dtype: np.dtype) -> None:
        A = checked_csr(A)
        index_type = A.indptr.dtype if A.indices.dtype == A.indptr.dtype else np.dtype(np.int64)
        self._kernel_args = (
            contiguous(A.indptr, index_type),
            contiguous(A.indices, index_type),
            contiguous(A.data, dtype),
        )
        self.shape, self.dtype = A.shape, dtype
        self._place = "cuda" if on_device(A) else "cpu"
        self.report = _check(*self._kernel_args, A.shape, "A")

        self.norm = float(self.report["max_row_sum"])  # at least the largest eigenvalue

    @property
    def asymmetry(self) -> float:
        """``|u^H A v - conj(v^H A u)|`` for two pseudo-random vectors, relative to the size of A."""
        frobenius = self.report["frobenius"]  # squares may leave the numbers where sums do not
        size = max(frobenius, self.norm) if np.isfinite(frobenius) else self.norm
        return float(self.report["asymmetry"] / size) if size > 0 else 0.0

    def own_structure(self) -> None:
        """Copy the index arrays, so that code called between the products cannot lead them out of bounds."""
        indptr, indices, data = self._kernel_args
        self._kernel_args = (indptr.copy(), indices.copy(), data)

    def own_arrays(self) -> None:
        """Copy all arrays: the matrix stays what it is, whatever becomes of the caller's."""
        self.own_structure()
        indptr, indices, data = self._kernel_args
        self._kernel_args = (indptr, indices, data.copy())

    def _matvec(self, x: Any, y: Any) -> None:
        kernels(x).csr_matvec(*self._kernel_args, x, y)

    def _matvec_dot(self, x: Any, y: Any) -> Any:
        return kernels(x).csr_matvec_dot(*self._kernel_args, x, y)

    def _residual(self, b: Any, x: Any, r: Any) -> float:
        return float(kernels(x).csr_residual(*self._kernel_args, b, x, r))

    @property
    def n_entries(self) -> int:
        return int(self._kernel_args[2].size)

    @property
    def nbytes(self) -> int:
        return int(sum(array.nbytes for array in self._kernel_args))

    def tocsr(self) -> Any:
        """The matrix as SciPy, or CuPy, knows it, on the same arrays."""
        indptr, indices, data = self._kernel_args
        if self._place == "cuda":
            from cupyx.scipy.sparse import csr_matrix

            return csr_matrix((data, indices, indptr), shape=self.shape)
        return sp.csr_array((data, indices, indptr), shape=self.shape)

    def diagonal(self) -> np.ndarray:
        """The diagonal of the matrix."""
        return self.tocsr().diagonal()


def _check(
    indptr: np.ndarray, indices: np.ndarray, data: np.ndarray, shape: tuple[int, int], name: str
) -> dict[str, Any]:
    """Report of ``csr_check``; ValueError for the first thing that is wrong."""
    n_rows, n_cols = shape
    if indptr.size != n_rows + 1:
        raise ValueError(
            f"{name}.indptr must have {n_rows + 1} values for {n_rows} rows, but has {indptr.size}"
        )
    if indices.size != data.size:
        raise ValueError(
            f"{name} has {indices.size} indices for {data.size} values: a sparse matrix needs as many of both"
        )
    report: dict[str, Any] = kernels(data).csr_check(indptr, indices, data, n_cols)
    at = report["position"]
    if report["fault"] == "indptr":
        raise ValueError(
            f"{name}.indptr must rise from 0 to at most {data.size}, but indptr[{at}] is {indptr[at]}"
        )
    if report["fault"] == "index":
        raise ValueError(f"{name}.indices must lie in [0, {n_cols}), but indices[{at}] is {indices[at]}")
    if report["fault"] == "value":
        row = int((indptr <= at).sum()) - 1
        raise ValueError(f"{name} must be finite, but {name}[{row}, {indices[at]}] is {data[at]}")
    return report


def is_sparse(A: Any) -> bool:
    """Whether A is a sparse array or matrix, of SciPy or of CuPy."""
    return sp.issparse(A) or (hasattr(A, "tocsr") and hasattr(A, "format") and on_device(A))


def checked_csr(A: Any, name: str = "A") -> Any:
    """`A` in CSR format. Its indices are looked at before SciPy's conversions read memory through them."""
    A = A if A.ndim == 2 else A.reshape(1, -1)
    if A.dtype.kind not in "biufc":
        raise TypeError(f"{name} must hold numbers, not dtype {A.dtype}")
    if A.format == "csr":
        return A
    if A.format == "csc":
        _check_structure(A.indptr, A.indices, A.data, A.shape[::-1], name)
    elif A.format == "bsr":
        blocks = tuple(extent // max(block, 1) for extent, block in zip(A.shape, A.blocksize, strict=True))
        _check_structure(A.indptr, A.indices, A.data, blocks, name)
    elif A.format == "coo":
        for axis, index in enumerate(A.coords if hasattr(A, "coords") else (A.row, A.col)):
            if index.size and not 0 <= index.min() <= index.max() < A.shape[axis]:
                raise ValueError(
                    f"{name} has indices from {index.min()} to {index.max()} along axis {axis}, "
                    f"but they must lie in [0, {A.shape[axis]})"
                )
    return A.tocsr()


def _check_structure(
    indptr: np.ndarray, indices: np.ndarray, data: np.ndarray, shape: tuple[int, int], name: str
) -> None:
    """Refuse index arrays that lead out of bounds; quickly where they do not."""
    n_rows, n_cols = shape
    fits = indptr.size == n_rows + 1 and indices.size == len(data) >= indptr[-1] and indptr[0] == 0
    fits = fits and bool((indptr[1:] >= indptr[:-1]).all())
    if fits and (indices.size == 0 or (indices.min() >= 0 and indices.max() < n_cols)):
        return
    index_type = np.result_type(indptr, indices)
    ones = namespace(data).ones(len(data), dtype=np.float32)
    _check(contiguous(indptr, index_type), contiguous(indices, index_type), ones, shape, name)


def safe_to_multiply(M: Any, name: str) -> Any:
    """`M` in CSR format with indices that SciPy's product can be trusted with; its values are as they are."""
    M = checked_csr(M, name)
    _check_structure(M.indptr, M.indices, M.data, M.shape, name)
    return M


def symmetry_tolerance(*dtypes: Any) -> float:
    """Asymmetry that rounding in the entries of a Hermitian matrix can explain, in the coarsest of these types."""
    return float(max(np.finfo(dtype).eps for dtype in map(np.dtype, dtypes) if dtype.kind in "fc") ** (2 / 3))
