"""Poisson's equation in three dimensions: error, CPU seconds and peak memory."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import gp_chebyshev
import gp_cube
import numpy as np
from gp_runs import cpu, relative
from report import Section, at_most
from timing import say

ERROR, SECONDS, GIB = 1e-6, 20.0, 2.0
QUICK_POINTS, POINTS = 48, 128  # in a quick run too few for the finest wave


def cube_section(quick: bool) -> Section:
    """In a process of its own, whose peak memory is that of the call and of what was there before."""
    n = QUICK_POINTS if quick else POINTS
    made = Section(
        f"Poisson, {n}^3, three waves of mixed frequencies", ["method", "error", "CPU s", "peak GiB", "says"]
    )
    say(f"gp_pde, {n}^3")
    script = Path(__file__).with_name("gp_cube.py")
    done = subprocess.run(
        [sys.executable, str(script), str(n)], env=os.environ, check=False, capture_output=True, text=True
    )
    if done.returncode:
        raise RuntimeError(f"{script.name} ended with {done.returncode}: {done.stderr.strip()[-300:]}")
    found = json.loads(done.stdout)
    peak = found["peak"] / 2**30
    made.rows.append(
        ["gp_pde", f"{found['error']:.1e}", f"{found['seconds']:.2f}", f"{peak:.2f}", found["status"]]
    )
    say(f"Chebyshev, {n}^3")
    peer = cpu(lambda: chebyshev(n))
    exact = gp_cube.u(*np.meshgrid(*gp_cube.test_grid(), indexing="ij"))
    error = relative(peer.result, exact)
    made.rows.append(["Chebyshev collocation", f"{error:.1e}", f"{peer.seconds:.2f}", "-", "-"])
    made.bars = [
        at_most(f"Poisson {n}^3: error", ERROR, found["error"], ""),
        at_most(f"Poisson {n}^3: CPU seconds", SECONDS, found["seconds"], " s"),
        at_most(f"Poisson {n}^3: peak memory", GIB, peak, " GiB"),
    ]
    made.notes.append(
        f"the peak is that of the whole process, {found['before'] / 2**30:.2f} GiB of which were there before; "
        f"error on {gp_cube.N_TEST}^3 points between those of the grid"
    )
    return made


def chebyshev(n: int) -> np.ndarray:
    """Values on the test grid."""
    x = [gp_chebyshev.points(0, gp_cube.HIGH, n)] * 3
    return gp_chebyshev.on_grid(gp_chebyshev.box(gp_cube.u, gp_cube.f, x), x, gp_cube.test_grid())
