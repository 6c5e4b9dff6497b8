"""
A learned V-cycle
=================

`pysolve.Multilevel` is a preconditioner for operators on grids: a multigrid cycle whose transfers follow the
coefficient, and whose constants were learned. Here it is beside plain conjugate gradients and beside the constants of
a textbook, on problems that are hard for different reasons.
"""

import matplotlib.pyplot as plt
import numpy as np

import pysolve
from pysolve import gallery

# %%
# Iterations do not grow with the grid
# ------------------------------------
#
# A box with walls, three obstacles and an open top: without a preconditioner the iterations double whenever the number
# of cells along a side does.

for n in (16, 32, 64):
    A = gallery.obstacle_box((n, n, n))
    b = np.random.default_rng(n).standard_normal(A.shape[0])
    plain = pysolve.cg(A, b, rtol=1e-6)
    M = pysolve.Multilevel(A)
    ours = pysolve.cg(A, b, M=M, rtol=1e-6)
    print(f"{n:3}^3 cells: {plain.iterations:4} iterations without, {ours.iterations} with {M}")

# %%
# What the weights do
# -------------------
#
# The same cycle with four sets of constants. "textbook" and "tuned" aggregate cells; "untrained" and "default" transfer
# values by the resistances between them, the first with constants by hand, the second with learned ones.

problems = {
    "obstacles": gallery.obstacle_box((48, 48, 48)),
    "bubbles, contrast 1000": gallery.bubbles((48, 48, 48), rng=5),
    "log-normal, contrast 1e6": gallery.log_normal((48, 48, 48), contrast=1e6, rng=5),
    "anisotropy 100:1": gallery.anisotropic((48, 48, 48)),
}
names = ["textbook", "tuned", "untrained", "default"]
colors = ["#b0b7bf", "#7f8a94", "#8fb8de", "#1f5f99"]

figure, axes = plt.subplots(1, 4, figsize=(12, 3.4), sharey=True, layout="constrained")
for axis, (title, A) in zip(axes, problems.items(), strict=True):
    b = np.random.default_rng(1).standard_normal(A.shape[0])
    b[A.decoupled.ravel()] = 0
    for name, color in zip(names, colors, strict=True):
        result = pysolve.cg(A, b, M=pysolve.Multilevel(A, weights=name), rtol=1e-6, maxiter=200)
        norms = result.residual_norms / result.residual_norms[0]
        axis.semilogy(norms, color=color, lw=2, label=f"{name}: {result.iterations}")
    axis.set(title=title, xlabel="iteration", ylim=(3e-7, 5))
    axis.title.set_fontsize(11)
    axis.legend(frameon=False, fontsize=9, loc="upper right")
    axis.spines[["top", "right"]].set_visible(False)
axes[0].set_ylabel("relative residual")
plt.show()

# %%
# When the geometry moves
# -----------------------
#
# `StencilOperator.update` changes the operator where it stands, and `Multilevel.update` sets the hierarchy up again in
# the arrays that it has.

shape = (64, 64, 64)
A = gallery.poisson(
    shape, coefficient=np.ones(shape), boundary=[("neumann", "dirichlet"), "neumann", "neumann"]
)
M = pysolve.Multilevel(A)
x, y, z = np.mgrid[:64, :64, :64]
pressure = None
for step in range(4):
    ball = (x - 20 - 3 * step) ** 2 + (y - 32) ** 2 + (z - 32) ** 2 < 100
    A.update(np.where(ball, 0.0, 1.0))
    M.update()
    b = np.where(ball, 0.0, np.sin(0.1 * (x + step))).ravel()
    result = pysolve.cg(A, b, pressure, M=M, rtol=1e-6)
    pressure = result.x
    print(f"step {step}: {result.iterations} iterations")
