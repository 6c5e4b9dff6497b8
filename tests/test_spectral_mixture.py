"""Spectral mixtures: covariances and derivatives equal the formulas, and every odd input has an answer."""

import copy
import math
import pickle

import numpy as np
import pytest
import scipy.linalg
from hypothesis import given, settings
from hypothesis import strategies as st

from pysolve import SpectralMixture

KINDS = ["gm", "stm", "se", "matern52"]
thorough = settings(max_examples=60, deadline=None)


def mixture(kind, Q=3):
    frequencies = np.linspace(0.0, 4.0, Q) if kind in ("gm", "stm") else np.zeros(Q)
    return SpectralMixture(frequencies, np.linspace(0.2, 1.0, Q), np.linspace(0.5, 2.0, Q), kind)


def term(d, mu, rho, kind):
    """The formula of the sheet for one component; d may be complex with a positive real part."""
    s = math.sqrt(5) * rho
    g = np.exp(-(rho**2) * d**2) if kind in ("gm", "se") else (1 + s * d + s**2 * d**2 / 3) * np.exp(-s * d)
    return g * np.cos(2 * np.pi * mu * d)


@pytest.mark.parametrize("kind", KINDS)
def test_covariance_is_the_formula(kind):
    kernel, d = mixture(kind), np.linspace(0, 3, 50)
    expected = sum(
        w * term(d, mu, rho, kind)
        for w, mu, rho in zip(kernel.weights, kernel.frequencies, kernel.rho, strict=True)
    )
    np.testing.assert_allclose(kernel.covariance(d), expected, rtol=1e-13, atol=1e-15)
    np.testing.assert_array_equal(kernel.covariance(-d), kernel.covariance(d))
    assert kernel.covariance(0.0) == pytest.approx(kernel.variance, rel=1e-15)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("order", range(5))
def test_derivatives_equal_cauchys_integral(kind, order):
    """f^(n)(d) = n! / (2 pi i) times the integral of f / (z - d)^(n+1) on a circle, by the trapezoidal rule."""
    kernel, radius, m = mixture(kind), 0.2, 128
    circle = radius * np.exp(2j * np.pi * np.arange(m) / m)
    for d in 0.25, 0.9, 2.5:
        f = sum(
            w * term(d + circle, mu, rho, kind)
            for w, mu, rho in zip(kernel.weights, kernel.frequencies, kernel.rho, strict=True)
        )
        expected = math.factorial(order) * np.mean(f / circle**order).real
        scale = math.factorial(order) * np.abs(f).max() / radius**order
        assert kernel.covariance(d, order) == pytest.approx(expected, abs=1e-12 * scale)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("order", range(1, 5))
def test_derivative_is_the_difference_of_the_one_below(kind, order):
    kernel, h = mixture(kind), 1e-5
    d = np.array([-1.0, -0.3, -2e-5, 0.0, 2e-5, 0.1, 2.0])
    difference = (kernel.covariance(d + h, order - 1) - kernel.covariance(d - h, order - 1)) / (2 * h)
    scale = np.abs(kernel.covariance(np.linspace(0, 1, 400), order)).max()
    # Beside 0 the fourth derivative of Matern 5/2 falls steeply: its slope times h is the error.
    np.testing.assert_allclose(kernel.covariance(d, order), difference, atol=2e-4 * scale)


@pytest.mark.parametrize("kind", ["stm", "matern52"])
def test_matern_derivatives_at_zero_are_those_of_the_series(kind):
    """(1 + t + t^2/3) exp(-t) = 1 - t^2/6 + t^4/24 + O(|t|^5), so that g'' = -s^2/3 and g'''' = s^4 at 0."""
    kernel = SpectralMixture(0.0, 1.0, 0.7, kind)
    s = math.sqrt(5) * 0.7
    found = [kernel.covariance(0.0, order) for order in range(5)]
    np.testing.assert_allclose(found, [1, 0, -(s**2) / 3, 0, s**4], rtol=1e-14, atol=0)


@pytest.mark.parametrize("order", [5, 6, 9, 12])
def test_high_orders_of_the_gaussian_are_hermite_polynomials(order):
    kernel, d = SpectralMixture(0.0, 1.0, 1.3, "se"), np.linspace(-2, 2, 41)
    hermite = np.polynomial.hermite.hermval(1.3 * d, [0] * order + [1])
    expected = (-1.3) ** order * hermite * np.exp(-((1.3 * d) ** 2))
    np.testing.assert_allclose(
        kernel.covariance(d, order), expected, rtol=1e-11, atol=1e-12 * np.abs(expected).max()
    )


@given(
    st.sampled_from(KINDS),
    st.integers(0, 4),
    st.floats(0, 1e6),
    st.floats(1e-6, 1e6),
    st.floats(-1e9, 1e9),
)
@thorough
def test_parity_and_bounds_hold_for_every_size(kind, order, mu, rho, d):
    """|k^(n)(d)| is at most what the spectrum gives at 0: for even n it is largest there."""
    kernel = SpectralMixture(mu if kind in ("gm", "stm") else 0.0, 2.0, rho, kind)
    found = kernel.covariance(d, order)
    assert np.isfinite(found)
    assert kernel.covariance(-d, order) == (-1) ** order * found
    if order % 2 == 0:
        assert abs(found) <= abs(kernel.covariance(0.0, order)) * (1 + 1e-9)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("order", range(5))
def test_far_and_near_distances_are_exact(kind, order):
    kernel = mixture(kind)
    far = kernel.covariance([1e3, 1e160, 1e308, np.inf, -np.inf], order)
    np.testing.assert_array_equal(far, 0.0)
    near = kernel.covariance([1e-300, 1e-160, -1e-300], order)
    at_zero = kernel.covariance(0.0, order)
    np.testing.assert_allclose(near, at_zero, rtol=1e-12, atol=1e-150)


@pytest.mark.parametrize("kind", KINDS)
def test_matrix_is_positive_semidefinite_and_toeplitz(kind):
    kernel, x = mixture(kind), np.linspace(5.0, 9.0, 120)
    for order in range(5):
        column = kernel.toeplitz_column(x, order)
        K = scipy.linalg.toeplitz(column, (-1) ** order * column)
        expected = kernel.covariance(x[:, None] - x, order)
        np.testing.assert_allclose(K, expected, atol=1e-11 * np.abs(expected).max())
        if order % 2 == 0:  # (-1)^(n/2) k^(n) is the covariance of a derivative
            values = np.linalg.eigvalsh((-1) ** (order // 2) * K)
            assert values.min() >= -1e-11 * values.max()


def test_defaults_spread_and_orders():
    kernel = SpectralMixture([1.0, 2.0, 3.0, 4.0])
    np.testing.assert_array_equal(kernel.weights, 0.25)
    np.testing.assert_array_equal(kernel.rho, 1.0)
    assert kernel.max_order == math.inf
    assert SpectralMixture(1.0, kind="stm").max_order == 2
    assert SpectralMixture(0.0, rho=[1.0, 2.0], kind="matern52").weights.tolist() == [0.5, 0.5]
    assert SpectralMixture(-3.0).covariance(0.1, 1) == SpectralMixture(3.0).covariance(0.1, 1)


def test_shapes_are_kept_and_empty_is_allowed():
    kernel = mixture("gm")
    assert isinstance(kernel.covariance(1), float)
    assert kernel.covariance(np.zeros((2, 3, 4)), 2).shape == (2, 3, 4)
    assert kernel.covariance([]).shape == (0,)
    assert kernel.covariance(np.arange(4, dtype="i4")).dtype == np.float64
    assert kernel.toeplitz_column([2.0]).tolist() == [kernel.variance]


def test_many_distances_are_summed_in_pieces():
    kernel, d = mixture("stm", 7), np.linspace(-3, 3, 100_001)
    np.testing.assert_allclose(
        kernel.covariance(d, 2)[::977], kernel.covariance(d[::977], 2), rtol=1e-12, atol=1e-12
    )


def test_arrays_cannot_be_written_to_and_are_copies():
    mine = np.array([1.0, 2.0])
    kernel = SpectralMixture(mine)
    mine[0] = 9.0
    assert kernel.frequencies[0] == 1.0
    with pytest.raises(ValueError, match="read-only"):
        kernel.weights[0] = 2.0
    with pytest.raises(AttributeError):
        kernel.kind = "stm"


@pytest.mark.parametrize("kind", KINDS)
def test_copies_are_equal(kind):
    kernel = mixture(kind)
    for other in pickle.loads(pickle.dumps(kernel)), copy.copy(kernel), copy.deepcopy(kernel):
        assert other == kernel
        assert hash(other) == hash(kernel)
        assert not other.rho.flags.writeable
    assert kernel != mixture(kind, 4)
    assert kernel != "gm"
    assert kind in repr(kernel)


@pytest.mark.parametrize(
    ("arguments", "error", "part"),
    [
        (([],), ValueError, "frequencies must have at least one"),
        (([np.nan],), ValueError, r"frequencies\[0\] is nan"),
        (([np.inf],), ValueError, "frequencies"),
        (([1e60],), ValueError, "at most 1e"),
        (("abc",), TypeError, "frequencies"),
        ((None,), TypeError, "frequencies"),
        (([1.0], None, None), TypeError, "rho"),
        (([1j],), ValueError, "frequencies"),
        (([[1.0]],), ValueError, "frequencies"),
        (([1.0, 2.0], [1.0, -1.0]), ValueError, r"weights\[1\] is -1"),
        (([1.0, 2.0], [1.0, np.nan]), ValueError, r"weights\[1\] is nan"),
        (([1.0, 2.0], [1.0, 2.0, 3.0]), ValueError, "must have 3 numbers"),
        (([1.0], [1.0], 0.0), ValueError, r"rho\[0\] is 0"),
        (([1.0], [1.0], -2.0), ValueError, "rho must be positive"),
        (([1.0], [1.0], [1.0], "sm"), ValueError, "kind must be one of"),
        (([1.0], [1.0], [1.0], None), ValueError, "kind must be one of"),
        (([1.0], [1.0], [1.0], "se"), ValueError, "frequencies must be 0"),
        (([1.0], [1.0], [1.0], "matern52"), ValueError, "no cosine"),
    ],
)
def test_wrong_arguments_are_named(arguments, error, part):
    with pytest.raises(error, match=part):
        SpectralMixture(*arguments)


def test_wrong_calls_are_named():
    stm, gm = mixture("stm"), mixture("gm")
    with pytest.raises(ValueError, match="order must be at most 4"):
        stm.covariance(0.0, 5)
    with pytest.raises(ValueError, match="order"):
        gm.covariance(0.0, -1)
    with pytest.raises(TypeError, match="order"):
        gm.covariance(0.0, 1.5)
    with pytest.raises(ValueError, match="too high"):
        gm.covariance(0.0, 300)
    with pytest.raises(ValueError, match=r"d\.ravel\(\)\[1\] is nan"):
        gm.covariance([0.0, np.nan])
    with pytest.raises(TypeError, match="d must"):
        gm.covariance("near")
    with pytest.raises(TypeError, match="d must be real"):
        gm.covariance(1j)
    for x in [0.0, 1.0, 2.1], [1.0, 0.0], [[0.0, 1.0]], [], 1.0, [0.0, 0.0]:
        with pytest.raises(ValueError, match="x must be"):
            gm.toeplitz_column(x)
    with pytest.raises(ValueError, match=r"x\[1\] is nan"):
        gm.toeplitz_column([0.0, np.nan])
