r"""
Directions from a network
=========================

`pysolve.DirectionNet` is the convolutional network of the deep conjugate direction method: it looks at a residual,
and proposes a direction. `pysolve.conjugate_directions` follows it as far as pays.
"""

import matplotlib.pyplot as plt
import numpy as np

import pysolve
from pysolve import gallery

# %%
# What it proposes
# ----------------
#
# A box with a sphere, a plate and a cylinder, and a residual that is noise. The solution is smooth, and so is the
# network's direction; the residual itself, the direction of steepest descent, is not.

shape = (32, 32, 32)
A = gallery.obstacle_box(shape, rng=5)
b = np.where(A.decoupled.ravel(), 0.0, np.random.default_rng(5).standard_normal(A.shape[0]))
net = pysolve.DirectionNet(A)
print(net, f"with {net.n_parameters} parameters")

pictures = {"residual": b, "the network's direction": net @ b, "solution": pysolve.cg(A, b, rtol=1e-8).x}
figure, axes = plt.subplots(1, 3, figsize=(11, 4), layout="constrained")
for axis, (name, x) in zip(axes, pictures.items(), strict=True):
    slice_of_box = np.ma.array(x.reshape(shape), mask=A.decoupled)[:, :, 16]
    limit = np.abs(slice_of_box).max()
    axis.set_facecolor("#59636d")
    axis.imshow(slice_of_box, origin="lower", cmap="RdBu_r", vmin=-limit, vmax=limit, interpolation="nearest")
    axis.set(title=name, xticks=[], yticks=[])

# %%
# Iterations, and seconds
# -----------------------
#
# It takes far fewer iterations than plain conjugate gradients. An application costs as much as some hundred of
# them, though, so that the solve takes longer: it is here for research, not for speed.

figure, axes = plt.subplots(figsize=(8, 4.4), layout="constrained")
for name, scene in [("obstacle_box", A), ("free_surface", gallery.free_surface(shape, rng=6))]:
    b = np.where(scene.decoupled.ravel(), 0.0, np.random.default_rng(5).standard_normal(scene.shape[0]))
    learned = pysolve.conjugate_directions(scene, b, M=pysolve.DirectionNet(scene), rtol=1e-4)
    plain = pysolve.cg(scene, b, rtol=1e-4)
    for label, result, style in ((f"{name}, network", learned, "-"), (f"{name}, cg", plain, "--")):
        axes.semilogy(result.residual_norms / np.linalg.norm(b), style, label=label)
        print(f"{label:<22} {result.iterations:>4} iterations, {result.solve_time:.3f} s")
axes.set(xlabel="iteration", ylabel="relative residual", xscale="symlog", xlim=(0, None))
axes.spines[["top", "right"]].set_visible(False)
axes.legend(frameon=False)
plt.show()
