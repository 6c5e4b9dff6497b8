"""SolveSequence: called like a solver, again and again, it learns from the calls which parameter or solver is cheap."""

from __future__ import annotations

import copy
import math
import os
import threading
from typing import Any

from pysolve import _solve_sequence_arguments as arguments
from pysolve import _solve_sequence_files as files
from pysolve import _solve_sequence_learning as learning
from pysolve._bandit_arguments import checked_domain
from pysolve._solve_sequence_backstop import Yardstick
from pysolve._solve_sequence_course import Course
from pysolve._solve_sequence_picture import picture
from pysolve._solve_sequence_result import Call, SequenceResult, merged
from pysolve._solve_sequence_system import Attempt, System


class SolveSequence:
    r"""A solver for a sequence of related systems that learns from the calls which arm is cheap.

    An *arm* is a relaxation parameter of `ssor_cg` or `sor`, or a solver among several. Each call asks a policy for
    an arm, solves, and tells the policy what that cost. Whatever the arm does, `info` is 0 if and only if the
    recomputed residual meets the tolerance: where the arm does not get there, a *default* arm goes on.

    Parameters
    ----------
    method : {"ssor_cg", "sor"} or dict, default "ssor_cg"
        A method whose omega is chosen; or solvers by name, among which one is chosen: ``solver(A, b, ...)`` that
        returns a `SolveResult`, a pair ``(x, info)`` as SciPy's do, or x. Of ``x0, rtol, atol, maxiter, callback``
        each is given what its signature names; set everything else with `functools.partial` or a lambda.
    arms : sequence of float, optional
        The values of omega, in (0, 2); ``np.linspace(1, 1.95, 20)`` if omitted. Not with a dict.
    policy : "auto" or object, default "auto"
        Chooses. Anything with ``trial = ask(context=None)``, ``trial.value`` and ``tell(trial, cost, *, censored=False,
        failed=False)``. "auto" is made for sequences that drift.
    cost : {"iterations", "seconds"}, optional
        What is to be small. Iterations for a method, seconds for a dict if omitted: iterations of different solvers
        cannot be compared. Seconds count what a solver sets up in its call.
    backstop : float, default 4
        An arm is stopped once it has cost this many times what the default has cost lately, and the default takes
        over. At least 1; ``math.inf`` for none.
    default : object, optional
        The arm that is safe: omega 1 (symmetric Gauss-Seidel), the first name of a dict.
    domain : pair of float, optional
        The range of the contexts; with it every call needs a context, in that range.
    rng : None, int or numpy.random.Generator, optional
        For the policy "auto".

    Attributes
    ----------
    policy : object
    history : list of Call
        One entry a call, in the order in which they ended.
    total_cost : float

    Notes
    -----
    **The worst case.** With Y the recent cost of the default and s the `backstop`, an arm is stopped at s Y. The
    default goes on from where it stood, if the residual is smaller there, for at most Y; and then from `x0` to the
    end. So, whatever the arm has done to x, no call costs more than

    ``ceil(s Y) + ceil(Y) + (what the default takes from x0)``.

    Y is the largest of the three costs of the default whose contexts are nearest, out of the last 6 and those at the
    lowest and highest context. Only runs of the default from `x0` to the tolerance count. It is measured at the first
    call, and again after 16, 32, ... 1024 calls without a run of it, after 16 where one is off by more than a factor
    of four; and where the context lies farther outside the contexts measured than these lie apart.

    **Where the default fails.** It bounds nothing then. The policy's best arm and its choice are tried to their ends;
    without `maxiter` all others too, unless A is found to be indefinite or singular, or the tolerance below rounding.

    **What can be stopped.** `ssor_cg` and `sor` are, by iterations, whatever the cost is: an iteration costs the same
    for all omega. A solver of a dict is with ``cost="iterations"`` if it takes `maxiter`, and with ``cost="seconds"``
    if it takes `callback`: after the first iteration past the limit (`callback` raises ``StopIteration``, which
    pysolve's solvers know and SciPy's let pass). Others run to their end.

    **What the policy is told.** The cost of the call; for an arm that was stopped, or ended by `maxiter`, the cost up
    to there with ``censored=True``; for one that broke down, returned no finite x or raised ArithmeticError,
    LinAlgError, RuntimeError or MemoryError, the cost of the call with ``failed=True``. Other exceptions are wrong
    calls, and pass. Nothing where no work was to be done (`x0` solves the system), the default was measured, or
    everything failed.

    **What solvers may do.** They get copies of b and x0, and x is copied from what they return. They must not write
    to A: a changed sum of the entries of a sparse matrix is noticed, and ValueError names the solver.

    With or without context is decided by the first call.
    Several threads may call one sequence: solves run side by side, only asking and telling are in turn. Which arm a
    call gets then depends on the order in which calls end.

    References
    ----------
    .. [1] M. Khodak, E. Chow, M.-F. Balcan, A. Talwalkar, "Learning to relax: setting solver parameters across a
           sequence of linear system instances", ICLR 2024, arXiv:2310.02246.

    Examples
    --------
    The loop of a simulation:

    >>> import pysolve
    >>> heat = pysolve.gallery.HeatEquation(nx=50)
    >>> sequence = pysolve.SolveSequence("ssor_cg", domain=heat.domain, rng=0)
    >>> for _ in range(100):
    ...     A, b, x0, kappa = heat.advance()
    ...     x, info = sequence(A, b, x0, rtol=1e-8, context=kappa)
    ...     heat.accept(x)
    >>> len(sequence.history), all(call.status is pysolve.Status.CONVERGED for call in sequence.history)
    (100, True)

    Different solvers, by seconds; the set-up of the V-cycle is made in the call, and counts:

    >>> from functools import partial
    >>> solvers = {
    ...     "cg": pysolve.cg,
    ...     "ssor 1.5": partial(pysolve.ssor_cg, omega=1.5),
    ...     "multilevel": lambda A, b, x0, **control: pysolve.cg(A, b, x0, M=pysolve.Multilevel(A), **control),
    ... }
    >>> fastest = pysolve.SolveSequence(solvers, rng=0)
    >>> A = pysolve.gallery.poisson((32, 32))
    >>> [fastest(A, k * A.diagonal()).info for k in range(1, 7)]
    [0, 0, 0, 0, 0, 0]
    """

    def __init__(
        self,
        method: Any = "ssor_cg",
        *,
        arms: Any = None,
        policy: Any = "auto",
        cost: str | None = None,
        backstop: float = 4.0,
        default: Any = None,
        domain: Any = None,
        rng: Any = None,
    ) -> None:
        self.cost = arguments.checked_cost(cost, method)
        self.method = dict(method) if isinstance(method, dict) else method
        self._method, self.arms = arguments.checked_method(self.method, arms, self.cost)
        self.backstop = arguments.checked_backstop(backstop)
        self.default = arguments.checked_default(default, self._method, self.arms)
        self.domain = None if domain is None else checked_domain(domain)
        self._automatic = isinstance(policy, str) and policy == "auto"
        self.policy = arguments.checked_policy(policy, self.arms, self.domain, rng)
        self.history: list[Call] = []
        self._total = 0.0
        self._with_context: bool | None = None
        self._yardstick = Yardstick()
        self._lock = threading.Lock()

    def __call__(
        self,
        A: Any,
        b: Any,
        x0: Any = None,
        *,
        rtol: float = 1e-5,
        atol: float = 0.0,
        maxiter: int | None = None,
        context: float | None = None,
    ) -> SequenceResult:
        """Solve ``A x = b`` with the arm that the policy chooses.

        Parameters
        ----------
        A : as the arms take it
            Positive definite for `ssor_cg` and `sor`.
        b : array_like of shape (n,) or (n, 1)
            A CuPy array where `A` is on the GPU.
        x0 : array_like of the shape of `b`, optional
            Start; zeros if omitted.
        rtol, atol : float
            The tolerance: ``norm(b - A x) <= max(rtol * norm(b), atol)``.
        maxiter : int, optional
            Most iterations, of the arm and the default together; with a dict, of each of them.
        context : float, optional
            A number on which the best arm depends: a diffusion coefficient, a shift, the size of the time step.

        Returns
        -------
        SequenceResult
            Unpacks as ``x, info``; its `arm` is the one that was chosen.
        """
        context = arguments.checked_context(context, self.domain)
        system = self._method.prepare(A, b, x0, rtol, atol, maxiter)
        if system.solved is not None:
            return self._ended(None, [system.solved], system, self.default, context, maxiter, False)
        with self._lock:
            trial, arm, Y, is_measured = self._chosen(context, maxiter)
        attempts = [self._method.attempt(arm, system, self.backstop * Y)]
        if attempts[0].end != "converged":
            course = Course(self._method, self.default, system, attempts)
            course.go_on(arm, Y, lambda: self._others(trial, context, maxiter))
        return self._ended(trial, attempts, system, arm, context, maxiter, is_measured)

    def _chosen(self, context: float | None, maxiter: int | None) -> tuple[Any, Any, float, bool]:
        """A trial, the arm to begin with, the cost that limits it, and whether that is only to measure the default."""
        arguments.check_alike(context, self._with_context)
        trial = self.policy.ask(context)  # also for a measurement: the policy knows which contexts are wrong
        self._with_context = context is not None
        arm = self._method.check_arm(trial.value, "the policy's choice")
        if arm == self.default:
            return trial, arm, math.inf, False
        if self._yardstick.is_wanted(context, maxiter):
            return trial, self.default, math.inf, True
        self._yardstick.n_calls += 1
        return trial, arm, self._yardstick.cost(context), False

    def _others(self, trial: Any, context: float | None, maxiter: int | None) -> list[Any]:
        """What may still solve what the default has not: the policy's best, its choice; without `maxiter` any arm."""
        with self._lock:
            best = getattr(self.policy, "best", None)
            values = [best(context), trial.value] if callable(best) else [trial.value]
        arms = [self._method.check_arm(value, "the policy's choice") for value in values]
        return arms if maxiter is not None else [*arms, *reversed(self.arms)]

    def _ended(self, trial: Any, attempts: list[Attempt], system: System, *about: Any) -> SequenceResult:
        """The result; where there was something to do it is learned from."""
        arm, context, maxiter, is_measured = about
        iterations, cost = learning.spent(attempts, self.cost)
        if iterations == 0:  # x0 was the solution
            is_measured = False
        result = merged(system, attempts, arm, cost, self.default)
        call = Call.of(result, attempts, context, is_measured)
        with self._lock:
            if iterations:
                counts = self._method.counts_iterations
                learning.measure(self._yardstick, attempts, self.default, counts, context, maxiter)
                if not is_measured:
                    learning.tell(self.policy, trial, attempts, self.cost, cost)
            self.history.append(call)
            self._total += cost
        return result

    @property
    def total_cost(self) -> float:
        """float: the cost of all calls."""
        return self._total

    def plot(self, figure: Any = None) -> Any:
        """Draw the arm and the cost of every call, and the total; needs matplotlib.

        Parameters
        ----------
        figure : matplotlib.figure.Figure, optional
            Where to draw; a new one if omitted.

        Returns
        -------
        matplotlib.figure.Figure
        """
        return picture(self.history, self.arms, self.default, self.cost, figure)

    def save(self, path: str | os.PathLike) -> None:
        """Write the state, the policy's and its generator's with it, whole or not at all.

        Parameters
        ----------
        path : str or path-like
        """
        files.save(self, path)

    @classmethod
    def load(cls, path: str | os.PathLike, *, method: Any = None, policy: Any = None) -> SolveSequence:
        """A sequence that goes on where the one saved was: to the bit, where the cost is iterations.

        Parameters
        ----------
        path : str or path-like
            A file of `save`.
        method : dict, optional
            The solvers by name, where the sequence had a dict: files hold no code.
        policy : type, optional
            The class of the policy, where it is none of pysolve's; its ``load`` is called with a path.

        Returns
        -------
        SolveSequence
        """
        return files.load(cls, path, method, policy)

    def __getstate__(self) -> dict[str, Any]:
        with self._lock:
            # The pickler reads these after the lock is free: what changes in place is copied here.
            changing = {"policy": copy.deepcopy(self.policy), "_yardstick": copy.deepcopy(self._yardstick)}
            state = self.__dict__ | changing | {"history": list(self.history)}
        del state["_lock"]
        return state

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self._lock = threading.Lock()

    def __repr__(self) -> str:
        method = repr(self.method) if isinstance(self.method, str) else list(self.method)
        return f"SolveSequence({method}, cost={self.cost!r}, backstop={self.backstop:g}, {len(self.history)} calls)"
