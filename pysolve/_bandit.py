"""Policies that learn a solver parameter from the costs of earlier solves: what they have in common."""

from __future__ import annotations

import math
import os
import threading
import uuid
from collections.abc import Iterable
from typing import Any, ClassVar, Self

import numpy as np

from pysolve import _bandit_files, _bandit_picture
from pysolve._bandit_arguments import checked_context, checked_cost
from pysolve._bandit_history import History

FURTHEST = (
    2.0**300
)  # from the first cost, up or down: what lies beyond counts as this, so that squares are finite


class Trial:
    """One question to a policy and its answer: solve with `value`, then tell the policy what that cost.

    Attributes
    ----------
    value : object
        The arm to solve with.
    index : int
        Its place among the policy's arms.
    context : float or None
        What the policy was asked with.
    """

    __slots__ = ("_note", "_number", "_policy", "context", "index", "value")

    def __init__(
        self, policy: str, number: int, index: int, value: Any, context: float | None, note: Any
    ) -> None:
        self._policy, self._number, self._note = policy, number, note
        self.index, self.value, self.context = index, value, context

    def __repr__(self) -> str:
        context = "" if self.context is None else f", context={self.context:.6g}"
        return f"Trial(value={self.value!r}, index={self.index}{context})"


class Policy:
    """What all policies have in common: ask for an arm, solve with it, tell what that cost.

    Any number of threads may do so at once. Answers may come in any order, and trials may stay without answer. Every
    policy pickles, with the state of its random generator.

    Parameters
    ----------
    arms : sequence
        The values to choose among: floats, strings, dicts, callables, anything.
    rng : None, int or Generator
        Source of the choices.
    **parameters
        What else the policy was made with.

    Attributes
    ----------
    arms : tuple

    See Also
    --------
    AutoPolicy : the one to begin with.

    Examples
    --------
    >>> import pysolve
    >>> policy = pysolve.AutoPolicy([1.0, 1.3, 1.6, 1.9], rng=0)
    >>> isinstance(policy, pysolve.Policy)
    True
    >>> first, second = policy.ask(), policy.ask()
    >>> policy.tell(second, 34)
    >>> policy.tell(first, 120, censored=True)
    >>> policy.history["cost"]
    array([ 34., 120.])
    """

    # A policy says how it chooses, learns and ranks in _choose, _learn and _ranking; these are called with the lock
    # held, with contexts and costs already checked.

    # Attribute -> kind, as in _bandit_files.pack: what a file must hold beside arms, parameters and rng.
    _kept: ClassVar[dict[str, str]] = {}
    # Whether `ask` refuses to go without a context. (Policies that may have one or not decide in _checked_context.)
    _needs_context: ClassVar[bool] = False

    def __init__(self, arms: Iterable[Any], rng: Any = None, **parameters: Any) -> None:
        try:
            self.arms = tuple(arms)
        except TypeError:
            raise TypeError(f"arms must be a sequence of values to choose among, got {arms!r}") from None
        if not self.arms:
            raise ValueError("arms must hold at least one value to choose, but is empty")
        self._parameters = parameters
        self._rng = np.random.default_rng(rng)
        self._lock = threading.Lock()
        self._token = uuid.uuid4().hex  # a restored copy keeps it, and so takes the answers to open trials
        self._asked = 0
        self._unit = 0.0  # of what _learn is told: the power of 2 just below the first cost; none yet
        self._worst = 0.0  # in that unit
        self._history = History()

    def ask(self, context: float | None = None) -> Trial:
        """Which arm to solve with next.

        Parameters
        ----------
        context : float, optional
            A number that describes the system at hand, such as a diagonal shift or a diffusion coefficient.

        Returns
        -------
        Trial
            Its ``value`` is the arm. It may stay without answer, and answers may come in any order.

        Raises
        ------
        ValueError
            If `context` is not finite, outside the policy's domain, or missing where the policy needs it.
        """
        with self._lock:
            context = self._checked_context(context)
            index, note = self._choose(context)
            number = self._asked
            self._asked += 1
        return Trial(self._token, number, index, self.arms[index], context, note)

    def tell(self, trial: Trial, cost: float, *, censored: bool = False, failed: bool = False) -> None:
        """What the solve of a trial cost.

        Parameters
        ----------
        trial : Trial
            From this policy's `ask`, told once.
        cost : float
            Iterations, seconds, or any other number of at least 0; the unit does not matter. A solve that cost
            0 (it had nothing to do) is kept in the history and not learned from.
        censored : bool
            True if the solve was given up after `cost`: its true cost is at least that.
        failed : bool
            True if the arm does not solve the system: it counts as twice the worst cost so far, or twice `cost`
            where that is more. Then `cost` may be inf.

        Raises
        ------
        ValueError
            If `cost` is negative or not finite, or `trial` was told before or is another policy's.
        TypeError
            If `trial` is no trial or `cost` no number.
        """
        if not isinstance(trial, Trial):
            raise TypeError(f"trial must be what ask returned, got {trial!r}")
        censored, failed = bool(censored), bool(failed)
        cost = checked_cost(cost, failed)
        with self._lock:
            if trial._policy != self._token or trial._number >= self._asked:
                raise ValueError(f"trial must be of this policy, but {trial!r} is another's")
            if trial._number in self._history.told:
                raise ValueError(f"trial must be told once, but {trial!r} was told before")
            share = self._in_units(cost)
            if failed:
                self._learn(trial, 2 * max(self._worst, share) or 1.0, False)
            elif cost > 0:
                self._learn(trial, share, censored)
                self._worst = max(self._worst, share)
            self._history.append(trial._number, trial.index, trial.context, cost, censored, failed)

    def _in_units(self, cost: float) -> float:
        """The cost by the unit; 0 for one that says nothing. A power of 2, so that nothing is rounded."""
        if not 0 < cost < math.inf:
            return 0.0
        if not self._unit:
            self._unit = math.ldexp(1.0, math.frexp(cost)[1] - 1)
        return min(max(cost / self._unit, 1 / FURTHEST), FURTHEST)

    def best(self, context: float | None = None) -> Any:
        """The arm that the policy now holds for the best, chosen without chance.

        Parameters
        ----------
        context : float, optional
            As in `ask`.

        Returns
        -------
        object
            One of ``arms``.
        """
        with self._lock:
            ranking = self._ranking(self._checked_context(context, peek=True))
        return self.arms[min(range(len(self.arms)), key=ranking.__getitem__)]

    @property
    def history(self) -> np.ndarray:
        """All answers in the order told: trial, index (of the arm), context (NaN if none), cost, censored, failed."""
        with self._lock:
            return self._history.table()

    def save(self, path: str | os.PathLike) -> None:
        """Write the policy and the state of its rng, so that the file's policy goes on bit for bit.

        Parameters
        ----------
        path : str or path-like
            The file, an .npz. It is written whole or not at all.

        Notes
        -----
        Arms that JSON can hold (numbers, strings, None, and lists and dicts of these) are written too, NumPy's numbers
        as Python's; others, such as callables, must be given again to `load`.
        """
        with self._lock:
            arrays = _bandit_files.to_arrays(self)
        _bandit_files.write(path, arrays)

    @classmethod
    def load(cls, path: str | os.PathLike, *, arms: Iterable[Any] | None = None) -> Self:
        """The policy that `save` wrote.

        Parameters
        ----------
        path : str or path-like
            The file. Nothing in it is executed.
        arms : sequence, optional
            The same arms in the same order, for a file that could not hold them.

        Raises
        ------
        ValueError
            If the file is damaged, of another version or of another kind of policy, or the arms do not fit.
        """
        return _bandit_files.load(cls, path, arms)

    def plot(self, ax: Any = None, costs: Any = None) -> Any:
        """Draw the chosen arms against time, over the costs of all arms where these are known.

        Parameters
        ----------
        ax : matplotlib.axes.Axes, optional
            Where to draw; a new figure if not given.
        costs : array_like of shape (n_solves, n_arms), optional
            The cost of every arm in every solve, drawn as filled contours.

        Returns
        -------
        matplotlib.axes.Axes
        """
        return _bandit_picture.draw(self.history, self.arms, ax, costs)

    def __repr__(self) -> str:
        shown = "".join(
            f", {name}={value!r}" for name, value in self._parameters.items() if value is not None
        )
        return f"{type(self).__name__}({len(self.arms)} arms{shown}, {len(self._history)} told)"

    def __getstate__(self) -> dict[str, Any]:
        with self._lock:
            # The pickler reads these after the lock is free: what changes in place is copied here.
            return _bandit_files.snapshot(self.__dict__)

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self._lock = threading.Lock()

    def _checked_context(self, context: Any, peek: bool = False) -> float | None:
        """`context` as a finite float; `peek` leaves undecided what the first ask decides."""
        if context is None:
            if self._needs_context:
                raise ValueError(f"context must be a number for {type(self).__name__}, but none was given")
            return None
        return checked_context(context, self._parameters.get("domain"))

    def _prepare(self, arrays: dict[str, np.ndarray]) -> None:
        """Make what the arrays of a file will be put into, where that depends on them."""

    def _check_restored(self) -> None:
        """ValueError where what came from a file does not go together."""
        self._history.check(self._asked, len(self.arms))

    def _choose(self, context: float | None) -> tuple[int, Any]:
        """The index of an arm, and what `_learn` will need of this moment."""
        raise NotImplementedError

    def _learn(self, trial: Trial, cost: float, censored: bool) -> None:
        """`cost` is in units of about the first one, positive and finite; a failure has become a large one."""
        raise NotImplementedError

    def _ranking(self, context: float | None) -> Any:
        """One number an arm, the least for the best."""
        raise NotImplementedError
