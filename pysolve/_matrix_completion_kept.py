"""Objects as JSON and arrays: dataclasses, by walking over their fields, and what they hold."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import numpy as np

from pysolve import _backend

PLAIN = (bool, int, float, str, type(None))


def kept_fields(of: Any) -> list[str]:
    """The fields of a dataclass that are written: all but those whose metadata say {"kept": False}."""
    return [field.name for field in dataclasses.fields(of) if field.metadata.get("kept", True)]


class Writer:
    """Makes specifications, for JSON, of values whose arrays go to `arrays`. `known` objects (by name) are not written:
    the reader will have them."""

    def __init__(self, known: dict[str, Any]) -> None:
        self.names = {id(value): name for name, value in known.items()}
        self.arrays: dict[str, np.ndarray] = {}

    def fields(self, of: Any, name: str) -> dict[str, Any]:
        """Specifications of the fields of a dataclass."""
        return {field: self.value(getattr(of, field), f"{name}.{field}") for field in kept_fields(of)}

    def value(self, value: Any, name: str) -> Any:
        """Specification of a value; TypeError, by its name, if there can be none."""
        if id(value) in self.names:
            return {"known": self.names[id(value)]}
        if isinstance(value, np.ndarray) and not value.dtype.hasobject:
            return {"array": self._array(value, name)}
        if isinstance(value, np.generic):
            value = value.item()
        if isinstance(value, PLAIN):
            return {"is": value}
        if isinstance(value, list | tuple):
            kind = type(value).__name__
            if all(isinstance(part, PLAIN) for part in value):
                return {f"plain {kind}": list(value)}
            return {kind: [self.value(part, f"{name}.{i}") for i, part in enumerate(value)]}
        if dataclasses.is_dataclass(value) and not isinstance(value, type):
            return {"of": type(value).__name__, "fields": self.fields(value, name)}
        raise TypeError(f"a checkpoint cannot hold {name}, which is a {type(value).__name__}")

    def _array(self, value: np.ndarray, name: str) -> str:
        for other, there in self.arrays.items():  # the best factors often are those that are there
            alike = there.dtype == value.dtype and there.shape == value.shape
            if there is value or (alike and value.ndim > 1 and np.array_equal(there, value)):
                return other
        self.arrays[name] = value
        return name


class Reader:
    """Values from their specifications. `classes` are the dataclasses that may be met."""

    def __init__(self, arrays: dict[str, np.ndarray], known: dict[str, Any], classes: list[type]) -> None:
        self.arrays, self.known = arrays, known
        self.classes: dict[str, Callable[..., Any]] = {c.__name__: c for c in classes}

    def fields(self, of: Any, specs: Any) -> dict[str, Any]:
        """Values of the fields of a dataclass; ValueError if they are not those that it has."""
        names = kept_fields(of)
        if not isinstance(specs, dict) or sorted(specs) != sorted(names):
            raise ValueError("it was written by another version of pysolve")
        return {name: self.value(specs[name]) for name in names}

    def value(self, spec: Any) -> Any:
        """The value of a specification."""
        (kind, found), *more = spec.items()
        if kind == "known":
            return self.known[found]
        if kind == "array":
            array = self.arrays[found]
            copy = _backend.empty(array.shape, array.dtype)
            copy[...] = array
            return copy
        if kind == "is" or kind == "plain list":
            return found
        if kind == "plain tuple":
            return tuple(found)
        if kind in ("list", "tuple"):
            return (list if kind == "list" else tuple)(self.value(part) for part in found)
        if kind == "of":
            made = self.classes[found]
            return made(**self.fields(made, dict(more)["fields"]))
        raise ValueError(f"it has a value of the unknown kind {kind!r}")
