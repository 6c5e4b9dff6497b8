"""Sparse matrices for the tests: drawn by hypothesis with the awkward cases planted, and their rounding."""

import itertools
from typing import NamedTuple

import numpy as np
import scipy.sparse as sp
from hypothesis import strategies as st

VALUES, INDICES = ["f4", "f8", "c8", "c16"], ["i4", "i8"]
TYPES = list(itertools.product(VALUES, INDICES))
# The packed format takes eight rows at a time.
SIZES = st.sampled_from([0, 1, 2, 5, 7, 8, 9, 15, 16, 17, 24, 31, 40])
PATTERNS = ["random", "diagonals", "diagonals with holes", "mixed", "one long row", "empty"]


class Csr(NamedTuple):
    """The three arrays of a matrix, and its shape. Rows may be unsorted and name a column twice."""

    indptr: np.ndarray
    indices: np.ndarray
    data: np.ndarray
    shape: tuple

    @property
    def arrays(self):
        return self.indptr, self.indices, self.data

    def scipy(self):
        return sp.csr_array((self.data, self.indices, self.indptr), shape=self.shape, copy=True)

    def dense(self):
        """The matrix in double precision, equal columns of a row added up."""
        dense = np.zeros(self.shape, np.result_type(self.data, np.float64))
        rows = np.repeat(np.arange(self.shape[0]), np.diff(self.indptr))
        np.add.at(dense, (rows, self.indices), self.data)
        return dense


@st.composite
def matrices(draw, square=False, scales=(1e-25, 1.0, 1e15), sorted_rows=False):
    """A Csr of any type: runs, holes, empty rows, a long row, unsorted rows, the same column twice."""
    rng = np.random.default_rng(draw(st.integers(0, 2**16)))
    n_rows = draw(SIZES)
    shape = (n_rows, n_rows if square else draw(SIZES))
    dtype, index = draw(st.sampled_from(TYPES))
    dense = np.zeros(shape) if 0 in shape else pattern(draw(st.sampled_from(PATTERNS)), shape, rng)
    indptr, indices = sp.csr_array(dense).indptr, sp.csr_array(dense).indices
    if len(indices) and draw(st.booleans()):  # name columns twice
        indices = np.where(rng.random(len(indices)) < 0.8, indices, np.roll(indices, 1))
    if sorted_rows or draw(st.booleans()):
        order = np.lexsort((indices, np.repeat(np.arange(n_rows), np.diff(indptr))))
        indices = indices[order]
    data = draw(st.sampled_from(scales)) * random_values(rng, len(indices), dtype)
    return Csr(indptr.astype(index), indices.astype(index), data.astype(dtype), shape)


def pattern(name, shape, rng):
    """Where the entries are, as a dense array of ones."""
    dense = np.zeros(shape)
    if "diagonals" in name or name == "mixed":
        for offset in rng.integers(-shape[0], shape[1], 5):
            dense += np.eye(*shape, offset)
    if name == "diagonals with holes":
        dense *= rng.random(shape) < 0.8
    if name == "mixed":
        dense += rng.random(shape) < 0.1
    if name == "random":
        dense += (rng.random(shape) < 0.3) * (rng.random((shape[0], 1)) < 0.7)  # a third of the rows is empty
    if name == "one long row":
        dense[rng.integers(shape[0])] = 1
    return dense > 0


def random_values(rng, n, dtype):
    """n normal numbers, complex where the type is."""
    values = rng.standard_normal(n)
    return (values + 1j * rng.standard_normal(n) if dtype[0] == "c" else values).astype(dtype)


def vectors(A, *sizes, seed=0):
    """Random vectors of the type of A, of these sizes."""
    rng = np.random.default_rng(seed)
    return [random_values(rng, size, A.data.dtype.str[1:]) for size in sizes]


def rounding(A, x):
    """What each row of a product summed in the type of A may be off by."""
    longest = int(np.diff(A.indptr).max(initial=0)) + 8
    size = A._replace(data=abs(A.data)).dense() @ abs(x)
    return 4 * longest * np.finfo(A.data.dtype).eps * size.astype(np.float64)


def spd_matrix(n, dtype="f8", seed=0):
    """A sparse Hermitian positive definite matrix: five diagonals, condition number about 20."""
    rng = np.random.default_rng(seed)
    upper = sp.diags_array([random_values(rng, n - k, dtype) for k in (1, 3)], offsets=(1, 3), shape=(n, n))
    A = upper + upper.conj().T
    return sp.csr_array(A + sp.diags_array(abs(A).sum(axis=1) + 0.5)).astype(dtype)
