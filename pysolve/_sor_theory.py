"""What Young's theory says of omega, as formulas, and the one number that they need of a matrix."""

from __future__ import annotations

import math
import numbers
import operator
from typing import Any

import numpy as np
import scipy.linalg
import scipy.sparse as sp

from pysolve import _arrays
from pysolve._csr import CsrMatrix
from pysolve._gallery_arguments import generator
from pysolve._sor_matrix import check_omega, with_entries
from pysolve._stencil import StencilOperator
from pysolve._system import as_operator, check_square

LOOK_EVERY = 5  # steps


def optimal_omega(A: Any, *, n_steps: int = 100, rtol: float = 1e-3, rng: Any = 0) -> float:
    r"""Estimate the relaxation parameter with which `sor` converges fastest, by Young's formula.

    .. math::
        \omega^* = 1 + \left(\frac{\beta}{1 + \sqrt{1 - \beta^2}}\right)^2, \qquad \beta = \rho(I - D^{-1} A)

    The formula holds where A is symmetric positive definite and *consistently ordered*: where its rows have two
    colours so that none touches another of its own colour (5-point and 7-point grids, trees, tridiagonal and
    block tridiagonal matrices), in the natural or the two-colour order. For other matrices it is a guess.
    `ssor_cg` has a best omega of its own, which is often near, and is less sensitive to it.

    Parameters
    ----------
    A : sparse array or matrix, ndarray or StencilOperator of shape (n, n)
        Symmetric (Hermitian) positive definite.
    n_steps : int, default 100
        Most steps of the Lanczos method; each costs a product with A.
    rtol : float, default 1e-3
        Stop sooner when another `LOOK_EVERY` (5) steps change 2 - omega by less than this part of it.
    rng : None, int or numpy.random.Generator, default 0
        For the start of the Lanczos method.

    Returns
    -------
    float
        In [1, 2). The estimate of beta comes from below, so that of omega does too.

    Raises
    ------
    ValueError, TypeError
        If `A` is not square or symmetric, or its diagonal is not positive, or for `n_steps` below 1.

    See Also
    --------
    jacobi_radius : the beta of the formula.
    sor_radius : what to expect of any other omega.

    References
    ----------
    .. [1] D. M. Young, *Iterative Solution of Large Linear Systems*, Academic Press, 1971, theorem 6-2.2.

    Examples
    --------
    >>> import math, pysolve
    >>> A = pysolve.gallery.poisson((50, 50))
    >>> exact = 2 / (1 + math.sin(math.pi / 51))  # of the model problem
    >>> abs(pysolve.optimal_omega(A) - exact) < 0.01
    True
    """
    beta = jacobi_radius(A, n_steps=n_steps, rtol=rtol, rng=rng)
    return _young(min(beta, 1 - np.finfo(np.float64).eps))


def jacobi_radius(A: Any, *, n_steps: int = 100, rtol: float = 1e-3, rng: Any = 0) -> float:
    r"""Estimate the spectral radius of Jacobi's iteration, :math:`\beta = \rho(I - D^{-1} A)`, from below.

    By the Lanczos method on the symmetric matrix :math:`I - D^{-1/2} A D^{-1/2}`, which has the same eigenvalues.

    Parameters
    ----------
    A, n_steps, rtol, rng
        As in `optimal_omega`.

    Returns
    -------
    float
        At least 0. Less than 1 if and only if Jacobi's method converges, which it need not.

    Raises
    ------
    ValueError, TypeError
        As in `optimal_omega`.

    Examples
    --------
    >>> import math, pysolve
    >>> A = pysolve.gallery.poisson((20, 20), format="csr")
    >>> math.isclose(pysolve.jacobi_radius(A), math.cos(math.pi / 21), rel_tol=1e-3)
    True
    """
    check_square(A)
    if isinstance(n_steps, bool) or not hasattr(n_steps, "__index__"):
        raise TypeError(f"n_steps must be an integer, not {n_steps!r}")
    if operator.index(n_steps) < 1:
        raise ValueError(f"n_steps must be at least 1, but is {n_steps}")
    if not isinstance(rtol, numbers.Real) or not 0 <= rtol < 1:
        raise ValueError(f"rtol must lie in [0, 1), but is {rtol!r}")
    A = with_entries(A)
    if not isinstance(A, StencilOperator):
        A = _checked(A)
    return _lanczos(A, operator.index(n_steps), float(rtol), generator(rng))


def _checked(A: Any) -> Any:
    matrix: CsrMatrix = as_operator(sp.csr_array(A), _arrays.value_type(A.dtype))
    return matrix.tocsr()


def _lanczos(A: Any, n_steps: int, rtol: float, rng: np.random.Generator) -> float:
    """The largest magnitude among the Ritz values of I - D^-1/2 A D^-1/2."""
    n = A.shape[0]
    if n == 0:
        return 0.0
    root = np.sqrt(_arrays.diagonal_entries(A.diagonal(), "A").astype(np.float64))
    v = rng.standard_normal(n)
    v /= np.linalg.norm(v)
    before, beta, radius = np.zeros_like(v), 0.0, 0.0
    alphas: list[float] = []
    betas: list[float] = []
    for step in range(1, min(n_steps, n) + 1):
        w = v - (A @ (v / root)) / root - beta * before
        alphas.append(float(np.vdot(v, w).real))
        w -= alphas[-1] * v
        beta = float(np.linalg.norm(w))
        last = step == min(n_steps, n) or beta <= 1e-14
        if last or step % LOOK_EVERY == 0:
            ritz = scipy.linalg.eigvalsh_tridiagonal(alphas, betas)
            radius, old = float(np.abs(ritz).max()), radius
            if last or _settled(old, radius, rtol):
                break
        betas.append(beta)
        before, v = v, w / beta
    return radius


def _settled(old: float, new: float, rtol: float) -> bool:
    if not 0 < old <= new < 1:
        return False
    return _young(new) - _young(old) <= rtol * (2 - _young(new))


def _young(beta: float) -> float:
    return 1 + (beta / (1 + math.sqrt((1 - beta) * (1 + beta)))) ** 2


def sor_radius(omega: float, beta: float) -> float:
    r"""Spectral radius of the SOR iteration, by Young's formula.

    .. math::
        \rho(\omega) = \begin{cases}
        \frac14 \left(\omega \beta + \sqrt{\omega^2 \beta^2 - 4 (\omega - 1)}\right)^2 & \omega \le \omega^* \\
        \omega - 1 & \omega \ge \omega^* \end{cases}

    For a consistently ordered A whose Jacobi iteration has real eigenvalues: symmetric positive definite ones (see
    `optimal_omega`). A residual falls by this factor in each sweep in the long run, so that about
    ``log(rtol) / log(sor_radius(omega, beta))`` sweeps are needed.

    Parameters
    ----------
    omega : float
        In (0, 2).
    beta : float
        Spectral radius of Jacobi's iteration, in [0, 1): see `jacobi_radius`.

    Returns
    -------
    float
        In [0, 1).

    Raises
    ------
    ValueError
        If `omega` or `beta` is out of its range.

    References
    ----------
    .. [1] D. M. Young, *Iterative Solution of Large Linear Systems*, Academic Press, 1971, theorem 6-2.3.

    Examples
    --------
    >>> import pysolve
    >>> pysolve.sor_radius(1.0, 0.9)  # Gauss-Seidel: the square of Jacobi's
    0.81
    >>> round(pysolve.sor_radius(1.5, 0.9), 3)
    0.5
    """
    omega = check_omega(omega)
    if not isinstance(beta, numbers.Real) or not 0 <= beta < 1:
        raise ValueError(f"beta must lie in [0, 1), but is {beta!r}")
    square = (omega * beta) ** 2 - 4 * (omega - 1)
    if square <= 0:
        return omega - 1
    return float((omega * beta + math.sqrt(square)) ** 2 / 4)
