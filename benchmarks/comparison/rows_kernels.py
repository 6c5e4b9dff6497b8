"""Products with a vector: CSR, packed and matrix-free, against scipy's `A @ x` and the machine's limits.

The result is a given array on both sides ("given"), or a new one on both sides ("new").
"""

import environment
import numpy as np
import products
from report import Plan, Section, at_least
from timing import interleaved, say

import pysolve

HEADER = [
    "product",
    "threads",
    "result",
    "scipy ms",
    "pysolve ms",
    "ratio",
    "GB/s",
    "of memory",
    "of same size",
]
LIMIT = (
    "of memory, of same size: GB/s over the fastest {} measured above with as many threads, on arrays far beyond the "
    "caches, and on arrays of this size, part of which the last cache keeps"
)


def csr_section(plan: Plan) -> Section:
    """`csr_matvec` against scipy's `A @ x`, and the packed format with what packing costs."""
    A = pysolve.gallery.poisson((plan.n,) * 3, format="csr")
    x = products.random_vector(A.shape[0])
    y, own = products.beside(x), products.beside(x)
    parts, packed = products.packed_parts(A), pysolve.PackedMatrix(A)
    section = Section(f"csr and packed products, 7-point {plan.n}^3, nnz = {A.nnz:,}", HEADER)
    calls = {
        "scipy given": products.scipy_into(A, x, y),
        "csr given": products.csr_into(A, x, own),
        "packed given": products.packed_into(parts, x, own),
        "scipy new": lambda: A @ x,
        "csr new": products.csr_new(A, x),
        "packed new": lambda: packed.matvec(x),
    }
    size = {"csr": products.csr_bytes(A), "packed": packed.nbytes + 2 * x.nbytes}
    reach = {"csr": {1: 1.0, 2: 1.8}, "packed": {1: 1.2, 2: 2.1}}
    for n in plan.threads:
        say(f"csr and packed products, {n} thread(s)")
        with environment.threads(n):
            times = interleaved(calls, plan.repeat, plan.budget)
        limits = [found.reading for found in plan.limits(A.shape[0], n)]
        for name in reach:
            for result in ("given", "new"):
                them, us = times.median(f"scipy {result}"), times.median(f"{name} {result}")
                section.rows.append(_row(name, n, result, them, us, size[name], limits))
                what = f"{name} product, {n} thread(s), result {result}, against scipy's A @ x"
                section.bars.append(at_least(what, reach[name][n], them / us))
        ns = 1e9 / A.nnz
        section.notes.append(
            f"{n} thread(s), ns per non-zero: scipy {times.median('scipy given') * ns:.2f}, csr "
            f"{times.median('csr given') * ns:.2f}, packed {times.median('packed given') * ns:.2f}; largest spread "
            f"(interquartile range over median) {times.spread():.0%}"
        )
        section.notes.append(_packing_cost(A, times, n, plan))
    section.notes += [
        LIMIT.format("read, copy or triad"),
        "scipy's product uses one thread whatever is allowed",
    ]
    return section


def _packing_cost(A: object, times: object, n: int, plan: Plan) -> str:
    """What packing costs in products, with the checks of PackedMatrix and by the kernels alone."""
    calls = {"checked": lambda: pysolve.PackedMatrix(A), "kernels": lambda: products.packed_parts(A)}
    with environment.threads(n):
        cost = interleaved(calls, plan.rounds, plan.budget)
    said = []
    for name, text in (("checked", "PackedMatrix(A), with all checks"), ("kernels", "without the checks")):
        seconds = cost.median(name)
        them, us = seconds / times.median("scipy given"), seconds / times.median("csr given")
        said.append(f"{text}: {seconds * 1e3:.3g} ms = {them:.1f} products of scipy = {us:.1f} of csr")
    return f"{n} thread(s), packing: " + "; ".join(said)


def _row(name: str, n: int, result: str, them: float, us: float, size: int, limits: list[float]) -> list[str]:
    rate = size / us / 1e9
    times = [f"{them * 1e3:.3g}", f"{us * 1e3:.3g}", f"{them / us:.2f}x"]
    return [name, str(n), result, *times, f"{rate:.1f}", *(f"{rate / limit:.0%}" for limit in limits)]


def stencil_section(plan: Plan) -> Section:
    """`stencil_matvec` against the bandwidth limit, and against scipy's product with the same matrix."""
    n_cells = plan.n**3
    shape = (plan.n,) * 3
    weights = 0.5 + np.random.default_rng(1).random(shape)
    operators = {
        "constant": pysolve.gallery.poisson(shape),
        "variable": pysolve.gallery.poisson(shape, coefficient=weights),
    }
    matrix = operators["constant"].tocsr()
    x = products.random_vector(n_cells)
    y, own = products.beside(x), products.beside(x)
    calls = {"scipy given": products.scipy_into(matrix, x, y), "scipy new": lambda: matrix @ x}
    for name, A in operators.items():
        calls[f"{name} given"] = products.stencil_into(A, x, own)
        calls[f"{name} new"] = lambda A=A: A.matvec(x)
    section = Section(f"stencil products, {plan.n}^3", HEADER)
    for n in plan.threads:
        say(f"stencil products, {n} thread(s)")
        with environment.threads(n):
            times = interleaved(calls, plan.repeat, plan.budget)
        limits = [found.mixed for found in plan.limits(n_cells, n)]
        for name, A in operators.items():
            size = products.stencil_bytes(A)
            for result in ("given", "new"):
                them, us = times.median(f"scipy {result}"), times.median(f"{name} {result}")
                section.rows.append(_row(f"{name} weights", n, result, them, us, size, limits))
        rate = products.stencil_bytes(operators["constant"]) / times.median("constant given") / 1e9
        for where, limit in zip(("beyond the caches", "of the same size"), limits, strict=True):
            what = (
                f"stencil product, {n} thread(s), share of {limit:.1f} GB/s (copy or triad, arrays {where})"
            )
            section.bars.append(at_least(what, 75, 100 * rate / limit, " %"))
        section.notes.append(f"{n} thread(s): largest spread {times.spread():.0%}")
    section.notes += [
        "bytes: 16 a cell with constant weights, 40 with arrays, as the kernel's header says",
        LIMIT.format("copy or triad") + " (a product writes too)",
    ]
    return section
