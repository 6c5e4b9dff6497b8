"""The preconditioner of sor and ssor_cg on a device equal the textbook's: simulated, and on one where there is one."""

import numpy as np
import pytest
import reference.sor as reference
from csr_cases import VALUES, random_values
from cuda_cases import stencil_handle
from cuda_launches import launched
from hypothesis import given, settings
from hypothesis import strategies as st
from reference.csr import wide
from sor_cases import ORDERS, arrays_of, close, laplacian, order_of, systems
from sor_cuda_cases import PLACES, run, solver_of
from stencil_cases import dense, operators

from pysolve import StencilOperator, _backend

core = _backend._core
checked = settings(max_examples=10, deadline=None)
OMEGAS = st.sampled_from([0.5, 1.0, 1.6])
KINDS = [("csr", "natural"), ("csr", "multicolor"), ("stencil", "natural")]


@pytest.fixture(scope="module", params=PLACES, ids=str)
def kernels(request):
    """Every kernel, with NumPy arrays in and out."""
    yield from launched(request)


@given(systems(), st.sampled_from(ORDERS), OMEGAS)
@checked
def test_preconditioner_of_a_matrix_equals_the_reference(kernels, system, order, omega):
    A, arrays = system
    r, z = (random_values(np.random.default_rng(5), len(A), arrays[2].dtype.str[1:]) for _ in range(2))
    kernels.sor_precondition_csr(kernels.SorSplit(*arrays, order), omega, r, z)
    if len(A):
        close(z, reference.sor_precondition(A, omega, r, order_of(A, order)), arrays[2].dtype, 1e3)


@given(A=operators(scales=(1.0,)), omega=OMEGAS)
@checked
def test_preconditioner_of_a_stencil_equals_the_reference(kernels, A, omega):
    rng = np.random.default_rng(0)
    r, z = rng.standard_normal((2, A.shape[0])).astype(A.dtype)
    kernels.sor_precondition_stencil(stencil_handle(kernels, A)[1], omega, r, z)
    expected = reference.sor_precondition(dense(A), omega, r)
    scale = abs(expected).max()
    np.testing.assert_allclose(z, expected, rtol=0, atol=scale * (1e-11 if A.dtype == np.float64 else 1e-3))


def cg_run(module, kind, handle, omega, x, r, work, n_steps, tolerance=-1.0, state=None):
    arguments = module, f"ssor_cg_run_{kind}", handle, omega, x, r, work
    return run(*arguments, n_steps=n_steps, tolerance=tolerance, state=state)


@given(systems(), st.sampled_from(ORDERS), OMEGAS)
@checked
def test_iterations_on_a_matrix_equal_the_textbook(kernels, system, order, omega):
    A, arrays = system
    n, dtype = len(A), arrays[2].dtype
    r = random_values(np.random.default_rng(6), n, dtype.str[1:])
    x, expected, rest, n_steps = np.zeros(n, dtype), np.zeros(n, wide(r).dtype), wide(r).copy(), min(3, n)
    work = np.full(5 * n, np.nan, dtype)
    state, norms = cg_run(kernels, "csr", kernels.SorSplit(*arrays, order), omega, x, r, work, n_steps)
    if n == 0:
        return
    first = np.linalg.norm(rest)
    wanted = reference.ssor_cg(A, expected, rest, omega, n_steps, order=order_of(A, order))
    told = (
        wanted > 1e5 * float(np.finfo(dtype).eps) * first
    )  # of small systems the first steps leave rounding
    assert state.end == "steps" or not told.all()
    np.testing.assert_allclose(
        norms[: told.size][told[: norms.size]], wanted[told], rtol=0, atol=1e-2 * first
    )
    if told.all():
        close(x, expected, dtype, 1e5)


@given(A=operators(scales=(1.0,)), omega=OMEGAS)
@checked
def test_iterations_on_a_stencil_are_those_of_the_cpu(kernels, A, omega):
    A = StencilOperator(A.grid_shape, A.weights, boundary=A.boundary, shift=A.shift + A.dtype.type(0.5))
    n, (b, start) = A.shape[0], np.random.default_rng(0).standard_normal((2, A.shape[0])).astype(A.dtype)
    found = []
    for module in (kernels, core):
        x, r, work = start.copy(), (b - A @ start).astype(A.dtype), np.full(5 * n, np.nan, A.dtype)
        _, norms = cg_run(module, "stencil", stencil_handle(module, A)[1], omega, x, r, work, min(3, n))
        found.append((x, r, norms))
    scale = np.linalg.norm(b - A @ start)
    told = found[1][2] > (1e-7 if A.dtype == np.float64 else 1e-2) * scale
    if told.all():
        tolerance = 1e-8 if A.dtype == np.float64 else 1e-2
        np.testing.assert_allclose(found[0][2], found[1][2], rtol=0, atol=tolerance * scale)
        np.testing.assert_allclose(found[0][0], found[1][0], rtol=0, atol=tolerance * abs(found[1][0]).max())


@pytest.mark.parametrize("dtype", VALUES)
@pytest.mark.parametrize(("kind", "order"), KINDS)
def test_run_goes_on_where_the_last_one_ended(kernels, kind, order, dtype):
    if kind == "stencil":
        if dtype[0] == "c":
            return
        A = StencilOperator((10, 9), (1.0, 1.0), dtype=dtype)
        handle = stencil_handle(kernels, A)[1]
    else:
        A = laplacian((10, 9), dtype)
        handle = kernels.SorSplit(*arrays_of(A), order)
    b = random_values(np.random.default_rng(7), 90, dtype)
    x, r, work = np.zeros(90, dtype), b.copy(), np.zeros(450, dtype)
    _, norms = cg_run(kernels, kind, handle, 1.5, x, r, work, 12)
    y, s, work, parts, state = np.zeros(90, dtype), b.copy(), np.zeros(450, dtype), [], None
    state = kernels.RunState()
    for n_steps in (1, 4, 0, 5, 2):
        parts += list(cg_run(kernels, kind, handle, 1.5, y, s, work, n_steps, state=state)[1])
    np.testing.assert_array_equal(parts, norms)
    np.testing.assert_array_equal(y, x)
    np.testing.assert_array_equal(s, r)
    state, found = cg_run(kernels, kind, handle, 1.5, np.zeros(90, dtype), b.copy(), work, 12, norms[6])
    assert (state.end, state.n_steps) == ("tolerance", int(np.argmax(norms <= norms[6])) + 1)
    np.testing.assert_array_equal(found, norms[: state.n_steps])


@pytest.mark.parametrize(("kind", "order"), KINDS)
def test_counts_on_a_grid_are_those_of_the_textbook(kernels, kind, order):
    handle, A = solver_of(kernels, kind, order, (9, 8))
    b = np.random.default_rng(9).standard_normal(A.shape[0])
    tolerance, x, r = 1e-10 * np.linalg.norm(b), np.zeros(b.size), b.copy()
    state, _ = cg_run(kernels, kind, handle, 1.6, x, r, np.zeros(5 * b.size), 90, tolerance)
    matrix = A if kind == "csr" else A.tocsr()
    rows = order_of(matrix.toarray(), order)
    wanted = reference.ssor_cg(matrix, np.zeros(b.size), b.copy(), 1.6, 90, tolerance, rows)
    assert (state.end, state.n_steps) == ("tolerance", len(wanted))
    np.testing.assert_allclose(r, b - A @ x, rtol=0, atol=1e-13 * np.linalg.norm(b))


def test_a_run_that_cannot_go_on_leaves_x_as_it_was(kernels):
    A = np.array([[1.0, 3.0], [3.0, 1.0]])
    x, r = np.array([1.0, -2.0]), np.array([1.0, -1.0])
    before, work = (x.copy(), r.copy()), np.zeros(10)
    state, _ = cg_run(kernels, "csr", kernels.SorSplit(*arrays_of(A), "natural"), 1.0, x, r, work, 5)
    assert state.end == "not_positive"
    if state.n_steps == 0:
        np.testing.assert_array_equal((x, r), before)
    p = work[:2]
    assert p @ A @ p == pytest.approx(state.curvature * (p @ p), rel=1e-12)
    one = kernels.SorSplit(*arrays_of(np.eye(2)), "natural")
    for rest, end in ((np.zeros(2), "not_positive"), (r * np.nan, "not_finite")):
        state, _ = cg_run(kernels, "csr", one, 1.0, x, rest, np.zeros(10), 5)
        assert (state.end, state.n_steps) == (end, 0)
    closed = StencilOperator((3, 5), (1.0, 1.0), boundary="neumann")
    y, grid = np.ones(15), stencil_handle(kernels, closed)[1]
    state, _ = cg_run(kernels, "stencil", grid, 1.5, y, np.zeros(15), np.full(75, np.nan), 3)
    assert (state.end, state.n_steps) == ("not_positive", 0)
    np.testing.assert_array_equal(y, 1)
    assert np.isfinite(x).all()


@pytest.mark.parametrize(("kind", "order"), [*KINDS, ("stencil", "multicolor")])
def test_whole_solves_take_the_steps_of_the_cpu(kernels, kind, order):
    A = laplacian((11, 8)) if kind == "csr" else StencilOperator((11, 8), (1.0, 1.0))
    b = np.random.default_rng(3).standard_normal(88)
    for sweep in (0, 2, None) if (kind, order) != ("stencil", "multicolor") else (0, 1, 2):
        found = []
        for module in (kernels, core):
            if kind == "csr":
                head = module.SorSplit(*arrays_of(A), order), *arrays_of(A)
            else:
                head = stencil_handle(module, A)[1], order
            x, work = np.zeros(88), np.full(7 * 88, np.nan)
            end, norms, tolerance = getattr(module, f"sor_solve_{kind}")(
                *head, b, x, work, 1.5, sweep, 1e-6, 0.0, 200
            )
            assert end == "converged"
            assert norms[-1] == pytest.approx(np.linalg.norm(b - A @ x), rel=1e-6)
            found.append((x, norms, tolerance))
        assert found[0][1].size == found[1][1].size
        np.testing.assert_allclose(found[0][0], found[1][0], rtol=0, atol=1e-9)
        np.testing.assert_allclose(found[0][1], found[1][1], rtol=1e-4)
