"""Rows folded into factors that are there solve their least squares exactly."""

import dataclasses

import numpy as np
import pytest
import scipy.sparse as sp
from hypothesis import given, settings
from hypothesis import strategies as st
from matrix_completion_cases import forms, made, result_of, sampled

from pysolve import _matrix_completion_fold_in as folding
from pysolve import matrix_completion


def least_squares(V, cols, y, reg, weights=None, bias=None):
    """u (and b) of one row, by the singular values of one dense matrix."""
    A, y, k = V[cols], np.array(y), V.shape[1]
    penalty = np.full(k, reg)
    if bias is not None:
        y = y - bias.mean - bias.cols[cols]
        A, penalty = np.column_stack((A, np.ones(len(A)))), np.append(penalty, reg)
    root = np.ones(len(A)) if weights is None else np.sqrt(weights)
    whole = np.vstack((A * root[:, None], np.diag(np.sqrt(penalty))))
    return np.linalg.lstsq(whole, np.append(y * root, np.zeros(len(penalty))), rcond=1e-12)[0]


def some_rows(lengths, n, seed=1):
    rng = np.random.default_rng(seed)
    cols = [rng.permutation(n)[:length] for length in lengths]
    i = np.repeat(np.arange(len(lengths)), lengths)
    j = np.concatenate([*cols, []]).astype(int)
    return i, j, rng.standard_normal(i.size), rng.random(i.size) + 0.1


@settings(max_examples=60, deadline=None)
@given(
    lengths=st.lists(st.integers(0, 20), min_size=1, max_size=8),
    k=st.integers(1, 11),
    reg=st.sampled_from([0.0, 1e-8, 0.3, 50.0]),
    with_bias=st.booleans(),
    weighted=st.booleans(),
    unit=st.sampled_from([1.0, 1e-140, 1e140]),
)
def test_new_rows_solve_their_least_squares(lengths, k, reg, with_bias, weighted, unit):
    result = made(k=k, with_bias=with_bias, reg=reg)
    i, j, y, w = some_rows(lengths, 20)
    scaled, arguments = None, {"weights": w} if weighted else {}
    if with_bias:  # of which the square, not the length, is regularised: no other units
        unit, scaled = 1.0, result.bias
    # In other units: values times `unit`, factors times its root, and regularisation with them.
    other = result_of(result.U * unit**0.5, result.V * unit**0.5, scaled, reg * unit)
    found = other.fold_in(((i, j, y * unit), (len(lengths), 20)), **arguments)
    U = np.column_stack(found) if with_bias else found / unit**0.5
    for row in range(len(lengths)):
        mine = i == row
        if with_bias and reg == 0 and mine.sum() <= k:
            continue  # of many solutions the shortest depends on the length of the bias's column
        expected = least_squares(result.V, j[mine], y[mine], reg, w[mine] if weighted else None, result.bias)
        np.testing.assert_allclose(U[row], expected, rtol=1e-6, atol=1e-7)


@pytest.mark.parametrize("reg", [0.0, 0.3])
@pytest.mark.parametrize("with_bias", [False, True])
@pytest.mark.parametrize("weighted", [False, True])
def test_new_rows_of_a_nonnegative_fit_have_no_negative_numbers(reg, with_bias, weighted):
    result = dataclasses.replace(made(k=4, with_bias=with_bias, reg=reg), nonneg=True)
    i, j, y, w = some_rows([12, 0, 20, 3], 20)
    found = result.fold_in(((i, j, y), (4, 20)), weights=w if weighted else None)
    U, b = found if with_bias else (found, np.zeros(4))
    assert (U >= 0).all()
    for row in range(4):
        mine = i == row
        left = y[mine] - (result.bias.mean + result.bias.cols[j[mine]] + b[row] if with_bias else 0)
        r = (left - result.V[j[mine]] @ U[row]) * (w[mine] if weighted else 1)
        slope = result.V[j[mine]].T @ r - reg * U[row]  # 0 where u is positive, and not above 0 elsewhere
        assert slope.max() < 1e-6
        assert abs(slope * U[row]).max() < 1e-6
        assert abs(r.sum() - reg * b[row]) < 1e-6 or not with_bias


def test_row_of_the_fit_folds_in_as_itself():
    entries, _, _ = sampled(80, 60, 4, 4, noise=0.5)
    result = matrix_completion((entries, (80, 60)), 4, reg=2.0, rtol=1e-12, maxiter=2000, rng=0)
    np.testing.assert_allclose(result.fold_in((entries, (80, 60))), result.U, rtol=1e-4, atol=1e-6)


def test_new_rows_of_a_recovered_matrix_are_predicted_exactly():
    entries, _, V = sampled(200, 150, 5, 5)
    result = matrix_completion((entries, (200, 150)), 5, rtol=1e-12, rng=0)
    new = np.random.default_rng(5).standard_normal((40, 5)) @ V.T
    seen = np.where(np.random.default_rng(6).random(new.shape) < 0.1, new, np.nan)
    counts = np.isfinite(seen).sum(axis=1)
    found = result.fold_in(seen) @ result.V.T
    enough = counts > 8
    assert enough.sum() > 20
    np.testing.assert_allclose(found[enough], new[enough], rtol=1e-6, atol=1e-6)


def test_every_form_of_new_rows_gives_the_same():
    result = made(reg=0.2)
    i, j, y, _ = some_rows([5, 0, 12], 20)
    found = [result.fold_in(form) for form in forms((i, j, y), (3, 20)).values()]
    for each in found[1:]:
        np.testing.assert_allclose(each, found[0], rtol=1e-13)
    assert (found[0][1] == 0).all()


def test_ill_conditioned_rows_are_solved_by_singular_values():
    rng = np.random.default_rng(0)
    V = (
        rng.standard_normal((40, 6))
        @ np.diag([1, 1, 1, 1, 1, 1e-7])
        @ np.linalg.qr(rng.standard_normal((6, 6)))[0]
    )
    u = rng.standard_normal((2, 6))
    found = result_of(u, V).fold_in(u @ V.T)
    np.testing.assert_allclose(found @ V.T, u @ V.T, rtol=1e-7, atol=1e-12)
    np.testing.assert_allclose(found, u, rtol=1e-2)


def test_rows_are_solved_in_parts_as_all_at_once(monkeypatch):
    result, (i, j, y, _) = made(k=9), some_rows([*range(20), 3, 3, 3], 20)
    whole = result.fold_in(((i, j, y), (23, 20)))
    monkeypatch.setattr(folding, "BLOCK_BYTES", 2000)
    np.testing.assert_allclose(result.fold_in(((i, j, y), (23, 20))), whole, atol=1e-12)


def test_rows_of_factors_that_are_0_are_0():
    result = result_of(np.zeros((3, 2)), np.zeros((4, 2)))
    assert (result.fold_in(np.ones((2, 4))) == 0).all()
    strong = made(reg=1e300)
    assert abs(strong.fold_in(np.ones((2, 20)))).max() < 1e-90


def test_new_rows_without_entries_are_the_mean():
    result = made(with_bias=True, reg=1.0)
    U, b = result.fold_in(np.full((2, 20), np.nan))
    assert (U == 0).all()
    assert (b == 0).all()


WRONG_ROWS = {
    "columns": (
        np.ones((2, 19)),
        {},
        ValueError,
        "new_rows must have 20 columns, as the matrix that was fitted, not 19",
    ),
    "one dimension": (np.ones(20), {}, ValueError, "new_rows must have two dimensions"),
    "complex": (np.ones((2, 20), complex), {}, TypeError, "new_rows must be real"),
    "infinite": (np.full((1, 20), np.inf), {}, ValueError, "must be finite"),
    "twice": (((np.array([0, 0]), np.array([3, 3]), np.ones(2)), (1, 20)), {}, ValueError, "new_rows"),
    "format": (sp.lil_array((2, 20)), {}, TypeError, "new_rows must be CSR, CSC or COO"),
    "weights": (np.ones((1, 20)), {"weights": np.ones(3)}, ValueError, "weights must be 20 real numbers"),
}


@pytest.mark.parametrize("name", WRONG_ROWS)
def test_wrong_new_rows_are_named(name):
    new_rows, arguments, error, text = WRONG_ROWS[name]
    with pytest.raises(error, match=text):
        made().fold_in(new_rows, **arguments)


def test_new_rows_have_the_type_of_the_fit():
    result = made(with_bias=True)
    narrow = result_of(result.U.astype("f4"), result.V.astype("f4"), result.bias)
    assert all(part.dtype == "f4" for part in narrow.fold_in(np.ones((2, 20))))
