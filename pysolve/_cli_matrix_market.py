"""Matrix Market files, plain or compressed, as text that SciPy's reader cannot crash on."""

import bz2
import gzip
import os
import re
from collections.abc import Callable
from typing import Any

import scipy.io

OPEN: dict[str, Callable[..., Any]] = {".gz": gzip.open, ".bz2": bz2.open}


def read_matrix_market(path: str) -> Any:
    """The ndarray or sparse matrix in `path`; ValueError or EOFError where it is damaged."""
    with OPEN.get(os.path.splitext(path)[1].lower(), open)(path, "rb") as file:
        return scipy.io.mmread(_WholeText(file))


class _WholeText:
    """A stream of whole lines without a zero byte.

    SciPy's reader runs past the end of a text that stops in an exponent, and past a zero byte, and crashes
    (scipy #19949).
    """

    def __init__(self, file: Any) -> None:
        self.file, self.tail = file, b""

    def read(self, size: int = -1) -> bytes:
        part: bytes = self.file.read(size)
        if b"\0" in part:
            raise ValueError("it holds bytes that are not text")
        if part:
            self.tail = (self.tail + part)[-16:]
            return part
        if re.search(rb"[eE][+-]?\s*$", self.tail):
            raise EOFError("it ends in the middle of a number")
        part, self.tail = (b"" if self.tail.endswith(b"\n") else b"\n"), b"\n"
        return part
