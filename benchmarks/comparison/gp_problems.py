"""Problems beyond the paper, each with its solution: waves, variable coefficients, time, unknown numbers."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import gp_chebyshev
import numpy as np

import pysolve
from pysolve import Neumann, Unknown

K = 64 * np.pi  # of Helmholtz' equation: 32 waves over the unit interval
TEST = 300


@dataclass
class Problem:
    """What to call, the true u, where to compare, and a peer that returns values there."""

    name: str
    points: str
    call: Callable[[], Any]
    u: Callable
    grid: list[np.ndarray]
    peer: Callable[[], np.ndarray] | None = None
    unknowns: dict[str, float] = field(default_factory=dict)

    @property
    def truth(self) -> np.ndarray:
        return self.u(*np.meshgrid(*self.grid, indexing="ij"))


def unit(n: int, high: float = 1.0) -> np.ndarray:
    return np.linspace(0, high, n)


# ---- waves -----------------------------------------------------------------------------------------------------
def helmholtz_line(n: int = 300) -> Problem:
    """Dirichlet on the left and Neumann on the right: half-way between two resonances."""

    def u(x: Any) -> Any:
        return np.sin(K * x) + 0.3 * x * np.cos(50 * x)

    def f(x: Any) -> Any:
        return 0.3 * ((K**2 - 2500) * x * np.cos(50 * x) - 100 * np.sin(50 * x))

    slope = K * np.cos(K) + 0.3 * np.cos(50) - 15 * np.sin(50)
    grid = [unit(TEST)]

    def peer() -> np.ndarray:
        x = gp_chebyshev.points(0, 1, n)
        values = gp_chebyshev.line({2: 1.0, 0: K**2}, f(x), x, [(0, 0, 0.0), (-1, 1, slope)])
        return gp_chebyshev.on_grid(values, [x], grid)

    operator = {(2,): 1.0, (0,): K**2}
    call = lambda: pysolve.gp_pde(operator, f, [unit(n)], [(0.0, Neumann(slope))])  # noqa: E731
    return Problem("Helmholtz, k = 64 pi, Dirichlet and Neumann", str(n), call, u, grid, peer)


def helmholtz_square(n: int = 300) -> Problem:
    """A wave that goes through the square, and a driven part; Dirichlet: 64^2 is no sum of two squares but 64^2 + 0."""

    def u(x: Any, y: Any) -> Any:
        return np.sin(K * (0.6 * x + 0.8 * y)) + np.sin(30 * x) * np.cos(12 * y)

    def f(x: Any, y: Any) -> Any:
        return (K**2 - 1044) * np.sin(30 * x) * np.cos(12 * y)

    grid = [unit(TEST), unit(TEST)]

    def peer() -> np.ndarray:
        x = [gp_chebyshev.points(0, 1, n)] * 2
        return gp_chebyshev.on_grid(gp_chebyshev.box(u, f, x, K**2), x, grid)

    operator = {(2, 0): 1.0, (0, 2): 1.0, (0, 0): K**2}
    sides = [(lambda y: u(0.0, y), lambda y: u(1.0, y)), (lambda x: u(x, 0.0), lambda x: u(x, 1.0))]
    call = lambda: pysolve.gp_pde(operator, f, [unit(n)] * 2, sides)  # noqa: E731
    return Problem("Helmholtz, k = 64 pi, Dirichlet", f"{n} x {n}", call, u, grid, peer)


# ---- variable coefficients -------------------------------------------------------------------------------------
def diffusion_line(n: int = 300) -> Problem:
    """(a u')' = f with a = 1 + sin(10 x) / 2, of two scales."""

    def u(x: Any) -> Any:
        return np.sin(120 * x) + 0.2 * np.sin(7 * x)

    def a(x: Any) -> Any:
        return 1 + 0.5 * np.sin(10 * x)

    def slope(x: Any) -> Any:
        return 5 * np.cos(10 * x)

    def f(x: Any) -> Any:
        second = -14400 * np.sin(120 * x) - 9.8 * np.sin(7 * x)
        return a(x) * second + slope(x) * (120 * np.cos(120 * x) + 1.4 * np.cos(7 * x))

    grid = [unit(TEST)]

    def peer() -> np.ndarray:
        x = gp_chebyshev.points(0, 1, n)
        conditions = [(0, 0, u(0.0)), (-1, 0, u(1.0))]
        return gp_chebyshev.on_grid(gp_chebyshev.line({2: a(x), 1: slope(x)}, f(x), x, conditions), [x], grid)

    call = lambda: pysolve.gp_pde({(2,): a, (1,): slope}, f, [unit(n)], [(u(0.0), u(1.0))])  # noqa: E731
    return Problem("diffusion, a = 1 + sin(10 x)/2", str(n), call, u, grid, peer)


def diffusion_square(n: int = 60) -> Problem:
    """div(a grad u) = f with a = 1 + x y."""

    def u(x: Any, y: Any) -> Any:
        return np.sin(20 * x) * np.sin(13 * y) + 0.1 * np.sin(3 * x + 2 * y)

    def f(x: Any, y: Any) -> Any:
        fast, slow = np.sin(20 * x) * np.sin(13 * y), 0.1 * np.sin(3 * x + 2 * y)
        across = 0.1 * np.cos(3 * x + 2 * y)
        u_x = 20 * np.cos(20 * x) * np.sin(13 * y) + 3 * across
        u_y = 13 * np.sin(20 * x) * np.cos(13 * y) + 2 * across
        return (1 + x * y) * (-569 * fast - 13 * slow) + y * u_x + x * u_y

    def a(x: Any, y: Any) -> Any:
        return 1 + x * y

    operator = {(2, 0): a, (0, 2): a, (1, 0): lambda x, y: y, (0, 1): lambda x, y: x}
    sides = [(lambda y: u(0.0, y), lambda y: u(1.0, y)), (lambda x: u(x, 0.0), lambda x: u(x, 1.0))]
    call = lambda: pysolve.gp_pde(operator, f, [unit(n)] * 2, sides)  # noqa: E731
    return Problem("diffusion, a = 1 + x y", f"{n} x {n}", call, u, [unit(TEST), unit(TEST)])


# ---- time ------------------------------------------------------------------------------------------------------
def sine_gordon(n: int = 48) -> Problem:
    """u_tt - u_xx + sin u = 0: a breather, from u and u_t at the start and u at the sides."""
    omega, high = 0.6, 6.0
    width = np.sqrt(1 - omega**2)

    def u(x: Any, t: Any) -> Any:
        return 4 * np.arctan(width / omega * np.sin(omega * t) / np.cosh(width * x))

    def speed(x: Any) -> Any:
        return 4 * width / np.cosh(width * x)

    x, t = np.linspace(-high, high, n), unit(n, high)
    start = [0.0, Neumann(lambda x: -speed(x))]
    sides = [(lambda t: u(-high, t), lambda t: u(high, t)), (start, None)]
    operator = {(0, 2): 1.0, (2, 0): -1.0}

    def call() -> Any:
        return pysolve.gp_pde(operator, 0.0, [x, t], sides, nonlinear=(np.sin, np.cos))

    grid = [np.linspace(-high, high, 100), unit(100, high)]
    return Problem("sine-Gordon, a breather, all times at once", f"{n} x {n}", call, u, grid)


# ---- inverse problems ------------------------------------------------------------------------------------------
HEATERS, STRENGTHS, WIDTH, KAPPA = (0.2, 0.45, 0.75), (3.0, -1.5, 2.0), 0.08, 0.05


def heat_source(seed: int, n: int = 24, sensors: int = 50) -> Problem:
    """Strengths of three heaters from sensors at random places and times, with 2% noise."""

    def shape(place: float) -> Callable:
        return lambda x, t: np.exp(-(((x - place) / WIDTH) ** 2))

    m, fine = np.arange(1, 120), unit(4001)
    sines = np.sin(np.pi * m[:, None] * fine)
    rates = KAPPA * (np.pi * m) ** 2
    power = sum(q * shape(place)(fine, 0.0) for q, place in zip(STRENGTHS, HEATERS, strict=True))
    amplitudes = 2 * np.trapezoid(sines * power, fine, axis=1) / rates

    def u(x: Any, t: Any) -> Any:
        """A sum of sines, each of which grows to its amplitude at its own rate."""
        x, t = np.asarray(x)[..., None], np.asarray(t)[..., None]
        return ((1 - np.exp(-rates * t)) * np.sin(np.pi * m * x)) @ amplitudes

    rng = np.random.default_rng(seed)
    places = rng.uniform(0, 1, (sensors, 2))
    exact = u(*places.T)
    sd = 0.02 * np.abs(exact).max()
    data = (places, exact + sd * rng.standard_normal(sensors), sd)
    names = [f"heater {j + 1}" for j in range(len(HEATERS))]
    source = [Unknown(name, shape=shape(place)) for name, place in zip(names, HEATERS, strict=True)]
    operator = {(0, 1): 1.0, (2, 0): -KAPPA}

    def call() -> Any:
        return pysolve.gp_pde(operator, source, [unit(n), unit(n)], [(0.0, 0.0), (0.0, None)], data=data)

    known = dict(zip(names, STRENGTHS, strict=True))
    grid = [unit(60), unit(60)]
    return Problem(
        "heat equation, three heaters", f"{n} x {n}, {sensors} sensors", call, u, grid, None, known
    )


def darcy(seed: int, n: int = 60, wells: int = 30) -> Problem:
    """-(a u')' = 1 with a = base + slope x, from u at some wells, with 1% noise."""
    base, slope = 1.0, 2.0

    def first(x: Any) -> Any:
        """Integral of 1/a, but for a constant."""
        return np.log(base + slope * x) / slope

    def second(x: Any) -> Any:
        """Integral of x/a, but for a constant."""
        return x / slope - base / slope**2 * np.log(base + slope * x)

    flux = (second(1.0) - second(0.0)) / (first(1.0) - first(0.0))

    def u(x: Any) -> Any:
        return flux * (first(x) - first(0.0)) - (second(x) - second(0.0))

    rng = np.random.default_rng(seed)
    places = np.sort(rng.uniform(0, 1, wells))
    sd = 0.01 * u(unit(TEST)).max()
    data = (places, u(places) + sd * rng.standard_normal(wells), sd)
    varying = [Unknown("base"), Unknown("slope", shape=lambda x: x)]
    operator = {(2,): varying, (1,): [Unknown("slope")]}

    def call() -> Any:
        return pysolve.gp_pde(operator, -1.0, [unit(n)], [(0.0, 0.0)], data=data)

    known = {"base": base, "slope": slope}
    return Problem("Darcy, a = base + slope x", f"{n}, {wells} wells", call, u, [unit(TEST)], None, known)
