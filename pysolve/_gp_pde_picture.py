"""The picture of a PDE's solution: the mean, how far to trust it, and the error where the truth is known."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Sequence
from typing import Any

import numpy as np

from pysolve._backend import on_device, on_host
from pysolve._gp_pde_coordinates import real_array
from pysolve._pictures import new_figure
from pysolve._writing import check_path, write_whole

MEAN, BAND, WRONG, MEASURED = "#1f4e79", "#7fb2e5", "#d62839", "black"
FORMATS = (".png", ".svg", ".pdf")
POINTS = 2000  # of a curve
STD_POINTS = 60  # of an axis of a map of standard deviations, each of which costs a solve
WAVES = 12  # more on an axis than these are shown again, fewer of them
SHOWN_WAVES = 6
EDGE = 0.08  # the share of a map that its edge is, where the values at the sides leave nothing open
DECADES = 10  # of a logarithmic scale at most: what is smaller is rounding


def draw(solution: Any, path: Any, truth: Any, figure: Any) -> Any:
    """The figure, a new one where none is given; saved where there is a path, which is looked at first."""
    where = None if path is None else _checked(path)
    solution = OnHost(solution) if on_device(solution.u) else solution
    exact = None if truth is None else on_host(real_array(truth, "truth", truth))
    if exact is not None and exact.shape != solution.u.shape:
        raise ValueError(f"truth must have the grid's shape {solution.u.shape}, got {exact.shape}")
    d = solution.u.ndim
    if d == 1:
        figure = _curves(solution, exact, figure)
    elif d == 2:
        figure = _maps(solution, exact, figure)
    else:
        figure = _slices(solution, exact, figure)
    figure.suptitle(f"{solution!r}", fontsize="small")
    if where is not None:
        kind = os.path.splitext(where)[1][1:].lower()
        write_whole(where, lambda file: figure.savefig(file, format=kind, dpi=150))
    return figure


def _checked(path: Any) -> str:
    name = check_path(path)
    if not name.lower().endswith(FORMATS):
        raise ValueError(f"path must end in {', '.join(FORMATS)}, got {name!r}")
    return name


class OnHost:
    """A solution on the device, of which copies on the host are drawn."""

    def __init__(self, solution: Any) -> None:
        self.solution, self.u = solution, on_host(solution.u)
        data = solution._measurements
        fields = {} if data is None else {name: on_host(x) for name, x in vars(data).items()}
        self._measurements = None if data is None else dataclasses.replace(data, **fields)

    def predict(self, where: Any, return_std: bool = False) -> Any:
        """As the solution's."""
        found = self.solution.predict(where, return_std=return_std)
        return tuple(map(on_host, found)) if return_std else on_host(found)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.solution, name)

    def __repr__(self) -> str:
        return repr(self.solution)


# ---- one dimension: curves -------------------------------------------------------------------------------------
def _curves(solution: Any, exact: np.ndarray | None, figure: Any) -> Any:
    """The solution with its band above, the standard deviation and the error below; many waves once more, enlarged."""
    x = solution.axes[0]
    fine = np.unique(np.concatenate([x, np.linspace(x[0], x[-1], POINTS)]))
    mean, std = solution.predict([fine], return_std=True)
    window = _window(solution, fine, std)
    figure = figure or new_figure(9 if window is None else 11, 5.5)
    columns = 1 if window is None else 2
    axes = figure.subplots(2, columns, sharex="col", height_ratios=[3, 2], squeeze=False)
    for column in range(columns):
        # dots that are hardly closer than the waves would show a pattern of their own
        _solution(axes[0, column], solution, fine, mean, std, exact if column == columns - 1 else None)
        _deviation(axes[1, column], solution, fine, std, exact)
        axes[1, column].set(xlabel="x")
    axes[0, 0].set(ylabel="u")
    axes[0, -1].legend(loc="lower right", bbox_to_anchor=(1, 1), ncols=4, frameon=False, borderaxespad=0.2)
    axes[1, -1].legend(loc="lower right", bbox_to_anchor=(1, 1), ncols=2, frameon=False, borderaxespad=0.2)
    axes[0, 0].set_xlim(x[0], x[-1])
    if window is not None:
        axes[0, 1].set_xlim(*window)
        axes[0, 1].set_ylim(axes[0, 0].get_ylim())
        axes[1, 1].set_ylim(axes[1, 0].get_ylim())
        axes[0, 0].axvspan(*window, color="0.5", alpha=0.25, linewidth=0)
    return figure


def _window(solution: Any, fine: np.ndarray, std: np.ndarray) -> tuple[float, float] | None:
    """Some waves of the highest frequency, where the standard deviation is largest; None where all can be seen."""
    low, high = fine[0], fine[-1]
    highest = max(solution.frequencies[0], default=0.0)
    if highest * (high - low) <= WAVES:
        return None
    width = SHOWN_WAVES / highest
    start = float(np.clip(fine[np.argmax(std)] - width / 2, low, high - width))
    return start, start + width


def _solution(
    ax: Any, solution: Any, x: np.ndarray, mean: np.ndarray, std: np.ndarray, exact: np.ndarray | None
) -> None:
    ax.fill_between(
        x, mean - 2 * std, mean + 2 * std, color=BAND, linewidth=0, label="two standard deviations"
    )
    ax.plot(x, mean, color=MEAN, linewidth=1, label="mean")
    if exact is not None:
        ax.plot(solution.axes[0], exact, ".", color=WRONG, markersize=2.5, label="truth")
    measured = solution._measurements
    if measured is not None:
        bars = {"fmt": "o", "color": MEASURED, "markersize": 3, "elinewidth": 0.8, "label": "measured"}
        ax.errorbar(measured.points[:, 0], measured.values, 2 * measured.sd, **bars)


def _deviation(ax: Any, solution: Any, x: np.ndarray, std: np.ndarray, exact: np.ndarray | None) -> None:
    shown = [2 * std]
    ax.plot(x, 2 * std, color=BAND, label="two standard deviations")
    if exact is not None:
        error = np.abs(solution.u - exact)
        ax.plot(solution.axes[0], error, ".", markersize=2.5, color=WRONG, label="|error|")
        shown.append(error)
    _logarithmic(ax, np.concatenate(shown))


def _logarithmic(ax: Any, values: np.ndarray) -> None:
    """A logarithmic axis over what is there, of a few decades at most."""
    known = values[np.isfinite(values) & (values > 0)]
    if known.size:
        ax.set_yscale("log")
        low = np.quantile(known, 0.01)
        ax.set_ylim(max(low, 10.0**-DECADES * known.max()) / 2, 2 * known.max())
    ax.grid(alpha=0.3)


# ---- two dimensions: maps --------------------------------------------------------------------------------------
def _maps(solution: Any, exact: np.ndarray | None, figure: Any) -> Any:
    """The solution, its standard deviation, and the error."""
    x, y = solution.axes
    thin = [_thinned(part) for part in (x, y)]
    std = solution.predict(thin, return_std=True)[1]
    count = 2 + (exact is not None)
    figure = figure or new_figure(4.6 * count, 4.2)
    panels = iter(figure.subplots(1, count, squeeze=False)[0])
    ax = next(panels)
    _map(figure, ax, x, y, solution.u, "mean", False)
    measured = solution._measurements
    if measured is not None:
        ax.plot(*measured.points.T, "o", markersize=3, color=MEASURED, markerfacecolor="white")
    _map(figure, next(panels), thin[0], thin[1], std, "standard deviation", True)
    if exact is not None:
        _map(figure, next(panels), x, y, np.abs(solution.u - exact), "|error|", True)
    return figure


def _thinned(x: np.ndarray) -> np.ndarray:
    """Some of the points, the ends among them."""
    return x if len(x) <= STD_POINTS else x[np.round(np.linspace(0, len(x) - 1, STD_POINTS)).astype(int)]


def _map(
    figure: Any, ax: Any, x: np.ndarray, y: np.ndarray, values: np.ndarray, title: str, positive: bool
) -> None:
    """Colours over x and y: about 0 for a solution, logarithmic for what is positive."""
    how = _positive_colours(values) if positive else _signed_colours(values)
    mesh = ax.pcolormesh(x, y, values.T, shading="nearest", rasterized=True, **how)
    figure.colorbar(mesh, ax=ax, shrink=0.85)
    ax.set(xlabel="x", ylabel="y")
    ax.set_title(title, fontsize="medium")


def _signed_colours(values: np.ndarray) -> dict[str, Any]:
    most = float(np.abs(values).max(initial=0)) or 1.0
    return {"cmap": "RdBu_r", "vmin": -most, "vmax": most}


def _positive_colours(values: np.ndarray) -> dict[str, Any]:
    known = values[np.isfinite(values) & (values > 0)]
    if not known.size:
        return {"cmap": "magma", "vmin": 0.0, "vmax": 1.0}
    from matplotlib.colors import LogNorm

    low = max(float(np.quantile(known, EDGE)), 10.0**-DECADES * float(known.max()))
    high = float(known.max())
    low = min(low, high / 10)  # at least a decade, or the scale would show rounding
    return {"cmap": "magma", "norm": LogNorm(low, high, clip=True)}


# ---- three dimensions: slices ----------------------------------------------------------------------------------
def _slices(solution: Any, exact: np.ndarray | None, figure: Any) -> Any:
    """The middle slice across every axis: the solution above, the error or the standard deviation below."""
    names = "xyz"
    figure = figure or new_figure(12, 7)
    panels = figure.subplots(2, 3)
    for axis in range(3):
        others = [j for j in range(3) if j != axis]
        x, y = (solution.axes[j] for j in others)
        middle = len(solution.axes[axis]) // 2
        value = solution.axes[axis][middle]
        top, bottom = panels[:, axis]
        _map(figure, top, x, y, solution.u.take(middle, axis), f"mean, {names[axis]} = {value:.3g}", False)
        if exact is not None:
            error = np.abs(solution.u - exact).take(middle, axis)
            _map(figure, bottom, x, y, error, "|error|", True)
        else:
            thin = [_thinned(part) for part in (x, y)]
            _map(
                figure,
                bottom,
                thin[0],
                thin[1],
                _std_of_slice(solution, axis, value, thin),
                "standard deviation",
                True,
            )
        for ax in (top, bottom):
            ax.set(xlabel=names[others[0]], ylabel=names[others[1]])
    return figure


def _std_of_slice(solution: Any, axis: int, value: float, grid: Sequence[np.ndarray]) -> np.ndarray:
    where = list(grid)
    where.insert(axis, np.array([value]))
    return np.take(solution.predict(where, return_std=True)[1], 0, axis)
