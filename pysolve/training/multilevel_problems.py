"""Scenes drawn at random for the training of the V-cycle: never a scene or a size of the published figures.

The figures are measured on boxes of 64 cells and more a side, with `rng=None` or seeds from 1000 on; training draws
its seeds from 10000 on, at sizes of at most 48 cells a side in 3-D and 160 in 2-D.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from pysolve import StencilOperator, gallery

FIRST_SEED = 10_000
SIZES = {2: (96, 160), 3: (32, 48)}


def _shape(rng: np.random.Generator, dimension: int, sizes: tuple[int, int]) -> tuple[int, ...]:
    """A box with sides of between two thirds of a size and that size."""
    size = int(rng.choice(sizes))
    return tuple(int(k) for k in rng.integers(2 * size // 3, size + 1, dimension))


def obstacle_box(shape: Any, rng: np.random.Generator) -> StencilOperator:
    return gallery.obstacle_box(shape, rng=rng)


def free_surface(shape: Any, rng: np.random.Generator) -> StencilOperator:
    return gallery.free_surface(
        shape, depth=rng.uniform(0.3, 0.8), amplitude=rng.uniform(0.02, 0.15), rng=rng
    )


def bubbles(shape: Any, rng: np.random.Generator) -> StencilOperator:
    return gallery.bubbles(shape, contrast=10 ** rng.uniform(0.5, 4), rng=rng)


def log_normal(shape: Any, rng: np.random.Generator) -> StencilOperator:
    return gallery.log_normal(
        shape, contrast=10 ** rng.uniform(0.5, 6), correlation_length=10 ** rng.uniform(-1.5, -0.7), rng=rng
    )


def anisotropic(shape: Any, rng: np.random.Generator) -> StencilOperator:
    return gallery.anisotropic(shape, ratio=10 ** rng.uniform(0, 3), axis=int(rng.integers(len(shape))))


def poisson(shape: Any, rng: np.random.Generator) -> StencilOperator:
    """A box with any mixture of sides, and sometimes the shift of an implicit heat step."""
    sides = ["dirichlet", "neumann", "periodic", ("dirichlet", "neumann"), ("neumann", "dirichlet")]
    boundary = [sides[k] for k in rng.integers(len(sides), size=len(shape))]
    shift = 10 ** rng.uniform(-3, 0.5) if rng.random() < 0.5 else 0.0
    return StencilOperator(shape, (1.0,) * len(shape), boundary=boundary, shift=shift)


PROBLEMS: dict[str, Callable[[Any, np.random.Generator], StencilOperator]] = {
    make.__name__: make for make in (obstacle_box, free_surface, bubbles, log_normal, anisotropic, poisson)
}


def draw(
    seed: int, dimension: int, names: list[str], n: int, sizes: tuple[int, int] | None = None
) -> list[tuple[StencilOperator, np.ndarray]]:
    """n systems (A, b), the scenes by turns; the same for the same seed."""
    rng = np.random.default_rng(FIRST_SEED + seed)
    systems = []
    for k in range(n):
        A = PROBLEMS[names[k % len(names)]](_shape(rng, dimension, sizes or SIZES[dimension]), rng)
        b = rng.standard_normal(A.shape[0])
        b[A.decoupled.ravel()] = 0
        systems.append((A, A.project_out_null_space(b)))
    return systems
