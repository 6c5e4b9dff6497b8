"""Partial differential equations of known solution: high frequencies, several scales, one and two dimensions."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from pysolve._gallery_arguments import check_count

TEST_POINTS = 300  # of an axis
SPEED = 200.0  # of ADV
TWO_PI = 2 * np.pi


@dataclasses.dataclass(frozen=True, eq=False, repr=False)
class PDECase:
    """A problem for `gp_pde` with its solution.

    Attributes
    ----------
    name : str
        Such as ``"P1"``.
    title : str
        The equation and its solution.
    operator : dict
        Orders of the derivatives to coefficients.
    f : callable
        Right side, a function of the coordinates.
    axes : tuple of ndarray
        The points.
    boundary : tuple
        A pair (low, high) for every axis.
    nonlinear : None or (callable, callable)
        The nonlinear term and its derivative.
    u : callable
        The solution, a function of the coordinates.
    test_grid : tuple of ndarray
        300 evenly spaced points of every axis, where the error is measured.
    """

    name: str
    title: str
    operator: dict[tuple[int, ...], float]
    f: Callable[..., Any]
    axes: tuple[np.ndarray, ...]
    boundary: tuple[Any, ...]
    nonlinear: tuple[Callable, Callable] | None
    u: Callable[..., Any]
    test_grid: tuple[np.ndarray, ...]

    @property
    def arguments(self) -> dict[str, Any]:
        """What `gp_pde` is called with: ``pysolve.gp_pde(**case.arguments)``."""
        names = ("operator", "f", "axes", "boundary", "nonlinear")
        return {name: getattr(self, name) for name in names}

    def error(self, solution: Any) -> float:
        """2-norm of the error over that of the solution, on the test grid.

        Parameters
        ----------
        solution : GPSolution or array_like
            A solution, or its values on the test grid.

        Returns
        -------
        float
            0 for the exact solution.
        """
        grid = list(self.test_grid)
        values = solution.predict(grid) if hasattr(solution, "predict") else np.asarray(solution)
        exact = self.u(*np.meshgrid(*grid, indexing="ij"))
        if values.shape != exact.shape:
            raise ValueError(f"solution must have the test grid's shape {exact.shape}, got {values.shape}")
        return float(np.linalg.norm(values - exact) / np.linalg.norm(exact))

    def __repr__(self) -> str:
        grid = " x ".join(str(len(x)) for x in self.axes)
        return f"PDECase({self.name!r}: {self.title}; grid {grid})"

    def __reduce__(self) -> tuple[Any, ...]:
        return pde_case, (
            self.name,
            len(self.axes[0]),
        )  # functions of the table have no names to be pickled by


@dataclasses.dataclass(frozen=True)
class _Row:
    """A line of the table: u and left(x...), the operator's linear part of u, in closed form."""

    title: str
    u: Callable[..., Any]
    left: Callable[..., Any]
    high: float  # the domain is [0, high] on every axis
    n: int
    d: int = 1
    allen_cahn: bool = False


def _allen_cahn(u: Any) -> Any:
    return u * (u**2 - 1)


def _allen_cahn_slope(u: Any) -> Any:
    return 3 * u**2 - 1


def _line(x: Any) -> Any:
    """A line of P7: sin 6x cos 20x."""
    return np.sin(6 * x) * np.cos(20 * x)


def _line_2(x: Any) -> Any:
    return -436 * _line(x) - 240 * np.cos(6 * x) * np.sin(20 * x)


def _scales(x: Any) -> Any:
    """A factor of A2D: sin x + 0.1 sin 20x + cos 100x."""
    return np.sin(x) + 0.1 * np.sin(20 * x) + np.cos(100 * x)


def _scales_2(x: Any) -> Any:
    return -np.sin(x) - 40 * np.sin(20 * x) - 1e4 * np.cos(100 * x)


_SINE = (lambda x: np.sin(100 * x), lambda x: -1e4 * np.sin(100 * x), TWO_PI, 400)
_BEATS = (
    lambda x: np.sin(6 * x) * np.cos(100 * x),
    lambda x: -10036 * np.sin(6 * x) * np.cos(100 * x) - 1200 * np.cos(6 * x) * np.sin(100 * x),
    TWO_PI,
    400,
)
_TABLE: Mapping[str, _Row] = {
    "P1": _Row("u'' = f, u = sin 100x", *_SINE),
    "P2": _Row(
        "u'' = f, u = sin x + 0.1 sin 20x + 0.05 sin 100x",
        lambda x: np.sin(x) + 0.1 * np.sin(20 * x) + 0.05 * np.sin(100 * x),
        lambda x: -np.sin(x) - 40 * np.sin(20 * x) - 500 * np.sin(100 * x),
        1.0,
        900,
    ),
    "P3": _Row("u'' = f, u = sin 6x cos 100x", *_BEATS),
    "P4": _Row(
        "u'' = f, u = x sin 200x",
        lambda x: x * np.sin(200 * x),
        lambda x: 400 * np.cos(200 * x) - 4e4 * x * np.sin(200 * x),
        TWO_PI,
        900,
    ),
    "P5": _Row(
        "u'' = f, u = sin 500x - 2 (x - 0.5)^2",
        lambda x: np.sin(500 * x) - 2 * (x - 0.5) ** 2,
        lambda x: -25e4 * np.sin(500 * x) - 4,
        1.0,
        400,
    ),
    "A1": _Row("u'' + u (u^2 - 1) = f, u = sin 100x", *_SINE, allen_cahn=True),
    "A3": _Row("u'' + u (u^2 - 1) = f, u = sin 6x cos 100x", *_BEATS, allen_cahn=True),
    "P6": _Row(
        "lap u = f, u = sin 100x sin 100y",
        lambda x, y: np.sin(100 * x) * np.sin(100 * y),
        lambda x, y: -2e4 * np.sin(100 * x) * np.sin(100 * y),
        TWO_PI,
        400,
        2,
    ),
    "P7": _Row(
        "lap u = f, u = sin 6x cos 20x + sin 6y cos 20y",
        lambda x, y: _line(x) + _line(y),
        lambda x, y: _line_2(x) + _line_2(y),
        TWO_PI,
        200,
        2,
    ),
    "A2D": _Row(
        "lap u + u (u^2 - 1) = f, u = (sin x + 0.1 sin 20x + cos 100x) (the same in y)",
        lambda x, y: _scales(x) * _scales(y),
        lambda x, y: _scales_2(x) * _scales(y) + _scales(x) * _scales_2(y),
        1.0,
        400,
        2,
        allen_cahn=True,
    ),
    "ADV": _Row(
        "u_t + 200 u_x = 0, u = sin(x - 200 t)",
        lambda x, t: np.sin(x - SPEED * t),
        lambda x, t: np.zeros_like(x + t),
        1.0,
        200,
        2,
    ),
}


def pde_case(name: str, n: int | None = None) -> PDECase:
    """A partial differential equation of high frequency or several scales, with its solution.

    P1 to P7 are Poisson's equation, A1, A3 and A2D a steady Allen-Cahn equation, and ADV is advection from given values
    at t = 0 and x = 0; P6, P7 and A2D have two dimensions, ADV one and the time. All others have Dirichlet's values on
    all sides. They are the cases of [1]_.

    Parameters
    ----------
    name : {"P1", "P2", "P3", "P4", "P5", "A1", "A3", "P6", "P7", "A2D", "ADV"}
        Which.
    n : int, optional
        Points of every axis, at least 2. Default: those of the paper, 200 to 900.

    Returns
    -------
    PDECase
        The arguments of `gp_pde`, the solution, and a measure of the error.

    References
    ----------
    .. [1] S. Fang, M. Cooley, D. Long, S. Li, R. M. Kirby, S. Zhe, "Solving high frequency and multi-scale PDEs with
           Gaussian processes", ICLR 2024, arXiv:2311.04465.

    Examples
    --------
    >>> import pysolve
    >>> case = pysolve.gallery.pde_case("P1")
    >>> case.title
    "u'' = f, u = sin 100x"
    >>> case.error(pysolve.gp_pde(**case.arguments)) < 1e-8
    True
    """
    if not isinstance(name, str) or name not in _TABLE:
        raise ValueError(f"name must be one of {', '.join(_TABLE)}, got {name!r}")
    row = _TABLE[name]
    n = row.n if n is None else check_count(n, "n", 2)
    u, left = row.u, row.left

    def right(*x: Any) -> Any:
        return left(*x) + (_allen_cahn(u(*x)) if row.allen_cahn else 0.0)

    return PDECase(
        name=name,
        title=row.title,
        operator=_operator(name, row.d),
        f=right,
        axes=tuple(np.linspace(0, row.high, n) for _ in range(row.d)),
        boundary=_boundary(name, row),
        nonlinear=(_allen_cahn, _allen_cahn_slope) if row.allen_cahn else None,
        u=u,
        test_grid=tuple(np.linspace(0, row.high, TEST_POINTS) for _ in range(row.d)),
    )


def _operator(name: str, d: int) -> dict[tuple[int, ...], float]:
    if name == "ADV":
        return {(1, 0): SPEED, (0, 1): 1.0}
    return {(2,): 1.0} if d == 1 else {(2, 0): 1.0, (0, 2): 1.0}


def _boundary(name: str, row: _Row) -> tuple[Any, ...]:
    """The solution on all sides; of ADV, where the waves come in and at the start."""
    u, high = row.u, row.high
    if row.d == 1:
        return ((float(u(0.0)), float(u(high))),)
    x_sides, y_sides = (
        (lambda y: u(0.0, y), lambda y: u(high, y)),
        (lambda x: u(x, 0.0), lambda x: u(x, high)),
    )
    if name == "ADV":
        return ((x_sides[0], None), (y_sides[0], None))
    return (x_sides, y_sides)
