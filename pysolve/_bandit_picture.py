"""The picture of a policy: the arms it chose against time."""

from __future__ import annotations

import importlib.util
from typing import Any

import numpy as np

CHOSEN = "#e08e45"


def draw(history: np.ndarray, arms: tuple[Any, ...], ax: Any, costs: Any) -> Any:
    heights, labels = _heights(arms)
    if costs is not None:
        costs = np.asarray(costs, dtype=float)
        if costs.ndim != 2 or costs.shape[1] != len(arms):
            raise ValueError(f"costs must have shape (n_solves, {len(arms)}), but its shape is {costs.shape}")
    if ax is None:
        ax = _new_axes()
    if costs is not None and len(costs):
        _draw_costs(ax, heights, costs)
    ax.plot(history["trial"], heights[history["index"]], ".", color=CHOSEN, markersize=3, label="chosen")
    if labels is not None:
        ax.set_yticks(heights, labels)
    ax.set_xlabel("solve")
    ax.set_ylabel("arm")
    return ax


def _new_axes() -> Any:
    if importlib.util.find_spec("matplotlib") is None:
        raise ImportError("plot needs matplotlib: pip install pysolve[plot]")
    from matplotlib.figure import Figure

    return Figure(figsize=(8, 4.5), layout="constrained").add_subplot()


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
    """Filled contours of the logarithm, since bad arms cost many times what good ones do."""
    order = np.argsort(heights, kind="stable")
    distinct = np.concatenate([[True], np.diff(heights[order]) > 0])
    order = order[distinct]
    shown = np.log10(np.maximum(costs[:, order], np.finfo(float).tiny))
    if len(order) > 1 and len(costs) > 1:
        ax.contourf(np.arange(len(costs)), heights[order], shown.T, levels=24, cmap="viridis")
