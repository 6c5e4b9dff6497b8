"""Factors as the kernels take them (rows padded to a multiple of 8), made orthonormal, clipped, and started."""

from __future__ import annotations

from typing import Any

import numpy as np

from pysolve import _backend
from pysolve._arrays import largest_magnitude
from pysolve._matrix_completion_group import ALONE
from pysolve._matrix_completion_stored import Blockwise

KERNELS: Any = Blockwise()
SPIKE = 1.2  # times sqrt(2 log(n k)), the largest of n k Gaussian numbers


def stride(k: int) -> int:
    """Values of a row of a factor of rank k."""
    return -(-k // 8) * 8


def padded(factor: np.ndarray, dtype: Any) -> np.ndarray:
    """A copy of an n x k factor with padded rows."""
    n, k = factor.shape
    out: np.ndarray = _backend.zeros((n, stride(k)), dtype, factor)
    out[:, :k] = factor
    return out


def of_type(factor: np.ndarray, dtype: Any) -> np.ndarray:
    """A padded factor with values of this type."""
    if factor.dtype == dtype:
        return factor
    out: np.ndarray = _backend.empty(factor.shape, dtype, factor)
    out[...] = factor
    return out


def gram(V: np.ndarray, k: int, group: Any = ALONE) -> np.ndarray:
    """V^T V."""
    G: np.ndarray = _backend.empty((k, k), np.float64, V)
    KERNELS.matrix_completion_gram(V, k, G)
    return G if group is ALONE else np.asarray(group.sum(G))


def orthonormalise(V: np.ndarray, U: np.ndarray, k: int, clip: float = 0.0, group: Any = ALONE) -> int:
    """V <- V L^-T, U <- U L with V^T V = L L^T: the same U V^T with orthonormal V. Returns how many rows were clipped.

    Rows of V longer than clip sqrt(k / n) are scaled down to that length, and V is made orthonormal again.
    """
    L = _cholesky(gram(V, k, group))
    limit = _limit(clip, V, k, group)
    clipped = group.sum(KERNELS.matrix_completion_transform(V, k, _inverse_transposed(L), limit))
    if clipped:
        again = _cholesky(gram(V, k, group))
        KERNELS.matrix_completion_transform(V, k, _inverse_transposed(again), 0.0)
        L = L @ again
    KERNELS.matrix_completion_transform(U, k, _backend.contiguous(L), 0.0)
    return int(clipped)


def _limit(clip: float, V: np.ndarray, k: int, group: Any) -> float:
    return clip * (k / group.sum(V.shape[0])) ** 0.5


def gauge(V: np.ndarray, U: np.ndarray, k: int, clip: float = 0.0, group: Any = ALONE) -> np.ndarray:
    """The same U V^T with orthonormal V and orthogonal columns of U, longest first; returns their lengths."""
    clipped = 1
    while clipped:
        L = _cholesky(gram(V, k, group))
        with np.errstate(over="ignore", invalid="ignore"):
            G = L.T @ gram(U, k, group) @ L
        # Factors that are not finite keep their columns: whoever watches the error leaves them.
        squares, Q = np.linalg.eigh(G) if np.isfinite(G).all() else (np.diag(np.zeros_like(G)), _eye(G))
        squares, Q = np.maximum(squares[::-1], 0), Q[:, ::-1]
        turn = _backend.contiguous(_inverse_transposed(L) @ Q)
        clipped = group.sum(KERNELS.matrix_completion_transform(V, k, turn, _limit(clip, V, k, group)))
        KERNELS.matrix_completion_transform(U, k, _backend.contiguous(L @ Q), 0.0)
        clip = 0.0  # once
    lengths: np.ndarray = np.sqrt(squares)
    return lengths


def drop_spikes(V: np.ndarray, k: int, group: Any = ALONE) -> None:
    """Drops the entries of singular vectors (n x k) that are larger than those of Gaussian ones ever are.

    While the directions of a large condition are found one after the other, a weak one that is not there yet is taken
    by a single row whose residual is the largest: then this row is fitted, and is wrong for good. Without
    that direction the row must be fitted by its strong ones, and the residual goes.
    """
    limit = _largest_usual(V, k, group)
    spikes = np.abs(V) > limit
    if spikes.any():
        V[spikes] = 0


def spiky(V: np.ndarray, U: np.ndarray, k: int) -> bool:
    """Whether a single row or column has taken a direction of U V^T."""
    V, U = V.copy(), U.copy()
    for one, other in (V, U), (U, V):
        gauge(one, other, k)
        if largest_magnitude(one) > _largest_usual(one, k):
            return True
    return False


def _largest_usual(V: np.ndarray, k: int, group: Any = ALONE) -> float:
    n = max(group.sum(V.shape[0]), 1)
    return float(SPIKE * (2 * np.log(max(n * k, 2)) / n) ** 0.5)


def leave_finite(state: Any) -> None:
    """Factors and biases that no iteration made finite predict 0."""
    arrays = [state.U, state.V] + ([] if state.bias is None else [state.bias.rows, state.bias.cols])
    if state.group.sum(sum(int(not np.isfinite(x).all()) for x in arrays)):
        for x in arrays:
            x[...] = 0


def _cholesky(G: np.ndarray) -> np.ndarray:
    """L with G = L L^T; where G is not positive to rounding, of G with its smallest eigenvalues raised."""
    try:
        L: np.ndarray = np.linalg.cholesky(G)
        large = np.diag(L).min() > 1e-7 * np.diag(L).max()
        if large & _is_factor(L, G) if _backend.on_device(G) else large:
            return L
    except np.linalg.LinAlgError:
        pass
    if not np.isfinite(G).all():
        return _eye(G)
    w, Q = np.linalg.eigh(G)
    w = np.maximum(w, 1e-14 * w[-1]) if w[-1] > 0 else np.ones_like(w)
    R: np.ndarray = np.linalg.qr((Q * np.sqrt(w)).T)[1]
    return R.T


def _is_factor(L: np.ndarray, G: np.ndarray) -> Any:
    """Whether L L^T is G: CuPy does not say where a Cholesky factorisation failed."""
    return np.abs(L @ L.T - G).max() <= 1e-8 * np.abs(G).max()


def _eye(like: np.ndarray) -> np.ndarray:
    one: np.ndarray = _backend.beside(np.eye(len(like)), like)
    return one


def _inverse_transposed(L: np.ndarray) -> np.ndarray:
    turned: np.ndarray = _backend.contiguous(np.linalg.inv(L).T)
    return turned


def random_factor(n: int, k: int, used: np.ndarray, rng: np.random.Generator, dtype: Any) -> np.ndarray:
    """Gaussian rows where `used`, zeros elsewhere: a row without entries predicts 0. They are drawn on the host, and so
    the same everywhere."""
    V: np.ndarray = _backend.zeros((n, stride(k)), dtype, used)
    V[:, :k] = _backend.beside(rng.standard_normal((n, k), dtype=np.float32) / n**0.5, used)
    V[~used] = 0
    return V


def spectral_start(
    by_rows: Any,
    by_columns: Any,
    V: np.ndarray,
    U: np.ndarray,
    k: int,
    n_powers: int = 3,
    group: Any = ALONE,
    by_degree: bool = False,
) -> None:
    """V <- the leading right singular vectors of the entries, by power steps from the V that is there.

    `by_degree`: entries are divided by the roots of the counts r_i and c_j of their row and column. Where an entry is
    seen with a chance of about r_i c_j / N, the singular vectors are then those of D_r^1/2 M D_c^1/2 and not of
    D_r M D_c, whose few long rows and columns take all directions.
    """
    row, col = (_roots(side) if by_degree else side[3].dtype.type(1) for side in (by_rows, by_columns))
    for _ in range(n_powers):
        V *= col
        KERNELS.matrix_completion_gradient(by_rows, group.named(V, "V"), None, U, k)
        U *= row
        orthonormalise(U, V, k, group=group)
        U *= row
        KERNELS.matrix_completion_gradient(by_columns, group.named(U, "U"), None, V, k)
        V *= col
        orthonormalise(V, U, k, group=group)
    V *= col


def _roots(side: Any) -> np.ndarray:
    """One over the root of the number of entries of each row."""
    roots: np.ndarray = (np.maximum(side[1] - side[0], 1.0) ** -0.5).astype(side[3].dtype)
    return roots[:, None]


def first_other(by_rows: Any, V: np.ndarray, U: np.ndarray, k: int, group: Any = ALONE) -> None:
    """U <- P(M) V m n / N with orthonormal V: what V explains of the matrix, were the missing entries alike."""
    orthonormalise(V, U, k, group=group)
    KERNELS.matrix_completion_gradient(by_rows, group.named(V, "V"), None, U, k)
    count = group.sum(int((by_rows[1] - by_rows[0]).sum()))
    U *= U.dtype.type(group.sum(U.shape[0]) * group.sum(V.shape[0]) / max(count, 1))
