"""The factors of Kronecker products: dense, sparse, Toeplitz and identity, checked and of one interface."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from typing import Any

import numpy as np
import scipy.sparse as sp
from scipy.sparse import _sparsetools

from pysolve._backend import device_namespace, on_device
from pysolve._kron_products import dense_product
from pysolve._kron_workspace import Workspace

WIDE_RIGHT = 32  # columns from which a sparse factor multiplies slices in place, without transposing


class Factor:
    """A matrix along one axis. What is computed from it (eigenvectors, ...) is kept in ``kept``, not pickled."""

    is_identity = False
    place = "cpu"  # or "cuda", where its arrays are
    shape: tuple[int, int]
    dtype: np.dtype

    def __init__(self) -> None:
        self.kept: dict[str, Any] = {}

    @property
    def _place(self) -> str:
        return self.place

    def apply(self, x: np.ndarray, y: np.ndarray, workspace: Workspace) -> None:
        """y[l, :, r] = A x[l, :, r] on contiguous arrays of the type of the factor."""
        raise NotImplementedError

    def toarray(self) -> np.ndarray:
        raise NotImplementedError

    def tocsr(self) -> sp.csr_array:
        return sp.csr_array(self.toarray())

    def public(self) -> Any:
        """The factor as the user knows it."""
        return self.toarray()

    @property
    def n_multiplied(self) -> int:
        """Multiplications of a product with one vector."""
        return self.shape[0] * self.shape[1]

    @property
    def is_square(self) -> bool:
        return self.shape[0] == self.shape[1]

    @property
    def T(self) -> Factor:
        raise NotImplementedError

    def conj(self) -> Factor:
        raise NotImplementedError

    def scaled(self, c: Any) -> Factor:
        raise NotImplementedError

    def astype(self, dtype: np.dtype) -> Factor:
        raise NotImplementedError

    def moved(self, copied: Callable[[Any], Any]) -> Factor:
        """The factor with copies of its arrays, as `copied` makes them."""
        raise NotImplementedError

    def diagonal(self) -> np.ndarray:
        return self.toarray().diagonal()

    @property
    def key(self) -> tuple:
        """Equal for factors that are equal, so that terms can share their products."""
        if self.place == "cuda":
            return type(self).__name__, self.shape, self.dtype.str, SameValues(self._arrays())
        if "key" not in self.kept:
            digest = hashlib.blake2b(digest_size=16)
            for array in self._arrays():
                digest.update(np.ascontiguousarray(array).data)
            self.kept["key"] = (type(self).__name__, self.shape, self.dtype.str, digest.digest())
        return self.kept["key"]

    def _arrays(self) -> tuple[np.ndarray, ...]:
        """What the factor consists of."""
        raise NotImplementedError

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "kept": {}}


class SameValues:
    """Compares as equal with arrays of the same values, which stay on the device."""

    def __init__(self, arrays: tuple) -> None:
        self.arrays = arrays

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, SameValues):
            return False
        return all(a is b or bool((a == b).all()) for a, b in zip(self.arrays, other.arrays, strict=True))

    def __hash__(self) -> int:
        return len(self.arrays)  # what is asked first, shape and type, stands beside it in a key


def read_only(A: Any) -> None:
    """Nobody may write into `A`, where arrays know of that."""
    if not on_device(A):
        A.setflags(write=False)


class DenseFactor(Factor):
    """A 2-D array, contiguous in C or Fortran order and read-only."""

    def __init__(self, A: np.ndarray) -> None:
        super().__init__()
        self.A, self.shape, self.dtype = A, A.shape, A.dtype
        self.place = "cuda" if on_device(A) else "cpu"
        read_only(A)

    @property
    def real_array(self) -> np.ndarray | None:
        """What the compiled kernel takes: a real array."""
        return self.A if self.dtype.kind == "f" else None

    def apply(self, x: np.ndarray, y: np.ndarray, workspace: Workspace) -> None:
        dense_product(self.A, x, y)

    def toarray(self) -> np.ndarray:
        return self.A

    @property
    def T(self) -> Factor:
        return DenseFactor(self.A.T)

    def conj(self) -> Factor:
        return self if self.dtype.kind == "f" else DenseFactor(self.A.conj())

    def scaled(self, c: Any) -> Factor:
        return DenseFactor(self.A * c)

    def astype(self, dtype: np.dtype) -> Factor:
        return DenseFactor(self.A.astype(dtype))

    def moved(self, copied: Callable[[Any], Any]) -> Factor:
        return DenseFactor(copied(self.A))

    def _arrays(self) -> tuple[np.ndarray, ...]:
        return (self.A,)

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        read_only(self.A)


class SparseFactor(Factor):
    """A canonical CSR array, read-only."""

    def __init__(self, A: sp.csr_array) -> None:
        super().__init__()
        self.A, self.shape, self.dtype = A, A.shape, A.dtype
        for array in (A.indptr, A.indices, A.data):
            array.setflags(write=False)

    def apply(self, x: np.ndarray, y: np.ndarray, workspace: Workspace) -> None:
        left, n, right = x.shape
        if left == 1 or right >= WIDE_RIGHT:
            for slice_x, slice_y in zip(x, y, strict=True):
                self._multiply(slice_x, slice_y)
            return
        first = workspace.array("sparse x", (n, left, right), x.dtype)
        result = workspace.array("sparse y", (self.shape[0], left, right), x.dtype)
        first[...] = x.transpose(1, 0, 2)
        self._multiply(first.reshape(n, -1), result.reshape(self.shape[0], -1))
        y[...] = result.transpose(1, 0, 2)

    def _multiply(self, x: np.ndarray, y: np.ndarray) -> None:
        """y = A x; SciPy's kernel adds to y, and takes its place from the caller, where A @ x would make an array."""
        A = self.A
        y.fill(0)
        _sparsetools.csr_matvecs(
            *A.shape, x.shape[1], A.indptr, A.indices, A.data, x.reshape(-1), y.reshape(-1)
        )

    def toarray(self) -> np.ndarray:
        return self.A.toarray()

    def tocsr(self) -> sp.csr_array:
        return self.A

    def public(self) -> Any:
        return self.A

    @property
    def n_multiplied(self) -> int:
        return int(self.A.nnz)

    @property
    def T(self) -> Factor:
        return SparseFactor(_canonical(self.A.T.tocsr()))

    def conj(self) -> Factor:
        return self if self.dtype.kind == "f" else SparseFactor(self.A.conj())

    def scaled(self, c: Any) -> Factor:
        return SparseFactor(self.A * c)

    def astype(self, dtype: np.dtype) -> Factor:
        return SparseFactor(self.A.astype(dtype))

    def diagonal(self) -> np.ndarray:
        return self.A.diagonal()

    def moved(self, copied: Callable[[Any], Any]) -> Factor:
        raise NotImplementedError(
            "a sparse factor stays on the host: on the device factors are dense, or Toeplitz (A.toarray() is dense)"
        )

    def _arrays(self) -> tuple[np.ndarray, ...]:
        return self.A.indptr, self.A.indices, self.A.data

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        for array in self._arrays():
            array.setflags(write=False)


class IdentityFactor(Factor):
    """The identity, which costs nothing."""

    is_identity = True

    def __init__(self, n: int, dtype: np.dtype, place: str = "cpu") -> None:
        super().__init__()
        self.shape, self.dtype, self.place = (n, n), np.dtype(dtype), place

    def toarray(self) -> np.ndarray:
        xp = device_namespace() if self.place == "cuda" else np
        return xp.eye(self.shape[0], dtype=self.dtype)

    def tocsr(self) -> sp.csr_array:
        return sp.csr_array(sp.eye_array(self.shape[0], dtype=self.dtype, format="csr"))

    def public(self) -> Any:
        return self.toarray() if self.place == "cuda" else self.tocsr()

    @property
    def n_multiplied(self) -> int:
        return 0

    @property
    def T(self) -> Factor:
        return self

    def conj(self) -> Factor:
        return self

    def scaled(self, c: Any) -> Factor:
        if self.place == "cuda":
            return DenseFactor(self.toarray() * c)
        return SparseFactor(_canonical(self.tocsr() * c))

    def astype(self, dtype: np.dtype) -> Factor:
        return IdentityFactor(self.shape[0], dtype, self.place)

    def moved(self, copied: Callable[[Any], Any]) -> Factor:
        return IdentityFactor(self.shape[0], self.dtype, "cuda" if on_device(copied(np.empty(0))) else "cpu")

    def diagonal(self) -> np.ndarray:
        return self._ones(self.dtype)

    def ones(self) -> np.ndarray:
        """Its eigenvalues, which are real."""
        return self._ones(np.finfo(self.dtype).dtype)

    def _ones(self, dtype: np.dtype) -> np.ndarray:
        xp = device_namespace() if self.place == "cuda" else np
        return xp.ones(self.shape[0], dtype)

    def _arrays(self) -> tuple[np.ndarray, ...]:
        return ()


def _canonical(A: Any) -> sp.csr_array:
    A = sp.csr_array(A)
    A.sum_duplicates()
    return A
