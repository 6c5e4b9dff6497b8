"""What the asv benchmarks share: sizes, the limit on threads, and products and solves by the name of a library."""

from typing import Any

import numpy as np
import scipy.sparse.linalg  # noqa: F401  here, so that the server of asv has it and no benchmark waits for it

from . import environment, machine, products

SIDE = {"small": 48, "full": 128}[environment.SIZE]
THREADS = environment.thread_counts()
LIBRARIES = products.LIBRARIES
MULTIPLYING = tuple(name for name in LIBRARIES if name != "pyamg")  # which multiplies with scipy's matrices


class Limited:
    """A benchmark that runs with a given number of threads; the libraries are loaded before the limit is set."""

    limit: Any = None

    def begin(self, library: str, threads: int) -> None:
        """Skip where `library` is absent, else load it and limit the threads."""
        products.require(library)
        from threadpoolctl import threadpool_limits

        import pysolve  # noqa: F401

        if library == "petsc4py":
            import petsc4py.PETSc  # noqa: F401
        self.limit = threadpool_limits(threads)

    def teardown(self, *_: Any) -> None:
        if self.limit is not None:
            self.limit.restore_original_limits()


def poisson(form: str) -> Any:
    """The 7-point operator of all benchmarks: "csr", "constant" or "variable" (matrix-free)."""
    from pysolve import gallery

    shape = (SIDE,) * 3
    if form == "variable":
        return gallery.poisson(shape, coefficient=0.5 + np.random.default_rng(1).random(shape))
    return gallery.poisson(shape, format="csr" if form == "csr" else "stencil")


def seconds(call: Any, repeat: int = 5) -> float:
    """The median of a few calls."""
    from timeit import repeat as timed

    call()
    return float(np.median(timed(call, number=1, repeat=repeat)))


def share(n_bytes: int, call: Any, threads: int, kind: str) -> float:
    """GB/s of `call` over the machine's limit on arrays of the same size, measured here and now."""
    limits = machine.bandwidth(SIDE**3, threads, seconds=0.05)
    return n_bytes / seconds(call) / 1e9 / getattr(limits, kind)
