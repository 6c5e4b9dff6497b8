"""Seconds of one MatSOR sweep of PETSc, forward: `python petsc_sor.py EXTENTS SWEEPS ROUNDS` prints the median.

A process of its own, since Debian's petsc4py belongs to Debian's Python and its NumPy: the environment variable
PETSC_PYTHON names an interpreter that has it. Needs NumPy and petsc4py alone.
"""

import sys
import time

import numpy as np


def poisson(extents):
    """indptr, indices, data of the 5-point or 7-point matrix with Dirichlet sides."""
    cells = np.arange(np.prod(extents)).reshape(extents)
    rows, columns = [cells.ravel()], [cells.ravel()]
    for axis in range(len(extents)):
        low = np.take(cells, range(extents[axis] - 1), axis).ravel()
        high = np.take(cells, range(1, extents[axis]), axis).ravel()
        rows += [low, high]
        columns += [high, low]
    i, j = np.concatenate(rows), np.concatenate(columns)
    order = np.lexsort((j, i))
    i, j = i[order], j[order]
    indptr = np.searchsorted(i, np.arange(cells.size + 1))
    return indptr.astype(np.int32), j.astype(np.int32), np.where(i == j, 2.0 * len(extents), -1.0)


def main():
    extents, sweeps, rounds = tuple(map(int, sys.argv[1].split("x"))), int(sys.argv[2]), int(sys.argv[3])
    from petsc4py import PETSc

    indptr, indices, data = poisson(extents)
    n = indptr.size - 1
    A = PETSc.Mat().createAIJ((n, n), csr=(indptr, indices, data))
    A.assemble()
    b, x = A.createVecs()
    b.set(1.0)
    x.set(0.0)
    kind = PETSc.Mat.SORType.LOCAL_FORWARD_SWEEP
    A.SOR(b, x, omega=1.5, sortype=kind, its=1)
    times = []
    for _ in range(rounds):
        start = time.perf_counter()
        A.SOR(b, x, omega=1.5, sortype=kind, its=sweeps)
        times.append((time.perf_counter() - start) / sweeps)
    print(float(np.median(times)))


if __name__ == "__main__":
    main()
