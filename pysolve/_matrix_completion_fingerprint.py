"""The arguments of a call as numbers and texts, to tell whether another call has the same."""

from __future__ import annotations

import dataclasses
import zlib
from typing import Any

import numpy as np

from pysolve._matrix_completion_arguments import Request
from pysolve._matrix_completion_entries import Triplets
from pysolve._matrix_completion_stream import Streamed

NAMES = {
    "entries": "observed",
    "k": "rank",
    "given_reg": "reg",
    "reg": "the scale of reg, values and weights",
}
FREE = ("rng", "started", "maxiter", "scale", "warm")  # may differ, or follow from others


def fingerprint(request: Request) -> dict[str, Any]:
    """For each field of the request a number or a text; arrays by their checksum."""
    fields = (field.name for field in dataclasses.fields(request))
    return {
        NAMES.get(name, name): _of(getattr(request, name), request.k) for name in fields if name not in FREE
    }


def differences(then: dict[str, Any], now: dict[str, Any]) -> list[str]:
    """Which arguments differ, and how where that can be told."""
    found = []
    for name in now:
        if name not in then:
            found.append(name)
        elif then[name] != now[name]:
            told = not any(isinstance(x, str) and x.startswith("checksum") for x in (then[name], now[name]))
            found.append(f"{name} was {then[name]} and is {now[name]}" if told else name)
    return found


def _of(value: Any, k: int) -> Any:
    if isinstance(value, Triplets):
        return _checksum([value])
    if isinstance(value, Streamed):
        return _checksum(value.blocks())
    if isinstance(value, np.ndarray):
        return f"checksum {zlib.crc32(np.ascontiguousarray(value).data)}"
    if isinstance(value, tuple | list):
        return [_of(part, k) for part in value]
    if isinstance(value, np.generic):
        return value.item()
    return value if isinstance(value, bool | int | float | str | type(None)) else str(value)


def _checksum(blocks: Any) -> str:
    """Of all entries in their order, however they are cut into blocks."""
    sums = [0, 0, 0, 0]
    for block in blocks:
        parts = block.rows, block.cols, block.values, block.weights
        for i, (part, dtype) in enumerate(
            zip(parts, (np.int32, np.int32, np.float64, np.float64), strict=True)
        ):
            if part is not None:
                sums[i] = zlib.crc32(np.ascontiguousarray(part, dtype=dtype).data, sums[i])
    return f"checksum {' '.join(map(str, sums))}"
