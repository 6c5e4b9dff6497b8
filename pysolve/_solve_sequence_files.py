"""Files of a sequence: an archive with its state as JSON beside the policy's own file."""

from __future__ import annotations

import io
import json
import os
import tempfile
import zipfile
from typing import Any

from pysolve._result import Status
from pysolve._solve_sequence_backstop import Yardstick
from pysolve._solve_sequence_result import Call
from pysolve._writing import check_path, write_whole

FORMAT, VERSION = "pysolve.SolveSequence", 1
STATE, POLICY = "sequence.json", "policy"


def save(sequence: Any, path: str | os.PathLike) -> None:
    """Write the archive, whole or not at all."""
    if not callable(getattr(sequence.policy, "save", None)):
        raise TypeError(f"policy cannot be saved: {type(sequence.policy).__name__} has no save")
    content = io.BytesIO()
    with (
        tempfile.TemporaryDirectory() as folder,
        zipfile.ZipFile(content, "w", zipfile.ZIP_DEFLATED) as archive,
    ):
        archive.writestr(STATE, json.dumps(_state(sequence)))
        file = os.path.join(folder, POLICY)
        sequence.policy.save(file)
        written = os.listdir(folder)  # some add an ending to the name
        if len(written) != 1:
            raise ValueError(f"the policy's save must write one file, but it wrote {len(written)}")
        archive.write(os.path.join(folder, written[0]), POLICY)
    write_whole(path, lambda stream: stream.write(content.getvalue()))


def _state(sequence: Any) -> dict[str, Any]:
    calls = [[*call[:5], call.status.name, *call[6:]] for call in sequence.history]
    return {
        "format": FORMAT,
        "version": VERSION,
        "method": sequence.method if isinstance(sequence.method, str) else None,
        "arms": list(sequence.arms),
        "policy": type(sequence.policy).__name__,
        "cost": sequence.cost,
        "backstop": sequence.backstop,
        "default": sequence.default,
        "domain": sequence.domain,
        "history": calls,
        "yardstick": sequence._yardstick.state(),
    }


def load(cls: Any, path: str | os.PathLike, method: Any, policy: Any) -> Any:
    """The sequence of a file; ValueError says what is wrong with it, or with `method`."""
    name = check_path(path)
    state, policy_file = _members(name)
    if state.get("format") != FORMAT or state.get("version") != VERSION:
        raise ValueError(
            f"file {name!r} is not of this version: it says {state.get('format')!r}, version {state.get('version')!r}, "
            f"this is {FORMAT!r}, version {VERSION}"
        )
    if not {"method", "arms", "policy"} <= set(state):
        raise ValueError(f"file {name!r} holds no saved SolveSequence: it lacks its method, arms or policy")
    method = _method(state, method, name)
    restored = _policy(str(state["policy"]), policy_file, policy)
    try:
        return _made(cls, state, method, restored)
    except (ValueError, KeyError, TypeError, AttributeError, IndexError) as error:
        raise ValueError(f"file {name!r} holds no saved SolveSequence: {error!r}") from None


def _members(name: str) -> tuple[dict[str, Any], bytes]:
    try:
        with zipfile.ZipFile(name) as archive:
            state, policy = json.loads(archive.read(STATE)), archive.read(POLICY)
    except (zipfile.BadZipFile, KeyError, EOFError, ValueError) as error:
        raise ValueError(
            f"file {name!r} holds no saved SolveSequence, or only a part of one: {error}"
        ) from None
    if not isinstance(state, dict):
        raise ValueError(f"file {name!r} holds no saved SolveSequence")
    return state, policy


def _method(state: dict[str, Any], method: Any, name: str) -> Any:
    if state["method"] is not None:
        if method is not None:
            raise ValueError(f"file {name!r} is of method {state['method']!r}: omit method, got {method!r}")
        return state["method"]
    if not isinstance(method, dict) or list(method) != state["arms"]:
        raise ValueError(
            f"method must be a dict of the solvers {state['arms']} of file {name!r}, got {method!r}"
        )
    return method


def _made(cls: Any, state: dict[str, Any], method: Any, policy: Any) -> Any:
    arms = None if isinstance(method, dict) else state["arms"]
    chosen = {name: state[name] for name in ("cost", "backstop", "default", "domain")}
    sequence = cls(method, arms=arms, policy=policy, **chosen)
    sequence.history = [_call(row) for row in state["history"]]
    sequence._yardstick = Yardstick.from_state(state["yardstick"])
    return sequence


def _call(row: list[Any]) -> Call:
    arm, cost, iterations, seconds, context, status, aborted, failed, measured = row
    return Call(arm, cost, iterations, seconds, context, Status[status], aborted, failed, measured)


def _policy(name: str, policy_file: bytes, given: Any) -> Any:
    if given is None:
        import pysolve  # which imports this

        given = getattr(pysolve, name, None) if name in pysolve.__all__ else None
        if not callable(getattr(given, "load", None)):
            raise ValueError(f"the policy is a {name}, which is none of pysolve's: pass its class as policy")
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, POLICY)
        with open(path, "wb") as file:
            file.write(policy_file)
        return given.load(path)
