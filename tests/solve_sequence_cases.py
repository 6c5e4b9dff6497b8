"""Doubles for the tests of SolveSequence: a policy that follows a script, and solvers whose costs are known."""

import dataclasses
import json
import time

import numpy as np

from pysolve import SolveResult, Status

N = 6
A = np.diag(np.arange(1.0, N + 1))
B = np.ones(N)
SOLUTION = B / np.diag(A)


@dataclasses.dataclass
class Trial:
    number: int
    value: object


class Scripted:
    """Chooses the values given, over and over; keeps what it is told as (value, cost, censored, failed).

    The first one comes twice: at the first call the default is measured, whatever is chosen.
    """

    def __init__(self, *values):
        self.values, self.n, self.asked, self.told = list(values), 0, [], []

    def ask(self, context=None):
        self.asked.append(context)
        self.n += 1
        return Trial(self.n, self.values[max(self.n - 2, 0) % len(self.values)])

    def tell(self, trial, cost, *, censored=False, failed=False):
        self.told.append((trial.value, cost, censored, failed))

    def save(self, path):
        with open(path, "w") as file:
            json.dump([self.values, self.n, self.told], file)

    @classmethod
    def load(cls, path):
        made = cls()
        with open(path) as file:
            made.values, made.n, told = json.load(file)
        made.told = [tuple(row) for row in told]
        return made


def result(x, iterations, status, norms):
    info = {Status.CONVERGED: 0, Status.MAXITER: max(iterations, 1)}.get(status, -4)
    return SolveResult(x, info, status, iterations, norms, str(status))


class Steady:
    """Takes `cost` iterations, on straight ways from x0 to the solution: honest, and ended by maxiter.

    From where another has got to it takes as many as are left of the way: the cost times the share that is left.
    """

    def __init__(self, cost, sleep=0.0):
        self.cost, self.sleep, self.starts = cost, sleep, []

    def __call__(self, A, b, x0=None, *, rtol=1e-5, atol=0.0, maxiter=None, callback=None):
        x0 = np.zeros_like(b) if x0 is None else x0
        self.starts.append(np.array(x0))
        solution = np.linalg.solve(A, b)
        way = solution - x0
        left = int(np.ceil(self.cost * np.linalg.norm(way) / np.linalg.norm(solution) - 1e-9))
        done, status = (
            (left, Status.CONVERGED) if maxiter is None or left <= maxiter else (maxiter, Status.MAXITER)
        )
        if callback is not None:
            for k in range(1, done + 1):
                time.sleep(self.sleep)
                try:
                    callback(x0 + way * (k / left))
                except StopIteration:
                    done, status = k, Status.STOPPED
                    break
        else:
            time.sleep(self.sleep * done)
        x = solution if done == left else x0 + way * (done / left)
        norms = np.linalg.norm(b - A @ x0) * (1 - np.arange(done + 1) / max(left, 1))
        return result(x, done, status, norms)
