"""grid_gp with values on the device: the host's answers, and nothing but numbers copied to the host."""

import numpy as np
import pytest

from pysolve import _grid_gp_solvers, grid_gp

AXES = [np.linspace(0, 1, 9), np.linspace(0, 2, 7)]
TRUTH = np.sin(5 * AXES[0])[:, None] * np.cos(3 * AXES[1])
VALUES = TRUTH + 0.1 * np.random.default_rng(0).standard_normal(TRUTH.shape)
HOLE = np.where((np.arange(63) % 5 < 1).reshape(9, 7), np.nan, VALUES)
SEARCHED = {"kernel": "se"}
GIVEN = {"noise": 0.1, "length_scales": 0.5, "amplitude": 1.0}


@pytest.mark.parametrize(
    ("values", "few_seen", "few_missing", "solver", "options"),
    [
        (VALUES, 2048, 512, "Direct", SEARCHED),
        (HOLE, 2048, 512, "Dense", SEARCHED),
        (HOLE, 0, 512, "Direct", GIVEN),
        (HOLE, 0, 0, "Iterative", GIVEN),
    ],
)
def test_every_solver_says_on_the_device_what_it_says_on_the_host(
    device, monkeypatch, values, few_seen, few_missing, solver, options
):
    monkeypatch.setattr(_grid_gp_solvers, "FEW_SEEN", few_seen)
    monkeypatch.setattr(_grid_gp_solvers, "FEW_MISSING", few_missing)
    host = grid_gp(AXES, values, **options)
    found = grid_gp([AXES[0], device.asarray(AXES[1])], device.asarray(values), **options)
    assert type(found._solver).__name__ == solver
    assert found.converged
    assert found.noise == pytest.approx(host.noise, rel=1e-9)
    assert found.log_evidence == pytest.approx(host.log_evidence, rel=1e-9)
    at = np.random.default_rng(1).random((5, 2))
    made = [*found.predict(return_std=True), *found.predict(device.asarray(at), return_std=True)]
    made += found.predict([at[:, 0].copy(), device.asarray(at[:2, 1])], return_std=True)
    assert max(getattr(device, "transfers", []), default=0) <= AXES[1].nbytes
    expected = [*host.predict(return_std=True), *host.predict(at, return_std=True)]
    expected += host.predict([at[:, 0], at[:2, 1]], return_std=True)
    for there, here in zip(made, expected, strict=True):
        assert isinstance(there, device.ndarray)
        np.testing.assert_allclose(device.asnumpy(there), here, rtol=0, atol=1e-9)


def test_arrays_in_two_places_and_bad_values_are_refused_by_name(device):
    with pytest.raises(TypeError, match=r"values .* is on the host, but axes\[1\] .* is on GPU 0"):
        grid_gp([AXES[0], device.asarray(AXES[1])], VALUES)
    with pytest.raises(TypeError, match="where is a device array"):
        grid_gp(AXES, VALUES, **GIVEN).predict(device.zeros((3, 2)))
    with pytest.raises(ValueError, match="values must be finite, or NaN where there is none"):
        grid_gp(AXES, device.asarray(np.where(TRUTH > 0, np.inf, TRUTH)))
    with pytest.raises(ValueError, match="values must have the shape of the axes"):
        grid_gp(AXES, device.asarray(TRUTH[:3]))
