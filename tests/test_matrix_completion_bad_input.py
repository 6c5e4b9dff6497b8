"""What matrix_completion must not take for good: found by calling it as a user would."""

import os
import stat

import numpy as np
import pytest
from matrix_completion_cases import sampled

from pysolve import CompletionStatus, matrix_completion
from pysolve._writing import check_writable, write_whole

SHAPE = 200, 150


def entries_of_rank_3():
    entries, U, V = sampled(*SHAPE, 3, 4.0)
    return entries, U @ V.T


@pytest.mark.parametrize("arguments", [{}, {"bias": True}, {"loss": "l1"}, {"validation": 0.2}])
def test_entries_of_no_weight_are_no_proof(arguments):
    (i, j, y), _ = entries_of_rank_3()
    w = np.zeros(y.size)
    w[:5] = 1
    with pytest.raises(ValueError, match="fewer than the"):
        matrix_completion(((i, j, y), SHAPE), 3, weights=w, rng=0, **arguments)


def test_entries_of_no_weight_are_as_if_not_given(tmp_path):
    (i, j, y), M = entries_of_rank_3()
    w = (np.random.default_rng(1).random(y.size) < 0.8) * 2.0
    some = w > 0
    garbage = np.where(some, y, 1e6)
    result = matrix_completion(((i, j, garbage), SHAPE), 3, weights=w, rng=0)
    without = matrix_completion(((i[some], j[some], y[some]), SHAPE), 3, weights=w[some], rng=0)
    np.testing.assert_array_equal(result.to_dense(), without.to_dense())
    np.testing.assert_array_equal(result.seen.indices, without.seen.indices)
    np.savez(tmp_path / "entries.npz", rows=i, cols=j, values=garbage, shape=np.array(SHAPE))
    streamed = matrix_completion(tmp_path / "entries.npz", 3, weights=w, rng=0, memory=1 << 20)
    assert streamed.status is CompletionStatus.RECOVERED
    np.testing.assert_allclose(streamed.to_dense(), M, atol=1e-4)


def test_a_pair_in_one_place_is_seen_across_validation():
    (i, j, y), _ = entries_of_rank_3()
    i, j, y = (np.append(x, x[7]) for x in (i, j, y))
    for seed in range(12):  # both fitted, both for validation, and one of each
        with pytest.raises(ValueError, match=rf"entries 7 and {y.size - 1} are both at \({i[7]}, {j[7]}\)"):
            matrix_completion(((i, j, y), SHAPE), 3, validation=0.5, rng=seed)


def test_numbers_of_a_pair_are_those_given():
    (i, j, y), _ = entries_of_rank_3()
    i, j, y = (np.append(x, x[7]) for x in (i, j, y))
    w = np.ones(y.size)
    w[:5] = 0
    with pytest.raises(ValueError, match=rf"entries 7 and {y.size - 1} are both"):
        matrix_completion(((i, j, y), SHAPE), 3, weights=w)


def test_validation_is_checked_like_entries():
    (i, j, y), _ = entries_of_rank_3()
    fitted = (i[9:], j[9:], y[9:]), SHAPE
    twice = (i[[0, 1, 0]], j[[0, 1, 0]], y[[0, 1, 0]]), SHAPE
    with pytest.raises(
        ValueError, match="validation must not have two entries in one place, but entries 0 and 2"
    ):
        matrix_completion(fitted, 3, validation=twice)
    with pytest.raises(ValueError, match="validation must be in the units of observed"):
        matrix_completion(fitted, 3, validation=((i[:9], j[:9], y[:9] * 1e200), SHAPE))


def test_validation_that_zeros_predict_as_well_is_no_minimum():
    (i, j, y), _ = entries_of_rank_3()
    noise = np.random.default_rng(0).standard_normal(y.size)
    result = matrix_completion(((i, j, noise), SHAPE), 3, validation=0.2, rng=0)
    assert min(result.history["held_out"]) >= 1
    assert result.status is CompletionStatus.STALLED
    assert not result.converged


@pytest.mark.parametrize("scale", [1e150, 1e-150])
def test_factors_that_float32_cannot_hold_are_refused(scale):
    (i, j, y), _ = entries_of_rank_3()
    with pytest.raises(ValueError, match="dtype must be float64 for values of about"):
        matrix_completion(((i, j, scale * y), SHAPE), 3, dtype="f4")


@pytest.mark.parametrize("shape", [(100, 3), (3, 100)])
def test_auto_finds_the_rank_of_a_narrow_matrix(shape):
    rng = np.random.default_rng(0)
    M = np.outer(rng.standard_normal(shape[0]), rng.standard_normal(shape[1]))
    result = matrix_completion(M, "auto", rng=0)
    assert result.rank == 1
    np.testing.assert_allclose(result.to_dense(), M, atol=1e-4)


@pytest.mark.parametrize("method", ["als", "gauss-newton"])
def test_a_single_entry_that_is_not_zero_warns_of_nothing(method):
    rng = np.random.default_rng(1)
    M = np.zeros((60, 50))
    M[3, 4] = 1
    seen = np.where((rng.random(M.shape) < 0.4) | (M > 0), M, np.nan)
    result = matrix_completion(seen, 1, method=method, rng=0, maxiter=500)
    assert np.isfinite(result.to_dense()).all()


@pytest.mark.parametrize("arguments", [{}, {"reg": 0.1}, {"method": "gauss-newton"}])
def test_weights_of_all_magnitudes_raise_no_error(arguments):
    (i, j, y), _ = entries_of_rank_3()
    w = 10.0 ** np.random.default_rng(0).uniform(-300, 300, y.size)
    with np.errstate(all="ignore"):
        result = matrix_completion(((i, j, y), SHAPE), 3, weights=w, rng=0, maxiter=200, **arguments)
    assert np.isfinite(result.to_dense()).all()


def test_other_wrong_arguments_are_named():
    (i, j, y), _ = entries_of_rank_3()
    observed = (i, j, y), SHAPE
    U, V = np.ones((SHAPE[0], 3)), np.ones((SHAPE[1], 3))
    with pytest.raises(ValueError, match="x0 must be in the units of observed"):
        matrix_completion(observed, 3, x0=(1e100 * U, V))
    with pytest.raises(ValueError, match="rng must be None, a non-negative int"):
        matrix_completion(observed, 3, rng=-1)
    with pytest.raises(TypeError, match="rng must be None"):
        matrix_completion(observed, 3, rng="a")
    with pytest.raises(TypeError, match="progress must be True or False"):
        matrix_completion(observed, 3, progress="yes")
    with pytest.raises(ValueError, match="init must be one of"):
        matrix_completion(observed, 3, init=np.array(["auto", "random"]))


def test_progress_without_a_stderr(monkeypatch):
    (i, j, y), _ = entries_of_rank_3()
    monkeypatch.setattr("sys.stderr", None)
    assert matrix_completion(((i, j, y), SHAPE), 3, rng=0, progress=True).converged


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no pipes with names")
def test_what_is_no_file_is_not_replaced(tmp_path):
    path = tmp_path / "pipe"
    os.mkfifo(path)
    reader = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    check_writable(path)
    write_whole(path, lambda file: file.write(b"text"))
    assert os.read(reader, 10) == b"text"
    os.close(reader)
    assert stat.S_ISFIFO(os.stat(path).st_mode)
