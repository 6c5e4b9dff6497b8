"""
How few entries are enough
==========================

A matrix of rank :math:`k` has :math:`k (m + n - k)` unknowns, and no method can do with fewer entries. How close to
that `pysolve.matrix_completion` comes is drawn below: the share of random matrices that it recovers exactly, against
the number of entries over the number of unknowns, beside the same with plain alternating least squares.
"""

import matplotlib.pyplot as plt
import numpy as np

import pysolve

SIZE, TRIALS = 200, 8
OVERSAMPLING = np.array([1.05, 1.1, 1.2, 1.3, 1.5, 1.75, 2.0, 2.5, 3.0, 4.0])

# %%
# Matrices and entries
# --------------------
#
# A row with fewer than :math:`k` entries cannot be recovered by anyone. So :math:`k` entries are dealt to each row and
# each column, and the others fall anywhere.


def problem(rank, oversampling, seed):
    """Entries of a random matrix, and its factors."""
    rng = np.random.default_rng(seed)
    U, V = rng.standard_normal((2, SIZE, rank))
    rows, cols = rng.permutation(SIZE), rng.permutation(SIZE)
    seen = np.zeros((SIZE, SIZE), bool)
    for shift in range(rank):
        seen[rows, np.roll(cols, shift)] = True
    more = round(oversampling * rank * (2 * SIZE - rank)) - rank * SIZE
    seen.flat[rng.choice(np.flatnonzero(~seen), more, replace=False)] = True
    return np.where(seen, U @ V.T, np.nan), U, V


# %%
# Recovery is certified by entries that were held out of the fit; here, it is the whole matrix that must be right.


def recovered(rank, oversampling, seed, method):
    """Whether the matrix is found to nine digits."""
    observed, U, V = problem(rank, oversampling, seed)
    result = pysolve.matrix_completion(observed, rank, method=method, rtol=1e-9, rng=seed)
    M = U @ V.T
    return np.linalg.norm(result.to_dense() - M) < 1e-8 * np.linalg.norm(M)


shares = {
    (rank, method): [
        np.mean([recovered(rank, oversampling, seed, method) for seed in range(TRIALS)])
        for oversampling in OVERSAMPLING
    ]
    for rank in (5, 10)
    for method in ("auto", "als")
}

# %%
# The picture
# -----------

figure, axes = plt.subplots(figsize=(7, 4), layout="constrained")
for (rank, method), share in shares.items():
    name = "pysolve" if method == "auto" else 'alternation alone (method="als")'
    axes.plot(
        OVERSAMPLING,
        share,
        color="C0" if method == "auto" else "C1",
        marker="o" if rank == 5 else "s",
        linestyle="-" if rank == 5 else "--",
        label=f"{name}, rank {rank}",
    )
axes.axvline(1, color="black", linewidth=1)
axes.annotate("entries = unknowns", (1, 0.5), (4, 0), textcoords="offset points", rotation=90, va="center")
axes.set(
    xlabel="entries over unknowns",
    ylabel="share of matrices recovered",
    title=f"Random {SIZE} x {SIZE} matrices, {TRIALS} for each point",
    xlim=(0.9, 4.1),
    ylim=(-0.03, 1.03),
)
axes.grid(alpha=0.3)
axes.legend(loc="lower right")
plt.show()
