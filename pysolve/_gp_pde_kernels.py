"""From the argument `kernel` and the problem's data to the features of every axis."""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Sequence
from typing import Any

import numpy as np

from pysolve._gp_pde_features import Features, KernelFeatures, OscillatoryFeatures
from pysolve._gp_pde_frequencies import find_frequencies
from pysolve._gp_pde_problem import Problem
from pysolve._spectral_mixture import SpectralMixture

SPREAD = 4.0  # rho times the length of the axis: how fast the amplitude of a frequency may change along it
SPREADS = (
    2.0,
    4.0,
    8.0,
    16.0,
    32.0,
    64.0,
    128.0,
)  # tried for kernels whose length scale carries the solution
FIBRES = 16  # combinations of an axis's columns of f that its frequencies are looked for in
KINDS = ("gm", "stm", "se", "matern52")


@dataclasses.dataclass(frozen=True)
class Kernel:
    """A choice of kernel: one kind for all axes, or a mixture for each.

    `spreads` are those to choose from by evidence.
    """

    kind: str
    mixtures: tuple[SpectralMixture, ...] | None = None
    frequencies: tuple[tuple[float, ...], ...] | None = None

    @property
    def spreads(self) -> tuple[float, ...]:
        """rho times the length: one, or several to choose from."""
        return (SPREAD,) if self.kind == "gm" or self.mixtures is not None else SPREADS


def as_kernel(kernel: Any, frequencies: Any, problem: Problem) -> Kernel:
    """The arguments `kernel` and `frequencies`, checked."""
    d = len(problem.axes)
    if isinstance(kernel, (SpectralMixture, list, tuple)):
        mixtures = (kernel,) * d if isinstance(kernel, SpectralMixture) else tuple(kernel)
        if len(mixtures) != d or not all(isinstance(part, SpectralMixture) for part in mixtures):
            raise ValueError(f"kernel must be a SpectralMixture for each of the {d} axes, got {kernel!r:.80}")
        if not (isinstance(frequencies, str) and frequencies == "auto"):
            raise ValueError(
                "frequencies must be left 'auto' where kernel is a SpectralMixture, which has its own"
            )
        found = Kernel("mixture", mixtures)
    elif kernel in KINDS:
        found = Kernel(kernel, None, as_frequencies(frequencies, kernel, d))
    else:
        raise ValueError(f"kernel must be one of {', '.join(KINDS)} or a SpectralMixture, got {kernel!r:.80}")
    _check_orders(found, problem)
    return found


def as_frequencies(frequencies: Any, kind: str, d: int) -> tuple[tuple[float, ...], ...] | None:
    """Frequencies of every axis; None for 'auto'."""
    if isinstance(frequencies, str) and frequencies == "auto":
        return ((0.0,),) * d if kind in ("se", "matern52") else None
    if kind in ("se", "matern52"):
        raise ValueError(f"frequencies must be left 'auto' for kernel={kind!r}, which has none")
    given = (
        [frequencies] if d == 1 and np.ndim(frequencies[0] if len(frequencies) else 0) == 0 else frequencies
    )
    if len(given) != d:
        raise ValueError(
            f"frequencies must be 'auto' or a list for each of the {d} axes, got {len(given)} lists"
        )
    found = []
    for axis, part in enumerate(given):
        array = np.unique(np.asarray(part, dtype=np.float64))
        if array.size == 0 or not np.isfinite(array).all() or (array < 0).any():
            raise ValueError(f"frequencies[{axis}] must be finite numbers of at least 0, got {part!r:.80}")
        found.append(tuple(float(mu) for mu in array))
    return tuple(found)


def _check_orders(kernel: Kernel, problem: Problem) -> None:
    """Refuse derivatives that paths of the process do not have."""
    for axis in range(len(problem.axes)):
        if kernel.mixtures is not None:
            most = kernel.mixtures[axis].max_order
        else:
            most = 2 if kernel.kind in ("stm", "matern52") else np.inf
        for term in problem.terms:
            if term.orders[axis] > most:
                raise ValueError(
                    f"operator has a derivative of order {term.orders[axis]} on axis {axis}; the kernel allows "
                    f"{most:g} there: take 'gm' or 'se'"
                )


def axis_features(
    kernel: Kernel, problem: Problem, frequencies: Sequence[Sequence[float]], spread: float
) -> tuple:
    """Features of every axis at a spread."""
    if kernel.mixtures is not None:
        return tuple(_of_mixture(part, x) for part, x in zip(kernel.mixtures, problem.axes, strict=True))
    made: list[Features] = []
    for x, mus in zip(problem.axes, frequencies, strict=True):
        rho = spread / (x[-1] - x[0])
        if kernel.kind in ("gm", "se"):
            made.append(OscillatoryFeatures(x[0], x[-1], tuple(mus), (rho,) * len(mus), trend=True))
        else:
            made.append(
                KernelFeatures(x, SpectralMixture(np.array(mus), rho=np.array(rho), kind=kernel.kind))
            )
    return tuple(made)


def _of_mixture(mixture: SpectralMixture, x: np.ndarray) -> Features:
    if mixture.kind not in ("gm", "se"):
        return KernelFeatures(x, mixture)
    weights = tuple(float(np.sqrt(w)) for w in mixture.weights)
    mus, rho = (tuple(map(float, part)) for part in (mixture.frequencies, mixture.rho))
    return OscillatoryFeatures(x[0], x[-1], mus, rho, amplitudes=weights)


def frequencies_from(problem: Problem) -> tuple[tuple[float, ...], ...]:
    """The frequencies of every axis, from f, the values at the sides, the measurements, and the operator itself."""
    found = [_axis_frequencies(problem, axis) for axis in range(len(problem.axes))]
    free = [free_frequencies(problem, axis, found) for axis in range(len(found))]
    ends = [0.5 / (x[-1] - x[0]) for x in problem.axes]
    return tuple(_merged(pair, end) for pair, end in zip(zip(found, free, strict=True), ends, strict=True))


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
                factor * np.mean(term.coefficient) * np.prod(waves) * 1j ** term.orders[axis]
            )
        roots = np.roots(polynomial[::-1]) / (2 * np.pi)
        lines += [float(abs(root.real)) for root in roots if abs(root.imag) <= 1e-6 * abs(root.real)]
    return tuple(sorted(mu for mu in set(lines) if mu * (x[-1] - x[0]) >= 0.5 and mu <= highest))


def _axis_frequencies(problem: Problem, axis: int) -> tuple[float, ...]:
    x = problem.axes[axis]
    fibres, rows = _fibres(np.moveaxis(problem.f, axis, 0))
    columns = [fibres] if len(rows) == len(x) else []
    found = [] if columns or len(rows) < 4 else [find_frequencies(x[rows], fibres, SPREAD).frequencies]
    for face in problem.faces:
        if face.axis != axis and np.isfinite(face.g).all():
            across = np.moveaxis(face.g, axis - (face.axis < axis), 0)
            columns.append(_fibres(across)[0])
    if columns:
        scaled = [part / (np.abs(part).max(initial=0) or 1.0) for part in columns]
        found.append(find_frequencies(x, np.hstack(scaled), SPREAD).frequencies)
    if problem.data is not None and len(problem.axes) == 1:
        order = np.argsort(problem.data.points[:, 0])
        points, values = problem.data.points[order, 0], problem.data.values[order]
        distinct = np.append(True, np.diff(points) > 0)
        found.append(find_frequencies(points[distinct], values[distinct, None], SPREAD).frequencies)
    return _merged(found, 0.5 / (x[-1] - x[0]))


def _fibres(values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Columns along the first axis, combined into a few that span them; and the rows that are known.

    Columns with unknown entries are left out, unless all have some: then the rows that one column knows are taken.
    """
    columns = values.reshape(len(values), -1)
    whole = np.isfinite(columns).all(axis=0)
    if whole.any():
        columns = columns[:, whole]
        rows = np.arange(len(values))
    else:
        best = int(np.isfinite(columns).sum(axis=0).argmax())
        rows = np.flatnonzero(np.isfinite(columns[:, best]))
        columns = columns[rows, best][:, None]
    if columns.shape[1] > FIBRES:
        columns = columns @ np.random.default_rng(0).standard_normal((columns.shape[1], FIBRES))
    return columns, rows


def _merged(found: Sequence[Sequence[float]], nearest: float) -> tuple[float, ...]:
    """One list of all frequencies, 0 among them, without those that another one stands for."""
    merged = [0.0]
    for mu in (mu for part in found for mu in part):
        if all(abs(mu - other) >= nearest for other in merged):
            merged.append(mu)
    return tuple(merged)
