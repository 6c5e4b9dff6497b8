"""
An unknown diffusion from measurements
======================================

Water seeps through a column of soil, :math:`-(a u')' = 1` with :math:`u = 0` at both ends, and how well it conducts is
not known: :math:`a = a_0 + a_1 x` with two unknown numbers. Thirty wells measure :math:`u`, each with an error of 1%.
What are the numbers, and how far may they be trusted? ::

    python examples/unknown_diffusion.py --plot diffusion.png
"""

import argparse

import numpy as np

import pysolve

BASE, SLOPE = 1.0, 2.0  # the truth, used for the measurements alone


def pressure(x):
    """The solution, which a table of integrals has."""

    def logarithm(x):
        return np.log(BASE + SLOPE * x) / SLOPE

    def rest(x):
        return x / SLOPE - BASE / SLOPE * logarithm(x)

    flux = (rest(1.0) - rest(0.0)) / (logarithm(1.0) - logarithm(0.0))
    return flux * (logarithm(x) - logarithm(0.0)) - (rest(x) - rest(0.0))


def measure(wells, error, rng):
    """Places, values and standard deviation."""
    x = np.sort(rng.uniform(0, 1, wells))
    sd = error * pressure(np.linspace(0, 1, 100)).max()
    return x, pressure(x) + sd * rng.standard_normal(wells), sd


def main():
    """Measure, solve, and print."""
    parser = argparse.ArgumentParser(description="An unknown diffusion from measurements")
    parser.add_argument("--wells", type=int, default=30)
    parser.add_argument("--error", type=float, default=0.01, help="of a measurement, relative to the largest")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--plot", metavar="FILE")
    chosen = parser.parse_args()
    x = np.linspace(0, 1, 60)
    data = measure(chosen.wells, chosen.error, np.random.default_rng(chosen.seed))
    # a u'' + a' u' = -1: both coefficients share the number "slope"
    operator = {
        2: [pysolve.Unknown("base"), pysolve.Unknown("slope", shape=lambda x: x)],
        1: [pysolve.Unknown("slope")],
    }
    solution = pysolve.gp_pde(operator, -1.0, x, (0.0, 0.0), data=data)
    print(solution.status)
    for name, truth in (("base", BASE), ("slope", SLOPE)):
        value, sd = solution.coefficients[name]
        print(f"{name}: {value:.3f} +- {sd:.3f} (truth {truth:g})")
    if chosen.plot:
        solution.plot(chosen.plot, truth=pressure(x))


if __name__ == "__main__":
    main()
