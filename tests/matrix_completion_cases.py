"""Matrices of low rank and samples of their entries, for the tests of matrix completion."""

import numpy as np
import scipy.sparse as sp

from pysolve import CompletionBias, CompletionResult, CompletionStatus


def sampled(m, n, k, oversampling, seed=0, noise=0.0):
    """(rows, cols, values), U, V: entries drawn uniformly until every row and column has more than k of them.

    With k a row and a column that share an entry would have fewer equations than unknowns.
    """
    rng = np.random.default_rng(seed)
    U, V = rng.standard_normal((m, k)), rng.standard_normal((n, k))
    count = int(oversampling * k * (m + n - k))
    for _ in range(200):
        flat = rng.permutation(m * n)[:count]
        i, j = flat // n, flat % n
        if np.bincount(i, minlength=m).min() > k and np.bincount(j, minlength=n).min() > k:
            break
    else:
        raise ValueError("so few entries leave rows with too few, draw after draw")
    values = (U[i] * V[j]).sum(axis=1)
    return (i, j, values + noise * rng.standard_normal(count)), U, V


def conditioned(m, n, k, oversampling, condition, seed=0, geometric=True):
    """(rows, cols, values), U, V: singular values from 1 to 1 / condition with Haar-random singular vectors.

    Entries are drawn uniformly until every row and column has k of them.
    """
    rng = np.random.default_rng(seed)
    U, V = (np.linalg.qr(rng.standard_normal((extent, k)))[0] for extent in (m, n))
    U *= (np.geomspace if geometric else np.linspace)(1, 1 / condition, k) * (m * n) ** 0.5
    for _ in range(200):
        flat = np.sort(rng.choice(m * n, int(oversampling * k * (m + n - k)), replace=False))
        i, j = flat // n, flat % n
        if np.bincount(i, minlength=m).min() >= k and np.bincount(j, minlength=n).min() >= k:
            return (i, j, (U[i] * V[j]).sum(axis=1)), U, V
    raise ValueError("so few entries leave rows with too few, draw after draw")


def unseen_error(result, U, V):
    """Relative error on the whole matrix."""
    M = U @ V.T
    return np.linalg.norm(result.to_dense() - M) / np.linalg.norm(M)


def forms(entries, shape):
    """The same entries in every form that is taken."""
    i, j, values = entries
    coo = sp.coo_array((values, (i, j)), shape=shape)
    dense = np.full(shape, np.nan)
    dense[i, j] = values
    wide = tuple(x.astype(np.int64) for x in (i, j))
    return {
        "coo": coo,
        "coo_matrix": sp.coo_matrix(coo),
        "csr": coo.tocsr(),
        "csc": coo.tocsc(),
        "triplets": ((i.astype(np.int32), j.astype(np.int32), values), shape),
        "int64": ((*wide, values), shape),
        "dense": dense,
        "masked": np.ma.masked_array(np.nan_to_num(dense), np.isnan(dense)),
    }


def coherent(k=12, m=600, n=500, n_planted=30, weak=0.02, seed=0):
    """A matrix, a mask, and its first rows: they see only columns that hardly tell four of the k directions."""
    rng = np.random.default_rng(seed)
    U, V = rng.standard_normal((m, k)), rng.standard_normal((n, k))
    poor = np.arange(n // 2)
    Q = np.linalg.qr(rng.standard_normal((k, k)))[0]
    V[poor] = V[poor] @ Q @ np.diag([*[1] * (k - 4), *[weak] * 4]) @ Q.T
    seen = rng.random((m, n)) < 0.4
    seen[:n_planted] = False
    for row in seen[:n_planted]:
        row[rng.permutation(poor)[:150]] = True
    return U @ V.T, seen


def padded(factor, dtype="f8"):
    n, k = factor.shape
    out = np.zeros((n, -(-k // 8) * 8), dtype)
    out[:, :k] = factor
    return out


def entries(rng, m, n, lengths, dtype="f8", weighted=False, gaps=False):
    """Random entries by rows; `gaps`: some entries lie between the rows and belong to none."""
    lengths = np.minimum(lengths, n)
    spare = rng.integers(0, 3, m) if gaps else np.zeros(m, int)
    begin = np.concatenate(([0], np.cumsum(lengths + spare)))[:-1]
    count = int((lengths + spare).sum())
    indices = np.concatenate(
        [
            rng.permutation(n)[: d + s] if d + s <= n else rng.integers(0, n, d + s)
            for d, s in zip(lengths, spare, strict=True)
        ]
        or [np.empty(0, int)]
    ).astype(np.int32)
    weights = rng.random(count).astype(dtype) if weighted else None
    return begin, begin + lengths, indices, rng.standard_normal(count).astype(dtype), weights


def result_of(U, V, bias=None, reg=0.0, seen=None):
    history = {name: np.array([0.5, np.nan]) for name in ("training", "held_out", "seconds")}
    return CompletionResult(
        U,
        V,
        CompletionStatus.MINIMUM,
        2,
        history | {"cg_steps": np.array([4, 8])},
        "as made",
        0,
        0,
        bias,
        reg,
        seen=seen,
    )


def made(m=30, n=20, k=3, seed=0, with_bias=False, reg=0.0):
    rng = np.random.default_rng(seed)
    bias = CompletionBias(3.0, rng.standard_normal(m), rng.standard_normal(n)) if with_bias else None
    return result_of(rng.standard_normal((m, k)), rng.standard_normal((n, k)), bias, reg)
