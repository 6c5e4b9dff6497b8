"""Where a spectral method fails: a noisy right side, and equations at a few scattered points."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import gp_chebyshev
import numpy as np
from gp_runs import cpu, relative, spread, within
from report import Bar, Section, at_most
from timing import say

import pysolve
from pysolve import gallery

SEEDS = 20
NOISE = 0.01  # of the largest |f|
NOISE_REACH, SCATTER_REACH = 0.1, 5e-4
N_SCATTERED = 60
COVERED, MOST_COVERED = 0.90, 0.99
HEADER = ["method", "error", "CPU s", "truth within 2 sd", "says"]


def noise_section(quick: bool) -> Section:
    """P1 with 1% noise in f."""
    case = gallery.pde_case("P1")
    sd = NOISE * 1e4
    made = Section(f"P1 with {NOISE:.0%} noise in f, {seeds(quick)} seeds", HEADER)

    def noisy(x: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        return case.f(x) + sd * rng.standard_normal(len(x))

    def own(rng: np.random.Generator) -> Any:
        return pysolve.gp_pde(case.operator, noisy(case.axes[0], rng), case.axes, case.boundary, noise=sd)

    def spectral(rng: np.random.Generator) -> np.ndarray:
        x = gp_chebyshev.points(*case.axes[0][[0, -1]], len(case.axes[0]))
        conditions = [(0, 0, case.boundary[0][0]), (-1, 0, case.boundary[0][1])]
        values = gp_chebyshev.line({2: 1.0}, noisy(x, rng), x, conditions)
        return gp_chebyshev.on_grid(values, [x], case.test_grid)

    truth = case.u(*case.test_grid)
    errors, shares = add(made, "gp_pde", own, case.test_grid, truth, quick)
    add(made, "Chebyshev collocation, 400 points", spectral, case.test_grid, truth, quick)
    made.bars = figures("P1 with 1% noise", NOISE_REACH, errors, shares, MOST_COVERED)
    made.notes.append("noise: normal, independent from point to point, its standard deviation told to gp_pde")
    return made


def scattered_section(quick: bool) -> Section:
    """The equation of P1 at random points alone, fewer than periods."""
    case = gallery.pde_case("P1")
    low, high = case.axes[0][[0, -1]]
    title = f"sin 100x on [0, 2 pi]: 100 periods, the equation at {N_SCATTERED} random points, {seeds(quick)} seeds"
    made = Section(title, HEADER)

    def places(rng: np.random.Generator) -> np.ndarray:
        return np.sort([low, high, *rng.uniform(low, high, N_SCATTERED - 2)])

    def own(rng: np.random.Generator) -> Any:
        return pysolve.gp_pde(case.operator, case.f, [places(rng)], case.boundary)

    def polynomial(rng: np.random.Generator) -> np.ndarray:
        return least_squares(places(rng), case, case.test_grid[0])

    truth = case.u(*case.test_grid)
    errors, shares = add(made, "gp_pde", own, case.test_grid, truth, quick)
    add(made, "polynomial of as many coefficients", polynomial, case.test_grid, truth, quick)
    made.bars = figures(f"{N_SCATTERED} scattered points, 100 periods", SCATTER_REACH, errors, shares)
    made.notes.append(
        "no grid: the points are drawn evenly over the domain, the ends among them; without noise the standard "
        "deviation is the prior's, and may hold the truth everywhere"
    )
    return made


def least_squares(x: np.ndarray, case: gallery.PDECase, where: np.ndarray) -> np.ndarray:
    """u'' = f at the points by a sum of as many Chebyshev polynomials as there are equations and conditions."""
    domain, n = [x[0], x[-1]], len(x) + 2
    basis = [np.polynomial.Chebyshev.basis(k, domain) for k in range(n)]
    A = np.column_stack([part.deriv(2)(x) for part in basis])
    ends = np.column_stack([part(x[[0, -1]]) for part in basis])
    scale = np.abs(A).max()
    right = np.concatenate([case.f(x) / scale, case.boundary[0]])
    c = np.linalg.lstsq(np.vstack([A / scale, ends]), right, rcond=1e-14)[0]
    return np.polynomial.Chebyshev(c, domain)(where)


def seeds(quick: bool) -> int:
    return 2 if quick else SEEDS


def add(
    made: Section, name: str, run: Callable, grid: tuple[np.ndarray, ...], truth: np.ndarray, quick: bool
) -> tuple[list[float], list[float]]:
    """A row over all seeds: errors, and shares within two standard deviations."""
    errors, shares, taken, said = [], [], [], set()
    say(f"{name}: {seeds(quick)} seeds")
    for seed in range(seeds(quick)):
        rng = np.random.default_rng(seed)
        done = cpu(lambda rng=rng: run(rng))
        taken.append(done.seconds)
        if isinstance(done.result, np.ndarray):
            errors.append(relative(done.result, truth))
            continue
        mean, std = done.result.predict(list(grid), return_std=True)
        errors.append(relative(mean, truth))
        shares.append(within(mean, std, truth))
        said.add(done.result.status.name.lower())
    covered = spread(shares, ".2f") if shares else "-"
    made.rows.append(
        [name, spread(errors), f"{np.median(taken):.3f}", covered, ", ".join(sorted(said)) or "-"]
    )
    return errors, shares


def figures(
    what: str, reach: float, errors: list[float], shares: list[float], most: float = 1.0
) -> list[Bar]:
    """Median error, and the share of all points of all seeds within two standard deviations."""
    covered = float(np.mean(shares))
    return [
        at_most(f"{what}: median error", reach, float(np.median(errors)), ""),
        Bar(
            f"{what}: truth within 2 sd",
            f"{COVERED:.0%} to {most:.0%}",
            f"{covered:.1%}",
            COVERED <= covered <= most,
        ),
    ]
