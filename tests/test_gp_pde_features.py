"""Features of an axis: the kernel they make, their derivatives, and the frequencies found for them."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pysolve import SpectralMixture
from pysolve._gp_pde_features import KernelFeatures, OscillatoryFeatures, envelope
from pysolve._gp_pde_frequencies import find_frequencies

X = np.linspace(-1.0, 2.5, 41)


def features(frequencies=(0.0, 3.0), rho=0.9, low=-1.0, high=2.5):
    return OscillatoryFeatures(low, high, tuple(frequencies), (rho,) * len(frequencies))


@pytest.mark.parametrize("spread", [0.01, 1.0, 4.0, 12.0, 31.0, 33.0, 150.0])
def test_the_envelope_is_the_squared_exponential(spread):
    t = np.linspace(-1, 1, 101)
    at = np.polynomial.chebyshev.chebvander(t, len(envelope(spread)) - 1) @ envelope(spread)
    wanted = np.exp(-((spread / 2 * (t[:, None] - t)) ** 2))
    assert np.abs(at @ at.T - wanted).max() < 1e-10


@pytest.mark.parametrize("spread", [1.0, 4.0, 12.0])
def test_the_envelope_has_constants_and_slopes_to_rounding(spread):
    """What an eigendecomposition of the kernel matrix does not: it ends at 1e-8."""
    t = np.linspace(-1, 1, 101)
    at = np.polynomial.chebyshev.chebvander(t, len(envelope(spread)) - 1) @ envelope(spread)
    for wanted in (np.ones(101), t):
        c = np.linalg.lstsq(at, wanted, rcond=1e-15)[0]
        assert np.abs(at @ c - wanted).max() < 1e-12


def test_features_make_the_kernel_of_the_mixture():
    mixture = SpectralMixture([0.0, 3.0, 7.5], weights=[1.0, 1.0, 1.0], rho=0.9)
    Phi = features([0.0, 3.0, 7.5]).matrix(X)
    assert np.abs(Phi @ Phi.T - mixture.covariance(X[:, None] - X)).max() < 1e-12


@pytest.mark.parametrize("order", [1, 2, 3, 4])
def test_derivatives_make_the_derivatives_of_the_kernel(order):
    """d^n/dx^n d^m/dx'^m k(x - x') = (-1)^m k^(n + m)(x - x').

    At the ends each order of a polynomial of degree 25 costs about a digit.
    """
    mixture = SpectralMixture([0.0, 3.0], weights=[1.0, 1.0], rho=0.9)
    made = features().matrix(X, order) @ features().matrix(X, 1).T
    wanted = -mixture.covariance(X[:, None] - X, order + 1)
    assert np.abs(made - wanted).max() < 1e-12 * 16**order * np.abs(wanted).max()


def test_groups_name_the_frequency_of_every_feature():
    part = features([0.0, 3.0])
    count = np.bincount(part.groups)
    assert part.size == count.sum() == part.matrix(X).shape[1]
    assert count[1] == 2 * count[0]


def test_amplitudes_are_roots_of_weights():
    low, high = X[0], X[-1]
    part = OscillatoryFeatures(low, high, (2.0,), (0.9,), amplitudes=(3.0,))
    assert np.allclose(part.matrix(X), 3 * OscillatoryFeatures(low, high, (2.0,), (0.9,)).matrix(X))


def test_no_points_and_one_point():
    assert features().matrix(np.zeros(0)).shape == (0, features().size)
    assert features().matrix(np.array([0.3]), 2).shape == (1, features().size)


@pytest.mark.parametrize("kind", ["stm", "matern52", "gm"])
@pytest.mark.parametrize("order", [0, 1, 2])
def test_features_of_a_kernel_matrix_interpolate_it(kind, order):
    frequencies = [0.0] if kind == "matern52" else [0.0, 1.5]
    mixture = SpectralMixture(frequencies, weights=1.0, rho=2.0, kind=kind)
    part = KernelFeatures(X, mixture)
    made = part.matrix(X, order) @ part.matrix(X).T
    wanted = mixture.covariance(X[:, None] - X, order)
    assert np.abs(made - wanted).max() < 1e-5 * np.abs(wanted).max()
    assert (part.low, part.high, part.size) == (X[0], X[-1], len(part.groups))


# ---- frequencies ---------------------------------------------------------------------------------------------
@given(mu=st.floats(3.0, 60.0), phase=st.floats(0, 6.3), scale=st.sampled_from([1e-200, 1.0, 1e200]))
@settings(max_examples=40, deadline=None)
def test_a_pure_tone_is_found(mu, phase, scale):
    x = np.linspace(0, 1, 200)
    found = find_frequencies(x, scale * np.sin(2 * np.pi * mu * x + phase)[:, None], 4.0)
    assert min(abs(other - mu) for other in found.frequencies) < 0.3
    assert found.remainder < 1e-10


@pytest.mark.parametrize("seed", range(5))
def test_a_tone_beyond_the_mean_sampling_rate_is_found_at_scattered_points(seed):
    x = np.sort(np.random.default_rng(seed).random(60))
    found = find_frequencies(x, np.sin(200 * np.pi * x)[:, None], 4.0)
    assert min(abs(mu - 100) for mu in found.frequencies) < 0.3


@pytest.mark.parametrize("seed", range(10))
def test_noise_adds_no_frequencies(seed):
    x = np.linspace(0, 1, 400)
    noise = np.random.default_rng(seed).standard_normal(400)
    assert find_frequencies(x, noise[:, None], 4.0).frequencies == (0.0,)
    both = find_frequencies(x, (np.sin(100 * x) + 0.01 * noise)[:, None], 4.0).frequencies
    assert len(both) == 2
    assert abs(both[1] - 100 / (2 * np.pi)) < 0.3


def test_a_changing_amplitude_needs_no_further_lines():
    x = np.linspace(0, 2 * np.pi, 900)
    found = find_frequencies(x, (x * np.sin(200 * x))[:, None], 4.0)
    assert len(found.frequencies) == 2
    assert found.remainder < 2e-12


def test_lines_close_together_are_found_where_they_are_when_refined():
    x = np.linspace(0, 2 * np.pi, 200)
    signal = np.sin(6 * x) * np.cos(20 * x)
    found = find_frequencies(x, signal[:, None], 4.0, refine=True).frequencies
    assert np.allclose(sorted(found)[:3], [0, 14 / (2 * np.pi), 26 / (2 * np.pi)], atol=1e-6)


@pytest.mark.parametrize("signals", [np.zeros((50, 0)), np.zeros((50, 3)), np.ones((50, 1))])
def test_nothing_to_find(signals):
    assert find_frequencies(np.linspace(0, 1, 50), signals, 4.0).frequencies == (0.0,)


def test_too_few_points_to_look():
    assert find_frequencies(np.array([0.0, 1.0, 2.0]), np.array([[1.0], [-1.0], [1.0]]), 4.0).frequencies == (
        0.0,
    )
