"""conjugate_directions kernels in plain NumPy, with the compiled names and arguments: the specification.

p = M r - sum_i p_i (q_i^H M r) / pq_i,  q = A p,  pq = p^H q,  alpha = p^H r / pq
x += alpha p,  r -= alpha q
"""

import math
from types import SimpleNamespace

import numpy as np
import reference.csr
import reference.sell
import reference.stencil
from reference.csr import wide


def conjugate_directions_orthogonalise(z, r, P, Q, pq, slot):
    """P[slot] = z - sum_i c_i P[i], c_i = (Q[i]^H z) / pq[i] where pq[i] > 0, else 0; p^H r, p^H p and c."""
    c = [
        np.vdot(wide(q), wide(z)) / curvature if curvature > 0 else 0.0
        for q, curvature in zip(Q, pq, strict=True)
    ]
    p = wide(z)
    for coefficient, kept in zip(c, P, strict=True):
        if coefficient != 0:  # a row that is not in use may hold anything
            p = p - coefficient * wide(kept)
    P[slot] = p
    p = wide(P[slot])
    return np.vdot(p, wide(r)), np.vdot(p, p).real, c


def conjugate_directions_step(x, r, p, q, alpha):
    """x += alpha p, r -= alpha q; returns r^H r."""
    x += x.dtype.type(alpha) * p
    r -= r.dtype.type(alpha) * q
    return np.vdot(wide(r), wide(r)).real


def RunState(**values):
    """Where a run stands: what it is given, and what it says at its end."""
    start = {"rho": 0.0, "beta": 0.0, "tolerance": 0.0, "floor": 0.0, "n_steps": 0, "curvature": 0.0}
    return SimpleNamespace(**(start | {"end": "steps"} | values))


def cg(product, inverse_diagonal, x, r, p, norms, s):
    """Up to s.n_steps of preconditioned conjugate gradients; the vectors and s are updated in place."""
    most, s.n_steps, s.end = s.n_steps, 0, "steps"
    inverse = np.ones(len(r)) if inverse_diagonal is None else wide(inverse_diagonal)
    if not s.rho > 0:
        s.rho = np.vdot(wide(r), inverse * wide(r)).real
    while s.n_steps < most and s.end == "steps":
        p[:] = inverse * r + s.beta * p
        q = product(p)
        pq, pp = np.vdot(wide(p), q).real, np.vdot(wide(p), wide(p)).real
        s.curvature = np.divide(pq, pp)
        alpha = np.divide(s.rho, pq)
        if not math.isfinite(pq) or not math.isfinite(s.rho):
            s.end = "not_finite"
        elif not pq > s.floor * pp:
            s.end = "not_positive"
        elif not np.isfinite(p.real.dtype.type(alpha)):
            s.end = "not_finite"
        else:
            take_step(inverse, alpha, x, r, p, q, norms, s)


def take_step(inverse, alpha, x, r, p, q, norms, s):
    x += x.dtype.type(alpha) * p
    r -= x.dtype.type(alpha) * q.astype(r.dtype)
    rho = np.vdot(wide(r), inverse * wide(r)).real
    s.beta, s.rho = rho / s.rho, rho
    norms[s.n_steps] = np.linalg.norm(wide(r))
    if not math.isfinite(norms[s.n_steps]):
        s.end = "not_finite"
    elif norms[s.n_steps] <= s.tolerance:
        s.end = "tolerance"
    s.n_steps += 1


def conjugate_directions_run_csr(indptr, indices, data, inverse_diagonal, x, r, p, q, norms, state):
    """CG with a csr matrix; q may be used as scratch."""
    matrix = indptr, indices, data
    cg(lambda p: applied(reference.csr.csr_matvec, matrix, p), inverse_diagonal, x, r, p, norms, state)


def conjugate_directions_run_sell(
    slice_ptr, column, indices, data, inverse_diagonal, x, r, p, q, norms, state
):
    """CG with a packed matrix; q may be used as scratch."""
    matrix = slice_ptr, column, indices, data
    cg(lambda p: applied(reference.sell.sell_matvec, matrix, p), inverse_diagonal, x, r, p, norms, state)


def conjugate_directions_run_stencil(grid, inverse_diagonal, x, r, p, q, norms, state):
    """CG with a stencil operator; r must vanish in its decoupled cells. q is not used."""
    cg(
        lambda p: applied(reference.stencil.stencil_matvec, (grid,), p),
        inverse_diagonal,
        x,
        r,
        p,
        norms,
        state,
    )


def applied(matvec, matrix, p):
    y = np.empty(len(p), wide(p).dtype)
    matvec(*matrix, p, y)
    return y


def conjugate_directions_toward_stencil(grid, z, beta, p):
    """p = z + beta p; returns p . A p and p . p."""
    p[:] = z + beta * p
    q = np.empty(p.size)
    reference.stencil.stencil_matvec(grid, p, q)
    return float(p @ q), float(p @ p)


def conjugate_directions_along_stencil(grid, alpha, x, r, p):
    """x += alpha p, r -= alpha A p; returns r . r."""
    q = np.empty(p.size)
    reference.stencil.stencil_matvec(grid, p, q)
    x += alpha * p
    r -= alpha * q
    return float(r @ r)


def conjugate_directions_advance_stencil(grid, z, x, r, p, state, work):
    """One step of CG with z = M r. The numbers in state: rho, end, curvature, n_steps, tolerance, floor, beta, alpha.

    The norms of r follow. An end of 1 is the tolerance, of 2 no positive curvature, of 3 what is not finite.
    """
    before, end, _, n_steps, tolerance, floor, *_ = state
    if end != 0 or n_steps >= state.size - 8:
        return
    rho = float(wide(r) @ wide(z))
    state[0], state[6] = rho, rho / before if before > 0 else 0.0
    pq, pp = conjugate_directions_toward_stencil(grid, z, state[6], p)
    state[2] = pq / pp if pp > 0 and rho > 0 else np.nan
    state[7] = alpha = rho / pq if pq > floor * pp else 0.0
    if not (alpha > 0 and np.isfinite(p.dtype.type(alpha))):
        state[1] = 2 if np.isfinite(state[2]) else 3
        return
    norm = conjugate_directions_along_stencil(grid, alpha, x, r, p) ** 0.5
    state[8 + int(n_steps)], state[3] = norm, n_steps + 1
    if not math.isfinite(norm):
        state[1] = 3
    elif norm <= tolerance:
        state[1] = 1
