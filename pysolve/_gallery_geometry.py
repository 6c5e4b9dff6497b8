"""Shapes and random fields of the gallery's scenes; the longest side of the box has length 1."""

import itertools
import math

import numpy as np

N_WAVES = 256  # of a random field
N_MODES = 5  # of a water surface, along each horizontal axis


def centres(extents: tuple[int, ...]) -> tuple[list[np.ndarray], list[float]]:
    """Coordinates of the cell centres (an open mesh) and lengths of the sides, the longest being 1."""
    longest = max(extents)
    lines = [(np.arange(extent) + 0.5) / longest for extent in extents]
    return list(np.meshgrid(*lines, indexing="ij", sparse=True)), [extent / longest for extent in extents]


def obstacles(extents: tuple[int, ...], moves: np.ndarray) -> np.ndarray:
    """The cells inside the sphere, the plate or the cylinder."""
    x, sides = centres(extents)
    size, half_cell = min(sides), 0.5 / max(extents)
    sphere, plate, cylinder = np.array([[0.35, 0.3, 0.4], [0.65, 0.6, 0.6], [0.3, 0.72, 0.5]]) + moves
    away = [
        [(x[k] - centre[k] * sides[k]) for k in range(len(extents))] for centre in (sphere, plate, cylinder)
    ]
    solid = sum(d**2 for d in away[0]) < (0.15 * size) ** 2
    # At least one cell thick, so that a coarse grid has the plate too.
    flat = np.abs(away[1][0]) <= max(0.02 * size, half_cell)
    for k, d in enumerate(away[1][1:], start=1):
        flat = flat & (np.abs(d) < 0.28 * sides[k])
    round_ = away[2][0] ** 2 + away[2][1] ** 2 < (0.1 * size) ** 2
    if len(extents) == 3:
        round_ = round_ & (np.abs(away[2][2]) < 0.35 * sides[2])
    return solid | flat | round_


def waves(extents: tuple[int, ...], rng: np.random.Generator) -> np.ndarray:
    """A sum of the standing waves of the box, long ones highest, of root mean square about 1."""
    modes = np.array(list(itertools.product(range(N_MODES), repeat=len(extents)))[1:])
    heights = rng.standard_normal(len(modes)) / (modes**2).sum(axis=1)
    cosines = [np.cos(np.pi * np.outer(modes[:, k], (np.arange(n) + 0.5) / n)) for k, n in enumerate(extents)]
    subscripts = ("m,mi->i", "m,mi,mj->ij")[len(extents) - 1]
    mean_squares = np.where(modes > 0, 0.5, 1.0).prod(axis=1)
    return np.einsum(subscripts, heights, *cosines) / math.sqrt((heights**2 * mean_squares).sum())


def fill_ball(values: np.ndarray, centre: np.ndarray, radius: float, value: float) -> None:
    """Set the cells of a ball, looking at the smallest box around it only."""
    cells_per_side = max(values.shape)
    first = [max(0, math.floor((c - radius) * cells_per_side)) for c in centre]
    last = [max(0, math.ceil((c + radius) * cells_per_side)) for c in centre]
    window = values[tuple(map(slice, first, last))]
    steps = [
        (np.arange(k) + i + 0.5) / cells_per_side - c
        for i, k, c in zip(first, window.shape, centre, strict=True)
    ]
    window[sum(d**2 for d in np.meshgrid(*steps, indexing="ij", sparse=True)) <= radius**2] = value


def gaussian_field(
    extents: tuple[int, ...], correlation_length: float, rng: np.random.Generator
) -> np.ndarray:
    """A sum of cosines with random wave vectors; the cosine of a sum makes it one product of two matrices."""
    x, _ = centres(extents)
    waves = rng.standard_normal((N_WAVES, 3)) / correlation_length
    phases = rng.uniform(0, 2 * np.pi, N_WAVES)
    up = np.outer(x[0].ravel(), waves[:, 0]) + phases
    level = sum(np.multiply.outer(waves[:, k], x[k][0]) for k in range(1, len(extents))).reshape(N_WAVES, -1)
    field = np.cos(up) @ np.cos(level)
    field -= np.sin(up) @ np.sin(level)
    return field.reshape(extents)
