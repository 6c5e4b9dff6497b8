"""Plain text tables for the terminal."""

import numpy as np

import pysolve


def aligned(header: list[str], rows: list[list[str]]) -> str:
    """The table as text: words to the left, figures to the right.

    Examples
    --------
    >>> from pysolve._cli_table import aligned
    >>> print(aligned(["method", "s"], [["cg", "0.1"], ["sor", "12"]]))
    method    s
    ------  ---
    cg      0.1
    sor      12
    """
    widths = [max(len(row[i]) for row in (header, *rows)) for i in range(len(header))]
    right = [bool(rows) and all(row[i][:1] in "0123456789-" for row in rows) for i in range(len(header))]
    lines = [header, ["-" * width for width in widths], *rows]
    return "\n".join("  ".join(map(_cell, line, widths, right)).rstrip() for line in lines)


def _cell(text: str, width: int, right: bool) -> str:
    return text.rjust(width) if right else text.ljust(width)


def seconds(times: list[float]) -> str:
    """The median of `times` with three figures, in seconds.

    Examples
    --------
    >>> from pysolve._cli_table import seconds
    >>> seconds([0.0012345, 0.0012345]), seconds([12.34])
    ('0.00123', '12.3')
    """
    value = float(np.median(times))
    if value < 5e-6:  # no work, the clock was read
        return "0"
    return f"{value:.3g}" if value >= 1e-4 else f"{value:.1e}"


def ratio(other: float, own: float) -> str:
    """How many times longer `other` seconds are than `own`, as text."""
    return f"{other / own:.2f}x" if own > 0 else "-"


def threads_text() -> str:
    """How many threads each side uses."""
    n = pysolve.show_config()["openmp_threads"]
    return f"threads: pysolve {n}; scipy's products 1"
