"""Products and sweeps on the GPU beside the bandwidth and flops of the machine."""

from __future__ import annotations

from typing import Any

import numpy as np
import products
from gpu_place import Call, Place
from report import Section, at_least

import pysolve
from pysolve import gallery

HEADER = ["what", "ms", "rate", "of the limit", "bar"]


def matvec_section(place: Place) -> Section:
    """stencil and CSR products, 256^3: 85% and 75% of the copy bandwidth."""
    side = 6 if place.quick else 256
    section = Section(f"stencil and CSR matvec, {side}^3, float64", HEADER)
    shape = (side,) * 3
    coefficient = 0.5 + np.random.default_rng(1).random(shape)
    stencils = {
        "stencil, constant weights": gallery.poisson(shape),
        "stencil, weights in arrays": gallery.poisson(shape, coefficient=coefficient),
    }
    x = place.xp.asarray(products.random_vector(side**3))
    y = place.xp.zeros(side**3)
    calls: dict[str, Call] = {}
    n_bytes: dict[str, int] = {}
    for name, A in stencils.items():
        D = A.to_device("cuda")
        calls[name], n_bytes[name] = products.stencil_into(D, x, y), products.stencil_bytes(A)
    csr = gallery.poisson(shape, format="csr")
    n_bytes["CSR"] = n_bytes["cuSPARSE by CuPy"] = n_bytes["packed"] = products.csr_bytes(csr)
    A = place.moved(csr)
    P = pysolve.PackedMatrix(A)
    calls |= {
        "CSR": products.csr_into(A, x, y),
        "packed": lambda: P @ x,
        "cuSPARSE by CuPy": lambda: A @ x,
    }
    times = place.seconds(calls)
    for name in calls:
        bar = {"stencil": 0.85, "CSR": 0.75}.get(name.split(",")[0])
        _add(place, section, name, times.median(name), n_bytes[name], "copy", bar)
    section.notes.append("packed: rows of CSR in slices; its share counts the bytes of CSR")
    return section


def sweep_section(place: Place) -> Section:
    """A red-black SOR sweep on 4096^2 in float64: 75% of the copy bandwidth."""
    side = 12 if place.quick else 4096
    section = Section(f"red-black SOR sweep, {side}^2, float64", HEADER)
    A = gallery.poisson((side, side)).to_device("cuda")
    b = place.xp.asarray(products.random_vector(side**2))

    def sweeps(count: int) -> Call:
        return lambda: pysolve.sor(A, b, omega=1.5, order="multicolor", rtol=0.0, maxiter=count)

    few, many = (1, 3) if place.quick else (20, 120)
    seconds = _difference(place, sweeps(few), sweeps(many), many - few)
    # each colour reads x and b whole lines at a time, and writes half of x: the header of csrc/sor.hpp counts x and b
    # once, and x once more for writing
    _add(place, section, "sor, two colours", seconds, 3 * 8 * side**2, "copy", 0.75)
    section.notes.append(f"a sweep: what {many} take more than {few}, norms included, over their number")
    return section


def kron_section(place: Place) -> Section:
    """256^3: 60% of dgemm; cubes of 16 to 64 in one kernel: 1.5 times a chain of cuBLAS."""
    section = Section("kron_matvec, float64", ["factors", "columns", "ms", "chain ms", *HEADER[2:]])
    sides = [3] if place.quick else [256, 16, 32, 64]
    for side in sides:
        columns = 1 if side == 256 or place.quick else 2**24 // side**3
        rng = np.random.default_rng(0)
        factors = [place.xp.asarray(rng.standard_normal((side, side))) for _ in range(3)]
        x = place.xp.asarray(rng.standard_normal((side**3, columns) if columns > 1 else side**3))
        K = pysolve.KronOperator(*factors)
        times = place.seconds({"chain": chain(place.xp, factors, x), "ours": lambda K=K, x=x: K @ x})
        seconds, other = times.median("ours"), times.median("chain")
        rate = 6.0 * side**4 * columns / seconds / 1e9
        if side == 256:
            bar, reached = "60% of dgemm", rate / place.limits["dgemm"]
            section.bars.append(place.bar(at_least("kron_matvec 256^3, of dgemm", 0.6, reached)))
        else:
            bar = "1.5x the chain"
            section.bars.append(
                place.bar(at_least(f"kron_matvec {side}^3, over the chain", 1.5, other / seconds))
            )
        figures = [f"{seconds * 1e3:.3g}", f"{other * 1e3:.3g}", f"{rate:.0f} GFlop/s"]
        section.rows.append([f"3 of {side}", str(columns), *figures, place.share(rate, "dgemm"), bar])
    section.notes.append(
        "chain: one cupy.matmul for each mode, into arrays that are made once: cuBLAS, strided batches"
    )
    return section


def chain(xp: Any, factors: list[Any], x: Any) -> Call:
    """The modes from the last to the first by batched products of matrices."""
    size, after = x.shape[0], x.size // x.shape[0]
    steps = []
    given = x
    for A in reversed(factors):
        n = A.shape[0]
        size //= n
        if after == 1:
            steps.append((given.reshape(size, n), A.T, xp.zeros((size, n))))
        else:
            steps.append((A, given.reshape(size, n, after), xp.zeros((size, n, after))))
        given, after = steps[-1][2], after * n

    def call() -> Any:
        for a, b, c in steps:
            xp.matmul(a, b, out=c)
        return given

    return call


def _difference(place: Place, less: Call, more: Call, steps: int) -> float:
    """Seconds of a step, of two runs of which one makes `steps` more."""
    times = place.seconds({"less": less, "more": more})
    return max(times.median("more") - times.median("less"), 1e-9) / steps


def _add(
    place: Place, section: Section, name: str, seconds: float, n_bytes: int, limit: str, bar: float | None
) -> None:
    rate = n_bytes / seconds / 1e9
    wanted = "" if bar is None else f"{bar:.0%}"
    section.rows.append([name, f"{seconds * 1e3:.3g}", f"{rate:.0f} GB/s", place.share(rate, limit), wanted])
    if bar is not None:
        reached = at_least(f"{section.title}: {name}, of {limit}", bar, rate / place.limits[limit])
        section.bars.append(place.bar(reached))
