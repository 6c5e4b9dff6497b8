"""matrix_completion: what theory says of recovery, the forms of its arguments, and how a run ends."""

import numpy as np
import pytest
import reference.matrix_completion as reference
import scipy.sparse as sp
from matrix_completion_cases import forms, sampled, unseen_error
from threadpoolctl import threadpool_limits

from pysolve import CompletionStatus, matrix_completion

# ---- recovery ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("shape", [(500, 500), (900, 200), (130, 700)])
@pytest.mark.parametrize("k", [1, 3, 10, 25])
def test_matrix_is_recovered_exactly_from_five_times_its_unknowns(shape, k):
    # With rank 1 five times the unknowns leave rows with a single entry, which tell nothing of the others.
    entries, U, V = sampled(
        *shape, k, 15 if k == 1 else min(5, 0.6 * np.prod(shape) / (k * (sum(shape) - k)))
    )
    result = matrix_completion((entries, shape), k, rtol=1e-11, rng=0)
    assert result.status is CompletionStatus.RECOVERED
    assert result.converged
    assert unseen_error(result, U, V) < 1e-10


def test_errors_fall_monotonically_and_at_least_twofold_an_iteration():
    entries, _, _ = sampled(1500, 1500, 10, 5)
    h = matrix_completion((entries, (1500, 1500)), 10, rtol=1e-9, rng=0).history
    training, held_out = h["training"], h["held_out"][:-1]
    assert (training[2:] < 0.6 * training[1:-1]).all()
    assert (held_out[2:] < 0.6 * held_out[1:-1]).all()
    assert np.isnan(h["held_out"][-1])  # the last iteration uses all entries
    assert (np.diff(h["seconds"]) > 0).all()
    assert (np.diff(h["cg_steps"]) == 4).all()


def test_alternation_contracts_like_the_reference():
    (i, j, y), U, V = sampled(150, 130, 4, 5)
    A = sp.csr_array((y, (i, j)), shape=(150, 130))
    parts = [(B.indptr[:-1], B.indptr[1:], B.indices, B.data, None) for B in (A, sp.csr_array(A.T.tocsr()))]
    start = np.linalg.svd(A.toarray())[2][:4].T
    U_found, V_found = reference.complete(*parts, start, 4, 14)
    expected = np.linalg.norm(U_found @ V_found.T - U @ V.T) / np.linalg.norm(U @ V.T)
    result = matrix_completion(A, 4, rtol=1e-15, maxiter=14, rng=0, method="als")
    assert unseen_error(result, U, V) < 10 * expected < 1e-4


def test_fit_that_is_not_a_recovery_is_not_called_one():
    entries, _, _ = sampled(300, 300, 5, 1.6)
    i, j, values = entries
    values = np.random.default_rng(0).standard_normal(values.size)  # of no rank at all
    result = matrix_completion(((i, j, values), (300, 300)), 5, rng=0)
    assert not result.converged
    assert result.history["training"].min() < 0.7 < np.nanmin(result.history["held_out"])


@pytest.mark.parametrize("shape", [(20, 3), (50, 4), (40, 5), (10, 10), (4, 200)])
def test_small_matrix_of_full_rank_has_a_fit_and_no_recovery(shape):
    # Every row has few enough entries to be set aside, or all that were held out are in such rows.
    for offset in 0, 5:
        M = np.random.default_rng(0).standard_normal(shape) + offset
        result = matrix_completion(M, 2, rng=0)
        assert not result.converged
        best = np.linalg.svd(M, compute_uv=False)[2:]
        assert np.linalg.norm(result.to_dense() - M) < 1.5 * np.linalg.norm(best)
        assert not (result.history["held_out"] == 0).any()


def test_noise_ends_at_the_least_error_on_entries_held_out():
    entries, U, V = sampled(800, 800, 5, 6, noise=0.3)
    for options in {}, {"validation": 0.1}:
        result = matrix_completion((entries, (800, 800)), 5, rng=0, **options)
        # the standard error of the best estimate: noise sqrt(unknowns / entries)
        assert unseen_error(result, U, V) < 1.3 * 0.3 * (1 / 6) ** 0.5 / 5**0.5
        assert result.status is (CompletionStatus.MINIMUM if options else CompletionStatus.STALLED)


def test_regularised_fit_meets_its_normal_equations():
    entries, _, _ = sampled(120, 90, 4, 3, noise=0.1)
    i, j, y = entries
    reg, w = 3.0, np.random.default_rng(0).random(y.size)
    result = matrix_completion((entries, (120, 90)), 4, reg=reg, weights=w, rtol=1e-10, rng=0, maxiter=3000)
    assert result.status is CompletionStatus.STATIONARY
    residual = w * (y - result.predict(i, j))
    gradient = np.zeros((120, 4))
    np.add.at(gradient, i, residual[:, None] * result.V[j])
    np.testing.assert_allclose(gradient, reg * result.U, atol=1e-3 * abs(reg * result.U).max())


# ---- arguments ---------------------------------------------------------------------------------------------


def test_all_forms_of_the_same_entries_give_the_same_matrix():
    entries, U, V = sampled(80, 70, 2, 4)
    for name, observed in forms(entries, (80, 70)).items():
        result = matrix_completion(observed, 2, rtol=1e-10, rng=0)
        assert unseen_error(result, U, V) < 1e-9, name


def test_same_generator_same_bits_with_any_number_of_threads():
    entries, _, _ = sampled(1500, 1500, 8, 4)
    found = []
    for threads in 1, 2, 3:
        with threadpool_limits(threads, user_api="openmp"):
            found.append(matrix_completion((entries, (1500, 1500)), 8, rng=7))
    assert all(np.array_equal(x.U, found[0].U) and np.array_equal(x.V, found[0].V) for x in found)


@pytest.mark.parametrize("scale", [1e150, 1e-150])
def test_scale_of_the_values_does_not_matter(scale):
    (i, j, y), U, V = sampled(100, 90, 3, 4)
    result = matrix_completion(((i, j, scale * y), (100, 90)), 3, rtol=1e-9, rng=0)
    assert result.converged
    i, j = np.indices((100, 90))
    assert np.abs(result.predict(i, j) / scale - U @ V.T).max() < 1e-6


def test_entries_without_weight_do_not_count():
    (i, j, y), U, V = sampled(150, 150, 3, 6)
    w = np.ones(y.size)
    w[::9] = 0
    y = np.where(w == 0, 1e3, y)
    result = matrix_completion(((i, j, y), (150, 150)), 3, weights=w, rtol=1e-9, rng=0)
    assert unseen_error(result, U, V) < 1e-7


def test_float32_in_float32_out():
    (i, j, y), _, _ = sampled(300, 300, 3, 5)
    result = matrix_completion(((i, j, y.astype("f4")), (300, 300)), 3, rng=0)
    assert result.U.dtype == result.V.dtype == np.float32
    assert result.converged
    assert matrix_completion(((i, j, y), (300, 300)), 3, rng=0, dtype="f4").U.dtype == np.float32


def test_rows_without_entries_are_predicted_as_zero_and_said():
    (i, j, y), _, _ = sampled(100, 100, 2, 5)
    result = matrix_completion(((i + 1, j, y), (102, 100)), 2, rng=0)
    assert (result.U[[0, 101]] == 0).all()
    assert (result.empty_rows, result.empty_cols) == (2, 0)
    assert "2 rows without entries" in result.message


def test_constant_and_zero_matrices():
    seen = np.random.default_rng(0).random((40, 30)) < 0.5
    for value in 0.0, 5.0:
        result = matrix_completion(np.where(seen, value, np.nan), 1, rng=0, rtol=1e-8)
        np.testing.assert_allclose(result.to_dense(), value, atol=1e-6)


def test_warm_start_from_a_result_is_at_its_end_at_once():
    entries, _, _ = sampled(400, 300, 5, 5)
    first = matrix_completion((entries, (400, 300)), 5, rtol=1e-8, rng=0)
    again = matrix_completion((entries, (400, 300)), 5, rtol=1e-8, rng=1, x0=(first.U, first.V))
    assert again.iterations <= 2 < first.iterations


def test_callback_sees_every_iteration_and_can_stop():
    entries, _, _ = sampled(300, 300, 4, 5)
    seen = []
    result = matrix_completion((entries, (300, 300)), 4, rng=0, callback=seen.append)
    assert [s["iteration"] for s in seen] == list(range(1, result.iterations + 1))
    assert seen[-2]["held_out"] == result.history["held_out"][-2]

    def stop(state):
        if state["iteration"] == 3:
            raise StopIteration

    result = matrix_completion((entries, (300, 300)), 4, rng=0, callback=stop)
    assert (result.status, result.iterations) == (CompletionStatus.STOPPED, 3)

    def interrupt(state):
        raise KeyboardInterrupt

    result = matrix_completion((entries, (300, 300)), 4, rng=0, callback=interrupt)
    assert result.status is CompletionStatus.INTERRUPTED
    assert np.isfinite(result.to_dense()).all()


def test_result_predicts_entries_and_blocks():
    entries, _, _ = sampled(50, 40, 2, 4)
    result = matrix_completion((entries, (50, 40)), 2, rng=0)
    M = result.to_dense()
    assert result.predict(3, -1) == pytest.approx(M[3, -1])
    np.testing.assert_allclose(result.predict([[1], [2]], [3, 4]), M[1:3, 3:5])
    np.testing.assert_allclose(result.block([4, 2], slice(1, 5)), M[[4, 2], 1:5])
    np.testing.assert_allclose(result.U.T @ result.U, result.V.T @ result.V, atol=1e-6 * abs(M).max())
    with pytest.raises(IndexError, match="i must be below 50"):
        result.predict(50, 0)
    with pytest.raises(TypeError, match="j must be integers"):
        result.predict(0, 0.5)


def test_stored_zeros_are_observations():
    M = np.outer(np.r_[0.0, np.ones(19)], np.arange(1.0, 21))
    i, j = np.nonzero(np.random.default_rng(0).random(M.shape) < 0.7)
    result = matrix_completion(sp.csr_array((M[i, j], (i, j)), shape=M.shape), 1, rng=0)
    assert abs(result.to_dense() - M).max() < 1e-3


def test_few_entries_are_taken_with_a_regularisation():
    entries, _, _ = sampled(60, 60, 5, 2)
    few = tuple(x[:200] for x in entries)
    result = matrix_completion((few, (60, 60)), 5, reg=0.1, rng=0, maxiter=50)
    assert np.isfinite(result.to_dense()).all()


def test_arguments_are_not_written():
    entries, _, _ = sampled(60, 60, 2, 4)
    copies = [x.copy() for x in entries]
    weights = np.ones(copies[0].size)
    for x in (*entries, weights):
        x.setflags(write=False)
    matrix_completion((entries, (60, 60)), 2, weights=weights, rng=0)
    assert all(np.array_equal(x, y) for x, y in zip(entries, copies, strict=True))
