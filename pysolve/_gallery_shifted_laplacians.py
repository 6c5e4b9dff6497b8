"""A sequence of small systems, shifted Laplacians, whose best relaxation parameter depends on the shift."""

import math
from collections.abc import Iterator
from typing import Any

import numpy as np
from scipy.sparse import csr_array

from pysolve._gallery_arguments import check_count, generator
from pysolve._gallery_poisson import poisson

LOWEST, WIDTH = -0.15, 0.6  # of the shifts on the 10 x 10 grid
BETA = {"low": (2.0, 6.0), "high": (0.5, 1.5)}


class ShiftedLaplacians:
    r"""A sequence of systems :math:`(A + c_t I) x = b_t` with A the 5-point Laplacian and random shifts.

    .. math:: c_t = -0.15 + 0.6 \, \mathrm{Beta}(\alpha, \beta), \quad
        (\alpha, \beta) = (2, 6) \text{ or } (1/2, 3/2)

    The lowest shift nearly cancels the least eigenvalue, 0.162, of the 10 x 10 grid. For other grids the shifts are
    multiplied by what their least eigenvalue is in terms of that one: all matrices are positive definite. Each
    :math:`b_t` is normal, drawn again until ``norm(b) <= sqrt(n)``.

    Iterate over it, as often as you like: the sequence is the same each time.

    Parameters
    ----------
    m : int, default 10
        Inner points along a side.
    variance : {"low", "high"}, default "low"
        Of the shifts.
    n_systems : int, default 5000
        Length of the sequence.
    rng : None, int or numpy.random.Generator, optional
        Draws the shifts and the right-hand sides; None for one fixed sequence.

    Attributes
    ----------
    contexts : ndarray of shape (n_systems,)
        The shifts.
    domain : tuple of float
        The range that they lie in.

    Notes
    -----
    All matrices share ``indptr`` and ``indices``. They are not offered as stencil operators, whose shift cannot
    be negative.

    References
    ----------
    .. [1] M. Khodak, E. Chow, M.-F. Balcan, A. Talwalkar, "Learning to relax: setting solver parameters across a
           sequence of linear system instances", ICLR 2024, arXiv:2310.02246.

    Examples
    --------
    >>> import pysolve
    >>> systems = pysolve.gallery.ShiftedLaplacians(n_systems=3)
    >>> for A, b, context in systems:
    ...     x, info = pysolve.cg(A, b)
    ...     print(A.shape, info, bool(A.diagonal()[0] == 4 + context))
    (100, 100) 0 True
    (100, 100) 0 True
    (100, 100) 0 True
    """

    def __init__(self, m: int = 10, variance: str = "low", *, n_systems: int = 5000, rng: Any = None) -> None:
        self.m, self.n_systems = check_count(m, "m", 1), check_count(n_systems, "n_systems", 1)
        if variance not in BETA:
            raise ValueError(f"variance must be 'low' or 'high', got {variance!r}")
        self.variance = variance
        scale = (1 - math.cos(math.pi / (self.m + 1))) / (1 - math.cos(math.pi / 11))
        self.domain = (LOWEST * scale, (LOWEST + WIDTH) * scale)
        random = generator(rng)
        self.contexts = scale * (LOWEST + WIDTH * random.beta(*BETA[variance], self.n_systems))
        self.contexts.setflags(write=False)
        self._seed = random.integers(2**63)

    def __len__(self) -> int:
        return self.n_systems

    def __iter__(self) -> Iterator[tuple[csr_array, np.ndarray, float]]:
        random = np.random.default_rng(self._seed)
        A: Any = poisson((self.m, self.m), format="csr")
        n = A.shape[0]
        diagonal = np.flatnonzero(A.indices == np.repeat(np.arange(n), np.diff(A.indptr)))
        for context in self.contexts.tolist():
            data = A.data.copy()
            data[diagonal] = 4 + context
            b = random.standard_normal(n)
            while b @ b > n:
                b = random.standard_normal(n)
            yield csr_array((data, A.indices, A.indptr), shape=A.shape), b, context
