"""Robust losses where whole rows or columns are outliers, or are larger than the others for good."""

import numpy as np
import pytest
from matrix_completion_cases import sampled, unseen_error

from pysolve import CompletionStatus, matrix_completion


def rest_error(result, U, V, rows):
    """Relative error on all rows but the first ones."""
    M = U @ V.T
    return np.linalg.norm((result.to_dense() - M)[rows:]) / np.linalg.norm(M[rows:])


def test_row_of_outliers_alone_is_no_recovery_but_spoils_no_other():
    (i, j, y), U, V = sampled(500, 500, 4, 8)
    values = np.where(i == 17, 3 * np.random.default_rng(0).standard_normal(y.size), y)
    result = matrix_completion(((i, j, values), (500, 500)), 4, loss="l1", rtol=1e-7, rng=0)
    assert not result.converged
    rest = np.arange(500) != 17
    E = (result.to_dense() - U @ V.T)[rest]
    assert np.linalg.norm(E) < 1e-5 * np.linalg.norm(U @ V.T)


@pytest.mark.parametrize("loss", ["huber", "l1"])
@pytest.mark.parametrize("scale", [100.0, 1e8])
@pytest.mark.parametrize("sign", ["both", "one"])
@pytest.mark.parametrize("rows", [1, 20])
def test_rows_of_huge_outliers_alone_spoil_no_other(rows, sign, scale, loss):
    (i, j, y), U, V = sampled(500, 500, 4, 8)
    wrong = np.random.default_rng(50).standard_normal(y.size) if sign == "both" else 1.0
    values = np.where(i < rows, scale * wrong, y)
    result = matrix_completion(((i, j, values), (500, 500)), 4, loss=loss, rtol=1e-7, rng=0)
    assert not result.converged
    assert rest_error(result, U, V, rows) < 1e-6
    turned = matrix_completion(((j, i, values), (500, 500)), 4, loss=loss, rtol=1e-7, rng=0)
    assert np.linalg.norm((turned.to_dense().T - U @ V.T)[rows:]) < 1e-6 * np.linalg.norm(U @ V.T)


@pytest.mark.parametrize("loss", ["huber", "l1"])
def test_rows_that_are_large_for_good_are_recovered_and_come_back_in_checkpoints(loss, tmp_path):
    (i, j, y), U, V = sampled(300, 300, 3, 8)
    U[:5] *= 1e3
    values = np.where(np.random.default_rng(1).random(y.size) < 0.05, 1e6, (U[i] * V[j]).sum(axis=1))
    observed, options = ((i, j, values), (300, 300)), {"loss": loss, "rtol": 1e-8, "rng": 0}
    whole = matrix_completion(observed, 3, checkpoint=tmp_path / "whole.npz", **options)
    assert whole.status is CompletionStatus.RECOVERED
    assert unseen_error(whole, U, V) < 1e-6
    assert rest_error(whole, U, V, 5) < 1e-6
    for maxiter in 5, whole.iterations - 1, 4000:
        part = matrix_completion(observed, 3, maxiter=maxiter, checkpoint=tmp_path / "run.npz", **options)
    assert np.array_equal(part.to_dense(), whole.to_dense())
    again = matrix_completion(observed, 3, x0=(whole.U, whole.V), **options)
    assert again.iterations < whole.iterations / 2


def test_large_rows_tell_as_much_as_they_do_with_noise():
    """A few rows a hundred times as exact as the others: they have their weight in the end."""
    (i, j, y), U, V = sampled(400, 400, 3, 8)
    U[:20] *= 100
    noisy = (U[i] * V[j]).sum(axis=1) + 0.3 * np.random.default_rng(1).standard_normal(y.size)
    known = matrix_completion(((i, j, noisy), (400, 400)), 3, rng=0)
    result = matrix_completion(((i, j, noisy), (400, 400)), 3, loss="huber", rng=0)
    assert rest_error(result, U, V, 20) < 1.2 * rest_error(known, U, V, 20)
    assert unseen_error(result, U, V) < 1.2 * unseen_error(known, U, V)


def test_thousands_of_iterations_overflow_nothing():
    (i, j, y), _, _ = sampled(30, 20, 1, 5, noise=0.2)
    result = matrix_completion(
        ((i, j, y), (30, 20)), 1, loss=("huber", 0.3), reg=0.1, rtol=0.0, maxiter=3000, rng=0
    )
    assert result.iterations == 3000
    assert np.isfinite(result.U).all()
