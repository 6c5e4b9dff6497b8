"""The GPU that a comparison runs on, or its stand-in: arrays, clocks, and what the machine can do at most."""

from __future__ import annotations

import importlib.util
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from report import Bar
from timing import Times, say

ROOT = Path(__file__).resolve().parents[2]
Call = Callable[[], Any]


@dataclass
class Place:
    """Namespace of arrays and sparse matrices, and the limits that were measured here: GB/s and GFlop/s."""

    xp: Any
    sparse: Any
    name: str
    simulated: bool
    quick: bool
    limits: dict[str, float] = field(default_factory=dict)

    def moved(self, A: Any) -> Any:
        """A SciPy matrix as one of the device."""
        return self.sparse(A)

    def seconds(self, calls: dict[str, Call], rounds: int = 9, least: float = 0.02) -> Times:
        """Of every call in every round, in turn after a warm-up; short calls several times in a sample."""
        rounds, least = (2, 0.0) if self.quick else (rounds, least)
        number = {}
        for name, call in calls.items():
            self._sample(call, 1)
            number[name] = max(1, int(np.ceil(least / max(self._sample(call, 1), 1e-6))))
        samples: dict[str, list[float]] = {name: [] for name in calls}
        for _ in range(rounds):
            for name, call in calls.items():
                samples[name].append(self._sample(call, number[name]) / number[name])
        return Times(samples)

    def _sample(self, call: Call, number: int) -> float:
        """Between two events on the stream; the stand-in has no clock, and takes that of the host."""
        start, stop = (self.xp.cuda.Event() for _ in range(2))
        begun = time.perf_counter()
        start.record()
        for _ in range(number):
            call()
        stop.record()
        stop.synchronize()
        if self.simulated:
            return time.perf_counter() - begun
        return float(self.xp.cuda.get_elapsed_time(start, stop)) / 1e3

    def bar(self, made: Bar) -> Bar:
        """A quick or simulated figure answers no bar."""
        return Bar(made.what, made.reach, "quick: no figure", None) if self.quick else made

    def share(self, rate: float, limit: str) -> str:
        """A rate as a share of a limit."""
        return f"{rate / self.limits[limit]:.0%} of {limit}"


def find(quick: bool, simulated: bool) -> tuple[Place | None, str]:
    """The device of this machine, or why there is none."""
    if simulated:
        return _stand_in()
    import pysolve

    devices = pysolve.show_config()["cuda_devices"]
    if not devices:
        built = devices is not None
        return (
            None,
            "no CUDA device on this machine" if built else "pysolve was built without PYSOLVE_CUDA=ON",
        )
    if importlib.util.find_spec("cupy") is None:
        return None, "CuPy is not installed (pip install pysolve[cuda])"
    import cupy
    from cupyx.scipy.sparse import csr_matrix

    name = cupy.cuda.runtime.getDeviceProperties(cupy.cuda.Device().id)["name"].decode()
    return Place(cupy, csr_matrix, name, False, quick), ""


def _stand_in() -> tuple[Place | None, str]:
    """The simulated kernels (`make simulated`) on the stand-in for CuPy of the tests. Always quick."""
    library = next((ROOT / "build" / "simulated").glob("_cuda*.so"), None)
    if library is None:
        return None, "the simulated CUDA backend is not built: make simulated"
    sys.path.append(str(ROOT / "tests"))
    import cupy_double
    from cupy_double import sparse

    from pysolve import _backend

    spec = importlib.util.spec_from_file_location("_cuda", library)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    sys.modules["cupy"], sys.modules["cupyx.scipy.sparse"] = cupy_double, sparse
    _backend._cuda = cupy_double.cuda.Kernels(module)
    return Place(cupy_double, sparse.csr_matrix, "simulated on the host", True, True), ""


def measure(place: Place) -> None:
    """The machine's limits: copies far beyond the caches, and products of matrices."""
    xp = place.xp
    say("the device's limits")
    n = 1 << (10 if place.quick else 27)
    a, b = xp.ones(n), xp.zeros(n)

    def copy() -> None:
        b[...] = a

    def scale() -> None:
        xp.multiply(a, 2.0, out=b)

    times = place.seconds({"copy": copy, "scale": scale})
    best = min(min(sample) for sample in times.samples.values())
    place.limits["copy"] = 16 * n / best / 1e9
    side = 16 if place.quick else 8192
    for what, dtype in (("dgemm", "f8"), ("sgemm", "f4"), ("hgemm", "f2")):
        # of random numbers: products of zeros take less power, and are faster
        x, y = (xp.asarray(np.random.default_rng(k).random((side, side), "f4")).astype(dtype) for k in (0, 1))
        taken = place.seconds({what: lambda x=x, y=y: xp.matmul(x, y)}, rounds=5)
        place.limits[what] = 2 * side**3 / min(taken.samples[what]) / 1e9


def described(place: Place) -> list[str]:
    """The device and its limits, a line each."""
    rates = {"copy": "GB/s", "dgemm": "GFlop/s", "sgemm": "GFlop/s", "hgemm": "GFlop/s"}
    found = ", ".join(f"{name} {place.limits[name]:.0f} {unit}" for name, unit in rates.items())
    lines = [f"device: {place.name}", f"its limits, measured here: {found} (products by CuPy, half ones too)"]
    if place.simulated:
        lines.append("launches are simulated on the host: the figures mean nothing")
    return [*lines, "medians between two CUDA events, interleaved; bytes count every array once"]
