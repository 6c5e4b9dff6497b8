"""matrix_completion: time to a recovered matrix, and to one alternation, beside cmfrec's alternating least squares."""

from typing import Any

import numpy as np

from . import cases, environment

SIDE = {"small": 600, "full": 5000}[environment.SIZE]
OVERSAMPLING = 5


def problem(k: int) -> tuple[tuple[Any, Any, Any], tuple[int, int]]:
    """Uniform entries of a Gaussian matrix of rank k."""
    rng = np.random.default_rng(0)
    U, V = rng.standard_normal((2, SIDE, k))
    count = min(OVERSAMPLING * k * (2 * SIDE - k), SIDE * SIDE // 2)
    flat = rng.permutation(SIDE * SIDE)[:count]
    i, j = flat // SIDE, flat % SIDE
    return (i, j, np.einsum("ek,ek->e", U[i], V[j])), (SIDE, SIDE)


class Completion:
    """From the entries to an error of 1e-6 on those held out; cmfrec runs as many iterations as that takes it."""

    params = (("pysolve", "cmfrec"), (10, 50), cases.THREADS)
    param_names = ("library", "rank", "threads")

    def setup(self, library: str, rank: int, threads: int) -> None:
        self.limit = environment.threads(threads)
        self.limit.__enter__()
        self.entries, self.shape = problem(rank)
        if library == "cmfrec":
            self.call = self.cmfrec_call(rank, threads)
        else:
            import pysolve

            self.call = lambda: pysolve.matrix_completion((self.entries, self.shape), rank, rng=0)

    def teardown(self, *_: Any) -> None:
        self.limit.__exit__(None, None, None)

    def cmfrec_call(self, rank: int, threads: int) -> Any:
        try:
            import cmfrec
        except ImportError:
            raise NotImplementedError("cmfrec is not installed") from None
        import scipy.sparse as sp

        i, j, values = self.entries
        A = sp.coo_matrix((values, (i, j)), shape=self.shape)
        plain = {"user_bias": False, "item_bias": False, "center": False, "verbose": False}
        model = cmfrec.CMF(
            k=rank, lambda_=1e-8, niter=20 if rank <= 10 else 16, nthreads=threads, use_cg=rank > 10, **plain
        )
        return lambda: model.fit(A)

    def time_recover(self, library: str, rank: int, threads: int) -> None:
        self.call()
