"""The CUDA kernels of kron equal the reference: on a device where there is one, and always as simulated launches."""

import math

import numpy as np
import pytest
import reference.kron as reference
from cuda_cases import PLACES, SimulatedKernels, kernels_at
from kron_cases import laid_out

DTYPES = ["f8", "f4"]
LAUNCHES = [(32, 1), (64, 3), (128, 7), (256, 2048)]


@pytest.fixture(scope="module", params=PLACES)
def kernels(request):
    return kernels_at(request)


@pytest.fixture(
    scope="module", params=LAUNCHES, ids=lambda launch: f"{launch[0]} threads, {launch[1]} blocks"
)
def shaped(request, simulation):
    """Simulated launches of several shapes."""
    return SimulatedKernels(simulation, *request.param)


def product(kernels, factors, x):
    """Kronecker product of the factors with x, written over NaN, and the passes it took."""
    y = np.full((math.prod(A.shape[0] for A in factors), *x.shape[1:]), np.nan, x.dtype)
    columns = math.prod(x.shape[1:])
    work = np.full(kernels.kron_work_size(factors, columns), np.nan, x.dtype)
    return y, kernels.kron_matvec(factors, x, y, work)


def chain(factors, x):
    """The same by NumPy, mode after mode in double precision."""
    y = x.astype("f8").reshape(*(A.shape[1] for A in factors), -1)
    for j, A in enumerate(factors):
        y = np.moveaxis(np.tensordot(A.astype("f8"), y, (1, j)), 0, j)
    return y.reshape(-1, *x.shape[1:])


def assert_is_product(y, factors, x):
    """Up to the rounding of the sums."""
    size = chain([abs(A) for A in factors], abs(x))
    steps = sum(A.shape[1] + 4 for A in factors)
    assert (abs(y - chain(factors, x)) <= steps * np.finfo(x.dtype).eps * size).all()


def check(kernels, shapes, columns, dtype, layout="rows", seed=0):
    rng = np.random.default_rng(seed)
    factors = [laid_out(rng, *shape, dtype, layout) for shape in shapes]
    n = math.prod(A.shape[1] for A in factors)
    x = rng.standard_normal((n,) if columns is None else (n, columns)).astype(dtype)
    y, passes = product(kernels, factors, x)
    assert_is_product(y, factors, x)
    return passes


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("right", [1, 2, 3, 4, 7, 40])
@pytest.mark.parametrize(
    "shape", [(1, 1), (2, 3), (5, 17), (16, 16), (33, 8), (64, 64), (65, 64), (3, 65), (70, 129)]
)
def test_mode_product_equals_the_reference(kernels, shape, right, dtype):
    rng = np.random.default_rng(right)
    for left, layout in [(1, "rows"), (3, "gaps")]:
        A, x = (
            laid_out(rng, *shape, dtype, layout),
            rng.standard_normal((left, shape[1], right)).astype(dtype),
        )
        y, expected = np.full((left, shape[0], right), np.nan, dtype), np.empty((left, shape[0], right))
        kernels.kron_mode_product(A, x, y)
        reference.kron_mode_product(A.astype("f8"), x.astype("f8"), expected)
        size = np.einsum("ik,lkr->lir", abs(A.astype("f8")), abs(x.astype("f8")))
        assert (abs(y - expected) <= (shape[1] + 4) * np.finfo(dtype).eps * size).all()


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("columns", [None, 1, 3, 8, 37])
@pytest.mark.parametrize("shapes", [
    *([(1, 1)], [(3, 5)], [(2, 2), (3, 3)], [(4, 7), (9, 2)], [(5, 3), (2, 8), (7, 4)], [(2, 3)] * 4),
    *([(1, 6), (6, 1)], [(2, 1), (1, 2)] * 5, [(16, 16), (16, 16)], [(70, 3), (4, 5)], [(3, 4), (66, 65)]),
], ids=str)  # fmt: skip
def test_matvec_equals_the_reference(kernels, shapes, columns, dtype):
    rng = np.random.default_rng(1)
    factors = [laid_out(rng, *shape, dtype) for shape in shapes]
    n = math.prod(A.shape[1] for A in factors)
    x = rng.standard_normal((n,) if columns is None else (n, columns)).astype(dtype)
    y, _ = product(kernels, factors, x)
    expected = np.empty(y.shape)
    reference.kron_matvec([A.astype("f8") for A in factors], x.astype("f8"), expected, None)
    assert_is_product(y, factors, x)
    np.testing.assert_allclose(
        y, expected, rtol=0, atol=1e3 * np.finfo(dtype).eps * max(1, abs(expected).max())
    )


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("layout", ["rows", "columns", "gaps", "backwards"])
@pytest.mark.parametrize("shapes", [
    *([(33, 16), (16, 33)], [(13, 10), (9, 12), (11, 7)], [(1, 9), (9, 1), (5, 5), (4, 6)], [(65, 9), (9, 65)]),
], ids=str)  # fmt: skip
def test_launches_of_any_shape_are_right(shaped, shapes, layout, dtype):
    for columns in (None, 5):
        check(shaped, shapes, columns, dtype, layout)


@pytest.mark.parametrize(("shapes", "columns", "passes"), [
    *(([(16, 16)] * 2, 1, 1), ([(16, 16)] * 3, 1, 1), ([(32, 32)] * 2, 1, 1), ([(32, 32)] * 3, 1, 2)),
    *(([(64, 64)] * 2, 1, 1), ([(2, 2)] * 12, 1, 2), ([(33, 33)] * 2, 3, 1), ([(16, 16)] * 3, 4, 2)),
    *(([(65, 65), (10, 10)], 1, 2), ([(64, 64)] * 2, 4, 2)),
], ids=str)  # fmt: skip
@pytest.mark.parametrize("dtype", DTYPES)
def test_small_factors_share_passes_through_memory(simulation, shapes, columns, passes, dtype):
    found = check(SimulatedKernels(simulation), shapes, columns, dtype)
    assert found <= passes if dtype == "f4" else found == passes


@pytest.mark.parametrize("columns", [1, 2, 9])
@pytest.mark.parametrize("shapes", [[(5, 9), (11, 10), (13, 3)], [(5, 9), (70, 67), (3, 2)]], ids=str)
@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_values_that_are_not_finite_spread_as_in_a_matrix_product(kernels, bad, shapes, columns):
    rng = np.random.default_rng(5)
    factors = [rng.standard_normal(shape) for shape in shapes]
    n, m = (math.prod(shape[side] for shape in shapes) for side in (1, 0))
    x = rng.standard_normal((n, columns))
    x[n // 2, 0] = bad
    finite = np.isfinite(product(kernels, factors, x)[0])
    assert not finite[:, 0].any()
    assert finite[:, 1:].all()
    x[n // 2, 0], factors[1][3, 4] = 1.0, bad
    finite = np.isfinite(product(kernels, factors, x)[0]).reshape(
        5, m // 5 // shapes[2][0], shapes[2][0], columns
    )
    assert not finite[:, 3].any()
    assert np.delete(finite, 3, axis=1).all()


def test_sums_over_nothing_are_zero(kernels):
    assert (product(kernels, [np.ones((3, 0)), np.ones((4, 5))], np.ones(0))[0] == np.zeros(12)).all()
    y = np.full((2, 3, 4), np.nan)
    kernels.kron_mode_product(np.ones((3, 0)), np.ones((2, 0, 4)), y)
    assert (y == 0).all()
    assert product(kernels, [np.ones((0, 3)), np.ones((4, 5))], np.ones(15))[0].shape == (0,)
    kernels.kron_mode_product(np.ones((3, 2)), np.ones((0, 2, 4)), np.empty((0, 3, 4)))


@pytest.mark.parametrize("offset", [0, 1])
def test_arrays_that_begin_between_vectors_are_right(kernels, offset):
    """Copies of 16 bytes and stores of pairs are made where the addresses allow them alone."""
    rng = np.random.default_rng(6)
    memory = [np.zeros(20000, dtype) for dtype in ("f8", "f8", "f4", "f4")]
    starts = [(-part.ctypes.data % 16) // part.itemsize + offset for part in memory]
    for x_memory, y_memory, start, y_start in [(*memory[:2], *starts[:2]), (*memory[2:], *starts[2:])]:
        for shapes in [(8, 8), (8, 66), (66, 8), (12, 10)], [(72, 72)]:
            factors = [rng.standard_normal((n, n)).astype(x_memory.dtype) for n in np.ravel(shapes)[:2]]
            n = math.prod(len(A) for A in factors)
            x, y = x_memory[start : start + n], y_memory[y_start : y_start + n]
            x[:], y[:] = rng.standard_normal(n), np.nan
            kernels.kron_matvec(factors, x, y, np.empty(kernels.kron_work_size(factors), x.dtype))
            assert_is_product(y, factors, x)


@pytest.mark.parametrize("dtype", DTYPES)
def test_the_same_bits_in_launches_of_every_shape(simulation, dtype):
    """Which block or warp makes a value does not change the order of its sum."""
    rng = np.random.default_rng(7)
    for shapes in [(20, 20), (20, 20)], [(66, 70), (5, 6)]:
        factors = [rng.standard_normal(shape).astype(dtype) for shape in shapes]
        x = rng.standard_normal(math.prod(A.shape[1] for A in factors)).astype(dtype)
        found = [product(SimulatedKernels(simulation, *launch), factors, x)[0] for launch in LAUNCHES]
        assert all(np.array_equal(found[0], y) for y in found[1:])
