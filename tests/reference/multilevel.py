"""Multilevel kernels in obvious NumPy, with the compiled ones' names and arguments: the specification."""

import numpy as np
from reference.stencil import DIRICHLET, NEUMANN, PERIODIC, stencil_matvec

N_FEATURES, N_HIDDEN = 5, 4


def faces_of(grid, axis):
    """Face weights along an axis as a full array, 0 on closed sides."""
    extents = [n + (a == axis) for a, n in enumerate(grid.n)]
    w = grid.weights[axis]
    faces = (
        np.zeros(extents)
        if w is None
        else np.zeros(extents) + np.reshape(w, extents if np.size(w) > 1 else ())
    )
    for end, side in ((0, grid.low[axis]), (-1, grid.high[axis])):
        if side == NEUMANN or (side == PERIODIC and grid.n[axis] == 1):
            faces[(slice(None),) * axis + (end,)] = 0
    return faces


def around(grid):
    """The six faces of every cell, as (low, high) pairs, and its shift."""
    pairs = []
    for axis in range(3):
        faces = np.moveaxis(faces_of(grid, axis), axis, 0)
        pairs.append(tuple(np.moveaxis(part, 0, axis) for part in (faces[:-1], faces[1:])))
    shift = grid.shift if np.ndim(grid.shift) == 0 else np.reshape(grid.shift, grid.n)
    return pairs, np.zeros(grid.n) + shift


def features(grid):
    """The inverse diagonal (0 in solid cells), and the five features of every cell."""
    pairs, shift = around(grid)
    d = sum(low + high for low, high in pairs) + shift
    inverse = np.divide(1, d, where=d > 0, out=np.zeros(grid.n))
    counted = [pairs[0], pairs[2]] + ([pairs[1]] if grid.n[1] > 1 else [])
    faces = np.array([face for pair in counted for face in pair])
    largest = faces.max(axis=0)
    smallest = np.where(faces > 0, faces, np.inf).min(axis=0)
    jump = np.where(largest > 0, 1 - np.minimum(smallest, largest) / np.where(largest > 0, largest, 1), 0)
    return inverse, [
        (faces <= 0).mean(axis=0),
        shift * inverse,
        sum(abs(low - high) for low, high in pairs) * inverse,
        np.max([low + high for low, high in pairs], axis=0) * inverse,
        jump,
    ]


def evaluate(net, f):
    """clip(w2 . max(W1 f + b1, 0) + b2, low, high)."""
    net = np.asarray(net, dtype=np.float64)
    n, m = N_FEATURES, N_HIDDEN
    W1, b1, w2 = net[: n * m].reshape(m, n), net[n * m : n * m + m], net[n * m + m : n * m + 2 * m]
    b2, low, high = net[-3:]
    hidden = np.maximum(np.tensordot(W1, np.array(f), axes=1) + b1.reshape(-1, 1, 1, 1), 0)
    return np.clip(np.tensordot(w2, hidden, axes=1) + b2, low, high)


def multilevel_narrow(values, factor, least, out):
    values = np.asarray(values, dtype=float)
    out[:] = np.where(values > 0, np.maximum(values * factor, least), 0)


def multilevel_cells(grid, relaxation, resistance, inverse, half):
    d, f = features(grid)
    inverse[:] = (evaluate(relaxation, f) * d).ravel()
    half[:] = np.where(d > 0, evaluate(resistance, f), -1).ravel()


def pairs_along(n, axis, periodic):
    """(pair, its cells, the last cell of the pair before or None, the first of the pair after or None)."""
    extent = n[axis]
    pairs = [list(range(i, min(i + 2, extent))) for i in range(0, extent, 2)]
    for k, cells in enumerate(pairs):
        before = pairs[k - 1] if k > 0 or periodic else None
        after = pairs[(k + 1) % len(pairs)] if k + 1 < len(pairs) or periodic else None
        yield k, cells, before, after


def to_centre(w, half, cell, pair):
    """Resistance from the centre of its pair to a cell; w and half with the axis first."""
    if len(pair) == 1:
        return np.zeros(half.shape[1:])
    partner = pair[0] if cell == pair[1] else pair[1]
    with np.errstate(divide="ignore", invalid="ignore"):
        g = half[cell] / w[pair[1]]
    g = np.where((half[cell] == 0) & (w[pair[1]] == 0), 0, g)
    return np.where(half[partner] < 0, 0, np.where(half[cell] < 0, 0, g))


def multilevel_join(n, axis, periodic, weights, half, coarse, alpha):
    extents = list(n)
    w, h = [
        np.moveaxis(np.reshape(a, [k + (plus if b == axis else 0) for b, k in enumerate(n)]), axis, 0).astype(
            float
        )
        for a, plus in ((weights, 1), (half, 0))
    ]
    n_pairs = (n[axis] + 1) // 2
    out, share = np.zeros((n_pairs + 1, *w.shape[1:])), np.zeros(h.shape)
    with np.errstate(divide="ignore", invalid="ignore"):
        for k, cells, before, after in pairs_along(n, axis, periodic):
            g_low = to_centre(w, h, cells[0], cells)
            g_high = to_centre(w, h, cells[-1], cells)
            g_before = 0 if before is None else to_centre(w, h, before[-1], before)
            g_after = 0 if after is None else to_centre(w, h, after[0], after)
            face, last = w[cells[0]], w[cells[-1] + 1]
            out[k] = conductance(face, g_before, g_low)
            share[cells[0]] = share_of(face, g_low, g_before)
            if len(cells) == 2:
                share[cells[1]] = share_of(last, g_high, g_after)
            if k == n_pairs - 1:
                out[-1] = out[0] if periodic else conductance(last, g_high, 0)
    if periodic and n_pairs == 1:
        out[:] = 0
    extents[axis] = n_pairs + 1
    coarse[:] = np.moveaxis(out, 0, axis).ravel()
    alpha[:] = np.moveaxis(share, 0, axis).ravel()


def conductance(weight, g, h):
    return np.where((weight > 0) & np.isfinite(g + h), 1 / (1 / weight + g + h), 0)


def share_of(weight, g, h):
    value = np.where(np.isinf(g), 1, g / (g + 1 / weight + h))
    return np.where((weight > 0) & np.isfinite(h), value, 0)


def multilevel_add(n, axis, fine, coarse):
    f = np.moveaxis(np.reshape(fine, n), axis, 0).astype(float)
    sums = np.array([f[i : i + 2].sum(axis=0) for i in range(0, n[axis], 2)])
    coarse[:] = np.moveaxis(sums, 0, axis).ravel()


def prolongation(n, axis, periodic, alpha):
    """P along the axis as a matrix for each line of cells: (n[axis], n_pairs, lines)."""
    a = np.moveaxis(np.reshape(alpha, n), axis, 0).reshape(n[axis], -1).astype(float)
    P = np.zeros((n[axis], (n[axis] + 1) // 2, a.shape[1]))
    for k, cells, before, after in pairs_along(n, axis, periodic):
        for cell in cells:
            P[cell, k] += 1 - a[cell]
            other = before if cell % 2 == 0 else after
            if other is not None:
                P[cell, other[0] // 2] += a[cell]
    return P


def along(n, axis, x):
    return np.moveaxis(np.reshape(x, n), axis, 0).reshape(n[axis], -1).astype(float)


def back(n, axis, lines):
    rest = [k for a, k in enumerate(n) if a != axis]
    return np.moveaxis(lines.reshape(-1, *rest), 0, axis).ravel()


def multilevel_restrict(n, axis, periodic, alpha, fine, coarse):
    P = prolongation(n, axis, periodic, alpha)
    coarse[:] = back(n, axis, np.einsum("ijl,il->jl", P, along(n, axis, fine)))


def multilevel_prolong(n, axis, periodic, alpha, coarse, scale, add, fine):
    P = prolongation(n, axis, periodic, alpha)
    extents = [(k + 1) // 2 if a == axis else k for a, k in enumerate(n)]
    e = scale * back(n, axis, np.einsum("ijl,jl->il", P, along(extents, axis, coarse)))
    fine[:] = fine + e if add else e


def product(grid, x):
    y = np.empty(np.size(x))
    stencil_matvec(grid._replace(decoupled=None), x, y)
    return y


def smooth(grid, u, inverse, tau, x):
    return x + tau * (u - inverse * product(grid, x))


def multilevel_descend(grid, b, factor, inverse, tau, u, x, y):
    b, inverse = factor * np.asarray(b, dtype=float), np.asarray(inverse, dtype=float)
    u[:] = inverse * b
    x[:] = 0
    for t in tau:
        x[:] = smooth(grid, u, inverse, t, x)
    y[:] = np.where(inverse > 0, b - product(grid, x), 0)
    return np.max(np.abs(u), initial=0), np.max(np.abs(b[inverse == 0]), initial=0)


def multilevel_ascend(grid, alpha, coarse, scale, u, inverse, tau, x, y, factor, z):
    iterate = np.asarray(x, dtype=float).copy()
    if alpha is not None:
        periodic = grid.low[0] == PERIODIC and grid.n[0] > 1
        multilevel_prolong(grid.n, 0, periodic, alpha, coarse, scale, True, iterate)
    for t in tau[::-1]:
        iterate = smooth(grid, u, inverse, t, iterate)
    z[:] = np.where(inverse > 0, factor * iterate, 0)


def multilevel_cycle(levels, tau, solve, r, factor, last, keep, z):
    """z = last (cycle of factor r) over levels (grid, D or None, scale, axes, alphas) and a last inverse."""
    z[:] = last * cycle_from(0, levels, tau, solve, factor * np.asarray(r, dtype=float))
    if keep:
        solid = levels[0][1] == 0 if levels else np.diag(solve) == 0
        z[solid] = np.asarray(r)[solid]


def cycle_from(k, levels, tau, solve, b):
    if k == len(levels):
        return np.asarray(solve, dtype=float) @ b
    (grid, inverse, scale, axes, alphas), steps = levels[k], tau[min(k, 1)]
    n, places, u, x, rest = grid.n, [], np.zeros(b.size), np.zeros(b.size), b
    if inverse is not None:
        rest = np.empty(b.size)
        multilevel_descend(grid, b, 1.0, inverse, steps, u, x, rest)
    for axis, alpha in zip(axes, alphas, strict=True):
        places.append((n, axis, grid.low[axis] == PERIODIC and grid.n[axis] > 1, alpha))
        n = tuple((m + 1) // 2 if a == axis else m for a, m in enumerate(n))
        coarse = np.empty(int(np.prod(n)))
        multilevel_restrict(*places[-1], rest, coarse)
        rest = coarse
    e = cycle_from(k + 1, levels, tau, solve, rest)
    for place in places[::-1]:
        fine = np.empty(int(np.prod(place[0])))
        multilevel_prolong(*place, e, 1.0, False, fine)
        e = fine
    x += scale * e
    if inverse is not None:
        multilevel_ascend(grid, None, None, 0.0, u, inverse, steps, x, None, 1.0, x)
    return x


__all__ = ["DIRICHLET", "NEUMANN", "PERIODIC"]
