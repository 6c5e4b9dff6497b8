"""Spectral mixtures: stationary covariances of one coordinate, whose power spectrum has a bump at each frequency."""

from __future__ import annotations

import dataclasses
import math
from typing import Any

import numpy as np

from pysolve._arrays import as_numbers, check_finite
from pysolve._backend import as_array, namespace, on_device
from pysolve._gallery_arguments import check_count
from pysolve._spectral_derivatives import GAUSSIAN, KINDS, MATERN_ORDER, OSCILLATING, sums

LARGEST = 1e50  # of frequencies, weights and rho: their fourth powers are finite
UNEVEN = 1e-6  # part of the spacing by which points of an even grid may be off


@dataclasses.dataclass(frozen=True, eq=False, repr=False)
class SpectralMixture:
    r"""Stationary covariance of one coordinate as a sum of damped cosines, the kernel of GP-HM [1]_.

    .. math::
        k(d) = \sum_q w_q\, g_{\rho_q}(d) \cos(2 \pi \mu_q d), \qquad d = x - x'

    with the envelope :math:`g_\rho(d) = e^{-\rho^2 d^2}` of a mixture of Gaussians (``"gm"``), or
    :math:`g_\rho(d) = (1 + s|d| + s^2 d^2 / 3) e^{-s|d|}`, :math:`s = \sqrt 5 \rho`, of a mixture of Student's t
    distributions with 5 degrees of freedom (``"stm"``). ``"se"`` and ``"matern52"`` are the same sums without the
    cosine.

    Parameters
    ----------
    frequencies : float or array_like of shape (Q,)
        :math:`\mu_q`, in periods for each unit of the coordinate. Their sign does not matter. All 0 for ``"se"`` and
        ``"matern52"``.
    weights : float or array_like of shape (Q,), optional
        :math:`w_q`, not negative: the variance that each frequency has. ``1 / Q`` each if omitted.
    rho : float or array_like of shape (Q,), default 1.0
        Positive: the inverse of the length along which a wave keeps its phase and amplitude.
    kind : {"gm", "stm", "se", "matern52"}, default "gm"
        The envelope.

    Attributes
    ----------
    frequencies, weights, rho : ndarray of shape (Q,)
        As given, each as long as the longest; they cannot be written to.
    kind : str

    Raises
    ------
    ValueError, TypeError
        If a number is not finite, negative where it must not be, or larger than 1e50; if the lengths differ.

    References
    ----------
    .. [1] S. Fang, M. Cooley, D. Long, S. Li, R. Kirby and S. Zhe, "Solving High Frequency and Multi-Scale PDEs with
       Gaussian Processes", ICLR 2024, arXiv:2311.04465.

    Examples
    --------
    >>> import pysolve
    >>> kernel = pysolve.SpectralMixture([0.0, 3.0], weights=[1.0, 0.5], rho=0.1)
    >>> kernel
    SpectralMixture("gm", 2 frequencies in [0, 3], variance 1.5)
    >>> kernel.covariance([0.0, 0.25]).round(4)
    array([1.5   , 0.9994])
    >>> round(kernel.covariance(0.0, order=2), 2)  # minus the variance of the slope
    -177.68
    """

    frequencies: Any
    weights: Any = None
    rho: Any = 1.0
    kind: str = "gm"

    def __post_init__(self) -> None:
        if not isinstance(self.kind, str) or self.kind not in KINDS:
            raise ValueError(f"kind must be one of {', '.join(KINDS)}, but is {self.kind!r}")
        given = {"frequencies": self.frequencies, "rho": self.rho}
        if self.weights is not None:
            given["weights"] = self.weights
        columns = {name: _numbers(value, name) for name, value in given.items()}
        Q = max(column.size for column in columns.values())
        columns.setdefault("weights", np.full(1, 1.0 / Q))
        for name, column in columns.items():
            if column.size not in (1, Q):
                raise ValueError(f"{name} must have {Q} numbers, as the others have, but has {column.size}")
            _check_range(column, name)
            spread = np.repeat(column, Q) if column.size != Q else column.copy()
            spread.flags.writeable = False
            object.__setattr__(self, name, spread)
        if self.kind not in OSCILLATING and np.any(self.frequencies):
            raise ValueError(f"frequencies must be 0 for kind={self.kind!r}, which has no cosine")

    @property
    def max_order(self) -> float:
        """The highest derivative of u that an equation may contain: 2 for Matern 5/2 and Student's t, else infinity.

        An equation of order n needs the derivative of order 2 n of the covariance.
        """
        return math.inf if self.kind in GAUSSIAN else MATERN_ORDER // 2

    @property
    def variance(self) -> float:
        """The covariance at distance 0: the sum of the weights."""
        return float(self.weights.sum())

    def covariance(self, d: Any, order: int = 0) -> Any:
        """The covariance at distances d = x - x', or a derivative of it.

        Parameters
        ----------
        d : float or array_like
            Distances, with their sign: odd derivatives are odd. Infinite ones have covariance 0. An array on the GPU
            is taken there.
        order : int, default 0
            How often to differentiate with respect to d; at most 4 for ``"stm"`` and ``"matern52"``, whose next
            derivative jumps at 0.

        Returns
        -------
        float or ndarray
            Of the shape of `d`, and where `d` is.

        Raises
        ------
        ValueError, TypeError
            If `order` is negative or too high, a distance is NaN, or the derivative exceeds the largest float.

        Examples
        --------
        >>> import pysolve
        >>> kernel = pysolve.SpectralMixture(2.0, kind="stm")
        >>> kernel.covariance([-0.1, 0.1], order=1).round(3)
        array([ 11.903, -11.903])
        """
        order = self._order(order)
        given = as_numbers(d, "d", device=True)
        if given.dtype.kind == "c":
            raise TypeError(f"d must be real, not of dtype {given.dtype}")
        flat = given.astype(np.float64).ravel()
        if bool(np.isnan(flat).any()):
            raise ValueError(f"d must be numbers, but d.ravel()[{int(np.isnan(flat).argmax())}] is nan")
        with np.errstate(over="ignore", invalid="ignore"):
            found = sums(flat, self.weights, self.frequencies, self.rho, self.kind, order)
        if not bool(np.isfinite(found).all()):
            raise ValueError(f"order={order} is too high: the derivative exceeds the largest float")
        return float(found[0]) if given.ndim == 0 and not on_device(given) else found.reshape(given.shape)

    def toeplitz_column(self, x: Any, order: int = 0) -> np.ndarray:
        """First column of the matrix of covariances on an even grid: N distances in place of N^2.

        Parameters
        ----------
        x : array_like of shape (N,)
            Rising, with even spacing; the column is where it is.
        order : int, default 0
            As in `covariance`: entry i, j of the matrix is this derivative at ``x[i] - x[j]``.

        Returns
        -------
        ndarray of shape (N,)
            The first row is the same for even orders, and its negative for odd ones.

        Raises
        ------
        ValueError, TypeError
            As in `covariance`, and if the spacing is not even.

        Examples
        --------
        >>> import numpy as np, pysolve, scipy.linalg
        >>> kernel, x = pysolve.SpectralMixture([1.0, 5.0]), np.linspace(0, 1, 20)
        >>> K = scipy.linalg.toeplitz(kernel.toeplitz_column(x))
        >>> bool(np.allclose(K, kernel.covariance(x[:, None] - x)))
        True
        """
        x = as_numbers(x, "x", device=True)
        check_finite(x, "x")
        if not is_even_grid(x):
            raise ValueError("x must be one-dimensional, rising, with even spacing")
        h = (float(x[-1]) - float(x[0])) / max(1, x.size - 1)
        return as_array(self.covariance(h * namespace(x).arange(x.size), order))

    def _order(self, order: Any) -> int:
        order = check_count(order, "order", 0)
        if self.kind not in GAUSSIAN and order > MATERN_ORDER:
            raise ValueError(
                f"order must be at most {MATERN_ORDER} for kind={self.kind!r}, but is {order}: "
                "the next derivative jumps at 0"
            )
        return order

    def __reduce__(self) -> Any:
        return type(self), (self.frequencies, self.weights, self.rho, self.kind)

    def __eq__(self, other: Any) -> Any:
        if not isinstance(other, SpectralMixture):
            return NotImplemented
        pairs = zip(self.__reduce__()[1], other.__reduce__()[1], strict=True)
        return all(np.array_equal(mine, theirs) for mine, theirs in pairs)

    def __hash__(self) -> int:
        return hash((self.kind, *(tuple(column.tolist()) for column in self.__reduce__()[1][:3])))

    def __repr__(self) -> str:
        low, high = np.abs(self.frequencies).min(), np.abs(self.frequencies).max()
        count = f"{self.frequencies.size} frequenc" + ("y" if self.frequencies.size == 1 else "ies")
        place = f" in [{low:.4g}, {high:.4g}]" if high > low else f" at {high:.4g}"
        return f'SpectralMixture("{self.kind}", {count}{place}, variance {self.variance:.4g})'


def is_even_grid(x: np.ndarray) -> bool:
    """Whether x is one-dimensional and rises in even steps, but for rounding."""
    if x.ndim != 1 or x.dtype.kind == "c" or x.size == 0:
        return False
    if x.size == 1:
        return True
    first, last = float(x[0]), float(x[-1])
    h = (last - first) / (x.size - 1)
    rounding = 4 * np.finfo(np.float64).eps * max(abs(first), abs(last))
    allowed = max(UNEVEN * h, min(rounding, h / 4))
    return h > 0 and bool(np.all(np.abs(x - (first + h * namespace(x).arange(x.size))) <= allowed))


def _numbers(value: Any, name: str) -> np.ndarray:
    numbers = np.atleast_1d(as_numbers(value, name))
    if numbers.dtype.kind == "c" or numbers.ndim != 1:
        raise ValueError(f"{name} must be one real number or a row of them, not {value!r}")
    if numbers.size == 0:
        raise ValueError(f"{name} must have at least one number, but is empty")
    check_finite(numbers, name)
    return numbers.astype(np.float64)


def _check_range(column: np.ndarray, name: str) -> None:
    expected = {"frequencies": "at most", "weights": "at least 0 and at most", "rho": "positive and at most"}
    wrong = np.abs(column) > LARGEST
    if name != "frequencies":
        wrong |= (column < 0) | ((column == 0) & (name == "rho"))
    if wrong.any():
        place = int(wrong.argmax())
        raise ValueError(
            f"{name} must be {expected[name]} {LARGEST:g}, but {name}[{place}] is {column[place]}"
        )
