"""The plain loops of plain_loops.cpp, compiled for this run where a compiler is found; without one they are absent.

They use the instruction set that pysolve's kernels run with here, so that neither side has another's advantage.
"""

import ctypes
import functools
import os
import shutil
import subprocess
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

import pysolve

SOURCE = Path(__file__).with_name("plain_loops.cpp")
OPTIONS = ["-O3", "-ffast-math", "-fopenmp", "-shared", "-fPIC"]


@functools.cache
def compiled() -> Any:
    """The loops as a library of ctypes, or None where there is no compiler or it fails."""
    compiler = shutil.which(os.environ.get("CXX") or "c++") or shutil.which("g++")
    if compiler is None:
        return None
    isa = pysolve.show_config()["instruction_set"]
    march = [f"-march={isa}"] if isa.startswith("x86-64") else []
    with tempfile.TemporaryDirectory() as folder:
        library = Path(folder) / "plain_loops.so"
        command = [compiler, *OPTIONS, *march, str(SOURCE), "-o", str(library)]
        if subprocess.run(command, capture_output=True, check=False).returncode != 0:
            return None
        loops = ctypes.CDLL(str(library))  # stays loaded when the file is gone
    pointer, integer = ctypes.c_void_p, ctypes.c_long
    for name in ("copy_plain", "copy_streamed", "triad_plain", "triad_streamed", "read_two"):
        getattr(loops, name).argtypes = [pointer] * 3 + [integer]
    loops.mic_factor.argtypes = [integer] + [pointer] * 5
    loops.mic_solve.argtypes = [integer] + [pointer] * 6
    loops.plain_cg.argtypes = [integer, integer, *[pointer] * 4, ctypes.c_int]
    loops.plain_cg.restype = ctypes.c_double
    return loops


def plain_cg(
    loops: Any, m: int, b: np.ndarray, steps: int, threads: int
) -> Callable[[], tuple[np.ndarray, float]]:
    """A call that takes `steps` iterations on the m^3 box from x = 0, and returns x and the norm of r.

    Its arrays lie in memory as pysolve's own do.
    """
    from pysolve._backend import zeros

    def run() -> tuple[np.ndarray, float]:
        x, r, p, q = (zeros(n, float) for n in (m**3, m**3, (m + 2) ** 3, m**3))
        r[:] = b
        norm = loops.plain_cg(m, steps, *(v.ctypes.data for v in (x, r, p, q)), threads)
        return x, norm

    return run


class ModifiedCholesky:
    """MIC(0) of a stored matrix with int32 indices and sorted rows, as an `M`; it uses one thread."""

    def __init__(self, loops: Any, A: Any) -> None:
        self.A, self.shape, self.dtype, self.solve = A, A.shape, A.dtype, loops.mic_solve
        self.inverse, beyond = np.empty(A.shape[0]), np.empty(A.shape[0])
        loops.mic_factor(A.shape[0], *self._addresses(), beyond.ctypes.data)

    def _addresses(self) -> list[int]:
        return [v.ctypes.data for v in (self.A.indptr, self.A.indices, self.A.data, self.inverse)]

    def matvec(self, r: np.ndarray) -> np.ndarray:
        """The solution z of (L + E) E^-1 (E + L^T) z = r."""
        r, z = np.ascontiguousarray(r), np.empty(r.size)
        self.solve(r.size, *self._addresses(), r.ctypes.data, z.ctypes.data)
        return z
