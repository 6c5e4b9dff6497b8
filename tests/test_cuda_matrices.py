"""The CUDA kernels of sparse matrices equal the reference: simulated always, on a device where there is one."""

import numpy as np
import pytest
import reference.csr
import reference.sell
from csr_cases import TYPES, matrices, rounding, vectors
from cuda_cases import PLACES, kernels_at, packed, size
from hypothesis import given, settings
from reference.csr import wide

checked = settings(max_examples=60, deadline=None)


@pytest.fixture(scope="module", params=PLACES)
def kernels(request):
    """Every kernel, with NumPy arrays in and out."""
    return kernels_at(request)


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
