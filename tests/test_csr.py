"""csr: the compiled kernels equal the reference, and what is wrong with a matrix from outside is found."""

import numpy as np
import pytest
import reference.csr as reference
import scipy.sparse as sp
from csr_cases import INDICES, TYPES, VALUES, matrices, random_values, rounding, spd_matrix, vectors
from hypothesis import given, settings
from hypothesis import strategies as st
from threadpoolctl import threadpool_limits

import pysolve
from pysolve import PackedMatrix, gallery
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


@pytest.mark.parametrize(("dtype", "index"), TYPES)
@pytest.mark.parametrize("shape", ["even", "one long row", "entries at the end"])
def test_large_products_are_right_and_have_the_same_bits_with_any_number_of_threads(dtype, index, shape):
    n, rng = 60_000, np.random.default_rng(1)
    lengths = np.full(n, 5)
    if shape == "one long row":
        lengths[[100, 101]] = n, 0
    elif shape == "entries at the end":
        lengths[:] = np.where(np.arange(n) < n - 2000, 0, 150)
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
    """Good arguments of a kernel, by name; the last vector is written."""
    A = spd_matrix(n, dtype)
    found = {"indptr": A.indptr.astype(index), "indices": A.indices.astype(index), "data": A.data}
    vectors = {"csr_check": "", "csr_residual": "bxr"}.get(name, "xy")
    found |= {vector: np.ones(n, dtype) for vector in vectors}
    return found | ({"n_cols": n} if name == "csr_check" else {})


KERNELS = ["csr_matvec", "csr_matvec_dot", "csr_residual", "csr_check"]
ARRAYS = [(name, argument) for name in KERNELS for argument in arguments(name) if argument != "n_cols"]
OUTPUTS = {"csr_matvec": "y", "csr_matvec_dot": "y", "csr_residual": "r"}


@pytest.mark.parametrize(("name", "argument"), ARRAYS)
def test_argument_of_another_kind_is_refused(name, argument):
    good = arguments(name)
    array = good[argument]
    for bad in (
        None,
        array.tolist(),
        "text",
        1.0,
        array.astype(object),
        array.astype("f2"),
        array.astype("u8"),
    ):
        with pytest.raises(TypeError, match=rf"{argument} must"):
            getattr(core, name)(**good | {argument: bad})
    if argument != "data":  # the types of the values and of the indices must agree
        other = {"i4": "i8", "f8": "f4"}[array.dtype.str[1:]]
        changed = "indices" if argument == "indptr" else argument
        with pytest.raises(TypeError, match=rf"{changed} must have dtype"):
            getattr(core, name)(**good | {argument: array.astype(other)})


SAFE_TO_MISREAD = [
    (name, argument) for name, argument in ARRAYS if name == "csr_check" or argument[:3] != "ind"
]


@pytest.mark.parametrize(("name", "argument"), SAFE_TO_MISREAD)
def test_bytes_in_the_other_order_are_refused(name, argument):
    good = arguments(name)
    swapped = good[argument].astype(good[argument].dtype.newbyteorder())
    with pytest.raises(TypeError, match=argument):
        getattr(core, name)(**good | {argument: swapped})


@pytest.mark.parametrize(("name", "argument"), ARRAYS)
def test_array_with_gaps_is_refused(name, argument):
    good = arguments(name)
    with pytest.raises(ValueError, match=rf"{argument} must be C-contiguous"):
        getattr(core, name)(**good | {argument: np.repeat(good[argument], 2)[::2]})


@pytest.mark.parametrize(("name", "argument"), ARRAYS)
def test_array_of_another_size_is_refused(name, argument):
    if (name, argument) in {("csr_matvec", "x"), ("csr_residual", "x")}:
        pytest.skip("the size of x is the number of columns")
    good = arguments(name)
    for bad in (good[argument][:-1].copy(), np.append(good[argument], good[argument][-1:])):
        if name == "csr_check" and argument == "indptr" and len(bad) < 11:
            continue  # a matrix with one row less
        if name == "csr_check" and argument == "indptr":
            assert core.csr_check(**good | {argument: bad})["fault"] == ""  # one empty row more
            continue
        with pytest.raises(ValueError, match=r"must have \d+ values, not \d+"):
            getattr(core, name)(**good | {argument: bad})


@pytest.mark.parametrize("name", OUTPUTS)
def test_read_only_arrays_are_read_but_not_written(name):
    good = arguments(name)
    for argument, array in good.items():
        array.setflags(write=argument == OUTPUTS[name])
    getattr(core, name)(**good)
    good[OUTPUTS[name]].setflags(write=False)
    with pytest.raises(ValueError, match=rf"{OUTPUTS[name]} must be writeable"):
        getattr(core, name)(**good)


def test_indptr_without_a_value_is_refused():
    with pytest.raises(ValueError, match="indptr must have at least one value"):
        core.csr_check(np.empty(0, "i4"), np.empty(0, "i4"), np.empty(0), 0)


# ---- csr_check ---------------------------------------------------------------------------------------------


@given(matrices())
@thorough
def test_check_equals_the_reference(A):
    expected, found = reference.csr_check(*A.arrays, A.shape[1]), core.csr_check(*A.arrays, A.shape[1])
    size = float(abs(reference.wide(A.data)).sum())
    assert found.pop("asymmetry") == pytest.approx(expected.pop("asymmetry"), rel=1e-12, abs=1e-13 * size)
    for norm in ("frobenius", "max_row_sum"):
        assert found.pop(norm) == pytest.approx(expected.pop(norm), rel=1e-12)
    assert found == expected == {"fault": "", "position": -1}


FAULTS = ["first", "falls", "too long", "index", "negative", "nan", "inf"]


def plant(fault, A, at, n_cols):
    """Spoil one value of the arrays, at the given share of their length."""
    indptr, indices, data = (array.copy() for array in A)
    k, i = int(at * (len(data) - 1)), 1 + int(at * (len(indptr) - 2))
    if fault == "first":
        indptr[0] = 1
    elif fault == "falls":
        indptr[i] = -1
    elif fault == "too long":
        indptr[-1] = len(data) + 1
    elif fault in ("index", "negative"):
        indices[k] = n_cols if fault == "index" else -1
    else:
        data[k] = float(fault)
    return indptr, indices, data


@given(
    matrices(square=True),
    st.lists(st.tuples(st.sampled_from(FAULTS), st.floats(0, 1)), min_size=1, max_size=3),
)
@thorough
def test_check_finds_the_fault_that_the_reference_finds(A, faults):
    arrays = A.arrays
    for fault, at in faults:
        if len(A.data):
            arrays = plant(fault, arrays, at, A.shape[1])
    found, expected = (f(*arrays, A.shape[1]) for f in (core.csr_check, reference.csr_check))
    assert (found["fault"], found["position"]) == (expected["fault"], expected["position"])
    assert bool(found["fault"]) == bool(len(A.data))


@pytest.mark.parametrize("index", INDICES)
@pytest.mark.parametrize("fault", ["index", "nan"])
def test_check_names_the_first_of_many_faults_of_a_large_matrix(fault, index):
    A = gallery.poisson((200, 300), format="csr")
    arrays = (A.indptr.astype(index), A.indices.astype(index), A.data)
    for at in (0.9, 0.3, 0.5):
        arrays = plant(fault, arrays, at, A.shape[1])
    assert core.csr_check(*arrays, A.shape[1])["position"] == int(0.3 * (A.nnz - 1))


def spoiled(fault, make=sp.csr_array):
    """A sparse matrix whose arrays were changed by hand."""
    A = make(spd_matrix(12))
    parts = plant(fault, (A.indptr, A.indices, A.data.reshape(len(A.indices), -1)[:, 0]), 0.5, 12)
    A.indptr[:], A.indices[:] = parts[:2]
    A.data.reshape(len(A.indices), -1)[:, 0] = parts[2]
    return A


@pytest.mark.parametrize(
    "use", [lambda A: pysolve.cg(A, np.ones(12)), PackedMatrix], ids=["cg", "PackedMatrix"]
)
@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize(
    "make", [sp.csr_array, sp.csr_matrix, sp.csc_array, lambda A: sp.bsr_array(A, blocksize=(1, 1))]
)
def test_matrix_made_by_hand_is_refused_with_the_place_of_its_fault(fault, make, use):
    what = {"nan": r"A must be finite, but A\[\d+, \d+\] is nan", "inf": r"A must be finite.* is inf"}
    indptr = r"A\.indptr must rise from 0 to at most \d+, but indptr\[\d+\] is -?\d+"
    pattern = what.get(fault, r"A\.indices must lie in \[0, 12\), but indices\[\d+\] is (-1|12)")
    A = spoiled(fault, make)
    with pytest.raises(ValueError, match=indptr if fault in ("first", "falls", "too long") else pattern):
        use(A)


def test_indices_of_a_coo_matrix_are_checked():
    for bad in (-1, 12):
        A = sp.coo_array(spd_matrix(12))
        A.coords[1][5] = bad
        with pytest.raises(ValueError, match=r"they must lie in \[0, 12\)"):
            pysolve.cg(A, np.ones(12))


@pytest.mark.parametrize("part", ["indptr", "indices", "data"])
@pytest.mark.parametrize("use", [lambda A: pysolve.cg(A, np.ones(12)), PackedMatrix, pysolve.Jacobi])
def test_arrays_that_do_not_belong_together_are_refused(part, use):
    A = spd_matrix(12)
    longer = np.append(getattr(A, part), getattr(A, part)[-1:])
    setattr(A, part, longer)
    with pytest.raises(ValueError, match="A"):
        use(A)


# ---- symmetry ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("dtype", "change"), [("f4", 1.0), ("f8", 1e-4), ("c8", 1.0), ("c16", 1e-4)])
def test_one_changed_entry_of_a_large_matrix_is_found(dtype, change):
    A = gallery.poisson((400, 500) if dtype in ("f8", "c16") else (100, 200), format="csr").astype(dtype)
    beside = np.flatnonzero(np.repeat(np.arange(A.shape[0]), np.diff(A.indptr)) != A.indices)
    for k in np.random.default_rng(0).choice(beside, 6):
        before = A.data[k]
        A.data[k] *= 1 + change
        with pytest.raises(ValueError, match=r"must be (symmetric|Hermitian)"):
            pysolve.cg(A, np.ones(A.shape[0], dtype), maxiter=1)
        A.data[k] = before


@pytest.mark.parametrize("dtype", VALUES)
@pytest.mark.parametrize("spread", [0, 3])
def test_asymmetry_of_the_size_of_rounding_is_not_found(dtype, spread):
    rng = np.random.default_rng(0)
    A = gallery.poisson((100, 200), format="csr").astype(dtype)
    rows, wide = (
        np.repeat(np.arange(A.shape[0]), np.diff(A.indptr)),
        10 ** rng.uniform(-spread, spread, A.shape[0]),
    )
    A.data *= (wide[rows] * wide[A.indices]).astype(dtype)
    A.data *= (1 + 4 * np.finfo(dtype).eps * rng.uniform(-1, 1, A.nnz)).astype(dtype)
    for b_dtype in (dtype, "f8"):
        assert pysolve.cg(A, np.ones(A.shape[0], b_dtype), maxiter=3).info == 3


def test_complex_symmetric_matrix_is_not_hermitian():
    A = spd_matrix(30, "c16")
    for bad in (sp.csr_array(A + sp.triu(A, 1).T * 0.1), sp.csr_array(A + 1e-3j * sp.eye_array(30))):
        with pytest.raises(ValueError, match="Hermitian"):
            pysolve.cg(bad, np.ones(30))
    assert pysolve.cg(A, np.ones(30)).converged
