"""Matrix completion beyond one machine: the same half steps on the ranks of an MPI communicator."""

from __future__ import annotations

import contextlib
import dataclasses
import signal
import threading
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from pysolve._distributed_checkpoint import SharedCheckpoint
from pysolve._distributed_ranks import RankError, Ranks, mpi
from pysolve._distributed_run import Agreement, prepared
from pysolve._matrix_completion_arguments import request_from
from pysolve._matrix_completion_finish import finished
from pysolve._matrix_completion_progress import Reporter
from pysolve._matrix_completion_result import CompletionResult
from pysolve._matrix_completion_run import run
from pysolve._matrix_completion_watch import Watch

__all__ = ["DistributedResult", "RankError", "matrix_completion"]


@dataclasses.dataclass(frozen=True, eq=False)
class DistributedResult:
    """One rank's share of a completion: rows of both factors, and how the run ended, which is the same on every rank.

    Attributes
    ----------
    part : CompletionResult
        Status, history and message of the run, with this rank's rows of `U` and `V`.
    rows, cols : tuple of int
        First row (column) of the matrix that is this rank's, and the one after the last.
    """

    part: CompletionResult
    rows: tuple[int, int]
    cols: tuple[int, int]
    _ranks: Ranks = dataclasses.field(repr=False)

    def gather(self, root: int = 0) -> CompletionResult | None:
        """The whole result on one rank. Every rank must call this.

        Parameters
        ----------
        root : int
            The rank that gets it.

        Returns
        -------
        CompletionResult
            On `root`; None on the others.
        """
        ranks = self._ranks
        if not 0 <= root < ranks.size:
            raise ValueError(f"root must be from 0 to {ranks.size - 1}, not {root}")
        factors = []
        for factor in self.part.U, self.part.V:
            counts = np.zeros(ranks.size, np.int64)
            counts[root] = len(factor)
            factors.append(ranks.exchange(factor, counts)[0])
        if ranks.rank != root:
            return None
        return dataclasses.replace(self.part, U=factors[0], V=factors[1])


def matrix_completion(
    observed: Any,
    rank: int,
    *,
    comm: Any = None,
    reg: float = 0.0,
    weights: Any = None,
    init: str = "auto",
    rtol: float = 1e-6,
    maxiter: int | None = None,
    validation: Any = None,
    dtype: Any = None,
    callback: Callable[[dict[str, float]], Any] | None = None,
    progress: bool = False,
    checkpoint: Any = None,
    x0: tuple[Any, Any] | None = None,
    rng: int = 0,
    timeout: float = 600.0,
) -> DistributedResult:
    r"""Complete a matrix whose entries and factors are spread over the ranks of an MPI communicator.

    Alternating minimisation as `pysolve.matrix_completion` does it with ``method="als"``: the same iteration, the same
    answer to rounding. Each rank keeps a block of the rows of `U` with their entries, and a block of the rows of `V`
    with theirs. Before a half step it fetches the rows of the other factor that its entries name, and no others.

    Start it with the launcher of the MPI library::

        mpiexec -n 4 python program.py

    Parameters
    ----------
    observed : as in `pysolve.matrix_completion`, or None
        The entries that this rank has: any part of them, in the rows and columns of the whole matrix, each entry on one
        rank. They are sent to where they belong. None where a rank has none.
    rank : int
        Columns of the factors.
    comm : mpi4py.MPI.Comm, optional
        The ranks that take part, `COMM_WORLD` by default. All must call with the same arguments but for `observed`,
        `weights` and `validation`.
    reg, weights, init, rtol, maxiter, validation, dtype, progress, x0
        As in `pysolve.matrix_completion`. A fraction for `validation` is taken of each rank's entries; `x0` holds the
        whole factors.
    callback : callable, optional
        As in `pysolve.matrix_completion`, on rank 0. `StopIteration` from it ends the run on all.
    checkpoint : path, optional
        A file that rank 0 writes, whole or not at all, before every iteration. A call with the same arguments goes on
        from there, also on another number of ranks. It gathers both factors each time.
    rng : int
        Seed, the same on all ranks.
    timeout : float
        Seconds for which a rank waits for the others before it takes them for dead.

    Returns
    -------
    DistributedResult
        This rank's rows of the factors; ``gather()`` brings them together.

    Raises
    ------
    RankError
        If another rank raised an error (which this one then names), died, or did not answer within `timeout`.
    ValueError, TypeError
        If an argument of this rank is wrong.
    ImportError
        Without mpi4py (``pip install pysolve[mpi]``).

    Notes
    -----
    With P ranks, m + n rows and N entries, a half step on U moves at most
    :math:`\min(P - 1, N / n) \, n k` values between ranks (4 bytes each, 8 near the end), and sums of k x k values:
    the entries never move again. It computes for :math:`O(N k / P)`.

    Examples
    --------
    On however many ranks the program runs:

    >>> import numpy as np
    >>> from pysolve import distributed
    >>> rng = np.random.default_rng(0)
    >>> M = rng.standard_normal((60, 2)) @ rng.standard_normal((2, 50))
    >>> seen = np.where(rng.random(M.shape) < 0.5, M, np.nan)
    >>> result = distributed.matrix_completion(seen, 2)  # doctest: +SKIP
    >>> whole = result.gather()  # doctest: +SKIP
    """
    ranks = Ranks(mpi().COMM_WORLD if comm is None else comm, timeout)
    try:
        if callback is not None and not callable(callback):
            raise TypeError(f"callback must be callable, not {type(callback).__name__}")
        observed = _with_shape(ranks, observed)
        request = request_from(
            observed, rank, reg, weights, init, "als", rtol, maxiter, validation, dtype, x0, rng, group=ranks
        )
        agreement = Agreement(ranks, Reporter(callback, progress))
        with _signals(agreement):
            return _completed(ranks, request, agreement, checkpoint, rng)
    except BaseException as error:
        ranks.fail(error)
        raise


def _completed(
    ranks: Ranks, request: Any, agreement: Agreement, checkpoint: Any, seed: Any
) -> DistributedResult:
    state, parts = prepared(ranks, request)
    watch = Watch(
        rtol=request.rtol,
        maxiter=request.maxiter,
        has_held=state.held is not None,
        validated=request.validation is not None,
        regularised=request.reg > 0,
        report=agreement,
        start=request.started,
    )
    if checkpoint is not None:
        SharedCheckpoint(checkpoint, ranks, request, parts, seed).attach(state, watch)
    status = run(request, state, watch)
    part = finished(request, state, watch, status)
    rows, cols = ((blocks.begin, blocks.end) for blocks in (parts.rows, parts.cols))
    return DistributedResult(part, rows, cols, ranks)


def _with_shape(ranks: Ranks, observed: Any) -> Any:
    """`observed`, or no entries of the others' shape."""
    shapes = ranks.everybody(None if observed is None else _shape_of(observed))
    known = [shape for shape in shapes if shape is not None]
    if not known:
        raise ValueError("observed must not be None on every rank")
    if any(shape != known[0] for shape in known):
        raise ValueError(f"observed must have one shape on all ranks, but the shapes are {shapes}")
    if observed is not None:
        return observed
    none = np.empty(0, np.int32)
    return (none, none, np.empty(0)), known[0]


def _shape_of(observed: Any) -> Any:
    shape: Any = observed[1] if isinstance(observed, tuple) and len(observed) == 2 else np.shape(observed)
    try:
        return tuple(int(extent) for extent in shape)
    except (TypeError, ValueError):
        return shape  # the checks of the entries will say what is wrong with it


@contextlib.contextmanager
def _signals(agreement: Agreement) -> Iterator[None]:
    """Ctrl-C reaches every rank: the iteration ends on all together, with the best factors so far.

    Launchers of MPICH tell the other ranks with SIGUSR1 that one has died, which would end them without a word: they
    find out themselves, and say who it was. After such an error it stays unheard, so that it can be written down.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    handlers: dict[Any, Any] = {signal.SIGINT: agreement.interrupt}
    if hasattr(signal, "SIGUSR1") and signal.getsignal(signal.SIGUSR1) is signal.SIG_DFL:
        handlers[signal.SIGUSR1] = lambda *_: None
    before = {number: signal.signal(number, handler) for number, handler in handlers.items()}
    try:
        yield
    except RankError:
        before = {signal.SIGINT: before[signal.SIGINT]}
        raise
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
