"""sor: what a split says of a matrix, how it takes new values, and the preconditioned iteration on it."""

import numpy as np
import pytest
import reference.sor as reference
from csr_cases import VALUES, random_values
from hypothesis import given, settings
from hypothesis import strategies as st
from reference.csr import wide
from sor_cases import ORDERS, arrays_of, close, core, laplacian, order_of, sor_run, state_of, systems

thorough = settings(max_examples=120, deadline=None)


# ---- faults ------------------------------------------------------------------------------------------------


def split_of(indptr, indices, data, order="natural", index="i4"):
    return core.SorSplit(np.array(indptr, index), np.array(indices, index), np.array(data, float), order)


FAULTS = {
    "first of indptr": (([1, 2], [0, 0], [1, 1]), ("indptr", 0, -1)),
    "falling indptr": (([0, 2, 1], [0, 1], [1, 1]), ("indptr", 2, -1)),
    "indptr past the end": (([0, 1, 9], [0, 1], [1, 1]), ("indptr", 2, -1)),
    "column below 0": (([0, 1, 2], [0, -1], [1, 1]), ("index", 1, -1)),
    "column past the last": (([0, 2, 3], [0, 2, 1], [1, 1, 1]), ("index", 0, 2)),
    "not a number": (([0, 1, 3], [0, 0, 1], [1, np.nan, 1]), ("value", 1, 0)),
    "infinite diagonal": (([0, 1, 3], [0, 0, 1], [1, 1, np.inf]), ("value", 1, 1)),
    "column twice": (([0, 2, 3], [0, 0, 1], [1, 1, 1]), ("duplicate", 0, 0)),
    "column twice, unsorted": (([0, 1, 4], [0, 1, 0, 1], [1, 1, 1, 1]), ("duplicate", 1, 1)),
    "no diagonal": (([0, 1, 2], [0, 0], [1, 1]), ("diagonal", 1, -1)),
    "zero diagonal": (([0, 1, 2], [0, 1], [1, 0]), ("diagonal", 1, 1)),
    "negative diagonal": (([0, 1, 2], [0, 1], [-2, 1]), ("diagonal", 0, 0)),
}


@pytest.mark.parametrize("index", ["i4", "i8"])
@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("case", FAULTS)
def test_fault_is_named_and_nothing_runs(case, order, index):
    arrays, (kind, row, column) = FAULTS[case]
    split = split_of(*arrays, order, index)
    assert (split.fault, split.row, split.column) == (kind, row, column)
    if kind == "diagonal" and column >= 0:
        assert split.value.real <= 0
    with pytest.raises(ValueError, match="fault"):
        core.sor_precondition_csr(split, 1.0, np.ones(split.n), np.ones(split.n))


def test_complex_diagonal_is_a_fault():
    split = core.SorSplit(*arrays_of(np.array([[1, 0], [0, 1 + 1j]])), "natural")
    assert (split.fault, split.row, split.value) == ("diagonal", 1, 1 + 1j)


def test_wrong_order_and_sweep_are_refused():
    with pytest.raises(ValueError, match="order must be 'natural' or 'multicolor'"):
        core.SorSplit(*arrays_of(np.eye(2)), "reversed")
    split = core.SorSplit(*arrays_of(np.eye(2)), "natural")
    with pytest.raises(ValueError, match="sweep must be"):
        sor_run(split, np.ones(2), np.ones(2), 1.0, 3, 1)
    for omega in (0.0, -1.0, np.nan, np.inf):
        with pytest.raises(ValueError, match="omega must be"):
            sor_run(split, np.ones(2), np.ones(2), omega, 0, 1)
    with pytest.raises(ValueError, match="norms must have"):
        core.sor_run_csr(split, np.ones(2), np.ones(2), 1.0, 0, np.zeros(1), state_of(2))
    for row in (-1, 2):
        with pytest.raises(ValueError, match="rows must lie in"):
            core.sor_sweep_csr(*arrays_of(np.eye(2)), np.array([row]), np.ones(2), np.ones(2), 1.0)


# ---- new values --------------------------------------------------------------------------------------------


@given(systems(), systems(), st.sampled_from(ORDERS))
@thorough
def test_update_takes_new_values_of_the_same_pattern_alone(system, other, order):
    A, (indptr, indices, data) = system
    split = core.SorSplit(indptr, indices, data, order)
    b = np.ones(len(A), data.dtype)
    for scale in (0.25, 4.0):
        values = data * data.dtype.type(scale)
        assert split.update(indptr.copy(), indices.copy(), values)
        found, expected = np.zeros((2, len(A)), data.dtype)
        sor_run(split, b, found, 1.2, 0, 3)
        sor_run(fresh := core.SorSplit(indptr, indices, values, order), b, expected, 1.2, 0, 3)
        np.testing.assert_array_equal(found, expected)
        assert (split.norm, split.symmetric) == (fresh.norm, fresh.symmetric)
        assert split.nbytes > 0
    B = other[1]
    pattern = zip(B[:2], (indptr, indices), strict=True)
    same = all(np.array_equal(new, old) and new.dtype == old.dtype for new, old in pattern)
    assert split.update(*B) == (same and B[2].dtype == data.dtype)


@pytest.mark.parametrize("order", ORDERS)
def test_update_sees_faults_and_asymmetry_and_recovers(order):
    indptr, indices, data = arrays_of(laplacian((60, 50)))
    split = core.SorSplit(indptr, indices, data, order)
    assert split.symmetric
    values = data.copy()
    values[7] *= 1 + 1e-15
    assert split.update(indptr, indices, values)
    assert not split.symmetric
    assert 0 < split.asymmetry < 1e-14
    values[(indices == np.repeat(np.arange(3000), np.diff(indptr))).nonzero()[0][[70, 71]]] = 0
    assert split.update(indptr, indices, values)
    assert (split.fault, split.row) == ("diagonal", 70)
    assert split.update(indptr, indices, data)
    assert (split.fault, split.symmetric, split.asymmetry) == ("none", True, 0)


# ---- the preconditioner, and conjugate gradients with it ---------------------------------------------------


@given(systems(), st.sampled_from(ORDERS), st.sampled_from([0.3, 1.0, 1.9]))
@thorough
def test_preconditioner_equals_the_reference(system, order, omega):
    A, arrays = system
    r, z = (random_values(np.random.default_rng(5), len(A), arrays[2].dtype.str[1:]) for _ in range(2))
    core.sor_precondition_csr(core.SorSplit(*arrays, order), omega, r, z)
    if len(A):
        close(z, reference.sor_precondition(A, omega, r, order_of(A, order)), arrays[2].dtype, 1e3)


def cg_run(split, omega, x, r, work, n_steps, tolerance=-1.0, state=None):
    state = state or core.RunState()
    state.n_steps, state.tolerance = n_steps, tolerance
    norms = np.full(n_steps, -7.0)
    core.ssor_cg_run_csr(split, omega, x, r, work, norms, state)
    return state, norms[: state.n_steps]


@given(systems(), st.sampled_from(ORDERS), st.sampled_from([0.7, 1.0, 1.6]))
@thorough
def test_iterations_equal_textbook_conjugate_gradients(system, order, omega):
    A, arrays = system
    n, dtype = len(A), arrays[2].dtype
    x, b = (random_values(np.random.default_rng(6), n, dtype.str[1:]) for _ in range(2))
    x, r = (x * 0).astype(dtype), b.copy()
    n_steps = min(n // 4, 3)
    work = np.full(5 * n, np.nan, dtype)
    state, norms = cg_run(core.SorSplit(*arrays, order), omega, x, r, work, n_steps)
    exact_x, exact_r = wide(x) * 0, wide(b).copy()
    wanted = reference.ssor_cg(A, exact_x, exact_r, omega, n_steps, order=order_of(A, order))
    if state.end == "steps":  # else r is 0 but for rounding
        close(x, exact_x, dtype, 1e4)
        size = np.linalg.norm(b)
        np.testing.assert_allclose(
            norms[: len(wanted)], wanted, rtol=0, atol=1e4 * float(np.finfo(dtype).eps) * size
        )
        np.testing.assert_allclose(r, wide(b) - A @ wide(x), rtol=0, atol=1e4 * np.finfo(dtype).eps * size)


@pytest.mark.parametrize("dtype", VALUES)
@pytest.mark.parametrize("order", ORDERS)
def test_run_goes_on_where_the_last_one_ended(dtype, order):
    A = laplacian((20, 15), dtype)
    b, split = random_values(np.random.default_rng(7), 300, dtype), core.SorSplit(*arrays_of(A), order)
    x, r, work = np.zeros(300, dtype), b.copy(), np.zeros(1500, dtype)
    _, norms = cg_run(split, 1.5, x, r, work, 12)
    y, s, work, state, parts = np.zeros(300, dtype), b.copy(), np.zeros(1500, dtype), core.RunState(), []
    for n_steps in (1, 4, 0, 5, 2):
        parts += list(cg_run(split, 1.5, y, s, work, n_steps, state=state)[1])
    np.testing.assert_array_equal(parts, norms)
    np.testing.assert_array_equal(y, x)
    np.testing.assert_array_equal(s, r)
    state, found = cg_run(split, 1.5, np.zeros(300, dtype), b.copy(), work, 12, norms[6])
    assert (state.end, state.n_steps) == ("tolerance", int(np.argmax(norms <= norms[6])) + 1)
    np.testing.assert_array_equal(found, norms[: state.n_steps])


@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("omega", [1.0, 1.8])
def test_counts_on_a_grid_are_those_of_the_textbook(order, omega):
    A = laplacian((24, 23))
    b = np.random.default_rng(9).standard_normal(A.shape[0])
    tolerance = 1e-10 * np.linalg.norm(b)
    x, r, split = np.zeros(b.size), b.copy(), core.SorSplit(*arrays_of(A), order)
    state, _ = cg_run(split, omega, x, r, np.zeros(5 * b.size), 500, tolerance)
    wanted = reference.ssor_cg(
        A, np.zeros(b.size), b.copy(), omega, 500, tolerance, order_of(A.toarray(), order)
    )
    assert (state.end, state.n_steps) == ("tolerance", len(wanted))
    np.testing.assert_allclose(r, b - A @ x, rtol=0, atol=1e-13 * np.linalg.norm(b))


@pytest.mark.parametrize("condition", [1e2, 1e6, 1e10])
@pytest.mark.parametrize("omega", [1.0, 1.7])
def test_rounding_costs_no_more_iterations_than_in_the_textbook(condition, omega):
    # With these spectra a run takes several times n iterations: how many is up to rounding, save on average.
    counts, n = np.zeros(2), 100
    for seed in range(8):
        rng = np.random.default_rng(seed)
        Q = np.linalg.qr(rng.standard_normal((n, n)))[0]
        A = (Q * np.geomspace(1, condition, n)) @ Q.T
        A = (A + A.T) / 2
        b = A @ rng.standard_normal(n)
        tolerance = 1e-6 * np.linalg.norm(b)
        split = core.SorSplit(*arrays_of(A), "natural")
        state, _ = cg_run(split, omega, np.zeros(n), b.copy(), np.zeros(5 * n), 3000, tolerance)
        assert state.end == "tolerance"
        counts += state.n_steps, len(reference.ssor_cg(A, np.zeros(n), b.copy(), omega, 3000, tolerance))
    assert counts[0] <= 1.1 * counts[1] + 2


def test_indefinite_and_singular_matrices_end_the_run_with_x_as_it_was():
    A = np.array([[1.0, 3.0], [3.0, 1.0]])
    x, r = np.array([1.0, -2.0]), np.array([1.0, -1.0])
    kept = x.copy(), r.copy()
    state, _ = cg_run(core.SorSplit(*arrays_of(A), "natural"), 1.0, x, r, np.zeros(10), 5)
    assert state.end == "not_positive"
    if state.n_steps == 0:
        np.testing.assert_array_equal((x, r), kept)
    state, _ = cg_run(core.SorSplit(*arrays_of(np.eye(2)), "natural"), 1.0, x, np.zeros(2), np.zeros(10), 5)
    assert (state.end, state.n_steps) == ("not_positive", 0)
    state, _ = cg_run(core.SorSplit(*arrays_of(np.eye(2)), "natural"), 1.0, x, r * np.nan, np.zeros(10), 5)
    assert (state.end, state.n_steps) == ("not_finite", 0)
    assert np.isfinite(x).all()
