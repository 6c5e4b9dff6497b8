"""What `gp_pde` returns: the solution anywhere, its derivatives, and how far to trust them."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Sequence
from typing import Any

import numpy as np

from pysolve._backend import beside, on_device, zeros
from pysolve._gp_pde_coordinates import real_array
from pysolve._gp_pde_features import Features
from pysolve._gp_pde_grid_products import chain
from pysolve._gp_pde_outcome import GPStatus
from pysolve._gp_pde_problem import Measurements
from pysolve._result import ConvergenceError


@dataclasses.dataclass(frozen=True, eq=False, repr=False)
class GPSolution:
    """Solution of a PDE as a Gaussian process: a mean and a standard deviation everywhere.

    Of a problem on the GPU `u`, `std` and what `predict` and `sample` return are there; all else is on the host.

    Attributes
    ----------
    u : ndarray, shape of the grid
        Posterior mean on the grid.
    status : GPStatus
        How the solve ended; ``str(status)`` explains it.
    message : str
        The status, with the figures of this solve.
    residual_norm : float
        2-norm of left side minus right side over the points of the grid where f is known, recomputed from `u`.
    relative_residual : float
        Root mean square of that residual relative to the largest \\|f\\| (or, where f is 0, to the largest term).
    iterations : int
        Gauss-Newton steps; 1 for a linear problem.
    frequencies : tuple of tuple of float
        Frequencies of every axis, in periods per unit of the coordinate.
    weights : ndarray, shape (Q_1, ..., Q_d)
        Prior standard deviation that the evidence gives every combination of the axes' frequencies; pruned ones are
        next to 0.
    coefficients : dict of str to (float, float)
        Unknown numbers by name: estimate and standard deviation.
    coefficient_covariance : ndarray
        Their covariance, in the order of `coefficients`.
    log_evidence : float
        Logarithm of the probability density of f, the sides' values and the measurements under the kernel.
    timings : dict of str to float
        Seconds for ``"frequencies"``, ``"solve"`` and ``"total"``.
    axes : tuple of ndarray
        The grid.
    held_out_residual : float or None
        Root mean square of the residual at random points between those of the grid, relative to the largest term; None
        unless `f` and the coefficients are numbers and functions. Large where the grid is too coarse.
    losses : ndarray or None
        Of ``method="joint"``: its objective at the start and after each step.
    """

    u: np.ndarray
    status: GPStatus
    message: str
    residual_norm: float
    relative_residual: float
    iterations: int
    frequencies: tuple[tuple[float, ...], ...]
    weights: np.ndarray
    coefficients: dict[str, tuple[float, float]]
    coefficient_covariance: np.ndarray
    log_evidence: float
    timings: dict[str, float]
    axes: tuple[np.ndarray, ...]
    _features: tuple[Features, ...]
    _c: np.ndarray
    _posterior: Any
    _measurements: Measurements | None = None
    losses: np.ndarray | None = None
    held_out_residual: float | None = None

    @property
    def converged(self) -> bool:
        """Whether the status is SOLVED."""
        return self.status is GPStatus.SOLVED

    def raise_if_failed(self) -> GPSolution:
        """Raise unless the problem was solved.

        Returns
        -------
        GPSolution
            The solution itself, so that calls can be chained.

        Raises
        ------
        ConvergenceError
            With the message of the solution, if it was not.
        """
        if not self.converged:
            raise ConvergenceError(self)  # type: ignore[arg-type]
        return self

    @functools.cached_property
    def std(self) -> np.ndarray:
        """Posterior standard deviation of `u` on the grid, of its shape; computed when first asked for."""
        return self.predict(list(self.axes), return_std=True)[1]

    def predict(self, where: Any, deriv: Any = None, return_std: bool = False) -> Any:
        """The solution, or a derivative of it, anywhere in the domain.

        Parameters
        ----------
        where : list of d 1-D arrays, or array_like of shape (n, d)
            A grid, or points; for d = 1 an array of shape (n,) is points too. Beyond the domain the kernel
            extrapolates, and the standard deviation grows. Of a problem on the GPU either place will do.
        deriv : int or tuple of d ints, optional
            Order of the derivative along every axis. Default: the solution itself.
        return_std : bool, default False
            Whether to return the standard deviation too.

        Returns
        -------
        mean : ndarray
            Of the shape of the grid, or (n,).
        std : ndarray
            Of the same shape; only if `return_std` is true.

        Raises
        ------
        ValueError, TypeError
            If `where` or `deriv` does not fit the dimensions, or the kernel has no such derivative.

        Examples
        --------
        >>> import numpy as np, pysolve
        >>> x = np.linspace(0, 1, 100)
        >>> s = pysolve.gp_pde({2: 1.0}, -900 * np.sin(30 * x), x, (0.0, np.sin(30.0)))
        >>> mean, std = s.predict([0.25, 0.5], return_std=True)
        >>> bool(np.allclose(mean, np.sin(30 * np.array([0.25, 0.5])), atol=1e-8))
        True
        """
        orders = self._orders(deriv)
        if isinstance(where, (list, tuple)) and len(where) == len(self.axes) and np.ndim(where[0]) == 1:
            return self._predict_grid(where, orders, return_std)
        points = beside(self._coordinates(where, "where"), self.u)
        points = points[:, None] if points.ndim == 1 and len(self.axes) == 1 else points
        if points.ndim != 2 or points.shape[1] != len(self.axes) or not bool(np.isfinite(points).all()):
            d = len(self.axes)
            raise ValueError(
                f"where must be a list of {d} 1-D arrays or finite points of shape (n, {d}), got {points.shape}"
            )
        matrices = [part.matrix(x, k) for part, x, k in zip(self._features, points.T, orders, strict=True)]
        mean = at_points(self._c, matrices)
        return (mean, np.sqrt(self._posterior.variance_points(matrices))) if return_std else mean

    def _orders(self, deriv: Any) -> tuple[int, ...]:
        d = len(self.axes)
        if deriv is None:
            return (0,) * d
        orders = (deriv,) if isinstance(deriv, (int, np.integer)) and d == 1 else deriv
        if (
            not isinstance(orders, tuple)
            or len(orders) != d
            or not all(isinstance(k, (int, np.integer)) for k in orders)
        ):
            raise ValueError(f"deriv must be a tuple of {d} derivative orders, got {deriv!r}")
        if min(orders) < 0:
            raise ValueError(f"deriv must be at least 0 on every axis, got {deriv!r}")
        return tuple(int(k) for k in orders)

    def _predict_grid(self, where: Sequence[Any], orders: Sequence[int], return_std: bool) -> Any:
        grid = [self._coordinates(x, f"where[{j}]") for j, x in enumerate(where)]
        for j, x in enumerate(grid):
            if x.ndim != 1 or not bool(np.isfinite(x).all()):
                raise ValueError(f"where[{j}] must be a finite 1-D array, got shape {x.shape}")
        matrices = self._matrices(grid, orders)
        mean = chain(matrices, self._c)
        return (mean, np.sqrt(self._posterior.variance_grid(matrices))) if return_std else mean

    def sample(self, n: int = 1, rng: Any = None, where: Any = None) -> np.ndarray:
        """Draws from the posterior on a grid.

        Parameters
        ----------
        n : int, default 1
            How many.
        rng : None, int or numpy.random.Generator
            Source of random numbers.
        where : list of d 1-D arrays, optional
            The grid. Default: that of the problem.

        Returns
        -------
        ndarray, shape (n, ...)
            Functions that fit the data as well as the posterior says.
        """
        if isinstance(n, bool) or not isinstance(n, (int, np.integer)) or n < 0:
            raise ValueError(f"n must be an integer of at least 0, got {n!r}")
        grid = list(self.axes) if where is None else [self._coordinates(x, "where") for x in where]
        matrices = self._matrices(grid, (0,) * len(grid))
        draws = self._posterior.sample(int(n), np.random.default_rng(rng))
        made = [chain(matrices, c) for c in draws]
        return np.stack(made) if made else zeros((0, *(len(x) for x in grid)), np.float64, self.u)

    def _coordinates(self, x: Any, name: str) -> Any:
        """A float64 array where it is; a solution on the host takes none of the device."""
        return real_array(x, name, x if on_device(self.u) else None)

    def _matrices(self, grid: Sequence[Any], orders: Sequence[int]) -> list[Any]:
        """The features of every axis at these points, beside u."""
        parts = zip(self._features, grid, orders, strict=True)
        return [beside(part.matrix(x, k), self.u) for part, x, k in parts]

    def plot(self, path: Any = None, truth: Any = None, figure: Any = None) -> Any:
        """Draw the solution and the band of two standard deviations; needs matplotlib (``pip install pysolve[plot]``).

        Parameters
        ----------
        path : str or path-like, optional
            Where to save a PNG, SVG or PDF; written whole or not at all.
        truth : ndarray, shape of the grid, optional
            Values to draw the error against.
        figure : matplotlib.figure.Figure, optional
            Where to draw; a new one if omitted.

        Returns
        -------
        matplotlib.figure.Figure
            The figure.
        """
        from pysolve._gp_pde_picture import draw

        return draw(self, path, truth, figure)

    def __repr__(self) -> str:
        grid = " x ".join(str(len(x)) for x in self.axes)
        return f"GPSolution({self.status.name}, grid {grid}, relative_residual={self.relative_residual:.3g})"


def at_points(c: np.ndarray, matrices: Sequence[np.ndarray]) -> np.ndarray:
    """sum_r c_r prod_j phi_j,r_j at points: row i of every matrix is an axis's features at point i."""
    value = np.tensordot(matrices[0], c, axes=(1, 0))
    for matrix in matrices[1:]:
        value = np.einsum("ia,ia...->i...", matrix, value)
    return value
