"""sor and ssor_cg: relaxation, and conjugate gradients preconditioned with its symmetric form."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from pysolve._backend import as_array, on_device
from pysolve._iterate import SPARE, check_control, solve_columns
from pysolve._result import SolveResult
from pysolve._sor_matrix import (
    ORDERS,
    SWEEPS,
    SorWorkspace,
    SplitMatrix,
    SplitStencil,
    check_omega,
    check_symmetric,
    with_entries,
)
from pysolve._sor_plain import Relaxation, solve_plain
from pysolve._sor_steps import RelaxationSteps, SorSteps, SsorSteps
from pysolve._stencil import StencilOperator
from pysolve._system import System, check_square, make_system, placed


def sor(
    A: Any,
    b: Any,
    x0: Any = None,
    *,
    rtol: float = 1e-5,
    atol: float = 0.0,
    maxiter: int | None = None,
    callback: Callable[[Any], Any] | None = None,
    omega: float = 1.0,
    sweep: str = "forward",
    order: str = "natural",
    workspace: SorWorkspace | None = None,
) -> SolveResult:
    r"""Solve ``A x = b`` by successive over-relaxation.

    .. math::
        x_i \leftarrow x_i + \frac{\omega}{a_{ii}} \Bigl(b_i - \sum_j a_{ij} x_j\Bigr), \qquad i = 1, 2, \dots, n

    Converges for symmetric positive definite A and every omega in (0, 2) [1]_; for other matrices with a positive
    diagonal it may or may not, and divergence is noticed.

    Parameters
    ----------
    A : sparse array or matrix, ndarray or StencilOperator of shape (n, n)
        With a positive diagonal; of dtype float32, float64, complex64 or complex128 (others are converted). It
        need not be symmetric.
    b : array_like of shape (n,), (n, 1) or (n, k)
        Right-hand side, or k of them.
    x0 : array_like of the shape of `b`, optional
        Start; zeros if omitted.
    rtol, atol : float
        The tolerance: ``norm(b - A x) <= max(rtol * norm(b), atol)``.
    maxiter : int, optional
        Most sweeps; 10 n + 100 if omitted.
    callback : callable, optional
        Called as ``callback(xk)`` after each sweep with a read-only view of the iterate; raising
        ``StopIteration`` in it ends the solve.
    omega : float, default 1.0
        The relaxation parameter, in (0, 2). 1 is the Gauss-Seidel method; see `optimal_omega`.
    sweep : {"forward", "backward", "symmetric"}
        Through the rows from the first to the last, back, or there and back (which counts as one sweep).
    order : {"natural", "multicolor"}
        Natural: that of the rows. Multicolor: rows that do not touch each other have a colour (two on the grids
        of a 5-point or 7-point stencil), and one colour follows the other. Both converge at the same rate where
        the matrix is consistently ordered; no order changes the solution.
    workspace : SorWorkspace, optional
        Makes solves that follow each other with matrices of one pattern start sooner.

    Returns
    -------
    SolveResult
        Unpacks as ``x, info``. `iterations` is the number of sweeps after which the residual first met the
        tolerance, exactly; `residual_norms` those of every iterate.

    Raises
    ------
    ValueError, TypeError
        For an argument of the wrong shape, type or value; a diagonal entry that is missing or not positive is
        named by its row. A numerical failure does not raise: see `SolveResult.status`.

    See Also
    --------
    ssor_cg : conjugate gradients with the symmetric sweep: fewer iterations, for symmetric matrices.
    optimal_omega : Young's formula.
    SolveSequence : learns omega from solve to solve.

    Notes
    -----
    The iterates are those of the loop above, to rounding, with any number of threads: rows that do not depend on
    each other are worked on at the same time, and none earlier or later than the order allows.

    With CuPy arrays for `A` and `b`, and `x0` if given, the solve runs on the GPU, and `x` is a CuPy array. There a
    sweep in natural order is as many launches as rows wait for each other; "multicolor" is one or two.

    References
    ----------
    .. [1] D. M. Young, *Iterative Solution of Large Linear Systems*, Academic Press, 1971.

    Examples
    --------
    >>> import numpy as np, pysolve
    >>> A, b = pysolve.gallery.poisson((30, 30)), np.ones(900)
    >>> [pysolve.sor(A, b, rtol=1e-6, omega=omega).converged for omega in (1.0, 1.8)]
    [True, True]
    >>> pysolve.sor(A, b, rtol=1e-6).iterations > 10 * pysolve.sor(A, b, rtol=1e-6, omega=1.8).iterations
    True
    """
    control = check_control(rtol, atol, maxiter, callback)
    method = Relaxation(
        check_omega(omega), _choice(order, "order", ORDERS), SWEEPS[_choice(sweep, "sweep", SWEEPS)]
    )
    return _solve(A, b, x0, control, callback, method, workspace)


def ssor_cg(
    A: Any,
    b: Any,
    x0: Any = None,
    *,
    rtol: float = 1e-5,
    atol: float = 0.0,
    maxiter: int | None = None,
    callback: Callable[[Any], Any] | None = None,
    omega: float = 1.0,
    workspace: SorWorkspace | None = None,
) -> SolveResult:
    r"""Solve ``A x = b``, A symmetric positive definite, by conjugate gradients with the SSOR preconditioner.

    .. math::
        M = \frac{\omega}{2 - \omega} \left(\frac{D}{\omega} + L\right) D^{-1} \left(\frac{D}{\omega} + U\right),
        \qquad A = L + D + U

    The iterations are those of ``cg(A, b, M=SSOR(A, omega))``. Product and preconditioner share their passes over
    the matrix, an idea of Eisenstat's [1]_: each iteration reads L once and U once, and costs about half.

    Parameters
    ----------
    A : sparse array or matrix, ndarray or StencilOperator of shape (n, n)
        Symmetric (Hermitian) positive definite, of dtype float32, float64, complex64 or complex128 (others are
        converted).
    b : array_like of shape (n,), (n, 1) or (n, k)
        Right-hand side, or k of them.
    x0 : array_like of the shape of `b`, optional
        Start; zeros if omitted.
    rtol, atol : float
        The tolerance: ``norm(b - A x) <= max(rtol * norm(b), atol)``.
    maxiter : int, optional
        Most iterations; 10 n + 100 if omitted.
    callback : callable, optional
        As in `sor`, after each iteration.
    omega : float, default 1.0
        The relaxation parameter, in (0, 2).
    workspace : SorWorkspace, optional
        As in `sor`.

    Returns
    -------
    SolveResult
        Unpacks as ``x, info``.

    Raises
    ------
    ValueError, TypeError
        As in `sor`, and where `A` is not symmetric.

    See Also
    --------
    SSOR : the preconditioner alone.
    SolveSequence : learns omega from solve to solve.

    Notes
    -----
    The rows keep their natural order: with two colours omega would lose its meaning for the preconditioner. With CuPy
    arrays for `A` and `b`, and `x0` if given, the solve runs on the GPU, and `x` is a CuPy array.

    References
    ----------
    .. [1] S. C. Eisenstat, "Efficient implementation of a class of preconditioned conjugate gradient methods",
           SIAM Journal on Scientific and Statistical Computing 2 (1981), 1-4.

    Examples
    --------
    >>> import numpy as np, pysolve
    >>> A, b = pysolve.gallery.poisson((100, 100)), np.ones(10000)
    >>> x, info = pysolve.ssor_cg(A, b, rtol=1e-8, omega=1.9)
    >>> info, bool(np.linalg.norm(b - A @ x) <= 1e-8 * np.linalg.norm(b))
    (0, True)
    >>> pysolve.ssor_cg(A, b, rtol=1e-8, omega=1.9).iterations < pysolve.cg(A, b, rtol=1e-8).iterations / 3
    True
    """
    control = check_control(rtol, atol, maxiter, callback)
    method = Relaxation(check_omega(omega), "natural", None)
    return _solve(A, b, x0, control, callback, method, workspace)


def _choice(value: Any, name: str, choices: Any) -> Any:
    if not isinstance(value, str) or value not in choices:
        raise ValueError(f"{name} must be one of {', '.join(map(repr, choices))}, but is {value!r}")
    return value


def _solve(
    A: Any,
    b: Any,
    x0: Any,
    control: tuple[float, float, int | None],
    callback: Callable[[Any], Any] | None,
    method: Relaxation,
    workspace: SorWorkspace | None,
) -> SolveResult:
    if workspace is not None and not isinstance(workspace, SorWorkspace):
        raise TypeError(f"workspace must be a SorWorkspace or None, not {type(workspace).__name__}")
    if callback is None:
        result = solve_plain(A, b, x0, control, method, workspace)
        if result is not None:
            return result

    def steps(system: System, column: int) -> RelaxationSteps:
        if method.sweep is None:
            return SsorSteps(system, column, method.omega)
        return SorSteps(system, column, method.omega, method.order, method.sweep)

    def make() -> System:
        check_square(A)
        entries = with_entries(placed(A, "A", b))
        if isinstance(A, StencilOperator) and on_device(b) and as_array(b).dtype.kind == "c":
            raise TypeError(
                "b is complex, but a StencilOperator on the GPU relaxes real vectors: solve for b.real and b.imag"
            )
        return make_system(_Entries(entries, method), b, x0, columns=True)

    return solve_columns(make, steps, *control, callback, SPARE)


class _Entries:
    """A matrix on its way to a system, to be split in the type that the system is solved in."""

    _kind = "csr"

    def __init__(self, A: Any, method: Relaxation) -> None:
        self.A, self.method, self.shape, self.dtype = A, method, A.shape, A.dtype

    def matvec(self, x: Any) -> Any:
        return self.A @ x

    def astype(self, dtype: np.dtype) -> Any:
        A = self.A
        if isinstance(A, StencilOperator):
            return SplitStencil(A, dtype, self.method.order) if dtype.kind == "c" else A.astype(dtype)
        matrix = SplitMatrix(A, dtype, self.method.order)
        if self.method.sweep is None:
            check_symmetric(matrix.split, A.dtype, dtype)
        return matrix
