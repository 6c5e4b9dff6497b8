"""Relaxation and its preconditioner in obvious NumPy: the specification of the compiled kernels.

`A` is a dense or sparse matrix, `order` a permutation of its rows: the order in which a forward sweep takes them (None:
the natural one). The compiled kernels may take the rows in any other order that keeps this one for adjacent rows.
"""

import numpy as np
import scipy.sparse as sp
from reference.csr import wide

FORWARD, BACKWARD, SYMMETRIC = 0, 1, 2


def dense(A):
    return wide(A.toarray() if sp.issparse(A) else A)


def sor_sweep_csr(indptr, indices, data, rows, b, x, omega):
    """x_i += omega (b_i - sum_j a_ij x_j) / a_ii for these rows, each with the newest x."""
    for i in rows:
        entries = range(indptr[i], indptr[i + 1])
        rest = wide(b)[i] - sum(wide(data)[k] * wide(x)[indices[k]] for k in entries)
        diagonal = sum(data[k] for k in entries if indices[k] == i)
        x[i] += omega * rest / diagonal.real


def sor_sweep(A, b, x, omega, sweep=FORWARD, order=None):
    """One sweep on x in place; a symmetric one is a forward one and then a backward one."""
    A, rows = dense(A), np.arange(len(b)) if order is None else np.asarray(order)
    passes = {FORWARD: [rows], BACKWARD: [rows[::-1]], SYMMETRIC: [rows, rows[::-1]]}
    for i in np.concatenate(passes[sweep]):
        x[i] += omega * (b[i] - A[i] @ x) / A[i, i].real


def sor_run(A, b, x, omega, sweep, n_steps, tolerance=-1.0, order=None):
    """Sweeps on x in place: the norms of b - A x after each, up to the first that is at most the tolerance."""
    norms = []
    for _ in range(n_steps):
        sor_sweep(A, b, x, omega, sweep, order)
        norms.append(np.linalg.norm(b - dense(A) @ x))
        if norms[-1] <= tolerance:
            break
    return np.array(norms)


def color_order(A):
    """Rows by colour: each takes the smallest that no neighbour before it in the natural order has."""
    A = dense(A)
    adjacent = (A != 0) | (A.T != 0)
    color = np.zeros(len(A), int)
    for i in range(len(A)):
        taken = set(color[:i][adjacent[i, :i]])
        color[i] = min(set(range(i + 1)) - taken)
    return np.argsort(color, kind="stable")


def ssor_matrix(A, omega, order=None):
    """M = omega / (2 - omega) (D / omega + L) D^-1 (D / omega + U), L and U those of the order."""
    A = dense(A)
    rows = np.arange(len(A)) if order is None else np.asarray(order)
    B = A[np.ix_(rows, rows)]
    D, L, U = np.diag(np.diag(B)), np.tril(B, -1), np.triu(B, 1)
    inverse = np.diag(1 / np.diag(B))
    M = np.empty_like(A)
    M[np.ix_(rows, rows)] = omega / (2 - omega) * (D / omega + L) @ inverse @ (D / omega + U)
    return M


def sor_precondition(A, omega, r, order=None):
    """z = M^-1 r."""
    return np.linalg.solve(ssor_matrix(A, omega, order), wide(r))


def ssor_cg(A, x, r, omega, n_steps, tolerance=-1.0, order=None):
    """Textbook conjugate gradients with that M on x and r = b - A x in place; the norms of r."""
    A, M, norms = dense(A), ssor_matrix(A, omega, order), []
    z = np.linalg.solve(M, r)
    p, rho = z.copy(), np.vdot(r, z).real
    for _ in range(n_steps):
        q = A @ p
        alpha = rho / np.vdot(p, q).real
        x += alpha * p
        r -= alpha * q
        norms.append(np.linalg.norm(r))
        if norms[-1] <= tolerance:
            break
        z = np.linalg.solve(M, r)
        rho, before = np.vdot(r, z).real, rho
        p = z + rho / before * p
    return np.array(norms)
