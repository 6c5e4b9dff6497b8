"""
Two scales in two dimensions
============================

Poisson's equation on the unit square, whose solution has a slow part and a wave twenty times as fast:

.. math:: u = \\sin 3x \\sin 2y + \\tfrac{1}{10} \\sin 60x \\sin 60y .

All 25,600 equations of a grid and its four sides are one least-squares problem in Gaussian-process features, products
of one along each axis; `pysolve.gp_pde` solves it by its Kronecker structure.
"""

import matplotlib.pyplot as plt
import numpy as np

import pysolve


def u(x, y):
    """The solution."""
    return np.sin(3 * x) * np.sin(2 * y) + 0.1 * np.sin(60 * x) * np.sin(60 * y)


def f(x, y):
    """Its Laplacian."""
    return -13 * np.sin(3 * x) * np.sin(2 * y) - 720 * np.sin(60 * x) * np.sin(60 * y)


axes = [np.linspace(0, 1, 160)] * 2
sides = [(lambda y: u(0.0, y), lambda y: u(1.0, y)), (lambda x: u(x, 0.0), lambda x: u(x, 1.0))]

# %%
# The solution
# ------------

solution = pysolve.gp_pde({(2, 0): 1.0, (0, 2): 1.0}, f, axes, sides)
print(solution, f"in {solution.timings['total']:.2f} s")
for name, mus in zip("xy", solution.frequencies, strict=True):
    print(
        f"periods per unit along {name}: {[round(mu, 2) for mu in mus]} (60 / 2 pi = {60 / (2 * np.pi):.2f})"
    )

# %%
# The picture: the standard deviation is that of what the grid leaves open, and of rounding; it is 0 at the sides, where
# u is given.

truth = u(*np.meshgrid(*axes, indexing="ij"))
solution.plot(truth=truth, figure=plt.figure(figsize=(14, 4.2), layout="constrained"))

# %%
# Anywhere, and derivatives
# -------------------------
#
# A solution is a function: here its slope along a line through the square.

line = np.column_stack([np.linspace(0, 1, 400), np.full(400, 0.37)])
slope = solution.predict(line, deriv=(1, 0))
exact = 3 * np.cos(3 * line[:, 0]) * np.sin(2 * 0.37) + 6 * np.cos(60 * line[:, 0]) * np.sin(60 * 0.37)
figure, ax = plt.subplots(figsize=(7, 3), layout="constrained")
ax.plot(line[:, 0], slope, label="mean")
ax.plot(line[::4, 0], exact[::4], ".", markersize=3, color="C3", label="truth")
ax.set(xlabel="x", ylabel="du/dx at y = 0.37", title=f"largest error {np.abs(slope - exact).max():.0e}")
ax.legend()
plt.show()
