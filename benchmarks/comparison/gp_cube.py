"""A three-dimensional case in a process of its own: CPU seconds, error and peak memory as JSON.

python gp_cube.py POINTS
"""

import functools
import json
import sys
import time

import numpy as np
from large_memory import peak_bytes

import pysolve

N_TEST = 61  # points of each axis at which the error is measured
# u is a sum of waves: an amplitude, and angular frequency and phase along each axis
WAVES = ((1.0, (6, 0), (20, 1), (10, 0)), (0.5, (15, 1), (4, 0), (12, 0)), (0.1, (30, 0), (25, 0), (28, 0)))
HIGH = 2 * np.pi


def u(*where, waves=None):
    """Mixed frequencies: up to 30, at 128 points four points to the shortest wave."""
    return sum(amplitude * product(parts, where) for amplitude, *parts in WAVES[:waves])


def f(*where, waves=None):
    """The Laplacian of u."""
    return sum(-sum(k * k for k, _ in parts) * a * product(parts, where) for a, *parts in WAVES[:waves])


def product(parts, where):
    """A product of sines (phase 0) or cosines (phase 1)."""
    total = 1.0
    for (k, phase), coordinate in zip(parts, where, strict=True):
        total = total * (np.cos if phase else np.sin)(k * coordinate)
    return total


def test_grid():
    """Where the error is measured."""
    return [np.linspace(0, HIGH, N_TEST)] * 3


def sides(u):
    """u on all six sides."""
    return [
        (lambda y, z: u(0.0, y, z), lambda y, z: u(HIGH, y, z)),
        (lambda x, z: u(x, 0.0, z), lambda x, z: u(x, HIGH, z)),
        (lambda x, y: u(x, y, 0.0), lambda x, y: u(x, y, HIGH)),
    ]


def main():
    """One call after a tiny one, which loads what is loaded late."""
    n, waves = map(int, sys.argv[1:])
    truth, right = functools.partial(u, waves=waves), functools.partial(f, waves=waves)
    operator = {(2, 0, 0): 1.0, (0, 2, 0): 1.0, (0, 0, 2): 1.0}
    x = np.linspace(0, HIGH, n)
    pysolve.gp_pde({(2,): 1.0}, -1.0, np.linspace(0, 1, 20), (0.0, 0.0))
    before = peak_bytes()
    start = time.process_time()
    solution = pysolve.gp_pde(operator, right, [x] * 3, sides(truth))
    seconds = time.process_time() - start
    peak = peak_bytes()
    grid = test_grid()
    exact = truth(*np.meshgrid(*grid, indexing="ij"))
    error = float(np.linalg.norm(solution.predict(grid) - exact) / np.linalg.norm(exact))
    found = {"seconds": seconds, "error": error, "peak": peak, "before": before}
    print(json.dumps({**found, "status": solution.status.name.lower(), "timings": solution.timings}))


if __name__ == "__main__":
    main()
