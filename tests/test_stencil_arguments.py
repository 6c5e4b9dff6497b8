"""StencilOperator as an object: its arguments and their refusals, memory, copies, pickles and threads."""

import copy
import pickle
import tracemalloc
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from scipy.sparse.linalg import aslinearoperator
from scipy.sparse.linalg import cg as scipy_cg

from pysolve import StencilOperator, gallery
from pysolve._backend import kernels

core = kernels(np.empty(0))

W0, W1 = np.ones((4, 4)), np.ones((3, 5))  # face weights of a box of shape (3, 4)


def changed(array, index, value):
    array = array.copy()
    array[index] = value
    return array


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        ({"shape": (3,)}, r"shape must hold 2 or 3 extents, each at least 1, got \(3,\)"),
        ({"shape": (3, 4, 1, 1)}, "shape must hold 2 or 3 extents"),
        ({"shape": (3, 0)}, "shape must hold 2 or 3 extents"),
        ({"weights": (1.0,)}, "weights must have one entry for each of the 2 axes, got 1"),
        (
            {"weights": (1.0, W1)},
            r"weights must be all scalars or all arrays, got scalars for the axes \[0\] only",
        ),
        ({"weights": (W0, W1.T)}, r"weights\[1\] must have shape \(3, 5\), got \(5, 3\)"),
        ({"weights": (1.0, -2.0)}, r"weights\[1\] must be finite in float64 and at least 0, got -2.0"),
        ({"weights": (np.nan, 1.0)}, r"weights\[0\] must be finite in float64 and at least 0, got nan"),
        (
            {"weights": (1e300, 1.0), "dtype": "f4"},
            r"weights\[0\] must be finite in float32 and at least 0, got 1e\+300",
        ),
        (
            {"weights": (W0, changed(W1, (1, 2), -1))},
            r"weights\[1\] .* at least 0, got -1.0 at index \(1, 2\)",
        ),
        ({"weights": (changed(W0, (0, 3), np.nan), W1)}, r"weights\[0\] .* got nan at index \(0, 3\)"),
        ({"weights": (changed(W0, (0, 3), np.inf), W1)}, r"weights\[0\] .* got inf at index \(0, 3\)"),
        (
            {"weights": (changed(W0, (0, 2), 7), W1), "boundary": "periodic"},
            r"weights\[0\]: face 0 and face 3 of a periodic axis .* got 7.0 and 1.0 at position \(2,\)",
        ),
        ({"boundary": "open"}, r"boundary\[0\] must be one of .*'neumann'.*, got \('open', 'open'\)"),
        ({"boundary": ("neumann",)}, "boundary must have one entry for each of the 2 axes"),
        ({"boundary": ("neumann", ("neumann",) * 3)}, r"boundary\[1\] must be one of"),
        (
            {"boundary": ("neumann", ("periodic", "neumann"))},
            r"boundary\[1\] is .*'periodic' must be on both sides",
        ),
        ({"shift": -1.0}, "shift must be finite in float64 and at least 0, got -1.0"),
        ({"shift": np.ones((4, 3))}, r"shift must have shape \(3, 4\), got \(4, 3\)"),
        ({"shift": np.full((3, 4), -1.0)}, r"shift .* at least 0, got -1.0 at index \(0, 0\)"),
    ],
)
def test_wrong_value_is_refused_with_its_name(arguments, text):
    arguments = {"shape": (3, 4), "weights": (1.0, 1.0), **arguments}
    with pytest.raises(ValueError, match=text):
        StencilOperator(**arguments)


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        ({"shape": 3}, "shape must be a sequence of 2 or 3 integers, got 3"),
        ({"shape": (3.0, 4)}, r"shape must be a sequence of 2 or 3 integers, got \(3.0, 4\)"),
        ({"weights": 1.0}, "weights must have one entry for each axis, got 1.0"),
        ({"weights": (1.0, "a")}, r"weights\[1\] must be a real number or an array, got 'a'"),
        ({"weights": (1.0, 1j)}, r"weights\[1\] must be a real number or an array, got 1j"),
        ({"weights": (W0, W1 * 1j)}, r"weights\[1\] must hold real numbers, got dtype complex128"),
        ({"boundary": None}, "boundary must be a string or one entry for each axis, got None"),
        ({"shift": None}, "shift must be a real number or an array, got None"),
        ({"dtype": "i8"}, "dtype must be float32 or float64, got 'i8'"),
        ({"dtype": complex}, "dtype must be float32 or float64"),
        ({"dtype": "spam"}, "dtype must be float32 or float64, got 'spam'"),
    ],
)
def test_wrong_type_is_refused_with_its_name(arguments, text):
    arguments = {"shape": (3, 4), "weights": (1.0, 1.0), **arguments}
    with pytest.raises(TypeError, match=text):
        StencilOperator(**arguments)


@pytest.mark.parametrize(
    ("weights", "shift", "asked", "expected"),
    [
        ((1, 1), 0, None, "f8"),
        ((1, 1), 0, "f4", "f4"),
        ((np.float32(1), 1), 0, None, "f8"),
        ((W0.astype("f4"), W1.astype("f4")), 0.5, None, "f4"),
        ((W0.astype("f4"), W1), 0.0, None, "f8"),
        ((W0.astype("f4"), W1.astype("f4")), np.ones((3, 4)), None, "f8"),
        ((W0.astype(int), W1.astype(bool)), 0, None, "f8"),
    ],
)
def test_type_follows_from_the_arrays(weights, shift, asked, expected):
    A = StencilOperator((3, 4), weights, shift=shift, dtype=asked)
    assert A.dtype == expected
    assert all(isinstance(w, float) or w.dtype == expected for w in (*A.weights, A.shift))


def test_attributes_are_as_documented():
    A = StencilOperator([3, np.int64(4)], [2, 1], boundary=("neumann", ["dirichlet", "neumann"]))
    assert (A.shape, A.grid_shape, A.dtype) == ((12, 12), (3, 4), np.float64)
    assert (A.weights, A.shift) == ((2.0, 1.0), 0.0)
    assert A.boundary == (("neumann", "neumann"), ("dirichlet", "neumann"))
    assert repr(A) == (
        "StencilOperator((3, 4), weights=(2.0, 1.0), "
        "boundary=(('neumann', 'neumann'), ('dirichlet', 'neumann')), shift=0.0, dtype=float64)"
    )


def test_weights_of_neumann_faces_are_read_as_zero_and_the_array_is_left_alone():
    given = W0.copy()
    A = StencilOperator((3, 4), (given, W1), boundary=(("neumann", "dirichlet"), "neumann"))
    assert (A.weights[0][0] == 0).all()
    assert (A.weights[0][1:] == 1).all()
    assert (A.weights[1][:, [0, -1]] == 0).all()
    assert (given == 1).all()
    given.setflags(write=False)
    assert (StencilOperator((3, 4), (given, W1), boundary="neumann").weights[0][-1] == 0).all()
    assert (given == 1).all()


def test_later_changes_of_the_arrays_do_not_reach_the_operator():
    w0, w1, shift = W0.copy(), W1.copy(), np.ones((3, 4))
    A = StencilOperator((3, 4), (w0, w1), shift=shift)
    before = A @ np.ones(12)
    for array in (w0, w1, shift):
        array.fill(5)
    np.testing.assert_array_equal(A @ np.ones(12), before)
    for array in (*A.weights, A.shift):
        with pytest.raises(ValueError, match="read-only"):
            array.fill(5)


def test_arrays_nobody_can_write_to_are_kept_without_a_copy():
    w0, w1 = W0.copy(), W1.copy()
    w0.setflags(write=False)
    A = StencilOperator((3, 4), (w0, w1))
    assert A.weights[0] is w0
    assert A.weights[1] is not w1
    assert StencilOperator((3, 4), A.weights, dtype="f4").weights[0].dtype == np.float32


def test_constant_coefficients_take_no_memory():
    tracemalloc.start()
    try:
        A = StencilOperator((256, 256, 256), (1.0, 1.0, 1.0), boundary="neumann")
        assert A.n_components == 1
        assert tracemalloc.get_traced_memory()[1] < 100_000
    finally:
        tracemalloc.stop()


def operators_to_copy():
    rng = np.random.default_rng(0)
    solid = rng.random((5, 6, 7)) < 0.3
    return {
        "constant": StencilOperator((5, 6), (1.0, 2.0), boundary="periodic", shift=0.5, dtype="f4"),
        "variable": gallery.poisson((5, 6, 7), solid=solid, boundary="neumann"),
        "shifted": StencilOperator((3, 4), (W0, W1), shift=rng.random((3, 4))),
    }


@pytest.mark.parametrize("name", ["constant", "variable", "shifted"])
@pytest.mark.parametrize("used", [False, True])
def test_pickles_and_copies_are_the_same_operator(name, used):
    A = operators_to_copy()[name]
    x = np.random.default_rng(1).standard_normal(A.shape[0])
    expected = A @ x
    if not used:
        A = operators_to_copy()[name]
    copies = [pickle.loads(pickle.dumps(A, protocol)) for protocol in (2, 5)]
    for B in (*copies, copy.copy(A), copy.deepcopy(A)):
        np.testing.assert_array_equal(B @ x, expected)
        assert (repr(B), B.n_components) == (repr(A), A.n_components)
        np.testing.assert_array_equal(B.decoupled, A.decoupled)
        assert not any(w.flags.writeable for w in (*B.weights, B.shift) if isinstance(w, np.ndarray))


def test_threads_share_an_operator_from_its_first_product_on():
    A = gallery.bubbles((20, 20, 20))
    X = np.random.default_rng(3).standard_normal((8, A.shape[0]))
    with ThreadPoolExecutor(8) as pool:
        products = list(pool.map(A.matvec, X))
    np.testing.assert_array_equal(products, [A @ x for x in X])


def test_other_types_keep_everything_but_the_precision():
    A = operators_to_copy()["shifted"]
    B = A.astype("f4")
    assert A.astype(float) is A
    assert B.dtype == np.float32
    np.testing.assert_allclose(B.tocsr().toarray(), A.tocsr().toarray(), rtol=1e-6)
    with pytest.raises(TypeError, match="dtype must be float32 or float64"):
        A.astype(int)
    with pytest.raises(TypeError, match="dtype must be float32 or float64, got 'spam'"):
        A.astype("spam")


def test_scipy_takes_it_as_a_linear_operator():
    A = gallery.poisson((9, 8))
    b = np.ones(72)
    as_scipy = aslinearoperator(A)
    np.testing.assert_array_equal(as_scipy @ b, A @ b)
    np.testing.assert_array_equal(as_scipy.H @ b, A @ b)
    x, info = scipy_cg(A, b, rtol=1e-10)
    assert info == 0
    np.testing.assert_allclose(A @ x, b, atol=1e-8)


def test_numpy_does_not_take_it_for_an_object():
    with pytest.raises(TypeError):
        np.ones(72) @ gallery.poisson((9, 8))


@pytest.mark.parametrize("cells", [[3, 1], [1, 1], [-1], [12], [0, 10**12]])
def test_kernel_refuses_decoupled_cells_that_are_none(cells):
    with pytest.raises(ValueError, match="decoupled must rise and lie in"):
        core.stencil_grid((3, 1, 4), (0,) * 3, (0,) * 3, (1.0,) * 3, 0.0, np.array(cells), "f8")


@pytest.mark.parametrize("n", [(2**32, 2**32, 1), (2**31, 2**31, 2**31), (1, 2**62, 1)])
def test_kernel_refuses_boxes_beyond_memory(n):
    with pytest.raises(ValueError, match="n names more cells than memory can hold"):
        core.stencil_grid(n, (0,) * 3, (0,) * 3, (1.0,) * 3, 0.0, None, "f8")


@pytest.mark.parametrize(
    "weights", [(1.0, 1.0, 2), (0, 1.0, 1.0), (0, 1.0, 2), (1.0, 1, 1.0), (1.0, None, 1.0), (0, None, 2)]
)
def test_kernel_refuses_numbers_among_arrays(weights):
    arrays = [np.ones((3, 3, 4)), np.ones((2, 4, 4)), np.ones((2, 3, 5))]
    mixed = tuple(arrays[w] if isinstance(w, int) else w for w in weights)
    with pytest.raises(ValueError, match="weights must be all numbers or all arrays"):
        core.stencil_grid((2, 3, 4), (0,) * 3, (0,) * 3, mixed, 0.0, None, "f8")
