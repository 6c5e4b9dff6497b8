"""Noisy entries by a power law: the time until the error is near that of the best fit there is."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import completion_problems as problems
from completion_runs import ABSENT, Peer, Run, has_cmfrec, in_turn, median, ours
from report import Bar, Section, at_least
from timing import say

SIGMA, RHO, NEAR, FASTER, MOST = 0.1, 5.0, 1.03, 4.0, 64
STEP = 4  # iterations of cmfrec's first run while they are looked for
# times sigma^2 / (variance of a factor's entry), the weight that is Bayes's
WEIGHTS = (0.3, 1.0, 3.0, 10.0)


def power_section(quick: bool) -> Section:
    """Each library at its best regularisation, stopped at the first iteration within 3% of the optimum's error."""
    n, k = (400, 5) if quick else (5000, 50)
    problem = problems.power_law(n, k, RHO, SIGMA)
    bayes = SIGMA**2 * k**0.5
    made = Section(
        f"{problem.name}, one thread",
        ["library", "reg", "s", "iterations", "unseen error", "over the optimum"],
    )
    say(f"{problem.name}: the optimum")
    fits = {reg: own(problem, reg, 60, 1e-4) for reg in (weight * bayes for weight in WEIGHTS)}
    reg = min(fits, key=lambda reg: fits[reg].error)
    optimum = fits[reg].error
    contenders: dict[str, tuple[Any, Callable[[int], Run]]] = {
        "pysolve, float32": (reg, lambda count: own(problem, reg, count, 0.0))
    }
    if has_cmfrec():
        best = tuned(problem, [reg * factor for factor in (1.0, 3.0, 10.0)], 9)
        optimum = min(optimum, best.run(problem, 30 if not quick else 9).error)
        contenders[best.name] = best.lambda_, functools.partial(best.run, problem)
    calls = {}
    for name, (_, run) in contenders.items():
        count = first_within(run, NEAR * optimum, 1 if name.startswith("pysolve") else STEP, name)
        if count:
            calls[name] = functools.partial(run, count)
        else:
            made.notes.append(f"{name} is not within 3% at any number of iterations tried, up to {MOST}")
    runs = in_turn(calls, 2 if quick else 3)
    for name, taken in runs.items():
        last = taken[-1]
        figures = [f"{contenders[name][0]:.3g}", f"{median(taken):.3f}", str(last.iterations)]
        made.rows.append([name, *figures, f"{last.error:.4f}", f"{last.error / optimum - 1:+.1%}"])
    made.rows.append(stopping_by_itself(problem, reg, optimum))
    made.bars.append(bar(problem, runs))
    made.notes.append(
        "the optimum: the least unseen error of any fit here, run long; both libraries are stopped by an oracle, at "
        "the first iteration within 3% of it; the last row stops by itself"
    )
    return made


def bar(problem: Any, runs: dict[str, list[Run]]) -> Bar:
    """How much sooner."""
    what = f"{problem.name}: within 3% of the optimum, sooner than cmfrec"
    mine = runs.get("pysolve, float32")
    theirs = [taken for name, taken in runs.items() if name.startswith("cmfrec")]
    if mine and theirs:
        return at_least(what, FASTER, median(theirs[0]) / median(mine))
    if not mine:
        return Bar(what, f">= {FASTER:g}x", "pysolve never gets there", False)
    return Bar(what, f">= {FASTER:g}x", "cmfrec never gets there" if has_cmfrec() else ABSENT, None)


def own(problem: Any, reg: float, maxiter: int, rtol: float, **settings: Any) -> Run:
    return ours(problem, rtol, reg=reg, maxiter=maxiter, dtype="f4", **settings)


def tuned(problem: Any, lambdas: list[float], niter: int) -> Peer:
    """cmfrec's CG, its fastest method here, at the best of these."""
    found = {}
    for lambda_ in lambdas:
        peer = Peer(use_cg=True, use_float=True, lambda_=lambda_)
        say(f"{peer.name}, lambda = {lambda_:.3g}")
        found[peer] = peer.run(problem, niter).error
    return min(found, key=lambda peer: found[peer])


def first_within(run: Callable[[int], Run], error: float, step: int, name: str) -> int:
    """The first iteration with at most this error, 0 if there is none: from `step` on twice as many each time, then
    between the last two until they are within step / 2."""

    def there(count: int) -> bool:
        say(f"{name}: {count} iterations")
        return run(count).error <= error

    low, high = 0, step
    while not there(high):
        low, high = high, 2 * high
        if high > MOST:
            return 0
    while high - low > max(1, step // 2):
        middle = (low + high) // 2
        low, high = (low, middle) if there(middle) else (middle, high)
    return high


def stopping_by_itself(problem: Any, reg: float, optimum: float) -> list[str]:
    """Ours with 2% of the entries kept for validation."""
    run = own(problem, reg, 500, 1e-4, validation=0.02)
    figures = [f"{reg:.3g}", f"{run.seconds:.3f}", str(run.iterations), f"{run.error:.4f}"]
    return ["pysolve, validation = 0.02", *figures, f"{run.error / optimum - 1:+.1%}"]
