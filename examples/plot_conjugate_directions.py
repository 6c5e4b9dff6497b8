r"""
Directions from a preconditioner, or from anything else
=======================================================

`pysolve.cg` follows the directions of a preconditioner that it trusts. `pysolve.conjugate_directions` takes
directions from any map `M` of a residual to a vector, and looks at each of them before it takes it. This page
shows the first on three problems of the gallery, and the second on maps that do not deserve trust.
"""

import itertools

import matplotlib.pyplot as plt
import numpy as np
from scipy.sparse.linalg import LinearOperator, splu

import pysolve
from pysolve import gallery

try:
    import pyamg
except ImportError:
    pyamg = None

COLOURS = {"cg": "#9aa5ad", "cg, Jacobi": "#e08e45", "conjugate directions, pyamg": "#0b6e99"}

# %%
# Three problems
# --------------
#
# Gas bubbles in water (a coefficient that jumps by 1000), a porous medium (a log-normal coefficient), and a box
# with obstacles. The right-hand side is 1 in the first two, as in a plate that is heated evenly; in the box,
# fluid enters through the floor and leaves through the open top.


def inflow(A):
    b = np.zeros(A.grid_shape)
    b[0] = ~A.decoupled[0]
    return b.ravel()


shape = (128, 128)
problems = {
    "bubbles": gallery.bubbles(shape),
    "log_normal": gallery.log_normal(shape),
    "obstacle_box": gallery.obstacle_box(shape),
}
sides = {name: inflow(A) if name == "obstacle_box" else np.ones(A.shape[0]) for name, A in problems.items()}


def solves(A, b):
    """The same system three ways; the third needs pyamg, whose multigrid cycle proposes the directions."""
    yield "cg", pysolve.cg(A, b, rtol=1e-8)
    yield "cg, Jacobi", pysolve.cg(A, b, M=pysolve.Jacobi(A), rtol=1e-8)
    if pyamg is not None:
        M = pyamg.smoothed_aggregation_solver(A.tocsr()).aspreconditioner()
        yield "conjugate directions, pyamg", pysolve.conjugate_directions(A, b, M=M, rtol=1e-8)


figure, panels = plt.subplots(2, 3, figsize=(11, 7.2), layout="constrained", height_ratios=[1.25, 1])
for (name, A), (picture, curves) in zip(problems.items(), panels.T, strict=True):
    b = sides[name]
    for method, result in solves(A, b):
        print(f"{name:<13} {method:<28} {result.iterations:>5} iterations, {result.status}")
        curves.semilogy(result.residual_norms / np.linalg.norm(b), color=COLOURS[method], label=method)
    x = np.ma.array(result.x.reshape(shape), mask=A.decoupled)
    picture.set_facecolor("#59636d")
    picture.imshow(x, origin="lower", cmap="viridis", interpolation="nearest")
    picture.contour(x, levels=14, colors="white", linewidths=0.6, alpha=0.6)
    picture.set(title=name, xticks=[], yticks=[])
    curves.set(xlabel="iteration", xscale="symlog", xlim=(0, None), ylim=(1e-9, 1e3))
    curves.spines[["top", "right"]].set_visible(False)
panels[1, 0].set_ylabel("relative residual")
figure.legend(*curves.get_legend_handles_labels(), loc="outside lower center", ncols=3, frameon=False)

# %%
# Iterations are not seconds: a cycle of multigrid costs as much as many steps of plain CG, and its set-up comes
# before. ``pysolve compare log_normal:128x128`` prints the seconds on your machine.
#
# Maps that do not deserve trust
# ------------------------------
#
# The factors of an earlier matrix, before its coefficient has drifted, give excellent directions. We make them
# worse: by noise in every answer, by an answer out of thin air every third time, by NaN every third time. The last
# map answers with noise only.

A, b = problems["log_normal"], sides["log_normal"]
rng = np.random.default_rng(0)


factors = splu(gallery.log_normal(shape, contrast=300).tocsr().tocsc())  # the contrast is 1000 now


def noise(r):
    return rng.standard_normal(r.size)


def noisy(r):
    d = factors.solve(r)
    return d + 0.01 * np.linalg.norm(d) / np.sqrt(d.size) * noise(r)


def every_third(lie):
    calls = itertools.count(1)
    return lambda r: lie(r) if next(calls) % 3 == 0 else factors.solve(r)


maps = {
    "factors of an earlier matrix": factors.solve,
    "with noise in it": noisy,
    "every third answer noise": every_third(noise),
    "every third answer NaN": every_third(lambda r: np.full(r.size, np.nan)),
    "nothing but noise": noise,
}

figure, axes = plt.subplots(figsize=(9, 4.6), layout="constrained")
for name, answer in maps.items():
    M = LinearOperator(A.shape, matvec=answer, dtype=float)
    result = pysolve.conjugate_directions(A, b, M=M, rtol=1e-8)
    style = "--" if "NaN" in name else "-"  # the same directions are rejected as those of noise
    axes.semilogy(result.residual_norms / np.linalg.norm(b), style, label=name)
    print(f"{name}: {result.n_fallbacks} directions rejected; {result.message}")
    print(f"  the same map, trusted by cg: {pysolve.cg(A, b, M=M, rtol=1e-8, maxiter=300)}\n")
axes.set(xlabel="iteration", ylabel="relative residual", xscale="symlog", xlim=(0, None))
axes.spines[["top", "right"]].set_visible(False)
axes.legend(frameon=False)
plt.show()

# %%
# All of them arrive: a bad map costs time, never accuracy. Where a map keeps giving directions that are rejected,
# or gains less energy per second than plain conjugate gradients, it is dropped for good, and the message says so.
