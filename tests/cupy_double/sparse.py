"""Sparse matrices on the device, as far as the package looks at them: cupyx.scipy.sparse."""

import scipy.sparse as sp

from cupy_double import asarray
from cupy_double.arrays import ndarray, wrapped


class spmatrix:
    """What the formats have in common."""

    ndim = 2

    def __init__(self, host):
        """`host`: a SciPy matrix whose arrays are moved to the device."""
        self.shape, self.dtype = host.shape, host.dtype

    def _on_host(self):
        raise NotImplementedError

    def tocsr(self, copy=False):
        return csr_matrix(self._on_host().tocsr())

    def diagonal(self):
        return asarray(self._on_host().diagonal())

    def __matmul__(self, x):
        return asarray(self._on_host() @ x._host)

    dot = __matmul__


class csr_matrix(spmatrix):
    __module__ = "cupyx.scipy.sparse"
    format = "csr"

    def __init__(self, given, shape=None):
        if sp.issparse(given):
            host = sp.csr_matrix(given)
            given, shape = tuple(asarray(x) for x in (host.data, host.indices, host.indptr)), host.shape
        if isinstance(given, ndarray):
            host = sp.csr_matrix(given._host)
            given, shape = tuple(wrapped(x) for x in (host.data, host.indices, host.indptr)), host.shape
        self.data, self.indices, self.indptr = given
        if self.data.dtype.char not in "?fdFD":
            raise ValueError("Only bool, float32, float64, complex64 and complex128 are supported")
        self.shape, self.dtype = shape, self.data.dtype
        self.nnz = self.data.size

    has_sorted_indices = True

    def tocsr(self, copy=False):
        return self

    def sorted_indices(self):
        host = self._on_host().sorted_indices()
        return csr_matrix(host)

    def _on_host(self):
        arrays = (x._host for x in (self.data, self.indices, self.indptr))
        return sp.csr_matrix(tuple(arrays), shape=self.shape)

    def get(self):
        """A SciPy matrix on the host."""
        return sp.csr_matrix(tuple(x.get() for x in (self.data, self.indices, self.indptr)), shape=self.shape)


class coo_matrix(spmatrix):
    __module__ = "cupyx.scipy.sparse"
    format = "coo"

    def __init__(self, given, shape=None):
        if sp.issparse(given):
            host = given.tocoo()
            given = asarray(host.data), (asarray(host.row), asarray(host.col))
            shape = host.shape
        self.data, (self.row, self.col) = given
        self.shape, self.dtype, self.nnz = shape, self.data.dtype, self.data.size

    def _on_host(self):
        return sp.coo_matrix((self.data._host, (self.row._host, self.col._host)), shape=self.shape)


class dia_matrix(spmatrix):
    __module__ = "cupyx.scipy.sparse._dia"
    format = "dia"

    def __init__(self, host):
        host = sp.dia_matrix(host)
        self.data, self.offsets = asarray(host.data), asarray(host.offsets)
        self.shape, self.dtype, self.nnz = host.shape, host.dtype, host.nnz

    def _on_host(self):
        return sp.dia_matrix((self.data._host, self.offsets._host), shape=self.shape)


def issparse(x):
    return isinstance(x, spmatrix)


def isspmatrix_csr(x):
    return isinstance(x, csr_matrix)
