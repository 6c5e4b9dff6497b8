"""Random generators in files: their state as JSON."""

from __future__ import annotations

from typing import Any

import numpy as np

GENERATORS = ("PCG64", "PCG64DXSM", "MT19937", "Philox", "SFC64")


def generator_state(rng: np.random.Generator) -> Any:
    """The state, of numbers, texts, lists and dicts."""
    return _plain(rng.bit_generator.state)


def generator_from(state: dict[str, Any]) -> np.random.Generator:
    """The generator of that state; ValueError if it is none that NumPy has."""
    if state["bit_generator"] not in GENERATORS:
        raise ValueError(f"its random generator is {state['bit_generator']!r}")
    bits = getattr(np.random, state["bit_generator"])()
    bits.state = _full(state)
    return np.random.Generator(bits)


def _plain(state: Any) -> Any:
    """A bit generator's state for JSON: arrays become {"array": ..., "dtype": ...}."""
    if isinstance(state, dict):
        return {key: _plain(value) for key, value in state.items()}
    if isinstance(state, np.ndarray):
        return {"array": state.tolist(), "dtype": state.dtype.str}
    return state.item() if isinstance(state, np.generic) else state


def _full(state: Any) -> Any:
    if isinstance(state, dict):
        if "array" in state:
            return np.array(state["array"], np.dtype(state["dtype"]))
        return {key: _full(value) for key, value in state.items()}
    return state
