"""rank="auto" of matrix_completion: the rank that was planted is found, and what is no signal is said to be none."""

import numpy as np
import pytest
from matrix_completion_cases import sampled

from pysolve import CompletionStatus, matrix_completion
from pysolve import _matrix_completion_rank as module
from pysolve._matrix_completion_signs import sign

SHAPE = 500, 400


def planted(rank, oversampling, condition=1.0, noise=0.0, seed=0, shape=SHAPE):
    """Entries of a matrix with these singular values, and noise in units of their root mean square."""
    rng = np.random.default_rng(seed)
    U, V = (np.linalg.qr(rng.standard_normal((extent, rank)))[0] for extent in shape)
    M = (U * np.geomspace(1, 1 / condition, rank)) @ V.T
    count = int(oversampling * rank * (sum(shape) - rank))
    flat = rng.permutation(M.size)[:count]
    i, j = np.unravel_index(flat, shape)
    values = M[i, j] / M.std()
    return (i, j, values + noise * rng.standard_normal(count)), shape


def enough(rank):
    """Five times the unknowns, and twenty entries a row."""
    return max(5, 20 * SHAPE[0] / (rank * (sum(SHAPE) - rank)))


@pytest.mark.parametrize("condition", [1, 10])
@pytest.mark.parametrize("rank", range(1, 16))
def test_rank_of_exact_entries_is_found(rank, condition):
    result = matrix_completion(planted(rank, enough(rank), condition, seed=rank), "auto", rng=0)
    assert result.rank == rank
    assert result.converged
    assert result.message.startswith(f"rank {rank} chosen by the error on entries held out (")


@pytest.mark.parametrize("rank", [2, 3, 5, 8])
def test_rank_is_found_from_three_times_the_unknowns(rank):
    result = matrix_completion(planted(rank, 3, 3.0, seed=rank), "auto", rng=0)
    assert result.rank == rank


@pytest.mark.parametrize("noise", [0.1, 0.3])
@pytest.mark.parametrize("rank", [1, 2, 4, 7, 11, 15])
def test_rank_is_found_under_noise(rank, noise):
    # With condition 10 the least component has a tenth of the first: at noise 0.1 it still stands out.
    condition = 10 if noise == 0.1 and rank > 1 else 1
    result = matrix_completion(planted(rank, enough(rank), condition, noise, seed=rank), "auto", rng=0)
    assert result.rank == rank


@pytest.mark.parametrize("count", [3000, 20000, 80000])
def test_noise_is_called_noise(count):
    rng = np.random.default_rng(count)
    flat = rng.permutation(200000)[:count]
    entries = (*np.unravel_index(flat, SHAPE), rng.standard_normal(count))
    for options in {}, {"reg": 3.0}, {"validation": 0.2}:
        result = matrix_completion((entries, SHAPE), "auto", rng=0, **options)
        assert result.rank == 1
        assert result.status is CompletionStatus.NOISE
        assert not result.converged
        assert "they look like noise" in result.message


def test_component_below_the_noise_is_left_out():
    """Its entries would cost more in noise than they bring: unknowns / entries of the noise's square."""
    observed = planted(5, 5, 30.0, 0.3)
    result = matrix_completion(observed, "auto", rng=0)
    assert 1 <= result.rank < 5
    full = matrix_completion(observed, 5, rng=0)
    assert np.nanmin(result.history["held_out"]) < 1.1 * np.nanmin(full.history["held_out"])


def test_matrix_is_completed_as_with_that_rank_given(tmp_path):
    for noise in 0.1, 0.0:
        (rows, cols, values), shape = planted(6, 5, noise=noise)
        known = matrix_completion(((rows, cols, values), shape), 6, rng=3)
        found = matrix_completion(((rows, cols, values), shape), "auto", rng=3)
        np.savez(tmp_path / "a.npz", rows=rows, cols=cols, values=values, shape=shape)
        streamed = matrix_completion(tmp_path / "a.npz", "auto", rng=3, memory=1 << 20)
        assert np.array_equal(streamed.U, found.U)
        assert found.status is known.status
        if noise:
            assert np.array_equal(found.U, known.U)
        else:  # the search has found all but the last digits
            assert found.iterations < known.iterations
            np.testing.assert_allclose(found.to_dense(), known.to_dense(), atol=1e-4)


def test_search_takes_a_few_times_the_alternations_of_a_run(monkeypatch):
    calls = []
    iterate = module.iterate
    monkeypatch.setattr(module, "iterate", lambda state: (calls.append(state.k), iterate(state)))
    for rank in 3, 8, 15:
        for condition, noise in (1, 0.0), (10, 0.0), (1, 0.2):
            calls.clear()
            result = matrix_completion(planted(rank, enough(rank), condition, noise), "auto", rng=0)
            assert result.rank == rank
            assert len(calls) < 40
            assert max(calls) <= rank + 8


def test_large_ranks_are_found_many_columns_at_a_time(monkeypatch):
    calls = []
    iterate = module.iterate
    monkeypatch.setattr(module, "iterate", lambda state: (calls.append(state.k), iterate(state)))
    entries, _, _ = sampled(1000, 900, 60, 3)
    assert matrix_completion((entries, (1000, 900)), "auto", rng=0).rank == 60
    assert len(set(calls)) < 12


def test_rank_of_few_entries_has_no_more_unknowns_than_entries():
    rng = np.random.default_rng(0)
    flat = rng.permutation(2000)[:300]
    entries = (*np.unravel_index(flat, (50, 40)), rng.standard_normal(300))
    result = matrix_completion((entries, (50, 40)), "auto", rng=0)
    assert result.rank * (90 - result.rank) <= 300
    few = tuple(x[:60] for x in entries)
    with pytest.raises(ValueError, match="fewer than the 89 unknowns of rank 1"):
        matrix_completion((few, (50, 40)), "auto", rng=0)


def test_dense_and_constant_matrices_have_their_rank():
    rng = np.random.default_rng(0)
    M = rng.standard_normal((40, 3)) @ rng.standard_normal((3, 30))
    assert matrix_completion(M, "auto", rng=0).rank == 3
    assert matrix_completion(np.ones((40, 30)), "auto", rng=0).rank == 1
    assert matrix_completion(np.zeros((40, 30)), "auto", rng=0).rank == 1


def test_weights_validation_and_checkpoint_go_with_it(tmp_path):
    (rows, cols, values), shape = planted(4, 6)
    weights = np.ones(values.size)
    weights[::7], values[::7] = 0, 100.0
    result = matrix_completion(((rows, cols, values), shape), "auto", rng=0, weights=weights)
    assert result.rank == 4
    observed = planted(4, 6, noise=0.1)
    options = {"rng": 0, "validation": 0.1, "checkpoint": tmp_path / "a.npz"}
    first = matrix_completion(observed, "auto", maxiter=3, **options)
    assert first.rank == 4
    again = matrix_completion(observed, "auto", **options)
    assert again.status is CompletionStatus.MINIMUM
    assert np.array_equal(again.U, matrix_completion(observed, 4, rng=0, validation=0.1).U)
    assert again.message.startswith("rank 4 chosen")


def test_progress_tells_the_search_and_an_interrupt_ends_it(capsys, monkeypatch):
    observed = planted(4, 6)
    matrix_completion(observed, "auto", rng=0, progress=True)
    lines = capsys.readouterr().err.splitlines()
    assert lines[0].startswith("trying rank ")
    assert any(line.startswith("trying rank 4: step ") for line in lines)
    settle, rounds = module._settle, []

    def interrupted(state, tell):
        rounds.append(state.k)
        if len(rounds) == at:
            raise KeyboardInterrupt
        return settle(state, tell)

    monkeypatch.setattr(module, "_settle", interrupted)
    at = 2
    result = matrix_completion(planted(4, 6, 10.0), "auto", rng=0)
    assert result.status is CompletionStatus.INTERRUPTED
    assert result.rank == rounds[0]
    assert np.isfinite(result.to_dense()).all()
    rounds.clear()
    at = 1
    with pytest.raises(KeyboardInterrupt):
        matrix_completion(observed, "auto", rng=0)


def test_signs_are_even_and_belong_to_the_place():
    rows, cols = (x.ravel().astype(np.int32) for x in np.indices((300, 400)))
    signs = sign(rows, cols, np.dtype("f4")).reshape(300, 400)
    assert set(np.unique(signs)) == {-1, 1}
    chance = np.sqrt(300) + np.sqrt(400)
    assert np.linalg.norm(signs, 2) < 1.05 * chance
