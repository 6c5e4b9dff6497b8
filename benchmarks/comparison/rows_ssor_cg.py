"""SSOR-CG beside plain preconditioned CG, and whole solves of small systems beside their bare sweeps."""

import environment
import numpy as np
from relaxation_calls import run_csr, run_stencil, split_of
from report import Bar, Plan, Section, at_most
from timing import interleaved, say

import pysolve


def ssor_iterations(plan: Plan) -> Section:
    """SSOR-CG in two shared passes beside CG with the same preconditioner in three."""
    header = ["matrix", "form", "threads", "plain ms", "fused ms", "ratio", "iterations, plain", "fused"]
    section = Section("SSOR-CG, milliseconds an iteration", header)
    sizes = [(30, 30), (12,) * 3] if plan.quick else [(199, 199), (1000, 1000), (100,) * 3]
    for extents in sizes:
        for form in ("csr", "stencil"):
            A = pysolve.gallery.poisson(extents, format=form)
            b, M = np.random.default_rng(0).standard_normal(A.shape[0]), pysolve.SSOR(A, 1.9)
            name, workspace = "x".join(map(str, extents)), pysolve.SorWorkspace()
            say(f"SSOR-CG, {name}, {form}")
            calls = {
                "plain": lambda A=A, b=b, M=M: pysolve.cg(A, b, M=M, rtol=1e-8),
                "fused": lambda A=A, b=b, w=workspace: pysolve.ssor_cg(
                    A, b, omega=1.9, rtol=1e-8, workspace=w
                ),
            }
            counts = {key: call().iterations for key, call in calls.items()}
            for threads in plan.threads:
                with environment.threads(threads):
                    times = interleaved(calls, plan.rounds, plan.budget)
                ms = {key: times.median(key) / counts[key] * 1e3 for key in calls}
                ratio = ms["fused"] / ms["plain"]
                section.rows.append(
                    [
                        name,
                        form,
                        str(threads),
                        f"{ms['plain']:.3g}",
                        f"{ms['fused']:.3g}",
                        f"{ratio:.2f}",
                        str(counts["plain"]),
                        str(counts["fused"]),
                    ]
                )
                section.bars.append(
                    at_most(
                        f"SSOR-CG an iteration, {name}, {form}, {threads} thread(s), fused over plain",
                        0.65,
                        ratio,
                    )
                )
            same = counts["plain"] == counts["fused"]
            section.bars.append(
                Bar(
                    f"SSOR-CG, {name}, {form}: iterations, plain and fused",
                    "equal",
                    f"{counts['plain']}, {counts['fused']}",
                    same,
                )
            )
    section.notes.append(
        "whole solves with their set-up, over their iterations; plain: pysolve.cg with M = pysolve.SSOR(A, omega)"
    )
    return section


def small_solves(plan: Plan) -> Section:
    """A whole `sor` of 100 unknowns beside its bare sweeps."""
    header = ["form", "omega", "sweeps", "whole us", "bare sweeps us", "ratio"]
    section = Section("n = 100: a whole solve to 1e-8 and its sweeps, microseconds", header)
    matrix = pysolve.gallery.poisson((10, 10), format="csr")
    operator = pysolve.gallery.poisson((10, 10))
    b, x = np.random.default_rng(0).standard_normal(100), np.zeros(100)
    for form, A in (("csr", matrix), ("stencil", operator)):
        for omega in (1.0, 1.65):
            sweeps = pysolve.sor(A, b, omega=omega, rtol=1e-8).iterations
            bare = (
                run_csr(split_of(A), b, x, sweeps, omega)
                if form == "csr"
                else run_stencil(A, b, x, sweeps, omega=omega)
            )
            calls = {
                "whole": lambda A=A, omega=omega: pysolve.sor(A, b, omega=omega, rtol=1e-8),
                "bare": bare,
            }
            with environment.threads(1):
                times = interleaved(calls, plan.repeat, plan.budget)
            us = {key: times.median(key) * 1e6 for key in calls}
            ratio = us["whole"] / us["bare"]
            section.rows.append(
                [form, f"{omega:g}", str(sweeps), f"{us['whole']:.1f}", f"{us['bare']:.1f}", f"{ratio:.2f}"]
            )
            section.bars.append(
                at_most(f"n = 100, {form}, omega {omega:g}: whole solve over its sweeps", 1.5, ratio)
            )
    return section
