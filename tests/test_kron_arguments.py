"""Kronecker operators refuse wrong arguments with what they were and what was expected; odd ones are right."""

import numpy as np
import pytest
import scipy.sparse as sp
from numpy.linalg import LinAlgError

import pysolve
from pysolve import KronOperator, KronSum, KronTerms, Toeplitz

A = np.arange(1.0, 7).reshape(2, 3)
S = np.array([[2.0, 1.0], [1.0, 3.0]])


class Device:
    """Looks like an array on a GPU."""

    __cuda_array_interface__: dict = {}  # noqa: RUF012


WRONG_FACTORS = [
    ([], ValueError, "factors must hold at least one matrix, got none"),
    ([np.ones(3)], ValueError, r"factors\[0\] must be 2-D, but its shape is \(3,\)"),
    ([A, 2.0], ValueError, r"factors\[1\] must be 2-D, but its shape is \(\)"),
    ([A, np.ones((2, 2, 2))], ValueError, r"factors\[1\] must be 2-D, but its shape is \(2, 2, 2\)"),
    ([A, [[1, np.nan]]], ValueError, r"factors\[1\] must be finite, but factors\[1\]\[0, 1\] is nan"),
    ([sp.csr_array([[0, np.inf]])], ValueError, r"factors\[0\].data must be finite"),
    ([sp.coo_array(np.ones(3))], ValueError, r"factors\[0\] must be 2-D, but its shape is \(3,\)"),
    ([A, "ab"], TypeError, r"factors\[1\] must be an array of numbers"),
    ([None], TypeError, r"factors\[0\] must be an array of numbers"),
    ([[[1, 2], [3]]], TypeError, r"factors\[0\] must be an array of numbers"),
    (
        [pysolve.StencilOperator((2, 2), (1.0, 1.0))],
        TypeError,
        r"factors\[0\] must be a dense or sparse matrix",
    ),
    ([A, Device()], TypeError, r"factors\[0\] \(ndarray\) is on the host, but factors\[1\] \(Device\) is on"),
    ([np.ma.masked_less(A, 3)], TypeError, r"factors\[0\] must not have masked values"),
]


@pytest.mark.parametrize(("factors", "error", "message"), WRONG_FACTORS)
@pytest.mark.parametrize("make", [KronOperator, KronSum, lambda *given: KronTerms([(1, list(given))])])
def test_wrong_factors(make, factors, error, message):
    with pytest.raises(error, match=message.replace("factors", r"(factors|terms\[0\]\[1\])")):
        make(*factors)


def test_sparse_factor_with_indices_out_of_bounds():
    broken = sp.csr_array(S)
    broken.indices[1] = 77
    with pytest.raises(
        ValueError, match=r"factors\[0\].indices must lie in \[0, 2\), but indices\[1\] is 77"
    ):
        KronOperator(broken)


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: KronSum(S, A), ValueError, r"factors\[1\] must be square, but its shape is \(2, 3\)"),
        (lambda: KronSum(S, mass=7), TypeError, "mass must be a sequence of 1 matrices, not int"),
        (lambda: KronSum(S, mass=[np.eye(3)]), ValueError, r"mass must hold matrices of shapes \[\(2, 2\)\]"),
        (lambda: KronSum(S, mass=[A]), ValueError, r"mass\[0\] must be square"),
        (lambda: KronTerms([]), ValueError, "terms must hold at least one term, got none"),
        (lambda: KronTerms(5), TypeError, "terms must be a list of terms, not int"),
        (lambda: KronTerms([5]), TypeError, r"terms\[0\] must be a KronOperator or a pair"),
        (lambda: KronTerms([(1, 2)]), TypeError, r"terms\[0\] must be a KronOperator or a pair"),
        (lambda: KronTerms([(np.inf, [S])]), ValueError, r"terms\[0\]\[0\] must be a finite number, got inf"),
        (lambda: KronTerms([(1, [S]), (1, [A])]), ValueError, r"terms\[1\] must have factors of shapes"),
        (lambda: KronOperator(S, S) + KronOperator(A, A), ValueError, "cannot be added"),
        (lambda: KronOperator(S, S) + KronOperator(np.eye(4)), ValueError, r"terms\[1\] must have factors"),
        (lambda: KronOperator(A, A) @ KronOperator(A, A), ValueError, "the factors must fit axis by axis"),
        (lambda: KronOperator(S, S) @ KronOperator(np.eye(4)), ValueError, "the factors must fit axis by"),
        (lambda: KronOperator(S) @ Toeplitz([1.0, 2.0]), TypeError, "has no Kronecker structure"),
        (lambda: KronOperator(S) * np.nan, ValueError, "c must be a finite number, got nan"),
        (lambda: KronOperator(S) * "a", TypeError, "unsupported operand|can't multiply"),
        (lambda: KronOperator(S) + 1, TypeError, "unsupported operand"),
        (lambda: KronOperator(A).solve(np.ones(2)), ValueError, r"solve needs square factors, but factors\[0\]"),
        (lambda: KronOperator(A).shifted(1), ValueError, "shifted needs square factors"),
        (lambda: KronOperator(A).slogdet(), ValueError, "slogdet needs square factors"),
        (lambda: KronOperator(A).trace(), ValueError, r"trace needs a square operator, but the shape is \(2, 3\)"),
        (lambda: KronOperator(A).eigh(), ValueError, r"factors\[0\] must be square for an eigendecomposition"),
        (lambda: KronOperator(S, [[1, 2], [3, 4]]).eigh(), ValueError, r"factors\[1\] must be symmetric"),
        (lambda: KronOperator(S).solve(np.ones(3)), ValueError, r"b must have shape \(2,\) or \(2, k\), got \(3,\)"),
        (lambda: KronOperator(S).solve([1, np.nan]), ValueError, r"b must be finite, but b\[1\] is nan"),
        (lambda: KronOperator(S).solve(["a", "b"]), TypeError, "b must be an array of numbers"),
        (lambda: KronOperator(S).solve([1, 2], shift="a"), TypeError, "shift must be a number, not str"),
        (lambda: KronOperator(S).solve([1, 2], shift=np.inf), ValueError, "shift must be a finite number, got inf"),
        (lambda: KronOperator(S).solve([1, 2], rcond=-1), ValueError, "rcond must be at least 0 and less than 1"),
        (lambda: KronSum(S).solve([1, 2], rcond=1j), ValueError, "rcond must be a finite real number"),
        (lambda: KronOperator(S).solve(Device()), TypeError, r"A \(KronOperator\) is on the host, but b \(Device\)"),
        (lambda: KronOperator(S) @ Device(), TypeError, r"A \(KronOperator\) is on the host, but X \(Device\)"),
    ],
)  # fmt: skip
def test_wrong_calls(call, error, message):
    with pytest.raises(error, match=message):
        call()


@pytest.mark.parametrize(
    "K", [KronOperator(A, S), KronTerms([(2, [A, S])]), Toeplitz(np.ones(4), np.ones(6))]
)
def test_wrong_vectors(K):
    m, n = K.shape
    for shape in ((n + 1,), (n, 2), (), (1, n), (n, 1, 1)):
        with pytest.raises(ValueError, match=r"x must have shape \(6,\) or \(6, 1\), got"):
            K.matvec(np.ones(shape))
    for shape in ((n + 1,), (), (1, n), (n, 1, 1)):
        with pytest.raises(ValueError, match=r"X must have shape \(6,\) or \(6, k\), got"):
            K @ np.ones(shape)
    with pytest.raises(ValueError, match=r"x must have shape \(4,\)"):
        K.rmatvec(np.ones(n))
    with pytest.raises(TypeError, match="x must be an array of numbers"):
        K.matvec(["a"] * n)
    assert (m, n) == (4, 6)


@pytest.mark.parametrize("K", [KronOperator(S, S), KronSum(S, S), Toeplitz(np.ones(4))])
def test_wrong_out(K):
    x = np.ones(4)
    wrong = [
        (np.empty(5), ValueError, r"out must have shape \(4,\), got \(5,\)"),
        (np.empty((4, 1)), ValueError, "out must have shape"),
        (np.empty(4, "f4"), TypeError, "out must have dtype float64, the type of the product, got float32"),
        (np.empty(8)[::2], ValueError, "out must be contiguous"),
        ([0.0] * 4, TypeError, "out must be a NumPy array, not list"),
        (x, ValueError, "out must not overlap x"),
    ]
    read_only = np.empty(4)
    read_only.setflags(write=False)
    for out, error, message in [*wrong, (read_only, ValueError, "out must be .* writeable")]:
        with pytest.raises(error, match=message):
            K.matvec(x, out=out)
    out = np.empty(4)
    assert K.matvec(x, out=out) is out
    np.testing.assert_array_equal(out, K @ x)


def test_singular_factors_are_named():
    singular = np.array([[1.0, 2.0], [2.0, 4.0]])
    for factor in (
        singular,
        sp.csr_array(singular),
        Toeplitz([1.0, 1.0]),
        np.zeros((2, 2)),
        sp.csr_array((2, 2)),
    ):
        K = KronOperator(S, factor)
        with pytest.raises(LinAlgError, match=r"factors\[1\] is singular"):
            K.solve(np.ones(4))
        sign, logabsdet = K.slogdet()
        assert logabsdet < -30
        assert sign == 0 or np.isfinite(logabsdet)
    with pytest.raises(LinAlgError, match="the operator is singular"):
        KronOperator([[3.0]], [[3.0]]).solve([1.0], shift=-9)


def test_other_numbers_and_layouts():
    K = KronOperator(A, S)
    x = np.arange(6)
    expected = np.kron(A, S) @ x
    for given in (
        x.tolist(),
        x.astype("i1"),
        x.astype("u8"),
        x.astype("f2"),
        x.astype(">f8"),
        np.repeat(x, 2)[::2],
    ):
        y = K @ given
        assert y.dtype == np.float64
        np.testing.assert_allclose(y, expected)
    np.testing.assert_allclose(K @ np.asfortranarray(np.stack([x, x], 1)), np.stack([expected] * 2, 1))
    np.testing.assert_allclose(K @ np.broadcast_to(1.0, 6), np.kron(A, S).sum(axis=1))
    for dtype in ("i1", "i8", "u2", ">f4", "f2", "?"):
        L = KronOperator(np.ones((2, 2), dtype), sp.csr_array(np.ones((2, 1), "i4")))
        assert L.dtype == np.float64
        np.testing.assert_array_equal(L @ np.ones(2), [2.0] * 4)
    assert KronOperator([[1, 2]], ((1,), (2,))).shape == (2, 2)


@pytest.mark.parametrize("shape", [(0, 0), (0, 3), (3, 0)])
def test_factors_without_entries(shape):
    K = KronOperator(S, np.empty(shape), sp.csr_array((2, 2)))
    assert K.shape == (4 * shape[0], 4 * shape[1])
    np.testing.assert_array_equal(K @ np.ones(4 * shape[1]), np.zeros(4 * shape[0]))
    np.testing.assert_array_equal(K.tocsr().toarray(), np.zeros(K.shape))
    np.testing.assert_array_equal(K.toarray(), np.zeros(K.shape))
    if shape == (0, 0):
        assert KronOperator(np.empty(shape)).solve(np.empty(0)).shape == (0,)
        assert KronSum(S, np.empty(shape)).solve(np.empty((0, 3))).shape == (0, 3)
        assert KronOperator(S, np.empty(shape)).solve(np.empty(0), shift=1.0).shape == (0,)
        assert KronOperator(S, np.empty(shape)).slogdet() == (1, 0)
        assert KronSum(S, np.empty(shape)).logdet() == 0
    assert KronOperator(S, S).solve(np.empty((4, 0))).shape == (4, 0)
    assert KronSum(S, S).solve(np.empty((4, 0))).shape == (4, 0)


def test_arguments_are_never_written():
    b = np.ones((4, 2))
    b.setflags(write=False)
    general = np.array([[1.0, 2.0], [0.0, 3.0]])
    for K in (
        KronOperator(S, S),
        KronSum(S, S),
        KronSum(general, general),
        KronOperator(sp.csr_array(S), Toeplitz([3.0, 1])),
    ):
        for shift in (0.0, 2.0):
            x = K.solve(b, shift=shift)
            np.testing.assert_allclose(K @ x + shift * x, b, atol=1e-13)
            np.testing.assert_array_equal(b, 1)
