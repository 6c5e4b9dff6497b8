"""Sweeps of relaxation, beside pyamg's and PETSc's and the machine's bandwidth."""

import environment
import numpy as np
from relaxation_calls import MANY, SWEEPS, petsc_seconds, pyamg_sor, run_csr, run_stencil, split_of
from report import Bar, Plan, Section, at_least
from timing import interleaved, say

import pysolve

SWEEP_HEADER = [
    "matrix",
    "what",
    "threads",
    "ms a sweep",
    "ns a non-zero",
    "of pyamg's speed",
    "GB/s",
    "of memory",
]


FUSED = "bytes: x read and written, b read, once a sweep; fused sweeps move fewer, and may pass the limit"


def csr_bytes(A):
    """Bytes of a sweep and its norm, as csrc/sor.hpp says."""
    m = A.nnz - A.shape[0]
    return m * (8 + 4) + A.shape[0] * (4 * 8 + 2 * 8 + 8)


def csr_sweeps(plan: Plan) -> Section:
    """Sweeps on CSR matrices, one thread and two, with what the analysis costs."""
    section = Section("forward sweeps on a CSR matrix, natural order, norms included", SWEEP_HEADER)
    sizes = [((60, 60), 1.7), ((16,) * 3, 1.6)] if plan.quick else [((1000, 1000), 1.7), ((100,) * 3, 1.6)]
    for extents, reach in sizes:
        name = f"{2 * len(extents) + 1}-point {'x'.join(map(str, extents))}"
        say(f"sweeps, {name}")
        A = pysolve.gallery.poisson(extents, format="csr")
        b, x = np.ones(A.shape[0]), np.zeros((4, A.shape[0]))
        split, colours = split_of(A), split_of(A, "multicolor")
        calls = {
            "pyamg": pyamg_sor(A, b, x[0], MANY),
            "pysolve": run_csr(split, b, x[1], MANY),
            "pysolve, colours": run_csr(colours, b, x[2], MANY),
        }
        one = {}
        for threads in plan.threads:
            with environment.threads(threads):
                times = interleaved(calls, plan.repeat, plan.budget)
            limit = plan.limits(A.shape[0], threads)[0].reading
            for what in calls:
                seconds = times.median(what) / MANY
                if what != "pyamg" or threads == 1:
                    section.rows.append(
                        _row(
                            name,
                            what,
                            threads,
                            seconds,
                            A.nnz,
                            times.median("pyamg") / MANY,
                            csr_bytes(A),
                            limit,
                        )
                    )
                if threads == 1:
                    one[what] = seconds
                elif what != "pyamg":
                    section.bars.append(
                        at_least(f"{name}, {what}: {threads} threads over one", 1.5, one[what] / seconds)
                    )
        section.bars.append(
            at_least(f"{name}, one thread, against pyamg's sor", reach, one["pyamg"] / one["pysolve"])
        )
        _add_petsc(section, name, extents, one["pysolve"], A.nnz, plan)
        section.notes.append(_setup_note(name, A, split, one["pysolve"], plan))
    section.notes.append("pysolve's sweeps tell the norm of each residual; those of pyamg and PETSc do not")
    return section


def _row(name, what, threads, seconds, nnz, pyamg, size, limit):
    rate = size / seconds / 1e9
    return [
        *(name, what, str(threads), f"{seconds * 1e3:.3g}", f"{seconds / nnz * 1e9:.3g}"),
        *(f"{pyamg / seconds:.2f}x", f"{rate:.1f}", f"{rate / limit:.0%}"),
    ]


def _add_petsc(section, name, extents, own, nnz, plan):
    seconds = petsc_seconds(extents, plan.repeat)
    if seconds is None:
        section.bars.append(
            Bar(f"{name}, ahead of PETSc's MatSOR", "> 1x", "petsc4py is not installed", None)
        )
        return
    section.rows.append(
        [name, "PETSc", "1", f"{seconds * 1e3:.3g}", f"{seconds / nnz * 1e9:.3g}", "", "", ""]
    )
    section.bars.append(at_least(f"{name}, one thread, against PETSc's MatSOR", 1.0, seconds / own))


def _setup_note(name, A, split, sweep, plan):
    arrays = (A.indptr, A.indices, A.data)
    own = sum(array.nbytes for array in arrays)
    calls = {"split": lambda: split_of(A), "update": lambda: split.update(*arrays)}
    with environment.threads(1):
        times = interleaved(calls, plan.rounds, plan.budget)
    return (
        f"{name}: the analysis takes {times.median('split') / sweep:.1f} sweeps of one thread, new values of the same "
        f"pattern {times.median('update') / sweep:.1f}; {split.nbytes / 2**20:.0f} MiB beside {own / 2**20:.0f} of CSR"
    )


def stencil_sweeps(plan: Plan) -> Section:
    """Sweeps without a matrix, natural order, beside pyamg's on the matrix."""
    section = Section("forward sweeps on a stencil operator, natural order", SWEEP_HEADER)
    m = 60 if plan.quick else 1000
    A, matrix = pysolve.gallery.poisson((m, m)), pysolve.gallery.poisson((m, m), format="csr")
    varying = pysolve.gallery.poisson((m, m), coefficient=0.5 + np.random.default_rng(0).random((m, m)))
    b, x = np.ones(m * m), np.zeros((4, m * m))
    calls = {
        "pyamg": pyamg_sor(matrix, b, x[0], SWEEPS),
        "pysolve": run_stencil(A, b, x[1], SWEEPS),
        "pysolve, with norms": run_stencil(A, b, x[2], SWEEPS, norms_too=True),
        "pysolve, varying weights": run_stencil(varying, b, x[3], SWEEPS),
    }
    for threads in plan.threads:
        say(f"stencil sweeps, {threads} thread(s)")
        with environment.threads(threads):
            times = interleaved(calls, plan.repeat, plan.budget)
        limit, pyamg = plan.limits(m * m, threads)[0].mixed, times.median("pyamg") / SWEEPS
        for what in calls if threads == 1 else list(calls)[1:]:
            size = (24 + (16 if "varying" in what else 0)) * m * m
            seconds = times.median(what) / SWEEPS
            section.rows.append(_row(f"{m}x{m}", what, threads, seconds, matrix.nnz, pyamg, size, limit))
        if threads == 1:
            ratio = pyamg / times.median("pysolve") * SWEEPS
            section.bars.append(
                at_least(f"{m}x{m}, natural order, one thread, against pyamg's sor", 12.0, ratio)
            )
    section.notes.append(FUSED)
    return section


def colour_sweeps(plan: Plan) -> Section:
    """Two colours on a large stencil operator, one sweep at a time and several fused in the caches."""
    section = Section("forward sweeps on a stencil operator, two colours", SWEEP_HEADER)
    m = 200 if plan.quick else 4000
    A, b, x = pysolve.gallery.poisson((m, m)), np.ones(m * m), np.zeros(m * m)
    calls = {
        "one sweep at a time": run_stencil(A, b, x, 1, "multicolor"),
        "fused": run_stencil(A, b, x, SWEEPS, "multicolor"),
        "fused, with norms": run_stencil(A, b, x, SWEEPS, "multicolor", norms_too=True),
    }
    for threads in plan.threads:
        say(f"two colours, {threads} thread(s)")
        with environment.threads(threads):
            times = interleaved(calls, plan.repeat, plan.budget)
        limit = plan.limits(m * m, threads)[0].mixed
        seconds = {what: times.median(what) / (SWEEPS if "fused" in what else 1) for what in calls}
        for what in calls:
            row = _row(f"{m}x{m}", what, threads, seconds[what], 5 * m * m, 0.0, 24 * m * m, limit)
            section.rows.append([*row[:5], "", *row[6:]])
        ratio = seconds["one sweep at a time"] / seconds["fused"]
        section.bars.append(
            at_least(f"{m}x{m}, {threads} thread(s): fused two-colour sweeps over single ones", 2.0, ratio)
        )
    section.notes.append(FUSED)
    return section
