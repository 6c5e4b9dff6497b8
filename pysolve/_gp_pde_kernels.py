"""From the argument `kernel` and the problem's data to the features of every axis."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any

import numpy as np

from pysolve._gp_pde_coordinates import real_array
from pysolve._gp_pde_features import Features, KernelFeatures, OscillatoryFeatures
from pysolve._gp_pde_frequencies import columns_for
from pysolve._gp_pde_problem import Problem
from pysolve._gp_pde_signals import SPREAD, frequencies_from
from pysolve._spectral_mixture import SpectralMixture

SPREADS = (
    2.0,
    4.0,
    8.0,
    16.0,
    32.0,
    64.0,
    128.0,
)  # tried for kernels whose length scale carries the solution
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
    if isinstance(frequencies, str) or not isinstance(frequencies, (Sequence, np.ndarray)):
        raise ValueError(
            f"frequencies must be 'auto' or a list for each of the {d} axes, got {frequencies!r}"
        )
    given = (
        [frequencies] if d == 1 and np.ndim(frequencies[0] if len(frequencies) else 0) == 0 else frequencies
    )
    if len(given) != d:
        raise ValueError(
            f"frequencies must be 'auto' or a list for each of the {d} axes, got {len(given)} lists"
        )
    found = []
    for axis, part in enumerate(given):
        array = np.unique(real_array(part, f"frequencies[{axis}]"))
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
    kernel: Kernel,
    problem: Problem,
    frequencies: Sequence[Sequence[float]],
    spreads: Sequence[float],
    large: bool = False,
) -> tuple:
    """Features of every axis at its spread.

    The grid solver takes no more of them than the points of an axis tell apart, and a trend only where the conditions
    may leave one open.
    """
    if kernel.mixtures is not None:
        return tuple(_of_mixture(part, x) for part, x in zip(kernel.mixtures, problem.axes, strict=True))
    made: list[Features] = []
    trend = not large or not is_closed(problem)
    for x, mus, spread in zip(problem.axes, frequencies, spreads, strict=True):
        rho = spread / (x[-1] - x[0])
        if kernel.kind in ("gm", "se"):
            most = columns_for(len(x), mus) if large else None
            made.append(OscillatoryFeatures(x[0], x[-1], tuple(mus), (rho,) * len(mus), most, trend=trend))
        else:
            made.append(
                KernelFeatures(x, SpectralMixture(np.array(mus), rho=np.array(rho), kind=kernel.kind))
            )
    return tuple(made)


def is_closed(problem: Problem) -> bool:
    """Whether every axis has as many conditions as the equation has derivatives along it, and a value is known.

    Slopes alone leave a constant open.
    """
    if not any(face.a != 0 for face in problem.faces) and all(any(term.orders) for term in problem.terms):
        return False
    for axis in range(len(problem.axes)):
        given = sum(face.axis == axis and bool(np.isfinite(face.g).all()) for face in problem.faces)
        if axis in problem.periodic or given < max(term.orders[axis] for term in problem.terms):
            return False
    return bool(np.isfinite(problem.f).all())


def _of_mixture(mixture: SpectralMixture, x: np.ndarray) -> Features:
    if mixture.kind not in ("gm", "se"):
        return KernelFeatures(x, mixture)
    weights = tuple(float(np.sqrt(w)) for w in mixture.weights)
    mus, rho = (tuple(map(float, part)) for part in (mixture.frequencies, mixture.rho))
    return OscillatoryFeatures(x[0], x[-1], mus, rho, amplitudes=weights)


def widest_spread(problem: Problem) -> float:
    """A spread whose envelope alone covers the highest frequency of the data, for kernels without lines."""
    reach = [
        max(mus) * (x[-1] - x[0]) for mus, x in zip(frequencies_from(problem)[0], problem.axes, strict=True)
    ]
    return float(max(SPREAD, np.pi * max(reach)))
