"""Numerical failures: what the result says of them is true, whatever form A has, and nothing is raised."""

import numpy as np
import pytest
import scipy.sparse as sp
import scipy.sparse.linalg as sla
from contract_cases import KINDS, RELAXATIONS, SOLVERS, each_with, true_norms

import pysolve
from pysolve import gallery

S = pysolve.Status
solvers = pytest.mark.parametrize("solve", SOLVERS)
FORMS = ["ndarray", "csr_array", "LinearOperator", "matvec", "PackedMatrix"]
forms = pytest.mark.parametrize("form", FORMS)


@solvers
@forms
@pytest.mark.parametrize(
    ("A", "b"),
    [(np.diag([1.0, -1.0]), [1.0, 1.0]), (np.array([[0.0, 1.0], [1.0, 0.0]]), [1.0, 0.0])],
    ids=["diagonal", "saddle"],
)
def test_direction_of_no_curvature_in_a_regular_matrix_is_indefinite(solve, form, A, b):
    result = solve(KINDS[form](A), np.array(b))
    assert result.status is S.INDEFINITE, result.message


@solvers
@forms
def test_singular_matrix_is_singular_in_every_form(solve, form):
    A, b = np.diag([1.0, 2.0, 0.0]), np.ones(3)
    result = solve(KINDS[form](A), b)
    assert result.status is S.SINGULAR, result.message
    assert np.abs(result.x).max() < 10
    assert true_norms(A, b, result.x) < 3


@solvers
@pytest.mark.parametrize("skew", [0.1, 0.5, 0.9, 2.0])
def test_operator_that_is_far_from_symmetric_ends_with_a_status(solve, skew):
    A = gallery.poisson((30, 30), format="csr")
    ones = skew * np.ones(899)
    Q = sp.csr_array(A + sp.diags_array([ones, -ones], offsets=[1, -1]))
    result = solve(sla.aslinearoperator(Q), np.ones(900), rtol=1e-8)
    assert np.isfinite(result.x).all()
    if result.info == 0:
        assert true_norms(Q, np.ones(900), result.x) <= 1e-8 * 30 * (1 + 1e-6)
    else:
        assert "A is not symmetric" in result.message


@pytest.mark.parametrize("solve", [*SOLVERS, *RELAXATIONS])
def test_complex_right_hand_side_of_a_real_stencil_is_solved_part_by_part(solve):
    solid = np.zeros((10, 10), bool)
    solid[3:5, 2:6] = True
    A = gallery.poisson((10, 10), solid=solid, boundary="neumann")
    rng = np.random.default_rng(0)
    b = rng.standard_normal(100) + 1j * rng.standard_normal(100)
    result, parts = solve(A, b, rtol=1e-8), [solve(A, part, rtol=1e-8) for part in (b.real, b.imag)]
    assert {result.status, *(part.status for part in parts)} == {S.SINGULAR}
    expected = np.hypot(*(part.residual_norms[-1] for part in parts))
    assert result.residual_norms[-1] == pytest.approx(expected, rel=1e-6)
    consistent = A @ b
    assert solve(A, consistent, rtol=1e-8).converged


@solvers
def test_callback_is_called_once_an_iteration_even_where_the_last_step_fails(solve):
    class NotANumber:
        shape, dtype = (4, 4), np.dtype("f8")

        def matvec(self, r):
            return np.nan * r

    for M in (None, NotANumber()):
        calls = []
        result = solve(sp.csr_array(np.diag([1.0, 2.0, -1.0, 3.0])), np.ones(4), M=M, callback=calls.append)
        assert result.info < 0
        assert len(calls) == result.iterations


@each_with(FORMS)
@pytest.mark.parametrize(
    ("dtype", "size_of_A", "size_of_b"),
    [
        ("f4", 1e-30, 1e-30),
        ("f4", 1.0, 1e37),
        ("f8", 1e-200, 1e-90),
        ("f8", 1e100, 1e-150),
        ("f8", 1.0, 1e300),
    ],
)
def test_size_of_the_system_does_not_matter(solve, kind, dtype, size_of_A, size_of_b):
    A = gallery.poisson((6, 6), format="csr").toarray()
    b = np.random.default_rng(0).standard_normal(36)
    result = solve(KINDS[kind]((A * size_of_A).astype(dtype)), (b * size_of_b).astype(dtype), rtol=1e-4)
    x = np.linalg.solve(A, b) * (size_of_b / size_of_A)
    if np.abs(x).max() < np.finfo(dtype).max:
        assert result.converged, result.message
        np.testing.assert_allclose(result.x, x, rtol=0.01, atol=0.01 * np.abs(x).max())


def test_tiny_map_is_not_called_asymmetric():
    A = gallery.poisson((6, 6), format="csr")
    M = sla.LinearOperator(A.shape, matvec=lambda r: 1e-200 * r, dtype=float)
    result = pysolve.cg(A, np.ones(36), M=M, rtol=1e-8, maxiter=3)
    assert "not symmetric" not in result.message


def test_diagonal_that_is_no_jacobi_is_watched_as_any_other_map():
    A = gallery.poisson((30, 30), format="csr")
    rng = np.random.default_rng(0)
    d, b = 10 ** rng.uniform(-8, 8, 900), rng.standard_normal(900)
    wild, with_infinity = sp.diags_array(d), sp.diags_array(np.r_[np.inf, d[1:]])
    for M in (wild, with_infinity, pysolve.Jacobi(sp.diags_array(1 / d))):
        result = pysolve.conjugate_directions(A, b, M=M, rtol=1e-8)
        assert result.converged, result.message
        assert result.iterations < 400
        assert result.n_fallbacks > 0


def test_step_before_the_one_that_fails_is_kept():
    A = sp.csr_array(np.array([[1.0, 2.0], [2.0, 5.0]], "f4"))
    result = pysolve.cg(A, np.array([1.0, 0.0], "f4"), M=sp.diags_array(np.array([1.0, 3e38], "f4")))
    assert result.info != 0
    np.testing.assert_array_equal(result.x, [1.0, 0.0])


def test_asymmetry_of_huge_matrices_is_seen():
    A = np.array([[4.0, 1.0, 0.0], [3.0, 4.0, 1.0], [0.0, 1.0, 4.0]])
    for size in (1.0, 1e160, 1e-160):
        with pytest.raises(ValueError, match="A must be symmetric"):
            pysolve.cg(sp.csr_array(size * A), np.ones(3))
