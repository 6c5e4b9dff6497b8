"""Who holds the rows of the factors: one process all of them, or several processes some each.

The iteration is written for a process that holds some rows of U and of V; what it needs of the others, it asks of its
group. `pysolve._distributed_ranks` has the group of several processes.
"""

from __future__ import annotations

from typing import Any


class Alone:
    """One process that holds everything."""

    def sum(self, x: Any) -> Any:
        """The sum over all processes of a number or an array (which may be overwritten)."""
        return x

    def largest(self, x: float) -> float:
        """The largest of a number over all processes."""
        return x

    def named(self, factor: Any, which: str) -> Any:
        """The rows of a factor that entries here name: of "V" by their columns, of "U" by their rows, "held" of V by
        the entries held out."""
        return factor


ALONE: Any = Alone()
