"""Residuals to train a direction network on.

Half of the fresh ones are random combinations of the eigenvectors of an empty box, with coefficients N(0, 1), times
9 for the lowest 55 % of the eigenvalues (the paper's mixture; it has Ritz vectors of the same matrix). The others
are residuals of conjugate gradients on scenes of the gallery, after a random number of steps.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np

from pysolve import StencilOperator, cg, gallery

LOW_SHARE, LOW_FACTOR = 0.55, 9.0
MOST_STEPS = 40  # of conjugate gradients before the residual is taken
KNOWN = 1e-3  # share of an energy down to which differences of it are trusted


@dataclass
class Sample:
    """An operator, its fluid cells, a residual b whose mean square over them is 1, and its energy b . A^-1 b."""

    A: StencilOperator
    residual: np.ndarray
    energy: float
    least: float = 0.0  # energy below which it is computed anew: what is left of it has too few digits

    def __post_init__(self) -> None:
        shape = self.A.grid_shape
        self.faces = [np.asarray(w, dtype=np.float32) for w in self.A.weights]
        self.shift = np.broadcast_to(np.asarray(self.A.shift, dtype=np.float32), shape)
        self.fluid = (~self.A.decoupled).astype(np.float32)
        self.least = KNOWN * self.energy
        self.follow(self.residual.reshape(shape), self.energy)

    def follow(self, residual: np.ndarray, energy: float) -> None:
        """Go on from what a step left, at mean square 1."""
        self.residual, scale = normalised(residual, self.fluid)
        self.energy, self.least = energy * scale**2, self.least * scale**2
        if not self.energy > self.least:
            self.energy = energy_of(self.A, self.residual.ravel())
            self.least = KNOWN * self.energy


def draw(size: int, seed: int, number: int) -> Sample:
    """Sample `number` of the stream that `seed` gives, on a box of `size` cells along every axis."""
    rng = np.random.default_rng([seed, number])
    shape = (size,) * 3
    kind = rng.random()
    if kind < 0.5:
        return Sample(empty_box(shape), *spectral(shape, rng))
    A = gallery.scenes["obstacle_box" if kind < 0.8 else "free_surface"](shape, rng=rng)
    residual = krylov(A, rng)
    return Sample(A, residual, energy_of(A, residual))


def normalised(residual: np.ndarray, fluid: np.ndarray) -> tuple[np.ndarray, float]:
    """Masked to the fluid and divided by its root mean square there, and that factor."""
    masked = residual * fluid
    rms = float(np.sqrt(np.square(masked, dtype=np.float64).sum() / fluid.sum()))
    scale = 1 / rms if rms > 0 else 1.0
    return (masked * scale).astype(np.float32), scale


def empty_box(shape: tuple[int, ...]) -> StencilOperator:
    """The box of the scenes without anything in it: Neumann walls and floor, open above."""
    boundary = [("neumann", "dirichlet"), "neumann", "neumann"]
    return gallery.poisson(shape, coefficient=np.ones(shape), boundary=boundary)


def spectral(shape: tuple[int, ...], rng: np.random.Generator) -> tuple[np.ndarray, float]:
    """A random combination of the eigenvectors of `empty_box`, which are products of cosines, and its energy."""
    tops = (True, False, False)
    bases = [cosines(k, top) for k, top in zip(shape, tops, strict=True)]
    total: Any = 0
    for axis, (values, _) in enumerate(bases):
        total = total + values.reshape([-1 if a == axis else 1 for a in range(3)])
    coefficients = rng.standard_normal(shape)
    coefficients[total <= np.quantile(total, LOW_SHARE)] *= LOW_FACTOR
    energy = float((coefficients**2 / total).sum())
    for axis, (_, vectors) in enumerate(bases):
        coefficients = np.moveaxis(np.tensordot(vectors, coefficients, (1, axis)), 0, axis)
    return coefficients, energy


def cosines(n: int, open_above: bool) -> tuple[np.ndarray, np.ndarray]:
    """Eigenvalues and orthonormal eigenvectors of one axis, closed below, and above closed or x = 0."""
    k, j = np.arange(n), np.arange(n)[:, None]
    theta = np.pi * (2 * k + 1) / (2 * n + 1) if open_above else np.pi * k / n
    vectors = np.cos(theta * (j + 0.5))
    return 2 - 2 * np.cos(theta), vectors / np.linalg.norm(vectors, axis=0)


def krylov(A: StencilOperator, rng: np.random.Generator) -> np.ndarray:
    """The residual of conjugate gradients after some steps, from a rough right-hand side or from a few sources."""
    b = rng.standard_normal(A.shape[0])
    if rng.random() < 0.5:
        b *= rng.random(b.size) < 10 / b.size
    b[A.decoupled.ravel()] = 0
    if not b.any():
        b[np.flatnonzero(~A.decoupled.ravel())[0]] = 1.0
    steps = int(MOST_STEPS * rng.random() ** 2)
    x, _ = cg(A, b, rtol=0, maxiter=steps) if steps else (np.zeros_like(b), 0)
    return b - A @ x


def energy_of(A: StencilOperator, b: np.ndarray) -> float:
    """b . A^-1 b."""
    b = b.astype(np.float64)
    return float(b @ cg(A, b, rtol=1e-6).x)
