"""The heat equation with a conductivity that changes: every time step asks for one solve with another matrix."""

import math
from collections.abc import Callable
from typing import Any

import numpy as np
from scipy.sparse import csr_array

from pysolve._gallery_arguments import check_count, check_finite, check_number, check_positive
from pysolve._stencil import StencilOperator

RADIUS, SOURCE_RADIUS = 0.25, 0.125  # of the first temperature's bump, and of the source's


class HeatEquation:
    r"""The heat equation on the unit square with a conductivity that changes in time; each step asks for one solve.

    .. math:: u_t = \kappa(t) \Delta u + f, \quad \kappa(t) = \max(0.1 \sin 2 \pi t, -10 \sin 2 \pi t)

    with u = 0 on the boundary, a bump in the middle as first temperature, and a source that circles around it.
    Five-point differences on (nx - 1)^2 inner points and the Crank-Nicolson scheme, with the conductivity and the
    source of the middle of the step, and :math:`a = \kappa \, \Delta t / (2 h^2)`, :math:`h = 1 / nx`:

    .. math:: (I + a K) u^{n+1} = (I - a K) u^n + \Delta t f, \quad K = \text{the matrix of } -h^2 \Delta_h

    The best relaxation parameter of SSOR changes with `kappa`, over two decades in half a unit of time.

    Parameters
    ----------
    nx : int, default 100
        Intervals along a side, at least 2.
    dt : float, default 1e-3
        Time of a step. The scheme is stable for any.
    format : {"csr", "stencil"}, default "csr"
        What `advance` returns as A: a csr_array with int32 indices, or a `StencilOperator`.
    kappa : callable, optional
        The conductivity at a time, a finite number that is at least 0; the formula above if omitted.
    u0 : ndarray of shape ((nx - 1)**2,), optional
        The first temperature, row by row; the bump if omitted.
    strength : float, default 32
        Of the source; 0 turns it off.

    Attributes
    ----------
    u : ndarray of shape ((nx - 1)**2,)
        The temperature in the inner points, row by row.
    n_steps : int
        Steps accepted.
    domain : tuple of float or None
        The range of the conductivity, (0, 10): that of the context. None for a `kappa` of your own.

    Notes
    -----
    With ``format="csr"`` all steps share one matrix: `advance` writes new values into ``A.data``, and nothing else
    changes. Copy it to keep it. A `StencilOperator` is a new object at each step.

    References
    ----------
    .. [1] M. Khodak, E. Chow, M.-F. Balcan, A. Talwalkar, "Learning to relax: setting solver parameters across a
           sequence of linear system instances", ICLR 2024, arXiv:2310.02246.

    Examples
    --------
    >>> import pysolve
    >>> heat = pysolve.gallery.HeatEquation(nx=50)
    >>> for _ in range(20):
    ...     A, b, x0, kappa = heat.advance()
    ...     x, info = pysolve.cg(A, b, x0, rtol=1e-8)
    ...     heat.accept(x)
    >>> round(heat.time, 3), round(kappa, 4), bool(0 < heat.u.max() < 1)
    (0.02, 0.0122, True)
    """

    def __init__(
        self,
        nx: int = 100,
        *,
        dt: float = 1e-3,
        format: str = "csr",
        kappa: Callable[[float], float] | None = None,
        u0: Any = None,
        strength: float = 32.0,
    ) -> None:
        self.nx = check_count(nx, "nx", 2)
        self.dt = check_positive(dt, "dt")
        if format not in ("csr", "stencil"):
            raise ValueError(f"format must be 'csr' or 'stencil', got {format!r}")
        if kappa is not None and not callable(kappa):
            raise TypeError(f"kappa must be a callable or None, got {kappa!r}")
        self.format, self._kappa, self.strength = format, kappa, check_finite(strength, "strength")
        self.domain = (0.0, 10.0) if kappa is None else None
        self._side = self.nx - 1
        self._points = np.arange(1, self.nx) / self.nx
        self.u = self._first_temperature() if u0 is None else self._checked(u0, "u0")
        self.n_steps, self._is_open = 0, False
        self._laplacian = StencilOperator((self._side, self._side), (1.0, 1.0))
        self._matrix = RowPattern(self._laplacian) if format == "csr" else None

    @property
    def time(self) -> float:
        """float: of the temperature `u`."""
        return self.n_steps * self.dt

    def kappa(self, time: float) -> float:
        """The conductivity at a time.

        Parameters
        ----------
        time : float

        Returns
        -------
        float
        """
        if self._kappa is None:
            wave = math.sin(2 * math.pi * time)
            return max(0.1 * wave, -10.0 * wave)
        value = self._kappa(time)
        return check_number(value, f"kappa({time})", "finite and at least 0", lambda k: 0 <= k < math.inf)

    def advance(self) -> tuple[Any, np.ndarray, np.ndarray, float]:
        """The system of the next step; called again before `accept`, it returns the same one.

        Returns
        -------
        A : csr_array or StencilOperator
            Positive definite, of shape (n, n) with ``n = (nx - 1)**2``.
        b : ndarray of shape (n,)
            The right-hand side.
        x0 : ndarray of shape (n,)
            A start for the solve: the temperature as it is.
        context : float
            The conductivity of this step, on which the matrix depends.
        """
        middle = (self.n_steps + 0.5) * self.dt
        kappa = self.kappa(middle)
        a = kappa * self.dt * self.nx**2 / 2
        b = self._laplacian @ self.u
        b *= -a
        b += self.u
        self._add_source(b, middle)
        self._is_open = True
        if self._matrix is not None:
            return self._matrix.shifted(a), b, self.u, kappa
        A = StencilOperator(self._laplacian.grid_shape, (a, a), shift=1.0)
        return A, b, self.u, kappa

    def accept(self, x: Any) -> None:
        """Take the solution of the system that `advance` gave, and be one step further.

        Parameters
        ----------
        x : array_like of shape (n,)
            The solution, which is copied.
        """
        if not self._is_open:
            raise ValueError("there is no step to accept x for: call advance first")
        self.u = self._checked(x, "x")
        self.n_steps += 1
        self._is_open = False

    def _checked(self, values: Any, name: str) -> np.ndarray:
        u = np.array(values, dtype=float)
        if u.shape != (self._side**2,):
            raise ValueError(f"{name} must have shape ({self._side**2},), got {u.shape}")
        return u

    def _first_temperature(self) -> np.ndarray:
        x = (self._points - 0.5) ** 2
        return bump((x[:, None] + x) / RADIUS**2).ravel()

    def _add_source(self, b: np.ndarray, time: float) -> None:
        """b + dt f, in the window of the grid that the source reaches."""
        if self.strength == 0:
            return
        angle = 16 * math.pi * time
        centres = 0.5 + math.cos(angle) / 4, 0.5 + math.sin(angle) / 4
        windows = [
            slice(max(0, math.ceil((c - SOURCE_RADIUS) * self.nx) - 1), int((c + SOURCE_RADIUS) * self.nx))
            for c in centres
        ]
        squares = [(self._points[window] - c) ** 2 for window, c in zip(windows, centres, strict=True)]
        f = bump((squares[0][:, None] + squares[1]) / SOURCE_RADIUS**2)
        f *= self.strength * self.dt
        b.reshape(self._side, self._side)[tuple(windows)] += f


def bump(s: np.ndarray) -> np.ndarray:
    """exp(1 - 1/(1 - s)) where s < 1, else 0: smooth, 1 at s = 0."""
    inside = 1 - s
    near = inside > 1e-3  # below that it is 0 in double precision
    return np.where(near, np.exp(1 - 1 / np.where(near, inside, 1.0)), 0.0)


class RowPattern:
    """I + a K as one csr_array, rewritten for each a.

    All grid rows between the first and the last one have the same values: they are worked out for three rows and
    written with one pass over ``data``.
    """

    def __init__(self, laplacian: StencilOperator) -> None:
        side, self.laplacian = laplacian.grid_shape[0], laplacian
        self.A: csr_array = laplacian.tocsr()
        data, indptr = self.A.data, self.A.indptr
        identity = (self.A.indices == np.repeat(np.arange(side * side), np.diff(indptr))).astype(float)
        if side < 3:
            self.parts = [(data, data.copy(), identity)]
            return
        first, second, last = (int(indptr[row * side]) for row in (1, 2, side - 1))
        targets = data[:first], data[first:last].reshape(side - 2, -1), data[last:]
        rows = slice(0, first), slice(first, second), slice(last, None)
        self.parts = [(t, data[row].copy(), identity[row]) for t, row in zip(targets, rows, strict=True)]

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.laplacian,)  # what is copied part by part would no longer be one matrix

    def shifted(self, a: float) -> csr_array:
        """I + a K."""
        for target, laplacian, identity in self.parts:
            target[...] = a * laplacian + identity
        return self.A
