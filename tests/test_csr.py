"""csr: the compiled products equal the reference, and wrong arguments are refused."""

import numpy as np
import pytest
import reference.csr as reference
import scipy.sparse as sp
from csr_cases import INDICES, matrices, random_values, rounding, spd_matrix, vectors
from hypothesis import given, settings
from kernel_arguments import KINDS, assert_refused
from threadpoolctl import threadpool_limits

from pysolve._backend import kernels

core = kernels(np.empty(0))
thorough = settings(max_examples=150, deadline=None)


# ---- products ----------------------------------------------------------------------------------------------


@given(matrices())
@thorough
def test_product_equals_the_reference(A):
    (x,) = vectors(A, A.shape[1])
    expected, y = (np.full(A.shape[0], np.nan, A.data.dtype) for _ in range(2))
    reference.csr_matvec(*A.arrays, x, expected)
    core.csr_matvec(*A.arrays, x, y)
    assert (abs(y - expected) <= rounding(A, x)).all()
    np.testing.assert_allclose(expected, A.dense() @ x, rtol=0, atol=rounding(A, x).max(initial=0.0))


@given(matrices(square=True))
@thorough
def test_product_with_dot_and_residual_equal_the_reference(A):
    x, b = vectors(A, *A.shape)
    expected, y, r = (np.full(A.shape[0], np.nan, A.data.dtype) for _ in range(3))
    dot = core.csr_matvec_dot(*A.arrays, x, y)
    reference.csr_matvec(*A.arrays, x, expected)
    assert (abs(y - expected) <= rounding(A, x)).all()
    assert dot == pytest.approx(np.vdot(reference.wide(x), reference.wide(y)), rel=1e-12, abs=0)
    assert isinstance(dot, complex) == (A.data.dtype.kind == "c")

    squared = core.csr_residual(*A.arrays, b, x, r)
    reference.csr_residual(*A.arrays, b, x, expected)
    double = rounding(A._replace(data=reference.wide(A.data)), x)
    assert (abs(r - expected) <= double + 2 * np.finfo(r.dtype).eps * abs(expected)).all()
    assert squared == pytest.approx(np.linalg.norm(reference.wide(r)) ** 2, rel=1e-12)


@pytest.mark.parametrize("index", INDICES)
@pytest.mark.parametrize("dtype", ["f4", "f8"])
def test_nan_and_inf_stay_in_the_rows_that_see_them(dtype, index):
    A = spd_matrix(40, dtype)
    arrays = A.indptr.astype(index), A.indices.astype(index), A.data
    x = np.ones(40, dtype)
    x[[3, 20, 30]] = np.nan, np.inf, -np.inf
    expected, y = np.empty(40, dtype), np.empty(40, dtype)
    reference.csr_matvec(*arrays, x, expected)
    core.csr_matvec(*arrays, x, y)
    np.testing.assert_array_equal(np.isnan(y), np.isnan(expected))
    np.testing.assert_array_equal(y[np.isinf(expected)], expected[np.isinf(expected)])
    assert np.isfinite(y).sum() == np.isfinite(expected).sum() == 40 - 15


def test_float32_residual_is_the_true_one():
    # Row sums in float32 would be off by 1e-7 of 1e4; the residual of an almost exact x is far smaller.
    rng = np.random.default_rng(0)
    data, indices = rng.standard_normal(1000).astype("f4") * 1e4, np.arange(1000, dtype="i4")
    x, indptr = rng.standard_normal(1000).astype("f4"), np.array([0, 1000], "i4")
    b = np.array([data.astype(float) @ x.astype(float)], "f4")
    r = np.empty(1, "f4")
    core.csr_residual(indptr, indices, data, b, x, r)
    assert r[0] == pytest.approx(float(b[0]) - data.astype(float) @ x.astype(float), rel=1e-6)


@pytest.mark.parametrize(("dtype", "index"), [("f4", "i4"), ("f8", "i8"), ("c8", "i8"), ("c16", "i4")])
@pytest.mark.parametrize("shape", ["even", "one long row", "entries at the end"])
def test_large_products_are_right_and_have_the_same_bits_with_any_number_of_threads(dtype, index, shape):
    n, rng = 200_000, np.random.default_rng(1)
    lengths = np.full(n, 5)
    if shape == "one long row":
        lengths[[100, 101]] = n, 0
    elif shape == "entries at the end":
        lengths[:] = np.where(np.arange(n) < n - 8000, 0, 150)
    indptr = np.concatenate(([0], np.cumsum(lengths))).astype(index)
    indices = rng.integers(0, n, indptr[-1]).astype(index)
    arrays = indptr, indices, random_values(rng, indptr[-1], dtype)
    x, b = random_values(rng, n, dtype), random_values(rng, n, dtype)
    found = []
    for n_threads in (1, 2, 3):
        y, r = np.empty(n, dtype), np.empty(n, dtype)
        with threadpool_limits(n_threads, user_api="openmp"):
            found.append((core.csr_matvec_dot(*arrays, x, y), core.csr_residual(*arrays, b, x, r), y, r))
            report = core.csr_check(*arrays, n)
        found[-1] += tuple(report.values())
    for other in found[1:]:
        assert all(np.array_equal(one, two) for one, two in zip(found[0], other, strict=True))
    expected = sp.csr_array((reference.wide(arrays[2]), indices, indptr), shape=(n, n)) @ reference.wide(x)
    np.testing.assert_allclose(
        found[0][2], expected, rtol=0, atol=1e3 * np.finfo(dtype).eps * abs(expected).max()
    )


# ---- arguments of the kernels ------------------------------------------------------------------------------


def arguments(name, dtype="f8", index="i4", n=10):
    """Good arguments of a kernel, by name."""
    A = spd_matrix(n, dtype)
    found = {"indptr": A.indptr.astype(index), "indices": A.indices.astype(index), "data": A.data}
    if name == "csr_check":
        return found | {"n_cols": n}
    return found | {vector: np.ones(n, dtype) for vector in ("bxr" if name == "csr_residual" else "xy")}


KERNELS = {"csr_matvec": "y", "csr_matvec_dot": "y", "csr_residual": "r", "csr_check": ""}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", KERNELS)
def test_wrong_arguments_are_refused(name, kind):
    # The size of x is the number of columns, that of indptr the number of rows.
    any_size = {"csr_matvec": "x", "csr_residual": "x", "csr_check": ["indptr"]}.get(name, "")
    assert_refused(getattr(core, name), arguments(name), kind, written=KERNELS[name], any_size=any_size)


@pytest.mark.parametrize(
    ("name", "changed"), [(name, array) for name in KERNELS for array in arguments(name)]
)
def test_types_that_differ_are_refused(name, changed):
    good = arguments(name)
    if changed != "n_cols" and (name, changed) != ("csr_check", "data"):
        other = {"i4": "i8", "f8": "f4"}[good[changed].dtype.str[1:]]
        with pytest.raises(TypeError, match=r"must have dtype"):
            getattr(core, name)(**good | {changed: good[changed].astype(other)})


def test_indptr_without_a_value_is_refused():
    with pytest.raises(ValueError, match="indptr must have at least one value"):
        core.csr_check(np.empty(0, "i4"), np.empty(0, "i4"), np.empty(0), 0)
