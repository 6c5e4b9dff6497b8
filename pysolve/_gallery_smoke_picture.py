"""Pictures of smoke: a plane, or the light that smoke in a box scatters towards the viewer."""

import math
from typing import Any

import numpy as np
from scipy import ndimage

PIXELS = 480  # along the longer side, at least
SHADOW = 0.6  # of the light that smoke takes, the rest goes on forwards
THICKNESS = 14.0  # optical, of dense smoke as deep as the box is long
KEY, FILL, SKY = (1.5, 1.12, 0.72), (0.30, 0.44, 0.66), (0.035, 0.045, 0.075)
BALL = (0.78, 0.36, 0.24)


def draw(axes: Any, smoke: np.ndarray, centre: np.ndarray, radius: float) -> None:
    """Draw smoke and a ball into matplotlib's axes; lengths are such that the longest side of the box is 1."""
    right, top = smoke.shape[1] / max(smoke.shape), smoke.shape[0] / max(smoke.shape)
    place = {"origin": "lower", "extent": (0, right, 0, top)}
    if smoke.ndim == 2:
        axes.imshow(smoke, cmap="magma", vmin=0, vmax=1, interpolation="bicubic", **place)
        _draw_disc(axes, centre, radius)
    else:
        axes.imshow(view(smoke, centre, radius), interpolation="bilinear", **place)
    axes.set(xticks=[], yticks=[])
    axes.spines[:].set_visible(False)


def _draw_disc(axes: Any, centre: np.ndarray, radius: float) -> None:
    from matplotlib.patches import Circle

    axes.add_patch(Circle((centre[1], centre[0]), radius, facecolor="#5b6b7a", edgecolor="#c9d3dc", lw=1.2))


def view(smoke: np.ndarray, centre: np.ndarray, radius: float) -> np.ndarray:
    """The box seen along its last axis: an image of shape (height, width, 3), the floor first.

    Single scattering: what reaches the viewer from depth z is weakened by the smoke before it, and so is what
    reaches it from the lamps, a warm one at the left and a cool one above.
    """
    smoke = ndimage.gaussian_filter(smoke, 0.6, mode="nearest")  # a cell is larger than a pixel
    factor = max(1, math.ceil(PIXELS / max(smoke.shape[:2])))
    h = 1 / max(smoke.shape)
    depth = THICKNESS * h
    lamps = _shade(smoke, 1, depth), _shade(smoke[::-1], 0, depth)[::-1]
    rows, columns = [(np.arange(factor * n) + 0.5) * h / factor for n in smoke.shape[:2]]
    surface, colour = _ball(rows[:, None], columns[None, :], centre, radius)
    image = np.zeros((rows.size, columns.size, 3))
    clear = np.ones((rows.size, columns.size, 1))  # what is left of light from here on the way to the viewer
    for k in range(smoke.shape[2]):
        before = np.clip(surface / h - k, 0, 1)[..., None]  # the share of this layer that is before the ball
        dense, warm, cool = (_zoomed(a[..., k], factor)[..., None] for a in (smoke, *lamps))
        veil = 1 - np.exp(-depth * before * dense)
        image += clear * veil * (warm * np.array(KEY) + cool * np.array(FILL))
        clear = clear * (1 - veil)
        hit = before < 1
        image += np.where(hit, clear * colour, 0.0)
        clear = np.where(hit, 0.0, clear)
    image += clear * _sky(rows)
    return 1 - np.exp(-1.5 * image)


def _shade(smoke: np.ndarray, axis: int, depth: float) -> np.ndarray:
    """What is left of a lamp's light that comes along an axis; smoke scatters much of it forwards."""
    return np.exp(-SHADOW * depth * np.cumsum(smoke, axis=axis))


def _zoomed(plane: np.ndarray, factor: int) -> np.ndarray:
    return ndimage.zoom(plane, factor, order=1, mode="nearest", grid_mode=True)


def _sky(rows: np.ndarray) -> np.ndarray:
    """Dark, a little lighter at the floor."""
    return np.array(SKY) * (1.9 - 1.2 * rows / rows[-1])[:, None, None]


def _ball(up: Any, right: Any, centre: np.ndarray, radius: float) -> tuple[np.ndarray, np.ndarray]:
    """The depth at which each pixel meets the ball (infinite where it does not), and the ball's colour there."""
    x, y = (right - centre[1]) / radius, (up - centre[0]) / radius
    z = np.sqrt(np.maximum(0.0, 1 - x**2 - y**2))
    surface = np.where(x**2 + y**2 < 1, centre[2] - radius * z, np.inf)
    warm = np.maximum(0.0, -0.75 * x + 0.2 * y + 0.63 * z)
    cool = np.maximum(0.0, 0.5 + 0.5 * y)
    light = 0.95 * warm[..., None] * np.array(KEY) + 0.35 * cool[..., None] * np.array(FILL)
    light += 0.07  # from everywhere
    return surface, np.array(BALL) * light + 0.3 * warm[..., None] ** 24
