"""What the estimator is given, checked in scikit-learn's words without importing it."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

import numpy as np
import scipy.sparse as sp

from pysolve._matrix_completion_device import on_gpu, refuse

PARTS = 5  # of the entries of a row, each predicted from the others


def checked(estimator: Any, X: Any, first: bool = False) -> Any:
    """`X` as a CSR array, a masked or a dense array of two dimensions; `first`: what later ones must be like."""
    if not first:
        not_fitted(estimator)
    if on_gpu(X):
        refuse(type(estimator).__name__, "X")
    names = _names(X)
    X = _sparse(X) if sp.issparse(X) else _dense(X)
    for extent, what in zip(X.shape, ("sample", "feature"), strict=True):
        if extent == 0:
            raise ValueError(
                f"Found array with 0 {what}(s) (shape={X.shape}) while a minimum of 1 is required."
            )
    if first:
        _check_rank(estimator.rank, X.shape)
        estimator.n_features_in_ = X.shape[1]
        if hasattr(estimator, "feature_names_in_"):
            del estimator.feature_names_in_
        if names is not None:
            estimator.feature_names_in_ = names
    elif X.shape[1] != estimator.n_features_in_:
        raise ValueError(
            f"X has {X.shape[1]} features, but {type(estimator).__name__} is expecting "
            f"{estimator.n_features_in_} features as input"
        )
    elif names is not None and list(getattr(estimator, "feature_names_in_", names)) != list(names):
        raise ValueError("The feature names should match those that were passed during fit.")
    return X


def _check_rank(rank: Any, shape: tuple[int, int]) -> None:
    if isinstance(rank, int) and rank > min(shape):
        raise ValueError(
            f"rank must be at most the number of samples and of features, but rank={rank} with n_samples = {shape[0]} "
            f"and n_features = {shape[1]}"
        )


def _names(X: Any) -> np.ndarray | None:
    columns = getattr(X, "columns", None)
    if columns is None or not all(isinstance(name, str) for name in columns):
        return None
    return np.array(list(columns), dtype=object)


def _sparse(X: Any) -> Any:
    if X.dtype.kind == "c":
        raise ValueError(f"Complex data not supported\n{X!r}\n")
    if X.format in ("lil", "dok"):  # which store what was given, no more
        X = X.tocsr()
    if X.format not in ("csr", "csc", "coo"):
        raise TypeError(
            f"X must not be a sparse matrix of format {X.format}, which stores what was not observed"
        )
    _check_not_infinite(X.data)
    return X


def _dense(X: Any) -> Any:
    masked = isinstance(X, np.ma.MaskedArray)
    found = X if masked else np.asarray(X)
    if found.dtype.kind == "c":
        raise ValueError(f"Complex data not supported\n{X!r}\n")
    if found.dtype.kind not in "biuf":
        found = found.astype(np.float64)  # objects that are numbers; others raise
    if found.ndim != 2:
        raise ValueError(
            f"Expected 2D array, got {found.ndim}D array instead. Reshape your data either using X.reshape(-1, 1) if "
            "it has a single feature or X.reshape(1, -1) if it contains a single sample."
        )
    _check_not_infinite(np.ma.compressed(found) if masked else found)
    return found


def _check_not_infinite(values: np.ndarray) -> None:
    if values.dtype.kind == "f" and np.isinf(values).any():
        raise ValueError(f"Input X contains infinity or a value too large for {values.dtype!r}.")


def generator(random_state: Any) -> Any:
    """What `matrix_completion` takes as rng; a RandomState gives a seed, and goes on."""
    if isinstance(random_state, np.random.RandomState):
        return int(random_state.randint(2**31 - 1))
    return random_state


def not_fitted(estimator: Any) -> None:
    """Raises, unless `fit` was called: scikit-learn's NotFittedError where that is loaded, else one like it."""
    if hasattr(estimator, "result_"):
        return
    exceptions = sys.modules.get("sklearn.exceptions")
    error = NotFittedError if exceptions is None else exceptions.NotFittedError
    raise error(f"This {type(estimator).__name__} instance is not fitted yet: call fit first")


class NotFittedError(ValueError, AttributeError):
    """A method that needs a fit was called before it."""


def squares_of_unseen(X: Any, predict: Callable[[Any], np.ndarray]) -> tuple[float, float]:
    """Sums of squares over the entries of X: of their errors when predicted from the others, and around their mean."""
    rows, cols, values = _entries(X)
    if values.size == 0:
        raise ValueError("X must have at least one entry to score")
    # Dealt out row by row: the entries of each row are in parts whose sizes differ by one at most.
    order = np.random.default_rng(0).permutation(values.size)
    order = order[np.argsort(rows[order], kind="stable")]
    place = np.arange(values.size) - np.searchsorted(rows[order], rows[order])
    part = np.empty(values.size, np.int64)
    part[order] = (place + rows[order]) % PARTS
    errors = 0.0
    for mine in range(PARTS):
        others, here = part != mine, part == mine
        if here.any():
            asked = np.unique(rows[here])
            given = others & np.isin(rows, asked)
            kept = sp.csr_array(
                (values[given], (np.searchsorted(asked, rows[given]), cols[given])),
                shape=(asked.size, X.shape[1]),
            )
            found = predict(kept)[np.searchsorted(asked, rows[here]), cols[here]]
            errors += float(np.square(found - values[here]).sum())
    return errors, float(np.square(values - values.mean()).sum())


def _entries(X: Any) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    if sp.issparse(X):
        X = X.tocoo()
        return X.row, X.col, X.data.astype(np.float64)
    data = np.ma.getdata(X).astype(np.float64)
    rows, cols = np.nonzero(~np.ma.getmaskarray(X) & ~np.isnan(data))
    return rows, cols, data[rows, cols]


def tags() -> Any:
    """The tags of scikit-learn, which asks for them and so is there."""
    from sklearn.utils import InputTags, Tags, TargetTags, TransformerTags

    return Tags(
        estimator_type=None,
        target_tags=TargetTags(required=False),
        transformer_tags=TransformerTags(preserves_dtype=["float64", "float32"]),
        classifier_tags=None,
        regressor_tags=None,
        input_tags=InputTags(sparse=True, allow_nan=True),
    )
