"""Files are written whole or not at all."""

from __future__ import annotations

import contextlib
import errno
import os
import secrets
from collections.abc import Callable
from typing import Any, BinaryIO


def check_path(path: Any) -> str:
    """`path` as a string; TypeError where it is none."""
    name = os.fspath(path) if isinstance(path, str | os.PathLike) else None
    if not isinstance(name, str):
        raise TypeError(f"path must be a str or path-like, got {path!r}")
    return name


def write_whole(path: str | os.PathLike, write: Callable[[BinaryIO], Any]) -> None:
    """Let `write(file)` fill a temporary file beside `path`, then rename it: `path` is never half written."""
    given, path = check_path(path), os.path.realpath(path)
    if _is_device(path):  # which must not become a file
        with open(path, "wb") as file:
            write(file)
        return
    temporary = beside(path)
    try:
        with open(temporary, "xb") as file:
            write(file)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except OSError as error:
        if error.errno is None or error.filename not in (None, temporary):  # None: a disk that is full
            raise
        raise OSError(error.errno, error.strerror, given) from None
    finally:
        with contextlib.suppress(OSError):
            os.unlink(temporary)


def check_writable(path: str | os.PathLike) -> None:
    """OSError that names `path` unless a file can be written there; the only sure way to know is to write one."""
    if os.path.isdir(path):
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), os.fspath(path))
    if _is_device(os.path.realpath(path)):
        return
    trial = beside(os.path.realpath(path))
    try:
        with open(trial, "xb"):
            pass
        os.unlink(trial)
    except OSError as error:
        raise OSError(error.errno, error.strerror, os.fspath(path)) from None


def _is_device(path: str) -> bool:
    """Whether it is there, and neither a file nor a folder: /dev/null, a pipe."""
    return os.path.exists(path) and not os.path.isfile(path) and not os.path.isdir(path)


def beside(path: str) -> str:
    """A name for a temporary file in the folder of `path`."""
    # The name is random, so two runs that write one file do not meet; open() gives it the user's usual mode.
    return os.path.join(os.path.dirname(path), f".pysolve-{secrets.token_hex(6)}.part")
