"""Ratings, of a file or made up: the error on ratings kept apart, each library at its best setting, and its time."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import scipy.sparse as sp
from completion_runs import ABSENT, Peer, Run, has_cmfrec, in_turn, median
from report import Bar, Section, at_least
from timing import say

import pysolve

FASTER = 5.0
RANKS, LONG = (2, 4, 6, 10, 16, 32), 30
REGS = (2.0, 4.0, 8.0, 12.0, 20.0, 35.0)  # of either library: both weigh the sum of squares the same way
SCALED = (0.02, 0.05, 0.1, 0.2)  # of cmfrec, times the number of entries of a row
COUNTS = (2, 3, 4, 6, 8, 10, 15, 20, LONG)
AS_GOOD = 1.001  # of cmfrec's settings with errors so near the least on validation, the fastest is taken
Setting = tuple[Any, ...]


@dataclasses.dataclass
class Ratings:
    """Three parts of the entries, in random order: (rows, cols, values) each."""

    name: str
    shape: tuple[int, int]
    fit: tuple[np.ndarray, ...]
    tune: tuple[np.ndarray, ...]
    test: tuple[np.ndarray, ...]


def split(name: str, rows: np.ndarray, cols: np.ndarray, values: np.ndarray) -> Ratings:
    """Eight, one and one tenth."""
    order = np.random.default_rng(0).permutation(rows.size)
    cuts = [int(0.8 * rows.size), int(0.9 * rows.size)]
    i, j, y = rows.astype(np.int32), cols.astype(np.int32), values.astype(np.float64)
    parts = [(i[part], j[part], y[part]) for part in np.split(order, cuts)]
    return Ratings(name, (int(rows.max()) + 1, int(cols.max()) + 1), *parts)


def made_up(m: int, n: int, count: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Power-law counts, biases, eight factors of falling strength and noise, rounded to 1 .. 5."""
    rng = np.random.default_rng(seed)
    a, b = (rng.permutation((10.0 + np.arange(size)) ** -0.8) for size in (m, n))
    keys = rng.exponential(size=(m, n)) / (a[:, None] * b)  # the smallest are a sample with these weights
    flat = rng.permutation(np.argpartition(keys.ravel(), count)[:count])
    i, j = flat // n, flat % n
    strengths = 0.45 * 0.75 ** np.arange(8)
    U, V = rng.standard_normal((m, 8)) * strengths, rng.standard_normal((n, 8))
    bias = 3.5 + 0.4 * rng.standard_normal(m)[i] + 0.5 * rng.standard_normal(n)[j]
    values = bias + (U[i] * V[j]).sum(axis=1) + 0.75 * rng.standard_normal(count)
    return i, j, np.clip(np.round(values), 1, 5)


def read(path: Path) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """User, item and rating of each line, by tabs, spaces, commas or "::"; ids become row and column numbers."""
    text = path.read_text(encoding="utf-8").replace("::", " ").replace(",", " ")
    table = np.loadtxt(text.splitlines(), usecols=(0, 1, 2), ndmin=2)
    rows, cols = (np.unique(table[:, which], return_inverse=True)[1] for which in (0, 1))
    return rows, cols, table[:, 2]


def file_section(quick: bool, path: Path | None) -> Section:
    """The ratings of the file named."""
    if path is None:
        made = Section("ratings of a file", ["library"], notes=["no file was given: --ratings FILE"])
        for what in "error over cmfrec's", "pysolve over cmfrec":
            made.bars.append(Bar(f"ratings of a file: {what}", "", "no file was given", None))
        return made
    return compared(split(f"ratings of {path.name}", *read(path)), quick)


def made_up_section(quick: bool) -> Section:
    """Ratings made up in the shape of a well-known set of 100,000."""
    m, n, count = (150, 200, 6000) if quick else (943, 1682, 100_000)
    return compared(split(f"made-up ratings, {m} x {n}, {count:,}", *made_up(m, n, count)), quick)


def compared(ratings: Ratings, quick: bool) -> Section:
    """Both libraries at their best."""
    header = ["library", "setting", "s", "error on validation", "error on test", "pysolve faster"]
    made = Section(f"{ratings.name}, one thread", header)
    makers = {"cmfrec": (theirs, their_settings())} if has_cmfrec() else {}
    makers["pysolve"] = own, own_settings()
    chosen: dict[str, Setting] = {}
    most = 0.0  # cmfrec's error on validation, which ours is to reach
    for name, (fit, settings) in makers.items():
        chosen[name], most = best(name, ratings, fit, settings, quick, most)
    calls: dict[str, Callable[[], Run]] = {}
    for name, setting in chosen.items():
        calls[name] = lambda fit=makers[name][0], setting=setting: fit(ratings, setting, "test")
    runs = in_turn(calls, 2 if quick else 11)
    for name, taken in runs.items():
        faster = "" if name == "pysolve" else f"{median(taken) / median(runs['pysolve']):.1f}"
        figures = [f"{median(taken):.4f}", f"{makers[name][0](ratings, chosen[name], 'tune').error:.4f}"]
        said = " ".join(f"{key}={value}" for key, value in chosen[name])
        made.rows.append([name, said, *figures, f"{taken[-1].error:.4f}", faster])
    made.bars += bars(ratings.name, runs)
    made.notes += [
        "root-mean-square errors; fitted to 8/10, settings chosen on 1/10 from one grid of ranks, regularisations and "
        "iterations (cmfrec: also CG or Cholesky, and scale_lam): cmfrec's is the fastest within 0.1% of its least "
        "error there, ours the fastest with an error no larger than that; if there is none, as with cmfrec",
        "both minimise the same sum, but for scale_lam",
    ]
    if not has_cmfrec():
        made.notes.append(ABSENT)
    return made


def bars(name: str, runs: dict[str, list[Run]]) -> list[Bar]:
    """The error, and the time."""
    if "cmfrec" not in runs:
        return [Bar(f"{name}: beside cmfrec", f"error <= its, >= {FASTER:g}x", ABSENT, None)]
    mine, its = (runs[library][-1].error for library in ("pysolve", "cmfrec"))
    ratio = median(runs["cmfrec"]) / median(runs["pysolve"])
    met = round(mine, 3) <= round(its, 3)  # the error of ten thousand ratings is known to 0.5%
    return [
        Bar(f"{name}: error on test", f"<= cmfrec's, {its:.4f}, to 3 decimals", f"{mine:.4f}", met),
        at_least(f"{name}: pysolve over cmfrec", FASTER, ratio),
    ]


def own_settings() -> list[dict[str, Any]]:
    return [{"k": k, "reg": reg} for k in RANKS for reg in REGS]


def their_settings() -> list[dict[str, Any]]:
    grid = [(lambda_, False) for lambda_ in REGS] + [(lambda_, True) for lambda_ in SCALED]
    return [{"k": k, "lambda_": reg, "scale_lam": scaled} for k in RANKS for reg, scaled in grid]


def best(
    name: str,
    ratings: Ratings,
    fit: Callable[[Ratings, Setting, str], Run],
    settings: list[dict[str, Any]],
    quick: bool,
    most: float,
) -> tuple[Setting, float]:
    """The grid with many iterations, then the three best with fewer. The fastest of those with an error of at most
    `most`, if there are any, and else of those as good as the best; and its error."""
    say(f"{ratings.name}: {len(settings)} settings of {name}")
    methods = [False, True] if name == "cmfrec" else [None]

    def full(setting: dict[str, Any], count: int, use_cg: bool | None) -> Setting:
        method = {} if use_cg is None else {"use_cg": use_cg}
        return tuple({**setting, **method, "iterations": count}.items())

    tried = {}
    for setting in settings[:: 5 if quick else 1]:
        candidate = full(setting, LONG, methods[0])
        tried[candidate] = (fit(ratings, candidate, "tune").error, setting)
    leaders = [setting for _, setting in sorted(tried.values(), key=lambda found: found[0])[:3]]
    runs = {}
    for setting in leaders:
        for candidate in (full(setting, count, method) for method in methods for count in COUNTS):
            runs[candidate] = min(
                (fit(ratings, candidate, "tune") for _ in range(2)), key=lambda run: run.seconds
            )
    least = min(run.error for run in runs.values())
    good = [candidate for candidate, run in runs.items() if run.error <= max(most, AS_GOOD * least)]
    good = [candidate for candidate in good if runs[candidate].error <= most] or good
    fastest = min(good, key=lambda candidate: runs[candidate].seconds)
    return fastest, runs[fastest].error


def error(predicted: np.ndarray, part: tuple[np.ndarray, ...]) -> float:
    """Root mean square."""
    return float(np.sqrt(np.mean((predicted - part[2]) ** 2)))


def own(ratings: Ratings, setting: Setting, part: str) -> Run:
    chosen, kept = dict(setting), getattr(ratings, part)
    start = time.perf_counter()
    result = pysolve.matrix_completion(
        (ratings.fit, ratings.shape),
        chosen["k"],
        reg=chosen["reg"],
        bias=True,
        dtype="f4",
        rtol=0.0,
        maxiter=chosen["iterations"],
        rng=0,
    )
    seconds = time.perf_counter() - start
    return Run(seconds, error(result.predict(*kept[:2]), kept), result.iterations)


def theirs(ratings: Ratings, setting: Setting, part: str) -> Run:
    chosen, kept = dict(setting), getattr(ratings, part)
    i, j, values = ratings.fit
    X = sp.coo_matrix((values, (i, j)), shape=ratings.shape)
    peer = Peer(chosen["use_cg"], True, chosen["lambda_"], bias=True, scale_lam=chosen["scale_lam"])
    model, seconds = peer.fit(X, chosen["k"], chosen["iterations"])
    i, j, _ = kept
    predicted = model.glob_mean_ + model.user_bias_[i] + model.item_bias_[j]
    return Run(
        seconds, error(predicted + (model.A_[i] * model.B_[j]).sum(axis=1), kept), chosen["iterations"]
    )
