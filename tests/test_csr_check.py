"""What is wrong with a sparse matrix from outside is found and named: structure, values, symmetry."""

import numpy as np
import pytest
import reference.csr as reference
import scipy.sparse as sp
from csr_cases import INDICES, VALUES, matrices, spd_matrix
from hypothesis import given, settings
from hypothesis import strategies as st

import pysolve
from pysolve import PackedMatrix, gallery
from pysolve._backend import kernels

core = kernels(np.empty(0))
thorough = settings(max_examples=150, deadline=None)


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
