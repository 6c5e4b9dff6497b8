"""
pysolve inside PETSc
====================

A `StencilOperator` stands in for PETSc's matrix (a "python" Mat: no matrix is stored), `Jacobi` for its
preconditioner (a "python" PC), and PETSc's own parts are shown beside them.
"""

import importlib.util
import time

import numpy as np

import pysolve

RTOL = 1e-8


class AsContext:
    """Shows a pysolve operator to PETSc, as a matrix (`mult`) or as a preconditioner (`apply`)."""

    def __init__(self, operator):
        self.operator = operator

    def mult(self, mat, x, y):
        y.setArray(self.operator @ x.getArray(readonly=True))

    apply = mult


def petsc_solve(A, b, pc_type, context=None):
    """PETSc's cg: (x, iterations, seconds)."""
    from petsc4py import PETSc

    ksp = PETSc.KSP().create()
    ksp.setOperators(A)
    ksp.setType("cg")
    ksp.setNormType(PETSc.KSP.NormType.UNPRECONDITIONED)
    ksp.setTolerances(rtol=RTOL, max_it=10_000)
    ksp.getPC().setType(pc_type)
    if context is not None:
        ksp.getPC().setPythonContext(context)
    x, right = A.createVecs()
    right.setArray(b)
    start = time.perf_counter()
    ksp.solve(right, x)
    return x.getArray().copy(), ksp.getIterationNumber(), time.perf_counter() - start


def compare(shape=(96, 96)):
    """The same system with PETSc's parts, with pysolve's inside PETSc, and with pysolve alone."""
    from petsc4py import PETSc

    rng = np.random.default_rng(0)
    A = pysolve.gallery.poisson(shape, coefficient=np.exp(rng.standard_normal(shape)))
    b, matrix, n = rng.standard_normal(A.shape[0]), A.tocsr(), A.shape[0]
    stored = PETSc.Mat().createAIJ(A.shape, csr=(matrix.indptr, matrix.indices, matrix.data))
    shell = PETSc.Mat().createPython([n, n], AsContext(A))
    shell.setUp()
    M = pysolve.Jacobi(A)

    rows = {
        "PETSc cg, PETSc matrix, PETSc jacobi": petsc_solve(stored, b, "jacobi"),
        "PETSc cg, PETSc matrix, pysolve.Jacobi": petsc_solve(stored, b, "python", AsContext(M)),
        "PETSc cg, StencilOperator, pysolve.Jacobi": petsc_solve(shell, b, "python", AsContext(M)),
    }
    result = pysolve.cg(A, b, M=M, rtol=RTOL)
    rows["pysolve.cg, StencilOperator, Jacobi"] = result.x, result.iterations, result.solve_time
    for name, (x, iterations, seconds) in rows.items():
        residual = np.linalg.norm(b - matrix @ x) / np.linalg.norm(b)
        print(f"{name:42s} {iterations:4d} iterations {1e3 * seconds:8.1f} ms, true residual {residual:.1e}")


if __name__ == "__main__":
    if importlib.util.find_spec("petsc4py") is None:
        print(
            "petsc4py is not installed: on Debian, `apt install python3-petsc4py` adds it to /usr/bin/python3."
        )
    else:
        compare()
