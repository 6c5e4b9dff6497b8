"""
Smoke, and a pressure in every step
===================================

`pysolve.gallery.Smoke` is a model of what a program that simulates a fluid does: in every time step it moves smoke
and air, and asks for the pressure that takes the divergence out of the velocity. The next step waits for that solve.
"""

import matplotlib.pyplot as plt
import numpy as np

import pysolve

# %%
# The loop
# --------
#
# `advance` returns the system and a start, the pressure of the last step; `project` takes the solution. The ball
# swings to and fro, so that the operator is a new one in almost every step.

flow = pysolve.gallery.Smoke((144, 112), moving=True)
figure, panels = plt.subplots(1, 3, figsize=(11, 5.2), layout="constrained", facecolor="#0d1018")
for k in range(1, 73):
    A, b, x0 = flow.advance()
    result = pysolve.cg(A, b, x0=x0, rtol=1e-6).raise_if_failed()
    flow.project(result.x)
    if k % 24 == 0:
        axes = panels[k // 24 - 1]
        flow.draw(axes)
        axes.set_title(f"after {k} steps", color="#d5d9dd")
print(result.message)
print(f"largest divergence {np.abs(flow.divergence).max():.0e}")

# %%
# In three dimensions, with a V-cycle
# -----------------------------------
#
# The same with a box of 48 x 40 x 40 cells, seen from the side. `pysolve.Multilevel` is set up for the first operator
# and updated, in the memory that it has, for each that follows.

flow = pysolve.gallery.Smoke((48, 40, 40), moving=True)
M = pysolve.Multilevel(flow.A)
iterations = []
for _ in range(50):
    A, b, x0 = flow.advance()
    if A is not M.A:  # the ball covers other cells now
        M.update(A)
    result = pysolve.cg(A, b, x0=x0, M=M, rtol=1e-6).raise_if_failed()
    flow.project(result.x)
    iterations.append(result.iterations)
print(f"{np.mean(iterations):.1f} iterations a step, at most {max(iterations)}")
print(f"without the V-cycle: {pysolve.cg(A, b, x0=x0, rtol=1e-6).iterations} in the last step")
figure, axes = plt.subplots(figsize=(6, 7.2), layout="constrained")
flow.draw(axes)
plt.show()

# %%
# ``examples/simulation.py`` runs this flow with pysolve, SciPy and pyamg side by side, and says what each takes.
