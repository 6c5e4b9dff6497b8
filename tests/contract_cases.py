"""Systems in every form that a solver takes, and the true residual, for the tests of the contract."""

import numpy as np
import pytest
import scipy.sparse as sp
import scipy.sparse.linalg as sla

import pysolve

SOLVERS = [pysolve.cg, pysolve.conjugate_directions]
RELAXATIONS = [pysolve.sor, pysolve.ssor_cg]  # that take no preconditioner, and want the entries of A
CLOSED = {"LinearOperator", "matvec", "matmul", "PackedMatrix"}  # whose entries cannot be had
DTYPES = ["f4", "f8", "c8", "c16"]
FORMATS = ["csr", "csc", "coo", "bsr", "dia", "lil", "dok"]
GRID = (5, 6)
N = 30


class Duck:
    """No more than .shape and .matvec."""

    def __init__(self, A):
        self.A, self.shape = A, A.shape

    def matvec(self, x):
        return self.A @ x


class Product:
    """No more than .shape and @."""

    def __init__(self, A):
        self.A, self.shape = A, A.shape

    def __matmul__(self, x):
        return self.A @ x


def dense(dtype="f8"):
    """The 5-point matrix of GRID plus 1; Hermitian with complex entries for complex types."""
    A = pysolve.StencilOperator(GRID, (1.0, 1.0), shift=1.0).tocsr().toarray()
    if np.dtype(dtype).kind == "c":
        A = A + 1j * (np.triu(A, 1) - np.tril(A, -1)) / 2
    return A.astype(dtype)


def matrix(A):
    """`A` as np.matrix, without its constructor's warning."""
    return A.view(np.matrix)


KINDS = {
    "ndarray": lambda A: A,
    "fortran": np.asfortranarray,
    "matrix": matrix,
    **{f"{name}_array": getattr(sp, f"{name}_array") for name in FORMATS},
    **{f"{name}_matrix": getattr(sp, f"{name}_matrix") for name in FORMATS},
    "LinearOperator": sla.aslinearoperator,
    "matvec": Duck,
    "matmul": Product,
    "PackedMatrix": lambda A: pysolve.PackedMatrix(sp.csr_array(A)),
    "StencilOperator": lambda A: pysolve.StencilOperator(GRID, (1.0, 1.0), shift=1.0, dtype=A.dtype),
}
CASES = [
    (kind, dtype)
    for kind in KINDS
    for dtype in DTYPES
    if not (kind == "StencilOperator" and dtype.startswith("c"))
]


def each_with(kinds):
    """Every solver with each of these kinds of A, but those whose entries it wants and cannot have."""
    pairs = [
        (solve, kind)
        for solve in (*SOLVERS, *RELAXATIONS)
        for kind in kinds
        if solve in SOLVERS or kind not in CLOSED
    ]
    return pytest.mark.parametrize(("solve", "kind"), pairs)


def each_with_map(kinds):
    """The same without and with a preconditioner, where the solver takes one."""
    (pairs,) = each_with(kinds).args[1:]
    triples = [(solve, kind, with_M) for solve, kind in pairs for with_M in (False, True)]
    return pytest.mark.parametrize(
        ("solve", "kind", "preconditioned"), [case for case in triples if case[0] in SOLVERS or not case[2]]
    )


def by_map(solve, M):
    """Keyword arguments with a preconditioner, for a solver that takes one."""
    return {"M": M} if solve in SOLVERS else {}


def vector(dtype="f8", n=N, seed=0):
    rng = np.random.default_rng(seed)
    b = rng.standard_normal(n)
    return (b + 1j * rng.standard_normal(n) if np.dtype(dtype).kind == "c" else b).astype(dtype)


def wide(array):
    """In extended precision."""
    array = np.asarray(array)
    return array.astype(np.clongdouble if array.dtype.kind == "c" else np.longdouble)


def true_norms(A, b, x):
    """norm(b - A x) for each column, in extended precision."""
    A = A.toarray() if sp.issparse(A) else A
    return np.linalg.norm(np.abs(wide(b) - wide(A) @ wide(x)).astype(np.longdouble), axis=0)


def noise(A, x, dtype):
    """What rounding in one product with A of type `dtype` can change in the norm of a residual."""
    size = np.linalg.norm(np.abs(A)) * np.linalg.norm(x)
    return float(size * A.shape[0] ** 0.5 * np.finfo(dtype).eps)
