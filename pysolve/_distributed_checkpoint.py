"""Checkpoints of a run on several ranks: one file, of whole factors, from which any number of ranks can go on."""

from __future__ import annotations

import dataclasses
import json
import os
import time
from pathlib import Path
from typing import Any

import numpy as np

from pysolve._array_files import read_arrays, save_arrays
from pysolve._distributed_entries import Blocks, Parts
from pysolve._distributed_ranks import Ranks
from pysolve._matrix_completion_als import State
from pysolve._matrix_completion_arguments import Request
from pysolve._matrix_completion_entries import Triplets
from pysolve._matrix_completion_factors import stride
from pysolve._matrix_completion_fingerprint import differences, fingerprint
from pysolve._matrix_completion_watch import Watch
from pysolve._writing import check_path, check_writable

FORMAT, VERSION = "pysolve.distributed checkpoint", 1
MIX = np.array([0x9E3779B97F4A7C15, 0xC2B2AE3D27D4EB4F, 0x165667B19E3779F9], np.uint64)


class SharedCheckpoint:
    """A file that rank 0 writes before every iteration and at the end, and reads in the next call."""

    def __init__(self, path: Any, ranks: Ranks, request: Request, parts: Parts, seed: Any) -> None:
        self.path, self.ranks = check_path(path), ranks
        self.blocks = parts.rows, parts.cols
        self.shapes = [(extent, stride(request.k)) for extent in request.shape]
        arguments = fingerprint(dataclasses.replace(request, entries=None, validation=None))
        arguments["rng"] = str(seed)
        arguments["observed"] = checksum(ranks, request.entries)
        arguments["validation"] = request.validation and checksum(ranks, request.validation)
        self.arguments: dict[str, Any] = json.loads(json.dumps(arguments))

    def attach(self, state: State, watch: Watch) -> None:
        """Puts the run where the file left it, and writes the file from here on."""
        found = self._read() if self.ranks.rank == 0 and os.path.exists(self.path) else None
        if self.ranks.rank == 0:
            check_writable(self.path)
        header = self.ranks.everybody(found[0] if found else None)[0]
        if header is not None:
            self._restore(state, watch, header, found[1] if found else {})
        watch.keep = self.write

    def _read(self) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
        arrays = read_arrays(Path(self.path), self.path)
        try:
            header = json.loads(str(arrays.pop("header")))
            if header["format"] != FORMAT:
                raise ValueError("it holds something else")
            if header["version"] != VERSION:
                raise ValueError(f"its version must be {VERSION}, but is {header['version']!r}")
            names = differences(header["arguments"], self.arguments)
            for name, array in arrays.items():
                factor = not name.startswith("coherent")
                shape, kind = (self.shapes[name[-1] == "V"], "f") if factor else ((array.size,), "i")
                good = array.shape == shape and array.dtype.kind == kind and np.isfinite(array).all()
                if not names and not good:
                    raise ValueError(f"its {name} is none of this run")
        except (KeyError, TypeError, ValueError) as error:
            reason = f"it lacks {error}" if isinstance(error, KeyError) else str(error)
            raise ValueError(f"checkpoint: {self.path!r} holds none that can be used: {reason}") from None
        if names:
            raise ValueError(
                f"checkpoint: {self.path!r} is of a run with other arguments: {'; '.join(names)}. Give that run's, or "
                "another file"
            )
        return header, arrays

    def _restore(self, state: State, watch: Watch, header: dict[str, Any], arrays: Any) -> None:
        for target, name in (state, "state"), (watch, "watch"):
            for field, value in header[name].items():
                setattr(target, field, value)
        watch.start = time.perf_counter() - header["seconds"]
        state.U, state.V = (self._scatter(arrays.get(name), which) for which, name in enumerate("UV"))
        if header["has_best"]:
            U, V = (self._scatter(arrays.get(f"best_{name}"), which) for which, name in enumerate("UV"))
            watch.best = U, V
        coherent = self.ranks.everybody([arrays.get("coherent_U"), arrays.get("coherent_V")])[0]
        state.coherent = tuple(
            rows[(rows >= blocks.begin) & (rows < blocks.end)] - blocks.begin
            for rows, blocks in zip(coherent, self.blocks, strict=True)
        )

    def write(self, state: State, watch: Watch) -> None:
        """The file, whole or not at all; every rank must come here."""
        best = watch.best or ()
        factors = [("U", state.U), ("V", state.V), *zip(("best_U", "best_V"), best, strict=False)]
        arrays = {name: self._gather(factor) for name, factor in factors}
        rows = self.ranks.everybody(
            [flagged + blocks.begin for flagged, blocks in zip(state.coherent, self.blocks, strict=True)]
        )
        if self.ranks.rank:
            return
        arrays |= {f"coherent_{'UV'[i]}": np.concatenate([part[i] for part in rows]) for i in (0, 1)}
        header = {
            "format": FORMAT,
            "version": VERSION,
            "arguments": self.arguments,
            "seconds": time.perf_counter() - watch.start,
            "state": _plain(state),
            "watch": _plain(watch),
            "has_best": bool(best),
        }
        save_arrays(self.path, {"header": np.array(json.dumps(header))} | arrays)

    def _gather(self, factor: np.ndarray) -> np.ndarray:
        """The whole factor on rank 0, nothing on the others."""
        counts = np.zeros(self.ranks.size, np.int64)
        counts[0] = len(factor)
        return self.ranks.exchange(factor, counts)[0]

    def _scatter(self, factor: np.ndarray | None, which: int) -> np.ndarray:
        """Each rank's rows of a factor that rank 0 has."""
        blocks: Blocks = self.blocks[which]
        dtype = self.ranks.everybody(None if factor is None else factor.dtype.str)[0]
        if factor is None:
            factor = np.empty((0, self.shapes[which][1]), dtype)
        counts = np.diff(blocks.bounds) if self.ranks.rank == 0 else np.zeros(self.ranks.size, np.int64)
        return self.ranks.exchange(factor, counts)[0]


def _plain(target: Any) -> dict[str, Any]:
    """Numbers, texts and lists of numbers that a run carries from one iteration to the next."""
    fields = (field for field in dataclasses.fields(target) if field.metadata.get("kept", True))
    values = {field.name: getattr(target, field.name) for field in fields}
    return {
        name: value for name, value in values.items() if isinstance(value, bool | int | float | str | list)
    }


def checksum(ranks: Ranks, entries: Triplets) -> str:
    """Of all entries on all ranks, in any order."""
    with np.errstate(over="ignore"):
        mixed = entries.rows.astype(np.uint64) * MIX[0] ^ entries.cols.astype(np.uint64) * MIX[1]
        for values in entries.values, entries.weights:
            if values is not None:
                mixed = (mixed ^ values.astype(np.float64).view(np.uint64)) * MIX[2]
                mixed ^= mixed >> np.uint64(29)
        sums = ranks.sum(np.array([mixed.sum(dtype=np.uint64), np.uint64(len(entries))]))
    return f"checksum {sums[0]:x} {sums[1]}"
