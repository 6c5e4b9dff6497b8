"""A large completion in a process of its own: prints seconds, unseen error and peak memory as JSON.

``python completion_large.py FOLDER K RTOL ROUNDS``: the folder holds rows, cols, values, the unseen i and j, and truth
as .npy files. Peaks are taken before the errors are looked at. Threads as the environment says.
"""

import json
import sys
import time
from pathlib import Path

import numpy as np
from completion_problems import Problem
from large_memory import peak_bytes

import pysolve

folder, k, rtol, rounds = Path(sys.argv[1]), int(sys.argv[2]), float(sys.argv[3]), int(sys.argv[4])
warm = np.random.default_rng(0).standard_normal((50, 1)) @ np.ones((1, 50))
pysolve.matrix_completion(warm, 1, rng=0)  # threads and buffers are part of every process
imports = peak_bytes()
rows, cols, values, i, j, truth = (
    np.load(folder / f"{name}.npy") for name in ("rows", "cols", "values", "i", "j", "truth")
)
n = int(np.load(folder / "n.npy"))
problem = Problem("", rows, cols, values, (n, n), k, (i, j), truth)
before = peak_bytes()
seconds, errors, iterations, peak = [], [], 0, 0
for _ in range(rounds):
    start = time.perf_counter()
    result = pysolve.matrix_completion(problem.observed, k, rtol=rtol, rng=0)
    seconds.append(time.perf_counter() - start)
    peak = peak or peak_bytes()
    errors.append(problem.error(result.U, result.V))
    iterations = result.iterations
found = {"seconds": seconds, "errors": errors, "iterations": iterations, "status": result.status.name.lower()}
print(json.dumps(found | {"imports": imports, "before": before, "peak": peak, "entries": problem.nbytes}))
