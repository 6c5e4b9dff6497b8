"""Products with one vector as calls of no arguments: each library's own, and pysolve's kernels into a given result.

The public names of pysolve and its kernels only. Loads pysolve when called, not before (see `__init__`).
"""

import importlib.util
from collections.abc import Callable
from typing import Any

import numpy as np

LIBRARIES = ("scipy", "pysolve", "pyamg", "petsc4py")
Call = Callable[[], Any]


def require(library: str) -> None:
    """Skip the benchmark, in asv's way, where `library` is not installed."""
    if importlib.util.find_spec(library) is None:
        raise NotImplementedError(f"{library} is not installed")


def random_vector(n: int) -> np.ndarray:
    """The same n values in every run."""
    return np.random.default_rng(0).standard_normal(n)


def beside(x: np.ndarray) -> np.ndarray:
    """Room for a product with `x`, placed as pysolve's own products place it, and written once."""
    from pysolve._backend import empty_beside

    y = empty_beside(x, x.dtype)
    y.fill(0)
    return y


def csr_bytes(A: Any) -> int:
    """Bytes that csr_matvec moves: nnz (v + i) + n (2 v + i)."""
    v, i = A.data.itemsize, A.indices.itemsize
    return int(A.nnz * (v + i) + A.shape[0] * (2 * v + i))


def stencil_bytes(A: Any) -> int:
    """Bytes that stencil_matvec moves: 2 v a cell, and 3 v more with arrays of weights in three dimensions."""
    return A.shape[0] * A.dtype.itemsize * (2 if np.ndim(A.weights[0]) == 0 else 5)


def csr_into(A: Any, x: np.ndarray, y: np.ndarray) -> Call:
    """y = A x by the kernel `csr_matvec`."""
    from pysolve._backend import kernels

    return lambda: kernels(x).csr_matvec(A.indptr, A.indices, A.data, x, y)


def csr_new(A: Any, x: np.ndarray) -> Call:
    """The same into a new array each time."""
    from pysolve._backend import kernels

    def call() -> np.ndarray:
        y = np.empty(A.shape[0], A.dtype)
        kernels(x).csr_matvec(A.indptr, A.indices, A.data, x, y)
        return y

    return call


def scipy_into(A: Any, x: np.ndarray, y: np.ndarray) -> Call:
    """What `A @ x` of scipy runs, on an array that it adds to; `A @ x` makes a new one of zeros each time."""
    from scipy.sparse import _sparsetools

    return lambda: _sparsetools.csr_matvec(*A.shape, A.indptr, A.indices, A.data, x, y)


def packed_parts(A: Any) -> tuple[np.ndarray, ...]:
    """slice_ptr, column, indices and data of a packed matrix with sorted rows, made by the kernels."""
    from pysolve._backend import kernels

    module, rows = kernels(A.data), -(-A.shape[0] // 8)
    columns, gathered = np.empty(rows, np.int64), np.empty(rows, np.int64)
    arrays = (A.indptr, A.indices, A.data)
    module.sell_measure(*arrays, A.shape[1], columns, gathered)
    slice_ptr, gather_ptr = (np.concatenate(([0], np.cumsum(k)), dtype=np.int64) for k in (columns, gathered))
    column, indices = np.empty(slice_ptr[-1], np.int32), np.empty(8 * gather_ptr[-1], np.int32)
    memory = np.empty(8 * slice_ptr[-1] + 8, A.dtype)  # from a cache line on, as PackedMatrix has it
    start = -memory.ctypes.data % 64 // A.dtype.itemsize
    data = memory[start : start + 8 * slice_ptr[-1]]
    module.sell_pack(*arrays, A.shape[1], slice_ptr, gather_ptr, column, indices, data)
    return slice_ptr, column, indices, data


def packed_into(parts: tuple[np.ndarray, ...], x: np.ndarray, y: np.ndarray) -> Call:
    """y = A x by the kernel `sell_matvec`."""
    from pysolve._backend import kernels

    return lambda: kernels(x).sell_matvec(*parts, x, y)


def stencil_into(A: Any, x: np.ndarray, y: np.ndarray) -> Call:
    """y = A x by the kernel `stencil_matvec`, for a box in three dimensions without solid cells or shift."""
    from pysolve._backend import kernels

    codes = {"dirichlet": 0, "neumann": 1, "periodic": 2}
    low, high = (tuple(codes[pair[end]] for pair in A.boundary) for end in (0, 1))
    module = kernels(x)
    grid = module.stencil_grid(A.grid_shape, low, high, tuple(A.weights), A.shift, None, A.dtype.str[1:])
    return lambda: module.stencil_matvec(grid, x, y)


def petsc_matrix(A: Any, kind: str = "aij") -> Any:
    """A copy of a csr_array in a PETSc format."""
    from petsc4py import PETSc

    rows = (A.indptr.astype(PETSc.IntType), A.indices.astype(PETSc.IntType))
    matrix = PETSc.Mat().createAIJ(size=A.shape, csr=(*rows, A.data.astype(PETSc.ScalarType)))
    return matrix if kind == "aij" else matrix.convert(kind)


def petsc_into(A: Any, kind: str = "aij") -> Call:
    """y = A x by PETSc, with one process."""
    matrix = petsc_matrix(A, kind)
    x, y = matrix.createVecs()
    x.setArray(random_vector(A.shape[0]))
    return lambda: matrix.mult(x, y)
