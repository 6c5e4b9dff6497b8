"""Whether a map that is not a fixed symmetric one is worth its time."""

from __future__ import annotations

WINDOW = 20  # steps that are compared
DOUBT = 0.25  # share of inconsistent steps in a window from which M is doubted


class Watch:
    """Compares M with plain conjugate gradients, in energy per second, while M is in doubt.

    Two windows of steps with M, one without it, and the better of the two goes on: M's next window is
    extrapolated from its last two. A fixed symmetric positive map is never in doubt (its steps are those of
    preconditioned CG, and an interruption would cost it its convergence), and each comparison that M survives
    makes it four times as long until the next.
    """

    def __init__(self) -> None:
        self.on = True  # M proposes the next direction
        self.dropped = False
        self.wait = 2  # windows with M until the next comparison
        self.gains: list[float] = []
        self.seconds: list[float] = []
        self._open()

    def _open(self) -> None:
        self.gain = self.time = 0.0
        self.n_steps = self.n_inconsistent = 0

    def record(self, gain: float, seconds: float, consistent: bool) -> None:
        """One step: the energy it gained, the time it took, whether M looked like a fixed symmetric map."""
        self.gain += gain
        self.time += seconds
        self.n_steps += 1
        self.n_inconsistent += not consistent
        if self.n_steps < WINDOW:
            return
        if self.on:
            self._close_with_M()
        else:
            self._compare()
        self._open()

    def _close_with_M(self) -> None:
        self.gains.append(self.gain)
        self.seconds.append(self.time)
        doubted = self.n_inconsistent >= DOUBT * WINDOW
        if len(self.gains) >= self.wait and doubted:
            self.on = False

    def _compare(self) -> None:
        before, last = self.gains[-2:]
        expected = last * min(1.0, last / before) if before > 0 else 0.0
        self.dropped = self.gain / self.time > expected / self.seconds[-1]
        self.on = not self.dropped
        self.wait *= 4
        self.gains.clear()
        self.seconds.clear()
