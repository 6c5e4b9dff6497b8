"""kron: the compiled kernels equal the reference, and wrong arguments are refused."""

import threading
import time

import numpy as np
import pytest
import reference.kron as reference
from hypothesis import given, settings
from hypothesis import strategies as st
from kernel_arguments import KINDS, assert_refused
from kron_cases import LAYOUTS, laid_out
from threadpoolctl import threadpool_limits

from pysolve._backend import kernels

core = kernels(np.empty(0))
thorough = settings(max_examples=150, deadline=None)
DTYPES = ["f8", "f4"]
EXTENTS = st.sampled_from([0, 1, 2, 3, 5, 7, 8, 9, 13, 16, 17, 24, 25, 33])


def product(factors, x, threads_of_work=None):
    """y = (A_1 x ... x A_d) x by the kernel, with work as large as it asks for and filled with NaN."""
    columns = x.shape[1:] or (1,)
    y = np.full((int(np.prod([A.shape[0] for A in factors])), *x.shape[1:]), np.nan, x.dtype)
    size = core.kron_work_size(factors, columns[0]) if threads_of_work is None else threads_of_work
    core.kron_matvec(factors, x, y, np.full(size, np.nan, x.dtype))
    return y


def rounding(factors, x):
    """What y may be off by: the products of absolute values, in units of rounding."""
    y = np.empty((int(np.prod([A.shape[0] for A in factors])), *x.shape[1:]), "f8")
    reference.kron_matvec([abs(A.astype("f8")) for A in factors], abs(x.astype("f8")), y, None)
    return 8 * (sum(A.shape[1] for A in factors) + 1) * np.finfo(x.dtype).eps * y


# ---- the products ------------------------------------------------------------------------------------------


@given(st.tuples(EXTENTS, EXTENTS, EXTENTS, EXTENTS), st.sampled_from(DTYPES), st.sampled_from(LAYOUTS))
@thorough
def test_mode_product_equals_the_reference(extents, dtype, layout):
    left, n, right, m = extents
    rng = np.random.default_rng(0)
    A, x = laid_out(rng, m, n, dtype, layout), rng.standard_normal((left, n, right)).astype(dtype)
    y, expected, size = (np.full((left, m, right), np.nan, kind) for kind in (dtype, "f8", "f8"))
    core.kron_mode_product(A, x, y)
    reference.kron_mode_product(A.astype("f8"), x.astype("f8"), expected)
    reference.kron_mode_product(abs(A.astype("f8")), abs(x.astype("f8")), size)
    assert (abs(y - expected) <= (n + 4) * np.finfo(dtype).eps * size).all()


@given(st.data(), st.sampled_from(DTYPES), st.integers(1, 6), st.sampled_from([None, 0, 1, 2, 5, 8, 20]))
@thorough
def test_matvec_equals_the_reference(data, dtype, d, columns):
    some = EXTENTS if d < 3 else st.integers(0, {3: 9, 4: 5, 5: 3, 6: 3}[d])
    shapes = [data.draw(st.tuples(some, some)) for _ in range(d)]
    rng = np.random.default_rng(1)
    factors = [laid_out(rng, *shape, dtype, data.draw(st.sampled_from(LAYOUTS))) for shape in shapes]
    n = int(np.prod([A.shape[1] for A in factors]))
    x = rng.standard_normal((n,) if columns is None else (n, columns)).astype(dtype)
    y = product(factors, x)
    expected = np.empty(y.shape, "f8")
    reference.kron_matvec([A.astype("f8") for A in factors], x.astype("f8"), expected, None)
    assert (abs(y - expected) <= rounding(factors, x)).all()


def chain(factors, x):
    """The same product by NumPy, mode after mode."""
    shape = [A.shape[1] for A in factors]
    y = x.astype("f8").reshape(*shape, -1)
    for j, A in enumerate(factors):
        y = np.moveaxis(np.tensordot(A.astype("f8"), y, (1, j)), 0, j)
    return y.reshape(-1, *x.shape[1:])


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("shapes", [
    *([(64, 64)] * 3, [(40, 70), (70, 40), (33, 50)], [(130, 20), (3, 5), (90, 110)]),
    *([(500, 3), (300, 200)], [(3, 700), (2, 2), (150, 150)], [(12, 12)] * 5, [(2, 2)] * 16, [(300, 300)] * 2),
], ids=str)  # fmt: skip
def test_large_products_are_right_and_have_the_same_bits_with_any_number_of_threads(shapes, dtype):
    rng = np.random.default_rng(2)
    factors = [laid_out(rng, *shape, dtype) for shape in shapes]
    for columns in ((), (3,)):
        x = rng.standard_normal((int(np.prod([A.shape[1] for A in factors])), *columns)).astype(dtype)
        found = []
        for n_threads in (1, 2, 3):
            with threadpool_limits(n_threads, user_api="openmp"):
                found.append(product(factors, x))
                one = core.kron_work_size(factors, *columns)
        assert np.array_equal(found[0], found[1])
        assert np.array_equal(found[0], found[2])
        expected = chain(factors, x)
        assert abs(found[0] - expected).max() <= 40 * np.finfo(dtype).eps * abs(expected).max()
    assert one >= 0


@pytest.mark.parametrize("shape", [(1, 64, 20000), (20000, 64, 1), (200, 64, 100), (40000, 16, 2)])
def test_large_mode_products_have_the_same_bits_with_any_number_of_threads(shape):
    rng = np.random.default_rng(3)
    A, x = rng.standard_normal((48, shape[1])), rng.standard_normal(shape)
    found = []
    for n_threads in (1, 2, 3):
        with threadpool_limits(n_threads, user_api="openmp"):
            found.append(np.full((shape[0], 48, shape[2]), np.nan))
            core.kron_mode_product(A, x, found[-1])
    assert np.array_equal(found[0], found[1])
    assert np.array_equal(found[0], found[2])
    np.testing.assert_allclose(found[0], A @ x, rtol=0, atol=1e-12)


def test_fewer_threads_where_work_is_less_and_the_same_bits():
    rng = np.random.default_rng(4)
    factors = [rng.standard_normal((80, 80)) for _ in range(3)]
    x = rng.standard_normal(80**3)
    with threadpool_limits(1, user_api="openmp"):
        least = core.kron_work_size(factors)
    with threadpool_limits(3, user_api="openmp"):
        assert core.kron_work_size(factors) >= least
        np.testing.assert_array_equal(product(factors, x), product(factors, x, threads_of_work=least))


@pytest.mark.parametrize("bad", [np.nan, np.inf])
@pytest.mark.parametrize("columns", [1, 2, 9])
def test_values_that_are_not_finite_spread_as_in_a_matrix_product(bad, columns):
    rng = np.random.default_rng(5)
    factors = [rng.standard_normal(shape) for shape in [(5, 9), (11, 10), (13, 3)]]
    x = rng.standard_normal((270, columns))
    x[100, 0] = bad
    finite = np.isfinite(product(factors, x))
    assert not finite[:, 0].any()
    assert finite[:, 1:].all()
    x[100, 0], factors[1][3, 4] = 1.0, bad
    finite = np.isfinite(product(factors, x)).reshape(5, 11, 13, columns)
    assert not finite[:, 3].any()
    assert np.delete(finite, 3, axis=1).all()


def test_sums_over_nothing_are_zero():
    assert (product([np.ones((3, 0)), np.ones((4, 5))], np.ones(0)) == np.zeros(12)).all()
    y = np.full((2, 3, 4), np.nan)
    core.kron_mode_product(np.ones((3, 0)), np.ones((2, 0, 4)), y)
    assert (y == 0).all()
    assert product([np.ones((0, 3)), np.ones((4, 5))], np.ones(15)).shape == (0,)


def test_the_interpreter_is_free_meanwhile():
    """Another thread counts while a product runs that takes long."""
    rng = np.random.default_rng(6)
    A, x = rng.standard_normal((200, 200)), rng.standard_normal((200, 200, 200))
    y, counted, stop = np.empty_like(x), [], threading.Event()

    def count():
        while not stop.is_set():
            counted.append(time.perf_counter())
            time.sleep(1e-4)

    counter = threading.Thread(target=count)
    counter.start()
    start = time.perf_counter()
    core.kron_mode_product(A, x, y)
    end = time.perf_counter()
    stop.set()
    counter.join()
    assert sum(start + 0.1 * (end - start) < t < end - 0.1 * (end - start) for t in counted) >= 3


# ---- arguments of the kernels ------------------------------------------------------------------------------


def mode_arguments(dtype="f8"):
    return {"A": np.ones((3, 4), dtype), "x": np.ones((2, 4, 5), dtype), "y": np.empty((2, 3, 5), dtype)}


def chain_arguments(dtype="f8"):
    factors = [np.ones((3, 4), dtype), np.ones((2, 5), dtype)]
    work = np.empty(core.kron_work_size(factors), dtype)
    return {"factors": factors, "x": np.ones(20, dtype), "y": np.empty(6, dtype), "work": work}


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("kind", KINDS)
def test_wrong_arguments_are_refused(kind, dtype):
    if kind != "another size" and kind != "gaps":
        assert_refused(core.kron_mode_product, mode_arguments(dtype), kind, ["y"])
    assert_refused(core.kron_matvec, chain_arguments(dtype), kind, ["y", "work"], ["work"])


@pytest.mark.parametrize("name", ["x", "y"])
def test_mode_product_refuses_other_shapes_and_gaps(name):
    good = mode_arguments()
    for shape in [(3, 4), (2, 3, 4), (1, 2, 4, 5), (), (40,), (1, 4, 6), (2, 0, 5)]:
        with pytest.raises(ValueError, match=rf"{name} must|y must have shape"):
            core.kron_mode_product(**good | {name: np.ones(shape)})
    with pytest.raises(ValueError, match=rf"{name} must be C-contiguous"):
        core.kron_mode_product(**good | {name: np.repeat(good[name], 2, axis=2)[..., ::2]})
    with pytest.raises(TypeError, match=rf"{name} must have dtype f8, not f4"):
        core.kron_mode_product(**good | {name: good[name].astype("f4")})


@pytest.mark.parametrize("call", ["kron_matvec", "kron_work_size"])
def test_wrong_factors_are_refused(call):
    good = chain_arguments()
    rest = {name: good[name] for name in ["x", "y", "work"]} if call == "kron_matvec" else {}
    A, B = good["factors"]
    unaligned = np.frombuffer(bytearray(8 * 12 + 1), np.uint8)[1:].view("f8").reshape(3, 4)
    for factors, error, message in [
        (None, TypeError, "factors must be a list or tuple of arrays, not NoneType"),
        (A, TypeError, "factors must be a list or tuple of arrays, not ndarray"),
        ([], ValueError, "factors must have at least one matrix"),
        ([np.eye(1)] * 65, ValueError, "factors must have at most 64 matrices, not 65"),
        ([A, None], TypeError, r"factors\[1\] must be a NumPy array, not NoneType"),
        ([A.tolist()], TypeError, r"factors\[0\] must be a NumPy array, not list"),
        ([A, B.astype("f4")], TypeError, r"factors\[1\] must have dtype f8, not f4"),
        ([A.astype("c16"), B], TypeError, r"factors\[0\] must have dtype f4 or f8"),
        ([A.astype(int), B], TypeError, r"factors\[0\] must have dtype"),
        ([A, B.astype(">f8")], TypeError, r"factors\[1\] must be in the machine's own byte order"),
        ([A, B[0]], ValueError, r"factors\[1\] must be of two dimensions, not of shape \(5,\)"),
        ([A[None], B], ValueError, r"factors\[0\] must be of two dimensions, not of shape \(1, 3, 4\)"),
        ([unaligned, B], ValueError, r"factors\[0\] must be aligned"),
        ([np.broadcast_to(1.0, (2**30, 2**29))] * 3, ValueError, "factors must have a product"),
    ]:
        with pytest.raises(error, match=message):
            getattr(core, call)(factors=factors, **rest)


def test_other_shapes_of_vectors_are_refused():
    good = chain_arguments()
    for name, size in ("x", 20), ("y", 6):
        for shape in [(), (size + 1,), (4, 5), (1, size), (size, 1, 1), (0,)]:
            with pytest.raises(
                ValueError, match=rf"{name} must have shape \({size},\) or \({size}, columns\)"
            ):
                core.kron_matvec(**good | {name: np.ones(shape)})
    with pytest.raises(ValueError, match="y must have as many columns as x, 1"):
        core.kron_matvec(**good | {"y": np.ones((6, 2))})
    with pytest.raises(ValueError, match="columns must not be negative"):
        core.kron_work_size(good["factors"], -1)


def test_too_little_work_is_refused():
    good = chain_arguments()
    with threadpool_limits(1, user_api="openmp"):
        least = core.kron_work_size(good["factors"])
    core.kron_matvec(**good | {"work": np.empty(least)})
    with pytest.raises(ValueError, match=rf"work must have at least {least} values, not {least - 1}"):
        core.kron_matvec(**good | {"work": np.empty(least - 1)})


def test_memory_that_overlaps_is_refused():
    memory = np.zeros(10000)
    A, x, y = memory[:9].reshape(3, 3), memory[100:127], memory[200:227]
    free = np.empty(core.kron_work_size([A] * 3))
    core.kron_matvec([A] * 3, x, y, free)
    for bad, message in [
        ({"y": x}, "y must not overlap x"),
        ({"y": memory[126:153]}, "y must not overlap x"),
        ({"y": memory[8:35]}, r"y must not overlap factors\[0\]"),
        ({"work": memory[226:]}, "work must not overlap y"),
        ({"work": memory[126:9000]}, "work must not overlap x"),
        (
            {"factors": [A, memory[5000:5009].reshape(3, 3)[::-1], A], "work": memory[227:]},
            r"work .* factors\[1\]",
        ),
    ]:
        with pytest.raises(ValueError, match=message):
            core.kron_matvec(**{"factors": [A] * 3, "x": x, "y": y, "work": free} | bad)
    for bad, message in [(memory[110:137], "x"), (memory[8:35], "A")]:
        with pytest.raises(ValueError, match=f"y must not overlap {message}"):
            core.kron_mode_product(A, x.reshape(3, 3, 3), bad.reshape(3, 3, 3))
    with pytest.raises(ValueError, match="y must not overlap A"):  # a stride that goes back
        core.kron_mode_product(
            memory[2000:2009][::-1].reshape(3, 3), x.reshape(3, 3, 3), memory[1990:2017].reshape(3, 3, 3)
        )
