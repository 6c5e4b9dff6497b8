"""Where a problem's arrays are: all on the host, or all on one GPU."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from pysolve._backend import as_array, on_device, same_device
from pysolve._gp_pde_boundary import Robin


def place_of(operator: Any, f: Any, axes: Any, boundary: Any, noise: Any, data: Any) -> Any:
    """An array on the device where the problem is there, None on the host; TypeError where it is in several places.

    Numbers and functions stand anywhere. So do axes on the host, which are short; those on the device are an array
    like others.
    """
    found = dict(_arrays(operator, f, axes, boundary, noise, data))
    if not same_device(**found):
        return None
    return as_array(next(iter(found.values())))


def _arrays(operator: Any, f: Any, axes: Any, boundary: Any, noise: Any, data: Any) -> Iterator[Any]:
    yield from _parts("f", f)
    if isinstance(operator, Mapping):
        for key, value in operator.items():
            yield from _parts(f"operator[{key}]", value)
    yield from _parts("noise", noise)
    for j, x in enumerate(axes if isinstance(axes, (list, tuple)) else [axes]):
        if on_device(x):
            yield f"axes[{j}]", x
    for i, pair in enumerate(boundary if isinstance(boundary, (list, tuple)) else []):
        yield from _sides(f"boundary[{i}]", pair)
    for i, part in enumerate(data if isinstance(data, (list, tuple)) else []):
        yield from _parts(f"data[{i}]", part)


def _sides(name: str, pair: Any) -> Iterator[Any]:
    """The arrays of a pair of sides, each of which may have several conditions, or (d = 1) of one side."""
    if isinstance(pair, (list, tuple)):
        for end, side in enumerate(pair):
            several = isinstance(side, (list, tuple)) and any(isinstance(part, Robin) for part in side)
            for part in side if several else [side]:
                yield from _parts(f"{name}[{end}]", part)
    else:
        yield from _parts(name, pair)


def _parts(name: str, value: Any) -> Iterator[Any]:
    """The arrays of a value: itself, those of a condition or of an unknown number, or those of a list of them."""
    if on_device(value) or isinstance(value, np.ndarray):
        if on_device(value) or value.ndim:
            yield name, value
    elif isinstance(value, Robin):
        yield from _parts(name, value.g)
    elif _is_unknown(value):
        yield from _parts(name, getattr(value, "shape", None))
    elif isinstance(value, (list, tuple)):
        if any(_is_unknown(part) for part in value):
            for part in value:
                yield from _parts(name, part)
        elif _is_row(value):
            yield name, np.empty(len(value))


def _is_unknown(value: Any) -> bool:
    """Whether this is an unknown number, by name or as an `Unknown`."""
    return isinstance(value, str) or (hasattr(value, "start") and hasattr(value, "name"))


def _is_row(value: Any) -> bool:
    """Whether this is an array written as a list."""
    while isinstance(value, (list, tuple)) and value:
        value = value[0]
    return isinstance(value, (int, float, np.number)) and not isinstance(value, bool)
