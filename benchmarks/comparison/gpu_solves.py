"""Solves on the GPU: conjugate gradients beside CuPy's, and with the learned V-cycle."""

from __future__ import annotations

from typing import Any

import numpy as np
import products
from gpu_place import Call, Place
from report import Bar, Section, at_least, at_most
from timing import say

import pysolve
from pysolve import gallery

RTOL = 1e-6
PEER_SIDE = 128  # beyond which the peer without a cycle takes long


def cg_section(place: Place) -> Section:
    """An iteration of cg at 256^3 and 64^3: 2 and 4 times faster than CuPy's."""
    header = ["cells", "solver", "us an iteration", "GB/s", "of the limit", "of CuPy's speed", "bar"]
    section = Section("cg per iteration, 7-point Poisson, float64", header)
    for side, reach in [(4, 2.0)] if place.quick else [(256, 2.0), (64, 4.0)]:
        say(f"cg, {side}^3")
        A, csr = gallery.poisson((side,) * 3), gallery.poisson((side,) * 3, format="csr")
        b = place.xp.asarray(products.random_vector(side**3))
        matrix, stencil = place.moved(csr), A.to_device("cuda")
        n_bytes = {"pysolve, CSR": products.csr_bytes(csr), "pysolve, stencil": products.stencil_bytes(A)}
        solves = {"pysolve, CSR": _cg(matrix, b), "pysolve, stencil": _cg(stencil, b)}
        solves |= _peers(section, matrix, b, with_ilu=side < 128)
        few, many = (1, 2) if place.quick else (20, 120)
        calls = {
            (name, k): (lambda solve=solve, k=k: solve(k))
            for name, solve in solves.items()
            for k in (few, many)
        }
        times = place.seconds({f"{name} {k}": call for (name, k), call in calls.items()}, rounds=5)
        each = {
            name: max(times.median(f"{name} {many}") - times.median(f"{name} {few}"), 1e-9) / (many - few)
            for name in solves
        }
        for name, seconds in each.items():
            # the product, and of the vectors x, r and p ten times eight bytes
            rate = (n_bytes.get(name, n_bytes["pysolve, CSR"]) + 80 * side**3) / seconds / 1e9
            ratio = each["CuPy"] / seconds if "CuPy" in each else None
            said = "" if ratio is None else f"{ratio:.2f}x"
            wanted = name.startswith("pysolve")
            figures = [f"{seconds * 1e6:.4g}", f"{rate:.0f}", place.share(rate, "copy")]
            section.rows.append([f"{side}^3", name, *figures, said, f"{reach:g}x" if wanted else ""])
            if wanted:
                section.bars.append(_bar(place, f"cg, {side}^3, {name}, over CuPy's", reach, ratio))
    section.notes.append(
        "an iteration: what 120 take more than 20, over 100; bytes: the product, and 80 a cell"
    )
    return section


def _bar(place: Place, what: str, reach: float, ratio: float | None) -> Bar:
    if ratio is None:
        return Bar(what, f">= {reach:g}x", "no CuPy beside it", None)
    return place.bar(at_least(what, reach, ratio))


def _cg(A: Any, b: Any) -> Any:
    return lambda k: pysolve.cg(A, b, rtol=0.0, maxiter=k)


def _peers(section: Section, A: Any, b: Any, with_ilu: bool) -> dict[str, Any]:
    """CuPy's cg, and with its incomplete factors where these are made in reasonable time (on the host)."""
    try:
        import cupyx.scipy.sparse.linalg as peer
    except ImportError as error:
        section.notes.append(f"CuPy's solvers are left out: {error}")
        return {}
    found = {"CuPy": lambda k: peer.cg(A, b, rtol=0.0, maxiter=k)}
    if with_ilu:
        factors = peer.spilu(A.tocsc(), drop_tol=1e-3, fill_factor=2)
        M = peer.LinearOperator(A.shape, matvec=factors.solve, dtype=A.dtype)
        found["CuPy with spilu"] = lambda k: peer.cg(A, b, rtol=0.0, maxiter=k, M=M)
    return found


def cycle_section(place: Place) -> Section:
    """Obstacle boxes to 1e-6 with the learned V-cycle: 4, 15 and 120 ms at 128^3, 256^3 and 512^3."""
    header = [
        "cells",
        "solver",
        "set-up ms",
        "solve ms",
        "iterations",
        "ms an iteration",
        "copies an iteration",
        "bar",
    ]
    section = Section("learned V-cycle CG, obstacle box, 1e-6", header)
    for side, most in [(8, 4.0)] if place.quick else [(128, 4.0), (256, 15.0), (512, 120.0)]:
        say(f"V-cycle, {side}^3")
        host = gallery.obstacle_box((side,) * 3)
        right = np.where(host.decoupled.ravel(), 0.0, products.random_vector(host.shape[0]))
        A, b = host.to_device("cuda"), place.xp.asarray(right)
        M = pysolve.Multilevel(A)
        result = pysolve.cg(A, b, rtol=RTOL, M=M)
        calls: dict[str, Call] = {
            "set-up": lambda A=A: pysolve.Multilevel(A),
            "solve": lambda A=A, b=b, M=M: pysolve.cg(A, b, rtol=RTOL, M=M),
        }
        times = place.seconds(calls, rounds=7)
        seconds, steps = times.median("solve"), max(result.iterations, 1)
        copy = 16 * side**3 / (place.limits["copy"] * 1e9)
        figures = [f"{times.median(name) * 1e3:.3g}" for name in calls]
        figures += [str(steps), f"{seconds / steps * 1e3:.3g}", f"{seconds / steps / copy:.1f}"]
        section.rows.append([f"{side}^3", "pysolve", *figures, f"{most:g} ms"])
        if side <= PEER_SIDE:
            _add_plain(place, section, side, place.moved(host.tocsr()), b)
        what = f"V-cycle CG, {side}^3"
        section.bars.append(place.bar(at_most(what, most, seconds * 1e3, " ms")))
        if not result.converged:
            section.notes.append(f"{side}^3: {result.status}")
    section.notes.append("copies an iteration: its time over that of copying one float64 vector of the box")
    return section


def _add_plain(place: Place, section: Section, side: int, A: Any, b: Any) -> None:
    """CuPy's cg to the same tolerance, without a preconditioner: AMGX has no package that could stand here."""
    try:
        import cupyx.scipy.sparse.linalg as peer
    except ImportError as error:
        section.notes.append(f"CuPy's solvers are left out: {error}")
        return
    steps: list[None] = []
    peer.cg(A, b, rtol=RTOL, callback=lambda x: steps.append(None))
    seconds = place.seconds({"CuPy": lambda: peer.cg(A, b, rtol=RTOL)}, rounds=3).median("CuPy")
    copy = 16 * side**3 / (place.limits["copy"] * 1e9)
    figures = [f"{seconds * 1e3:.3g}", str(len(steps)), f"{seconds / len(steps) * 1e3:.3g}"]
    section.rows.append([f"{side}^3", "CuPy, cg", "", *figures, f"{seconds / len(steps) / copy:.1f}", ""])
