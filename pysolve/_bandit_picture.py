"""The picture of a policy: the arms it chose against time."""

from __future__ import annotations

from typing import Any

import numpy as np

from pysolve._pictures import new_figure

CHOSEN = "#d62839"


def draw(history: np.ndarray, arms: tuple[Any, ...], ax: Any, costs: Any) -> Any:
    heights, labels = _heights(arms)
    if costs is not None:
        costs = np.asarray(costs, dtype=float)
        if costs.ndim != 2 or costs.shape[1] != len(arms):
            raise ValueError(f"costs must have shape (n_solves, {len(arms)}), but its shape is {costs.shape}")
    if ax is None:
        ax = new_figure(8, 4.5).add_subplot()
    ax.margins(0.02, 0.05)  # arms at the ends are not on the frame
    if costs is not None:
        _draw_costs(ax, heights, costs)
    chosen = heights[history["index"]]
    ax.plot(history["trial"], chosen, "o", color=CHOSEN, markeredgewidth=0, markersize=4, label="chosen")
    ax.legend(loc="lower right", bbox_to_anchor=(1, 1), frameon=False, borderaxespad=0)
    if labels is not None:
        ax.set_yticks(heights, labels)
    ax.set_xlabel("solve")
    ax.set_ylabel("arm")
    return ax


def _heights(arms: tuple[Any, ...]) -> tuple[np.ndarray, list[str] | None]:
    """Where on the axis the arms are: numbers at themselves, anything else in a row with its name."""
    if numbers(arms):
        return np.array(arms, dtype=float), None
    return np.arange(len(arms)), [getattr(arm, "__name__", None) or str(arm) for arm in arms]


def numbers(arms: tuple[Any, ...]) -> bool:
    return all(
        isinstance(arm, float | int | np.floating | np.integer)
        and not isinstance(arm, bool)
        and np.isfinite(arm)
        for arm in arms
    )


def _draw_costs(ax: Any, heights: np.ndarray, costs: np.ndarray) -> None:
    """Filled contours at equal ratios, since bad arms cost many times what good ones do, and what the colours mean."""
    known = costs[np.isfinite(costs) & (costs > 0)]
    if not known.size or known.max() < (1 + 1e-6) * known.min():
        return  # nothing to tell apart
    arms, columns = np.unique(heights, return_index=True)
    shown = np.pad(np.clip(costs[:, columns], known.min(), known.max()), 1, mode="edge")
    levels = np.geomspace(known.min(), known.max(), 25)
    levels[[0, -1]] *= 1 - 1e-9, 1 + 1e-9  # else rounding may leave the ends without colour
    x, y = _widened(np.arange(len(costs)), 0.02), _widened(arms, 0.05)
    contours = ax.contourf(x, y, shown.T, levels=levels, norm="log", cmap="viridis")
    bar = ax.figure.colorbar(contours, ax=ax, label="cost", ticks=levels[::6], format="%.3g")
    bar.ax.minorticks_off()


def _widened(places: np.ndarray, share: float) -> np.ndarray:
    """One more place at each end, a share of the range off."""
    off = share * (places[-1] - places[0]) or 0.5
    return np.concatenate([[places[0] - off], places, [places[-1] + off]])
