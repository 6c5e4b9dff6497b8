"""
The pressure of a flow around obstacles
=======================================

A program that simulates a fluid solves one system in every time step: the pressure that takes the divergence
out of the velocity. The system is always the same 5-point (in 3-D: 7-point) operator; only its right-hand
side changes. `pysolve.StencilOperator` keeps that operator as the weights of the faces between cells, without
a matrix, and `pysolve.cg` solves with it.
"""

import matplotlib.pyplot as plt
import numpy as np
from scipy import ndimage

import pysolve
from pysolve import gallery

SOLID = "#59636d"

# %%
# One projection
# --------------
#
# A channel with a cylinder, a plate and a smaller cylinder. Air enters at the left with speed 1 (a prescribed
# velocity: a Neumann side for the pressure), leaves at the right (pressure 0: a Dirichlet side), and slides
# along the walls. The faces of solid cells are closed.

shape = (160, 400)
height, along = np.mgrid[: shape[0], : shape[1]] + 0.5
solid = (height - 95) ** 2 + (along - 95) ** 2 < 24**2
solid |= (height - 45) ** 2 + (along - 265) ** 2 < 17**2
solid |= (abs(along - 185) < 5) & (height < 60)

A = gallery.poisson(shape, solid=solid, boundary=["neumann", ("neumann", "dirichlet")])
print(A)
print(f"{A.decoupled.sum()} of {A.shape[0]} cells are solid; dimension of the null space: {A.n_components}")

# %%
# The velocity lives on the faces, like the weights of the operator: 1 on open faces and 0 on closed ones.
# Starting from a flow that runs straight into the obstacles, the pressure solves :math:`A p = -\nabla \cdot u`,
# and its gradient is taken off the velocity.


def divergence(velocity):
    return np.diff(velocity[0], axis=0) + np.diff(velocity[1], axis=1)


def take_off_gradient(velocity, p, weights):
    """u - w grad p on every face; p is 0 beyond the box, where weights are 0 unless the side is open."""
    for axis in (0, 1):
        beyond = np.pad(p, [(1, 1) if axis == k else (0, 0) for k in (0, 1)])
        velocity[axis] -= weights[axis] * np.diff(beyond, axis=axis)


velocity = [np.zeros_like(A.weights[0]), A.weights[1].copy()]
velocity[1][:, 0] = 1  # the inflow
before = np.abs(divergence(velocity)).max()
result = pysolve.cg(A, -divergence(velocity).ravel(), rtol=1e-10).raise_if_failed()
p = result.x.reshape(shape)
take_off_gradient(velocity, p, A.weights)
print(result.message)
print(f"largest divergence {before:.1f} before, {np.abs(divergence(velocity)).max():.0e} after")

# %%
# Stream lines are drawn from the velocities in the middle of the cells.


def in_cells(velocity):
    u, v = velocity
    return (u[1:] + u[:-1]) / 2, (v[:, 1:] + v[:, :-1]) / 2


def draw(axes, values, solid, **style):
    axes.set_facecolor(SOLID)
    image = axes.imshow(np.ma.array(values, mask=solid), origin="lower", interpolation="nearest", **style)
    axes.set(xticks=[], yticks=[])
    return image


up, right = in_cells(velocity)
speed = np.hypot(up, right)
figure, (top, bottom) = plt.subplots(2, 1, figsize=(10, 8.6), layout="constrained")
image = draw(top, p, solid, cmap="viridis")
top.contour(np.ma.array(p, mask=solid), levels=30, colors="white", linewidths=0.7, alpha=0.6)
top.set_title("pressure")
figure.colorbar(image, ax=top, shrink=0.9, pad=0.01)
image = draw(bottom, speed, solid, cmap="magma", vmin=0, vmax=np.quantile(speed, 0.999))
columns, rows = np.arange(shape[1]), np.arange(shape[0])
starts = np.column_stack([np.full(26, 1.0), np.linspace(3, shape[0] - 4, 26)])
masked = [np.ma.array(component, mask=solid) for component in (right, up)]
bottom.streamplot(
    columns, rows, *masked, color="white", linewidth=0.8, arrowsize=0.7, density=8, start_points=starts,
    broken_streamlines=False,
)  # fmt: skip
bottom.set(title="speed and stream lines", xlim=(-0.5, shape[1] - 0.5), ylim=(-0.5, shape[0] - 0.5))
figure.colorbar(image, ax=bottom, shrink=0.9, pad=0.01)

# %%
# What the operator saves
# -----------------------
#
# Per cell a matrix keeps five entries and five column numbers; the operator keeps two face weights, or none at
# all where they are constant. In 3-D it is seven and three.

for name, operator in {"with obstacles": A, "constant": gallery.poisson(shape)}.items():
    matrix = operator.tocsr()
    in_matrix = matrix.data.nbytes + matrix.indices.nbytes + matrix.indptr.nbytes
    in_operator = sum(w.nbytes for w in operator.weights if isinstance(w, np.ndarray))
    n = matrix.shape[0]
    print(f"{name}: matrix {in_matrix / n:.0f} bytes a cell, operator {in_operator / n:.0f}")

# %%
# Many solves
# -----------
#
# Hot smoke enters through the floor of the scene `pysolve.gallery.obstacle_box`: a box with walls and an open
# top. Each time step moves smoke and velocity along the flow, lifts what is hot, and solves for the pressure. The
# pressure of the last step is the start of the next solve (`x0`).

shape = (144, 100)
A = gallery.obstacle_box(shape)
solid = A.decoupled
velocity = [np.zeros_like(weights) for weights in A.weights]
smoke, p = np.zeros(shape), np.zeros(A.shape[0])
nozzle = slice(44, 56)


def moved(values, velocity, offset, step):
    """Values carried along by the flow: what was there one step ago; `offset` from the centre of a cell."""
    axes = [np.arange(k) - o for k, o in zip(values.shape, offset, strict=True)]
    places = np.meshgrid(*axes, indexing="ij")
    flow = [ndimage.map_coordinates(c, places, order=1, mode="nearest") for c in in_cells(velocity)]
    origin = [place - step * c + o for place, c, o in zip(places, flow, offset, strict=True)]
    return ndimage.map_coordinates(values, origin, order=1, mode="nearest")


def advance(smoke, velocity, step):
    """Smoke and velocity, moved and lifted, before the pressure acts."""
    smoke = moved(smoke, velocity, (0, 0), step)
    smoke[:2, nozzle] = 1
    up = moved(velocity[0], velocity, (0.5, 0), step)
    across = moved(velocity[1], velocity, (0, 0.5), step)
    up[1:] += 0.03 * step * smoke
    velocity = [up * (A.weights[0] > 0), across * (A.weights[1] > 0)]
    velocity[0][0, nozzle] = 1
    return np.where(solid, 0, smoke), velocity


pictures, warm, cold = {}, 0, 0
for k in range(1, 201):
    smoke, velocity = advance(smoke, velocity, step=1.0)
    b = -divergence(velocity).ravel()
    result = pysolve.cg(A, b, x0=p, rtol=1e-4).raise_if_failed()
    p = result.x
    take_off_gradient(velocity, p.reshape(shape), A.weights)
    if k % 50 == 0:
        pictures[k] = smoke
        warm, cold = warm + result.iterations, cold + pysolve.cg(A, b, rtol=1e-4).iterations
print(f"iterations of the solves drawn below: {warm} from the last pressure, {cold} from 0")

figure, panels = plt.subplots(1, 4, figsize=(11, 4.3), layout="constrained")
for axes, (k, picture) in zip(panels, pictures.items(), strict=True):
    draw(axes, picture, solid, cmap="inferno", vmin=0, vmax=1)
    axes.set_title(f"smoke after {k} steps")
plt.show()
