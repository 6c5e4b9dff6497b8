"""The gallery's arguments: what is refused, with the name, the value and what was expected."""

import numpy as np
import pytest

from pysolve import gallery

RANDOM = ["obstacle_box", "free_surface", "bubbles", "log_normal"]


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (
            {"solid": np.zeros((4, 3), bool)},
            r"solid must be a bool array of shape \(3, 4\), got bool of shape \(4, 3\)",
        ),
        ({"solid": np.zeros((3, 4))}, "solid must be a bool array .*, got float64"),
        ({"coefficient": np.ones((4, 3))}, r"coefficient must have shape \(3, 4\), got \(4, 3\)"),
        (
            {"coefficient": np.zeros((3, 4))},
            r"coefficient must be finite and positive, got 0.0 in cell \(0, 0\)",
        ),
        ({"coefficient": -1}, "coefficient must be finite and positive, got -1"),
        (
            {"anisotropy": (1, 2, 3)},
            r"anisotropy must hold 2 finite factors, each at least 0, got \(1, 2, 3\)",
        ),
        ({"anisotropy": (1, -2)}, "anisotropy must hold 2 finite factors"),
        ({"format": "dia"}, "format must be 'stencil' or 'csr', got 'dia'"),
        ({"coefficient": np.nan}, "coefficient must be finite and positive, got nan"),
        ({"coefficient": 10**400}, "coefficient must be finite and positive, got 1000"),
        (
            {"coefficient": [[1.0], [1.0, 2.0]]},
            "coefficient must be a number, an array of numbers or a callable",
        ),
        ({"solid": [[True], [True, False]]}, r"solid must be a bool array of shape \(3, 4\)"),
        ({"boundary": "open"}, r"boundary\[0\] must be one of"),
    ],
)
def test_wrong_argument_is_refused_with_its_name(arguments, text):
    with pytest.raises(ValueError, match=text):
        gallery.poisson((3, 4), **arguments)


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        ({"coefficient": "x"}, "coefficient must be a number, an array of numbers or a callable .*, got 'x'"),
        ({"coefficient": 1j}, "coefficient must be a number, .*, got 1j"),
        ({"coefficient": np.full((3, 4), 1j)}, "coefficient must be .*, got an array of complex128"),
        ({"coefficient": lambda x, y: "x"}, "coefficient must be .*, got 'x'"),
        ({"anisotropy": 3.0}, "anisotropy must hold 2 finite factors, each at least 0, got 3.0"),
        ({"anisotropy": "ab"}, "anisotropy must hold 2 finite factors, each at least 0, got 'ab'"),
        ({"solid": "x"}, r"solid must be a bool array of shape \(3, 4\), got 'x'"),
        ({"dtype": "spam"}, "dtype must be float32 or float64, got 'spam'"),
        ({"dtype": 1.5}, "dtype must be float32 or float64, got 1.5"),
    ],
)
def test_argument_of_a_wrong_type_is_refused_with_its_name(arguments, text):
    with pytest.raises(TypeError, match=text):
        gallery.poisson((3, 4), **arguments)


@pytest.mark.parametrize(
    ("name", "arguments", "text"),
    [
        ("anisotropic", {"axis": 2}, r"axis must be an axis of the shape \(3, 4\), an integer, got 2"),
        ("anisotropic", {"ratio": -1}, "ratio must be finite and at least 0, got -1"),
        ("log_normal", {"contrast": 0.5}, "contrast must be finite and at least 1, got 0.5"),
        ("log_normal", {"correlation_length": 0}, "correlation_length must be finite and positive, got 0"),
        ("free_surface", {"depth": np.nan}, "depth must be finite, got nan"),
        ("bubbles", {"contrast": 0}, "contrast must be finite and positive, got 0"),
        ("bubbles", {"format": "dia"}, "format must be"),
        ("bubbles", {"rng": -1}, "rng must be None, an integer that is at least 0, or a .*Generator, got -1"),
    ],
)
def test_wrong_argument_of_a_scene_is_refused(name, arguments, text):
    with pytest.raises(ValueError, match=text):
        gallery.scenes[name]((3, 4), **arguments)


@pytest.mark.parametrize(
    ("name", "arguments", "text"),
    [
        ("anisotropic", {"axis": 1.5}, r"axis must be an axis of the shape \(3, 4\), an integer, got 1.5"),
        ("anisotropic", {"ratio": "x"}, "ratio must be a number, finite and at least 0, got 'x'"),
        ("log_normal", {"contrast": None}, "contrast must be a number, finite and at least 1, got None"),
        ("log_normal", {"correlation_length": "x"}, "correlation_length must be a number, .*, got 'x'"),
        ("free_surface", {"depth": "x"}, "depth must be a number, finite, got 'x'"),
        ("free_surface", {"amplitude": [1]}, r"amplitude must be a number, finite, got \[1\]"),
        ("bubbles", {"contrast": 1j}, "contrast must be a number, finite and positive, got 1j"),
        *[(name, {"rng": "x"}, "rng must be None, .* got 'x'") for name in RANDOM],
        *[(name, {"dtype": "spam"}, "dtype must be float32 or float64, got 'spam'") for name in RANDOM],
    ],
)
def test_argument_of_a_scene_of_a_wrong_type_is_refused(name, arguments, text):
    with pytest.raises(TypeError, match=text):
        gallery.scenes[name]((3, 4), **arguments)
