"""The argument `boundary` of `gp_pde`: faces with what is known there, and periodic axes."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import Any

import numpy as np

from pysolve._arrays import largest_magnitude
from pysolve._gp_pde_boundary import Robin
from pysolve._gp_pde_coordinates import on_grid, real_array
from pysolve._gp_pde_problem import Face

CORNER_TOLERANCE = 1e-6  # relative difference of two sides' values at a corner that is worth a warning


def as_faces(
    boundary: Any, axes: tuple[np.ndarray, ...], like: Any = None
) -> tuple[tuple[Face, ...], tuple[int, ...]]:
    """Faces with what is known there, and the periodic axes."""
    if len(axes) == 1 and not (isinstance(boundary, (list, tuple)) and len(boundary) == 1):
        boundary = [boundary]
    if not isinstance(boundary, (list, tuple)) or len(boundary) != len(axes):
        raise ValueError(
            f"boundary must have one pair for each of the {len(axes)} axes, got {boundary!r:.80}"
        )
    faces: list[Face] = []
    periodic = []
    for axis, pair in enumerate(boundary):
        if isinstance(pair, str) and pair == "periodic":
            periodic.append(axis)
        elif pair is not None:
            if not isinstance(pair, (list, tuple)) or len(pair) != 2:
                raise ValueError(
                    f"boundary[{axis}] must be a pair (low, high), None or 'periodic', got {pair!r:.80}"
                )
            sides = [
                _face(side, axis, end, axes, like)
                for end, given in enumerate(pair)
                for side in _conditions(given)
            ]
            faces += [face for face in sides if np.isfinite(face.g).any()]
    return tuple(faces), tuple(periodic)


def _conditions(given: Any) -> list[Any]:
    """What is asked for on one side: nothing, one condition, or several, as u and its velocity where time begins."""
    if given is None:
        return []
    several = isinstance(given, (list, tuple)) and any(isinstance(part, Robin) for part in given)
    return list(given) if several else [given]


def _face(side: Any, axis: int, end: int, axes: tuple[np.ndarray, ...], like: Any) -> Face:
    name = f"boundary[{axis}][{end}]"
    if isinstance(side, str):
        raise TypeError(f"{name} must be a number, array, function, Neumann, Robin or None, got {side!r}")
    side = side if isinstance(side, Robin) else Robin(1.0, 0.0, side)
    for letter, value in (("a", side.a), ("b", side.b)):
        if not isinstance(value, (int, float, np.number)) or not np.isfinite(value):
            raise ValueError(f"{name}: {letter} must be a finite number, got {value!r}")
    if side.a == 0 and side.b == 0:
        raise ValueError(f"{name}: a and b must not both be 0")
    others = [x for j, x in enumerate(axes) if j != axis]
    if others:
        g = on_grid(side.g, others, name, like)
    else:
        g = real_array(side.g() if callable(side.g) else side.g, name, like)
        if g.size != 1:
            raise ValueError(f"{name} must be a number, got shape {g.shape}")
        g = g.reshape(())
    if np.isinf(g).any():
        raise ValueError(f"{name} must be finite, or NaN where it is unknown; got inf")
    return Face(axis, end, float(side.a), float(side.b), g)


def warn_of_corners(faces: Sequence[Face]) -> None:
    """Sides of Dirichlet's kind that give a corner or an edge two values."""
    fixed = [face for face in faces if face.b == 0]
    for i, first in enumerate(fixed):
        for second in fixed[i + 1 :]:
            if first.axis == second.axis:
                continue
            low, high = sorted((first, second), key=lambda face: face.axis)
            ours = np.take(low.g / low.a, -high.end, axis=high.axis - 1)
            theirs = np.take(high.g / high.a, -low.end, axis=low.axis)
            sizes = [float(np.nanmax(np.abs(face.g / face.a))) for face in (first, second)]
            scale = max(*sizes, 1e-300)
            gaps = np.abs(ours - theirs)
            gap = largest_magnitude(gaps[np.isfinite(gaps)])
            if gap > CORNER_TOLERANCE * scale:
                text = f"boundary[{low.axis}][{low.end}] and boundary[{high.axis}][{high.end}] contradict each other"
                warnings.warn(
                    f"{text} where they meet, by up to {gap:.3g}; both are met as well as possible",
                    stacklevel=4,
                )


def warn_of_periods(f: np.ndarray, noise: float | np.ndarray, periodic: Sequence[int]) -> None:
    """Exact right sides that differ at the two ends of a periodic axis, as on a grid without its last point."""
    if np.ndim(noise) or noise > 0:
        return
    scale = largest_magnitude(f[np.isfinite(f)])
    for axis in periodic:
        gaps = np.abs(np.take(f, 0, axis) - np.take(f, -1, axis))
        gap = largest_magnitude(gaps[np.isfinite(gaps)])
        if gap > CORNER_TOLERANCE * scale:
            warnings.warn(
                f"axes[{axis}] is periodic, so its first and its last point are one, but f differs there by up to "
                f"{gap:.3g}: does the axis lack its last point (np.linspace with endpoint=False)?",
                stacklevel=4,
            )
