"""What is told about each iteration of `matrix_completion`: to the terminal, and to the callback."""

from __future__ import annotations

import math
import sys
from collections.abc import Callable
from typing import Any

PHASES = {
    "": "alternating",
    "lowering": "lowering the regularisation",
    "newton": "Gauss-Newton",
    "all": "Gauss-Newton on all rows",
    "last": "all entries",
}


class Reporter:
    """Called after every iteration. On a terminal one line is rewritten; elsewhere each iteration has its line."""

    def __init__(self, callback: Callable[[dict[str, float]], Any] | None, progress: bool) -> None:
        self.callback, self.progress, self.stream = callback, progress, sys.stderr
        if self.stream is None:  # as under pythonw
            self.progress = False
        self.live = self.progress and self.stream.isatty()
        self.open = False  # whether a line waits to be rewritten

    def __call__(
        self, iteration: int, training: float, held_out: float, seconds: float, phase: str = ""
    ) -> None:
        held = "" if math.isnan(held_out) else f"held out {held_out:.3e}, "
        self._show(
            f"iteration {iteration}: training {training:.3e}, {held}{seconds:.2f} s, {PHASES.get(phase, phase)}"
        )
        if self.callback is not None:
            self.callback(
                {"iteration": iteration, "training": training, "held_out": held_out, "seconds": seconds}
            )

    def search(self, rank: int, step: int, held_out: float) -> None:
        """Of an alternation of the search for the rank."""
        self._show(f"trying rank {rank}: step {step}, held out {held_out:.3e}")

    def _show(self, line: str) -> None:
        if self.progress:
            self.stream.write(f"\r\x1b[K{line}" if self.live else f"{line}\n")
            self.stream.flush()
            self.open = self.live

    def close(self) -> None:
        """The line on the terminal stays, and what follows begins another."""
        if self.open:
            self.stream.write("\n")
            self.stream.flush()
            self.open = False
