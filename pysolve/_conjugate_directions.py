"""cg and conjugate_directions: one iteration, for symmetric positive definite systems."""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Any

from pysolve._backend import on_device
from pysolve._conjugate_directions_device import DeviceSteps
from pysolve._conjugate_directions_runs import (
    CompiledSteps,
    StencilSteps,
    is_jacobi,
    runs_by_cells,
    runs_compiled,
)
from pysolve._conjugate_directions_steps import DirectionSteps
from pysolve._iterate import SPARE, check_control, solve_columns
from pysolve._result import SolveResult
from pysolve._steps import Steps
from pysolve._system import System, make_system


def cg(
    A: Any,
    b: Any,
    x0: Any = None,
    *,
    rtol: float = 1e-5,
    atol: float = 0.0,
    maxiter: int | None = None,
    M: Any = None,
    callback: Callable[[Any], Any] | None = None,
) -> SolveResult:
    r"""Solve ``A x = b`` with A symmetric positive definite by the conjugate gradient method.

    The call of ``scipy.sparse.linalg.cg``, with three differences: `info` is 0 only if the *recomputed*
    residual meets the tolerance; `b` may have several columns; and the result says how the solve ended.

    .. math::
        p_k = M r_k + \beta_k p_{k-1}, \quad
        \alpha_k = \frac{r_k^H M r_k}{p_k^H A p_k}, \quad
        x_{k+1} = x_k + \alpha_k p_k, \quad r_{k+1} = r_k - \alpha_k A p_k

    Parameters
    ----------
    A : sparse array or matrix, ndarray, StencilOperator, PackedMatrix or LinearOperator, of shape (n, n)
        Or anything else with ``.shape`` and ``.matvec``. Symmetric (Hermitian) positive definite, of dtype
        float32, float64, complex64 or complex128 (others are converted). Sparse matrices and stencil
        operators run compiled.
    b : array_like of shape (n,), (n, 1) or (n, k)
        Right-hand side, or k of them.
    x0 : array_like of the shape of `b`, optional
        Start; zeros if omitted, ``"Mb"`` for ``M b``.
    rtol, atol : float
        The tolerance: ``norm(b - A x) <= max(rtol * norm(b), atol)``.
    maxiter : int, optional
        Most iterations; 10 n if omitted.
    M : as A, optional
        Preconditioner, the *inverse* of an approximation to A: ``z = M r``. Symmetric positive definite.
        With `Jacobi`, or a sparse diagonal matrix, the solve still runs compiled.
    callback : callable, optional
        Called as ``callback(xk)`` after each iteration with a read-only view of the iterate; raising
        ``StopIteration`` in it ends the solve.

    Returns
    -------
    SolveResult
        Unpacks as ``x, info``. `x` has the shape of `b`, and the wider of the types of `A` and `b`.

    Raises
    ------
    ValueError, TypeError
        For an argument of the wrong shape, type or value, or a sparse or dense `A` that is not symmetric.
        A numerical failure does not raise: see `SolveResult.status`.

    See Also
    --------
    conjugate_directions : for an `M` that is not linear, or that cannot be trusted.

    Notes
    -----
    Beyond `A` and `b` a solve that runs compiled keeps four vectors, x among them, and allocates nothing per
    iteration; one more where `A` has a null space that b is to be freed of; with an operator or a preconditioner
    of another kind it keeps five and what that returns. A sparse matrix is packed (see `PackedMatrix`) once a
    solve has taken 10 steps with more than 1,048,576 entries, or 50 with more than 8,192; pass a `PackedMatrix`
    to pack it once for many solves, or to keep no other copy.

    With CuPy arrays (or others of the device) for `A` and `b`, and `M` and `x0` if given, the solve runs there: `x` is
    a CuPy array, and only numbers are copied to the host, every few steps. `callback` must not write to its argument.

    References
    ----------
    .. [1] M. R. Hestenes, E. Stiefel, "Methods of conjugate gradients for solving linear systems", Journal of
           Research of the National Bureau of Standards 49 (1952), 409-436.

    Examples
    --------
    >>> import numpy as np, pysolve
    >>> A = pysolve.gallery.poisson((50, 50), format="csr")
    >>> b = np.ones(2500)
    >>> x, info = pysolve.cg(A, b, rtol=1e-8)
    >>> info, bool(np.linalg.norm(b - A @ x) <= 1e-8 * np.linalg.norm(b))
    (0, True)
    """
    rtol, atol, maxiter = check_control(rtol, atol, maxiter, callback)

    def steps(system: System, column: int) -> Steps:
        if runs_compiled(system):
            return CompiledSteps(system, column)
        if runs_by_cells(system):
            return (DeviceSteps if on_device(system.x) else StencilSteps)(system, column)
        return DirectionSteps(system, column, n_keep=1, trusted=True)

    return solve_columns(lambda: make_system(A, b, x0, M, columns=True), steps, rtol, atol, maxiter, callback)


def conjugate_directions(
    A: Any,
    b: Any,
    x0: Any = None,
    *,
    rtol: float = 1e-5,
    atol: float = 0.0,
    maxiter: int | None = None,
    M: Any = None,
    callback: Callable[[Any], Any] | None = None,
    n_keep: int = 2,
) -> SolveResult:
    r"""Solve ``A x = b`` with A symmetric positive definite along directions that `M` proposes.

    `M` may be any map of a residual to a direction: a preconditioner, a V-cycle, a trained network. Each
    direction is made A-orthogonal to the last `n_keep` ones and followed exactly as far as pays, so that a bad
    one costs time and never accuracy:

    .. math::
        d = M(r / \|r\|), \quad
        p = d - \sum_{i} \frac{p_i^H A d}{p_i^H A p_i} p_i, \quad
        \alpha = \frac{p^H r}{p^H A p}, \quad
        x \leftarrow x + \alpha p, \quad r \leftarrow r - \alpha A p

    Parameters
    ----------
    A : sparse array or matrix, ndarray, StencilOperator, PackedMatrix or LinearOperator, of shape (n, n)
        As in `cg`.
    b : array_like of shape (n,) or (n, 1)
        Right-hand side.
    x0 : array_like of the shape of `b`, optional
        Start; zeros if omitted, ``"Mb"`` for ``M b``.
    rtol, atol : float
        The tolerance: ``norm(b - A x) <= max(rtol * norm(b), atol)``.
    maxiter : int, optional
        Most iterations; if omitted 10 n, and with `M` 100 more, in which a map of no use is found out.
    M : LinearOperator, sparse array or matrix, ndarray, or anything with ``.shape`` and ``.matvec``, optional
        Proposes directions, ``d = M @ r``; need not be linear, symmetric or positive. Called with residuals
        of norm 1. Without it the residual is the direction.
    callback : callable, optional
        As in `cg`.
    n_keep : int, default 2
        Directions that each new one is made A-orthogonal to, 1 to 63; two vectors are kept for each. With 1
        and a linear symmetric `M` this is `cg`.

    Returns
    -------
    SolveResult
        Its `n_fallbacks` counts the directions of `M` that were rejected.

    Raises
    ------
    ValueError, TypeError
        As in `cg`, and for `n_keep` out of range.

    See Also
    --------
    cg : the same iteration for a preconditioner that is trusted, run compiled where it can be.

    Notes
    -----
    Without `M`, or with the inverse diagonal of `A` (`Jacobi`; up to scale and a factor of 10), on an operator
    that runs compiled this is `cg`: such directions are conjugate to all earlier ones already. The safeguards of
    a direction that was learned:

    - cells of a `StencilOperator` that are decoupled are solved at once and left out; the constant is taken
      out of directions on components without a Dirichlet side;
    - a direction that is not finite, has no curvature above rounding, or lowers the energy less than a sixteenth
      of what the residual is certain to, is rejected, and the residual taken in its place;
    - its gain in energy per second is compared with that of plain conjugate gradients from time to time, and `M` is
      dropped for good when it is the slower one, or after ten rejections in a row. A fixed symmetric map is compared
      after 100 steps only, and has to be slower by far; any other, which its answers give away, after 40.

    References
    ----------
    .. [1] A. Kaneda, O. Akar, J. Chen, V. A. T. Kala, D. Hyde, J. Teran, "A Deep Conjugate Direction Method for
           Iteratively Solving Linear Systems", ICML 2023, arXiv:2205.10763, algorithm 1.

    Examples
    --------
    >>> import numpy as np, pysolve
    >>> A = pysolve.gallery.poisson((50, 50))
    >>> b = np.ones(2500)
    >>> result = pysolve.conjugate_directions(A, b, M=pysolve.Jacobi(A), rtol=1e-8)
    >>> result.converged, result.n_fallbacks
    (True, 0)
    """
    rtol, atol, maxiter = check_control(rtol, atol, maxiter, callback)
    if isinstance(n_keep, bool) or not hasattr(n_keep, "__index__"):
        raise TypeError(f"n_keep must be an integer, not {n_keep!r}")
    if not 1 <= n_keep <= 63:
        raise ValueError(f"n_keep must lie in [1, 63], but is {n_keep}")

    def steps(system: System, column: int) -> Steps:
        if runs_compiled(system) and (M is None or is_jacobi(M, A, system)):
            return CompiledSteps(system, column)
        return DirectionSteps(system, column, n_keep=operator.index(n_keep), trusted=False)

    spare = 0 if M is None else SPARE
    return solve_columns(lambda: make_system(A, b, x0, M), steps, rtol, atol, maxiter, callback, spare)
