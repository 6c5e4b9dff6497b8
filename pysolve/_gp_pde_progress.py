"""The argument `progress` of `gp_pde`."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from typing import Any


def as_report(progress: Any) -> Callable[[str], Any]:
    """What is called with sentences: nothing in the first two seconds, then at most twice a second."""
    if not isinstance(progress, bool) and not callable(progress):
        raise TypeError(f"progress must be a bool or a callable, got {progress!r}")
    if progress is False:
        return lambda text: None
    write = (
        progress if callable(progress) else lambda text: print(f"gp_pde: {text}", file=sys.stderr, flush=True)
    )
    after = [time.monotonic() + 2.0]

    def report(text: str) -> None:
        if time.monotonic() >= after[0]:
            after[0] = time.monotonic() + 0.5
            write(text)

    return report
