"""Arguments of a sequence, checked: a message names the argument, what it was and what was expected."""

from __future__ import annotations

import math
import numbers
from typing import Any

import numpy as np

from pysolve._bandit_thompson import AutoPolicy
from pysolve._solve_sequence_methods import Relaxation, Solvers

OMEGAS = tuple(np.linspace(1, 1.95, 20).tolist())  # the paper's
METHODS = ("ssor_cg", "sor")


def checked_cost(cost: Any, method: Any) -> str:
    """What is to be small; iterations where they can be compared."""
    if cost is None:
        return "iterations" if isinstance(method, str) else "seconds"
    if cost not in ("iterations", "seconds"):
        raise ValueError(f"cost must be 'iterations' or 'seconds', not {cost!r}")
    return str(cost)


def checked_method(method: Any, arms: Any, cost: str) -> tuple[Any, list[Any]]:
    """The method in the form that the sequence calls, and its arms."""
    if isinstance(method, dict):
        if arms is not None:
            raise ValueError(f"arms are the names of method where it is a dict: omit arms, got {arms!r}")
        return Solvers(method, cost == "iterations"), list(method)
    if not isinstance(method, str):
        raise TypeError(f"method must be one of {METHODS} or a dict of solvers, not {method!r}")
    if method not in METHODS:
        raise ValueError(f"method must be one of {METHODS} or a dict of solvers, not {method!r}")
    relaxation = Relaxation(method)
    if arms is None:
        return relaxation, list(OMEGAS)
    if isinstance(arms, str) or not np.iterable(arms):
        raise TypeError(f"arms must be a sequence of numbers, not {arms!r}")
    checked = [relaxation.check_arm(arm, f"arms[{i}]") for i, arm in enumerate(arms)]
    if not checked:
        raise ValueError("arms must hold at least one omega, but is empty")
    return relaxation, checked


def checked_default(default: Any, method: Any, arms: list[Any]) -> Any:
    """The arm that is safe: symmetric Gauss-Seidel, or the first solver."""
    if default is None:
        return 1.0 if isinstance(method, Relaxation) else arms[0]
    return method.check_arm(default, "default")


def checked_backstop(backstop: Any) -> float:
    """A factor that is at least 1, or infinite."""
    if isinstance(backstop, bool) or not isinstance(backstop, numbers.Real):
        raise TypeError(f"backstop must be a number that is at least 1, not {backstop!r}")
    if not float(backstop) >= 1:
        raise ValueError(f"backstop must be at least 1, but is {backstop!r}")
    return float(backstop)


def checked_context(context: Any, domain: tuple[float, float] | None) -> float | None:
    """A float in the domain; without a domain also None."""
    if context is None and domain is None:
        return None
    if not isinstance(context, (float, numbers.Real)) or not math.isfinite(context):
        kind = "one finite number" if domain else "None or one finite number"
        raise ValueError(f"context must be {kind}, not {context!r}")
    c = float(context)
    if domain is not None and not domain[0] <= c <= domain[1]:
        raise ValueError(f"context must lie in the domain {domain}, but is {context!r}")
    return c


def checked_policy(policy: Any, arms: list[Any], domain: tuple[float, float] | None, rng: Any) -> Any:
    """An object that can be asked and told; "auto" is made here."""
    if isinstance(policy, str):
        if policy == "auto":
            return AutoPolicy(arms, domain, rng=rng)
        raise ValueError(f"policy must be 'auto' or an object with ask and tell, not {policy!r}")
    if not (callable(getattr(policy, "ask", None)) and callable(getattr(policy, "tell", None))):
        raise TypeError(f"policy must be 'auto' or an object with ask and tell, not {policy!r}")
    return policy


def check_alike(context: float | None, with_context: bool | None) -> None:
    """ValueError where only some calls have a context; the first one decides, which is None before it."""
    if with_context is None or with_context == (context is not None):
        return
    if with_context:
        raise ValueError("context must be a number in every call, as in the first, but none was given")
    raise ValueError(f"context must be omitted in every call, as in the first, got {context!r}")
