"""Runs of sor and ssor_cg on a device equal the reference: simulated always, on one where there is one.

Sweeps in natural and in multicolour order, the preconditioner, and conjugate gradients with it, on split matrices
and on stencil operators. What a solver does with them is in test_cuda_sor_solver.py.
"""

import numpy as np
import pytest
import reference.sor as reference
from csr_cases import random_values
from cuda_launches import launched
from hypothesis import given, settings
from hypothesis import strategies as st
from reference.csr import wide
from sor_cases import ORDERS, SWEEPS, arrays_of, close, laplacian, order_of, systems
from sor_cuda_cases import PLACES, run, solver_of

from pysolve import _backend

core = _backend._core
few, checked = (settings(max_examples=count, deadline=None) for count in (8, 16))


@pytest.fixture(scope="module", params=PLACES, ids=str)
def kernels(request):
    """Every kernel, with NumPy arrays in and out."""
    yield from launched(request)


# ---- splits ------------------------------------------------------------------------------------------------


def facts(split):
    names = "fault", "row", "column", "value", "n", "n_colors", "symmetric", "asymmetry"
    return [getattr(split, name) for name in names]


@given(systems(), st.sampled_from(ORDERS))
@few
def test_a_split_says_what_that_of_the_cpu_says(kernels, system, order):
    ours, cpu = (module.SorSplit(*system[1], order) for module in (kernels, core))
    assert facts(ours) == facts(cpu)
    assert ours.norm == pytest.approx(cpu.norm, rel=1e-6)
    assert ours.nbytes > 0 or cpu.n == 0


FAULTY = {
    "first of indptr": ([1, 2], [0, 0], [1, 1]),
    "falling indptr": ([0, 2, 1], [0, 1], [1, 1]),
    "indptr past the end": ([0, 1, 9], [0, 1], [1, 1]),
    "column below 0": ([0, 1, 2], [0, -1], [1, 1]),
    "column past the last": ([0, 2, 3], [0, 2, 1], [1, 1, 1]),
    "not a number": ([0, 1, 3], [0, 0, 1], [1, np.nan, 1]),
    "infinite diagonal": ([0, 1, 3], [0, 0, 1], [1, 1, np.inf]),
    "column twice": ([0, 2, 3], [0, 0, 1], [1, 1, 1]),
    "column twice, unsorted": ([0, 1, 4], [0, 1, 0, 1], [1, 1, 1, 1]),
    "no diagonal": ([0, 1, 2], [0, 0], [1, 1]),
    "zero diagonal": ([0, 1, 2], [0, 1], [1, 0]),
    "complex diagonal": ([0, 1, 2], [0, 1], [1, 1 + 1j]),
    "an empty row": ([0, 1, 1], [0], [1]),
    "a sum that is too large": ([0, 2, 3], [0, 1, 1], [1e308, 1e308, 1]),
}


@pytest.mark.parametrize("index", ["i4", "i8"])
@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("case", FAULTY)
def test_a_fault_is_named_as_on_the_cpu_and_nothing_runs(kernels, case, order, index):
    indptr, indices, data = (np.array(part) for part in FAULTY[case])
    arrays = indptr.astype(index), indices.astype(index), data * 1.0
    ours, cpu = (module.SorSplit(*arrays, order) for module in (kernels, core))
    assert str(facts(ours)) == str(facts(cpu))
    if ours.fault != "none":
        with pytest.raises(ValueError, match="fault"):
            kernels.sor_precondition_csr(ours, 1.0, np.ones(ours.n), np.ones(ours.n))


@pytest.mark.parametrize("order", ORDERS)
def test_update_takes_new_values_of_the_same_pattern_alone(kernels, order):
    arrays = arrays_of(laplacian((9, 7)), rng=np.random.default_rng(0))
    indptr, indices, data = arrays
    split = kernels.SorSplit(*arrays, order)
    values = data * (1 + np.arange(data.size) % 3)
    assert split.update(*map(kernels.moved, (indptr.copy(), indices.copy(), values)))
    assert facts(split) == facts(core.SorSplit(indptr, indices, values, order))
    others = (indptr, indices[::-1].copy(), data), (indptr.astype("i8"), indices.astype("i8"), data)
    for other in (*others, (indptr, indices, data.astype("f4"))):
        assert not split.update(*map(kernels.moved, other))
    x, b = np.zeros((2, 63)), np.ones(63)
    run(kernels, "sor_run_csr", split, b, x[0], 1.2, 0, n_steps=2)
    run(core, "sor_run_csr", core.SorSplit(indptr, indices, values, order), b, x[1], 1.2, 0, n_steps=2)
    np.testing.assert_allclose(x[0], x[1], rtol=0, atol=1e-15)


# ---- sweeps on split matrices ------------------------------------------------------------------------------


@given(systems(), st.sampled_from(SWEEPS), st.sampled_from(ORDERS), st.sampled_from([0.3, 1.0, 1.9]))
@checked
def test_sweeps_and_their_norms_equal_the_reference(kernels, system, sweep, order, omega):
    A, arrays = system
    rng, dtype = np.random.default_rng(1), arrays[2].dtype
    b, x = (random_values(rng, len(A), dtype.str[1:]) for _ in range(2))
    b *= np.diag(A).real.max(initial=1).astype(b.real.dtype)
    expected, split = wide(x).copy(), kernels.SorSplit(*arrays, order)
    state, norms = run(kernels, "sor_run_csr", split, b, x, omega, sweep, n_steps=4)
    wanted = reference.sor_run(A, wide(b), expected, omega, sweep, 4, order=order_of(A, order))
    close(x, expected, dtype)
    assert (state.n_steps, state.end) == (4, "steps")
    size = np.linalg.norm(wide(b)) + np.linalg.norm(A) * np.linalg.norm(expected)
    np.testing.assert_allclose(norms, wanted, rtol=1e-12, atol=100 * float(np.finfo(dtype).eps) * size)
    assert norms[-1] == pytest.approx(np.linalg.norm(wide(b) - A @ wide(x)), rel=1e-9, abs=1e-14 * size)


@given(systems(hermitian=False), st.sampled_from(SWEEPS[:2]), st.sampled_from(ORDERS))
@few
def test_pattern_need_not_be_symmetric(kernels, system, sweep, order):
    A, arrays = system
    b, x = (random_values(np.random.default_rng(2), len(A), arrays[2].dtype.str[1:]) for _ in range(2))
    expected = wide(x).copy()
    run(kernels, "sor_run_csr", kernels.SorSplit(*arrays, order), b, x, 0.9, sweep, n_steps=3)
    reference.sor_run(A, wide(b), expected, 0.9, sweep, 3, order=order_of(A, order))
    close(x, expected, arrays[2].dtype)


@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("sweep", SWEEPS)
def test_wide_levels_and_narrow_ones_keep_the_iterates(kernels, sweep, order):
    # The first and last of the levels fit one block, those in the middle do not.
    A = laplacian((17, 12, 11))
    b, start = np.random.default_rng(0).standard_normal((2, A.shape[0]))
    found = []
    for module in (kernels, core):
        x, split = start.copy(), module.SorSplit(*arrays_of(A), order)
        found.append((x, run(module, "sor_run_csr", split, b, x, 1.5, sweep, n_steps=2)[1]))
        assert split.n_colors == (2 if order == "multicolor" else 0)
    np.testing.assert_allclose(found[0][0], found[1][0], rtol=0, atol=1e-14)
    np.testing.assert_allclose(found[0][1], found[1][1], rtol=1e-13)
    assert kernels.SorSplit(*arrays_of(A), "natural").n_levels == 17 + 12 + 11 - 2


@pytest.mark.parametrize("kind", ["csr", "stencil"])
@pytest.mark.parametrize("sweep", SWEEPS)
@pytest.mark.parametrize("order", ORDERS)
def test_run_stops_at_the_first_norm_within_the_tolerance(kernels, order, sweep, kind):
    handle, A = solver_of(kernels, kind, order)
    b = np.random.default_rng(4).standard_normal(A.shape[0])
    more = (order,) if kind == "stencil" else ()

    def sweeps(n_steps, tolerance=0.0):
        x = np.zeros(b.size)
        state, norms = run(
            *(kernels, f"sor_run_{kind}", handle, b, x, 1.5, sweep, *more),
            n_steps=n_steps,
            tolerance=tolerance,
        )
        return x, state, norms

    norms = sweeps(24)[2]
    for count in (1, 2, 3, 21, 24):
        x, state, found = sweeps(24, norms[count - 1])
        first = int(np.argmax(norms <= norms[count - 1])) + 1
        assert (state.n_steps, state.end) == (first, "tolerance")
        np.testing.assert_array_equal(found, norms[:first])
        np.testing.assert_array_equal(x, sweeps(first)[0])
        assert found[-1] == pytest.approx(np.linalg.norm(b - A @ x), rel=1e-10)


@pytest.mark.parametrize("sweep", SWEEPS)
def test_divergence_ends_at_the_last_finite_iterate(kernels, sweep):
    A = np.array([[1.0, 30.0, 0.0], [30.0, 1.0, 2.0], [0.0, 2.0, 1.0]])  # indefinite
    x, split = np.zeros(3), kernels.SorSplit(*arrays_of(A), "natural")
    state, norms = run(kernels, "sor_run_csr", split, np.ones(3), x, 1.9, sweep, n_steps=200)
    assert state.end == "not_finite"
    assert np.isfinite(norms[:-1]).all()
    assert not np.isfinite(norms[-1])
    again = np.zeros(3)
    run(kernels, "sor_run_csr", split, np.ones(3), again, 1.9, sweep, n_steps=state.n_steps - 1)
    np.testing.assert_array_equal(x, again)
    y = np.array([1.0, 2.0, 3.0])
    b = np.array([1.0, np.nan, 0.0])
    state, _ = run(kernels, "sor_run_csr", split, b, y, 1.9, sweep, n_steps=10)
    assert (state.n_steps, state.end) == (1, "not_finite")
    np.testing.assert_array_equal(y, [1, 2, 3])
    state, _ = run(kernels, "sor_run_csr", split, b, y, 1.9, sweep, n_steps=0)
    assert (state.n_steps, state.end) == (0, "steps")
