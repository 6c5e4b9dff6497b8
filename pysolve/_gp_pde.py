"""PDE solves with Gaussian processes: high frequencies, several scales, noise, and an uncertainty."""

from __future__ import annotations

import dataclasses
import math
import time
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from pysolve._backend import device_of
from pysolve._gallery_arguments import generator
from pysolve._gp_pde_arguments import parse
from pysolve._gp_pde_finish import conditions_missed, finished_dense, solved_large
from pysolve._gp_pde_held_out import held_out_residual
from pysolve._gp_pde_joint_solve import solved_jointly
from pysolve._gp_pde_kernels import Kernel, as_kernel, axis_features, widest_spread
from pysolve._gp_pde_newton import Solved, solve
from pysolve._gp_pde_outcome import GPStatus
from pysolve._gp_pde_place import place_of
from pysolve._gp_pde_problem import Problem
from pysolve._gp_pde_progress import as_report
from pysolve._gp_pde_result import GPSolution
from pysolve._gp_pde_signals import SPREAD, frequencies_from
from pysolve._gp_pde_system import DenseSystem

LOOSENED = (1e-4, 1e-2)  # noise of equations that the features cannot meet, relative to the largest
HELD_OUT = 1e-4  # relative residual between the points up to which exact equations hold there too
MOST_DENSE = 500  # features up to which rows are written out where another solver can do it too
MOST_WITH_EVIDENCE = 1500  # the same where the noise asks for weights by evidence
MOST_EVER = 4000  # and where nothing else can: unknown numbers


def gp_pde(
    operator: Any,
    f: Any,
    axes: Any,
    boundary: Any,
    *,
    kernel: Any = "gm",
    frequencies: Any = "auto",
    noise: Any = 0.0,
    data: Any = None,
    nonlinear: Any = None,
    return_std: bool = False,
    refine: bool = False,
    method: str = "least-squares",
    options: Mapping[str, Any] | None = None,
    progress: bool | Callable[[str], Any] = False,
    rng: Any = None,
) -> GPSolution:
    r"""Solve a partial differential equation with a Gaussian process whose spectrum has lines (GP-HM [1]_).

    .. math::
        \sum_\alpha a_\alpha(x)\, \partial^\alpha u + N(u) = f, \qquad
        u \sim GP(0, k_1 \cdots k_d), \qquad
        k_j(x, x') = \sum_q w_q\, e^{-\rho_q^2 (x - x')^2} \cos(2 \pi \mu_q (x - x'))

    The kernel is a product over the axes; its frequencies come from `f` and the values at the sides, their weights from
    the evidence. For a fixed kernel a linear equation is one regularised least-squares problem, solved by QR
    decompositions and Kronecker products to nearly all digits. On noise-free boxes a Chebyshev method is faster
    still; this one takes noisy or missing `f`, scattered points, missing boundary values, measurements and unknown
    coefficients, and says how far its answer can be trusted.

    Parameters
    ----------
    operator : dict
        Orders of the derivatives along each axis, a tuple of d ints (an int for d = 1), to their coefficient: a
        number, an array on the grid, a callable of the coordinates (arrays of the grid's shape), or an unknown number
        by name (a str or `Unknown`), or a list of `Unknown` whose sum it is.
    f : float, array_like of the shape of the grid, callable or list
        Right side, NaN where it is unknown. A list is a sum, parts of which may be `Unknown`. On the GPU where it is a
        CuPy array; then so are the other arrays (but axes), and functions are given CuPy arrays.
    axes : array_like of shape (N,), or sequence of d of them
        Points of each axis, increasing, for d = 1, 2 or 3; not necessarily equidistant. Time is an axis like others.
    boundary : sequence of d
        For each axis a pair (low, high), ``"periodic"``, or None. A side is a number, an array on the grid of the other
        axes, a callable of the other coordinates (values of u), a `Neumann` or `Robin` condition (slopes are along the
        outward normal, at the low side too), a list of several (u and its velocity where time begins), or None where
        nothing is known. For d = 1 the pair alone will do. A periodic axis has both ends: its first and last point
        are the same one.
    kernel : {"gm", "stm", "se", "matern52"}, SpectralMixture or sequence of them, default "gm"
        Mixtures of Gaussian or Student-t lines, or without lines; a `SpectralMixture` (or one for each axis) is
        taken as it is.
    frequencies : "auto" or sequence of d sequences of float, default "auto"
        Frequencies of every axis in periods per unit of the coordinate; for d = 1 one list will do.
    noise : float or array_like, default 0.0
        Standard deviation of `f`. 0 means exact.
    data : tuple (points, values, sd), optional
        Measurements of u at points of shape (n, d).
    nonlinear : tuple (N, dN), optional
        N(u) and its derivative, functions of an array of values of u: Gauss-Newton with a line search.
    return_std : bool, default False
        Whether to compute `GPSolution.std` at once; otherwise it is when asked for.
    refine : bool, default False
        Whether to move all frequencies of an axis together to where the features explain its signals best (variable
        projection); the envelopes forgive what the search is off by, so this matters to `frequencies` more than to `u`.
    method : {"least-squares", "joint"}, default "least-squares"
        ``"joint"`` is the paper's own objective, over u, the kernel and the noise together: for comparison. It is slow,
        reaches 3 to 4 digits and has no standard deviation; `options` takes its ``Q`` (30), ``freq_scale`` (20),
        ``lambda_b`` (200), ``jitter`` (1e-6), ``optimiser`` ("lbfgs" or "adam"), ``maxiter`` and ``learning_rate``.
    options : dict, optional
        Of ``method="joint"``.
    progress : bool or callable, default False
        Whether to report on stderr what takes longer than two seconds; a callable is given the sentences.
    rng : None, int or numpy.random.Generator
        For standard deviations of large problems, which are estimated from draws.

    Returns
    -------
    GPSolution
        With ``u`` on the grid, ``predict`` anywhere, ``std``, ``sample``, ``coefficients``, ``status``; on the GPU
        where `f` is.

    Raises
    ------
    ValueError, TypeError
        For a wrong argument: it is named, with its value and what was expected. TypeError too for arrays some of
        which are on the GPU and some on the host.

    Warns
    -----
    UserWarning
        If two sides give a corner different values, or `f` differs at the two ends of a periodic axis.

    Notes
    -----
    With R_j features on axis j and R their product: up to some thousand features a QR decomposition of R^2 numbers,
    O(R^3); beyond, where the equation is a Kronecker sum with conditions on all sides, fast diagonalisation at O(R
    sum R_j), otherwise conjugate gradients with Kronecker products. A numerical outcome never raises: see
    `GPSolution.status`.

    For arrays on the GPU all that is of the size of the grid stays there. To the host are copied: axes; what the
    search for frequencies needs of `f` and the sides, 16 combinations of their lines along each axis; where rows are
    written out, vectors of a number for each feature (at most 4000); to look whether anything is left open,
    coefficients that vary, interpolated to at most 1728 points, and the points of measurements (in one dimension their
    values too). The matrices of single axes are made on the host. ``method="joint"`` takes NumPy arrays only.

    References
    ----------
    .. [1] S. Fang, M. Cooley, D. Long, S. Li, R. Kirby and S. Zhe, "Solving High Frequency and Multi-Scale PDEs with
       Gaussian Processes", ICLR 2024, arXiv:2311.04465.

    Examples
    --------
    A hundred waves in ten thousandths of a second, to eleven digits:

    >>> import numpy as np, pysolve
    >>> x = np.linspace(0, 2 * np.pi, 400)
    >>> s = pysolve.gp_pde({2: 1.0}, lambda x: -1e4 * np.sin(100 * x), x, (0.0, 0.0))
    >>> s.converged, bool(abs(s.u - np.sin(100 * x)).max() < 1e-9)
    (True, True)

    An unknown diffusion coefficient from measurements:

    >>> rng = np.random.default_rng(0)
    >>> x, at = np.linspace(0, 1, 100), rng.random(40)
    >>> measured = np.sin(12 * at) + 0.01 * rng.standard_normal(40)
    >>> s = pysolve.gp_pde(
    ...     {2: "kappa"}, lambda x: -0.37 * 144 * np.sin(12 * x), x, (0.0, np.sin(12.0)), data=(at, measured, 0.01)
    ... )
    >>> value, sd = s.coefficients["kappa"]
    >>> abs(value - 0.37) < 3 * sd < 0.01
    True
    """
    started = time.perf_counter()
    like = place_of(operator, f, axes, boundary, noise, data)
    with device_of(like):
        problem = parse(operator, f, axes, boundary, noise, data, nonlinear, like)
        report = as_report(progress)
        generator(rng)
        if method == "joint":
            return solved_jointly(problem, kernel, options or {}, report, started)
        if method != "least-squares":
            raise ValueError(f"method must be 'least-squares' or 'joint', got {method!r}")
        if options:
            raise ValueError(f"options are for method='joint', got {options!r:.80}")
        chosen = as_kernel(kernel, frequencies, problem)
        if chosen.frequencies is None:
            mus, spreads = frequencies_from(problem, refine)
        else:
            mus, spreads = chosen.frequencies, (SPREAD,) * len(problem.axes)
        timings = {"frequencies": time.perf_counter() - started}
        result = _solved(problem, chosen, mus, spreads, report, timings, rng)
        result = checked_between(result, problem, operator, f)
        timings["solve"] = time.perf_counter() - started - timings["frequencies"]
        if return_std:
            _ = result.std
        timings["total"] = time.perf_counter() - started
    return result


def checked_between(result: GPSolution, problem: Problem, operator: Any, f: Any) -> GPSolution:
    """The result with its residual between the points; an equation that only holds on them is not SOLVED."""
    found = held_out_residual(result, operator, f, problem.nonlinear)
    status = result.status
    if found is not None and problem.exact and found > HELD_OUT and status is GPStatus.SOLVED:
        status = GPStatus.UNRESOLVED
        message = f"{status} (relative residual {found:.2g} between its points)"
        return dataclasses.replace(result, held_out_residual=found, status=status, message=message)
    return dataclasses.replace(result, held_out_residual=found)


def _solved(
    problem: Problem,
    kernel: Kernel,
    mus: Any,
    spreads: tuple[float, ...],
    report: Callable[[str], Any],
    timings: dict[str, float],
    rng: Any,
) -> GPSolution:
    """By the dense or the large solver; of several spreads the one of the highest evidence."""
    d = len(problem.axes)
    choice = spreads if len(kernel.spreads) == 1 else (kernel.spreads[0],) * d
    features = axis_features(kernel, problem, mus, choice)
    if not is_dense(problem, features):
        if len(kernel.spreads) > 1:
            choice = (widest_spread(problem),) * d
        features = axis_features(kernel, problem, mus, choice, large=True)
        return solved_large(problem, features, report, timings, rng)
    best = None
    choices = [(spread,) * d for spread in kernel.spreads] if len(kernel.spreads) > 1 else [choice]
    for choice in choices:
        system = DenseSystem(problem, axis_features(kernel, problem, mus, choice))
        solved = solve(system, report)
        if best is None or solved.posterior.log_evidence > best[1].posterior.log_evidence:
            best = system, solved
    assert best is not None
    result = finished_dense(problem, *best, timings)
    if result.status is GPStatus.UNRESOLVED and conditions_missed(*best) and best[0].exact:
        best = loosened(problem, best[0], report)
        result = dataclasses.replace(finished_dense(problem, *best, timings), status=result.status)
    return result


def loosened(
    problem: Problem, system: DenseSystem, report: Callable[[str], Any]
) -> tuple[DenseSystem, Solved]:
    """The solve with noise in equations that the features cannot meet, of several levels the one of highest evidence.

    Exact equations win over measurements: where the features can meet them by no u but 0, they would say 0.
    """
    tried = []
    for level in LOOSENED:
        noisy = dataclasses.replace(problem, noise=level * system.f_scale)
        again = DenseSystem(noisy, system.rows.features)
        tried.append((again, solve(again, report)))
    return max(tried, key=lambda pair: pair[1].posterior.log_evidence)


def is_dense(problem: Problem, features: tuple) -> bool:
    """Whether rows are written out: always for one axis and for unknown numbers, otherwise while they are few."""
    size = math.prod(part.size for part in features)
    if problem.unknowns and size > MOST_EVER:
        raise ValueError(
            f"unknown numbers need at most {MOST_EVER} features, and these frequencies make {size}: give fewer by "
            "frequencies=, for example [0] for an axis along which u is smooth"
        )
    if len(problem.axes) == 1 or problem.unknowns:
        return True
    noisy = not problem.exact or (problem.data is not None and np.any(problem.data.sd > 0))
    return size <= (MOST_WITH_EVIDENCE if noisy else MOST_DENSE)
