"""What gp_pde refuses: the argument, its value and what was expected are named."""

import numpy as np
import pytest

from pysolve import Neumann, Robin, SpectralMixture, Unknown, gp_pde

X = np.linspace(0, 1, 60)
LAPLACE = {(2, 0): 1.0, (0, 2): 1.0}
GOOD = {
    "operator": {2: 1.0},
    "f": lambda x: -144 * np.sin(12 * x),
    "axes": X,
    "boundary": (0.0, np.sin(12.0)),
}
PLANE = {"operator": LAPLACE, "f": 0.0, "axes": [X[:9], X[:7]], "boundary": [(0.0, 0.0), (0.0, 0.0)]}


def refused(error, message, base=GOOD, **changes):
    with pytest.raises(error, match=message):
        gp_pde(**{**base, **changes})


@pytest.mark.parametrize(
    ("axes", "error", "message"),
    [
        ([0, 1, 1], ValueError, r"axes\[0\] must increase, got 1.0 and then 1.0 at 1"),
        (X[::-1], ValueError, r"axes\[0\] must increase"),
        (
            np.array([1.0]),
            ValueError,
            r"axes\[0\] must be a 1-D array of at least 2 points, got shape \(1,\)",
        ),
        (np.zeros(0), ValueError, "at least 2 points"),
        (np.array([0.0, np.nan]), ValueError, r"axes\[0\] must be finite, got nan at 1"),
        ([X, X, X, X], ValueError, "axes must be 1 to 3 arrays, got 4"),
        (3.0, TypeError, "axes must be a 1-D array for each dimension, got float"),
        (X * 1j, TypeError, r"axes\[0\] must hold real numbers, got dtype complex128"),
        (["a", "b"], TypeError, "axes"),
    ],
)
def test_axes(axes, error, message):
    refused(error, message, axes=axes)


@pytest.mark.parametrize(
    ("operator", "error", "message"),
    [
        ({}, TypeError, "operator must be a dict of derivative orders to coefficients"),
        (3, TypeError, "operator must be a dict"),
        ({(2, 0): 1.0}, ValueError, r"tuples of 1 derivative orders \(0, 1, 2, ...\), got \(2, 0\)"),
        ({-2: 1.0}, ValueError, "got -2"),
        ({1.5: 1.0}, ValueError, "got 1.5"),
        ({True: 1.0}, ValueError, "got True"),
        ({2: np.nan}, ValueError, r"operator\[\(2,\)\] must be finite, got nan"),
        ({2: np.ones(7)}, ValueError, r"must be a number or fit the grid \(60,\), got shape \(7,\)"),
        ({2: lambda x: np.ones(7)}, ValueError, r"got shape \(7,\)"),
        ({2: 1j}, TypeError, "must hold real numbers"),
        ({2: Unknown("")}, ValueError, "must have a name"),
        ({2: Unknown("k", start=np.nan)}, ValueError, "start of 'k' must be a finite number, got nan"),
    ],
)
def test_operator(operator, error, message):
    refused(error, message, operator=operator)


@pytest.mark.parametrize(
    ("f", "error", "message"),
    [
        (np.zeros(5), ValueError, r"f must be a number or fit the grid \(60,\), got shape \(5,\)"),
        (np.full(60, np.inf), ValueError, "f must be finite, or NaN where it is unknown; got inf"),
        (np.full(60, np.nan), ValueError, "f is NaN everywhere and there is no data"),
        (lambda x: x[:3], ValueError, r"got shape \(3,\)"),
        (np.zeros(60, complex), TypeError, "f must hold real numbers"),
    ],
)
def test_right_side(f, error, message):
    refused(error, message, f=f)


@pytest.mark.parametrize(
    ("boundary", "error", "message"),
    [
        (
            (0, 0, 0),
            ValueError,
            r"boundary\[0\] must be a pair \(low, high\), None or 'periodic', got \(0, 0, 0\)",
        ),
        ("open", ValueError, "got 'open'"),
        (("dirichlet", 0), TypeError, r"boundary\[0\]\[0\] must be a number"),
        ((np.inf, 0), ValueError, r"boundary\[0\]\[0\] must be finite"),
        ((0, np.zeros(3)), ValueError, r"boundary\[0\]\[1\] must be a number, got shape \(3,\)"),
        ((Robin(0, 0, 1), 0), ValueError, "a and b must not both be 0"),
        ((Robin(np.nan, 1, 1), 0), ValueError, "a must be a finite number, got nan"),
        ((Neumann("steep"), 0), TypeError, "real numbers"),
    ],
)
def test_boundary(boundary, error, message):
    refused(error, message, boundary=boundary)


def test_boundary_of_a_plane():
    refused(ValueError, "one pair for each of the 2 axes", PLANE, boundary=[(0.0, 0.0)])
    refused(
        ValueError,
        r"boundary\[0\]\[1\] must be a number or fit the grid \(7,\)",
        PLANE,
        boundary=[(0, X), None],
    )


@pytest.mark.parametrize(
    ("changes", "error", "message"),
    [
        ({"noise": -1}, ValueError, "noise must be a finite standard deviation of at least 0, got -1.0"),
        ({"noise": np.append(0.0, np.ones(59))}, ValueError, "positive everywhere, got 0"),
        ({"noise": np.nan}, ValueError, "noise"),
        ({"data": (X, X)}, TypeError, r"data must be a tuple \(points, values, sd\)"),
        ({"data": (X + 1, X, 0.1)}, ValueError, r"must lie within axes\[0\] \[0.0, 1.0\], got 1.0"),
        ({"data": (X, X[:3], 0.1)}, ValueError, r"data\[1\] \(values\) must have shape \(60,\), got \(3,\)"),
        ({"data": (X, X, -0.1)}, ValueError, r"data\[2\] \(sd\) must be finite and at least 0"),
        ({"data": (X, X * np.nan, 0.1)}, ValueError, "data must be finite"),
        ({"data": (X, X, X[:2])}, ValueError, r"data\[2\] \(sd\) must be a number or have shape"),
        ({"data": (np.zeros((3, 2)), X[:3], 0.1)}, ValueError, r"must have shape \(n, 1\), got \(3, 2\)"),
        ({"nonlinear": 3}, TypeError, r"nonlinear must be a pair \(N, dN\)"),
        (
            {"kernel": "rbf"},
            ValueError,
            "kernel must be one of gm, stm, se, matern52 or a SpectralMixture, got 'rbf'",
        ),
        ({"kernel": [SpectralMixture(1.0)] * 2}, ValueError, "a SpectralMixture for each of the 1 axes"),
        (
            {"kernel": SpectralMixture(1.0), "frequencies": [1.0]},
            ValueError,
            "frequencies must be left 'auto'",
        ),
        ({"kernel": "se", "frequencies": [1.0]}, ValueError, "frequencies must be left 'auto'"),
        ({"kernel": "matern52", "operator": {3: 1.0}}, ValueError, "order 3 on axis 0; the kernel allows 2"),
        (
            {"frequencies": [-1]},
            ValueError,
            r"frequencies\[0\] must be finite numbers of at least 0, got \[-1\]",
        ),
        ({"frequencies": []}, ValueError, "frequencies"),
        (
            {"frequencies": 3},
            ValueError,
            "frequencies must be 'auto' or a list for each of the 1 axes, got 3",
        ),
        ({"frequencies": "all"}, ValueError, "got 'all'"),
        ({"method": "adam"}, ValueError, "method must be 'least-squares' or 'joint', got 'adam'"),
        ({"options": {"Q": 3}}, ValueError, "options are for method='joint'"),
        (
            {"method": "joint", "options": {"q": 3}},
            ValueError,
            r"options of method='joint' are .* got \['q'\]",
        ),
        ({"method": "joint", "noise": 0.1}, ValueError, "method='joint' takes values of u at the sides only"),
        ({"progress": 3}, TypeError, "progress must be a bool or a callable, got 3"),
        ({"rng": "a"}, TypeError, "rng must be None"),
    ],
)
def test_other_arguments(changes, error, message):
    refused(error, message, **changes)


@pytest.mark.parametrize(
    ("where", "deriv", "error", "message"),
    [
        (np.zeros((3, 2)), None, ValueError, r"finite points of shape \(n, 1\), got \(3, 2\)"),
        (np.array([np.nan]), None, ValueError, "finite points"),
        ([np.array([np.nan])], None, ValueError, r"where\[0\] must be a finite 1-D array"),
        (X * 1j, None, TypeError, "real numbers"),
        (X, (1, 1), ValueError, r"deriv must be a tuple of 1 derivative orders, got \(1, 1\)"),
        (X, -1, ValueError, "deriv must be at least 0"),
        (X, 1.5, ValueError, "deriv must be"),
    ],
)
def test_prediction(where, deriv, error, message):
    solution = gp_pde(**GOOD)
    with pytest.raises(error, match=message):
        solution.predict(where, deriv)


@pytest.mark.parametrize("n", [-1, 1.5, True, "three"])
def test_draws(n):
    with pytest.raises(ValueError, match="n must be an integer of at least 0"):
        gp_pde(**GOOD).sample(n)


def test_a_kernel_of_few_derivatives_refuses_higher_ones():
    solution = gp_pde(**{**GOOD, "kernel": "matern52"})
    with pytest.raises(ValueError, match="order"):
        solution.predict(X, deriv=5)


def test_device_arrays_are_refused_in_words():
    class Device:
        @property
        def __cuda_array_interface__(self):
            return {}

    refused(TypeError, r"f \(ndarray\) is on the host, but axes\[0\] \(Device\) is on the GPU", axes=Device())
    refused(TypeError, r"frequencies\[0\] is an array on a device \(Device\)", frequencies=[Device()])


def test_too_many_features_for_unknown_numbers():
    refused(
        ValueError,
        "unknown numbers need at most 4000 features",
        PLANE,
        operator={(2, 0): "k", (0, 2): 1.0},
        frequencies=[[0, 1, 2, 3], [0, 1, 2, 3]],
    )
