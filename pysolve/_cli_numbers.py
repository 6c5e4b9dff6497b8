"""Numbers on the command line; argparse shows what is wrong with one."""

import argparse
import contextlib
import math


def tolerance(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not 0 <= value < math.inf:
        raise argparse.ArgumentTypeError(f"must be a number that is finite and not negative, got {text!r}")
    return value


def whole_number(text: str) -> int:
    return _between(text, "at least 1", 1)


def demo_size(text: str) -> int:
    return _between(text, "from 8 to 256", 8, 256)


def _between(text: str, expected: str, lowest: int, highest: float = math.inf) -> int:
    with contextlib.suppress(ValueError):
        if lowest <= (value := int(text)) <= highest:
            return value
    raise argparse.ArgumentTypeError(f"must be a whole number, {expected}, got {text!r}")


def seed(text: str) -> int:
    return _between(text, "at least 0", 0)


def share(text: str) -> float:
    """A number from 0 to below 1."""
    with contextlib.suppress(ValueError):
        if 0 <= (value := float(text)) < 1:
            return value
    raise argparse.ArgumentTypeError(f"must be a number from 0 to below 1, got {text!r}")


def rank(text: str) -> int | str:
    return text if text == "auto" else whole_number(text)
