"""What is known at a side of the domain."""

from __future__ import annotations

import dataclasses
from typing import Any


@dataclasses.dataclass(frozen=True)
class Robin:
    """The condition ``a u + b du/dn = g`` at a side, with n pointing outwards.

    Parameters
    ----------
    a, b : float
        Numbers, not both 0.
    g : float, array_like or callable, default 0
        The right side: a number, an array on the grid of the other axes, or a function of the other
        coordinates. NaN where nothing is known.

    Examples
    --------
    A wall that cools in proportion to its temperature:

    >>> import pysolve
    >>> pysolve.Robin(2.0, 1.0)
    Robin(a=2.0, b=1.0, g=0.0)
    """

    a: float
    b: float
    g: Any = 0.0


def Neumann(g: Any = 0.0) -> Robin:
    """The condition ``du/dn = g`` at a side, with n pointing outwards.

    Parameters
    ----------
    g : float, array_like or callable, default 0
        As for `Robin`.

    Returns
    -------
    Robin
        With a = 0 and b = 1.

    Examples
    --------
    >>> import pysolve
    >>> pysolve.Neumann(1.0)
    Robin(a=0.0, b=1.0, g=1.0)
    """
    return Robin(0.0, 1.0, g)
