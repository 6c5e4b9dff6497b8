"""A large matrix on two threads: seconds and the memory of the process."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import completion_problems as problems
import environment
import numpy as np
from report import Section, at_most
from timing import say

TARGET, SECONDS, MEMORY = 1e-6, 8.0, 3.0
MIB = 2**20


def large_section(quick: bool) -> Section:
    """In a process of its own, whose peak memory is that of the call and of what was there before."""
    n, k, count = (2000, 5, 10**5) if quick else (10**5, 10, 10**7)
    threads = min(2, environment.n_cores())
    say(f"n = {n}, {count:,} entries: drawing them")
    found = measured(problems.counted(n, k, count), threads, 1 if quick else 3)
    entries = found["entries"]
    inside, beside = (
        (found["peak"] - found[since]) / entries for since in ("imports", "before")
    )  # with the caller's entries, and without
    seconds, error = float(np.median(found["seconds"])), max(found["errors"])
    header = [
        "s",
        "iterations",
        "unseen error",
        "says",
        "entries MiB",
        "peak MiB, entries included",
        "without them",
    ]
    row = [
        f"{seconds:.2f}",
        str(found["iterations"]),
        f"{error:.1e}",
        found["status"],
        f"{entries / MIB:.0f}",
    ]
    for share in inside, beside:
        row.append(f"{share * entries / MIB:.0f} = {share:.2f} x")
    made = Section(f"n = {n}, k = {k}, {count:,} entries, to {TARGET:g}, {threads} thread(s)", header, [row])
    what = f"n = {n}, {count:,} entries"
    bar = at_most(f"{what}: unseen error {TARGET:g}, {threads} thread(s)", SECONDS, seconds, " s")
    if error > TARGET:
        bar.met, bar.measured = False, f"{bar.measured}, error {error:.1e}"
    memory = at_most(f"{what}: peak memory that the call adds, over the entries' bytes", MEMORY, beside)
    memory.measured += f" ({inside:.3g}x with the caller's entries)"
    made.bars = [bar, memory]
    made.notes.append(
        "an entry has 16 bytes: int32 row and column, float64 value; the peak is that of a process of its own, less "
        "what it had with everything imported and a tiny call made; the time is the median, the "
        "peak that of the first call"
    )
    return made


def measured(problem: Any, threads: int, rounds: int) -> dict[str, Any]:
    """What completion_large.py says."""
    script = Path(__file__).with_name("completion_large.py")
    settings = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"), str(threads))
    arrays = {"rows": problem.rows, "cols": problem.cols, "values": problem.values, "truth": problem.truth}
    arrays |= {"i": problem.unseen[0], "j": problem.unseen[1], "n": np.array(problem.shape[0])}
    with tempfile.TemporaryDirectory() as folder:
        for name, array in arrays.items():
            np.save(Path(folder, f"{name}.npy"), array)
        say(f"{problem.name}: {rounds} calls, {threads} thread(s)")
        command = [sys.executable, str(script), folder, str(problem.k), str(TARGET), str(rounds)]
        done = subprocess.run(command, env=os.environ | settings, check=False, capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(f"{script.name} ended with {done.returncode}: {done.stderr.strip()[-300:]}")
    return json.loads(done.stdout)
