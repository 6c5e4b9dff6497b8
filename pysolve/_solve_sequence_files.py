"""Files of a sequence: an archive with its state as JSON beside the policy's own file."""

from __future__ import annotations

import copy
import io
import json
import math
import os
import tempfile
import zipfile
from typing import Any

import numpy as np

from pysolve._bandit import Policy
from pysolve._bandit_files import storable
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
    with sequence._lock:
        state, policy = _state(sequence), copy.deepcopy(sequence.policy)
    with (
        tempfile.TemporaryDirectory() as folder,
        zipfile.ZipFile(content, "w", zipfile.ZIP_DEFLATED) as archive,
    ):
        archive.writestr(STATE, json.dumps(state))
        file = os.path.join(folder, POLICY)
        policy.save(file)
        written = os.listdir(folder)  # some add an ending to the name
        if len(written) != 1:
            raise ValueError(f"the policy's save must write one file, but it wrote {len(written)}")
        archive.write(os.path.join(folder, written[0]), POLICY)
    write_whole(path, lambda stream: stream.write(content.getvalue()))


def _state(sequence: Any) -> dict[str, Any]:
    is_method = isinstance(sequence.method, str)
    if not is_method:
        _check_names(sequence.arms)
    stored = _Arms(sequence.arms, is_method).stored
    calls = [[stored(call.arm), *call[1:5], call.status.name, *call[6:]] for call in sequence.history]
    return {
        "format": FORMAT,
        "version": VERSION,
        "method": sequence.method if is_method else None,
        "arms": sequence.arms if is_method else list(map(repr, sequence.arms)),
        "policy": type(sequence.policy).__name__,
        "automatic": sequence._automatic,
        "cost": sequence.cost,
        "backstop": sequence.backstop,
        "default": stored(sequence.default),
        "domain": sequence.domain,
        "with_context": sequence._with_context,
        "history": calls,
        "yardstick": sequence._yardstick.state(),
    }


class _Arms:
    """Arms in a file: values of omega as they are, names by their position, as JSON would change some."""

    def __init__(self, arms: list[Any], is_method: bool) -> None:
        self.arms, self.is_method = arms, is_method
        self.positions = {} if is_method else {arm: k for k, arm in enumerate(arms)}

    def stored(self, arm: Any) -> Any:
        return arm if self.is_method else self.positions[arm]

    def restored(self, stored: Any) -> Any:
        if self.is_method:
            return stored
        if type(stored) is not int or not 0 <= stored < len(self.arms):
            raise ValueError(f"there is no solver {stored!r}")
        return self.arms[stored]


def _check_names(names: list[Any]) -> None:
    """TypeError for a name of a solver that no later program can be seen to have given again."""
    for name in names:
        parts = name if isinstance(name, tuple) else (name,)
        for part in parts:
            if not isinstance(part, str | int | float | complex | bytes | np.generic | None):
                raise TypeError(
                    "to be saved, solvers must be named by strings, numbers or tuples of these, "
                    f"but one is named {name!r}"
                )


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
    restored = _policy(str(state["policy"]), policy_file, policy, method, name)
    try:
        return _made(cls, state, method, restored)
    except (ValueError, KeyError, TypeError, AttributeError, IndexError, OverflowError) as error:
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
    if not isinstance(method, dict) or list(map(repr, method)) != state["arms"]:
        solvers = ", ".join(map(str, state["arms"])) if isinstance(state["arms"], list) else "?"
        raise ValueError(f"method must be a dict of the solvers {solvers} of file {name!r}, got {method!r}")
    return method


def _made(cls: Any, state: dict[str, Any], method: Any, policy: Any) -> Any:
    is_method = isinstance(method, str)
    arms = _Arms(state["arms"] if is_method else list(method), is_method)
    chosen = {name: state[name] for name in ("cost", "backstop", "domain")}
    sequence = cls(
        method,
        arms=arms.arms if is_method else None,
        policy=policy,
        default=arms.restored(state["default"]),
        **chosen,
    )
    _check_policy(sequence, state["automatic"])
    sequence._automatic = state["automatic"]
    sequence.history = [_call(row, sequence, arms) for row in state["history"]]
    for call in sequence.history:
        sequence._total += call.cost
    if state["with_context"] not in (None, False, True):
        raise ValueError(f"with_context must be true, false or null, not {state['with_context']!r}")
    sequence._with_context = state["with_context"]
    sequence._yardstick = Yardstick.from_state(state["yardstick"])
    return sequence


def _check_policy(sequence: Any, automatic: Any) -> None:
    """ValueError where the policy is not of the sequence: it has other arms."""
    if type(automatic) is not bool:
        raise ValueError(f"automatic must be true or false, not {automatic!r}")
    arms = getattr(sequence.policy, "arms", None)
    if automatic and (arms is None or list(arms) != sequence.arms):
        raise ValueError("the policy has other arms than the sequence")
    if isinstance(arms, tuple):
        for arm in arms:
            sequence._method.check_arm(arm, "an arm of the policy")


def _call(row: list[Any], sequence: Any, arms: _Arms) -> Call:
    arm, cost, iterations, seconds, context, status, aborted, failed, measured = row
    arm = sequence._method.check_arm(arms.restored(arm), "an arm of the history")
    sound = (
        all(type(figure) in (int, float) and 0 <= figure < math.inf for figure in (cost, seconds))
        and (type(iterations) is int and iterations >= 0)
        and (context is None or (type(context) is float and math.isfinite(context)))
        and all(type(flag) is bool for flag in (aborted, failed, measured))
    )
    if not sound:
        raise ValueError(f"no call of a sequence: {row!r}")
    return Call(arm, cost, iterations, seconds, context, Status[status], aborted, failed, measured)


def _policy(name: str, policy_file: bytes, given: Any, method: Any, file_name: str) -> Any:
    if given is None:
        import pysolve  # which imports this

        given = getattr(pysolve, name, None) if name in pysolve.__all__ else None
        if not callable(getattr(given, "load", None)):
            raise ValueError(f"the policy is a {name}, which is none of pysolve's: pass its class as policy")
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, POLICY)
        with open(path, "wb") as file:
            file.write(policy_file)
        try:
            return _loaded(given, path, method)
        except ValueError as error:
            reason = str(error).replace(path, f"{file_name}, member {POLICY}")
            raise ValueError(f"file {file_name!r} holds no policy that can be used: {reason}") from None


def _loaded(given: Any, path: str, method: Any) -> Any:
    """The policy; one of pysolve's over names that its file cannot hold gets them again."""
    names = tuple(method) if isinstance(method, dict) else ()
    if names and isinstance(given, type) and issubclass(given, Policy) and storable(names) is None:
        return given.load(path, arms=names)
    return given.load(path)
