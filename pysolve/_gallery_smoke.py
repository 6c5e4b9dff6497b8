"""Smoke that rises around a ball: a flow whose every time step asks for one pressure solve."""

import math
from typing import Any

import numpy as np
from scipy import ndimage

from pysolve._gallery_arguments import check_positive
from pysolve._gallery_geometry import centres
from pysolve._gallery_poisson import poisson
from pysolve._gallery_smoke_picture import draw
from pysolve._stencil import StencilOperator
from pysolve._stencil_faces import above, along, below, check_shape

SMALLEST = 8  # cells along a side, so that the ball and the nozzle have some
INFLOW, LIFT = 0.6, 1.5  # speed in the nozzle, acceleration of dense smoke: box lengths per unit of time
SWING, PERIOD = 0.16, 1.6  # of the ball that moves: how far, in widths of the box, and how long to and fro


class Smoke:
    r"""A model simulation: smoke rises from a nozzle and splits around a ball; each step asks for one pressure.

    Incompressible flow by operator splitting on a staggered grid: velocity and smoke are carried along
    (semi-Lagrangian; smoke with MacCormack's correction), smoke is lifted, and the pressure takes the divergence
    out of the velocity :math:`u^*`:

    .. math:: A p = -\nabla \cdot u^*, \quad u = u^* - w \nabla p

    Walls, floor and ball are closed faces (Neumann), the top is open (Dirichlet). *Up* is along axis 0; the
    longest side of the box is 1, and so is the unit of velocity per unit of time.

    Parameters
    ----------
    shape : tuple of int
        Cells of the box, 2 or 3 extents, each at least 8.
    moving : bool, default False
        The ball swings to and fro along axis 1, and pushes the air.
    dt : float, default 0.04
        Time of a step. The scheme is stable for any; accuracy wants a few cells a step at most.

    Attributes
    ----------
    shape : tuple of int
    A : StencilOperator
        The operator of the pressure. A new object whenever the ball has moved to other cells, else the same.
    solid : bool ndarray of shape `shape`
        The cells of the ball.
    smoke : ndarray of shape `shape`
        Density, from 0 to 1; 0 in the ball.
    velocity : list of ndarray
        One array for each axis, on its faces, like the weights of `A`.
    pressure : ndarray of shape (n,)
        The last one given to `project`.
    time : float
    centre, radius : ndarray of shape (ndim,), float
        Of the ball.

    References
    ----------
    .. [1] R. Fedkiw, J. Stam, H. W. Jensen, "Visual simulation of smoke", SIGGRAPH 2001.
    .. [2] R. Bridson, *Fluid Simulation for Computer Graphics*, 2nd ed., CRC Press, 2015.

    Examples
    --------
    >>> import numpy as np, pysolve
    >>> flow = pysolve.gallery.Smoke((48, 32))
    >>> for _ in range(20):
    ...     A, b, x0 = flow.advance()
    ...     x, info = pysolve.cg(A, b, x0=x0, rtol=1e-6)
    ...     flow.project(x)
    >>> A is flow.A, bool(np.abs(flow.divergence).max() <= 1e-6 * np.linalg.norm(b))
    (True, True)
    >>> float(flow.smoke.min()), float(flow.smoke.max())
    (0.0, 1.0)
    """

    def __init__(self, shape: Any, *, moving: bool = False, dt: float = 0.04) -> None:
        self.shape = check_shape(shape)
        if min(self.shape) < SMALLEST:
            raise ValueError(f"shape must have extents of at least {SMALLEST}, got {self.shape}")
        self.moving, self.dt, self.time = bool(moving), check_positive(dt, "dt"), 0.0
        _, self._sides = centres(self.shape)
        self._width = min(self._sides)
        self.radius = 0.15 * self._width
        self.smoke, self.solid = np.zeros(self.shape), np.zeros(self.shape, dtype=bool)
        self.pressure = np.zeros(self.smoke.size)
        self.A: StencilOperator = None  # type: ignore[assignment]  # _place makes it
        self._nozzle = self._disc()
        self._place()
        self.velocity = [np.zeros_like(weights) for weights in self.A.weights]
        self._set_walls(self.velocity)
        self._unprojected = self.velocity.copy()

    def _disc(self) -> np.ndarray:
        """The cells of the floor that the smoke comes from."""
        x, sides = centres(self.shape)
        away = sum((x[k][0] - 0.5 * sides[k]) ** 2 for k in range(1, len(sides)))
        return np.broadcast_to(away < (0.1 * self._width) ** 2, self.shape[1:])

    def _place(self) -> None:
        """Put the ball where it is at this time; a new operator if that covers other cells."""
        x, sides = centres(self.shape)
        phase = 2 * math.pi * self.time / PERIOD
        # A little off the axis: a plume that is symmetric would stay so.
        self.centre = np.array([0.46, 0.52, 0.49][: len(sides)]) * sides
        self._ball_speed = 0.0
        if self.moving:
            self.centre[1] += SWING * self._width * math.sin(phase)
            self._ball_speed = SWING * self._width * math.cos(phase) * 2 * math.pi / PERIOD
        solid = sum((x[k] - self.centre[k]) ** 2 for k in range(len(sides))) < self.radius**2
        if self.A is not None and np.array_equal(solid, self.solid):
            return
        boundary = [("neumann", "dirichlet"), *["neumann"] * (len(sides) - 1)]
        self.A = poisson(self.shape, solid=solid, boundary=boundary)
        self.solid = solid
        self._outside = self._nearest_outside()

    def _nearest_outside(self) -> tuple[np.ndarray, ...]:
        """For every cell of the ball the cell that lies next to the surface, straight outwards."""
        places = (np.argwhere(self.solid) + 0.5) / max(self.shape) - self.centre
        away = np.linalg.norm(places, axis=1, keepdims=True)
        outside = self.centre + places * ((self.radius + 1 / max(self.shape)) / np.maximum(away, 1e-12))
        cells = np.floor(outside * max(self.shape)).astype(int)
        return tuple(np.clip(cells, 0, np.array(self.shape) - 1).T)

    def advance(self) -> tuple[StencilOperator, np.ndarray, np.ndarray]:
        """Move the ball, the smoke and the air one step on; the pressure has yet to act.

        Returns
        -------
        A : StencilOperator
            The attribute `A`.
        b : ndarray of shape (n,)
            The right-hand side, 0 in the ball.
        x0 : ndarray of shape (n,)
            A start for the solve: the last pressure.
        """
        self.time += self.dt
        was_solid, was_outside = self.solid, self._outside
        self._place()
        x0 = self.pressure.reshape(self.shape).copy()
        x0[was_solid] = x0[was_outside]  # where the ball has just been, the pressure beside it
        x0[self.solid] = 0.0
        self._carry()
        smoke, up = self.smoke, self.velocity[0]
        lift = LIFT * self.dt * smoke
        along(up, 0, slice(1, -1))[...] += (below(lift, 0) + above(lift, 0)) / 2
        self._set_walls(self.velocity)
        self._unprojected = [u.copy() for u in self.velocity]
        return self.A, -self.divergence.ravel(), x0.ravel()

    def project(self, x: Any) -> None:
        """Let the pressure `x` take the divergence out of the velocity.

        Parameters
        ----------
        x : array_like of shape (n,)
            The solution of the last system. A second call with another one replaces the first.
        """
        p = np.array(x, dtype=float)
        if p.shape != self.pressure.shape:
            raise ValueError(f"x must have shape {self.pressure.shape}, got {p.shape}")
        self.pressure, p = p, p.reshape(self.shape)
        for axis, (u, weights) in enumerate(zip(self._unprojected, self.A.weights, strict=True)):
            beyond = np.pad(p, [(1, 1) if axis == k else (0, 0) for k in range(p.ndim)])  # 0 above the top
            self.velocity[axis] = u - weights * np.diff(beyond, axis=axis)

    @property
    def divergence(self) -> np.ndarray:
        """ndarray of shape `shape`: what flows out of each cell, in cells' faces; 0 in the ball."""
        total = sum(np.diff(u, axis=axis) for axis, u in enumerate(self.velocity))
        return np.where(self.solid, 0.0, total)

    def draw(self, axes: Any) -> None:
        """Draw the smoke and the ball: a picture of the plane in 2-D, a view from the side in 3-D.

        Parameters
        ----------
        axes : matplotlib.axes.Axes
        """
        smoke = self.smoke.copy()
        smoke[self.solid] = smoke[self._outside]
        # Round, not as the cells that it covers: large enough to hide their steps and what is caught in them.
        draw(axes, smoke, self.centre, self.radius + 1 / max(self.shape))

    def _set_walls(self, velocity: list[np.ndarray]) -> None:
        """The velocity of closed faces is that of what closes them: wall, nozzle or ball."""
        for u, weights in zip(velocity, self.A.weights, strict=True):
            u[weights == 0] = 0.0
        inner = (slice(None), slice(1, -1))  # without the walls of the box
        velocity[1][inner][self.A.weights[1][inner] == 0] = self._ball_speed
        velocity[0][0][self._nozzle] = INFLOW

    def _carry(self) -> None:
        """Smoke and velocity, carried along with the velocity."""
        flow = [(below(u, axis) + above(u, axis)) / 2 for axis, u in enumerate(self.velocity)]
        for component in flow:
            component[self.solid] = component[self._outside]  # air slips along the ball
        steps = self.dt * max(self.shape)
        moved = [_carried(u, self._on_faces(flow, axis), steps) for axis, u in enumerate(self.velocity)]
        smoke = self.smoke
        smoke[self.solid] = smoke[self._outside]  # so that the ball's surface does not thin it out
        self.smoke = _carried(smoke, flow, steps).clip(0, 1)
        self.smoke[:2, self._nozzle] = 1.0
        self.smoke[self.solid] = 0.0
        self.velocity = moved

    def _on_faces(self, flow: list[np.ndarray], axis: int) -> list[np.ndarray]:
        """All components of the velocity on the faces of one axis, from those in the cells."""
        widths = [(1, 1) if axis == k else (0, 0) for k in range(len(flow))]
        padded = [np.pad(component, widths, mode="edge") for component in flow]
        means = [(below(component, axis) + above(component, axis)) / 2 for component in padded]
        means[axis] = self.velocity[axis]
        return means


def _linear(values: np.ndarray, flow: list[np.ndarray], steps: float) -> np.ndarray:
    """What was, `steps` times the flow ago, at the places where the values are; linear in between."""
    indices = np.meshgrid(*[np.arange(n, dtype=float) for n in values.shape], indexing="ij", sparse=True)
    origin = np.stack([i - steps * u for i, u in zip(indices, flow, strict=True)])
    return ndimage.map_coordinates(values, origin, order=1, mode="nearest")


def _carried(values: np.ndarray, flow: list[np.ndarray], steps: float) -> np.ndarray:
    """The same with MacCormack's correction: carried there and back, half of what that has changed is undone."""
    forth = _linear(values, flow, steps)
    sharp = forth + (values - _linear(forth, flow, -steps)) / 2
    # Within the values around, so that nothing overshoots.
    return np.clip(sharp, ndimage.minimum_filter(forth, 3), ndimage.maximum_filter(forth, 3))
