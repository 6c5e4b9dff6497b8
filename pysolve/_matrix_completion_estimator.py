"""Matrix completion as an estimator of scikit-learn's kind, which is not needed for it."""

from __future__ import annotations

import inspect
from typing import Any

import numpy as np

from pysolve._matrix_completion import matrix_completion
from pysolve._matrix_completion_estimator_input import (
    checked,
    generator,
    not_fitted,
    squares_of_unseen,
    tags,
)
from pysolve._matrix_completion_result import CompletionResult


class MatrixCompletion:
    """Matrix completion as an estimator: rows of `X` are samples, of which any entries may be missing.

    Missing are the NaN of a dense array, the masked values of a masked array, and the entries that a sparse matrix
    does not store (a stored zero is an observation). Pipelines, `clone`, grid searches and pickles of scikit-learn take
    this class; scikit-learn itself is not needed.

    Parameters
    ----------
    rank : int or "auto"
        Columns of the factors; "auto" lets `matrix_completion` find it.
    reg, bias, nonneg, loss, init, method, rtol, maxiter, validation, dtype
        As in `matrix_completion`.
    random_state : None, int, Generator or RandomState
        Its `rng`.

    Attributes
    ----------
    components_ : ndarray of shape (n_components, n_features)
        ``X`` is approximated by ``transform(X) @ components_ + mean_``: `V` of the result, transposed. With `bias` the
        last of ``rank + 1`` components is 1 everywhere, and its coefficients are the biases of the rows.
    mean_ : ndarray of shape (n_features,)
        0, or the mean and the biases of the columns.
    singular_values_ : ndarray of shape (rank,)
        Of the matrix that was found.
    result_ : CompletionResult
        What `matrix_completion` returned.
    n_iter_, n_features_in_ : int
        Iterations, and columns of `X`.
    feature_names_in_ : ndarray of str
        Names of the columns, where `X` has some.

    Examples
    --------
    >>> import numpy as np, pysolve
    >>> rng = np.random.default_rng(0)
    >>> M = rng.standard_normal((100, 3)) @ rng.standard_normal((3, 40))
    >>> X = np.where(rng.random(M.shape) < 0.5, M, np.nan)
    >>> model = pysolve.MatrixCompletion(rank=3, random_state=0).fit(X[:80])
    >>> model.transform(X[80:]).shape  # rows that it has not seen
    (20, 3)
    >>> bool(np.allclose(model.complete(X[80:]), M[80:], atol=1e-4))
    True
    """

    n_features_in_: int
    result_: CompletionResult

    def __init__(
        self,
        rank: int | str = 2,
        *,
        reg: float = 0.0,
        bias: bool = False,
        nonneg: bool = False,
        loss: str = "l2",
        init: str = "auto",
        method: str = "auto",
        rtol: float = 1e-6,
        maxiter: int | None = None,
        validation: Any = None,
        dtype: Any = None,
        random_state: Any = None,
    ) -> None:
        self.rank = rank
        self.reg = reg
        self.bias = bias
        self.nonneg = nonneg
        self.loss = loss
        self.init = init
        self.method = method
        self.rtol = rtol
        self.maxiter = maxiter
        self.validation = validation
        self.dtype = dtype
        self.random_state = random_state

    def fit(self, X: Any, y: Any = None, *, weights: Any = None) -> MatrixCompletion:
        """Complete `X`.

        Parameters
        ----------
        X : array_like, masked array, data frame or sparse matrix of shape (n_samples, n_features)
            The entries.
        y : ignored
        weights : array_like, optional
            A weight for each entry, as in `matrix_completion`.

        Returns
        -------
        MatrixCompletion
            The estimator itself.
        """
        X = checked(self, X, first=True)
        arguments = self.get_params()
        rank, rng = arguments.pop("rank"), generator(arguments.pop("random_state"))
        self.result_ = result = matrix_completion(X, rank, weights=weights, rng=rng, **arguments)
        n = self.n_features_in_
        components, mean = [result.V.T], np.zeros(n, result.V.dtype)
        if result.bias is not None:
            components.append(np.ones((1, n), result.V.dtype))
            mean += result.bias.mean + result.bias.cols
        self.components_, self.mean_ = np.vstack(components), mean
        self.singular_values_, self.n_iter_ = result.singular_values, result.iterations
        return self

    def transform(self, X: Any) -> np.ndarray:
        """The coefficients of rows: those of the least squares with the components as they are.

        Parameters
        ----------
        X : as in `fit`, with as many columns

        Returns
        -------
        ndarray of shape (n_samples, n_components)
        """
        return self._coefficients(checked(self, X))

    def _coefficients(self, X: Any) -> np.ndarray:
        found = self.result_.fold_in(X)
        return np.column_stack(found) if isinstance(found, tuple) else np.asarray(found)

    def fit_transform(self, X: Any, y: Any = None, **fit_params: Any) -> np.ndarray:
        """``fit(X).transform(X)``."""
        return self.fit(X, y, **fit_params).transform(X)

    def inverse_transform(self, X: Any) -> np.ndarray:
        """The rows that belong to coefficients: ``X @ components_ + mean_``.

        Parameters
        ----------
        X : array_like of shape (n_samples, n_components)

        Returns
        -------
        ndarray of shape (n_samples, n_features)
        """
        not_fitted(self)
        X = np.asarray(X)
        if X.ndim != 2 or X.shape[1] != len(self.components_):
            raise ValueError(f"X must have {len(self.components_)} columns, but its shape is {X.shape}")
        return np.asarray(X @ self.components_ + self.mean_)

    def complete(self, X: Any) -> np.ndarray:
        """Rows completed: ``inverse_transform(transform(X))``, which holds a value for every entry.

        Parameters
        ----------
        X : as in `fit`, with as many columns

        Returns
        -------
        ndarray of shape (n_samples, n_features)
        """
        return self.inverse_transform(self.transform(X))

    def score(self, X: Any, y: Any = None) -> float:
        """How well entries are predicted from the other entries of their rows.

        The entries of each row are dealt into five parts, always alike; each part is predicted from the other four. An
        entry is never predicted from itself, so a rank that is too high does not score well.

        Parameters
        ----------
        X : as in `fit`, with as many columns
        y : ignored

        Returns
        -------
        float
            One minus the sum of squared errors over that of the values around their mean; at most 1.
        """
        errors, spread = squares_of_unseen(
            checked(self, X), lambda part: self.inverse_transform(self._coefficients(part))
        )
        return 1.0 - errors / spread if spread > 0 else float(errors == 0)

    def get_feature_names_out(self, input_features: Any = None) -> np.ndarray:
        """Names of the columns of `transform`'s result."""
        not_fitted(self)
        return np.array([f"matrixcompletion{i}" for i in range(len(self.components_))], dtype=object)

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        """The arguments this was made with, as scikit-learn asks for them."""
        return {name: getattr(self, name) for name in _names(type(self))}

    def set_params(self, **params: Any) -> MatrixCompletion:
        """Change some of the arguments; ValueError for one that there is not."""
        known = _names(type(self))
        for name, value in params.items():
            if name not in known:
                raise ValueError(
                    f"Invalid parameter {name!r} for estimator {self}: there are {', '.join(known)}"
                )
            setattr(self, name, value)
        return self

    def __repr__(self) -> str:
        usual = inspect.signature(type(self)).parameters
        changed = [
            f"{name}={value!r}"
            for name, value in self.get_params().items()
            if not _same(value, usual[name].default)
        ]
        return f"{type(self).__name__}({', '.join(changed)})"

    def __sklearn_is_fitted__(self) -> bool:
        return hasattr(self, "result_")

    def __sklearn_tags__(self) -> Any:
        return tags()


def _names(cls: type) -> list[str]:
    return list(inspect.signature(cls).parameters)


def _same(value: Any, usual: Any) -> bool:
    return value is usual or (
        isinstance(value, str | int | float) and type(value) is type(usual) and value == usual
    )
