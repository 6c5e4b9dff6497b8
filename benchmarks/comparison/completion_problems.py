"""Matrices to complete: their entries, and unseen cells on which every error is taken."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import scipy.sparse as sp

UNSEEN = 100_000  # cells on which an error is taken
BLOCK = 1 << 18  # entries that are worked out at one time
DRAWS = 500


@dataclass
class Problem:
    """Entries in random order, int32 and float64: 16 bytes each; `truth` at the unseen cells."""

    name: str
    rows: np.ndarray
    cols: np.ndarray
    values: np.ndarray
    shape: tuple[int, int]
    k: int
    unseen: tuple[np.ndarray, np.ndarray]
    truth: np.ndarray

    @property
    def observed(self) -> tuple[Any, tuple[int, int]]:
        """As pysolve takes it."""
        return (self.rows, self.cols, self.values), self.shape

    @property
    def coo(self) -> sp.coo_matrix:
        """As cmfrec takes it."""
        return sp.coo_matrix((self.values, (self.rows, self.cols)), shape=self.shape)

    @property
    def nbytes(self) -> int:
        return self.rows.nbytes + self.cols.nbytes + self.values.nbytes

    def error(self, U: np.ndarray, V: np.ndarray) -> float:
        """Norm of the error over the norm of the truth, on the unseen cells."""
        difference = cells(U, V, *self.unseen) - self.truth
        return float(np.linalg.norm(difference) / np.linalg.norm(self.truth))


def cells(U: np.ndarray, V: np.ndarray, i: np.ndarray, j: np.ndarray) -> np.ndarray:
    """U[i] . V[j] for each pair, in float64."""
    found = np.empty(i.size)
    for first in range(0, i.size, BLOCK):
        some = slice(first, first + BLOCK)
        found[some] = np.einsum("ek,ek->e", U[i[some]], V[j[some]], dtype=np.float64)
    return found


def drawn(rng: np.random.Generator, shape: tuple[int, int], count: int, k: int) -> np.ndarray:
    """`count` cells drawn uniformly, all anew until every row and column has at least k; in random order."""
    m, n = shape
    for _ in range(DRAWS):
        flat = distinct(rng, m * n, count)
        if min(np.bincount(flat // n, minlength=m).min(), np.bincount(flat % n, minlength=n).min()) >= k:
            return flat
    raise ValueError(f"{DRAWS} draws of {count} cells left rows or columns with fewer than {k}")


def distinct(rng: np.random.Generator, size: int, count: int) -> np.ndarray:
    """`count` different numbers below `size`, in random order."""
    if count > size // 50:
        return rng.permutation(size)[:count] if size < 1 << 28 else rng.choice(size, count, replace=False)
    flat = np.empty(0, np.int64)
    while flat.size < count:
        flat = np.sort(np.concatenate((flat, rng.integers(0, size, count - flat.size))))
        flat = flat[np.diff(flat, prepend=-1) > 0]  # np.unique takes a minute for ten million
    return rng.permutation(flat)


def unseen_cells(
    rng: np.random.Generator, shape: tuple[int, int], flat: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Cells drawn uniformly from those that are not in `flat`."""
    tried = rng.integers(0, shape[0] * shape[1], min(UNSEEN, shape[0] * shape[1]))
    in_order = np.sort(flat)
    nearest = in_order[np.minimum(np.searchsorted(in_order, tried), flat.size - 1)]
    rest = tried[nearest != tried]
    return rest // shape[1], rest % shape[1]


def problem(
    name: str, U: np.ndarray, V: np.ndarray, flat: np.ndarray, rng: np.random.Generator, sigma: float = 0.0
) -> Problem:
    """The cells `flat` of U V^T, with noise."""
    shape = U.shape[0], V.shape[0]
    i, j = (part.astype(np.int32) for part in np.divmod(flat, shape[1]))
    values = cells(U, V, i, j)
    if sigma:
        values += sigma * rng.standard_normal(values.size)
    unseen = unseen_cells(rng, shape, flat)
    return Problem(name, i, j, values, shape, U.shape[1], unseen, cells(U, V, *unseen))


def uniform(n: int, k: int, rho: float, seed: int = 0, kappa: float = 1.0) -> Problem:
    """rho k (2 n - k) cells of a Gaussian matrix; with `kappa` its singular values fall by that factor."""
    rng = np.random.default_rng(seed)
    U, V = rng.standard_normal((2, n, k))
    name = f"n = {n}, k = {k}, rho = {rho:g}"
    if kappa > 1:
        U, V = (np.linalg.qr(factor)[0] for factor in (U, V))
        U = n * U * np.geomspace(1, 1 / kappa, k)
        name += f", kappa = {kappa:g}"
    return problem(name, U, V, drawn(rng, (n, n), int(rho * k * (2 * n - k)), k), rng)


def counted(n: int, k: int, count: int, seed: int = 0) -> Problem:
    """A given number of cells of a Gaussian matrix."""
    rng = np.random.default_rng(seed)
    U, V = rng.standard_normal((2, n, k))
    return problem(f"n = {n}, k = {k}", U, V, drawn(rng, (n, n), count, k), rng)


def power_law(n: int, k: int, rho: float, sigma: float, exponent: float = 0.6, seed: int = 0) -> Problem:
    """Row i and column j are seen with probability ~ (i j)^-exponent, in random order, and at least k times.

    The truth has root-mean-square 1, and sigma is that of the noise on the entries.
    """
    rng = np.random.default_rng(seed)
    U, V = rng.standard_normal((2, n, k)) / k**0.25
    count = int(rho * k * (2 * n - k))
    a, b = (rng.permutation((1.0 + np.arange(n)) ** -exponent) for _ in range(2))
    low, high = 0.0, float(n * n)
    for _ in range(60):  # the factor that makes the expected number right
        factor = (low + high) / 2
        expected = sum(float(np.minimum(1, factor * row * b).sum()) for row in a[:: max(1, n // 500)])
        expected *= n / len(a[:: max(1, n // 500)])
        low, high = (low, factor) if expected > count else (factor, high)
    seen = rng.random((n, n)) < factor * a[:, None] * b
    for mask in seen, seen.T:
        for row in np.flatnonzero(mask.sum(axis=1) < k):
            mask[row, rng.permutation(np.flatnonzero(~mask[row]))[: k - mask[row].sum()]] = True
    flat = rng.permutation(np.flatnonzero(seen))
    name = f"power law, n = {n}, k = {k}, {flat.size:,} entries, sigma = {sigma:g}"
    return problem(name, U, V, flat, rng, sigma)
