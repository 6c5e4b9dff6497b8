"""MatrixCompletion as scikit-learn's checks want it, in pipelines and searches; and without scikit-learn."""

import pickle
import subprocess
import sys
import warnings

import numpy as np
import pytest
import scipy.sparse as sp
from matrix_completion_cases import forms, sampled

import pysolve
from pysolve import CompletionBias, MatrixCompletion
from pysolve import _matrix_completion_estimator as estimator_module

try:
    import sklearn.base
    import sklearn.model_selection
    import sklearn.pipeline
    import sklearn.preprocessing
    from sklearn.utils.estimator_checks import parametrize_with_checks
except ImportError:
    sklearn = None

needs_sklearn = pytest.mark.skipif(sklearn is None, reason="scikit-learn is not installed")
FEW = "48 sparse entries for 82 unknowns: refused without reg, as matrix_completion does; with it the check passes"
EXPECTED = {
    "check_estimator_sparse_tag": FEW,
    "check_estimator_sparse_array": FEW,
    "check_estimator_sparse_matrix": FEW,
}


def low_rank(m=60, n=25, k=3, share=0.6, seed=0, noise=0.0):
    rng = np.random.default_rng(seed)
    M = rng.standard_normal((m, k)) @ rng.standard_normal((k, n))
    return M, np.where(rng.random(M.shape) < share, M + noise * rng.standard_normal(M.shape), np.nan)


def checks():
    """(estimator, check), as scikit-learn's tests get them; it warns that the class is not derived from its own."""
    if sklearn is None:
        return [(None, None)]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        mark = parametrize_with_checks(
            [MatrixCompletion(), MatrixCompletion(reg=0.1)],
            expected_failed_checks=lambda estimator: {} if estimator.reg else EXPECTED,
        )
        return list(mark.args[1])


def name_of(value):
    return getattr(getattr(value, "func", None), "__name__", None) or str(value)


@needs_sklearn
@pytest.mark.parametrize(("estimator", "check"), checks(), ids=name_of)
@pytest.mark.filterwarnings("default")
def test_checks_of_sklearn_pass(estimator, check):
    check(estimator)


# ---- what it gives -----------------------------------------------------------------------------------------


def test_fit_is_that_of_matrix_completion():
    _, X = low_rank()
    model = MatrixCompletion(3, random_state=0)
    assert model.fit(X) is model
    result = pysolve.matrix_completion(X, 3, rng=0)
    np.testing.assert_array_equal(model.components_, result.V.T)
    np.testing.assert_array_equal(model.result_.U, result.U)
    assert (model.mean_ == 0).all()
    assert (model.n_iter_, model.n_features_in_) == (result.iterations, 25)
    np.testing.assert_array_equal(model.singular_values_, result.singular_values)


def test_rows_not_seen_are_completed():
    M, X = low_rank()
    model = MatrixCompletion(3, random_state=0).fit(X[:45])
    coefficients = model.transform(X[45:])
    np.testing.assert_allclose(model.inverse_transform(coefficients), M[45:], atol=1e-4)
    np.testing.assert_array_equal(model.complete(X[45:]), model.inverse_transform(coefficients))
    np.testing.assert_allclose(
        MatrixCompletion(3, random_state=0).fit_transform(X[:45]), model.transform(X[:45])
    )


def test_every_form_of_rows_gives_the_same():
    entries, _, _ = sampled(60, 40, 3, 5)
    some = forms(entries, (60, 40))
    for name in "triplets", "int64":
        del some[name]
    csr = some["csr"]
    some |= {"lil": csr.tolil(), "dok": csr.todok(), "list": some["dense"].tolist()}
    fits = [MatrixCompletion(3, random_state=0).fit(X) for X in some.values()]
    for model, X in zip(fits, some.values(), strict=True):
        assert model.score(X) > 0.999
        np.testing.assert_allclose(model.transform(X), fits[0].transform(some["coo"]), atol=1e-5)


def test_stored_zeros_are_observed():
    X = sp.csr_array((np.zeros(12), (np.repeat(range(4), 3), np.tile(range(3), 4))), shape=(4, 3))
    X.data[0] = 1.0
    model = MatrixCompletion(1, reg=1e-3, random_state=0).fit(X)
    assert model.result_.seen.indices.size == 12


def test_weights_are_those_of_the_entries():
    M, X = low_rank(share=1.0)
    X[:, 0] = 100.0
    weights = np.ones(X.shape)
    weights[:, 0] = 0
    model = MatrixCompletion(3, random_state=0).fit(X, weights=weights.ravel())
    np.testing.assert_allclose(model.complete(np.where(weights > 0, M, np.nan))[:, 1:], M[:, 1:], atol=1e-4)


def test_biases_are_one_more_component(monkeypatch):
    M, X = low_rank()
    rng = np.random.default_rng(1)
    bias = CompletionBias(2.0, rng.standard_normal(60), rng.standard_normal(25))
    whole = M + bias.mean + bias.rows[:, None] + bias.cols
    original = estimator_module.matrix_completion

    def with_bias(X, rank, *, bias, **arguments):
        import dataclasses

        return dataclasses.replace(original(X, rank, **arguments), bias=the_bias)

    the_bias = bias
    monkeypatch.setattr(estimator_module, "matrix_completion", with_bias)
    model = MatrixCompletion(3, random_state=0).fit(X)
    assert model.components_.shape == (4, 25)
    assert model.transform(whole).shape == (60, 4)
    assert list(model.get_feature_names_out()) == [f"matrixcompletion{i}" for i in range(4)]
    np.testing.assert_allclose(model.complete(whole), whole, atol=1e-4)
    np.testing.assert_allclose(model.transform(whole)[:, 3], bias.rows, atol=1e-4)


def test_score_is_best_at_the_right_rank():
    _, X = low_rank(120, 40, 3, 0.7, noise=0.3)
    scores = {}
    for rank in (1, 2, 3, 6, 12):
        model = MatrixCompletion(rank, reg=1.0, random_state=0).fit(X[:80])
        scores[rank] = model.score(X[80:])
        assert scores[rank] == model.score(X[80:])
    assert max(scores, key=scores.get) == 3
    assert 0.9 < scores[3] < 1


def test_score_of_values_that_are_all_alike():
    X = np.full((6, 5), 2.0)
    assert MatrixCompletion(1, reg=0.5, random_state=0).fit(X).score(X) == 0
    with pytest.raises(ValueError, match="X must have at least one entry to score"):
        MatrixCompletion(1, random_state=0).fit(X).score(np.full((2, 5), np.nan))


def test_random_states_of_every_kind_are_taken():
    _, X = low_rank()
    for make in (lambda: 3, lambda: np.random.default_rng(3), lambda: np.random.RandomState(3)):
        first, second = (MatrixCompletion(3, random_state=make()).fit(X) for _ in range(2))
        np.testing.assert_array_equal(first.components_, second.components_)


# ---- the estimator as an object ----------------------------------------------------------------------------


def test_arguments_are_told_and_changed():
    model = MatrixCompletion(4, reg=0.5)
    assert model.get_params()["rank"] == 4
    assert model.set_params(rank=2, rtol=1e-3) is model
    assert (model.rank, model.rtol) == (2, 1e-3)
    assert repr(model) == "MatrixCompletion(reg=0.5, rtol=0.001)"
    assert repr(MatrixCompletion()) == "MatrixCompletion()"
    with pytest.raises(
        ValueError, match=r"Invalid parameter 'ranks' for estimator MatrixCompletion\(.*there are rank"
    ):
        model.set_params(ranks=3)


def test_fitted_model_is_pickled():
    _, X = low_rank()
    model = MatrixCompletion(3, random_state=0).fit(X)
    again = pickle.loads(pickle.dumps(model))
    np.testing.assert_array_equal(again.transform(X), model.transform(X))


class Frame:
    """As much of a data frame as is looked at."""

    def __init__(self, values, columns):
        self.values, self.columns = values, columns

    def __array__(self, dtype=None, copy=None):
        return np.array(self.values, dtype)


def test_names_of_columns_are_kept_and_compared():
    _, X = low_rank(20, 4, 1, 0.9)
    model = MatrixCompletion(1, random_state=0).fit(Frame(X, list("abcd")))
    assert list(model.feature_names_in_) == list("abcd")
    model.transform(X)
    with pytest.raises(ValueError, match="feature names should match"):
        model.transform(Frame(X, list("abdc")))
    model.fit(X)
    assert not hasattr(model, "feature_names_in_")
    model.fit(Frame(X, range(4)))
    assert not hasattr(model, "feature_names_in_")


WRONG = [
    (np.ones(3), "Expected 2D array, got 1D array instead"),
    (np.ones((0, 3)), r"Found array with 0 sample\(s\)"),
    (np.ones((3, 0)), r"Found array with 0 feature\(s\)"),
    (np.array([[np.inf, 1], [1, 1]]), "Input X contains infinity"),
    (np.ones((3, 3), complex), "Complex data not supported"),
    (sp.csr_array(np.ones((3, 3), complex)), "Complex data not supported"),
    (np.ones((1, 5)), "rank=2 with n_samples = 1 and n_features = 5"),
    (np.array([["a", "b"], ["c", "d"]]), "could not convert"),
    (np.full((4, 4), np.nan), "observed must have at least one entry"),
]


@pytest.mark.parametrize(("X", "text"), WRONG, ids=lambda value: str(value)[:20])
def test_wrong_rows_are_named(X, text):
    with pytest.raises(ValueError, match=text):
        MatrixCompletion().fit(X)


def test_wrong_coefficients_and_formats_are_named():
    _, X = low_rank()
    model = MatrixCompletion(3, random_state=0).fit(X)
    with pytest.raises(ValueError, match=r"X must have 3 columns, but its shape is \(2, 4\)"):
        model.inverse_transform(np.ones((2, 4)))
    with pytest.raises(ValueError, match="X has 24 features, but MatrixCompletion is expecting 25 features"):
        model.transform(X[:, :24])
    with pytest.raises(TypeError, match="sparse matrix of format dia, which stores what was not observed"):
        model.fit(sp.dia_array(np.eye(3)))


@pytest.mark.parametrize("call", ["transform", "complete", "score", "inverse_transform"])
def test_call_before_the_fit_is_an_error(call):
    with pytest.raises((ValueError, AttributeError), match="is not fitted yet: call fit first") as caught:
        getattr(MatrixCompletion(), call)(np.ones((3, 3)))
    assert type(caught.value).__name__ == "NotFittedError"


def test_nothing_of_sklearn_is_imported():
    code = """if True:
        import sys, numpy as np, pysolve
        X = np.outer(range(1, 9), range(1, 7)) + 0.0
        pysolve.MatrixCompletion(1, random_state=0).fit(X).score(X)
        try:
            pysolve.MatrixCompletion().transform(X)
        except ValueError as error:
            assert isinstance(error, AttributeError)
        assert not any(name.startswith("sklearn") for name in sys.modules)
    """
    subprocess.run([sys.executable, "-P", "-c", code], check=True)


# ---- in scikit-learn's hands -------------------------------------------------------------------------------


@needs_sklearn
def test_clone_has_the_arguments_and_no_fit():
    _, X = low_rank()
    model = MatrixCompletion(3, reg=0.1, validation=0.2, random_state=0).fit(X)
    other = sklearn.base.clone(model)
    assert other.get_params() == model.get_params()
    assert not hasattr(other, "result_")


@needs_sklearn
def test_pipeline_scales_and_completes():
    M, X = low_rank()
    scaler = sklearn.preprocessing.StandardScaler(with_mean=False)
    model = sklearn.pipeline.make_pipeline(scaler, MatrixCompletion(3, random_state=0)).fit(X)
    assert model.transform(X).shape == (60, 3)
    np.testing.assert_allclose(model.inverse_transform(model.transform(X)), M, atol=1e-3)


@needs_sklearn
def test_search_finds_the_rank():
    _, X = low_rank(120, 40, 3, 0.7, noise=0.3)
    search = sklearn.model_selection.GridSearchCV(
        MatrixCompletion(reg=1.0, random_state=0), {"rank": [1, 2, 3, 5, 8]}, cv=3, error_score="raise"
    )
    assert search.fit(X).best_params_ == {"rank": 3}
    assert search.best_estimator_.result_.rank == 3
