"""cg and conjugate_directions on the device: the contract of every solver, and only numbers come to the host."""

import numpy as np
import pytest
import scipy.sparse as sp
from cuda_cg_cases import (
    GRID,
    SOLVERS,
    Duck,
    N,
    back,
    poisson,
    right_side,
    true_norm,
)

import pysolve
from pysolve import Status, gallery

pytestmark = pytest.mark.usefixtures("only_numbers_leave_the_device")

# ---- what every solver promises ----------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["csr", "packed", "stencil", "dense", "matvec"])
@pytest.mark.parametrize("dtype", ["f4", "f8"])
@pytest.mark.parametrize("solve", SOLVERS)
def test_converges_to_the_tolerance(device, moved, solve, kind, dtype):
    A, there = poisson(kind, dtype, moved)
    b = right_side(dtype)
    result = solve(there, moved(b), rtol=1e-4)
    assert (result.info, result.status) == (0, Status.CONVERGED)
    assert isinstance(result.residual_norms, np.ndarray)
    assert len(result.residual_norms) == result.iterations + 1
    x = back(device, result.x)
    assert (x.shape, x.dtype) == (b.shape, b.dtype)
    assert true_norm(A, x, b) <= 1.001e-4 * np.linalg.norm(b)
    on_cpu = solve(A, b, rtol=1e-4)
    assert abs(result.iterations - on_cpu.iterations) <= 1


@pytest.mark.parametrize("kind", ["csr", "packed", "matvec"])
@pytest.mark.parametrize("dtype", ["c8", "c16"])
def test_complex_systems(device, moved, kind, dtype):
    A, there = poisson(kind, dtype, moved)
    b = right_side(dtype)
    result = pysolve.cg(there, moved(b), rtol=1e-4)
    assert result.info == 0
    assert true_norm(A, back(device, result.x), b) <= 1.001e-4 * np.linalg.norm(b)


@pytest.mark.parametrize("kind", ["csr", "stencil"])
@pytest.mark.parametrize("shape", [(1,), (3,)])
def test_columns(device, moved, kind, shape):
    A, there = poisson(kind, "f8", moved)
    b = right_side("f8", *shape)
    result = pysolve.cg(there, moved(b), rtol=1e-8)
    x = back(device, result.x)
    assert (result.info, x.shape) == (0, b.shape)
    norms = np.linalg.norm(b - A @ x, axis=0)
    assert (norms <= 1.001e-8 * np.linalg.norm(b, axis=0)).all()


@pytest.mark.parametrize("solve", SOLVERS)
def test_right_sides_that_need_no_step(device, moved, solve):
    A, there = poisson("csr", "f8", moved)
    zero = solve(there, device.zeros(N), device.ones(N))
    assert (zero.info, zero.iterations, zero.residual_norms.tolist()) == (0, 0, [0.0])
    assert not back(device, zero.x).any()
    exact = right_side()
    found = solve(there, moved(A @ exact), moved(exact))
    assert (found.info, found.iterations) == (0, 0)
    np.testing.assert_array_equal(back(device, found.x), exact)


@pytest.mark.parametrize("kind", ["csr", "stencil", "matvec"])
def test_maxiter_ends_with_the_last_iterate(device, moved, kind):
    A, there = poisson(kind, "f8", moved)
    b = right_side()
    result = pysolve.cg(there, moved(b), rtol=1e-12, maxiter=7)
    assert (result.info, result.iterations, result.status) == (7, 7, Status.MAXITER)
    on_cpu = pysolve.cg(A, b, rtol=1e-12, maxiter=7)
    np.testing.assert_allclose(back(device, result.x), on_cpu.x, rtol=0, atol=1e-12)
    np.testing.assert_allclose(result.residual_norms, on_cpu.residual_norms, rtol=1e-10)


@pytest.mark.parametrize("kind", ["csr", "matvec"])
@pytest.mark.parametrize("solve", SOLVERS)
def test_indefinite_systems_end_in_words(device, moved, solve, kind):
    A, _ = poisson(moved=moved)
    there = moved(sp.csr_matrix(A - 3 * sp.eye_array(N)))
    result = solve(Duck(there) if kind == "matvec" else there, moved(right_side()), rtol=1e-10)
    assert (result.status, result.info) == (Status.INDEFINITE, -2)
    assert np.isfinite(back(device, result.x)).all()


@pytest.mark.parametrize("boundary", ["neumann", "periodic"])
def test_singular_stencils(device, moved, boundary):
    A = gallery.poisson(GRID, boundary=boundary)
    b = right_side()
    result = pysolve.cg(moved(A), moved(b - b.mean()), rtol=1e-8)
    assert result.info == 0
    assert np.linalg.norm(b - b.mean() - A @ back(device, result.x)) <= 1e-8 * np.linalg.norm(b)
    out_of_range = pysolve.cg(moved(A), moved(b))
    assert (out_of_range.status, "null space" in out_of_range.message) == (Status.SINGULAR, True)
    back(device, out_of_range.x)


def test_start_of_M_b_and_scaled_right_sides(device, moved):
    A, there = poisson("csr", "f8", moved)
    b = right_side() * 1e200
    M = pysolve.Jacobi(there)
    result = pysolve.cg(there, moved(b), "Mb", M=M, rtol=1e-8)
    assert result.info == 0
    x = back(device, result.x) / 1e200
    assert np.linalg.norm(b / 1e200 - A @ x) <= 1.001e-8 * np.linalg.norm(b / 1e200)


def test_arguments_are_left_alone_and_need_not_be_contiguous(device, moved):
    A, there = poisson("csr", "f8", moved)
    twice = moved(np.repeat(right_side(), 2))
    start = moved(np.ones(2 * N))[::2]
    result = pysolve.cg(there, twice[::2], start, rtol=1e-8)
    assert result.info == 0
    assert true_norm(A, back(device, result.x), right_side()) <= 1.001e-8 * np.linalg.norm(right_side())
    np.testing.assert_array_equal(back(device, twice), np.repeat(right_side(), 2))
    np.testing.assert_array_equal(back(device, start), np.ones(N))
    np.testing.assert_array_equal(back(device, there.data), sp.csr_matrix(A).data)


def test_callback_sees_every_iterate_on_the_device(device, moved):
    _, there = poisson("csr", "f8", moved)
    seen = []

    def stop(x):
        assert isinstance(x, device.ndarray)
        seen.append(x.copy())
        if len(seen) == 4:
            raise StopIteration

    result = pysolve.cg(there, moved(right_side()), rtol=1e-12, callback=stop)
    assert (result.status, result.iterations, len(seen)) == (Status.STOPPED, 4, 4)
    np.testing.assert_array_equal(back(device, seen[-1]), back(device, result.x))


# ---- bad input ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("solve", SOLVERS)
def test_values_that_are_not_finite_are_refused(moved, solve):
    _, there = poisson("csr", "f8", moved)
    b = right_side()
    b[5] = np.nan
    with pytest.raises(ValueError, match=r"b must be finite, but b\[5\] is nan"):
        solve(there, moved(b))


def test_shapes_that_do_not_fit_are_refused(device, moved):
    _, there = poisson("csr", "f8", moved)
    with pytest.raises(ValueError, match=r"b must have shape \(143,\)"):
        pysolve.cg(there, device.ones(N + 1))
    with pytest.raises(ValueError, match=r"x0 must have the shape of b"):
        pysolve.cg(there, device.ones(N), device.ones(N - 1))


def test_arrays_in_two_places_are_refused_by_name(device, moved):
    A, there = poisson("csr", "f8", moved)
    b = right_side()
    with pytest.raises(TypeError, match=r"b .*GPU.*x0 .*host"):
        pysolve.cg(there, moved(b), b)
    with pytest.raises(TypeError, match=r"M .*host.*b .*GPU"):
        pysolve.cg(there, moved(b), M=pysolve.Jacobi(A))
    with pytest.raises(TypeError, match=r"A .*host.*b .*GPU"):
        pysolve.conjugate_directions(A, moved(b))


def test_an_operator_that_answers_from_the_host_is_named(device, moved):
    _, there = poisson("csr", "f8", moved)

    class Host(Duck):
        def matvec(self, x):
            return np.ones(N)

    with pytest.raises(TypeError, match="A was applied to a vector on the device, but returned ndarray"):
        pysolve.cg(Host(there), moved(right_side()))
    with pytest.raises(TypeError, match="M was applied to a vector on the device, but returned ndarray"):
        pysolve.cg(there, moved(right_side()), M=Host(there))


def test_kernels_run_in_the_current_stream(device, moved, request):
    if "gpu" in request.node.callspec.id:
        pytest.skip("the stream of a launch is known where launches are simulated")
    import ctypes

    last_stream = ctypes.CDLL(request.getfixturevalue("simulated_kernels").__file__).last_stream
    last_stream.restype = ctypes.c_size_t
    _, there = poisson("csr", "f8", moved)
    b = moved(right_side())
    with device.cuda.Stream() as stream:
        pysolve.cg(there, b)
        assert last_stream() == stream.ptr
    pysolve.cg(there, b)
    assert last_stream() == 1  # the legacy default stream
