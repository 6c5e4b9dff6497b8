"""Completions in files: arrays and a header in JSON, checked as a whole before anything is used."""

from __future__ import annotations

import contextlib
import json
import math
import os
from pathlib import Path
from typing import Any

import numpy as np

from pysolve._array_files import read_arrays, save_arrays
from pysolve._matrix_completion_outcome import CompletionBias, CompletionStatus
from pysolve._matrix_completion_top import Seen
from pysolve._writing import check_path

FORMAT, VERSION = "pysolve.CompletionResult", 1
HISTORY = "history."
TEXTS, COUNTS = ("message",), ("iterations", "empty_rows", "empty_cols")


def save(result: Any, path: str | os.PathLike) -> None:
    """Write the file, whole or not at all."""
    header = {name: getattr(result, name) for name in (*TEXTS, *COUNTS)}
    header |= {"format": FORMAT, "version": VERSION, "status": result.status.name, "reg": float(result.reg)}
    header["nonneg"] = bool(result.nonneg)
    arrays = {"U": result.U, "V": result.V}
    arrays |= {HISTORY + name: values for name, values in result.history.items()}
    if result.bias is not None:
        header |= {"mean": float(result.bias.mean)}
        arrays |= {"bias.rows": result.bias.rows, "bias.cols": result.bias.cols}
    if result.seen is not None:
        arrays |= {"seen.begin": result.seen.begin, "seen.indices": result.seen.indices}
    for name in "row_ids", "col_ids":
        if getattr(result, name) is not None:
            arrays[name] = getattr(result, name)
    save_arrays(check_path(path), {"header": np.array(json.dumps(header))} | arrays)


def load(cls: type, path: str | os.PathLike) -> Any:
    """The result in the file; ValueError says what is wrong with it."""
    name = check_path(path)
    arrays = read_arrays(Path(name), name)
    try:
        return cls(**_fields(arrays))
    except (KeyError, TypeError, ValueError, OverflowError, RecursionError) as error:
        reason = f"it lacks {error}" if isinstance(error, KeyError) else str(error)
        raise ValueError(f"file {name!r} holds no {cls.__name__} that can be used: {reason}") from None


def _fields(arrays: dict[str, np.ndarray]) -> dict[str, Any]:
    header = _header(arrays)
    U = _checked(arrays, "U", "f", (None, None))
    m, k = U.shape
    V = _checked(arrays, "V", "f", (None, k))
    n = V.shape[0]
    if min(m, n, k) == 0 or U.dtype != V.dtype:
        raise ValueError(
            f"U and V must be of one type and not empty, but are {U.dtype} of shape {U.shape} "
            f"and {V.dtype} of shape {V.shape}"
        )
    fields: dict[str, Any] = {name: header[name] for name in (*TEXTS, *COUNTS, "reg", "nonneg")}
    fields |= {"U": U, "V": V, "status": CompletionStatus[header["status"]], "history": _history(arrays)}
    if "mean" in header:
        rows, cols = _checked(arrays, "bias.rows", "f", (m,)), _checked(arrays, "bias.cols", "f", (n,))
        fields["bias"] = CompletionBias(header["mean"], rows, cols)
    if "seen.begin" in arrays:
        fields["seen"] = _seen(arrays, m, n)
    for name, extent in ("row_ids", m), ("col_ids", n):
        if name in arrays:
            fields[name] = _ids(_checked(arrays, name, "iU", (extent,)), name)
    if arrays:
        raise ValueError(f"it has unknown arrays {', '.join(sorted(arrays))}")
    return fields


def _header(arrays: dict[str, np.ndarray]) -> dict[str, Any]:
    header = json.loads(str(arrays.pop("header")))
    if not isinstance(header, dict) or header.get("format") != FORMAT:
        raise ValueError("its header is of something else")
    if header.get("version") != VERSION:
        raise ValueError(f"its version must be {VERSION}, but is {header.get('version')!r}")
    for name in COUNTS:
        if type(header[name]) is not int or header[name] < 0:
            raise ValueError(f"{name} must be a whole number of at least 0, not {header[name]!r}")
    if type(header["nonneg"]) is not bool:
        raise ValueError(f"nonneg must be true or false, not {header['nonneg']!r}")
    for name in TEXTS:
        if not isinstance(header[name], str):
            raise ValueError(f"{name} must be a text, not {header[name]!r}")
    for name in ("reg", "mean") if "mean" in header else ("reg",):
        if type(header[name]) is not float or not math.isfinite(header[name]):
            raise ValueError(f"{name} must be a finite number, not {header[name]!r}")
        if name != "mean" and header[name] < 0:
            raise ValueError(f"{name} must not be negative, but is {header[name]!r}")
    return header


def _checked(
    arrays: dict[str, np.ndarray], name: str, kinds: str, shape: tuple[int | None, ...]
) -> np.ndarray:
    """Takes the array out; of these kinds of dtype, of that shape, and finite."""
    found = arrays.pop(name)
    if found.dtype.kind not in kinds or found.dtype in (np.dtype("f2"), np.dtype("g")):
        raise ValueError(f"{name} must not be of dtype {found.dtype}")
    wrong = len(found.shape) != len(shape)
    if wrong or any(given not in (None, extent) for given, extent in zip(shape, found.shape, strict=True)):
        wanted = " x ".join("any" if extent is None else str(extent) for extent in shape)
        raise ValueError(f"{name} must have shape {wanted}, not {found.shape}")
    if found.dtype.kind == "f" and not np.isfinite(found).all():
        raise ValueError(f"{name} must be finite")
    return np.ascontiguousarray(found, dtype=found.dtype.newbyteorder("="))


def _history(arrays: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    names = [name for name in arrays if name.startswith(HISTORY)]
    history = {name.removeprefix(HISTORY): arrays.pop(name) for name in names}
    for name in "training", "held_out", "seconds":
        if history[name].dtype.kind != "f":
            raise ValueError(f"{HISTORY}{name} must be of real numbers, not of dtype {history[name].dtype}")
    if {values.shape for values in history.values()} != {(history["training"].size,)}:
        raise ValueError("the columns of the history differ in length")
    if any(values.dtype.kind not in "fiu" for values in history.values()):
        raise ValueError("the history must be of numbers")
    return history


def _seen(arrays: dict[str, np.ndarray], m: int, n: int) -> Seen:
    begin, indices = (
        _checked(arrays, f"seen.{name}", "i", shape)
        for name, shape in (("begin", (m + 1,)), ("indices", (None,)))
    )
    if begin[0] != 0 or begin[-1] != indices.size or (np.diff(begin) < 0).any():
        raise ValueError("seen.begin must rise from 0 to the number of entries")
    if indices.size and not (indices.min() >= 0 and indices.max() < n):
        raise ValueError(f"seen.indices must be from 0 to {n - 1}")
    return Seen(begin, indices)


def _ids(ids: np.ndarray, name: str) -> np.ndarray:
    if not (ids[1:] > ids[:-1]).all():
        raise ValueError(f"{name} must rise, and no two be equal")
    return ids


def places(known: np.ndarray | None, ids: Any, what: str) -> np.ndarray:
    """Where `ids` are among those that are known, which rise."""
    if known is None:
        raise ValueError(f"this result has no names of {what}s: use their numbers")
    wanted = np.asarray(ids)
    if known.dtype.kind == "U":
        wanted = wanted.astype(str)
    elif wanted.dtype.kind == "U":
        with contextlib.suppress(ValueError, OverflowError):
            wanted = wanted.astype(known.dtype)
    place = np.searchsorted(known, wanted) % known.size if wanted.dtype.kind in "iuU" else 0
    absent = known[place] != wanted
    if absent.any():
        raise KeyError(f"there is no {what} named {wanted[absent].ravel()[0]}")
    return np.asarray(place)
