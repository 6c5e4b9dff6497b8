"""The pictures of the command line. Matplotlib is imported late, and its global state is left alone."""

from dataclasses import dataclass
from typing import Any

import numpy as np

OWN, OTHER, SOLID, FAINT, INK = "#0b6e99", "#e08e45", "#3a3f45", "#d5d9dd", "#2b2f33"


@dataclass
class Bar:
    """One solver of a comparison; `curve` holds its relative residual norms."""

    name: str
    seconds: float
    converged: bool
    own: bool
    curve: np.ndarray


def curves_picture(curves: dict[str, np.ndarray], target: float, title: str) -> Any:
    """Relative residual against iteration, one curve for each name, and the line to be reached."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(8, 4.8), dpi=120, layout="constrained")
    axes = figure.add_subplot()
    for name, norms in curves.items():
        _draw_curve(axes, norms, label=name, **({"color": OWN} if len(curves) == 1 else {}))
    _finish_curves(axes, target)
    axes.set_title(title, fontsize=11, color=INK)
    if len(curves) <= 10:
        axes.legend(frameon=False, fontsize=9)
    return figure


def compare_picture(bars: list[Bar], target: float, title: str) -> Any:
    """Left the seconds of every solver, right its convergence."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(14, max(4.5, 1.5 + 0.45 * len(bars))), dpi=120, layout="constrained")
    left, right = figure.subplots(1, 2)
    colours = _colours(bars)
    _draw_bars(left, bars, colours)
    for bar, colour in zip(bars, colours, strict=True):
        # Two libraries with one preconditioner give one curve: the wide one is seen below the narrow one.
        _draw_curve(
            right, bar.curve, color=colour, linewidth=1.5 if bar.own else 4, zorder=3 if bar.own else 2
        )
    _finish_curves(right, target)
    counts = [len(bar.curve) for bar in bars]
    if max(counts) > 10 * min(counts):  # the quick ones would be a line down the axis
        right.set_xscale("symlog", linthresh=10)
        right.set_xlim(left=0)  # the scale has room for negative numbers, which no iteration has
    right.set_title("convergence", fontsize=11, color=INK)
    figure.suptitle(title, fontsize=12, color=INK)
    return figure


def demo_picture(pressure: np.ndarray, solid: np.ndarray, rows: list[tuple[str, float, float]]) -> Any:
    """Left a slice of the pressure with the obstacles left out, right the seconds of both libraries.

    Parameters
    ----------
    pressure : (height, width) array
        The slice, the floor first.
    solid : (height, width) array of bool
        True inside an obstacle.
    rows : list of (str, float, float)
        Problem, seconds of scipy, seconds of pysolve.
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=(14, 6), dpi=120, layout="constrained")
    left, right = figure.subplots(1, 2, width_ratios=[1, 1.15])
    _draw_slice(figure, left, pressure, solid)
    _draw_pairs(right, rows)
    return figure


def _draw_slice(figure: Any, axes: Any, pressure: np.ndarray, solid: np.ndarray) -> None:
    masked = np.ma.array(pressure, mask=solid)
    axes.set_facecolor(SOLID)
    image = axes.imshow(masked, origin="lower", cmap="viridis", interpolation="nearest")
    levels = np.unique(np.quantile(masked.compressed(), np.linspace(0.03, 0.97, 20)))
    axes.contour(masked, levels=levels, colors="white", linewidths=0.7, alpha=0.65, linestyles="solid")
    axes.set_title("pressure in the obstacle box, a slice", fontsize=12, color=INK)
    axes.set_xticks([])
    axes.set_yticks([])
    figure.colorbar(image, ax=axes, shrink=0.85, pad=0.02)


def _draw_pairs(axes: Any, rows: list[tuple[str, float, float]]) -> None:
    places = np.arange(len(rows))[::-1]
    sides = (0.2, 1, "scipy.sparse.linalg.cg", OTHER), (-0.2, 2, "pysolve.cg", OWN)
    for offset, column, name, colour in sides:
        axes.barh(places + offset, [row[column] for row in rows], height=0.38, color=colour, label=name)
    longest = max(max(row[1:]) for row in rows)
    for place, (_, other, own) in zip(places, rows, strict=True):
        _write(axes, other, place + 0.2, f"{other:.3g} s", longest)
        _write(axes, own, place - 0.2, f"{own:.3g} s   ({other / own:.1f}x)", longest, weight="bold")
    _finish_bars(axes, places, [row[0] for row in rows], 1.27 * longest)
    axes.set_title("the same system, tolerance and threads", fontsize=12, color=INK)
    axes.legend(frameon=False, fontsize=10, loc="upper center", bbox_to_anchor=(0.5, -0.1), ncols=2)


def _draw_bars(axes: Any, bars: list[Bar], colours: list[Any]) -> None:
    places = np.arange(len(bars))[::-1]
    longest = max(bar.seconds for bar in bars)
    for place, bar, colour in zip(places, bars, colours, strict=True):
        axes.barh(place, bar.seconds, height=0.7, color=colour, alpha=1.0 if bar.converged else 0.35)
        text = f"{bar.seconds:.3g} s" + ("" if bar.converged else ", not converged")
        _write(axes, bar.seconds, place, text, longest, weight="bold" if bar.own else "normal")
    _finish_bars(axes, places, [bar.name for bar in bars], 1.3 * longest)
    axes.set_title("set-up and solve", fontsize=11, color=INK)


def _write(axes: Any, x: float, y: float, text: str, longest: float, weight: str = "normal") -> None:
    axes.text(x + 0.012 * longest, y, text, va="center", fontsize=9, color=INK, weight=weight)


def _finish_bars(axes: Any, places: np.ndarray, names: list[str], right: float) -> None:
    axes.set_yticks(places, names, fontsize=9.5)
    axes.set_xlim(0, right)
    axes.set_xlabel("seconds, shorter is better")
    _tidy(axes)


def _draw_curve(axes: Any, norms: np.ndarray, **style: Any) -> None:
    # A residual of exactly 0 has no place on a logarithmic axis.
    shown = np.where(norms > 0, norms, np.nan)
    axes.semilogy(shown, **({"linewidth": 1.8, "marker": "o" if len(norms) < 3 else ""} | style))


def _finish_curves(axes: Any, target: float) -> None:
    if not any(np.isfinite(line.get_ydata()).any() for line in axes.lines):
        _finish_empty(axes, target)
    if target > 0:
        axes.axhline(target, color=INK, linewidth=1, linestyle=":")
        place = {"xycoords": ("axes fraction", "data"), "va": "center", "fontsize": 9, "color": INK}
        axes.annotate(" asked for", (1, target), **place)
    axes.set_xlabel("iteration")
    axes.set_ylabel("relative residual")
    _tidy(axes)


def _finish_empty(axes: Any, target: float) -> None:
    """Say that all residuals are exactly 0: they cannot be drawn, nor give matplotlib limits to draw in."""
    axes.set_ylim(min(0.1 * target or 1e-16, 0.1), max(10 * target, 1.0))
    axes.set_xticks([])
    axes.text(0.5, 0.5, "every residual is 0", transform=axes.transAxes, ha="center", color=INK)


def _colours(bars: list[Bar]) -> list[Any]:
    """Blues for pysolve, warm colours for the others."""
    from matplotlib import colormaps

    totals = {own: max(1, sum(bar.own == own for bar in bars) - 1) for own in (True, False)}
    seen = {True: 0, False: 0}
    colours = []
    for bar in bars:
        shade = 0.45 + 0.5 * seen[bar.own] / totals[bar.own]
        colours.append(colormaps["Blues" if bar.own else "Oranges"](shade if bar.own else 0.75 * shade))
        seen[bar.own] += 1
    return colours


def _tidy(axes: Any) -> None:
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(axis="x", color=FAINT, linewidth=0.6)
    axes.set_axisbelow(True)
