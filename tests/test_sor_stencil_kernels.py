"""The kernels of sor for stencil operators equal the sweep cell by cell, and textbook SSOR-preconditioned CG."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from stencil_cases import dense, operators

from pysolve import StencilOperator
from pysolve._backend import kernels

core = kernels(np.empty(0))
SWEEPS = {"forward": 0, "backward": 1, "symmetric": 2}
OMEGAS = st.sampled_from([0.5, 1.0, 1.5, 1.9])


def run(A, b, x, omega=1.5, sweep="forward", order="natural", n_steps=1, tolerance=0.0):
    state, norms = core.RunState(), np.full(n_steps, -1.0)
    state.n_steps, state.tolerance = n_steps, tolerance
    core.sor_run_stencil(A._kernel_args[0], b, x, omega, SWEEPS[sweep], order, norms, state)
    return norms, state


def cells_in_order(A, sweep, order):
    cells = np.arange(A.shape[0])
    if order == "multicolor":
        cells = np.argsort(np.indices(A.grid_shape).sum(axis=0).ravel() % 2, kind="stable")
    return {"forward": cells, "backward": cells[::-1], "symmetric": np.r_[cells, cells[::-1]]}[sweep]


def reference_sweep(matrix, b, x, omega, cells):
    for c in cells:
        x[c] += omega * (b[c] - matrix[c] @ x) / matrix[c, c]


def uncolourable(A):
    return any(s[0] == "periodic" and n > 1 and n % 2 for s, n in zip(A.boundary, A.grid_shape, strict=True))


def error(found, expected):
    return np.abs(found - expected).max() / max(np.abs(expected).max(), 1e-300)


def vectors(A, seed=0):
    rng = np.random.default_rng(seed)
    return [rng.standard_normal(A.shape[0]).astype(A.dtype) for _ in range(2)]


@pytest.mark.parametrize("order", ["natural", "multicolor"])
@pytest.mark.parametrize("sweep", SWEEPS)
@settings(max_examples=60, deadline=None)
@given(A=operators(), omega=OMEGAS)
def test_sweeps_equal_those_cell_by_cell(A, omega, sweep, order):
    if order == "multicolor" and uncolourable(A):
        return
    matrix, (b, x), n_steps = dense(A), vectors(A), 3
    b *= A.dtype.type(A.norm)
    expected, cells, norms = x.astype(float), cells_in_order(A, sweep, order), []
    for _ in range(n_steps):
        reference_sweep(matrix, b.astype(float), expected, omega, cells)
        norms.append(np.linalg.norm(b - matrix @ expected))
    found, state = run(A, b, x, omega, sweep, order, n_steps)
    tolerance = 1e-12 if A.dtype == np.float64 else 1e-4
    assert error(x, expected) < tolerance
    scale = np.abs(matrix).sum(axis=1).max() * np.linalg.norm(expected) + np.linalg.norm(b)
    counted = state.n_steps
    assert np.abs(found[:counted] - norms[:counted]).max() < tolerance * scale
    assert counted == n_steps or found[counted - 1] == 0


@settings(max_examples=40, deadline=None)
@given(A=operators(), omega=OMEGAS, colour=st.sampled_from([0, 1]))
def test_one_colour_is_relaxed_and_the_other_left(A, omega, colour):
    if uncolourable(A):
        return
    (b, x), matrix = vectors(A), dense(A)
    b *= A.dtype.type(A.norm)
    expected = x.astype(float)
    of = np.indices(A.grid_shape).sum(axis=0).ravel() % 2
    reference_sweep(matrix, b.astype(float), expected, omega, np.flatnonzero(of == colour))
    before = x.copy()
    core.sor_sweep_stencil(A._kernel_args[0], b, x, omega, colour)
    assert error(x, expected) < (1e-12 if A.dtype == np.float64 else 1e-4)
    assert np.array_equal(x[of != colour], before[of != colour])


@pytest.mark.parametrize("n_steps", [1, 5, 9])
def test_x_is_the_iterate_whose_norm_met_the_tolerance(n_steps):
    A = StencilOperator((700, 1003), (1.0, 2.0), shift=0.2)
    (b, start), exact = vectors(A), None
    exact = start.copy()
    norms, _ = run(A, b, exact, n_steps=n_steps)
    x = start.copy()
    found, state = run(A, b, x, n_steps=20, tolerance=norms[-1])
    assert (state.n_steps, state.end) == (n_steps, "tolerance")
    assert np.array_equal(found[:n_steps], norms)
    assert np.array_equal(x, exact)


def test_x_of_the_last_finite_norm_is_handed_back():
    A = StencilOperator((9, 21), (1.0, 1.0))
    b, start = vectors(A)
    b[40], x = np.nan, start.copy()
    norms, state = run(A, b, x, n_steps=5)
    assert (state.n_steps, state.end) == (1, "not_finite")
    assert not np.isfinite(norms[0])
    assert np.array_equal(x, start)


def preconditioner(matrix, omega):
    d = np.diag(matrix)
    lower = np.diag(d) / omega + np.tril(matrix, -1)
    return omega / (2 - omega) * (lower / d) @ lower.T


@settings(max_examples=60, deadline=None)
@given(A=operators(scales=(1.0,)), omega=OMEGAS)
def test_the_preconditioner_equals_the_matrix(A, omega):
    r, z = vectors(A)
    core.sor_precondition_stencil(A._kernel_args[0], omega, r, z)
    expected = np.linalg.solve(preconditioner(dense(A), omega), r.astype(float))
    assert error(z, expected) < (1e-11 if A.dtype == np.float64 else 1e-3)


def textbook(matrix, b, x, omega, n_steps):
    M, r = preconditioner(matrix, omega), b - matrix @ x
    z = np.linalg.solve(M, r)
    p, rz, norms = z, r @ z, []
    for _ in range(n_steps):
        q = matrix @ p
        alpha = rz / (p @ q) if p @ q > 0 else 0.0  # solved exactly
        x, r = x + alpha * p, r - alpha * q
        z, before = np.linalg.solve(M, r), rz
        rz = r @ z
        p = z + (rz / before if before > 0 else 0.0) * p
        norms.append(np.linalg.norm(r))
    return x, np.array(norms)


@settings(max_examples=60, deadline=None)
@given(A=operators(scales=(1.0,)), omega=OMEGAS)
def test_ssor_cg_equals_the_textbook_and_goes_on_where_it_ended(A, omega):
    A = StencilOperator(A.grid_shape, A.weights, boundary=A.boundary, shift=A.shift + A.dtype.type(0.5))
    n_steps, matrix, (b, start) = min(4, A.shape[0]), dense(A).astype(float), vectors(A)
    expected, norms = textbook(matrix, b.astype(float), start.astype(float), omega, n_steps)
    results = []
    for at_once in (n_steps, 1):
        x, r, work = (
            start.copy(),
            (b - matrix @ start).astype(A.dtype),
            np.full(5 * A.shape[0], np.nan, A.dtype),
        )
        state, found = core.RunState(), np.zeros(n_steps)
        for step in range(0, n_steps, at_once):
            state.n_steps, state.tolerance = at_once, -1.0
            core.ssor_cg_run_stencil(A._kernel_args[0], omega, x, r, work, found[step:], state)
            if state.end != "steps":
                break
        results.append((x, found))
    assert np.array_equal(results[0][0], results[1][0])
    assert np.array_equal(results[0][1], results[1][1])
    wide = A.dtype == np.float64
    scale = np.linalg.norm(b - matrix @ start)  # of small systems the first step leaves rounding alone
    told = norms > (1e-7 if wide else 1e-2) * scale
    assert np.abs(found - norms)[told].max(initial=0) <= (1e-9 if wide else 1e-2) * scale
    if told.all():
        assert error(x, expected) < (1e-8 if wide else 1e-2)


def test_ssor_cg_stops_where_there_is_no_step():
    A = StencilOperator((6, 11), (1.0, 1.0), boundary="neumann")
    n = A.shape[0]
    state, norms, r, x = core.RunState(), np.zeros(3), np.zeros(n), np.ones(n)
    state.n_steps = 3
    core.ssor_cg_run_stencil(A._kernel_args[0], 1.5, x, r, np.empty(5 * n), norms, state)
    assert (state.n_steps, state.end) == (0, "not_positive")
    assert np.array_equal(x, np.ones(n))


@pytest.mark.parametrize(
    ("change", "error_type", "message"),
    [
        ({"omega": 2.0}, ValueError, "omega"),
        ({"omega": np.nan}, ValueError, "omega"),
        ({"sweep": 3}, ValueError, "sweep"),
        ({"order": "wavefront"}, ValueError, "order"),
        ({"x": np.zeros(5)}, ValueError, "x must have 28 values"),
        ({"b": np.zeros(28, np.float32)}, TypeError, "b must have dtype f8"),
        ({"norms": np.zeros(1)}, ValueError, "norms"),
        ({"order": "multicolor"}, ValueError, "axis 2 of \\(.*\\) is odd"),
    ],
)
def test_wrong_arguments_are_refused_by_name(change, error_type, message):
    A = StencilOperator((4, 7), (1.0, 1.0), boundary=("dirichlet", "periodic"))
    state = core.RunState()
    state.n_steps = 2
    given = {"b": np.ones(28), "x": np.zeros(28), "omega": 1.0, "sweep": 0, "order": "natural"}
    given |= {"norms": np.zeros(2), "state": state} | change
    with pytest.raises(error_type, match=message):
        core.sor_run_stencil(A._kernel_args[0], **given)


def test_arrays_that_overlap_are_refused():
    A = StencilOperator((4, 7), (1.0, 1.0))
    both, grid = np.zeros(29), A._kernel_args[0]
    with pytest.raises(ValueError, match="b and x must not overlap"):
        core.sor_sweep_stencil(grid, both[:-1], both[1:], 1.0, 0)
    with pytest.raises(ValueError, match="r and z must not overlap"):
        core.sor_precondition_stencil(grid, 1.0, both[:-1], both[1:])


def test_young_s_count_of_red_black_sweeps():
    m, omega = 63, 2 / (1 + np.sin(np.pi / 64))
    A = StencilOperator((m, m), (1.0, 1.0))
    b, x = vectors(A)
    norms, _ = run(A, b, x, omega, "forward", "multicolor", 300, 0.0)
    rate = (norms[280] / norms[180]) ** (1 / 100)
    assert omega - 1 < rate * 1.02  # rho = omega - 1, in a Jordan block
    assert rate < omega - 1 + 0.03
