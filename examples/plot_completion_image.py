"""
An image from a third of its pixels
===================================

Most of an image of a building follows from the rest: windows stand in rows, bricks repeat. As a matrix of grey values
it has nearly a low rank, and `pysolve.matrix_completion` finds what is missing from the pixels that are there. How many
columns the factors should have is told by pixels that are kept out of the fit.
"""

import matplotlib.pyplot as plt
import numpy as np
from scipy.ndimage import distance_transform_edt

import pysolve

rng = np.random.default_rng(0)

# %%
# The image
# ---------
#
# A facade in grey: courses of bricks, rows of windows with bars and sills, a shadow that falls from one side, and the
# noise of a camera. Each part but the noise is a product of a column and a row, or a few of them.

HEIGHT, WIDTH = 288, 400


def bands(length, starts, width):
    """1 where one of the bands is, 0 elsewhere."""
    place = np.arange(length)
    return np.any([(start <= place) & (place < start + width) for start in starts], axis=0).astype(float)


def facade():
    """Grey values from 0 to 1."""
    courses = np.arange(HEIGHT) // 8
    joints = np.arange(WIDTH) % 32
    image = 0.55 + 0.04 * np.outer(np.sin(courses * 2.4), np.cos(joints // 16 * np.pi + 0.7))
    mortar = np.maximum(
        np.outer(courses % 2 == 0, joints < 2), np.outer(courses % 2 == 1, (joints >= 16) & (joints < 18))
    )
    mortar = np.maximum(mortar, (np.arange(HEIGHT) % 8 < 1)[:, None])
    image += 0.2 * mortar
    tall, wide = range(24, 230, 68), range(28, 380, 62)
    for start, height, margin, grey in (
        (-4, 54, 4, 0.9),
        (0, 46, 0, 0.15),
        (46, 6, 8, 0.95),
    ):  # frame, glass, sill
        where = np.outer(
            bands(HEIGHT, [top + start for top in tall], height),
            bands(WIDTH, [left - margin for left in wide], 34 + 2 * margin),
        )
        image = np.where(where > 0, grey, image)
    bars = np.outer(bands(HEIGHT, tall, 46), bands(WIDTH, [left + 16 for left in wide], 3))
    bars += np.outer(bands(HEIGHT, [top + 20 for top in tall], 3), bands(WIDTH, wide, 34))
    image = np.where(bars > 0, 0.9, image)
    shadow = np.outer(1 - 0.25 * np.linspace(0, 1, HEIGHT), 1 - 0.35 * np.linspace(1, 0, WIDTH) ** 2)
    return np.clip(image * shadow + 0.01 * rng.standard_normal((HEIGHT, WIDTH)), 0, 1)


image = facade()
seen = rng.random(image.shape) < 1 / 3
observed = np.where(seen, image, np.nan)


# %%
# The rank
# --------
#
# Each rank is fitted without a tenth of the pixels; the one that predicts these best is taken. A few lines do what
# `validation` and a loop over ranks need; `pysolve.MatrixCompletion` does it in a grid search of scikit-learn.

ranks = [1, 2, 4, 6, 8, 10, 12, 16, 24, 32]


def fitted(rank):
    return pysolve.matrix_completion(observed, rank, reg=0.02, validation=0.1, rng=0)


fits = {rank: fitted(rank) for rank in ranks}
best = min(ranks, key=lambda rank: np.nanmin(fits[rank].history["held_out"]))
completed = np.where(seen, image, np.clip(fits[best].to_dense(), 0, 1))


def psnr(found):
    """Peak signal-to-noise ratio in decibels, over the pixels that were missing."""
    return -10 * np.log10(np.mean((found - image)[~seen] ** 2))


figure, axes = plt.subplots(figsize=(6.5, 3.2), layout="constrained")
axes.plot(
    ranks,
    [psnr(np.clip(fits[rank].to_dense(), 0, 1)) for rank in ranks],
    "o-",
    label="pixels that were missing",
)
held = [
    -20 * np.log10(np.nanmin(fits[rank].history["held_out"]) * np.sqrt(np.nanmean(observed**2)))
    for rank in ranks
]
axes.plot(ranks, held, "s--", label="pixels kept for validation")
axes.axvline(best, color="k", lw=0.8, ls=":")
axes.set(xlabel="rank", ylabel="PSNR (dB)", xscale="log", xticks=ranks, xticklabels=ranks)
axes.legend(frameon=False)
plt.show()

# %%
# Before and after
# ----------------
#
# On the right every missing pixel is predicted from the factors. Next to it the nearest pixel that was seen stands in,
# which needs no model, and blurs what is finer than the gaps.

nearest = image[tuple(distance_transform_edt(~seen, return_distances=False, return_indices=True))]
pictures = {
    "the image": image,
    f"seen: {seen.mean():.0%} of the pixels, the rest is white": observed,
    f"the nearest pixel seen, {psnr(nearest):.1f} dB": nearest,
    f"completed, rank {best}, {psnr(completed):.1f} dB": completed,
}
figure, axes = plt.subplots(2, 2, figsize=(9, 6.8), layout="constrained")
for ax, (title, picture) in zip(axes.flat, pictures.items(), strict=True):
    ax.imshow(picture, cmap="gray", vmin=0, vmax=1, interpolation="nearest")
    ax.set_title(title, fontsize="medium")
    ax.set_axis_off()
plt.show()

# %%
# How the fit went, in seconds.

fits[best].plot(plt.figure(figsize=(9, 3.6), layout="constrained"))
plt.show()
