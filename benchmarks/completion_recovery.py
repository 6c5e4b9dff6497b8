"""Exact recovery near the information limit: how many of 20 random matrices, and how soon, on one thread.

python -P benchmarks/completion_recovery.py [--seeds 20] [--rows well/2 condition/10/linear]
"""

import argparse
import time

import numpy as np
from threadpoolctl import threadpool_limits

from pysolve import matrix_completion

# name: size, rank, entries over unknowns, condition (None: Gaussian factors), spacing of the singular values
ROWS = {
    "well/2": (5000, 10, 2.0, None, None),
    "well/1.5": (5000, 10, 1.5, None, None),
    "well/1.3": (5000, 10, 1.3, None, None),
    "condition/10/geometric": (1000, 5, 1.5, 10, np.geomspace),
    "condition/10/linear": (1000, 5, 1.5, 10, np.linspace),
    "condition/1e5/geometric": (1000, 5, 4.0, 1e5, np.geomspace),
    "condition/1e5/linear": (1000, 5, 4.0, 1e5, np.linspace),
}


def problem(n, k, oversampling, condition, spacing, seed):
    """Entries, drawn until every row and column has k of them, and the factors."""
    rng = np.random.default_rng(seed)
    U, V = rng.standard_normal((2, n, k))
    if condition:
        U, V = (np.linalg.qr(factor)[0] for factor in (U, V))
        U *= spacing(1, 1 / condition, k) * n
    while True:
        flat = np.sort(rng.choice(n * n, int(oversampling * k * (2 * n - k)), replace=False))
        i, j = flat // n, flat % n
        if min(np.bincount(x, minlength=n).min() for x in (i, j)) >= k:
            return (i, j, (U[i] * V[j]).sum(axis=1)), U, V


def error(result, U, V):
    """Relative error on the whole matrix."""
    left, right = np.hstack([result.U, -U]), np.hstack([result.V, V])
    wrong = np.linalg.norm(np.linalg.qr(left)[1] @ np.linalg.qr(right)[1].T)
    return wrong / np.einsum("ij,ij", U.T @ U, V.T @ V) ** 0.5


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=20)
    parser.add_argument("--rows", nargs="+", choices=ROWS, default=list(ROWS))
    options = parser.parse_args()
    print(f"{'row':26}{'recovered':>10}{'median s':>10}{'worst s':>10}")
    for name in options.rows:
        n, k, *rest = ROWS[name]
        seconds, found = [], 0
        for seed in range(options.seeds):
            entries, U, V = problem(n, k, *rest, seed)
            with threadpool_limits(1):
                start = time.perf_counter()
                result = matrix_completion((entries, (n, n)), k, rtol=1e-10, rng=0)
                seconds.append(time.perf_counter() - start)
            found += error(result, U, V) < 1e-10
        print(
            f"{name:26}{found:7d}/{options.seeds}{np.median(seconds):10.2f}{max(seconds):10.2f}", flush=True
        )


if __name__ == "__main__":
    main()
