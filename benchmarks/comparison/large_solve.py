"""One large stencil solve in a process of its own: prints seconds, iterations, residual and peak memory as JSON.

``python large_solve.py SIDE RTOL THREADS [multilevel]``; the last word adds the learned V-cycle. The peak is taken
before the residual is looked at from outside.
"""

import json
import os
import sys
import time

side, rtol, n_threads = int(sys.argv[1]), float(sys.argv[2]), sys.argv[3]
for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
    os.environ[name] = n_threads
os.environ.setdefault("OMP_WAIT_POLICY", "passive")

import numpy as np  # noqa: E402
from large_memory import peak_bytes  # noqa: E402

import pysolve  # noqa: E402

before = peak_bytes()
A = pysolve.gallery.poisson((side,) * 3)
b = np.random.default_rng(0).standard_normal(side**3)
start = time.perf_counter()
M = pysolve.Multilevel(A) if "multilevel" in sys.argv[4:] else None
ready = time.perf_counter()
result = pysolve.cg(A, b, rtol=rtol, M=M)
seconds = time.perf_counter() - ready
peak = peak_bytes()
true = float(np.linalg.norm(b - A.matvec(result.x)) / np.linalg.norm(b))
found = {
    "setup": ready - start,
    "seconds": seconds,
    "iterations": result.iterations,
    "status": result.status.name.lower(),
}
print(json.dumps(found | {"residual": true, "peak": peak, "imports": before, "vector": b.nbytes}))
