"""Policies in files: arrays and JSON only, checked as a whole before anything is used."""

from __future__ import annotations

import copy
import json
import os
from array import array
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np

from pysolve._array_files import read_arrays, save_arrays
from pysolve._generator_files import generator_from, generator_state
from pysolve._writing import check_path

VERSION = 1
BASE = {"_asked": "int", "_unit": "float", "_worst": "float", "_history": "part"}


def write(path: str | os.PathLike, arrays: dict[str, np.ndarray]) -> None:
    save_arrays(check_path(path), arrays)


def to_arrays(policy: Any) -> dict[str, np.ndarray]:
    header = {
        "version": VERSION,
        "policy": type(policy).__name__,
        "n_arms": len(policy.arms),
        "arms": storable(policy.arms),
        "parameters": policy._parameters,
        "rng": generator_state(policy._rng),
        "token": policy._token,
    }
    return {"header": np.array(json.dumps(header))} | pack(policy, _kinds(policy), "")


def load(cls: type, path: str | os.PathLike, arms: Iterable[Any] | None) -> Any:
    name = check_path(path)
    arrays = read_arrays(Path(name), name)
    try:
        return _restored(cls, arrays, None if arms is None else tuple(arms))
    except (KeyError, TypeError, ValueError, OverflowError, AttributeError, RecursionError) as error:
        reason = f"it lacks {error}" if isinstance(error, KeyError) else str(error)
        raise ValueError(f"file {name!r} holds no {cls.__name__} that can be used: {reason}") from None


def _restored(cls: type, arrays: dict[str, np.ndarray], arms: tuple[Any, ...] | None) -> Any:
    header = json.loads(str(arrays.pop("header")))
    if not isinstance(header, dict) or header.get("version") != VERSION:
        found = header.get("version") if isinstance(header, dict) else None
        raise ValueError(f"its version must be {VERSION}, but is {found!r}")
    if header["policy"] != cls.__name__:
        raise ValueError(f"it holds a {header['policy']}")
    rng = generator_from(header["rng"])
    policy = cls(_arms(header, arms), **header["parameters"], rng=rng)
    policy._token = str(header["token"])
    policy._prepare(arrays)
    unpack(policy, _kinds(policy), "", arrays)
    if arrays:
        raise ValueError(f"it has unknown arrays {', '.join(sorted(arrays))}")
    policy._check_restored()
    return policy


def _kinds(policy: Any) -> dict[str, str]:
    return BASE | policy._kept


def _arms(header: dict[str, Any], arms: tuple[Any, ...] | None) -> tuple[Any, ...]:
    n_arms, stored = header["n_arms"], header["arms"]
    if arms is None:
        if stored is None:
            raise ValueError("its arms could not be written: give them again with load(path, arms=...)")
        arms = tuple(stored)
    elif stored is not None and storable(arms) != stored:
        raise ValueError("the arms given are not those in the file")
    if len(arms) != n_arms:
        raise ValueError(f"its policy has {n_arms} arms, but there are {len(arms)}")
    return arms


def storable(arms: tuple[Any, ...]) -> list[Any] | None:
    """The arms as JSON gives them back, None where that would be something else (or a tuple turned list)."""
    try:
        back = json.loads(json.dumps(arms, default=_python_number))
    except (TypeError, ValueError, RecursionError):
        return None
    return back if _same(back, list(arms)) else None


def _python_number(value: Any) -> Any:
    """One of NumPy's that JSON does not know (it takes float64 for the float that it is)."""
    if isinstance(value, np.bool_ | np.integer | np.floating) and not isinstance(value, np.timedelta64):
        return value.item()
    raise TypeError(f"JSON has no {type(value).__name__}")


def _same(back: Any, given: Any) -> bool:
    if isinstance(given, np.generic):
        given = given.item()
    if isinstance(given, list):
        return isinstance(back, list) and len(back) == len(given) and all(map(_same, back, given))
    if isinstance(given, dict):
        return back.keys() == given.keys() and all(_same(back[key], value) for key, value in given.items())
    return isinstance(given, type(back)) and bool(back == given)


def pack(owner: Any, kinds: dict[str, str], prefix: str) -> dict[str, np.ndarray]:
    """Attributes as arrays. Kinds: int, float, floats (a list), array, column (a growing array.array), part (an object
    with attributes of its own), parts (a list of such)."""
    arrays: dict[str, np.ndarray] = {}
    for name, kind in kinds.items():
        value, key = getattr(owner, name), f"{prefix}{name.lstrip('_')}"
        if kind == "part":
            arrays |= pack(value, value._kept, f"{key}.")
        elif kind == "parts":
            for place, part in enumerate(value):
                arrays |= pack(part, part._kept, f"{key}{place}.")
        else:
            arrays[key] = np.array(value)
    return arrays


def unpack(owner: Any, kinds: dict[str, str], prefix: str, arrays: dict[str, np.ndarray]) -> None:
    """Take from `arrays` what `pack` made, each of the type and shape that the fresh `owner` has."""
    for name, kind in kinds.items():
        value, key = getattr(owner, name), f"{prefix}{name.lstrip('_')}"
        if kind == "part":
            unpack(value, value._kept, f"{key}.", arrays)
        elif kind == "parts":
            for place, part in enumerate(value):
                unpack(part, part._kept, f"{key}{place}.", arrays)
        else:
            setattr(owner, name, _checked(arrays.pop(key), value, kind, key))
    columns = {len(getattr(owner, name)) for name, kind in kinds.items() if kind == "column"}
    if len(columns) > 1:
        raise ValueError(f"the columns of {prefix or 'the policy'} differ in length")


def _checked(found: np.ndarray, fresh: Any, kind: str, key: str) -> Any:
    wanted = np.array(fresh)
    if found.dtype != wanted.dtype:
        raise ValueError(f"{key} must be of dtype {wanted.dtype}, not {found.dtype}")
    if kind == "column":
        if found.ndim != 1:
            raise ValueError(f"{key} must be one-dimensional")
        return array(fresh.typecode, found.tobytes())
    if found.shape != wanted.shape:
        raise ValueError(f"{key} must have shape {wanted.shape}, not {found.shape}")
    if not np.isfinite(found).all():
        raise ValueError(f"{key} must be finite")
    return found.copy() if kind == "array" else found.tolist()


def snapshot(attributes: dict[str, Any]) -> dict[str, Any]:
    """A policy's attributes without the lock; all but the arms are copies."""
    kept = {name: value for name, value in attributes.items() if name not in ("_lock", "arms")}
    return copy.deepcopy(kept) | {"arms": attributes["arms"]}
