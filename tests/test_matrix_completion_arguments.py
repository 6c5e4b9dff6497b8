"""matrix_completion: the arguments that are refused, and with which message."""

import numpy as np
import pytest
import scipy.sparse as sp
from matrix_completion_cases import sampled

from pysolve import matrix_completion

GOOD = sampled(30, 20, 2, 3)[0]


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({"rank": 0}, ValueError, "rank must be from 1 to 20, not 0"),
        ({"rank": 21}, ValueError, "rank must be from 1 to 20"),
        ({"rank": 2.0}, TypeError, "rank must be an integer"),
        ({"rank": True}, TypeError, "rank must be an integer"),
        ({"rank": 15}, ValueError, "fewer than the 525 unknowns of rank 15"),
        ({"reg": -1}, ValueError, "reg must be from 0"),
        ({"reg": np.nan}, ValueError, "reg must be"),
        ({"reg": "a"}, TypeError, "reg must be a real number"),
        ({"weights": np.ones(3)}, ValueError, "weights must be 288 real numbers"),
        ({"weights": -np.ones(288)}, ValueError, r"weights must not be negative, but weights\[0\] is -1"),
        ({"weights": np.zeros(288)}, ValueError, "weights must not all be 0"),
        ({"weights": np.full(288, np.inf)}, ValueError, "weights must be finite"),
        ({"init": "best"}, ValueError, "init must be one of 'auto', 'spectral', 'degree', 'random'"),
        ({"method": "sgd"}, ValueError, "method must be one of"),
        ({"rtol": -1.0}, ValueError, "rtol must be"),
        ({"maxiter": 0}, ValueError, "maxiter must be from 1"),
        ({"validation": 0.0}, ValueError, "validation must leave entries"),
        ({"validation": 1.5}, ValueError, "validation must be"),
        ({"validation": (GOOD, (30, 21))}, ValueError, "validation must have the shape of observed"),
        ({"validation": (GOOD, (30, 20))}, ValueError, "validation must not share entries"),
        ({"dtype": "i4"}, ValueError, "dtype must be float32 or float64"),
        ({"x0": (np.ones((30, 2)),)}, TypeError, "x0 must be a tuple of two"),
        ({"x0": (np.ones((30, 2)), np.ones((20, 3)))}, ValueError, r"x0\[1\] must be real and of shape"),
        ({"callback": 3}, TypeError, "callback must be callable"),
        ({"rank": "best"}, ValueError, "rank must be an integer or 'auto', not 'best'"),
        (
            {"rank": "auto", "x0": (np.ones((30, 2)), np.ones((20, 2)))},
            ValueError,
            "rank must be a number where x0 is given",
        ),
        ({"rank": "auto", "bias": True}, ValueError, "rank='auto' is found for loss='l2' without bias"),
        ({"weights": np.full(288, np.nan)}, ValueError, r"weights must be finite"),
        ({"weights": np.full(288, -1e-9), "loss": "l1"}, ValueError, r"weights must not be negative"),
        ({"checkpoint": 3}, TypeError, "checkpoint must be a str or path-like, not 3"),
    ],
)
def test_wrong_arguments_are_refused_by_name(change, error, message):
    with pytest.raises(error, match=message):
        matrix_completion(**{"observed": (GOOD, (30, 20)), "rank": 2} | change)


def changed(position, value):
    parts = [x.copy() for x in GOOD]
    parts[position][0] = value
    return tuple(parts), (30, 20)


@pytest.mark.parametrize(
    ("observed", "error", "message"),
    [
        (changed(0, 30), ValueError, r"rows must be from 0 to 29, but rows\[0\] is 30"),
        (changed(1, -1), ValueError, r"cols must be from 0 to 19, but cols\[0\] is -1"),
        (changed(2, np.nan), ValueError, r"values must be finite, but values\[0\] is nan"),
        (changed(2, np.inf), ValueError, "values must be finite"),
        ((GOOD[0][:3], GOOD[1], GOOD[2]), ValueError, "as a tuple"),
        (((GOOD[0][:3], GOOD[1], GOOD[2]), (30, 20)), ValueError, "of one length"),
        (((GOOD[0] + 0.5, GOOD[1], GOOD[2]), (30, 20)), TypeError, "rows must be integers"),
        (((GOOD[0], GOOD[1], 1j * GOOD[2]), (30, 20)), TypeError, "must be real"),
        ((GOOD, (30, 20, 2)), ValueError, "shape of observed must be two integers"),
        ((GOOD, (2**31, 20)), ValueError, "rows and columns"),
        (tuple(np.append(x, x[:1]) for x in GOOD), ValueError, "as a tuple"),
        (np.full((4, 4), np.nan), ValueError, "at least one entry"),
        (np.ones(4), ValueError, "two dimensions"),
        (np.array([["a"]]), TypeError, "observed must be an array of numbers"),
        (sp.lil_array(np.eye(4)), TypeError, "must be CSR, CSC or COO, not LIL"),
    ],
)
def test_wrong_entries_are_refused(observed, error, message):
    with pytest.raises(error, match=message):
        matrix_completion(observed, 2)


def test_two_entries_in_one_place_are_refused_by_name():
    i, j, y = (np.append(x, x[7]) for x in GOOD)
    message = rf"entries 7 and {len(y) - 1} are both at \({i[7]}, {j[7]}\)"
    for observed in ((i, j, y), (30, 20)), sp.coo_array((y, (i, j)), shape=(30, 20)):
        with pytest.raises(ValueError, match=message):
            matrix_completion(observed, 2)
