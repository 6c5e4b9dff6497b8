"""Medians of interleaved repetitions (A B A B ...), so that a machine that slows down slows everybody."""

import sys
import time
from collections.abc import Callable
from typing import Any

import numpy as np

STARTED = time.perf_counter()
# Shorter calls are made several times in a sample, so that what the others left in the caches does not count.
LEAST = 0.05  # seconds of one sample


def say(text: str) -> None:
    """Progress, on stderr."""
    print(f"[{time.perf_counter() - STARTED:4.0f} s] {text}", file=sys.stderr, flush=True)


class Times:
    """Seconds of every call in every round."""

    def __init__(self, samples: dict[str, list[float]]) -> None:
        self.samples = samples

    def median(self, name: str) -> float:
        """Median seconds of one call."""
        return float(np.median(self.samples[name]))

    def spread(self) -> float:
        """The largest interquartile range over its median: what a ratio may be off by."""
        quartiles = [np.percentile(sample, [25, 50, 75]) for sample in self.samples.values()]
        return float(max((high - low) / middle for low, middle, high in quartiles))


def interleaved(
    calls: dict[str, Callable[[], Any]], repeat: int, budget: float = 60.0, least_rounds: int = 3
) -> Times:
    """Call everything in turn, `repeat` times, after a warm-up; at least 3 rounds, then until `budget` seconds."""
    number = {name: _number(call) for name, call in calls.items()}
    samples: dict[str, list[float]] = {name: [] for name in calls}
    start = time.perf_counter()
    for turn in range(repeat):
        if turn >= least_rounds and time.perf_counter() - start > budget:
            break
        for name, call in calls.items():
            samples[name].append(_seconds(call, number[name]) / number[name])
    return Times(samples)


def _number(call: Callable[[], Any]) -> int:
    """Calls in a sample; the first of the two tried here is the warm-up."""
    _seconds(call, 1)
    once = _seconds(call, 1) if LEAST > 0 else 0.0
    return max(1, int(np.ceil(LEAST / max(once, 1e-7))))


def _seconds(call: Callable[[], Any], number: int) -> float:
    start = time.perf_counter()
    for _ in range(number):
        call()
    return time.perf_counter() - start
