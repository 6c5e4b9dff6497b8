"""How a GP solve ends."""

from __future__ import annotations

import enum


class GPStatus(enum.Enum):
    """How a `gp_pde` solve ended. ``str(status)`` is the explanation.

    Examples
    --------
    >>> import pysolve
    >>> print(pysolve.GPStatus.MAXITER)
    the limit of Gauss-Newton steps was reached before the tolerance
    """

    SOLVED = (
        "the equations and conditions hold to the noise that was given, or to the accuracy of the features"
    )
    UNRESOLVED = (
        "the residual of the equations is larger than noise or rounding explain: the kernel does not resolve the "
        "solution on this grid"
    )
    UNDERDETERMINED = (
        "the equations and conditions leave part of the solution open: "
        "there it is the prior's, and the standard deviation is large"
    )
    MAXITER = "the limit of Gauss-Newton steps was reached before the tolerance"
    STAGNATED = "no step of Gauss-Newton makes the residual smaller"
    BREAKDOWN = "a number that is not finite came up; the last finite iterate is returned"
    STOPPED = "the callback stopped the solve"

    def __str__(self) -> str:
        return self.value
