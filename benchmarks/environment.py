"""Settings that must stand before NumPy is loaded, and what is said of the machine above every table.

Import this first. Both sides of every comparison run under these settings, in one process.
"""

import datetime
import importlib.metadata
import importlib.util
import os
import platform
import re
from contextlib import AbstractContextManager
from typing import Any


def _cpu_field(name: str) -> str:
    try:
        with open("/proc/cpuinfo") as file:
            found = re.search(rf"^{name}\s*:\s*(.*)$", file.read(), re.MULTILINE)
    except OSError:
        return ""
    return found.group(1) if found else ""


# libgomp spins while it waits, which stalls everybody whenever a core is shared.
os.environ.setdefault("OMP_WAIT_POLICY", "passive")
# NumPy's OpenBLAS takes processors that it does not know for Haswell; the faster kernels serve both sides.
if {"avx512f", "avx512dq", "avx512bw", "avx512vl"} <= set(_cpu_field("flags").split()):
    os.environ.setdefault("OPENBLAS_CORETYPE", "SkylakeX")

SIZE = os.environ.get("PYSOLVE_BENCH_SIZE", "small")
if SIZE not in ("small", "full"):
    raise ValueError(f"PYSOLVE_BENCH_SIZE must be small or full, not {SIZE!r}")


def n_cores() -> int:
    """Cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def thread_counts() -> list[int]:
    """One thread, and two where there are two cores."""
    return [1, 2] if n_cores() > 1 else [1]


def threads(n: int) -> AbstractContextManager[Any]:
    """Limit OpenMP and BLAS to `n` threads, on both sides. Load the libraries before."""
    from threadpoolctl import threadpool_limits

    return threadpool_limits(n)


def cpu_model() -> str:
    """The processor's name."""
    return _cpu_field("model name") or platform.processor() or platform.machine()


def cache_bytes() -> int:
    """Size of the last level of cache; 32 MiB where the system does not tell."""
    try:
        with open("/sys/devices/system/cpu/cpu0/cache/index3/size") as file:
            number, unit = re.fullmatch(r"(\d+)([KM]?)\s*", file.read()).groups()
        return int(number) << {"": 0, "K": 10, "M": 20}[unit]
    except (OSError, AttributeError):
        return 32 << 20


def installed(library: str) -> bool:
    """Whether `library` can be imported; it is not loaded."""
    return importlib.util.find_spec(library) is not None


def versions() -> str:
    """The libraries that are compared, with their versions."""
    peers = ("pyamg", "petsc4py", "pyamgcl", "ilupp", "torch", "cmfrec", "pykronecker", "linear_operator")
    known = ("pysolve", "numpy", "scipy", *peers)
    names = [name for name in known if installed(name)]
    return ", ".join(f"{name} {importlib.metadata.version(name)}" for name in names)


def described() -> list[str]:
    """Date, machine, versions and settings, a line each."""
    import pysolve

    config = pysolve.show_config()
    return [
        f"date: {datetime.date.today()}",
        f"machine: {cpu_model()}, {n_cores()} cores, last cache {cache_bytes() >> 20} MiB, {platform.system()}",
        f"versions: Python {platform.python_version()}, {versions()}",
        f"pysolve: built with {config['compiler']}, runs {config['instruction_set']}",
        f"BLAS: OPENBLAS_CORETYPE={os.environ.get('OPENBLAS_CORETYPE', '(not set)')}, kernels {_blas()}",
        f"OpenMP: OMP_WAIT_POLICY={os.environ['OMP_WAIT_POLICY']}; threads as given, set alike on both sides "
        "(scipy's sparse products use one)",
    ]


def _blas() -> str:
    from threadpoolctl import threadpool_info

    found = {pool.get("architecture") for pool in threadpool_info() if pool["user_api"] == "blas"}
    return ", ".join(sorted(filter(None, found))) or "unknown"
