"""The limits of the machine: memory bandwidth (copy, triad, read) and flops, for a number of threads.

Each is the best of many repetitions and of several ways to do it, and so a limit in the sense that nothing tried
here was faster. Bytes count every array once, as the kernels' headers do: a plain store that first reads the
line it overwrites moves more than is counted, which is why copies past the caches come out faster.

- NumPy, always: each thread works on its own slice, and NumPy releases the lock of the interpreter. `np.copyto` is
  the C library's memcpy, which goes past the caches for large blocks only; there is no triad in one pass, and
  `np.add` has a triad's traffic.
- Compiled loops (`comparison/plain_loops.cpp`), where a compiler is found, with and without stores past the
  caches: NumPy was seen to stay below them.

Run it by itself: ``python benchmarks/machine.py``.
"""

import ctypes
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np
from threadpoolctl import threadpool_limits

LINE = 64  # bytes of a cache line


@dataclass
class Limits:
    """Bandwidths in GB/s, by what was done and how; flops in GFlop/s."""

    threads: int
    n: int
    copy: dict[str, float]
    triad: dict[str, float]
    read: dict[str, float]

    @property
    def mixed(self) -> float:
        """For kernels that write as well: the faster of copy and triad."""
        return max(*self.copy.values(), *self.triad.values())

    @property
    def reading(self) -> float:
        """For kernels that hardly write: the fastest of all."""
        return max(self.mixed, *self.read.values())


def aligned(n: int, value: float = 1.0) -> np.ndarray:
    """`n` doubles from a cache line on, written: memory that nobody wrote is one page of zeros, and too fast."""
    memory = np.full(n + LINE // 8, value)
    start = -memory.ctypes.data % LINE // 8
    return memory[start : start + n]


def _slices(n: int, threads: int) -> list[slice]:
    cuts = [n * k // threads // 8 * 8 for k in range(threads)] + [n]
    return [slice(cuts[k], cuts[k + 1]) for k in range(threads)]


def _elapsed(work: list[Callable[[], Any]], passes: int, pool: ThreadPoolExecutor) -> float:
    """Seconds until every thread has done its own work `passes` times."""
    together = threading.Barrier(len(work))

    def run(step: Callable[[], Any]) -> tuple[float, float]:
        together.wait()
        start = time.perf_counter()
        for _ in range(passes):
            step()
        return start, time.perf_counter()

    times = list(pool.map(run, work))
    return max(end for _, end in times) - min(start for start, _ in times)


def _best(work: list[Callable[[], Any]], pool: ThreadPoolExecutor, seconds: float) -> float:
    """Least seconds of one pass; repeats until `seconds` are spent."""
    once = max(_elapsed(work, 1, pool), 1e-7)
    passes = max(1, int(0.02 / once))
    best, until = np.inf, time.perf_counter() + seconds
    while time.perf_counter() < until or best == np.inf:
        best = min(best, _elapsed(work, passes, pool) / passes)
    return best


def _numpy_ways(a: np.ndarray, b: np.ndarray, c: np.ndarray) -> dict[tuple[str, str], tuple[int, Any]]:
    """(kind, way) -> bytes a value, and the work on a slice."""
    return {
        ("copy", "np.copyto"): (16, lambda s: lambda x=a[s], y=b[s]: np.copyto(x, y)),
        ("copy", "np.positive"): (16, lambda s: lambda x=a[s], y=b[s]: np.positive(y, out=x)),
        ("triad", "np.add"): (24, lambda s: lambda x=a[s], y=b[s], z=c[s]: np.add(y, z, out=x)),
        ("read", "np.dot"): (16, lambda s: lambda y=b[s], z=c[s]: np.dot(y, z)),
    }


COMPILED = {
    ("copy", "loop past the caches"): (16, "copy_streamed"),
    ("copy", "loop"): (16, "copy_plain"),
    ("triad", "loop past the caches"): (24, "triad_streamed"),
    ("triad", "loop"): (24, "triad_plain"),
    ("read", "loop"): (16, "read_two"),
}


def _compiled_ways(
    loops: Any, a: np.ndarray, b: np.ndarray, c: np.ndarray
) -> dict[tuple[str, str], tuple[int, Any]]:
    """As `_numpy_ways`; a call by ctypes releases the lock of the interpreter too."""

    def make(name: str) -> Any:
        function = getattr(loops, name)

        def on(s: slice) -> Callable[[], Any]:
            arguments = (*(ctypes.c_void_p(x[s].ctypes.data) for x in (a, b, c)), s.stop - s.start)
            return lambda: function(*arguments)

        return on

    return {key: (size, make(name)) for key, (size, name) in COMPILED.items()} if loops else {}


def bandwidth(n: int, threads: int, seconds: float = 0.3, loops: Any = None) -> Limits:
    """Bandwidths on arrays of `n` doubles; `seconds` for each way, `loops` the compiled ones or None."""
    a, b, c = (aligned(n, value) for value in (0.0, 1.0, 2.0))
    found: dict[str, dict[str, float]] = {"copy": {}, "triad": {}, "read": {}}
    ways = _numpy_ways(a, b, c) | _compiled_ways(loops, a, b, c)
    with ThreadPoolExecutor(threads) as pool, threadpool_limits(1):
        for (kind, way), (size, make) in ways.items():
            work = [make(part) for part in _slices(n, threads)]
            found[kind][way] = size * n / _best(work, pool, seconds) / 1e9
    return Limits(threads, n, **found)


def gigaflops(threads: int, n: int = 1024, seconds: float = 0.5) -> float:
    """Rate of NumPy's product of two n x n matrices, 2 n^3 flops."""
    x, y, z = np.ones((n, n)), np.ones((n, n)), np.empty((n, n))
    best, until = np.inf, time.perf_counter() + seconds
    with threadpool_limits(threads):
        while time.perf_counter() < until:
            start = time.perf_counter()
            np.matmul(x, y, out=z)
            best = min(best, time.perf_counter() - start)
    return 2 * n**3 / best / 1e9


def lines(limits: list[Limits], flops: dict[int, float]) -> list[str]:
    """The limits as text, one line for each number of threads and size."""
    said = []
    for at in limits:
        parts = []
        for kind in ("copy", "triad", "read"):
            ways = ", ".join(f"{way} {rate:.1f}" for way, rate in getattr(at, kind).items())
            parts.append(f"{kind}: {ways}")
        said.append(
            f"GB/s, {at.threads} thread(s), arrays of {at.n * 8 / 2**20:.0f} MiB: " + "; ".join(parts)
        )
    said += [f"GFlop/s, {n} thread(s): {rate:.0f} (dgemm)" for n, rate in flops.items()]
    return said


if __name__ == "__main__":
    for threads in (1, 2):
        measured = [bandwidth(n, threads) for n in (1 << 21, 1 << 24)]
        print("\n".join(lines(measured, {threads: gigaflops(threads)})))
