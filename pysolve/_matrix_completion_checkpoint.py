"""Checkpoints of `matrix_completion`: all that a run carries from one iteration to the next, in a file.

What is written is found by walking over the fields of State and Watch. Entries are not written: they are those of the
call, whose fingerprint is compared, and what was made of them before the first iteration is made again.
"""

from __future__ import annotations

import dataclasses
import json
import os
import time
from pathlib import Path
from typing import Any

import numpy as np

from pysolve._array_files import read_arrays, save_arrays
from pysolve._generator_files import GENERATORS, generator_from, generator_state
from pysolve._matrix_completion_als import State
from pysolve._matrix_completion_arguments import Request
from pysolve._matrix_completion_entries import Side, Triplets
from pysolve._matrix_completion_factors import stride
from pysolve._matrix_completion_fingerprint import differences, fingerprint
from pysolve._matrix_completion_kept import Reader, Writer
from pysolve._matrix_completion_numbers import generator_of
from pysolve._matrix_completion_watch import Watch
from pysolve._writing import check_path, check_writable

FORMAT, VERSION = "pysolve.matrix_completion checkpoint", 1


class Checkpoint:
    """A file that is written before every iteration and at the end, and read by the next call."""

    def __init__(self, path: str | os.PathLike, rng: Any) -> None:
        self.path = _checked_path(path)
        self.rng = generator_of(rng)
        if type(self.rng.bit_generator).__name__ not in GENERATORS:
            raise ValueError(
                f"rng must have one of the bit generators {', '.join(GENERATORS)} where there is a checkpoint"
            )
        self.header: dict[str, Any] = {}
        self.first = generator_state(self.rng)  # before anything was drawn
        if os.path.exists(self.path):
            self._read(rng)
        check_writable(self.path)

    def _read(self, rng: Any) -> None:
        self.arrays = read_arrays(Path(self.path), self.path)
        try:
            self.header = json.loads(str(self.arrays["header"]))
            if self.header["format"] != FORMAT:
                raise ValueError("it holds something else")
            if self.header["version"] != VERSION:
                raise ValueError(f"its version must be {VERSION}, but is {self.header['version']!r}")
            first = self.header["first"]
            self.rng = generator_from(first)
        except (KeyError, TypeError, ValueError, IndexError) as error:
            raise self._useless(error) from None
        if isinstance(rng, int | np.integer) and first != self.first:
            raise self._other(["rng"])
        self.first = first

    def _useless(self, error: Exception) -> ValueError:
        reason = f"it lacks {error}" if isinstance(error, KeyError) else str(error)
        return ValueError(f"checkpoint: {self.path!r} holds none that can be used: {reason}")

    def _other(self, names: list[str]) -> ValueError:
        return ValueError(
            f"checkpoint: {self.path!r} is of a run with other arguments: {'; '.join(names)}. Give that run's, or "
            "another file"
        )

    @property
    def exists(self) -> bool:
        """Whether there is a run to go on with."""
        return bool(self.header)

    def rank(self, shape: tuple[int, int]) -> int:
        """That of the run in the file."""
        arguments = self.header.get("arguments")
        found = arguments.get("rank") if isinstance(arguments, dict) else None
        if type(found) is not int or not 1 <= found <= min(shape):
            raise self._useless(ValueError(f"its rank is {found!r}"))
        return found

    def compare(self, request: Request) -> None:
        """ValueError that names the arguments that are not those of the run in the file."""
        self.request, self.arguments = request, fingerprint(request)
        if self.exists:
            there = self.header.get("arguments")
            names = differences(there if isinstance(there, dict) else {}, self.arguments)
            if names:
                raise self._other(names)

    def attach(self, state: State, watch: Watch) -> None:
        """Puts the run where the file left it, and writes the file from here on."""
        self.known = _known(state)
        if self.exists:
            try:
                self._restore(state, watch)
            except (KeyError, TypeError, ValueError, AttributeError, IndexError) as error:
                raise self._useless(error) from None
            self.arrays = {}
        watch.keep = self.write

    def _restore(self, state: State, watch: Watch) -> None:
        classes = [Side, Triplets, *(type(v) for v in vars(state).values() if dataclasses.is_dataclass(v))]
        reader = Reader(self.arrays, self.known, classes)
        for target, name in (state, "state"), (watch, "watch"):
            for field, value in reader.fields(target, self.header[name]).items():
                setattr(target, field, value)
        state.typed = {}
        for factor, n, name in (state.U, self.request.shape[0], "U"), (state.V, self.request.shape[1], "V"):
            good = factor.shape == (n, stride(self.request.k)) and factor.dtype in (np.float32, np.float64)
            if not good or not np.isfinite(factor).all():
                raise ValueError(f"its {name} is no factor of this run")
        self.request.rng.bit_generator.state = generator_from(self.header["rng"]).bit_generator.state
        watch.start = time.perf_counter() - float(self.header["seconds"])

    def write(self, state: State, watch: Watch) -> None:
        """The file, whole or not at all."""
        writer = Writer(self.known)
        header = {
            "format": FORMAT,
            "version": VERSION,
            "arguments": self.arguments,
            "first": self.first,
            "rng": generator_state(self.request.rng),
            "seconds": time.perf_counter() - watch.start,
            "state": writer.fields(state, "state"),
            "watch": writer.fields(watch, "watch"),
        }
        save_arrays(self.path, {"header": np.array(json.dumps(header))} | writer.arrays)


def _checked_path(path: Any) -> str:
    try:
        return check_path(path)
    except TypeError:
        raise TypeError(f"checkpoint must be a str or path-like, not {path!r}") from None


def _known(state: State) -> dict[str, Any]:
    """What is made of the entries before the first iteration, and never written to afterwards."""
    known: dict[str, Any] = {"whole.0": state.whole[0], "whole.1": state.whole[1]}
    for name in (field.name for field in dataclasses.fields(state)):
        value = getattr(state, name)
        if isinstance(value, Triplets):
            known[name] = value
        if isinstance(value, Triplets | Side):
            parts = {f"{name}.{part}": x for part, x in vars(value).items() if x is not None}
            known |= {part: x for part, x in parts.items() if not any(x is y for y in known.values())}
    return known
