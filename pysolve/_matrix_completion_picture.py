"""The picture of a completion: its errors against seconds, and the singular values that it found."""

from __future__ import annotations

import textwrap
from typing import Any

import numpy as np

from pysolve._pictures import new_figure

TRAINING, HELD_OUT = "#1f4e79", "#d62839"


def draw(history: dict[str, np.ndarray], singular_values: np.ndarray, ending: str, figure: Any) -> Any:
    if figure is None:
        figure = new_figure(9, 4)
    errors, values = figure.subplots(1, 2, width_ratios=[3, 2])
    for name, colour, label in (
        ("training", TRAINING, "entries fitted"),
        ("held_out", HELD_OUT, "entries held out"),
    ):
        error = history[name]
        shown = np.isfinite(error) & (error > 0)
        if shown.any():
            errors.plot(history["seconds"][shown], error[shown], ".-", color=colour, label=label)
            errors.set_yscale("log")
    errors.set(xlabel="seconds", ylabel="relative residual")
    errors.set_title(_lines(ending), fontsize="small", loc="left")
    if errors.lines:
        errors.legend(frameon=False)
    _draw_values(values, singular_values)
    return figure


def _draw_values(axes: Any, singular_values: np.ndarray) -> None:
    numbers = np.arange(1, singular_values.size + 1)
    axes.plot(numbers, singular_values, "o", color=TRAINING, markersize=4)
    if singular_values[-1] > 0 and singular_values[0] > 10 * singular_values[-1]:
        axes.set_yscale("log")
    else:
        axes.set_ylim(0, 1.05 * (singular_values[0] or 1.0))
    axes.xaxis.get_major_locator().set_params(integer=True)
    axes.set(xlabel="number", ylabel="singular value")


def _lines(text: str, width: int = 60) -> str:
    """The text in lines that fit above the left picture."""
    return "\n".join(textwrap.wrap(text, width))
