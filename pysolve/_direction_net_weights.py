"""The weights of a direction network: files of them, and every check before they come to the kernels."""

from __future__ import annotations

import os
import zipfile
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from pysolve._backend import device_namespace, empty, kernels

VERSION = 1
CHANNELS = 16
BLOCKS = {"64": (4, 6, 4), "128": (6, 10, 6)}  # convolutions before the pool, on the coarse grid, after it
DEFAULT = Path(__file__).parent / "models" / "direction_net_64.npz"
UNREADABLE = (ValueError, OSError, EOFError, KeyError, NotImplementedError, zipfile.BadZipFile, zlib.error)


class Weights(NamedTuple):
    """In the order in which the kernels take them; float32, on the host or on the device."""

    blocks: tuple[int, int, int]
    first_kernel: Any
    first_bias: Any
    kernels: Any
    packed: Any
    biases: Any
    last_kernel: Any
    last_bias: float


def shapes(architecture: str) -> dict[str, tuple[int, ...]]:
    """What the arrays of a file must be; kernels are [x, y, z, in, out]."""
    inner = sum(BLOCKS[architecture])
    return {
        "first_kernel": (3, 3, 3, 1, CHANNELS),
        "first_bias": (CHANNELS,),
        "kernels": (inner, 3, 3, 3, CHANNELS, CHANNELS),
        "biases": (inner, CHANNELS),
        "last_kernel": (CHANNELS,),
        "last_bias": (),
    }


def read(model: Any) -> tuple[str, dict[str, np.ndarray]]:
    """The architecture and the checked arrays of `model`: "default", a path, or a mapping of arrays."""
    if isinstance(model, Mapping):
        return _checked(model, "model")
    if not isinstance(model, (str, os.PathLike)):
        raise TypeError(
            f'model must be "default", the path of a file of weights, or a dict of arrays, '
            f"not {type(model).__name__}"
        )
    path = DEFAULT if model == "default" else Path(model)
    if not path.exists():
        raise FileNotFoundError(f'model must be "default" or a file of weights, but there is no file {path}')
    return _checked(_arrays_of(path), f"model: {path}")


def _arrays_of(path: Path) -> dict[str, np.ndarray]:
    """All arrays of an .npz; pickled objects are never loaded."""
    try:
        with open(path, "rb") as stream:
            file = np.load(stream, allow_pickle=False)
            if isinstance(file, np.ndarray):
                raise ValueError("it is an .npy of one array, not an .npz")
            with file:
                return {name: file[name] for name in file.files}
    except UNREADABLE as error:
        raise ValueError(f"model: {path} is not a whole file of weights: {error}") from None


def _checked(arrays: Mapping[str, Any], where: str) -> tuple[str, dict[str, np.ndarray]]:
    version, architecture = (
        np.asarray(arrays.get(name, "absent")).reshape(-1).tolist()[:1]
        for name in ("version", "architecture")
    )
    if version != [VERSION]:
        raise ValueError(f"{where} must have version {VERSION}, but its version is {_shown(version)}")
    if architecture not in [[name] for name in BLOCKS]:
        raise ValueError(
            f"{where} must have architecture '64' or '128', but its architecture is {_shown(architecture)}"
        )
    name = str(architecture[0])
    return name, {key: _array(arrays, key, shape, where) for key, shape in shapes(name).items()}


def _shown(values: list[Any]) -> str:
    return str(values[0]) if values else "empty"


def _array(arrays: Mapping[str, Any], name: str, shape: tuple[int, ...], where: str) -> np.ndarray:
    if name not in arrays:
        raise ValueError(f"{where} must have an array {name}, of shape {shape}")
    array = np.asarray(arrays[name])
    if array.dtype.kind != "f":
        raise ValueError(f"{where}: {name} must hold real floating-point numbers, not dtype {array.dtype}")
    if array.shape != shape:
        raise ValueError(f"{where}: {name} must have shape {shape}, but its shape is {array.shape}")
    with np.errstate(over="ignore"):
        array = np.array(array, dtype=np.float32, order="C")
    if not np.isfinite(array).all():
        first = tuple(int(i) for i in np.argwhere(~np.isfinite(array))[0])
        raise ValueError(f"{where}: {name} must be finite, but is {array[first]} at {first}")
    return array


def for_kernels(architecture: str, arrays: Mapping[str, np.ndarray], place: str, precision: str) -> Weights:
    """The weights at a place, "cpu" or "cuda", as the kernels there take them.

    Their kernels come packed too, but for products in plain float32 on the device.
    """
    there = dict(arrays) if place == "cpu" else {k: device_namespace().asarray(v) for k, v in arrays.items()}
    inner, packed = there["kernels"], None
    if place == "cpu" or precision == "mixed":
        packed = empty(2 * inner.size, np.float32, inner)
        kernels(inner).direction_net_pack(inner, packed)
    last_bias = float(arrays["last_bias"])
    by_name = {**there, "blocks": BLOCKS[architecture], "packed": packed, "last_bias": last_bias}
    return Weights(**{name: by_name[name] for name in Weights._fields})
