"""Pictures without a window: a figure of matplotlib, or a sentence that says how to get it."""

from __future__ import annotations

import importlib.util
from typing import Any


def new_figure(width: float, height: float) -> Any:
    """An empty figure of so many inches; ImportError where matplotlib is absent."""
    if importlib.util.find_spec("matplotlib") is None:
        raise ImportError("plot needs matplotlib: pip install pysolve[plot]")
    from matplotlib.figure import Figure

    return Figure(figsize=(width, height), layout="constrained")
