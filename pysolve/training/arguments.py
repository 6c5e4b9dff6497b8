"""Checks of the command line of a training, before anything runs; argparse names the option."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import Any

from pysolve._writing import check_writable


def whole_number(least: int, most: int | None = None) -> Callable[[str], int]:
    """A converter to an int between these, both allowed."""
    expected = f"a whole number of at least {least}" + ("" if most is None else f" and at most {most}")

    def convert(text: str) -> int:
        try:
            number = int(text)
        except ValueError:
            number = least - 1
        if number < least or (most is not None and number > most):
            raise argparse.ArgumentTypeError(f"must be {expected}, got {text}")
        return number

    return convert


def positive(text: str) -> float:
    """A finite float above 0."""
    try:
        number = float(text)
    except ValueError:
        number = 0.0
    if not 0 < number < float("inf"):
        raise argparse.ArgumentTypeError(f"must be a finite number above 0, got {text}")
    return number


def out_file(text: str) -> Path:
    """Where weights can be written; the curve and the checkpoint get other endings in the same folder."""
    path = Path(text)
    if path.suffix != ".npz":
        raise argparse.ArgumentTypeError(f"must be a file that ends in .npz, got {text}")
    try:
        check_writable(path)
    except OSError as error:
        raise argparse.ArgumentTypeError(f"cannot be written: {text}: {error.strerror}") from None
    return path


def read_by(read: Callable[[str], Any]) -> Callable[[str], Any]:
    """A converter that calls `read`; what is wrong with a file is said as an error of the option."""

    def convert(text: str) -> Any:
        try:
            return read(text)
        except (OSError, ValueError) as error:
            raise argparse.ArgumentTypeError(str(error)) from None

    return convert


def check_checkpoints(args: argparse.Namespace, paths: list[Path]) -> None:
    """Refuse to begin anew where an interrupted run has left its state."""
    left = [str(path) for path in paths if path.exists()]
    if left and not args.resume:
        args.refuse(
            f"there is a checkpoint of an interrupted run, {', '.join(left)}: go on from it with --resume, or remove it"
        )
