"""PackedMatrix: a sparse matrix packed for repeated products."""

from __future__ import annotations

import time
from typing import Any

import numpy as np

from pysolve import _arrays
from pysolve._backend import contiguous, empty, empty_beside, kernels, namespace, same_device, zeros
from pysolve._csr import CsrMatrix, is_sparse, symmetry_tolerance
from pysolve._placed import Placed

ROWS = 8  # of a slice, as in csrc/sell.hpp
MOST_COLUMNS = 1 << 31  # that 4-byte column numbers can name


class PackedMatrix(Placed):
    """A square sparse matrix in slices of 8 rows, cut along its diagonals, for repeated products.

    Where the entries of 8 neighbouring rows sit at neighbouring columns, as in matrices of grids, one column
    number serves all 8 and the vector is read without gathering: in float64, 8.5 bytes an entry instead of the
    12 of CSR, and vector instructions throughout. Other entries keep their column numbers. `cg` packs a CSR
    matrix by itself after 10 iterations (50 for one of less than 1,048,576 entries, never for one of less than
    8,192) where the copy is the smaller one; make the packed copy yourself to use it in many solves, or to keep
    it in the place of the CSR arrays.

    Parameters
    ----------
    A : sparse array or matrix of shape (n, n)
        Any format; float32, float64, complex64 or complex128 (other numbers are converted to float64).

    Attributes
    ----------
    shape : tuple of int
    dtype : dtype
    nnz : int
        Entries of `A`.
    nbytes : int
        Memory of the packed copy in bytes.
    setup_time : float
        Seconds that packing took.

    Raises
    ------
    ValueError
        If `A` is not square, has indices out of range or values that are not finite, or has so many columns
        (2**31 or more) that 4-byte column numbers cannot name them.
    TypeError
        If `A` is not sparse, or does not hold numbers.

    Notes
    -----
    The format is sliced ELLPACK [1]_ with runs. Padding multiplies values of ``x`` by zero, so a value of ``x``
    that is not finite may spread to the 8 rows of a slice.

    References
    ----------
    .. [1] A. Monakov, A. Lokhmotov, A. Avetisyan, "Automatically tuning sparse matrix-vector multiplication
           for GPU architectures", HiPEAC 2010.

    Examples
    --------
    >>> import numpy as np
    >>> from pysolve import PackedMatrix, gallery
    >>> A = gallery.poisson((20, 30), format="csr")
    >>> P = PackedMatrix(A)
    >>> np.allclose(P @ np.ones(600), A @ np.ones(600))
    True
    """

    _kind = "sell"
    _wide: PackedMatrix | None = None  # the same in double precision, once it has been asked for
    __array_ufunc__ = None

    def __init__(self, A: Any) -> None:
        start = time.perf_counter()
        if not is_sparse(A):
            raise TypeError(f"A must be a sparse array or matrix, not {type(A).__name__}")
        if A.ndim != 2 or A.shape[0] != A.shape[1]:
            raise ValueError(f"A must be square, but its shape is {A.shape}")
        matrix = CsrMatrix(A, _arrays.value_type(A.dtype))
        if A.shape[1] >= MOST_COLUMNS:
            raise ValueError(f"A must have less than 2**31 columns to be packed, but has {A.shape[1]}")
        self._pack(matrix, *_measured(matrix))
        self.setup_time = time.perf_counter() - start

    @classmethod
    def _if_smaller(cls, matrix: CsrMatrix) -> PackedMatrix | None:
        """The packed copy of a matrix that has been checked, where it needs less memory than that."""
        start = time.perf_counter()
        if matrix.shape[1] >= MOST_COLUMNS:
            return None
        arrays, slice_ptr, gather_ptr = _measured(matrix)
        run_bytes = np.dtype(np.int32).itemsize + ROWS * matrix.dtype.itemsize
        if slice_ptr[-1] * run_bytes + gather_ptr[-1] * ROWS * 4 + slice_ptr.nbytes >= matrix.nbytes:
            return None
        packed = cls.__new__(cls)
        packed._pack(matrix, arrays, slice_ptr, gather_ptr)
        packed.setup_time = time.perf_counter() - start
        return packed

    def _pack(self, matrix: CsrMatrix, arrays: tuple, slice_ptr: np.ndarray, gather_ptr: np.ndarray) -> None:
        self.shape, self.dtype = matrix.shape, matrix.dtype
        self.norm, self.asymmetry, self._place = matrix.norm, matrix.asymmetry, matrix._place
        n_columns, n_gathered = int(slice_ptr[-1]), int(gather_ptr[-1])
        column = empty(n_columns, np.int32, arrays[0])
        indices = empty(n_gathered * ROWS, np.int32, arrays[0])
        data = empty(n_columns * ROWS, self.dtype, arrays[0])
        kernels(data).sell_pack(*arrays, self.shape[1], slice_ptr, gather_ptr, column, indices, data)
        self._kernel_args = (slice_ptr, column, indices, data)
        self.nnz = int(arrays[2].size)

    @property
    def nbytes(self) -> int:
        """Memory of the packed copy in bytes."""
        return int(sum(array.nbytes for array in self._kernel_args))

    def matvec(self, x: Any) -> np.ndarray:
        """Product with one vector.

        Parameters
        ----------
        x : array_like of shape (n,) or (n, 1)
            Real or complex, of any memory layout.

        Returns
        -------
        ndarray of the shape of `x`
            ``A x``, in the wider of the two types. For an `x` in double precision a matrix in single makes, once, a
            copy of its values in double.

        Raises
        ------
        ValueError
            If `x` has another shape.
        """
        x, n = self._operand(x), self.shape[1]
        if x.shape not in ((n,), (n, 1)):
            raise ValueError(f"x must have shape ({n},) or ({n}, 1), got {x.shape}")
        if x.dtype.kind == "c" and self.dtype.kind == "f":
            return self.matvec(x.real) + 1j * self.matvec(x.imag)
        wide = _arrays.value_type(self.dtype, x.dtype)
        if wide != self.dtype:
            self._wide = self._wide or self.astype(wide)
            return self._wide.matvec(x)
        column = contiguous(x.reshape(n), self.dtype)
        y = empty_beside(column, self.dtype)
        self._matvec(column, y)
        return y.reshape(x.shape)

    def __matmul__(self, x: Any) -> np.ndarray:
        x, n = self._operand(x), self.shape[1]
        if x.ndim == 1:
            return self.matvec(x)
        if x.ndim != 2 or x.shape[0] != n:
            raise ValueError(f"x must have shape ({n},) or ({n}, k), got {x.shape}")
        y = empty(x.shape, _arrays.value_type(self.dtype, x.dtype), x)
        for j in range(x.shape[1]):
            y[:, j] = self.matvec(x[:, j])
        return y

    def _operand(self, x: Any) -> Any:
        x = _arrays.as_numbers(x, "x", device=True)
        same_device(A=self, x=x)
        return x

    def astype(self, dtype: Any) -> PackedMatrix:
        """The same matrix with values of another type; itself when that is its type already."""
        dtype = np.dtype(dtype)
        if dtype == self.dtype:
            return self
        copy = type(self).__new__(type(self))
        copy.__dict__.update(self.__dict__)
        copy.dtype, copy._wide = dtype, None
        packed = empty(self._kernel_args[3].size, dtype, self)
        packed[:] = self._kernel_args[3]
        copy._kernel_args = (*self._kernel_args[:3], packed)
        return copy

    def rmatvec(self, x: Any) -> np.ndarray:
        """Product of the adjoint with a vector; for a Hermitian matrix that of `matvec`.

        Parameters
        ----------
        x : array_like of shape (n,) or (n, 1)
            As in `matvec`.

        Returns
        -------
        ndarray of the shape of `x`
            ``A x``.

        Raises
        ------
        ValueError
            If the matrix is not Hermitian.
        """
        if self.asymmetry > symmetry_tolerance(self.dtype):
            raise ValueError("rmatvec needs a Hermitian matrix: the packed copy has no adjoint product")
        return self.matvec(x)

    def diagonal(self) -> np.ndarray:
        """The diagonal of the matrix.

        Returns
        -------
        ndarray of shape (n,)
            Of the type of the matrix.
        """
        slice_ptr, column, indices, data = self._kernel_args
        n_slices, data, xp = slice_ptr.size - 1, data.reshape(-1, ROWS), namespace(data)
        first_row = ROWS * (xp.searchsorted(slice_ptr, xp.arange(column.size), side="right") - 1)
        diagonal = xp.zeros((n_slices, ROWS), self.dtype)
        runs = np.flatnonzero(column == first_row)
        xp.add.at(diagonal, first_row[runs] // ROWS, data[runs])
        gathered = np.flatnonzero(column < 0)
        row = first_row[gathered, None] + xp.arange(ROWS)
        on_diagonal = (indices.reshape(-1, ROWS)[-1 - column[gathered]] == row) & (row < self.shape[0])
        xp.add.at(diagonal.ravel(), row[on_diagonal], data[gathered][on_diagonal])
        return diagonal.ravel()[: self.shape[0]]

    def _matvec(self, x: Any, y: Any) -> None:
        kernels(x).sell_matvec(*self._kernel_args, x, y)

    def _matvec_dot(self, x: Any, y: Any) -> Any:
        return kernels(x).sell_matvec_dot(*self._kernel_args, x, y)

    def _residual(self, b: Any, x: Any, r: Any) -> float:
        return float(kernels(x).sell_residual(*self._kernel_args, b, x, r))

    def _move(self, copied: Any) -> None:
        self._kernel_args, self._wide = tuple(copied(array) for array in self._kernel_args), None

    def __getstate__(self) -> dict[str, Any]:
        return {name: value for name, value in self.__dict__.items() if name != "_wide"}

    def __repr__(self) -> str:
        return f"PackedMatrix(shape={self.shape}, nnz={self.nnz}, dtype={self.dtype}, nbytes={self.nbytes})"


def _measured(matrix: CsrMatrix) -> tuple[tuple, np.ndarray, np.ndarray]:
    """The arrays with sorted rows, and where the columns and the gathered columns of each slice begin."""
    arrays, n_slices = _sorted(matrix), -(-matrix.shape[0] // ROWS)
    columns, gathered = (empty(n_slices, np.int64, matrix) for _ in range(2))
    kernels(arrays[2]).sell_measure(*arrays, matrix.shape[1], columns, gathered)
    return arrays, _running_sum(columns), _running_sum(gathered)


def _running_sum(lengths: np.ndarray) -> np.ndarray:
    total = zeros(lengths.size + 1, np.int64, lengths)
    total[1:] = lengths.cumsum()
    return total


def _sorted(matrix: CsrMatrix) -> tuple[Any, Any, Any]:
    """The arrays with every row sorted by column; the caller's own where they are already."""
    A = matrix.tocsr()
    if not A.has_sorted_indices:
        A = A.sorted_indices()
    return A.indptr, A.indices, A.data
