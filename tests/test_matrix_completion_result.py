"""What can be done with a completion: predictions, the largest of a row, pictures and pickles."""

import copy
import importlib.util
import pickle

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from matrix_completion_cases import made, result_of, sampled

from pysolve import CompletionResult, matrix_completion


@pytest.fixture(scope="module")
def fitted():
    """Noisy entries, and their regularised fit."""
    entries, _, _ = sampled(80, 60, 4, 4, noise=0.5)
    return entries, matrix_completion((entries, (80, 60)), 4, reg=2.0, rtol=1e-12, maxiter=2000, rng=0)


# ---- predictions -------------------------------------------------------------------------------------------


def dense(result):
    M = np.einsum("ik,jk->ij", result.U, result.V)
    if result.bias is not None:
        M += result.bias.mean + result.bias.rows[:, None] + result.bias.cols
    return M


@pytest.mark.parametrize("with_bias", [False, True])
def test_every_way_to_predict_gives_the_same(with_bias, monkeypatch):
    monkeypatch.setattr("pysolve._matrix_completion_result.AT_ONCE", 7)
    result = made(with_bias=with_bias)
    M = dense(result)
    i, j = np.mgrid[-30:30, -20:20]
    np.testing.assert_allclose(result.predict(i, j), M[i, j])
    np.testing.assert_allclose(result.predict(np.arange(30)[:, None], np.arange(20)), M)
    np.testing.assert_allclose(result.to_dense(), M)
    np.testing.assert_allclose(result.block([3, -1], slice(2, 9)), M[[3, -1], 2:9])
    np.testing.assert_allclose(result.block(slice(None), [1]), M[:, [1]])
    assert isinstance(result.predict(3, 4), float)
    assert result.predict(3, 4) == pytest.approx(M[3, 4])
    assert result.predict([], []).shape == (0,)


@pytest.mark.parametrize("with_bias", [False, True])
def test_predictions_have_the_type_of_the_factors(with_bias):
    result = made(with_bias=with_bias)
    narrow = result_of(result.U.astype("f4"), result.V.astype("f4"), result.bias)
    assert narrow.predict([1], [2]).dtype == narrow.to_dense().dtype == narrow.block([1], [2]).dtype == "f4"
    assert narrow.top(0, 3, exclude_seen=False)[1].dtype == "f4"


def test_indices_are_checked():
    result = made()
    with pytest.raises(IndexError, match="j must be below 20, but reaches from 20 to 20"):
        result.predict(0, 20)
    with pytest.raises(TypeError, match="i must be integers, not of dtype float64"):
        result.predict(0.5, 1)
    with pytest.raises(IndexError, match="rows must be below 30"):
        result.block([30], [0])


def test_singular_values_are_those_of_the_matrix():
    result = made()
    found = np.linalg.svd(result.U @ result.V.T, compute_uv=False)[:3]
    np.testing.assert_allclose(result.singular_values, found)


def test_balanced_factors_tell_the_singular_values(fitted):
    result = fitted[1]
    np.testing.assert_allclose(np.square(result.U).sum(axis=0), result.singular_values, rtol=1e-6)
    assert result.reg == 2.0


# ---- the largest of a row ----------------------------------------------------------------------------------


def best_of(scores, n, without):
    order = sorted((-score, j) for j, score in enumerate(scores) if j not in without)
    return [j for _, j in order[:n]]


@settings(max_examples=60, deadline=None)
@given(
    data=st.data(),
    n=st.integers(1, 14),
    exclude_seen=st.booleans(),
    kinds=st.sampled_from([1, 2, 100]),  # of values: with few of them many are equal
)
def test_top_is_what_sorting_everything_gives(data, n, exclude_seen, kinds):
    m, n_cols = 6, 12
    values = np.array(data.draw(st.lists(st.integers(0, kinds), min_size=n_cols, max_size=n_cols)), float)
    sets = [sorted(data.draw(st.sets(st.integers(0, n_cols - 1)))) for _ in range(m)]
    U = np.array([[1.0], [2.0], [-1.0], [0.0], [3.0], [1.0]])
    seen = seen_in(sets)
    result = result_of(U, values[:, None], seen=seen)
    cols, found = result.top(np.arange(-1, m), n, exclude_seen=exclude_seen)
    for row, some, its in zip(range(-1, m), cols, found, strict=True):
        without = set(sets[row]) if exclude_seen else set()
        expected = best_of(result.to_dense()[row], n, without)
        assert some[some >= 0].tolist() == expected
        assert (some[len(expected) :] == -1).all()
        np.testing.assert_array_equal(its[: len(expected)], result.to_dense()[row][expected])
        assert np.isnan(its[len(expected) :]).all()
        alone = result.top(row, n, exclude_seen=exclude_seen)
        assert alone[0].tolist() == expected
        np.testing.assert_array_equal(alone[1], its[: len(expected)])


def seen_in(sets):
    from pysolve._matrix_completion_top import Seen

    begin = np.append(0, np.cumsum([len(s) for s in sets]))
    return Seen(begin, np.array([j for s in sets for j in s], np.int32))


def test_top_knows_what_was_fitted(fitted):
    (i, j, _), result = fitted
    for row in range(80):
        assert sorted(result.seen.columns(row)) == sorted(j[i == row])
        assert not set(result.top(row, 60)[0]) & set(j[i == row])


@pytest.mark.parametrize("arguments", [{}, {"validation": 0.2}])
def test_entries_held_out_as_a_proof_count_as_seen_and_those_for_validation_do_not(arguments):
    entries, _, _ = sampled(100, 90, 2, 6)
    result = matrix_completion((entries, (100, 90)), 2, rng=0, **arguments)
    count = entries[0].size
    assert result.seen.indices.size == (round(0.8 * count) if arguments else count)


def test_what_was_fitted_cannot_be_written(fitted):
    for result in (fitted[1], pickle.loads(pickle.dumps(fitted[1])), copy.deepcopy(fitted[1])):
        with pytest.raises(ValueError, match="read-only"):
            result.seen.indices[0] = 1
        with pytest.raises(ValueError, match="read-only"):
            result.seen.begin[0] = 1


def test_rows_of_top_are_taken_in_parts(monkeypatch):
    result = made()
    whole = result.top(np.arange(30), 5, exclude_seen=False)
    monkeypatch.setattr("pysolve._matrix_completion_top.BLOCK_BYTES", 400)
    parts = result.top(np.arange(30), 5, exclude_seen=False)
    np.testing.assert_array_equal(parts[0], whole[0])
    assert result.top([], 5, exclude_seen=False)[0].shape == (0, 5)


WRONG_TOP = [
    ((0, 3), {}, ValueError, "exclude_seen must be False: this result does not know"),
    ((30, 3), {"exclude_seen": False}, IndexError, "row must be below 30"),
    ((0, 0), {"exclude_seen": False}, ValueError, "n must be at least 1, not 0"),
    ((0, 2.5), {"exclude_seen": False}, TypeError, "n must be an integer, not 2.5"),
    (("a", 3), {"exclude_seen": False}, TypeError, "row must be integers"),
    (([[1]], 3), {"exclude_seen": False}, ValueError, "row must be an integer or one-dimensional"),
]


@pytest.mark.parametrize(("given", "options", "error", "text"), WRONG_TOP, ids=lambda value: str(value)[:20])
def test_wrong_arguments_of_top_are_named(given, options, error, text):
    with pytest.raises(error, match=text):
        made().top(*given, **options)


# ---- pictures and pickles ----------------------------------------------------------------------------------


def test_picture_shows_errors_and_singular_values(fitted):
    pytest.importorskip("matplotlib")
    entries, _, _ = sampled(60, 50, 2, 6)
    for result in fitted[1], matrix_completion((entries, (60, 50)), 2, rng=0), made(k=1):
        figure = result.plot()
        errors, values = figure.axes
        np.testing.assert_allclose(values.lines[0].get_ydata(), result.singular_values)
        known = np.isfinite(result.history["held_out"])
        assert len(errors.lines) == 1 + known.any()
        figure.canvas.draw()


def test_picture_goes_where_it_is_told():
    figure = pytest.importorskip("matplotlib.figure").Figure()
    assert made().plot(figure) is figure
    assert len(figure.axes) == 2


def test_picture_without_matplotlib_says_what_to_install(monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(ImportError, match=r"plot needs matplotlib: pip install pysolve\[plot\]"):
        made().plot()


def test_results_are_pickled_and_tell_what_they_are(fitted):
    for result in (fitted[1], made(with_bias=True)):
        again = pickle.loads(pickle.dumps(result))
        assert repr(again) == repr(result)
        np.testing.assert_array_equal(again.to_dense(), result.to_dense())
    assert repr(fitted[1]).startswith("CompletionResult(STATIONARY, 80 x 60, rank=4, iterations=")
    assert repr(made(with_bias=True)) == "CompletionResult(MINIMUM, 30 x 20, rank=3, bias, iterations=2)"
    assert repr(made(with_bias=True).bias) == "CompletionBias(mean=3, 30 rows, 20 columns)"
    assert repr(fitted[1].seen) == f"Seen(80 rows, {fitted[0][0].size} entries)"


# ---- names of rows and columns -----------------------------------------------------------------------------


def named(row_ids, col_ids):
    result = made(m=len(row_ids), n=len(col_ids))
    return CompletionResult(
        result.U,
        result.V,
        result.status,
        0,
        result.history,
        "",
        row_ids=np.array(row_ids),
        col_ids=np.array(col_ids),
    )


def test_rows_and_columns_are_found_by_their_names():
    result = named(["anna", "bert", "zoé"], [-5, 3, 70, 10**12])
    assert result.rows_of("bert") == 1
    assert result.rows_of(["zoé", "anna"]).tolist() == [2, 0]
    assert result.cols_of([[70], [-5]]).tolist() == [[2], [0]]
    assert result.cols_of(["3", "-5"]).tolist() == [1, 0]
    assert result.predict(result.rows_of("zoé"), result.cols_of(3)) == result.predict(2, 1)


@pytest.mark.parametrize("name", ["carl", "zzz", "", "ann", 3])
def test_unknown_rows_are_named(name):
    with pytest.raises(KeyError, match=f"there is no row named {name}"):
        named(["anna", "bert"], [1, 2]).rows_of(["anna", name])


@pytest.mark.parametrize("name", [0, 10**15, "x", "", "3.0", "--3", "9" * 30, 1.5])
def test_unknown_columns_are_named(name):
    with pytest.raises(KeyError, match=f"there is no column named {name}"):
        named(["anna", "bert"], [1, 3]).cols_of(name)


def test_results_without_names_say_so():
    with pytest.raises(ValueError, match="this result has no names of rows: use their numbers"):
        made().rows_of("a")
