"""Poisson's equation in three dimensions: error, CPU seconds and peak memory."""

from __future__ import annotations

import functools
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import gp_chebyshev
import gp_cube
import numpy as np
from gp_runs import cpu, relative
from report import Section, at_most
from timing import say

ERROR, SECONDS, GIB = 1e-6, 20.0, 2.0
QUICK_POINTS, POINTS = 48, 128  # in a quick run too few for the finest wave


def cube_section(quick: bool) -> Section:
    """One wave of another frequency along each axis, and three such waves."""
    n = QUICK_POINTS if quick else POINTS
    made = Section(
        f"Poisson, {n}^3, mixed frequencies", ["method", "waves", "error", "CPU s", "peak GiB", "says"]
    )
    for waves in (1, len(gp_cube.WAVES)):
        add(made, n, waves)
    made.notes.append(
        "the peak is that of a process of its own, about 0.1 GiB of which were there before the call; error on "
        f"{gp_cube.N_TEST}^3 points between those of the grid; angular frequencies up to 20 (one wave) and 30"
    )
    return made


def add(made: Section, n: int, waves: int) -> None:
    """Ours in a process of its own, then the peer, and the bars."""
    say(f"gp_pde, {n}^3, {waves} wave(s)")
    found = measured(n, waves)
    peak = found["peak"] / 2**30
    figures = [f"{found['error']:.1e}", f"{found['seconds']:.2f}", f"{peak:.2f}", found["status"]]
    made.rows.append(["gp_pde", str(waves), *figures])
    say(f"Chebyshev, {n}^3")
    peer = cpu(lambda: chebyshev(n, waves))
    exact = gp_cube.u(*np.meshgrid(*gp_cube.test_grid(), indexing="ij"), waves=waves)
    theirs = [f"{relative(peer.result, exact):.1e}", f"{peer.seconds:.2f}"]
    made.rows.append(["Chebyshev collocation", str(waves), *theirs, "-", "-"])
    what = f"Poisson {n}^3, {waves} wave(s)"
    made.bars += [
        at_most(f"{what}: error", ERROR, found["error"], ""),
        at_most(f"{what}: CPU seconds", SECONDS, found["seconds"], " s"),
        at_most(f"{what}: peak memory", GIB, peak, " GiB"),
    ]


def measured(n: int, waves: int) -> dict[str, Any]:
    """What gp_cube.py says."""
    script = Path(__file__).with_name("gp_cube.py")
    command = [sys.executable, str(script), str(n), str(waves)]
    done = subprocess.run(command, env=os.environ, check=False, capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(f"{script.name} ended with {done.returncode}: {done.stderr.strip()[-300:]}")
    return json.loads(done.stdout)


def chebyshev(n: int, waves: int) -> np.ndarray:
    """Values on the test grid."""
    x = [gp_chebyshev.points(0, gp_cube.HIGH, n)] * 3
    u, f = (functools.partial(part, waves=waves) for part in (gp_cube.u, gp_cube.f))
    return gp_chebyshev.on_grid(gp_chebyshev.box(u, f, x), x, gp_cube.test_grid())
