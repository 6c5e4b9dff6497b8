"""Lines of user, item, rating and whatever follows: separated by commas, tabs, semicolons, ::, or blanks."""

import csv
import io
import math
import re
from dataclasses import dataclass
from typing import Any

import numpy as np

LONGEST = 128  # bytes of an id
BLANKS = re.compile(rb"[ \t]+")
NAMES = ("user", "item")


class Wrong(Exception):
    """A line that cannot be read: `column` is that of an id that is no number, else None."""

    def __init__(self, line: int, text: str, column: int | None = None) -> None:
        super().__init__(text)
        self.line, self.column = line, column


@dataclass
class Lines:
    """Where the reading of a file stands: the number of the next line, and how its fields are separated."""

    number: int = 1
    separator: bytes = b""

    @property
    def delimiter(self) -> str:
        """The character between fields once `_in_fields` has seen them."""
        return self.separator.decode() if self.separator in b"\t,;" else "\t"


def parsed(lines: Lines, chunk: bytes, names: list[bool]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Users, items and ratings of a chunk of whole lines; ids are numbers, or bytes where `names` says so."""
    number = lines.number
    lines.number += chunk.count(b"\n")
    chunk = _begun(lines, chunk, number)
    number = lines.number - chunk.count(b"\n")
    if not chunk.strip():
        return np.empty(0, "S1" if names[0] else "i8"), np.empty(0, "S1" if names[1] else "i8"), np.empty(0)
    _check_text(chunk, number)
    text = chunk.decode("latin-1")  # every byte is a character, and comes back as it was
    longest = max(map(len, text.split("\n"))) if any(names) else 0
    width = f"S{min(LONGEST, longest) + 1}"
    kinds = [("user", width if names[0] else "i8"), ("item", width if names[1] else "i8"), ("rating", "f8")]
    try:
        found = _loaded(lines, text, kinds)
    except ValueError:
        _find_wrong(lines, text, number, names)
        found = _loaded(lines, "\n".join(filter(str.strip, text.split("\n"))), kinds)  # lines of blanks
    users, items, values = (np.ascontiguousarray(found[name]) for name, _ in kinds)
    if not np.isfinite(values).all() or any(_has_bad_name(ids) for ids in (users, items)):
        _find_wrong(lines, text, number, names)
    return users, items, values


def _check_text(chunk: bytes, number: int) -> None:
    wrong = chunk.find(b"\0")
    if wrong < 0 and not chunk.isascii():
        try:
            chunk.decode()
        except UnicodeDecodeError as error:
            wrong = error.start
    if wrong >= 0:
        raise Wrong(number + chunk.count(b"\n", 0, wrong), "holds bytes that are not text in UTF-8")


def _loaded(lines: Lines, text: str, kinds: list[tuple[str, str]]) -> np.ndarray:
    return np.loadtxt(
        io.StringIO(text),
        kinds,
        delimiter=lines.delimiter,
        usecols=(0, 1, 2),
        comments=None,
        quotechar='"',
        ndmin=1,
    )


def _has_bad_name(ids: np.ndarray) -> bool:
    """Whether a name is empty, may be blank, or is longer than what was read of it."""
    if ids.dtype.kind != "S":
        return False
    letters = ids.view(np.uint8).reshape(ids.size, -1)
    return bool((letters[:, 0] <= 32).any() or letters[:, LONGEST:].any())


def _begun(lines: Lines, chunk: bytes, number: int) -> bytes:
    """The chunk with one character between its fields, and without the first one's byte order mark and header."""
    if number == 1:
        chunk = chunk.removeprefix(b"\xef\xbb\xbf")
    if not lines.separator:
        first = next((line for line in chunk.split(b"\n") if line.strip()), b"")
        if not first:
            return chunk
        lines.separator = next((s for s in (b"::", b"\t", b",", b";") if first.count(s) >= 2), b" ")
        fields = _fields(lines, _in_fields(lines, first).decode("latin-1"))
        if len(fields) >= 3 and _number(fields[2]) is None and _number(fields[0]) is None:  # a header
            chunk = chunk[chunk.index(first) + len(first) + 1 :]
    return _in_fields(lines, chunk)


def _in_fields(lines: Lines, chunk: bytes) -> bytes:
    if lines.separator == b"::":
        return chunk.replace(b"::", b"\t")
    if lines.separator == b" ":
        return b"\n".join(BLANKS.sub(b"\t", line.strip()) for line in chunk.split(b"\n"))
    return chunk


def _fields(lines: Lines, line: str) -> list[str]:
    return next(csv.reader([line], delimiter=lines.delimiter), [])


def _number(text: str) -> float | None:
    try:
        return float(text) if "_" not in text else None
    except ValueError:
        return None


def _find_wrong(lines: Lines, text: str, number: int, names: list[bool]) -> None:
    """Raises for the first line that is wrong; returns where none is."""
    for place, line in enumerate(text.split("\n"), number):
        if line.strip():
            _check(_fields(lines, line), place, names)


def _check(fields: list[str], number: int, names: list[bool]) -> None:
    shown = [field.encode("latin-1").decode(errors="replace") for field in fields]
    if len(fields) < 3:
        raise Wrong(number, f"has {len(fields)} fields, but a user, an item and a rating are wanted")
    value = _number(fields[2])
    if value is None or not math.isfinite(value):
        raise Wrong(number, f"has the rating {shown[2]!r}, which is no finite number")
    for column, what in enumerate(NAMES):
        if not fields[column].strip():
            raise Wrong(number, f"names no {what}")
        if not names[column] and not _whole(fields[column]):
            raise Wrong(number, f"has the {what} {shown[column]!r}, which is no number", column)
        if len(fields[column]) > LONGEST:
            raise Wrong(number, f"names a {what} by {len(fields[column])} bytes, at most {LONGEST} are taken")


def _whole(text: str) -> bool:
    return re.fullmatch(r"\s*[+-]?\d{1,18}\s*", text, re.ASCII) is not None


def line_of_entry(chunks: Any, entry: int) -> int:
    """The number of the line that holds this entry, counted from 0."""
    lines, number = Lines(), 0
    for chunk in chunks:
        number = lines.number
        lines.number += chunk.count(b"\n")
        before = chunk.count(b"\n")
        chunk = _begun(lines, chunk, number)
        number += before - chunk.count(b"\n")
        for place, line in enumerate(chunk.split(b"\n"), number):
            if line.strip():
                if entry == 0:
                    return place
                entry -= 1
    return number
