"""Whether a map is worth its time: M against plain conjugate gradients, in energy per second."""

from __future__ import annotations

import math
from statistics import median

WINDOW = 20  # steps that are looked at together
DOUBT = 0.25  # share of inconsistent steps in a window from which M is doubted
PATIENCE = 5  # windows before a map that looks fixed and symmetric is compared
CLEARLY = 2  # times what M would have gained: more, and even a fixed symmetric map is dropped
HOPELESS = 1 / 8  # of what M would have gained: less, and the comparison is over


class Watch:
    """Compares M with plain conjugate gradients while M is in doubt.

    The steps go in windows. After some with M a comparison runs without it, and the better of the two goes on.
    What M would have gained meanwhile is extrapolated from its last windows.

    A map that is not a fixed symmetric one is compared after two windows. Conjugate gradients keep what they
    gain, and go on for up to twice the steps taken so far, since they are slow to begin with, unless they are
    hopeless: were a comparison long enough it would end the solve, so that all the earlier ones and the steps
    with M between them cost about twice a plain solve at most.

    A fixed symmetric map makes of the steps those of preconditioned conjugate gradients, and an interruption would
    cost them their convergence. It is compared after five windows, unless it will be done before long, and
    `undoes` asks that the comparison be undone if M wins.
    """

    def __init__(self) -> None:
        self.on = True  # M proposes the next direction
        self.dropped = False
        self.undoes = False
        self.wait = 2  # windows with M until the next comparison
        self.n_windows = 0  # of both kinds, in all
        self.gains: list[float] = []  # of the windows with M since the last comparison
        self.seconds: list[float] = []
        self.digits: list[float] = []  # that were missing at their ends
        self.n_tried = self.limit = 0  # windows of this comparison, and their number at most
        self._open()

    def _open(self) -> None:
        """Begin a window with M, or a comparison of several windows."""
        self.gain = self.time = 0.0
        self.n_inconsistent = 0
        self.steps: list[float] = []  # seconds of each

    def record(self, gain: float, seconds: float, consistent: bool, digits: float) -> None:
        """One step: energy gained, time taken, whether M looked like a fixed symmetric map, digits missing."""
        self.gain += gain
        self.steps.append(seconds)
        self.n_inconsistent += not consistent
        if len(self.steps) < WINDOW:
            return
        self.time += WINDOW * median(self.steps)  # whatever else the machine does now and then
        self.steps.clear()
        self.n_windows += 1
        if self.on:
            self._close_with_M(digits)
        else:
            self._compare()

    def _close_with_M(self, digits: float) -> None:
        self.gains.append(self.gain)
        self.seconds.append(self.time)
        self.digits.append(digits)
        self.undoes = self.n_inconsistent < DOUBT * WINDOW
        self._open()
        n = len(self.gains)
        if n < self.wait or (self.undoes and n < PATIENCE) or self._is_done_soon():
            return
        self.on = False
        self.n_tried, self.limit = 0, n // 2 if self.undoes else 2 * self.n_windows

    def _is_done_soon(self) -> bool:
        """Whether M will be done, at its last pace, in one window; in as many as there were if it is undone."""
        half = len(self.digits) // 2
        pace = (self.digits[-1 - half] - self.digits[-1]) / half
        return self.digits[-1] <= pace * (self.n_windows if self.undoes else 1)

    def _compare(self) -> None:
        self.n_tried += 1
        expected, at_end = self._expected(self.time), self.n_tried >= self.limit
        won = at_end and self.gain > CLEARLY * expected if self.undoes else self.gain > expected
        if won:
            self.dropped = True
        elif at_end or self.gain < HOPELESS * expected:
            self.on = True
            self.wait = self.n_windows
            self.gains.clear()
            self.seconds.clear()
            self.digits.clear()
            self._open()

    def _expected(self, seconds: float) -> float:
        """What M would have gained in that time: its last windows, which fade as they did before."""
        k = self.limit if self.undoes else 1
        before, last, unit = sum(self.gains[-2 * k : -k]), sum(self.gains[-k:]), sum(self.seconds[-k:])
        n = seconds / unit if unit > 0 else math.inf
        fading = min(1.0, last / before) if before > 0 else 0.0
        return last * n if fading == 1 else last * fading * (1 - fading**n) / (1 - fading)
