"""Progress on stderr for whatever takes longer than two seconds; nothing at all for the rest."""

import sys
import threading
import time
from typing import Any, Self

import numpy as np

MANY = 100_000  # unknowns from which an iteration takes far longer than a look at it


class Progress:
    """Says what is going on while the `with` block runs.

    On a terminal one line is rewritten a few times a second; elsewhere a line is added every few seconds.

    Parameters
    ----------
    text : str
        What is being done, such as "reading A.mtx".
    quiet : bool
        Say nothing.
    after : float
        Seconds before the first word.
    """

    def __init__(self, text: str, *, quiet: bool = False, after: float = 2.0) -> None:
        self.text = text
        self.watched: _Watched | None = None
        self.stream = sys.stderr
        self.live = self.stream.isatty()
        self.every = 0.25 if self.live else 5.0
        self.after, self.quiet, self.shown = after, quiet, False
        self.done = threading.Event()

    def __enter__(self) -> Self:
        self.start = time.perf_counter()
        self.watcher = threading.Thread(target=self._watch, daemon=True)
        if not self.quiet:
            self.watcher.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.done.set()
        if self.watcher.is_alive():
            self.watcher.join()
        if self.shown and self.live:
            self._write("\r\x1b[K")

    def callback(self, A: Any, b: np.ndarray) -> "_Watched | None":
        """A solver's callback that counts iterations and shows the residual now and then, or None.

        A solver that is watched is another one: each step goes through Python, in slower kernels that round
        in another order. So only who waits at a terminal for a large system gets this; others see the time.
        """
        if self.live and not self.quiet and len(b) >= MANY:
            self.watched = _Watched(A, b, self.after, self.every)
        return self.watched

    def _watch(self) -> None:
        wait = self.after
        while not self.done.wait(wait):
            line = f"{self.text}{self.watched or ''}, {time.perf_counter() - self.start:.0f} s"
            self._write(f"\r\x1b[K{line}" if self.live else f"{line}\n")
            self.shown, wait = True, self.every

    def _write(self, text: str) -> None:
        self.stream.write(text)
        self.stream.flush()


class _Watched:
    """Counts iterations; the residual costs a product with A, so it is computed only to be shown."""

    def __init__(self, A: Any, b: np.ndarray, after: float, every: float) -> None:
        self.A, self.b, self.every = A, b, every
        self.b_norm = np.linalg.norm(b) or 1.0
        self.iterations, self.residual = 0, ""
        self.next = time.perf_counter() + after

    def __call__(self, x: np.ndarray) -> None:
        self.iterations += 1
        now = time.perf_counter()
        if now >= self.next:
            self.residual = f", relative residual {np.linalg.norm(self.b - self.A @ x) / self.b_norm:.2e}"
            # At most a tenth of the time goes into showing.
            self.next = now + max(self.every, 10 * (time.perf_counter() - now))

    def __str__(self) -> str:
        return f": iteration {self.iterations}{self.residual}" if self.residual else ""
