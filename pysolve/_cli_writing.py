"""Results are written whole or not at all; that they can be written is known before the work is done."""

import importlib.util
import os
from collections.abc import Callable, Sequence
from typing import Any, BinaryIO

import numpy as np
import scipy.io

from pysolve import _writing
from pysolve._cli_files import InputError, first_line

VECTORS = (".npy", ".npz", ".mtx")
PICTURES = (".png", ".pdf", ".svg")
Inputs = Sequence[str | None]


def check_vector_path(path: str, inputs: Inputs = ()) -> None:
    """Raise `InputError` unless a vector can be written to `path`, which is none of the `inputs`."""
    _check_suffix(path, VECTORS, "an output")
    _check_target(path, inputs)


def check_picture_path(path: str, inputs: Inputs = ()) -> None:
    """Raise `InputError` unless a picture can be drawn and written to `path`."""
    _check_suffix(path, PICTURES, "a picture")
    if importlib.util.find_spec("matplotlib") is None:
        raise InputError("--plot needs matplotlib: pip install pysolve[plot]")
    _check_target(path, inputs)


def check_model_path(path: str, inputs: Inputs = ()) -> None:
    """Raise `InputError` unless a model can be written to `path`, which is none of the `inputs`."""
    _check_suffix(path, (".npz",), "a model")
    _check_target(path, inputs)


def write_model(path: str, model: Any) -> None:
    """Write what has a `save` of its own."""
    try:
        model.save(path)
    except OSError as error:
        raise InputError(f"cannot write '{path}': {error.strerror or first_line(error)}") from error


def write_vector(path: str, x: np.ndarray) -> None:
    """Write `x` to `path`; the ending says how (.npy, .npz with the name x, .mtx)."""
    if path.lower().endswith(".npy"):
        write_whole(path, lambda file: np.save(file, x))
    elif path.lower().endswith(".npz"):
        write_whole(path, lambda file: np.savez(file, x=x))
    else:
        columns = x.reshape(len(x), -1)
        write_whole(path, lambda file: scipy.io.mmwrite(file, columns, precision=17))


def write_picture(path: str, figure: Any) -> None:
    """Write a matplotlib figure to `path`; the ending says in which format."""
    kind = os.path.splitext(path)[1][1:].lower()
    write_whole(path, lambda file: figure.savefig(file, format=kind))


def write_whole(path: str, write: Callable[[BinaryIO], Any]) -> None:
    """As `pysolve._writing.write_whole`, with an error for the user."""
    try:
        _writing.write_whole(path, write)
    except OSError as error:
        raise InputError(f"cannot write '{path}': {error.strerror or first_line(error)}") from error


def _check_suffix(path: str, known: tuple[str, ...], what: str) -> None:
    if not path.lower().endswith(known):
        raise InputError(f"unknown kind of file '{path}': {what} is {', '.join(known)}")


def _check_target(path: str, inputs: Inputs) -> None:
    if os.path.isdir(path):
        raise InputError(f"cannot write '{path}': it is a folder")
    if any(os.path.realpath(path) == os.path.realpath(other) for other in inputs if other):
        raise InputError(f"'{path}' is used twice: a result never overwrites its input or another result")
    if os.path.exists(path) and not os.access(path, os.W_OK):
        raise InputError(f"cannot write '{path}': it is read-only")
    try:
        _writing.check_writable(path)
    except OSError as error:
        raise InputError(f"cannot write '{path}': {error.strerror or first_line(error)}") from error
