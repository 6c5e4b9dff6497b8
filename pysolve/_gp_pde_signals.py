"""What the data of a problem tell of each axis: its frequencies, and how fast amplitudes change along it.

The lines of f and of the sides are combined where they are; to the host come at most `FIBRES` combinations of them for
each axis, and in one dimension the measurements.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Any

import numpy as np

from pysolve._backend import beside, on_host
from pysolve._gp_pde_frequencies import FEWEST, find_frequencies
from pysolve._gp_pde_problem import Problem

SPREAD = 4.0  # rho times the length of the axis: how fast the amplitude of a frequency may change along it
LIGHTER = 2.0  # tried first where every feature costs: in two and three dimensions
LIGHTEST = 1.0  # taken where few points leave room for few features, next to polynomials
FEW_POINTS = 24  # of an axis
EXPLAINED = 1e-10  # remainder, relative to the signals, that a spread may leave
FIBRES = 16  # combinations of an axis's columns of f that its frequencies are looked for in

Signals = list[tuple[np.ndarray, np.ndarray]]  # points, and one column for each signal on them


def frequencies_from(
    problem: Problem, refine: bool = False
) -> tuple[tuple[tuple[float, ...], ...], tuple[float, ...]]:
    """Frequencies and a spread for every axis: from f, the values at the sides, the measurements, and the operator."""
    ends = [0.5 / (x[-1] - x[0]) for x in problem.axes]
    found, spreads = [], []
    # beside measurements and unknown numbers, f and the sides show only a part of what u has to follow
    whole = problem.data is None and not problem.unknowns
    tried = (LIGHTER, SPREAD) if len(ends) > 1 and whole else (SPREAD,)
    for axis, end in enumerate(ends):
        few = len(tried) > 1 and len(problem.axes[axis]) < FEW_POINTS
        lines, spread = _lines(signals_of(problem, axis), (LIGHTER, LIGHTEST) if few else tried, refine)
        found.append(_merged(lines, end))
        spreads.append(spread)
    free = [free_frequencies(problem, axis, found) for axis in range(len(found))]
    mus = tuple(_merged(pair, end) for pair, end in zip(zip(found, free, strict=True), ends, strict=True))
    return mus, tuple(spreads)


def _lines(signals: Signals, spreads: Sequence[float], refine: bool) -> tuple[list[tuple[float, ...]], float]:
    """Frequencies of all signals, with the first spread that explains them, or the last one."""
    fewest = FEWEST if len(spreads) > 1 else None
    for spread in spreads:
        spectra = [find_frequencies(x, columns, spread, refine, fewest) for x, columns in signals]
        if max((spectrum.remainder for spectrum in spectra), default=0.0) <= EXPLAINED:
            break
    return [spectrum.frequencies for spectrum in spectra], spread


def signals_of(problem: Problem, axis: int) -> Signals:
    """Signals along an axis, the largest of each kind 1: f, values at the other axes' sides, measurements (d = 1)."""
    x = problem.axes[axis]
    found: Signals = []
    fibres, rows = _fibres(np.moveaxis(problem.f, axis, 0))
    columns = [fibres] if len(rows) == len(x) else []
    if not columns and len(rows) >= 4:
        found.append((x[rows], _scaled(fibres)))
    for face in problem.faces:
        if face.axis != axis and bool(np.isfinite(face.g).all()):
            across = np.moveaxis(face.g, axis - (face.axis < axis), 0)
            columns.append(_fibres(across)[0])
    if columns:
        found.append((x, np.hstack([_scaled(part) for part in columns])))
    if problem.data is not None and len(problem.axes) == 1:
        points, first = np.unique(on_host(problem.data.points[:, 0]), return_index=True)
        found.append((points, _scaled(on_host(problem.data.values)[first, None])))
    return found


def _scaled(columns: np.ndarray) -> np.ndarray:
    return columns / (np.abs(columns).max(initial=0) or 1.0)


def free_frequencies(problem: Problem, axis: int, found: Sequence[Sequence[float]]) -> tuple[float, ...]:
    """Frequencies at which the operator is 0: those of waves that need no f, as in Helmholtz' equation.

    With the coefficients' means, and the other axes at every combination of the frequencies found there.
    """
    x = problem.axes[axis]
    highest = (len(x) - 1) / (2 * (x[-1] - x[0]))
    lines: list[float] = []
    for others in itertools.product(*(mus if j != axis else (0.0,) for j, mus in enumerate(found))):
        polynomial = np.zeros(1 + max(term.orders[axis] for term in problem.terms), dtype=complex)
        for term in problem.terms:
            factor = 1.0 if term.unknown is None else problem.starts[term.unknown]
            waves = [
                (2j * np.pi * mu) ** k
                for j, (mu, k) in enumerate(zip(others, term.orders, strict=True))
                if j != axis
            ]
            polynomial[term.orders[axis]] += (
                factor * float(np.mean(term.coefficient)) * np.prod(waves) * 1j ** term.orders[axis]
            )
        roots = np.roots(polynomial[::-1]) / (2 * np.pi)
        lines += [float(abs(root.real)) for root in roots if abs(root.imag) <= 1e-6 * abs(root.real)]
    return tuple(sorted(mu for mu in set(lines) if mu * (x[-1] - x[0]) >= 0.5 and mu <= highest))


def _fibres(values: Any) -> tuple[np.ndarray, np.ndarray]:
    """Columns along the first axis, combined into a few that span them; and the rows that are known: on the host.

    Columns with unknown entries are left out, unless all have some: then the rows that one column knows are taken.
    """
    columns = values.reshape(len(values), -1)
    whole = np.isfinite(columns).all(axis=0)
    if bool(whole.any()):
        columns = columns[:, whole]
        rows: Any = np.arange(len(values))
    else:
        best = int(np.isfinite(columns).sum(axis=0).argmax())
        rows = np.flatnonzero(np.isfinite(columns[:, best]))
        columns = columns[rows, best][:, None]
    if columns.shape[1] > FIBRES:
        combined = np.random.default_rng(0).standard_normal((columns.shape[1], FIBRES))
        columns = columns @ beside(combined, columns)
    return on_host(columns), on_host(rows)


def _merged(found: Sequence[Sequence[float]], nearest: float) -> tuple[float, ...]:
    """One list of all frequencies, 0 among them, without those that another one stands for."""
    merged = [0.0]
    for mu in (mu for part in found for mu in part):
        if all(abs(mu - other) >= nearest for other in merged):
            merged.append(mu)
    return tuple(merged)
