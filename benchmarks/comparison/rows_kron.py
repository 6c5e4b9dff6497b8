"""Kronecker products beside NumPy's chain of products, pykronecker and linear_operator, and the rate of dgemm."""

import environment
import kron_products
import machine
import numpy as np
from report import Bar, Section, at_least
from timing import Times, interleaved, say

HEADER = ["factors", "library", "us", "GFlop/s", "of dgemm", "pysolve is faster"]
Case = tuple[str, list[tuple[int, int]], int]  # name, extents of the factors, columns
BARS = {"128^3": 1.3, "32^3": 2.5, "16^3": 2.5}  # over NumPy's chain


def cubes(quick: bool) -> list[Case]:
    """Equal square factors."""
    sides = (8, 16) if quick else (8, 16, 32, 64, 128, 256)
    return [(f"{n}^{d}", [(n, n)] * d, 1) for d in (2, 3) for n in sides]


def others(quick: bool) -> list[Case]:
    """Rectangular factors, many factors, several columns."""
    long: list[Case] = [
        ("400x60, 400x60", [(400, 60)] * 2, 1),
        ("60x400, 60x400", [(60, 400)] * 2, 1),
        ("50x20, 20x50, 100x30", [(50, 20), (20, 50), (100, 30)], 1),
        ("32^4", [(32, 32)] * 4, 1),
        ("8^6", [(8, 8)] * 6, 1),
        ("64^2, 3 columns", [(64, 64)] * 2, 3),
        ("64^2, 32 columns", [(64, 64)] * 2, 32),
        ("24^3, 10 columns", [(24, 24)] * 3, 10),
    ]
    return [("20x10, 5x8", [(20, 10), (5, 8)], 1), ("4^5", [(4, 4)] * 5, 1)] if quick else long


def section(title: str, cases: list[Case], quick: bool, threads: int = 1) -> Section:
    """A table, with the bars of those cases that have one."""
    table, behind = Section(title, HEADER), []
    for name, shapes, columns in cases:
        say(f"{title}: {name}")
        factors, x = kron_products.problem(shapes, columns)
        libraries = [name for name in kron_products.installed() if kron_products.takes(name, shapes)]
        calls = {library: kron_products.call_of(library, factors, x) for library in libraries}
        check(name, {library: call() for library, call in calls.items()})
        with environment.threads(threads):
            times = interleaved(calls, 3 if quick else 15, 2.0 if quick else 20.0)
        dgemm = machine.gigaflops(threads, 256 if quick else 1024, 0.05 if quick else 0.5)
        add(table, name, times, kron_products.flops(shapes, columns), dgemm)
        own = times.median("pysolve")
        ratios = {library: times.median(library) / own for library in calls if library != "pysolve"}
        behind += [f"{library} on {name} ({ratio:.2f}x)" for library, ratio in ratios.items() if ratio <= 1]
        if threads == 1 and name in BARS:
            what = f"{name}, one thread, against NumPy's chain"
            table.bars.append(at_least(what, BARS[name], ratios["numpy"]))
    names = " and ".join(library for library in kron_products.LIBRARIES[1:])
    what = f"{title}: ahead of {names} everywhere"
    table.bars.append(Bar(what, "> 1x", ", ".join(behind) or "everywhere", not behind))
    absent = sorted(set(kron_products.LIBRARIES) - set(kron_products.installed()))
    table.notes += [f"{library} is not installed" for library in absent]
    return table


def check(name: str, results: dict[str, np.ndarray]) -> None:
    """All libraries have the same product."""
    own = results["pysolve"]
    for library, result in results.items():
        worst = abs(result.reshape(own.shape) - own).max() / abs(own).max()
        if worst > 1e-12:
            raise ArithmeticError(f"{library} differs on {name} by {worst:.1e}")


def add(table: Section, name: str, times: Times, flops: float, dgemm: float) -> None:
    """A row for every library."""
    own = times.median("pysolve")
    for library in times.samples:
        seconds = times.median(library)
        rate = flops / seconds / 1e9
        ratio = "" if library == "pysolve" else f"{seconds / own:.2f}x"
        table.rows.append(
            [name, library, f"{seconds * 1e6:.1f}", f"{rate:.1f}", f"{rate / dgemm:.0%}", ratio]
        )
