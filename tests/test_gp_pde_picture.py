"""The picture of a solution: panels of 1-D, 2-D and 3-D, and a file that is written whole or not at all."""

import importlib.util
import os

import numpy as np
import pytest

import pysolve


def line(**changes):
    """Two waves on [0, 1], and their values on the grid."""
    x = np.linspace(0, 1, 60)
    arguments = {"operator": {2: 1.0}, "f": -900 * np.sin(30 * x), "axes": x, "boundary": (0.0, np.sin(30.0))}
    return pysolve.gp_pde(**(arguments | changes)), np.sin(30 * x)


def box(d, n=8):
    """A parabola in d dimensions, whose values at the sides are its own."""
    x = np.linspace(0, 1, n)

    def u(*where):
        return sum(part**2 for part in where)

    operator = {tuple(2 * (j == k) for j in range(d)): 1.0 for k in range(d)}
    sides = []
    for axis in range(d):
        sides.append(tuple(lambda *o, v=v, a=axis: u(*o[:a], v, *o[a:]) for v in (0.0, 1.0)))
    solution = pysolve.gp_pde(operator, 2.0 * d, [x] * d, sides, kernel="se")
    return solution, u(*np.meshgrid(*[x] * d, indexing="ij"))


def titles(figure):
    return [ax.get_title() for ax in figure.axes if ax.get_title()]


def labels(figure):
    return {
        text.get_text()
        for ax in figure.axes
        for legend in [ax.get_legend()]
        if legend
        for text in legend.texts
    }


def test_a_curve_has_its_band_and_below_the_deviation():
    pytest.importorskip("matplotlib")
    solution, _ = line()
    figure = solution.plot()
    assert len(figure.axes) == 2
    assert labels(figure) == {"mean", "two standard deviations"}
    assert figure.axes[1].get_yscale() == "log"


def test_the_truth_and_measurements_are_shown():
    pytest.importorskip("matplotlib")
    points = np.array([0.2, 0.7])
    solution, truth = line(data=(points, np.sin(30 * points), 0.1))
    figure = solution.plot(truth=truth)
    assert labels(figure) == {"mean", "two standard deviations", "truth", "measured", "|error|"}
    bars = figure.axes[0].containers[0]
    np.testing.assert_array_equal(bars.lines[0].get_xdata(), points)


def test_many_waves_are_shown_enlarged_too():
    pytest.importorskip("matplotlib")
    case = pysolve.gallery.pde_case("P1")
    figure = pysolve.gp_pde(**case.arguments).plot(truth=case.u(case.axes[0]))
    assert len(figure.axes) == 4
    low, high = figure.axes[1].get_xlim()
    assert high - low == pytest.approx(6 * 2 * np.pi / 100, rel=1e-3)


@pytest.mark.parametrize("given", [False, True])
def test_maps_of_two_dimensions(given):
    pytest.importorskip("matplotlib")
    solution, truth = box(2)
    figure = solution.plot(truth=truth if given else None)
    assert titles(figure) == ["mean", "standard deviation", "|error|"][: 2 + given]
    np.testing.assert_allclose(figure.axes[0].collections[0].get_array(), solution.u.T)


@pytest.mark.parametrize("given", [False, True])
def test_slices_of_three_dimensions(given):
    pytest.importorskip("matplotlib")
    solution, truth = box(3, 6)
    found = titles(solution.plot(truth=truth if given else None))
    below = "|error|" if given else "standard deviation"
    assert found == [f"mean, {name} = 0.6" if row == 0 else below for row in range(2) for name in "xyz"]


@pytest.mark.parametrize("ending", ["png", "svg", "pdf", "PNG"])
def test_the_ending_says_the_format(tmp_path, ending):
    pytest.importorskip("matplotlib")
    path = tmp_path / f"curve.{ending}"
    line()[0].plot(path)
    start = {"png": b"\x89PNG", "pdf": b"%PDF", "svg": b"<?xml"}[ending.lower()]
    assert path.read_bytes().startswith(start)
    assert os.listdir(tmp_path) == [path.name]


def test_a_picture_that_fails_leaves_the_file_that_was_there(tmp_path, monkeypatch):
    matplotlib = pytest.importorskip("matplotlib.figure")
    path = tmp_path / "curve.png"
    path.write_bytes(b"before")

    def half(self, file, **kwargs):
        file.write(b"\x89PNG")
        raise OSError("no space")

    monkeypatch.setattr(matplotlib.Figure, "savefig", half)
    with pytest.raises(OSError, match="no space"):
        line()[0].plot(path)
    assert path.read_bytes() == b"before"
    assert os.listdir(tmp_path) == [path.name]


@pytest.mark.parametrize(
    ("path", "error", "message"),
    [
        ("curve.txt", ValueError, r"path must end in .png, .svg, .pdf, got 'curve.txt'"),
        (3, TypeError, "path must be a str or path-like, got 3"),
        ("no/such/folder/curve.png", FileNotFoundError, "no/such/folder/curve.png"),
    ],
)
def test_a_wrong_path_is_named(tmp_path, monkeypatch, path, error, message):
    pytest.importorskip("matplotlib")
    monkeypatch.chdir(tmp_path)
    with pytest.raises(error, match=message):
        line()[0].plot(path)
    assert os.listdir(tmp_path) == []


def test_truth_of_another_shape_is_refused():
    pytest.importorskip("matplotlib")
    with pytest.raises(ValueError, match=r"truth must have the grid's shape \(60,\), got \(3,\)"):
        line()[0].plot(truth=np.zeros(3))


def test_without_matplotlib_the_extra_is_named(monkeypatch):
    solution, _ = line()
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(ImportError, match=r"pip install pysolve\[plot\]"):
        solution.plot()


def test_a_figure_that_is_given_is_drawn_into():
    figures = pytest.importorskip("matplotlib.figure")
    figure = figures.Figure()
    assert line()[0].plot(figure=figure) is figure
    assert len(figure.axes) == 2
