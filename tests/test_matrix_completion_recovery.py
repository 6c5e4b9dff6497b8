"""matrix_completion near the information limit, at large conditions, on coherent rows, and as the paper has it."""

import numpy as np
import pytest
from matrix_completion_cases import coherent, conditioned, sampled, unseen_error

from pysolve import CompletionStatus, matrix_completion
from pysolve._matrix_completion_split import parts_of

# ---- near the limit ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("oversampling", [1.5, 2.0])
def test_matrix_is_recovered_near_the_information_limit(oversampling, seed):
    entries, U, V = sampled(1200, 1200, 6, oversampling, seed)
    result = matrix_completion((entries, (1200, 1200)), 6, rtol=1e-10, rng=0)
    assert result.converged
    assert unseen_error(result, U, V) < 1e-10


@pytest.mark.parametrize("geometric", [True, False])
@pytest.mark.parametrize(("condition", "oversampling"), [(10, 1.5), (1e5, 4)])
def test_ill_conditioned_matrix_is_recovered(condition, oversampling, geometric):
    # 20 of 20 seeds of each kind in benchmarks/completion_recovery.py
    for seed in range(2):
        entries, U, V = conditioned(1000, 1000, 5, oversampling, condition, seed, geometric)
        result = matrix_completion((entries, (1000, 1000)), 5, rtol=1e-10, rng=0)
        assert result.status is CompletionStatus.RECOVERED
        assert unseen_error(result, U, V) < 1e-10


@pytest.mark.parametrize("oversampling", [1.5, 2.0])
def test_noise_is_told_from_a_matrix_that_is_not_found(oversampling):
    entries, U, V = sampled(800, 800, 5, oversampling, noise=0.2)
    result = matrix_completion((entries, (800, 800)), 5, rng=0)
    assert result.status is CompletionStatus.STALLED
    assert result.iterations < 600  # it is not tried again and again
    assert unseen_error(result, U, V) < 0.5


def test_rectangular_matrix_with_poor_rows_is_recovered():
    entries, U, V = sampled(1500, 500, 5, 2.2)
    result = matrix_completion((entries, (1500, 500)), 5, rtol=1e-10, rng=0)
    assert result.converged
    assert unseen_error(result, U, V) < 1e-10


# ---- the paper's settings ----------------------------------------------------------------------------------


def test_coherent_rows_need_the_sketch():
    M, seen = coherent()
    observed = np.where(seen, M, np.nan)

    def completed(sketch):
        options = {"rtol": 1e-9, "rng": 0, "method": "als", "maxiter": 300, "sketch": sketch}
        return matrix_completion(observed, 12, **options)

    plain = completed("never")  # after 2059 iterations it would be there
    assert plain.status is CompletionStatus.MAXITER
    assert np.linalg.norm(plain.to_dense() - M) > 1e-4 * np.linalg.norm(M)
    for sketch in "auto", "srht", "rows", "count":
        sketched = completed(sketch)  # 17, 13, 13, 13 iterations
        assert sketched.converged
        assert sketched.iterations < 30
        assert np.linalg.norm(sketched.to_dense() - M) < 1e-7 * np.linalg.norm(M)


def test_split_entries_take_a_digit_an_alternation():
    entries, U, V = sampled(600, 600, 3, 90)
    for options in {}, {"sketch": "srht"}:
        result = matrix_completion((entries, (600, 600)), 3, rtol=1e-6, split=True, rng=0, **options)
        assert result.iterations <= 7
        assert unseen_error(result, U, V) < 2e-5
        held_out = result.history["held_out"]
        assert (held_out[1:6] < 0.25 * held_out[:5]).all()
    few = matrix_completion((entries, (600, 600)), 3, split=True, maxiter=3, rng=0)
    assert few.iterations == 3


def test_parts_are_even_and_the_same_by_rows_and_by_columns():
    i, j = (x.ravel().astype(np.int32) for x in np.indices((300, 200)))
    parts = parts_of(i, j, 7, 12345)
    counts = np.bincount(parts, minlength=7)
    assert abs(counts - i.size / 7).max() < 5 * (i.size / 7) ** 0.5
    order = np.random.default_rng(0).permutation(i.size)
    assert np.array_equal(parts_of(i[order], j[order], 7, 12345), parts[order])
    assert not np.array_equal(parts_of(i, j, 7, 1), parts)


def test_sketch_and_split_are_checked():
    observed = np.outer(np.arange(1.0, 9), np.arange(1.0, 9))
    with pytest.raises(ValueError, match=r"sketch must be one of .*, not 'gauss'"):
        matrix_completion(observed, 1, sketch="gauss")
    with pytest.raises(TypeError, match="split must be True or False, not 1"):
        matrix_completion(observed, 1, split=1)
    with pytest.raises(ValueError, match="split must be False with method='gauss-newton'"):
        matrix_completion(observed, 1, split=True, method="gauss-newton")
