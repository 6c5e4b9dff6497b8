"""sor, ssor_cg and SSOR as a user calls them: arguments, workspaces, pickles, and what they equal."""

import copy
import pickle

import numpy as np
import pytest
import scipy.sparse as sp
import scipy.sparse.linalg as sla
from contract_cases import CLOSED, KINDS, RELAXATIONS, N, dense, vector

import pysolve

A = sp.csr_array(dense())
b = vector()
solvers = pytest.mark.parametrize("solve", RELAXATIONS)


def textbook_sweeps(A, b, omega, order, n_sweeps):
    """x after each sweep of the loop in the docstring."""
    A, x, found = A.toarray(), np.zeros(len(b)), []
    for _ in range(n_sweeps):
        for i in order:
            x[i] += omega / A[i, i] * (b[i] - A[i] @ x)
        found.append(x.copy())
    return found


@pytest.mark.parametrize("kind", ["csr_array", "StencilOperator"])
@pytest.mark.parametrize("sweep", ["forward", "backward", "symmetric"])
@pytest.mark.parametrize("omega", [0.5, 1.0, 1.7])
def test_sweeps_are_those_of_the_loop(kind, sweep, omega):
    order = {
        "forward": [*range(N)],
        "backward": [*range(N)][::-1],
        "symmetric": [*range(N), *range(N)[::-1]],
    }[sweep]
    expected, seen = textbook_sweeps(A, b, omega, order, 5), []
    pysolve.sor(
        KINDS[kind](dense()), b, omega=omega, sweep=sweep, maxiter=5, callback=lambda x: seen.append(x.copy())
    )
    np.testing.assert_allclose(seen, expected, rtol=1e-13, atol=1e-14)
    plain = pysolve.sor(KINDS[kind](dense()), b, omega=omega, sweep=sweep, maxiter=5)
    np.testing.assert_allclose(plain.x, expected[-1], rtol=1e-13, atol=1e-14)
    norms = [np.linalg.norm(b - A @ x) for x in expected]
    np.testing.assert_allclose(plain.residual_norms[1:], norms, rtol=1e-10)


@pytest.mark.parametrize("kind", ["csr_array", "StencilOperator"])
def test_two_colours_are_those_of_a_chessboard(kind):
    colour = np.add.outer(np.arange(5), np.arange(6)).ravel() % 2
    expected = textbook_sweeps(A, b, 1.5, np.argsort(colour, kind="stable"), 7)[-1]
    result = pysolve.sor(KINDS[kind](dense()), b, omega=1.5, order="multicolor", maxiter=7)
    np.testing.assert_allclose(result.x, expected, rtol=1e-13, atol=1e-14)


@pytest.mark.parametrize("kind", ["csr_array", "StencilOperator"])
@pytest.mark.parametrize("omega", [0.7, 1.0, 1.6, 1.9])
def test_ssor_cg_takes_the_iterations_of_cg_with_ssor(kind, omega):
    operator = KINDS[kind](dense())
    fused = pysolve.ssor_cg(operator, b, rtol=1e-9, omega=omega)
    plain = pysolve.cg(operator, b, rtol=1e-9, M=pysolve.SSOR(operator, omega))
    assert fused.iterations == plain.iterations
    np.testing.assert_allclose(fused.residual_norms[:-1], plain.residual_norms[:-1], rtol=1e-5)


def test_ssor_is_the_inverse_of_its_formula():
    omega, dense_A = 1.3, A.toarray()
    D, L = np.diag(np.diag(dense_A)), np.tril(dense_A, -1)
    M = omega / (2 - omega) * (D / omega + L) @ np.linalg.inv(D) @ (D / omega + L.T)
    for kind in ("csr_array", "ndarray", "StencilOperator"):
        S = pysolve.SSOR(KINDS[kind](dense_A), omega)
        np.testing.assert_allclose(S @ b, np.linalg.solve(M, b), rtol=1e-12)
        np.testing.assert_allclose(
            S @ np.stack([b, 2j * b], axis=1), np.linalg.solve(M, np.stack([b, 2j * b], axis=1))
        )
        np.testing.assert_array_equal(pickle.loads(pickle.dumps(S)) @ b, S @ b)
        assert (S.shape, S.dtype, S.omega) == ((N, N), np.dtype("f8"), omega)
        assert "SSOR(n=30, omega=1.3" in repr(S)


def test_ssor_of_a_hermitian_matrix_is_hermitian():
    S = pysolve.SSOR(sp.csr_array(dense("c16")), 1.4)
    M = np.stack([S @ e for e in np.eye(N)], axis=1)
    np.testing.assert_allclose(M, M.conj().T, atol=1e-14)
    assert np.linalg.eigvalsh(M).min() > 0


def test_ssor_serves_scipy_and_ours():
    S = pysolve.SSOR(A, 1.5)
    for solve in (sla.cg, pysolve.cg, pysolve.conjugate_directions):
        x, info = solve(A, b, M=S, rtol=1e-9)
        assert info == 0
        np.testing.assert_allclose(A @ x, b, atol=1e-7)


def test_ssor_outlives_changes_to_the_matrix():
    mine = A.copy()
    S = pysolve.SSOR(mine, 1.2)
    expected = S @ b
    mine.data[:] = 7
    mine.indices[:] = 0
    for same in (S, pickle.loads(pickle.dumps(S)), copy.deepcopy(S)):
        np.testing.assert_array_equal(same @ b, expected)


@solvers
def test_workspace_changes_nothing(solve):
    workspace = pysolve.SorWorkspace()
    rng = np.random.default_rng(0)
    shifted = [A + sp.diags_array(rng.uniform(0, 1, N)) for _ in range(4)]
    other = sp.csr_array(pysolve.gallery.poisson((7, 4), format="csr"))
    for matrix in (*shifted, other, A.astype("f4"), *shifted):
        right = np.ones(matrix.shape[0], matrix.dtype)
        alone, shared = solve(matrix, right), solve(matrix, right, workspace=workspace)
        np.testing.assert_array_equal(shared.x, alone.x)
        np.testing.assert_array_equal(shared.residual_norms, alone.residual_norms)
    again = pickle.loads(pickle.dumps(workspace))
    np.testing.assert_array_equal(solve(A, b, workspace=again).x, solve(A, b).x)


@solvers
def test_workspace_notices_a_pattern_changed_in_place(solve):
    workspace, matrix = pysolve.SorWorkspace(), A.copy()
    solve(matrix, b, workspace=workspace)
    row, (start, end) = 0, matrix.indptr[:2]
    kept = matrix.indices[start:end].copy()
    matrix.indices[start:end] = np.where(kept == 1, 2, kept)  # of the same size, elsewhere
    if solve is pysolve.ssor_cg:
        with pytest.raises(ValueError, match="symmetric"):
            solve(matrix, b, workspace=workspace)
        return
    np.testing.assert_array_equal(solve(matrix, b, workspace=workspace).x, solve(matrix, b).x)
    assert row == 0


@solvers
@pytest.mark.parametrize("omega", [0, 2, -1.0, 2.5, np.nan, np.inf])
def test_omega_out_of_range(solve, omega):
    with pytest.raises(ValueError, match=r"omega must lie in \(0, 2\), but is"):
        solve(A, b, omega=omega)


@solvers
@pytest.mark.parametrize("omega", [True, "1.5", None, 1 + 1j, [1.0]])
def test_omega_of_the_wrong_type(solve, omega):
    with pytest.raises(TypeError, match="omega must be a real number, not"):
        solve(A, b, omega=omega)


@pytest.mark.parametrize(
    ("name", "value"), [("sweep", "sideways"), ("sweep", 1), ("order", "red"), ("order", None)]
)
def test_choices(name, value):
    with pytest.raises(ValueError, match=f"{name} must be one of 'f?"):
        pysolve.sor(A, b, **{name: value})


@solvers
def test_workspace_of_the_wrong_type(solve):
    with pytest.raises(TypeError, match="workspace must be a SorWorkspace or None, not dict"):
        solve(A, b, workspace={})


CALLS = [pysolve.sor, pysolve.ssor_cg, lambda A, b: pysolve.SSOR(A)]


@pytest.mark.parametrize("call", CALLS)
@pytest.mark.parametrize("entry", [0.0, -4.0])
def test_diagonal_that_is_not_positive_is_named(call, entry):
    bad = A.copy()
    bad[7, 7] = entry
    with pytest.raises(ValueError, match=f"positive diagonal, but its entry in row 7 is {entry}"):
        call(bad, b)


@pytest.mark.parametrize("call", CALLS)
def test_diagonal_entry_that_is_missing_is_named(call):
    bad = A.tolil()
    bad[7, 7] = 0
    with pytest.raises(ValueError, match="positive diagonal, but its entry in row 7 is not stored"):
        call(sp.csr_array(bad), b)


@pytest.mark.parametrize("call", CALLS)
def test_entry_stored_twice_is_named(call):
    data, indices = np.r_[A.data, 1.0], np.r_[A.indices, N - 2].astype(A.indices.dtype)
    indptr = A.indptr.copy()
    indptr[-1] += 1
    bad = sp.csr_array((data, indices, indptr), shape=A.shape)
    with pytest.raises(ValueError, match=r"A\[29, 28\] is stored twice"):
        call(bad, b)


@solvers
def test_unsorted_indices_are_taken_as_they_are(solve):
    mixed = A.copy()
    rng = np.random.default_rng(0)
    for start, end in zip(mixed.indptr, mixed.indptr[1:], strict=False):
        p = start + rng.permutation(end - start)
        mixed.indices[start:end], mixed.data[start:end] = mixed.indices[p], mixed.data[p]
    mixed.has_sorted_indices = False
    np.testing.assert_allclose(solve(mixed, b, rtol=1e-10).x, solve(A, b, rtol=1e-10).x, rtol=1e-8)


@pytest.mark.parametrize("call", CALLS)
def test_corrupt_structure_is_refused(call):
    for change in ("indptr", "indices", "data"):
        bad = A.copy()
        getattr(bad, change)[3] = np.nan if change == "data" else 1000
        with pytest.raises(ValueError, match=r"A(\.|\[| must be finite)"):
            call(bad, b)


@solvers
@pytest.mark.parametrize("name", ["b", "x0"])
def test_vector_that_is_not_finite_is_refused(solve, name):
    bad = b.copy()
    bad[4] = np.nan
    with pytest.raises(ValueError, match=rf"{name} must be finite, but {name}\[4\] is nan"):
        solve(A, bad if name == "b" else b, bad if name == "x0" else None)


@solvers
@pytest.mark.parametrize("kind", sorted(CLOSED))
def test_operator_without_entries_is_refused(solve, kind):
    with pytest.raises(TypeError, match=r"A must be a sparse array.* whose entries SOR can relax"):
        solve(KINDS[kind](dense()), vector())


def test_matrix_that_is_not_symmetric_is_relaxed_but_not_for_ssor_cg():
    skew = sp.csr_array(np.array([[4.0, 1.0, 0.0], [-1.0, 4.0, 2.0], [0.0, 0.0, 4.0]]))
    result = pysolve.sor(skew, np.ones(3), rtol=1e-12)
    assert result.converged
    np.testing.assert_allclose(skew @ result.x, np.ones(3), rtol=1e-11)
    for refused in (lambda: pysolve.ssor_cg(skew, np.ones(3)), lambda: pysolve.SSOR(skew)):
        with pytest.raises(ValueError, match="A must be symmetric"):
            refused()


@solvers
@pytest.mark.parametrize("matrix", [np.ones((3, 4)), sp.csr_array((3, 4)), sp.csr_matrix((4, 3))])
def test_matrix_that_is_not_square(solve, matrix):
    with pytest.raises(ValueError, match="A must be square"):
        solve(matrix, np.ones(3))


def test_real_systems(matrices):
    for name, omega in (("gr_30_30", 1.7), ("494_bus", 1.8), ("wathenSmall", 1.2)):
        import scipy.io

        real = sp.csr_array(scipy.io.mmread(matrices / f"{name}.mtx.gz"))
        right = real @ np.ones(real.shape[0])
        result = pysolve.ssor_cg(real, right, rtol=1e-9, omega=omega)
        assert result.converged, name
        assert result.iterations < pysolve.cg(real, right, rtol=1e-9).iterations
