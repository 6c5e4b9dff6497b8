"""Gaussian-process regression on a grid, cells of which may be missing."""

from __future__ import annotations

import dataclasses
import functools
import math
from typing import Any

import numpy as np

from pysolve._arrays import largest_magnitude
from pysolve._backend import on_device, same_device
from pysolve._gallery_arguments import check_count, check_number, generator
from pysolve._grid_gp_arguments import (
    checked_axes,
    checked_model,
    checked_values,
    checked_where,
    in_units,
    is_auto,
    mean_of,
)
from pysolve._grid_gp_covariance import Grid, Places
from pysolve._grid_gp_evidence import Model, searched
from pysolve._grid_gp_solvers import solver_for
from pysolve._spectral_mixture import SpectralMixture


def grid_gp(
    axes: Any,
    values: Any,
    *,
    kernel: Any = "matern52",
    noise: Any = "auto",
    length_scales: Any = "auto",
    amplitude: Any = "auto",
    mean: Any = "auto",
    rtol: float = 1e-8,
    maxiter: int = 1000,
    rng: Any = 0,
) -> GridGP:
    r"""Gaussian-process regression on a grid in any number of dimensions; cells may be missing.

    .. math::
        y = m + u + \varepsilon, \qquad u \sim N(0,\; a^2 K_1 \otimes \dots \otimes K_d), \qquad
        \varepsilon \sim N(0, \sigma^2 I)

    Parameters
    ----------
    axes : sequence of array_like
        d rising coordinates.
    values : array_like of shape (N_1, ..., N_d)
        NaN where there is none. Of an array on the GPU all that is of its size stays there: the axes, which may be on
        either side, are copied to the host, where the matrices of single axes are made.
    kernel : {"matern52", "se"}, SpectralMixture, or a sequence of them
        The covariance, one for all axes or one for each. ``"se"`` is :math:`e^{-d^2 / 2 \ell^2}`. A `SpectralMixture`
        is taken as it is.
    noise : float or "auto"
        Standard deviation :math:`\sigma`. At least a variance of 1e-10 of the prior's is used.
    length_scales : float, sequence of d floats, or "auto"
        :math:`\ell_j`, for kernels given by name.
    amplitude : float or "auto"
        a, the standard deviation of u where the kernels have variance 1.
    mean : float or "auto"
        m; the mean of the values if ``"auto"``.
    rtol : float, default 1e-8
        Where conjugate gradients are needed, they end at this part of the norm of the right side.
    maxiter : int, default 1000
        Their most steps.
    rng : None, int or numpy.random.Generator, default 0
        For the determinant, where it is estimated.

    Returns
    -------
    GridGP
        With ``predict`` and ``log_evidence``.

    Raises
    ------
    ValueError, TypeError
        For a wrong argument: it is named.

    Notes
    -----
    What is ``"auto"`` maximises the evidence. A full grid costs the eigenvectors of each :math:`K_j` [1]_; up to 512
    missing cells a Schur complement more. Up to 2048 observed cells there is a Cholesky factor. Beyond both the values
    are fitted by conjugate gradients with the largest eigenvalues as preconditioner, each standard deviation costs a
    solve, and the evidence is an estimate by Lanczos quadrature [2]_.

    References
    ----------
    .. [1] Y. Saatçi, *Scalable Inference for Structured Gaussian Process Models*, PhD thesis, Cambridge, 2011.
    .. [2] S. Ubaru, J. Chen and Y. Saad, "Fast estimation of tr(f(A)) via stochastic Lanczos quadrature", *SIAM
       Journal on Matrix Analysis and Applications* 38, 1075-1099, 2017.

    Examples
    --------
    >>> import numpy as np, pysolve
    >>> x, y = np.linspace(0, 1, 30), np.linspace(0, 2, 40)
    >>> truth = np.sin(5 * x)[:, None] * np.cos(3 * y)
    >>> values = truth + 0.1 * np.random.default_rng(0).standard_normal(truth.shape)
    >>> values[10:15, 20:30] = np.nan  # a hole
    >>> gp = pysolve.grid_gp([x, y], values, kernel="se")
    >>> bool(0.09 < gp.noise < 0.11)
    True
    >>> mean, std = gp.predict([x[12:13], y[24:26]], return_std=True)  # inside the hole
    >>> bool(np.all(abs(mean - truth[12:13, 24:26]) < 3 * std))
    True
    """
    given = {f"axes[{j}]": x for j, x in enumerate(axes) if on_device(x)}
    same_device(values=values, **given)
    coordinates = checked_axes(axes, on_device(values))
    y = checked_values(values, tuple(x.size for x in coordinates))
    known = ~np.isnan(y.ravel())
    grid = Grid(coordinates, np.flatnonzero(known), np.flatnonzero(~known))
    model = checked_model(kernel, length_scales, amplitude, noise, len(coordinates))
    rtol = check_number(rtol, "rtol", "in (0, 1)", lambda number: 0 < number < 1)
    maxiter = check_count(maxiter, "maxiter", 1)
    generator(rng)
    seed = rng if isinstance(rng, int) or rng is None else int(generator(rng).integers(2**63))
    data = y.ravel()[known]
    if not data.size and (model.free() or is_auto(mean)):
        raise ValueError("values must have a number where something is 'auto', but all are NaN")
    m = mean_of(data) if is_auto(mean) else check_number(mean, "mean", "finite", math.isfinite)
    unit = model.amplitude or largest_magnitude(data - m) or 1.0
    model, y = in_units(model, data, m, unit)
    model = searched(model, grid, y, rtol, maxiter, seed)
    covariance = model.covariance(grid)
    solver = solver_for(covariance, rtol, maxiter, seed)
    return GridGP(grid, model, m, unit, y, solver, solver.solve(y))


@dataclasses.dataclass(frozen=True, eq=False, repr=False)
class GridGP:
    """What `grid_gp` returns: the posterior of u, on the GPU where the values are.

    Examples
    --------
    >>> import numpy as np, pysolve
    >>> x = np.linspace(0, 1, 20)
    >>> gp = pysolve.grid_gp([x], np.sin(6 * x), kernel="se", noise=1e-3)
    >>> bool(abs(gp.predict([[0.51]])[0] - np.sin(6 * 0.51)) < 1e-2)
    True
    """

    _grid: Grid
    _model: Model
    mean: float
    _unit: float  # of what follows
    _y: np.ndarray
    _solver: Any
    _x: np.ndarray

    @property
    def kernels(self) -> tuple[SpectralMixture, ...]:
        """The covariance of each axis, without the amplitude."""
        return self._solver.covariance.kernels

    @property
    def length_scales(self) -> tuple[float | None, ...]:
        """Of each axis; None where the kernel was given as a `SpectralMixture`."""
        return tuple(self._model.length_scales)

    @property
    def amplitude(self) -> float:
        """Standard deviation of u under the prior, where the kernels have variance 1."""
        return float(self._unit * self._solver.covariance.amplitude)

    @property
    def noise(self) -> float:
        """Standard deviation of the noise that was used."""
        return self._unit * math.sqrt(self._solver.covariance.s2)

    @property
    def converged(self) -> bool:
        """Whether every solve so far reached its tolerance."""
        return bool(self._solver.converged)

    @property
    def iterations(self) -> int:
        """Most steps of conjugate gradients that a solve has taken; 0 where none were needed."""
        return int(self._solver.iterations)

    @functools.cached_property
    def log_evidence(self) -> float:
        """Logarithm of the probability density of the values; an estimate where conjugate gradients are used."""
        constant = self._y.size * (math.log(2 * math.pi) + 2 * math.log(self._unit))
        return -0.5 * (float(self._y @ self._x) + self._solver.log_determinant() + constant)

    def predict(self, where: Any = None, return_std: bool = False) -> Any:
        """The posterior mean of u + m, and its standard deviation.

        Parameters
        ----------
        where : list of d array_like, or ndarray of shape (n, d), optional
            A list is the axes of a grid, an array is points. The grid of the data if omitted.
        return_std : bool, default False
            Whether to return the standard deviation too, that of u alone, without the noise of a measurement.

        Returns
        -------
        mean : ndarray
            Of the shape of the grid, or (n,).
        std : ndarray
            Only if asked for.

        Raises
        ------
        ValueError, TypeError
            If `where` has another number of dimensions, or is not finite.
        """
        axes = self._grid.axes if where is None else where
        where, is_grid = checked_where(axes, len(self._grid.shape), on_device(self._x))
        covariance = self._solver.covariance
        places = Places(where, covariance, is_grid)
        u = places.apply(places.rows, self._grid.whole(self._x))
        mean = self.mean + self._unit * covariance.amplitude**2 * u
        if not return_std:
            return mean.reshape(places.shape)
        variance = np.maximum(covariance.variance - self._solver.explained(places), 0.0)
        return mean.reshape(places.shape), (self._unit * np.sqrt(variance)).reshape(places.shape)

    def __repr__(self) -> str:
        shape = " x ".join(map(str, self._grid.shape))
        missing = f", {self._grid.missing.size} missing" if self._grid.missing.size else ""
        return f"GridGP({shape}{missing}, amplitude={self.amplitude:.4g}, noise={self.noise:.4g})"
