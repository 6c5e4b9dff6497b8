"""Matrix completion: a matrix of low rank from some of its entries, by robust alternating minimisation."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from pysolve._matrix_completion_arguments import Request, is_auto, request_from
from pysolve._matrix_completion_checkpoint import Checkpoint
from pysolve._matrix_completion_device import on_gpu, refuse
from pysolve._matrix_completion_finish import finished
from pysolve._matrix_completion_numbers import flag
from pysolve._matrix_completion_progress import Reporter
from pysolve._matrix_completion_rank import Chosen, choose_rank
from pysolve._matrix_completion_result import CompletionResult, CompletionStatus
from pysolve._matrix_completion_run import n_alternations, prepared, run
from pysolve._matrix_completion_watch import Watch


def matrix_completion(
    observed: Any,
    rank: int | str,
    *,
    reg: float = 0.0,
    weights: Any = None,
    bias: bool = False,
    nonneg: bool = False,
    loss: str | tuple[str, float] = "l2",
    init: str = "auto",
    method: str = "auto",
    rtol: float = 1e-6,
    maxiter: int | None = None,
    validation: Any = None,
    dtype: Any = None,
    callback: Callable[[dict[str, float]], Any] | None = None,
    progress: bool = False,
    checkpoint: Any = None,
    x0: tuple[Any, Any] | None = None,
    rng: Any = None,
    memory: int = 2**30,
    sketch: str = "auto",
    split: bool = False,
) -> CompletionResult:
    r"""Complete a matrix of low rank from some of its entries, by robust alternating minimisation.

    Finds :math:`U` and :math:`V` with `rank` columns that minimise

    .. math:: \sum_e w_e (y_e - u_{i(e)} \cdot v_{j(e)})^2 + \lambda (\|U\|_F^2 + \|V\|_F^2),

    or, with `loss`, `bias` and `nonneg`, what is said there.

    Each half step makes one factor orthonormal and takes two conjugate-gradient steps, from where it stands, on every
    row of the other: nearly linear in entries times rank, where exact alternating least squares costs rank squared.
    Rows that grow too long are clipped. Where the entries are few (less than about 2.5 times the unknowns), the
    regularisation is lowered from a large value instead, and Gauss-Newton steps end the run.

    Without `reg`, some entries are held out of the fit until it predicts them to `rtol`: a fit of the entries alone
    proves nothing. The last iteration uses all of them.

    Parameters
    ----------
    observed : sparse matrix, tuple, array, masked array or path
        CSR, CSC or COO, whose stored zeros are observations; ``((rows, cols, values), shape)``; a dense array with
        NaN where nothing was observed; a masked array; or an .npz file that holds ``rows``, ``cols``, ``values`` and
        ``shape``, or what `scipy.sparse.save_npz` wrote. No two entries may be in one place. Arrays, and the arrays of
        a sparse matrix, may be on a GPU (CuPy's, and others with ``__cuda_array_interface__``): the run stays there,
        and so do the factors. Then `method` is "als", and `rank="auto"`, `loss`, `bias`, `split` and `checkpoint` are
        not to be had.
    rank : int or "auto"
        Columns of the factors, at most the smaller side of the matrix. "auto": columns are added to a fit while they
        lessen the error on entries held out (a twentieth of them, at most 2000), as many at a time as singular values
        of the residual stand out from chance; then the matrix is completed as with that rank given, but from there if
        that fit is all but exact. It is the result's `rank`, and its message tells the errors of its neighbours. A
        component weaker than the noise is left out.
    reg : float
        The weight :math:`\lambda` of the factors' norms.
    weights : array_like, optional
        A weight :math:`w_e \ge 0` for each entry, in the order of `observed` (row by row for a dense array). Goes with
        every `loss`, with `bias` and with `nonneg`; an entry of weight 0 counts nowhere.
    bias : bool
        Whether to predict mean + rows\ :sub:`i` + cols\ :sub:`j` + u\ :sub:`i`.v\ :sub:`j`. The biases of rows and
        columns are fitted together with the factors, and :math:`\lambda` counts their squares like those of the
        factors. The mean is that of the values fitted, weighted (their median, unless `loss` is "l2"), and `rtol` is
        relative to what is left of the values without it. Without `reg` the biases, and the columns of the factors,
        are made to sum to 0 over the rows (columns) that have entries. A row without entries has the bias 0.
    nonneg : bool
        Whether every entry of the factors is to be at least 0: sweeps of coordinate descent instead of conjugate
        gradients. Slow to a high accuracy where the factors sought have no zeros. Not with `bias`.
    loss : {"l2", "huber", "l1"} or ("huber", delta)
        What is summed over the entries' residuals r, for outliers of any size among them:

        - "l2": :math:`r^2`;
        - ("huber", delta): :math:`r^2` up to :math:`|r| = \delta`, beyond :math:`2 \delta |r| - \delta^2`;
        - "huber": the same with :math:`\delta` = 1.345 * 1.4826 times the median of \|r\| of the fit found, 1.345
          standard deviations of Gaussian noise. Without noise it falls to 0 and the matrix is recovered exactly;
        - "l1": \|r\|, rounded off below a hundredth of the median of \|r\|.

        The last three take values beyond 10 times what is typical of their row and column as that, and judge the fit
        by the smaller three quarters of the residuals held out, relative to those of the values: so do `history` and
        `rtol`. To be called a recovery, it must also fit more than half of the entries of every row and column. About
        one entry in ten may be arbitrary where there are five times as many entries as unknowns.

        "huber" and "l1", without `reg` and `bias`, fit rows and columns more than 8 times as large as is typical at the
        typical size, until the factors predict them: those made of outliers alone keep that, and spoil no other.
    init : {"auto", "spectral", "degree", "random"}
        The first `V`: the leading singular vectors of the entries; of the entries over the roots of the counts of their
        row and column; or Gaussian rows. "auto" takes the first unless some rows or columns have many more entries than
        others, and then the second.
    method : {"auto", "als", "gauss-newton"}
        "als" alternates; "gauss-newton" lowers a regularisation and then takes Gauss-Newton steps; "auto" chooses by
        the number of entries. The second is for the loss "l2" without `bias` and `nonneg` alone.
    rtol : float
        Where to end: norm of the residual over norm of the values, on entries held out. With `reg`, the relative
        decrease of the sum above.
    maxiter : int, optional
        Most iterations; 4000 by default.
    validation : float, or entries in any form of `observed`, optional
        Entries kept out of the fit for good (a fraction, or those given): the iteration ends at the least error on
        them.
    dtype : dtype, optional
        Of the factors: float32 or float64. By default that of `observed`; of other types, float64.
    callback : callable, optional
        Called after every iteration with a dict of ``iteration``, ``training``, ``held_out`` and ``seconds``.
        `StopIteration` from it ends the run.
    progress : bool
        Whether to tell stderr about every iteration: in one line that is rewritten on a terminal, in lines elsewhere.
    checkpoint : path, optional
        An .npz file, written before every iteration and at the end, whole or not at all. If it is there, the run goes
        on where it ended, with the same bits as a run that was not interrupted; other arguments than those of that run
        are refused (`maxiter`, `callback`, `progress` and `memory` may differ, and a generator for `rng` is taken to
        be the same). A run that is killed loses the iteration it was in. The file stays: a call with that of a
        finished run returns its result. A write waits for the disk, some hundredths of a second: shorter iterations
        take as much longer.
    x0 : tuple of two array_like, optional
        Factors to begin with, of shape (m, rank) and (n, rank).
    rng : None, int or Generator
        Of the first factors and of the entries held out.
    memory : int
        Bytes that entries of a file, or of arrays of which one is a `numpy.memmap`, may take. Those that need more (64
        an entry) stay on disk and are read in blocks: the factors have the same bits as in memory where the control
        flow is the same, and the errors are the same to rounding. The factors, and any one row or column of entries,
        must fit in memory besides. Two sorted copies are made in temporary files beside the file (28 bytes an entry,
        44 with weights), which are gone with the call, however it ends.
    sketch : {"auto", "srht", "rows", "count", "never"}
        Which rows precondition their steps by a sketch of their equations, four rows of it for each column. "auto":
        a count sketch for those with many entries on whose equations plain conjugate gradients make little way;
        "never": none. The others are the method of [1]_ to the letter: a sketch of every row, by a subsampled
        randomised Hadamard transform, by rows drawn uniformly, or by adding rows up with random signs.
    split : bool
        Whether each half step sees a part of the entries of its own, as the proof in [1]_ has it: with T alternations
        2 T + 1 parts. T is one for each decimal of `rtol`, but at most `maxiter`. Needs many entries, and is there to
        compare: with all entries in every half step the same is reached with far fewer.

    Returns
    -------
    CompletionResult
        The factors, how the run ended, and the errors of each iteration.

    Raises
    ------
    ValueError, TypeError
        If an argument is wrong; also if there are fewer entries than unknowns, ``rank * (m + n - rank)``, and no `reg`.

    References
    ----------
    .. [1] Y. Gu, Z. Song, J. Yin and L. Zhang, "Low rank matrix completion via robust alternating minimization in
       nearly linear time", ICLR 2024, arXiv:2302.11068.
    .. [2] P. Jain, P. Netrapalli and S. Sanghavi, "Low-rank matrix completion using alternating minimization",
       STOC 2013, arXiv:1212.0467.

    Examples
    --------
    >>> import numpy as np, pysolve
    >>> rng = np.random.default_rng(0)
    >>> M = rng.standard_normal((300, 3)) @ rng.standard_normal((3, 200))
    >>> seen = np.where(rng.random(M.shape) < 0.2, M, np.nan)  # a fifth of the entries
    >>> result = pysolve.matrix_completion(seen, 3, rng=0)
    >>> print(result.status)
    entries held out of the fit are predicted to the tolerance
    >>> bool(np.linalg.norm(result.to_dense() - M) < 1e-5 * np.linalg.norm(M))
    True

    Outliers, and biases:

    >>> spoilt = np.where(rng.random(M.shape) < 0.05, 1e6, seen)
    >>> result = pysolve.matrix_completion(np.where(np.isnan(seen), np.nan, spoilt), 3, loss="huber", rng=0)
    >>> bool(np.linalg.norm(result.to_dense() - M) < 1e-5 * np.linalg.norm(M))
    True
    >>> result = pysolve.matrix_completion(seen + 7.0, 3, bias=True, rng=0)
    >>> float(abs(round(result.bias.mean - M.mean(), 4)))
    7.0
    """
    if checkpoint is not None and on_gpu(observed):
        refuse("checkpoint", "observed")
    kept = None if checkpoint is None else Checkpoint(checkpoint, rng)
    request = request_from(
        *(observed, rank, reg, weights, init, method, rtol, maxiter, validation, dtype, x0),
        rng if kept is None else kept.rng,
        memory=memory,
        model=(loss, bias, nonneg),
        sketch=sketch,
        split=split,
    )
    if callback is not None and not callable(callback):
        raise TypeError(f"callback must be callable, not {type(callback).__name__}")
    report = Reporter(callback, flag(progress, "progress"))
    try:
        chosen = _chosen(request, report, kept) if is_auto(rank) else None
        return _completed(request, report, kept, chosen)
    finally:
        report.close()
        request.close()


def _chosen(request: Request, report: Reporter, kept: Checkpoint | None) -> Chosen | None:
    """Sets the rank of the request: that of the run in the checkpoint, or the one that is found."""
    if kept is not None and kept.exists:
        request.k = kept.rank(request.shape)
        return None
    chosen = choose_rank(request, report.search)
    request.k, request.warm = chosen.rank, chosen.start
    return chosen


def _completed(
    request: Request, report: Reporter, kept: Checkpoint | None, chosen: Chosen | None
) -> CompletionResult:
    if kept is not None:
        kept.compare(request)
    if chosen is not None and chosen.state is not None:  # interrupted
        state = chosen.state
    else:
        state = prepared(request, start=kept is None or not kept.exists)
    watch = Watch(
        rtol=request.rtol,
        maxiter=n_alternations(request) if request.split else request.maxiter,
        has_held=state.held is not None,
        validated=request.validation is not None,
        regularised=request.reg > 0,
        report=report,
        start=request.started,
    )
    if chosen is not None:
        watch.choice, watch.noise = str(chosen), chosen.noise
        if chosen.state is not None:
            return finished(request, state, watch, CompletionStatus.INTERRUPTED)
    if kept is not None:
        kept.attach(state, watch)
    status = run(request, state, watch)
    return finished(request, state, watch, status)
