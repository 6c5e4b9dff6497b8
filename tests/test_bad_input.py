"""Wrong arguments: each is refused with its name, what it was and what was expected, and never a crash."""

import re

import numpy as np
import pytest
import scipy.sparse as sp
import scipy.sparse.linalg as sla
from contract_cases import SOLVERS, N, dense, matrix, vector

import pysolve

solvers = pytest.mark.parametrize("solve", SOLVERS)
STORAGES = {
    "ndarray": np.asarray,
    "matrix": lambda A: matrix(np.asarray(A)),
    **{
        f"{name}_array": getattr(sp, f"{name}_array")
        for name in ("csr", "csc", "coo", "bsr", "dia", "lil", "dok")
    },
    "csr_matrix": sp.csr_matrix,
}
storages = pytest.mark.parametrize("storage", STORAGES)
IDENTITY = sla.aslinearoperator(np.eye(N))


def refused(solve, error, *said, A=None, b=None, x0=None, **options):
    """The call raises this very error, and its text and notes say all of these."""
    A, b = dense() if A is None else A, vector() if b is None else b
    with pytest.raises(error) as raised:
        solve(A, b, x0, **options)
    assert type(raised.value) is error
    text = "\n".join([str(raised.value), *getattr(raised.value, "__notes__", ())])
    for part in said:
        assert part in text
    assert "\n" not in str(raised.value)


@solvers
@storages
@pytest.mark.parametrize("shape", [(N, N + 1), (N + 1, N), (1, N), (0, 1)])
def test_matrix_that_is_not_square(solve, storage, shape):
    if 0 in shape and storage.startswith(("bsr", "dia")):
        pytest.skip("SciPy itself has no such matrix")
    refused(solve, ValueError, "A must be square", str(shape), A=STORAGES[storage](np.ones(shape)))


@solvers
def test_operator_that_is_not_square(solve):
    for A in (
        sla.aslinearoperator(np.ones((N, 3))),
        np.ones(N),
        np.ones((2, N, N)),
        sp.coo_array(np.ones(3)),
    ):
        refused(solve, ValueError, "A must be square", str(A.shape), A=A)


class Shapeless:
    def matvec(self, x):
        return x


@solvers
@pytest.mark.parametrize(
    "A", ["abc", 3.0, None, object(), [[1.0]], ((1.0,),), {}, np.float64(2), Shapeless(), abs]
)
def test_object_that_is_no_matrix(solve, A):
    if A is None:
        with pytest.raises(TypeError, match=r"A must be an array.*NoneType"):
            solve(None, vector())
        return
    refused(solve, TypeError, "A must be", type(A).__name__, A=A)


@solvers
@pytest.mark.parametrize("shape", [(N - 1,), (N + 1,), (0,), (), (1, N), (N, 1, 1), (1,)])
def test_right_hand_side_of_the_wrong_shape(solve, shape):
    refused(solve, ValueError, "b must have shape (30,) or (30, ", f"its shape is {shape}", b=np.ones(shape))


@solvers
@pytest.mark.parametrize("shape", [(N - 1,), (0,), (), (1, N), (N, 2)])
def test_start_of_the_wrong_shape(solve, shape):
    refused(
        solve, ValueError, "x0 must have the shape of b, (30,)", f"its shape is {shape}", x0=np.ones(shape)
    )


@solvers
@pytest.mark.parametrize(
    "value", ["text", ["a"] * N, [None] * N, {}, object(), [[1.0], [1.0, 2.0]], b"bytes"]
)
@pytest.mark.parametrize("name", ["b", "x0"])
def test_vector_that_is_no_array_of_numbers(solve, name, value):
    if name == "x0" and isinstance(value, str):
        refused(solve, ValueError, "x0 must be an array, None or 'Mb'", "'text'", x0=value)
    else:
        refused(solve, TypeError, f"{name} must be an array of numbers", **{name: value})


@solvers
@pytest.mark.parametrize("dtype", [object, "U4", "S4", "M8[s]", "m8[s]", "V8"])
def test_array_of_no_numbers(solve, dtype):
    b = np.zeros(N, dtype)
    refused(solve, TypeError, "b must be an array of numbers", str(b.dtype), b=b)
    refused(solve, TypeError, "A must hold numbers", str(b.dtype), A=np.zeros((N, N), dtype))


@solvers
@storages
@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("place", [(0, 0), (4, 17), (29, 29)])
def test_matrix_that_is_not_finite(solve, storage, value, place):
    A = dense()
    A[place] = A[place[::-1]] = value
    refused(
        solve,
        ValueError,
        f"A must be finite, but A[{place[0]}, {place[1]}] is {value}",
        A=STORAGES[storage](A),
    )


@solvers
@pytest.mark.parametrize("value", [np.nan, np.inf, complex(0, np.nan)])
@pytest.mark.parametrize("name", ["b", "x0"])
def test_vector_that_is_not_finite(solve, name, value):
    x = vector("c16" if isinstance(value, complex) else "f8")
    x[7] = value
    refused(solve, ValueError, f"{name} must be finite, but {name}[7] is", "nan" if value != np.inf else "inf",
            **{name: x})  # fmt: skip
    block = np.where(np.isfinite(x), x, value).reshape(N, 1)
    refused(
        solve, ValueError, f"{name} must be finite, but {name}[7, 0] is", b=block, x0=None
    ) if name == "b" else None


@solvers
@pytest.mark.parametrize("storage", ["ndarray", "csr_array", "csc_array", "coo_array", "csr_matrix"])
def test_matrix_that_is_not_symmetric(solve, storage):
    A = dense()
    A[3, 4] = -2
    refused(solve, ValueError, "A must be symmetric", "relative asymmetry", A=STORAGES[storage](A))
    refused(solve, ValueError, "A must be Hermitian", A=STORAGES[storage](dense().astype(complex) * 1j))


def test_packed_matrix_that_is_not_symmetric():
    P = pysolve.PackedMatrix(sp.csr_array(np.triu(dense())))
    for solve in SOLVERS:
        refused(solve, ValueError, "A must be symmetric", A=P)


NUMBERS = [
    ("rtol", ValueError, [-1, -1e-30, np.nan, np.inf, np.float32(-1)], "must be finite and at least 0"),
    ("atol", ValueError, [-1, np.nan, np.inf], "must be finite and at least 0"),
    ("rtol", TypeError, ["1e-5", None, 1j, np.ones(1), [1], b"1"], "must be a real number"),
    ("atol", TypeError, ["legacy", None, 1j, np.ones(2)], "must be a real number"),
    ("maxiter", ValueError, [-1, np.int64(-7)], "must be at least 0"),
    ("maxiter", TypeError, [2.5, 10.0, "10", np.nan, np.ones(1), 1j], "must be an integer"),
    ("callback", TypeError, [3, "f", [abs]], "must be callable"),
]


@solvers
@pytest.mark.parametrize(
    ("name", "error", "value", "said"),
    [(name, error, value, said) for name, error, values, said in NUMBERS for value in values],
)
def test_option_out_of_range(solve, name, error, value, said):
    shown = repr(value) if error is TypeError else str(float(value)).removesuffix(".0")
    refused(solve, error, f"{name} {said}", shown, **{name: value})


@pytest.mark.parametrize("n_keep", [0, -1, 64, 2.0, "2", None, True])
def test_n_keep_out_of_range(n_keep):
    error = ValueError if type(n_keep) is int else TypeError
    refused(pysolve.conjugate_directions, error, "n_keep must", repr(n_keep), n_keep=n_keep)


@solvers
def test_options_by_position_or_of_no_name(solve):
    with pytest.raises(TypeError, match="positional"):
        solve(dense(), vector(), None, 1e-5)
    with pytest.raises(TypeError, match="tol"):
        solve(dense(), vector(), tol=1e-5)


@solvers
def test_no_iteration_allowed(solve):
    for A in (dense(), sp.csr_array(dense())):
        result = solve(A, vector(), maxiter=0)
        assert (result.iterations, len(result.residual_norms), result.status) == (
            0,
            1,
            pysolve.Status.MAXITER,
        )
        assert result.info > 0
        assert not result.x.any()


class Answers:
    """Gives the same answer to everything."""

    shape, dtype = (N, N), np.dtype("f8")

    def __init__(self, answer):
        self.answer = answer

    def matvec(self, r):
        return self.answer


ANSWERS = [np.ones(N - 1), np.ones((N, 2)), np.ones((1, N)), np.ones(()), np.ones((2, N, 1)), np.ones(0), 3.0]


@solvers
@pytest.mark.parametrize("answer", ANSWERS)
def test_operator_or_preconditioner_that_returns_the_wrong_shape(solve, answer):
    said = ("must map a vector of shape (30,)", f"returned shape {np.shape(answer)}")
    refused(solve, ValueError, f"M {said[0]}", said[1], M=Answers(answer))
    refused(solve, ValueError, f"A {said[0]}", said[1], A=Answers(answer))


@solvers
def test_linear_operator_that_returns_the_wrong_shape(solve):
    """The error is SciPy's own; the note says whose operator it was."""
    wrong = sla.LinearOperator((N, N), matvec=lambda r: np.ones(N - 1), dtype="f8")
    refused(solve, ValueError, "raised by M, applied to a vector of shape (30,)", M=wrong)
    refused(solve, ValueError, "raised by A, applied to a vector of shape (30,)", A=wrong)


@solvers
@pytest.mark.parametrize(
    "answer", [None, "text", {}, np.zeros(N, object), np.full(N, "a"), np.ones(N, bool), [1] * N]
)
def test_preconditioner_that_returns_no_numbers(solve, answer):
    if isinstance(answer, list) or getattr(answer, "dtype", None) == np.dtype(bool):
        result = solve(dense(), vector(), M=Answers(answer))
        assert np.isfinite(result.x).all()
    else:
        with pytest.raises((TypeError, ValueError), match=r"^M "):
            solve(dense(), vector(), M=Answers(answer))


@solvers
def test_complex_answer_to_a_real_vector(solve):
    refused(solve, TypeError, "M is complex (complex128), but A and b are real", M=1j * np.eye(N))
    refused(solve, TypeError, "A returned complex values", A=Answers(np.ones(N) * 1j))


@solvers
@pytest.mark.parametrize("M", [3, "Jacobi", lambda r: r, np.eye(N).tolist(), object(), {}, Shapeless()])
def test_object_that_is_no_preconditioner(solve, M):
    refused(
        solve, TypeError, "M must be a matrix or an operator with .shape and .matvec", type(M).__name__, M=M
    )


@solvers
def test_preconditioner_of_the_wrong_shape(solve):
    for M in (np.eye(N - 1), sp.eye_array(N + 1), sla.aslinearoperator(np.ones((N, 2))), np.ones(N),
              pysolve.Jacobi(np.eye(3))):  # fmt: skip
        refused(solve, ValueError, "M must have the shape of A, (30, 30)", f"its shape is {M.shape}", M=M)


def test_diagonal_that_jacobi_cannot_invert():
    for value in (0.0, -1.0, np.nan, np.inf, 1j):
        A = np.eye(4) * (1 + 0j if isinstance(value, complex) else 1.0)
        A[2, 2] = value
        for kind in (np.asarray, sp.csr_array, sp.csc_array, sp.coo_array, sp.dia_array):
            with pytest.raises(ValueError) as refusal:
                pysolve.Jacobi(kind(A))
            expected = [f"A must have a positive diagonal, but its entry in row 2 is {A[2, 2]}"]
            if not np.isfinite(value):
                expected.append(f"A must be finite, but A[2, 2] is {A[2, 2]}")
            assert str(refusal.value) in expected
    for A in (np.ones((2, 3)), np.ones(3)):
        with pytest.raises(ValueError, match=re.escape(str(A.shape))):
            pysolve.Jacobi(A)
    with pytest.raises(ValueError, match="A must be square"):
        pysolve.PackedMatrix(sp.csr_array(np.ones((2, 3))))
    with pytest.raises(TypeError, match="A must be a sparse array or matrix, not ndarray"):
        pysolve.PackedMatrix(np.eye(3))


@solvers
@pytest.mark.parametrize("name", ["A", "b", "x0"])
def test_masked_values_are_not_looked_behind(solve, name):
    value = np.ma.masked_array(dense() if name == "A" else vector(), copy=True)
    assert solve(**{"A": dense(), "b": vector(), name: value}).converged
    value[3] = np.ma.masked
    refused(solve, TypeError, f"{name} must not have masked values", **{name: value})
