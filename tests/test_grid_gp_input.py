"""Wrong arguments of grid_gp are refused, and named."""

import numpy as np
import pytest

from pysolve import SpectralMixture, grid_gp


@pytest.mark.parametrize(
    ("changed", "error", "part"),
    [
        ({"axes": []}, ValueError, "axes must have at least one"),
        ({"axes": [[0.0, 0.0, 1.0]]}, ValueError, r"axes\[0\] must rise"),
        ({"axes": [[0.0, np.nan, 1.0]]}, ValueError, r"axes\[0\]\[1\] is nan"),
        ({"axes": [[]]}, ValueError, r"axes\[0\] must be a row"),
        ({"values": [1.0, 2.0]}, ValueError, r"the shape of the axes, \(3,\), but has shape \(2,\)"),
        ({"values": [1.0, np.inf, 2.0]}, ValueError, "values must be finite"),
        ({"values": [np.nan] * 3}, ValueError, "values must have a number"),
        ({"amplitude": 1e-200}, ValueError, "values and noise must be at most"),
        ({"values": [1j, 2, 3]}, TypeError, "values must be real"),
        ({"kernel": "gm"}, ValueError, "kernel must be 'se'"),
        ({"kernel": ["se", "se"]}, ValueError, "kernel must have 1 entries"),
        ({"length_scales": [1.0, 2.0]}, ValueError, "length_scales must have 1"),
        ({"length_scales": 0.0}, ValueError, r"length_scales\[0\]"),
        ({"length_scales": 1.0, "kernel": SpectralMixture(1.0)}, ValueError, "beside a SpectralMixture"),
        ({"noise": -1.0}, ValueError, "noise"),
        ({"noise": "none"}, TypeError, "noise"),
        ({"amplitude": 0.0}, ValueError, "amplitude"),
        ({"mean": np.nan}, ValueError, "mean"),
        ({"rtol": 0.0}, ValueError, "rtol"),
        ({"maxiter": 0}, ValueError, "maxiter"),
        ({"rng": "seed"}, TypeError, "rng"),
    ],
)
def test_wrong_arguments_are_named(changed, error, part):
    given = {"axes": [[0.0, 1.0, 2.0]], "values": [1.0, 2.0, 0.0]} | changed
    with pytest.raises(error, match=part):
        grid_gp(given.pop("axes"), given.pop("values"), **given)


def test_wrong_places_are_named():
    gp = grid_gp([[0.0, 1.0], [0.0, 2.0, 3.0]], np.arange(6.0).reshape(2, 3), noise=0.1)
    for where in [[0.0]], np.zeros((3, 1)), np.zeros(2), [[0.0], [[0.0]]], [[0.0], [np.nan]]:
        with pytest.raises(ValueError, match="where"):
            gp.predict(where)
