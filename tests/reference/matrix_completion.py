"""Matrix completion in obvious NumPy: the kernels, and the whole alternation.

Entries by rows are ``(begin, end, indices, values, weights)`` as the kernels take them; factors are plain n x k here.
"""

import numpy as np


def rows_of(observed):
    """(row, columns, values, weights) of every row."""
    begin, end, indices, values, weights = observed
    for i, (b, e) in enumerate(zip(begin, end, strict=True)):
        w = np.ones(e - b) if weights is None else weights[b:e]
        yield i, indices[b:e], np.zeros(e - b) if values is None else values[b:e], w


def squares(observed, U, V):
    """Sum of w (y - u.v)^2 over all entries."""
    return sum((w * (y - V[j] @ U[i]) ** 2).sum() for i, j, y, w in rows_of(observed))


def exact_half_step(observed, V, U, reg=None):
    """Every row of U solves its equations; rows without a unique solution take the shortest."""
    out = U.copy()
    for i, j, y, w in rows_of(observed):
        H = V[j].T @ (w[:, None] * V[j]) + np.diag(np.zeros(V.shape[1]) if reg is None else reg)
        out[i] = np.linalg.lstsq(H, V[j].T @ (w * y), rcond=None)[0]
    return out


def half_step(observed, V, U, n_cg, reg=None, calm=0.0):
    """n_cg steps of conjugate gradients from the u that is there. Returns U and the sum of squares before."""
    out = U.copy()
    for i, j, y, w in rows_of(observed):
        H = V[j].T @ (w[:, None] * V[j]) + np.diag(np.zeros(V.shape[1]) if reg is None else reg)
        out[i] = conjugate_gradients(H, V[j].T @ (w * y), U[i], n_cg, calm)
    return out, squares(observed, U, V)


def conjugate_gradients(H, b, x, n_steps, calm=0.0):
    """The last step is as long as the one before where that shrank the squared residual to `calm` of it or less."""
    alpha, fell = 0.0, np.inf
    x, r = x.copy(), b - H @ x
    p = r.copy()
    for step in range(n_steps):
        if not r @ r > 0:
            break
        if step < n_steps - 1 or fell > calm:
            alpha = r @ r / (p @ H @ p)
        x += alpha * p
        rest = r - alpha * (H @ p)
        fell = (rest @ rest) / (r @ r)
        p = rest + fell * p
        r = rest
    return x


def gradient(observed, V, U):
    """out_i = sum w (y - u.v) v."""
    out = np.zeros_like(U)
    for i, j, y, w in rows_of(observed):
        out[i] = V[j].T @ (w * (y - V[j] @ U[i]))
    return out


def normal(observed, U, V, P, Q, damping):
    """U's half of J^T J (P, Q) + damping (P, Q)."""
    out = damping * P
    for i, j, _, w in rows_of(observed):
        out[i] += V[j].T @ (w * (V[j] @ P[i] + Q[j] @ U[i]))
    return out


def blocks(observed, V, damping):
    """V_i^T W V_i + damping of every row."""
    k = V.shape[1]
    return np.array([V[j].T @ (w[:, None] * V[j]) + damping * np.eye(k) for _, j, _, w in rows_of(observed)])


def clip(V, limit):
    """Rows longer than the limit, scaled down to it."""
    length = np.linalg.norm(V, axis=1, keepdims=True)
    return V * np.minimum(1, limit / np.maximum(length, 1e-300))


def orthonormal(V):
    return np.linalg.qr(V)[0]


def complete(by_rows, by_columns, V, k, n_iterations, n_cg=2):
    """The alternation: each half step from an orthonormal factor, warm from U V^T = U R^T Q^T."""
    U = np.zeros((len(by_rows[0]), k))
    for _ in range(n_iterations):
        V, R = np.linalg.qr(V)
        U, _ = half_step(by_rows, V, U @ R.T, n_cg)
        U, R = np.linalg.qr(U)
        V, _ = half_step(by_columns, U, V @ R.T, n_cg)
    return U, V


def nonneg_step(observed, V, U, n_sweeps, reg=None):
    """n_sweeps sweeps of coordinate descent on u >= 0. Returns U and the sum of squares before, at max(U, 0)."""
    out = np.maximum(U, 0)
    before = squares(observed, out, V)
    for i, j, y, w in rows_of(observed):
        H = V[j].T @ (w[:, None] * V[j]) + np.diag(np.zeros(V.shape[1]) if reg is None else reg)
        b = V[j].T @ (w * y)
        for c in list(range(V.shape[1])) * n_sweeps:
            if H[c, c] > 0:
                out[i, c] = max(0.0, out[i, c] + (b[c] - H[c] @ out[i]) / H[c, c])
    return out, before


def deviations(observed, V, U):
    """|y - u.v| of every row's entries, and the upper median of those that have a weight."""
    far, medians = [], np.zeros(U.shape[0])
    for i, j, y, w in rows_of(observed):
        far.append(abs(y - V[j] @ U[i]))
        some = np.sort(far[-1][w > 0])
        medians[i] = some[some.size // 2] if some.size else 0
    return far, medians
