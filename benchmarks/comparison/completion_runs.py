"""Runs of matrix completion: ours, cmfrec's with the iterations it needs, and both in turn."""

from __future__ import annotations

import contextlib
import importlib.util
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from completion_problems import Problem
from timing import say

import pysolve

ABSENT = "cmfrec is not installed (pip install cmfrec)"
LONGEST = 60.0  # seconds of one of cmfrec's runs: what takes longer is extrapolated
STEP = 5  # iterations between cmfrec's runs until its error is reached
MOST = 60


@dataclass
class Run:
    """One call: seconds, unseen error, and what is said of it."""

    seconds: float
    error: float
    iterations: int
    note: str = ""


def has_cmfrec() -> bool:
    return importlib.util.find_spec("cmfrec") is not None


def ours(problem: Problem, rtol: float, **settings: Any) -> Run:
    """The whole call, timed outside of it."""
    start = time.perf_counter()
    result = pysolve.matrix_completion(problem.observed, problem.k, rtol=rtol, rng=0, **settings)
    seconds = time.perf_counter() - start
    return Run(seconds, problem.error(result.U, result.V), result.iterations, result.status.name.lower())


@contextlib.contextmanager
def unasked() -> Iterator[None]:
    """cmfrec asks and tells threadpoolctl six times an iteration how many threads BLAS has, which takes 10 ms: here it
    is answered at once. BLAS has one thread, by the environment."""
    import threadpoolctl

    kept, info = (
        (threadpoolctl.threadpool_info, threadpoolctl.threadpool_limits),
        threadpoolctl.threadpool_info(),
    )
    threadpoolctl.threadpool_info = lambda: info
    threadpoolctl.threadpool_limits = lambda *_, **__: None
    try:
        yield
    finally:
        threadpoolctl.threadpool_info, threadpoolctl.threadpool_limits = kept


@dataclass(frozen=True)
class Peer:
    """A setting of cmfrec's alternating least squares. Three steps of CG are its default, and no worse than others."""

    use_cg: bool
    use_float: bool = False
    lambda_: float = 0.0
    bias: bool = False
    scale_lam: bool = False

    @property
    def name(self) -> str:
        return f"cmfrec {'CG' if self.use_cg else 'Cholesky'}, {'float32' if self.use_float else 'float64'}"

    def fit(self, X: Any, k: int, niter: int, threads: int = 1) -> tuple[Any, float]:
        """The model and the seconds of its fit. A last iteration by Cholesky would only slow CG down."""
        import cmfrec

        model = cmfrec.CMF(
            k=k,
            method="als",
            niter=niter,
            use_cg=self.use_cg,
            use_float=self.use_float,
            lambda_=self.lambda_,
            user_bias=self.bias,
            item_bias=self.bias,
            center=self.bias,
            scale_lam=self.scale_lam,
            finalize_chol=False,
            precompute_for_predictions=False,
            verbose=False,
            random_state=1,
            nthreads=threads,
        )
        with unasked():
            start = time.perf_counter()
            model.fit(X)
            return model, time.perf_counter() - start

    def run(self, problem: Problem, niter: int) -> Run:
        """On a problem without bias."""
        model, seconds = self.fit(problem.coo, problem.k, niter)
        return Run(seconds, problem.error(model.A_, model.B_), niter)


@dataclass
class Needed:
    """Iterations that a peer needs for an error (0: it never gets there), and seconds of one iteration."""

    iterations: int
    an_iteration: float
    note: str = ""


def needed(peer: Peer, problem: Problem, targets: list[float]) -> list[Needed]:
    """For each target: runs of 5, 10, 15 ... iterations until the error is below, and between the last two
    the logarithm of the error is taken to be straight."""
    runs: list[Run] = []
    found: list[Needed] = []
    for target in sorted(targets, reverse=True):
        while not runs or runs[-1].error > target:
            niter = STEP * (len(runs) + 1)
            stuck = len(runs) > 2 and runs[-1].error > 0.7 * runs[-2].error
            slow = bool(runs) and runs[-1].seconds / runs[-1].iterations * niter > LONGEST
            if stuck or slow or niter > MOST:
                break
            say(f"{peer.name}, {problem.name}: {niter} iterations")
            runs.append(peer.run(problem, niter))
        found.append(_between(runs, target))
    return [found[sorted(targets, reverse=True).index(target)] for target in targets]


def _between(runs: list[Run], target: float) -> Needed:
    each = float(np.median([run.seconds / run.iterations for run in runs]))
    last = next((i for i, run in enumerate(runs) if run.error <= target), None)
    if last is None:
        lowest = min(run.error for run in runs)
        return Needed(0, each, f"{lowest:.1e} after {runs[-1].iterations} iterations")
    if last == 0:
        return Needed(runs[0].iterations, each)
    low, high = runs[last - 1], runs[last]
    share = np.log(low.error / target) / np.log(low.error / max(high.error, 1e-16))
    return Needed(int(np.ceil(low.iterations + share * STEP)), each)


def in_turn(calls: dict[str, Callable[[], Run]], repeat: int) -> dict[str, list[Run]]:
    """Everybody once, `repeat` times over."""
    runs: dict[str, list[Run]] = {name: [] for name in calls}
    for turn in range(repeat):
        for name, call in calls.items():
            say(f"{name}, round {turn + 1}")
            runs[name].append(call())
    return runs


def median(runs: list[Run]) -> float:
    """Median seconds."""
    return float(np.median([run.seconds for run in runs]))


def an_iteration(peer: Peer, problem: Problem, n: int = 2, tries: int = 2) -> float:
    """Seconds of one of cmfrec's iterations: what n more of them add to a run of one, the least of some tries."""
    times = {niter: min(peer.run(problem, niter).seconds for _ in range(tries)) for niter in (1, 1 + n)}
    return (times[1 + n] - times[1]) / n
