"""Input that is unusual and right: it is solved; and hand-made sparse arrays, right or wrong: never a crash."""

import numpy as np
import pytest
import scipy.sparse as sp
from contract_cases import GRID, KINDS, SOLVERS, N, dense, true_norms, vector

import pysolve

solvers = pytest.mark.parametrize("solve", SOLVERS)
FORMS = ["ndarray", "csr_array", "csc_array", "coo_array", "LinearOperator", "PackedMatrix"]


@solvers
@pytest.mark.parametrize("kind", FORMS)
def test_empty_system(solve, kind):
    if kind == "PackedMatrix":
        A = pysolve.PackedMatrix(sp.csr_array((0, 0)))
    else:
        A = (
            KINDS[kind](np.zeros((0, 0)))
            if "array" not in kind or kind == "ndarray"
            else sp.csr_array((0, 0))
        )
    for x0, M in ((None, None), (np.empty(0), None), ("Mb", np.zeros((0, 0)))):
        result = solve(A, np.empty(0), x0, M=M)
        assert (result.info, result.x.shape, result.residual_norms.tolist()) == (0, (0,), [0.0])


@solvers
@pytest.mark.parametrize("kind", FORMS)
@pytest.mark.parametrize(("a", "expected"), [(4.0, "CONVERGED"), (0.0, "SINGULAR"), (-4.0, "INDEFINITE")])
def test_one_equation(solve, kind, a, expected):
    result = solve(KINDS[kind](np.array([[a]])), np.array([2.0]))
    assert result.status.name == expected
    assert (result.info == 0) == (expected == "CONVERGED")
    assert result.x.tolist() == [0.5 if a == 4 else 0.0]


@solvers
@pytest.mark.parametrize("dtype", ["i1", "u1", "i4", "i8", "u8", "?", "f2", "g", ">f8", ">f4"])
def test_numbers_of_other_types_are_solved_in_double(solve, dtype):
    A, b = dense(), np.round(4 * vector())
    if np.dtype(dtype).kind in "ub":
        A, b = np.eye(N) if dtype == "?" else np.diag(np.arange(1.0, N + 1)), np.abs(b)
    b = b.astype(dtype)
    unknown_to_scipy = ("f2", "g", ">f8", ">f4")
    for given in (A.astype(dtype), sp.csr_array(A.astype("f8" if dtype in unknown_to_scipy else dtype))):
        result = solve(given, b, rtol=1e-10 if dtype != ">f4" else 1e-5)
        assert result.converged, result.message
        assert result.x.dtype in (np.float64, np.float32)
        assert result.x.dtype.isnative
        assert true_norms(A, b, result.x) <= 1.1e-5 * np.linalg.norm(b.astype(float))


@solvers
def test_complex_b_with_real_a(solve):
    b = vector("c16")
    for kind in ("ndarray", "csr_array", "LinearOperator", "PackedMatrix", "StencilOperator", "matvec"):
        for M in (None, pysolve.Jacobi(dense()), np.eye(N)):
            result = solve(KINDS[kind](dense()), b, M=M, rtol=1e-9)
            assert result.converged, (kind, result.message)
            assert result.x.dtype == np.complex128
            assert true_norms(dense(), b, result.x) <= 1e-9 * np.linalg.norm(b) * (1 + 1e-6)


@solvers
def test_any_layout_and_read_only_arrays(solve):
    A, b = dense(), vector()
    expected = solve(A, b).x
    block = np.zeros((2 * N, 2 * N))
    block[::2, ::2] = A
    flipped = np.ascontiguousarray(A[::-1, ::-1])[::-1, ::-1]
    strided = np.stack([b, b], axis=1)[:, 0]
    for given in (block[::2, ::2], flipped, np.asfortranarray(A), A.T):
        given.setflags(write=False)
        for right in (strided, b[::-1].copy()[::-1], np.broadcast_to(b[:, None], (N, 1)), b.tolist()):
            x = solve(given, right).x
            np.testing.assert_allclose(x.ravel(), expected, rtol=1e-10)
    np.testing.assert_allclose(solve(A, np.broadcast_to(1.0, N)).x, solve(A, np.ones(N)).x)
    np.testing.assert_allclose(solve(A, b, np.broadcast_to(0.0, N)).x, expected, rtol=1e-10)


@solvers
def test_duplicates_unsorted_indices_and_explicit_zeros(solve):
    A, b = sp.coo_array(dense()), vector()
    order = np.random.default_rng(0).permutation(A.nnz)
    row, col = (index[order] for index in A.coords)
    row, col = (np.concatenate([index, index, [0, 29]]) for index in (row, col))
    data = np.concatenate([A.data[order] / 4, A.data[order] * 3 / 4, [0.0, 0.0]])
    coo = sp.coo_array((data, (row, col)), shape=A.shape)
    csr = sp.csr_array((N, N))
    csr.indptr = np.concatenate(([0], np.cumsum(np.bincount(row, minlength=N)))).astype(np.int32)
    by_row = np.argsort(row, kind="stable")
    csr.indices, csr.data = col[by_row].astype(np.int32), data[by_row]
    for given in (coo, csr, coo.asformat("csc")):
        for M in (None, pysolve.Jacobi(given)):
            result = solve(given, b, M=M, rtol=1e-10)
            assert result.converged
            np.testing.assert_allclose(result.x, np.linalg.solve(dense(), b), rtol=1e-7)
    np.testing.assert_allclose(pysolve.PackedMatrix(csr) @ b, dense() @ b)
    np.testing.assert_allclose(pysolve.PackedMatrix(csr).diagonal(), np.diag(dense()))
    assert csr.indices.tobytes() == col[by_row].astype(np.int32).tobytes()


def handmade(name, **parts):
    """A sparse array whose arrays were put in by hand, past SciPy's checks."""
    A = getattr(sp, f"{name}_array")(sp.csr_array(dense()))
    for part, change in parts.items():
        array = getattr(A, part).copy()
        change(array)
        setattr(A, part, array)
    return A


def put(place, value):
    def change(array):
        array[place] = value

    return change


BROKEN = {
    "index_too_large": {"indices": put(7, N)},
    "index_negative": {"indices": put(7, -1)},
    "index_huge": {"indices": put(-1, 2**31 - 1)},
    "indptr_negative": {"indptr": put(3, -5)},
    "indptr_falls": {"indptr": put(3, 100)},
    "indptr_past_the_end": {"indptr": put(-1, 10**6)},
    "indptr_huge": {"indptr": put(5, 2**31 - 1)},
    "indptr_starts_late": {"indptr": put(0, 2)},
}
USES = {
    **{solve.__name__: lambda A, solve=solve: solve(A, vector()) for solve in SOLVERS},
    "M": lambda A: pysolve.cg(dense(), vector(), M=A),
    "Jacobi": pysolve.Jacobi,
    "PackedMatrix": pysolve.PackedMatrix,
    "from_csr": lambda A: pysolve.StencilOperator.from_csr(A, GRID),
}


@pytest.mark.parametrize("use", [name for name in USES if name != "M"])
@pytest.mark.parametrize("fault", BROKEN)
@pytest.mark.parametrize("name", ["csr", "csc", "bsr"])
@pytest.mark.parametrize("index", [np.int32, np.int64])
def test_broken_index_arrays_are_refused(use, fault, name, index):
    A = handmade(name, **BROKEN[fault])
    A.indices, A.indptr = A.indices.astype(index), A.indptr.astype(index)
    with pytest.raises(
        ValueError, match=r"A\.(indices|indptr) must .*, but (indices|indptr)\[\d+\] is -?\d+|A has "
    ):
        USES[use](A)


@pytest.mark.parametrize("use", [name for name in USES if name != "M"])
@pytest.mark.parametrize("axis", [0, 1])
@pytest.mark.parametrize("value", [-1, N, 2**31 - 1])
def test_broken_coordinates_are_refused(use, axis, value):
    A = sp.coo_array(dense())
    coords = [index.copy() for index in A.coords]
    coords[axis][5] = value
    A.coords = tuple(coords)
    with pytest.raises(ValueError, match=rf"A has indices from -?\d+ to \d+ along axis {axis}.*\[0, {N}\)"):
        USES[use](A)


@pytest.mark.parametrize("use", [name for name in USES if name != "M"])
@pytest.mark.parametrize("name", ["csr", "csc"])
@pytest.mark.parametrize("part", ["data", "indices", "indptr"])
def test_index_arrays_that_do_not_fit_each_other_are_refused(use, name, part):
    A = getattr(sp, f"{name}_array")(sp.csr_array(dense()))
    setattr(A, part, getattr(A, part)[:-3].copy())
    with pytest.raises(ValueError, match=r"^A"):
        USES[use](A)


@solvers
@pytest.mark.parametrize("fault", BROKEN)
def test_broken_diagonal_preconditioner_is_refused(solve, fault):
    D = sp.csr_array(sp.eye_array(N, format="csr"))
    ((part, change),) = BROKEN[fault].items()
    array = getattr(D, part).copy()
    if part == "indices":
        array[-1] = {"index_too_large": N, "index_negative": -1, "index_huge": 2**31 - 1}[fault]
    else:
        change(array)
    setattr(D, part, array)
    with pytest.raises(ValueError, match=r"M.(indices|indptr) must"):
        solve(dense(), vector(), M=D)


@solvers
def test_misaligned_arrays_are_copied(solve):
    A = sp.csr_array(dense())
    for part in ("data", "indices", "indptr"):
        array = getattr(A, part)
        memory = np.empty(array.nbytes + 1, np.uint8)[1:].view(array.dtype)
        memory[:] = array
        setattr(A, part, memory)
    assert not A.data.flags.aligned
    assert solve(A, vector(), rtol=1e-8).converged


@solvers
def test_indices_that_are_written_to_during_a_solve_lead_nowhere(solve):
    A = sp.csr_array(dense())
    result = solve(A, vector(), rtol=1e-8, callback=lambda xk: A.indices.fill(2**30))
    assert result.converged
    np.testing.assert_allclose(dense() @ result.x, vector(), atol=1e-6)


def test_broken_preconditioner_is_refused():
    D = sp.csr_array(sp.eye_array(N, format="csr"))
    D.indices = np.full(N, 10**6, np.int32)
    for solve in SOLVERS:
        with pytest.raises(ValueError, match="indices must lie in"):
            solve(dense(), vector(), M=D)
    for fault in BROKEN.values():
        with pytest.raises(ValueError, match=r"indices|indptr"):
            USES["M"](handmade("csr", **fault))


class Slotted:
    """An operator that no weak reference can be made to."""

    __slots__ = ("A",)
    shape, dtype = (N, N), np.dtype("f8")

    def __init__(self, A):
        self.A = A

    def matvec(self, x):
        return self.A @ x

    def diagonal(self):
        return np.diag(self.A)


@solvers
def test_jacobi_of_an_operator_with_slots(solve):
    A = Slotted(dense())
    assert solve(A, vector(), M=pysolve.Jacobi(A), rtol=1e-8).converged
