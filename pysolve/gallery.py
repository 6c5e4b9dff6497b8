"""Model problems: Poisson operators on boxes, five scenes hard in different ways, sequences of systems.

All are 5-point (2-D) or 7-point (3-D) operators with unit spacing; `scenes` maps the names of the five to the
functions. *Up* is along axis 0: index 0 is the floor. Scenes are drawn in coordinates in which the longest
side of the box is 1, so that the same `rng` gives the same scene at every resolution; ``rng=None`` is one
fixed scene. `Smoke` and `HeatEquation` are simulations that ask for one solve a step, and `ShiftedLaplacians` is
a sequence of small systems. `pde_case` gives equations with known solutions to `gp_pde`, which needs no operator.
"""

import math
from typing import Any

import numpy as np
from scipy import ndimage
from scipy.sparse import csr_array

from pysolve._gallery_arguments import check_axis, check_finite, check_number, check_positive, generator
from pysolve._gallery_geometry import centres, fill_ball, gaussian_field, obstacles, waves
from pysolve._gallery_heat import HeatEquation
from pysolve._gallery_pde import PDECase, pde_case
from pysolve._gallery_poisson import close, finish, poisson
from pysolve._gallery_shifted_laplacians import ShiftedLaplacians
from pysolve._gallery_smoke import Smoke
from pysolve._stencil import StencilOperator
from pysolve._stencil_faces import above, along, below, check_shape, face_weights

__all__ = [
    "HeatEquation",
    "PDECase",
    "ShiftedLaplacians",
    "Smoke",
    "anisotropic",
    "bubbles",
    "free_surface",
    "log_normal",
    "obstacle_box",
    "pde_case",
    "poisson",
    "scenes",
]

N_BALLS = 60  # drawn; those that would touch an earlier one are dropped


def obstacle_box(
    shape: Any, *, rng: Any = None, dtype: Any = float, format: str = "stencil"
) -> StencilOperator | csr_array:
    """Flow around a sphere, a plate and a cylinder in a box with walls and an open top.

    Neumann walls and floor, a Dirichlet face above (the high side of axis 0). In 2-D the sphere and the
    cylinder are discs. Fluid that the obstacles cut off from the top (on very coarse grids) is made solid:
    the operator is definite.

    Parameters
    ----------
    shape : tuple of int
        Extents of the box, 2 or 3 of them.
    rng : None, int or numpy.random.Generator, optional
        Moves the obstacles a little; None for the standard places.
    dtype : {float64, float32}, default float64
        Type of the weights.
    format : {"stencil", "csr"}, default "stencil"
        What to return.

    Returns
    -------
    StencilOperator or csr_array
        Of shape (n, n).

    Examples
    --------
    >>> from pysolve import gallery
    >>> A = gallery.obstacle_box((32, 32, 32))
    >>> print(A.n_components, round(A.decoupled.mean(), 2))
    0 0.05
    """
    extents = check_shape(shape)
    moves = np.zeros((3, 3)) if rng is None else generator(rng).uniform(-0.05, 0.05, (3, 3))
    solid = obstacles(extents, moves)
    solid[-1] = False
    labels, n_labels = ndimage.label(~solid)
    reaches_top = np.zeros(n_labels + 1, dtype=bool)
    reaches_top[labels[-1]] = True
    boundary = [("neumann", "dirichlet"), *["neumann"] * (len(extents) - 1)]
    return poisson(extents, solid=~reaches_top[labels], boundary=boundary, dtype=dtype, format=format)


def free_surface(
    shape: Any,
    *,
    depth: float = 0.6,
    amplitude: float = 0.1,
    rng: Any = None,
    dtype: Any = float,
    format: str = "stencil",
) -> StencilOperator | csr_array:
    """The pressure of sloshing water: air above a smooth random surface.

    Neumann walls and floor. The pressure is 0 in the air: a face between water and air is a Dirichlet face
    (its weight is in the shift of the water cell), and air cells are decoupled. Beyond the top of the box
    there is air.

    Parameters
    ----------
    shape : tuple of int
        Extents of the box, 2 or 3 of them; axis 0 is up.
    depth, amplitude : float, default 0.6 and 0.1
        Mean height of the surface and size of its waves, as fractions of the height of the box. The lowest
        layer of cells is always water.
    rng : None, int or numpy.random.Generator, optional
        Draws the surface, a sum of standing waves of the box.
    dtype : {float64, float32}, default float64
        Type of the weights.
    format : {"stencil", "csr"}, default "stencil"
        What to return.

    Returns
    -------
    StencilOperator or csr_array
        Of shape (n, n), positive definite.

    Examples
    --------
    >>> from pysolve import gallery
    >>> A = gallery.free_surface((32, 32, 32))
    >>> print(A.n_components, round(A.decoupled.mean(), 1))
    0 0.4
    """
    extents = check_shape(shape)
    boundary = [("neumann", "dirichlet"), *["neumann"] * (len(extents) - 1)]
    level = ((np.arange(extents[0]) + 0.5) / extents[0]).reshape([-1] + [1] * (len(extents) - 1))
    depth, amplitude = check_finite(depth, "depth"), check_finite(amplitude, "amplitude")
    air = level > depth + amplitude * waves(extents[1:], generator(rng))
    air[0] = False
    weights = face_weights(np.ones(extents), (1.0,) * len(extents), boundary)
    shift = np.zeros(extents)
    for axis, faces in enumerate(weights):
        inner, low, high = along(faces, axis, slice(1, -1)), below(air, axis), above(air, axis)
        below(shift, axis)[...] += inner * (high & ~low)
        above(shift, axis)[...] += inner * (low & ~high)
    close(weights, air, boundary)
    return finish(extents, weights, boundary, shift, dtype, format)


def bubbles(
    shape: Any, *, contrast: float = 1e3, rng: Any = None, dtype: Any = float, format: str = "stencil"
) -> StencilOperator | csr_array:
    """Balls of another material: a coefficient that jumps by a factor.

    The coefficient is `contrast` in the balls (as 1/density is in air bubbles in water) and 1 around them;
    Dirichlet on all sides. The balls are apart from each other.

    Parameters
    ----------
    shape : tuple of int
        Extents of the box, 2 or 3 of them.
    contrast : float, default 1e3
        Coefficient inside the balls.
    rng : None, int or numpy.random.Generator, optional
        Draws places and sizes.
    dtype : {float64, float32}, default float64
        Type of the weights.
    format : {"stencil", "csr"}, default "stencil"
        What to return.

    Returns
    -------
    StencilOperator or csr_array
        Of shape (n, n), positive definite.

    Examples
    --------
    >>> from pysolve import gallery
    >>> print(gallery.bubbles((32, 32, 32)).diagonal().max())
    6000.0
    """
    extents = check_shape(shape)
    contrast, rng = check_positive(contrast, "contrast"), generator(rng)
    _, sides = centres(extents)
    size = math.prod(sides) ** (1 / len(sides))
    places = rng.random((N_BALLS, 3))[:, : len(sides)] * sides
    radii = rng.uniform(0.05, 0.13, N_BALLS) * size
    coefficient = np.ones(extents)
    kept: list[int] = []
    for k in range(N_BALLS):
        if all(math.dist(places[k], places[j]) > radii[k] + radii[j] for j in kept):
            kept.append(k)
            fill_ball(coefficient, places[k], radii[k], contrast)
    return poisson(extents, coefficient=coefficient, dtype=dtype, format=format)


def log_normal(
    shape: Any,
    *,
    contrast: float = 1e3,
    correlation_length: float = 0.1,
    rng: Any = None,
    dtype: Any = float,
    format: str = "stencil",
) -> StencilOperator | csr_array:
    """Flow in a porous medium: the exponential of a smooth Gaussian random field as coefficient.

    The field has the covariance ``exp(-|x - y|**2 / (2 correlation_length**2))`` and is scaled so that the
    ratio of the largest to the smallest coefficient is `contrast`. Dirichlet on all sides.

    Parameters
    ----------
    shape : tuple of int
        Extents of the box, 2 or 3 of them.
    contrast : float, default 1e3
        Largest coefficient over smallest, at least 1.
    correlation_length : float, default 0.1
        In units of the longest side.
    rng : None, int or numpy.random.Generator, optional
        Draws the field.
    dtype : {float64, float32}, default float64
        Type of the weights.
    format : {"stencil", "csr"}, default "stencil"
        What to return.

    Returns
    -------
    StencilOperator or csr_array
        Of shape (n, n), positive definite.

    References
    ----------
    .. [1] A. Rahimi, B. Recht, "Random features for large-scale kernel machines", NIPS 2007: the field's
           waves.

    Examples
    --------
    >>> from pysolve import gallery
    >>> gallery.log_normal((64, 64), contrast=1e6, rng=1)
    StencilOperator((64, 64), weights=arrays, boundary='dirichlet', shift=0.0, dtype=float64)
    """
    extents = check_shape(shape)
    contrast = check_number(contrast, "contrast", "finite and at least 1", lambda c: 1 <= c < math.inf)
    correlation_length = check_positive(correlation_length, "correlation_length")
    field = gaussian_field(extents, correlation_length, generator(rng))
    field -= field.min()
    field *= math.log(contrast) / (field.max() or 1.0)
    return poisson(extents, coefficient=np.exp(field, out=field), dtype=dtype, format=format)


def anisotropic(
    shape: Any,
    *,
    ratio: float = 100.0,
    axis: int = 0,
    rng: Any = None,
    dtype: Any = float,
    format: str = "stencil",
) -> StencilOperator | csr_array:
    """A constant coefficient that is stronger along one axis, as on a stretched grid. Dirichlet on all sides.

    Parameters
    ----------
    shape : tuple of int
        Extents of the box, 2 or 3 of them.
    ratio : float, default 100
        Weight of the faces along `axis`; the others have weight 1.
    axis : int, default 0
        The strong axis.
    rng : None, int or numpy.random.Generator, optional
        Not used: nothing is random here. All scenes have the same arguments.
    dtype : {float64, float32}, default float64
        Type of the weights.
    format : {"stencil", "csr"}, default "stencil"
        What to return.

    Returns
    -------
    StencilOperator or csr_array
        Of shape (n, n), positive definite.

    Examples
    --------
    >>> from pysolve import gallery
    >>> gallery.anisotropic((4, 4)).weights
    (100.0, 1.0)
    """
    extents = check_shape(shape)
    factors = [1.0] * len(extents)
    factors[check_axis(axis, extents)] = check_number(
        ratio, "ratio", "finite and at least 0", lambda r: 0 <= r < math.inf
    )
    return poisson(extents, anisotropy=factors, dtype=dtype, format=format)


scenes = {
    "obstacle_box": obstacle_box,
    "free_surface": free_surface,
    "bubbles": bubbles,
    "log_normal": log_normal,
    "anisotropic": anisotropic,
}
