"""sor: the compiled kernels on sparse matrices equal the reference, and stop where they say."""

import numpy as np
import pytest
import reference.sor as reference
from csr_cases import VALUES, random_values
from hypothesis import given, settings
from hypothesis import strategies as st
from kernel_arguments import KINDS, assert_refused
from reference.csr import wide
from sor_cases import ORDERS, SWEEPS, arrays_of, close, core, laplacian, order_of, sor_run, state_of, systems
from threadpoolctl import threadpool_limits

thorough = settings(max_examples=120, deadline=None)


# ---- sweeps ------------------------------------------------------------------------------------------------


@given(systems(), st.sampled_from(SWEEPS), st.sampled_from(ORDERS), st.sampled_from([0.3, 1.0, 1.9]))
@thorough
def test_sweeps_and_their_norms_equal_the_reference(system, sweep, order, omega):
    A, arrays = system
    rng, dtype = np.random.default_rng(1), arrays[2].dtype
    b, x = (random_values(rng, len(A), dtype.str[1:]) for _ in range(2))
    b *= np.diag(A).real.max(initial=1).astype(b.real.dtype)
    expected = wide(x).copy()
    split = core.SorSplit(*arrays, order)
    assert split.fault == "none"
    state, norms = sor_run(split, b, x, omega, sweep, 5)
    wanted = reference.sor_run(A, wide(b), expected, omega, sweep, 5, order=order_of(A, order))
    close(x, expected, dtype)
    assert (state.n_steps, state.end) == (5, "steps")
    size = np.linalg.norm(wide(b)) + np.linalg.norm(A) * np.linalg.norm(expected)
    np.testing.assert_allclose(norms, wanted, rtol=1e-12, atol=100 * float(np.finfo(dtype).eps) * size)
    # The last norm is that of the x handed back, whatever the rounding on the way to it.
    assert norms[-1] == pytest.approx(np.linalg.norm(wide(b) - A @ wide(x)), rel=1e-9, abs=1e-14 * size)


@given(systems(hermitian=False), st.sampled_from(SWEEPS[:2]), st.sampled_from(ORDERS))
@thorough
def test_pattern_need_not_be_symmetric(system, sweep, order):
    A, arrays = system
    b, x = (random_values(np.random.default_rng(2), len(A), arrays[2].dtype.str[1:]) for _ in range(2))
    expected = wide(x).copy()
    split = core.SorSplit(*arrays, order)
    sor_run(split, b, x, 0.9, sweep, 3)
    reference.sor_run(A, wide(b), expected, 0.9, sweep, 3, order=order_of(A, order))
    close(x, expected, arrays[2].dtype)
    defect = abs(A - A.conj().T).max(initial=0.0)
    assert split.asymmetry == pytest.approx(defect, rel=1e-6, abs=0)
    assert split.symmetric == (defect == 0)
    assert split.norm == pytest.approx(abs(A).sum(axis=1).max(initial=0.0), rel=1e-6)


@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("sweep", SWEEPS)
def test_large_schedules_keep_the_iterates(sweep, order):
    # Many blocks, many levels; the colours of a grid are red and black.
    A = laplacian((130, 70))
    rng = np.random.default_rng(0)
    b, x = rng.standard_normal((2, A.shape[0]))
    expected, natural = x.copy(), np.arange(A.shape[0])
    color = (natural // 70 + natural % 70) % 2
    rows = natural if order == "natural" else np.argsort(color, kind="stable")
    split = core.SorSplit(*arrays_of(A), order)
    assert split.n_colors == (2 if order == "multicolor" else 0)
    assert 1 < split.n_levels < A.shape[0]
    sor_run(split, b, x, 1.5, sweep, 2)
    passes = {0: [rows], 1: [rows[::-1]], 2: [rows, rows[::-1]]}[sweep]
    for some in passes * 2:
        reference.sor_sweep_csr(A.indptr, A.indices, A.data, some, b, expected, 1.5)
    np.testing.assert_allclose(x, expected, rtol=0, atol=1e-14 * abs(expected).max())


@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("dtype", VALUES)
def test_bits_are_the_same_with_any_number_of_threads(dtype, order):
    A = laplacian((260, 250, 2), dtype)
    rng, found = np.random.default_rng(3), []
    b, start = (random_values(rng, A.shape[0], dtype) for _ in range(2))
    for n_threads in (1, 2, 3):
        with threadpool_limits(n_threads, user_api="openmp"):
            split = core.SorSplit(*arrays_of(A), order)
            results = []
            for sweep in SWEEPS:
                x = start.copy()
                results += [x, sor_run(split, b, x, 1.4, sweep, 4)[1]]
            x, r, z, work, norms = start.copy(), b.copy(), b.copy(), np.zeros(5 * b.size, dtype), np.zeros(4)
            core.ssor_cg_run_csr(split, 1.4, x, r, work, norms, state_of(4))
            core.sor_precondition_csr(split, 1.4, b, z)
            core.sor_sweep_csr(*arrays_of(A), np.arange(0, 500, 2), b, y := start.copy(), 1.4)
        found.append([*results, x, r, z, norms, y])
    for other in found[1:]:
        assert all(np.array_equal(one, two) for one, two in zip(found[0], other, strict=True))


# ---- where a run ends --------------------------------------------------------------------------------------


@pytest.mark.parametrize("sweep", SWEEPS)
@pytest.mark.parametrize("order", ORDERS)
def test_run_stops_at_the_first_norm_within_the_tolerance(sweep, order):
    A = laplacian((12, 9))
    b, split = np.random.default_rng(4).standard_normal(A.shape[0]), core.SorSplit(*arrays_of(A), order)
    _, norms = sor_run(split, b, np.zeros(A.shape[0]), 1.5, sweep, 60)
    iterates = []
    for n_steps in range(1, 61):
        iterates.append(np.zeros(A.shape[0]))
        sor_run(split, b, iterates[-1], 1.5, sweep, n_steps)
    for tolerance in (norms[0], norms[1], norms[20], np.nextafter(norms[20], 1), norms[59]):
        x = np.zeros(A.shape[0])
        state, found = sor_run(split, b, x, 1.5, sweep, 60, tolerance)
        count = int(np.argmax(norms <= tolerance)) + 1
        assert (state.n_steps, state.end) == (count, "tolerance")
        np.testing.assert_array_equal(found, norms[:count])
        np.testing.assert_array_equal(x, iterates[count - 1])
        assert found[-1] == pytest.approx(np.linalg.norm(b - A @ x), rel=1e-10)


@pytest.mark.parametrize("sweep", SWEEPS)
def test_divergence_ends_at_the_last_finite_iterate(sweep):
    A = np.array([[1.0, 30.0, 0.0], [30.0, 1.0, 2.0], [0.0, 2.0, 1.0]])  # indefinite
    x, split = np.zeros(3), core.SorSplit(*arrays_of(A), "natural")
    state, norms = sor_run(split, np.ones(3), x, 1.9, sweep, 1000)
    assert state.end == "not_finite"
    assert state.n_steps < 1000
    assert np.isfinite(norms[:-1]).all()
    assert not np.isfinite(norms[-1])
    again = np.zeros(3)
    sor_run(split, np.ones(3), again, 1.9, sweep, state.n_steps - 1)
    np.testing.assert_array_equal(x, again)
    y = np.array([1.0, 2.0, 3.0])
    state, norms = sor_run(split, np.array([1.0, np.nan, 0.0]), y, 1.9, sweep, 10)
    assert (state.n_steps, state.end) == (1, "not_finite")
    np.testing.assert_array_equal(y, [1, 2, 3])


def test_run_of_no_sweeps_does_nothing():
    split, x = core.SorSplit(*arrays_of(np.eye(3)), "natural"), np.ones(3)
    state, norms = sor_run(split, np.zeros(3), x, 1.0, 0, 0)
    assert (state.n_steps, state.end, len(norms)) == (0, "steps", 0)
    np.testing.assert_array_equal(x, 1)


# ---- one set of rows, and arguments ------------------------------------------------------------------------


@given(systems(), st.integers(0, 2**16))
@thorough
def test_independent_rows_are_relaxed_as_in_the_reference(system, seed):
    A, arrays = system
    rng = np.random.default_rng(seed)
    b, x = (random_values(rng, len(A), arrays[2].dtype.str[1:]) for _ in range(2))
    rows = []
    for i in rng.permutation(len(A)):
        if (A[i, rows] == 0).all():
            rows.append(i)
    expected = wide(x).copy()
    core.sor_sweep_csr(*arrays, np.array(rows, np.int64), b, x, 1.3)
    reference.sor_sweep_csr(*arrays[:2], wide(arrays[2]), rows, wide(b), expected, 1.3)
    close(x, expected, arrays[2].dtype)


@pytest.mark.parametrize("kind", KINDS)
def test_wrong_arguments_are_refused(kind):
    n, split = 10, core.SorSplit(*arrays_of(laplacian((5, 2))), "natural")
    indptr, indices, data = arrays_of(laplacian((5, 2)))
    rows, b, x, norms = np.array([0, 4]), np.ones(n), np.ones(n), np.zeros(3)
    sweep = {"indptr": indptr, "indices": indices, "data": data, "rows": rows, "b": b, "x": x, "omega": 1.0}
    assert_refused(core.sor_sweep_csr, sweep, kind, "x", ("rows",))
    run = {"split": split, "b": b.copy(), "x": x.copy(), "omega": 1.0, "sweep": 0, "norms": norms}
    assert_refused(core.sor_run_csr, run | {"state": state_of(3)}, kind, ("x", "norms"), ("norms",))
    cg = {"split": split, "omega": 1.0, "x": x.copy(), "r": b.copy(), "work": np.zeros(5 * n), "norms": norms}
    written = ("x", "r", "work", "norms")
    assert_refused(core.ssor_cg_run_csr, cg | {"state": state_of(3)}, kind, written, ("norms",))
    apply = {"split": split, "omega": 1.0, "r": b.copy(), "z": x.copy()}
    assert_refused(core.sor_precondition_csr, apply, kind, ("z",))
