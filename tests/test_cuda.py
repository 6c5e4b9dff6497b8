"""The CUDA kernels equal the reference: on a device where there is one, and always as simulated launches.

A simulated launch runs the very same bodies thread by thread on the host (tests/cuda_host), so that their
arithmetic, their indices and their sums are tested without a device. What only a device shows (the launches
themselves, memory, streams) is tested by the same functions with the mark `gpu`.
"""

import numpy as np
import pytest
import reference.conjugate_directions
import reference.csr
import reference.sell
import reference.stencil
from csr_cases import TYPES, VALUES, matrices, random_values, rounding, vectors
from cuda_cases import DeviceKernels, SimulatedKernels, build_simulation
from hypothesis import given, settings
from hypothesis import strategies as st
from reference.csr import wide
from stencil_cases import operators

from pysolve import _backend

RUNS = {"RunState", *(f"conjugate_directions_run_{kind}" for kind in ("csr", "sell", "stencil"))}
checked = settings(max_examples=60, deadline=None)


@pytest.fixture(scope="session")
def simulation(tmp_path_factory):
    return build_simulation(tmp_path_factory.mktemp("cuda_host"))


# Few small blocks walk their data in several rounds, as full-sized launches do with large data.
@pytest.fixture(
    scope="module", params=["simulated", "few blocks", pytest.param("device", marks=pytest.mark.gpu)]
)
def kernels(request):
    """Every kernel, with NumPy arrays in and out."""
    if request.param == "device":
        return DeviceKernels()
    library = request.getfixturevalue("simulation")
    return SimulatedKernels(library, *((64, 2) if request.param == "few blocks" else ()))


def empty_vectors(n, dtype, count):
    return [np.full(n, np.nan, dtype) for _ in range(count)]


# ---- csr ---------------------------------------------------------------------------------------------------


@given(A=matrices())
@checked
def test_csr_product_equals_the_reference(kernels, A):
    (x,) = vectors(A, A.shape[1])
    y, expected = empty_vectors(A.shape[0], x.dtype, 2)
    reference.csr.csr_matvec(*A.arrays, x, expected)
    kernels.csr_matvec(*A.arrays, x, y)
    assert (abs(y - expected) <= rounding(A, x)).all()


@given(A=matrices(square=True))
@checked
def test_csr_product_with_dot_and_residual_equal_the_reference(kernels, A):
    x, b = vectors(A, *A.shape)
    y, r, expected = empty_vectors(x.size, x.dtype, 3)
    dot = kernels.csr_matvec_dot(*A.arrays, x, y)
    reference.csr.csr_matvec(*A.arrays, x, expected)
    assert (abs(y - expected) <= rounding(A, x)).all()
    assert dot == pytest.approx(np.vdot(wide(x), wide(y)), rel=1e-12, abs=1e-12 * size(x, y))
    squared = kernels.csr_residual(*A.arrays, b, x, r)
    reference.csr.csr_residual(*A.arrays, b, x, expected)
    double = rounding(A._replace(data=wide(A.data)), x)
    assert (abs(r - expected) <= double + 2 * np.finfo(r.dtype).eps * abs(expected)).all()
    assert squared == pytest.approx(size(r, r), rel=1e-12)


def size(x, y):
    """What rounding in a dot product of x and y is relative to."""
    return float(abs(wide(x)) @ abs(wide(y)))


@given(A=matrices(scales=(1.0,)))
@checked
def test_csr_check_equals_the_reference(kernels, A):
    report = kernels.csr_check(*A.arrays, A.shape[1])
    expected = reference.csr.csr_check(*A.arrays, A.shape[1])
    for name in ("fault", "position"):
        assert report[name] == expected[name]
    scale = 1e-12 * (1 + abs(wide(A.data)).sum())
    for name in ("asymmetry", "frobenius", "max_row_sum"):
        assert report[name] == pytest.approx(expected[name], rel=1e-12, abs=scale)


@pytest.mark.parametrize(("dtype", "index"), TYPES)
@pytest.mark.parametrize(
    ("array", "position", "value", "fault"),
    [
        ("indptr", 0, 1, ("indptr", 0)),
        ("indptr", 7, 2, ("indptr", 7)),
        ("indptr", 40, 200, ("indptr", 40)),
        ("indices", 11, -1, ("index", 11)),
        ("indices", 39, 40, ("index", 39)),
        ("data", 30, np.nan, ("value", 30)),
        ("data", 31, -np.inf, ("value", 31)),
    ],
)
def test_csr_check_finds_what_is_wrong(kernels, dtype, index, array, position, value, fault):
    parts = {
        "indptr": np.arange(41, dtype=index),
        "indices": np.arange(40, dtype=index),
        "data": np.ones(40, dtype),
    }
    parts[array][position] = value
    report = kernels.csr_check(*parts.values(), 40)
    assert (report["fault"], report["position"]) == fault


# ---- sell --------------------------------------------------------------------------------------------------


def packed(module, A):
    """The packed copy that a module of kernels makes of a matrix with sorted rows."""
    n_slices = -(-A.shape[0] // 8)
    lengths = np.zeros((2, n_slices), np.int64)
    module.sell_measure(*A.arrays, A.shape[1], *lengths)
    slice_ptr, gather_ptr = (np.concatenate([[0], np.cumsum(row)]).astype(np.int64) for row in lengths)
    column, indices = (
        np.full(n, -99, np.int32) for n in (slice_ptr[-1], 8 * gather_ptr[-1])
    )
    data = np.full(8 * slice_ptr[-1], np.nan, A.data.dtype)
    module.sell_pack(*A.arrays, A.shape[1], slice_ptr, gather_ptr, column, indices, data)
    return slice_ptr, column, indices, data


@given(A=matrices(sorted_rows=True))
@checked
def test_packed_copy_equals_the_reference(kernels, A):
    for ours, expected in zip(packed(kernels, A), packed(reference.sell, A), strict=True):
        np.testing.assert_array_equal(ours, expected)


@given(A=matrices(square=True, sorted_rows=True))
@checked
def test_packed_products_equal_the_reference(kernels, A):
    P = packed(reference.sell, A)
    x, b = vectors(A, *A.shape)
    y, z, r, expected = empty_vectors(x.size, x.dtype, 4)
    kernels.sell_matvec(*P, x, y)
    reference.sell.sell_matvec(*P, x, expected)
    assert (abs(y - expected) <= rounding(A, x)).all()
    dot = kernels.sell_matvec_dot(*P, x, z)
    np.testing.assert_array_equal(z, y)
    assert dot == pytest.approx(np.vdot(wide(x), wide(y)), rel=1e-12, abs=1e-12 * size(x, y))
    squared = kernels.sell_residual(*P, b, x, r)
    reference.sell.sell_residual(*P, b, x, expected)
    double = rounding(A._replace(data=wide(A.data)), x)
    assert (abs(r - expected) <= double + 2 * np.finfo(r.dtype).eps * abs(expected)).all()
    assert squared == pytest.approx(size(r, r), rel=1e-12)


# ---- stencil -----------------------------------------------------------------------------------------------


def grid_arguments(A):
    """What pysolve hands to stencil_grid for this operator."""
    found = []
    original = _backend._core.stencil_grid
    from pysolve import _stencil_products

    recorder = type("Recorder", (), {"stencil_grid": staticmethod(lambda *a: found.append(a))})
    patch = pytest.MonkeyPatch()
    with patch.context() as m:
        m.setattr(_stencil_products, "kernels", lambda x: recorder)
        _stencil_products.make_grid(A)
    assert original is _backend._core.stencil_grid
    return found[0]
