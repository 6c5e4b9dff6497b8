"""csr kernels in plain Python loops, with the compiled ones' names and arguments: the specification.

Rows are summed in double precision, so the compiled kernels, which sum in the type of the matrix, differ by
rounding.
"""

import numpy as np


def wide(x):
    """x in double precision, complex where it is."""
    return np.asarray(x).astype(np.result_type(x, np.float64))


def csr_matvec(indptr, indices, data, x, y):
    """y_i = sum of data[k] x[indices[k]] over the entries k of row i."""
    data, x = wide(data), wide(x)
    for i in range(len(indptr) - 1):
        entries = range(indptr[i], indptr[i + 1])
        y[i] = sum((data[k] * x[indices[k]] for k in entries), start=data.dtype.type(0))


def csr_matvec_dot(indptr, indices, data, x, y):
    """y = A x; returns x^H y."""
    csr_matvec(indptr, indices, data, x, y)
    return np.vdot(wide(x), wide(y))


def csr_residual(indptr, indices, data, b, x, r):
    """r = b - A x; returns r^H r."""
    product = np.empty(len(r), wide(r).dtype)
    csr_matvec(indptr, indices, data, x, product)
    r[:] = wide(b) - product
    return float(np.vdot(wide(r), wide(r)).real)


def csr_check(indptr, indices, data, n_cols):
    """The first fault of a matrix from outside, its norms, and |u^T A v - conj(v^T A u)|."""
    report = {"fault": "", "position": -1, "asymmetry": 0.0, "frobenius": 0.0, "max_row_sum": 0.0}
    for fault, position in faults(indptr, indices, data, n_cols):
        return report | {"fault": fault, "position": position}
    a, n_rows = wide(data), len(indptr) - 1
    u, v = pseudo_random(max(n_rows, n_cols))
    defect = 0.0
    for i in range(n_rows):
        row_sum = 0.0
        for k in range(indptr[i], indptr[i + 1]):
            j = indices[k]
            defect += a[k] * u[i] * v[j] - np.conj(a[k]) * v[i] * u[j]
            report["frobenius"] += abs(a[k]) ** 2
            row_sum += abs(a[k])
        report["max_row_sum"] = max(report["max_row_sum"], row_sum)
    return report | {"asymmetry": abs(defect), "frobenius": report["frobenius"] ** 0.5}


def faults(indptr, indices, data, n_cols):
    """What is wrong, the worst first: where a later check would read through it."""
    if indptr[0] != 0:
        yield "indptr", 0
    for i in range(1, len(indptr)):
        if indptr[i] < indptr[i - 1]:
            yield "indptr", i
    if indptr[-1] > len(data):
        yield "indptr", len(indptr) - 1
    entries = range(indptr[-1])
    yield from (("index", k) for k in entries if not 0 <= indices[k] < n_cols)
    yield from (("value", k) for k in entries if not np.isfinite(data[k]))


def pseudo_random(n):
    """Two vectors in [-1, 1)^n that look random: the two halves of a hash of the row number."""
    h = np.arange(1, n + 1, dtype=np.uint64) * np.uint64(0x9E3779B97F4A7C15)
    h ^= h >> np.uint64(32)
    h *= np.uint64(0xD6E8FEB86659FD93)
    h ^= h >> np.uint64(29)
    low, high = (h & np.uint64(0xFFFFFFFF)).astype(np.uint32), (h >> np.uint64(32)).astype(np.uint32)
    return tuple(half.astype(np.int32) / 2.0**31 for half in (low, high))
