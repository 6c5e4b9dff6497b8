"""The picture of a sequence: arms and costs, call by call."""

from __future__ import annotations

from typing import Any

import numpy as np

from pysolve._pictures import new_figure


def picture(history: list[Any], arms: list[Any], default: Any, cost: str, figure: Any) -> Any:
    """Arm over calls, coloured by cost, above the total cost; the figure."""
    if figure is None:
        figure = new_figure(8, 5.5)
    upper, lower = figure.subplots(2, 1, sharex=True)
    numbers = np.arange(1, len(history) + 1)
    costs = np.array([call.cost for call in history], dtype=float)
    if all(isinstance(arm, float) for arm in arms):
        upper.set_ylabel("omega")
        heights = np.array([call.arm for call in history], dtype=float)
    else:
        names = list(dict.fromkeys([*arms, default]))
        upper.set_yticks(range(len(names)), list(map(str, names)))
        heights = np.array([names.index(call.arm) for call in history], dtype=float)
    dots = upper.scatter(numbers, heights, c=costs, s=6, cmap="viridis")
    figure.colorbar(dots, ax=upper, label=f"{cost} of the call")
    stopped = np.array([call.aborted or call.failed for call in history], dtype=bool)
    upper.plot(numbers[stopped], heights[stopped], "rx", label="stopped or failed: the default went on")
    if stopped.any():
        upper.legend(loc="best")
    lower.plot(numbers, np.cumsum(costs))
    lower.set(xlabel="call", ylabel=f"total {cost}")
    return figure
