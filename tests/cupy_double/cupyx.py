"""What the package takes of cupyx and of cupyx.scipy.linalg."""

import contextlib

import scipy.linalg

from cupy_double.arrays import call_on_host


def solve_triangular(a, b, trans=0, lower=False, unit_diagonal=False, overwrite_b=False, check_finite=False):
    options = {"trans": trans, "lower": lower, "check_finite": check_finite}
    return call_on_host(scipy.linalg.solve_triangular, (a, b), options)


@contextlib.contextmanager
def errstate(*, divide=None, over=None, under=None, invalid=None, linalg=None):
    """NumPy's decompositions always raise, as CuPy's do with linalg="raise"."""
    yield
