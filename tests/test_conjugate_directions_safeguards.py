"""What a bad M, a singular or indefinite A and single precision may cost: time, and never the truth."""

import numpy as np
import pytest
import scipy.sparse as sp
import scipy.sparse.linalg as sla
from contract_cases import SOLVERS, true_norms
from direction_maps import Clock, Map, check_converged, noise, without_r

import pysolve
from pysolve import _conjugate_directions_steps

S = pysolve.Status
solvers = pytest.mark.parametrize("solve", SOLVERS)


@pytest.fixture
def clock(monkeypatch):
    clock = Clock()
    monkeypatch.setattr(_conjugate_directions_steps, "time", clock)
    return clock


# ---- maps that are of no use -------------------------------------------------------------------------------


REJECTED = {
    "zeros": lambda r, k: 0 * r,
    "NaN": lambda r, k: np.full_like(r, np.nan),
    "infinite": lambda r, k: np.full_like(r, np.inf),
    "one NaN": lambda r, k: np.where(np.arange(r.size) == 3, np.nan, r),
    "noise": noise,
    "huge": lambda r, k: 1e300 * r,
    "tiny": lambda r, k: 1e-300 * r,
    "orthogonal to r": lambda r, k: without_r(noise(r, k), r),
    "noise later": lambda r, k: r + 0.1 * abs(r) if k <= 15 else noise(r, k),
    "NaN later": lambda r, k: r + 0.1 * abs(r) if k <= 15 else np.full_like(r, np.nan),
}
W, V = np.random.default_rng(0).standard_normal((2, 400, 400)) / 20
ACCEPTED = {  # at least in part: they gain more than nothing
    "wrong sign": lambda r, k: -r,
    "wrong sign and noise": lambda r, k: -r + 0.5 * noise(r, k) / r.size**0.5,
    "now and then": lambda r, k: r if k % 2 else noise(r, k),
    "constant": lambda r, k: np.ones_like(r),
    "seldom": lambda r, k: r if k % 10 == 0 else np.nan * r,
    "one entry": lambda r, k: np.where(np.arange(r.size) == np.argmax(abs(r)), r, 0),
    "signs": lambda r, k: np.sign(r),
    "magnitudes": lambda r, k: r + 2 * abs(r),
    "skew": lambda r, k: r + 0.7 * np.roll(r, 1) - 0.7 * np.roll(r, -1),
    "network": lambda r, k: r + V[: r.size, : r.size] @ np.maximum(W[: r.size, : r.size] @ r, 0),
}
SYSTEMS = {
    "stencil": lambda: pysolve.gallery.poisson((20, 20)),
    "csr": lambda: pysolve.gallery.poisson((20, 20), format="csr"),
    "Neumann": lambda: pysolve.gallery.poisson((16, 25), boundary="neumann"),
}
WINDOWS = 60  # steps until M has been compared: two windows of 20 with it, and one without


@pytest.mark.parametrize("system", SYSTEMS)
@pytest.mark.parametrize("name", [*REJECTED, *ACCEPTED])
def test_bad_map_costs_at_most_three_times_the_iterations(clock, system, name):
    A = SYSTEMS[system]()
    b = A @ np.random.default_rng(1).standard_normal(400)
    plain = pysolve.cg(A, b, rtol=1e-8)
    result = pysolve.conjugate_directions(A, b, M=Map((REJECTED | ACCEPTED)[name], 400), rtol=1e-8)
    check_converged(A, b, result, 1e-8)
    assert result.iterations <= 3 * plain.iterations + WINDOWS
    if name in REJECTED:
        assert result.n_fallbacks >= 10
        assert "M was dropped: 10 of its directions in a row were rejected" in result.message
    elif name in ("constant", "now and then", "seldom"):
        assert result.n_fallbacks > 0


def test_map_that_is_slow_is_dropped_and_the_message_says_so(clock):
    def slow(r, k):
        clock.now += 1000
        return r + 0.5 * abs(r)

    A = pysolve.gallery.poisson((20, 20))
    b = np.random.default_rng(1).standard_normal(400)
    M = Map(slow, 400)
    result = pysolve.conjugate_directions(A, b, M=M, rtol=1e-8)
    check_converged(A, b, result, 1e-8)
    assert next(M.calls) - 1 == 40  # two windows
    assert "M was dropped: plain conjugate gradients gained more energy per second" in result.message


def test_map_that_pays_is_kept_though_it_is_not_linear(clock):
    A = pysolve.gallery.poisson((40, 40))
    b = np.random.default_rng(1).standard_normal(1600)
    inverse = sla.splu(A.tocsr().tocsc() + 0.01 * sp.eye_array(1600, format="csc")).solve
    M = Map(lambda r, k: inverse(r) * (1 + 0.2 * np.sign(r)), 1600)
    result = pysolve.conjugate_directions(A, b, M=M, rtol=1e-10)
    check_converged(A, b, result, 1e-10)
    assert result.n_fallbacks == 0
    assert next(M.calls) - 1 == result.iterations < pysolve.cg(A, b, rtol=1e-10).iterations / 2


@pytest.mark.parametrize("n", [1, 2, 3, 4, 5, 8])
@pytest.mark.parametrize("name", [*REJECTED, *ACCEPTED])
def test_bad_map_does_not_use_up_the_default_limit_of_a_small_system(clock, n, name):
    A = np.diag(np.geomspace(1, 100, n)) + 0.5
    b = np.random.default_rng(n).standard_normal(n)
    result = pysolve.conjugate_directions(A, b, M=Map((REJECTED | ACCEPTED)[name], n), rtol=1e-8)
    check_converged(A, b, result, 1e-8)


def test_values_beyond_single_precision_are_rejected():
    A = pysolve.gallery.poisson((12, 12), dtype="f4")
    b = np.ones(144, "f4")
    result = pysolve.conjugate_directions(A, b, M=Map(lambda r, k: 1e300 * r.astype("f8"), 144), rtol=1e-4)
    assert result.converged
    assert result.n_fallbacks > 0


# ---- cells that M need not know of -------------------------------------------------------------------------


def box_with_a_plate():
    """A box with an inner wall of solid cells, cut in two pools without a Dirichlet side."""
    solid = np.zeros((12, 15), bool)
    solid[:, 7] = True
    solid[2:4, 2:4] = True
    return pysolve.gallery.poisson((12, 15), solid=solid, boundary="neumann"), solid.ravel()


@pytest.mark.parametrize("value", [np.nan, 1e6])
def test_what_a_map_says_of_solid_cells_and_of_constants_is_left_out(value):
    A, solid = box_with_a_plate()
    D = pysolve.Jacobi(A)
    assert (A.n_components, int(solid.sum())) == (2, int(A.decoupled.sum()))
    b = A @ np.random.default_rng(0).standard_normal(180)
    b[solid] = np.arange(solid.sum())

    def direction(r, k):
        d = D @ r + 5.0 * ~solid
        d[solid] = value
        return d

    result = pysolve.conjugate_directions(A, b, M=Map(direction, 180), rtol=1e-9)
    check_converged(A, b, result, 1e-9)
    np.testing.assert_array_equal(result.x[solid], b[solid])
    plain = pysolve.cg(A, b, M=D, rtol=1e-9)
    assert (result.n_fallbacks, result.iterations <= plain.iterations + 3) == (0, True)


# ---- singular and indefinite A -----------------------------------------------------------------------------


@solvers
@pytest.mark.parametrize("kind", ["stencil", "csr", "PackedMatrix", "LinearOperator"])
@pytest.mark.parametrize("mapped", [False, True])
def test_singular_system_is_solved_if_it_can_be(solve, kind, mapped):
    A = pysolve.gallery.poisson((12, 15), boundary="neumann")
    matrix = A.tocsr()
    forms = {"stencil": A, "csr": matrix, "LinearOperator": sla.aslinearoperator(matrix)}
    operator = forms[kind] if kind in forms else pysolve.PackedMatrix(matrix)
    M = sla.aslinearoperator(sp.diags_array(1 / matrix.diagonal())) if mapped else None
    b = A @ np.random.default_rng(0).standard_normal(180)
    check_converged(A, b, solve(operator, b, M=M, rtol=1e-8), 1e-8)
    result = solve(operator, b + 1, M=M, rtol=1e-8)
    assert np.isfinite(result.x).all()
    assert not result.converged
    assert true_norms(matrix, b + 1, result.x) >= 0.999 * 180**0.5
    # Without a norm of A rounding and negative curvature look alike.
    ends = {S.SINGULAR} if kind != "LinearOperator" else {S.SINGULAR, S.INDEFINITE, S.STAGNATED}
    assert result.status in ends, result.message


@solvers
@pytest.mark.parametrize("kind", ["csr", "PackedMatrix", "LinearOperator", "ndarray"])
def test_indefinite_matrix_is_told(solve, kind):
    matrix = sp.csr_array(pysolve.gallery.poisson((12, 15), format="csr") - 2 * sp.eye_array(180))
    forms = {"csr": matrix, "LinearOperator": sla.aslinearoperator(matrix), "ndarray": matrix.toarray()}
    operator = pysolve.PackedMatrix(matrix) if kind == "PackedMatrix" else forms[kind]
    for M in (None, sla.aslinearoperator(sp.eye_array(180))):
        result = solve(operator, np.ones(180), M=M, rtol=1e-12)
        assert result.status is S.INDEFINITE, result.message
        assert np.isfinite(result.x).all()


def test_direction_of_negative_curvature_is_rejected_where_the_residual_has_none():
    A, b = sp.diags_array([1.0, 2, 3, 4, -5]).tocsr(), np.array([1.0, 1, 1, 1, 0])
    result = pysolve.conjugate_directions(A, b, M=Map(lambda r, k: np.eye(5)[4], 5), rtol=1e-10)
    check_converged(A, b, result, 1e-10)
    assert result.n_fallbacks == result.iterations == 4


# ---- attainable accuracy -----------------------------------------------------------------------------------


@solvers
@pytest.mark.parametrize("kind", ["csr", "stencil", "PackedMatrix"])
@pytest.mark.parametrize("jacobi", [False, True])
def test_single_precision_is_never_called_converged_at_a_false_residual(solve, kind, jacobi):
    """A rod of 1600 cells: condition number 1e6. SciPy's recurrence says 1e-5 where the residual is not."""
    rod = pysolve.gallery.poisson((1, 1600), boundary=["neumann", "dirichlet"], dtype="f4")
    matrix, rng = rod.tocsr(), np.random.default_rng(0)
    b = rng.standard_normal(1600).astype("f4")
    operator = {"csr": matrix, "stencil": rod, "PackedMatrix": pysolve.PackedMatrix(matrix)}[kind]
    result = solve(operator, b, M=pysolve.Jacobi(rod) if jacobi else None, rtol=1e-5)
    x, info = sla.cg(matrix, b, rtol=1e-5, maxiter=16_000)
    assert (info, bool(true_norms(matrix, b, x) > 1e-3 * np.linalg.norm(b))) == (0, True)
    norm = float(true_norms(matrix, b, result.x))
    assert result.converged == (norm <= 1e-5 * np.linalg.norm(b) * (1 + 1e-4))
    # Rows of matrices are summed in double precision for the residual, those of a stencil are not.
    noise = 2.0**-22 * float(np.linalg.norm(abs(matrix) @ abs(result.x))) if kind == "stencil" else 0.0
    assert result.residual_norms[-1] == pytest.approx(norm, rel=1e-4, abs=noise)
    assert np.isfinite(result.x).all()


@solvers
@pytest.mark.parametrize("kind", ["csr", "stencil", "LinearOperator"])
@pytest.mark.parametrize("dtype", ["f4", "f8"])
@pytest.mark.parametrize("mapped", [False, True])
def test_tolerance_below_the_attainable_accuracy_ends_in_stagnation(solve, kind, dtype, mapped):
    A = pysolve.gallery.poisson((30, 30), dtype=dtype)
    forms = {"stencil": A, "csr": A.tocsr(), "LinearOperator": sla.aslinearoperator(A.tocsr())}
    M = sla.aslinearoperator(sp.eye_array(900, dtype=dtype) / 4) if mapped else None
    b = np.random.default_rng(0).standard_normal(900).astype(dtype)
    result = solve(forms[kind], b, M=M, rtol=1e-20)
    assert result.status is S.STAGNATED, result.message
    assert result.iterations < 1000
    assert true_norms(A.tocsr(), b, result.x) <= 1e4 * np.finfo(dtype).eps * np.linalg.norm(b)
