"""gp_pde with arrays on the device: the host's answers, and no copy to the host beyond what its page tells of."""

import pickle

import numpy as np
import pytest

from pysolve import GPStatus, Neumann, Robin, SpectralMixture, Unknown, gp_pde
from pysolve._gp_pde_posterior import DensePosterior

X = np.linspace(0, 2 * np.pi, 140)
A = np.linspace(0, 1, 30)
GRID = np.meshgrid(A, A, indexing="ij")
WAVE = np.sin(2 * np.pi * GRID[0]) * np.sin(4 * np.pi * GRID[1])
LAPLACE = {(2, 0): 1.0, (0, 2): 1.0}
F = -20 * np.pi**2 * WAVE
CLOSED = ((0.0, 0.0), (0.0, 0.0))
FEW = [[0.0], [0.0]]  # frequencies of solves that are to be quick
FIBRES = 16
PROBED = 26**2  # points of the plane at which is looked whether anything is left open


def on(device, part):
    """Arrays, and those of conditions, of unknown numbers and of tuples, on the device."""
    if isinstance(part, np.ndarray):
        return device.asarray(part)
    if isinstance(part, Robin):
        return Robin(part.a, part.b, on(device, part.g))
    if isinstance(part, Unknown):
        return Unknown(part.name, part.start, on(device, part.shape))
    if isinstance(part, dict):
        return {key: on(device, value) for key, value in part.items()}
    return type(part)(on(device, each) for each in part) if isinstance(part, (list, tuple)) else part


# What rounding leaves of a standard deviation that is next to none, relative to u.
ROUNDING = 1e-13
# The loop over the evidence stops at a small part of a deviation, in steps that follow the rounding of the BLAS.
BY_EVIDENCE = {"u": 1e-6, "std": 1e-4}


def both(device, operator, f, axes, boundary, data=None, u=1e-9, std=1e-6, **more):
    """The host's solution and the device's, which agree; the device's u and std are there."""
    host = gp_pde(operator, f, axes, boundary, data=data, return_std=True, **more)
    getattr(device, "transfers", []).clear()
    moved = [on(device, part) for part in (operator, f, axes, boundary)]
    found = gp_pde(*moved, data=on(device, data), return_std=True, **more)
    stays(device, host, data)
    assert found.status is host.status
    for mine, theirs in zip(found.frequencies, host.frequencies, strict=True):
        assert mine == pytest.approx(theirs, rel=1e-6)
    for name, most in (("u", u), ("std", std)):
        there, here = getattr(found, name), getattr(host, name)
        assert isinstance(there, device.ndarray)
        atol = most * np.abs(here).max() + (ROUNDING * np.abs(host.u).max() if name == "std" else 0.0)
        np.testing.assert_allclose(device.asnumpy(there), here, rtol=0, atol=atol)
    return host, found


def stays(device, solution, data=None):
    """No copy to the host was larger than gp_pde's docstring says."""
    features = solution._c.size if isinstance(solution._posterior, DensePosterior) else 0
    points = 0 if data is None else np.size(data[0])
    most = 8 * max(FIBRES * max(len(x) for x in solution.axes), features, points, PROBED)
    assert most < solution.u.nbytes or solution.u.ndim == 1
    assert max(getattr(device, "transfers", []), default=0) <= most


def test_a_line_by_rows_that_are_written_out(device):
    host, _ = both(device, {2: 1.0}, -900 * np.sin(30 * X), X, (0.0, 0.0))
    assert host.converged


def test_a_line_with_noise_unknown_parts_and_measurements(device):
    rng = np.random.default_rng(0)
    f = -900 * np.sin(30 * X) + 9 * rng.standard_normal(X.size)
    f[::9] = np.nan
    at = X[5::20].copy()
    both(device, {2: 1.0}, f, X, (0.0, None), (at, np.sin(30 * at), 0.01), noise=9.0, **BY_EVIDENCE)


def test_unknown_numbers_are_the_same(device):
    at = X[3::8].copy()
    measured = np.sin(6 * at) + 0.01 * np.random.default_rng(0).standard_normal(at.size)
    shape = Unknown("kappa", shape=np.ones(X.size))
    # the search ends at steps of a small part of the standard deviation, which leaves it some digits
    f, data = -0.37 * 36 * np.sin(6 * X), (at, measured, 0.01)
    host, found = both(device, {2: shape}, f, X, (0.0, 0.0), data, u=1e-6)
    assert found.coefficients["kappa"] == pytest.approx(host.coefficients["kappa"], rel=1e-6)


def test_a_nonlinear_line(device):
    cubic = (lambda u: u**3, lambda u: 3 * u**2)
    both(device, {2: 1.0}, -np.sin(X) + np.sin(X) ** 3, X, (0.0, 0.0), nonlinear=cubic)


def test_a_student_t_kernel_and_a_mixture(device):
    f = -4 * np.sin(2 * X[:60])
    x = X[:60].copy()
    for kernel in ("matern52", SpectralMixture([0.0, 0.3], rho=0.5, kind="stm")):
        both(device, {2: 1.0}, f, x, (0.0, float(np.sin(2 * x[-1]))), kernel=kernel)


def test_a_plane_by_fast_diagonalisation(device):
    sides = (np.zeros(A.size), Neumann(2 * np.pi * np.sin(4 * np.pi * A)))
    host, found = both(device, LAPLACE, F, [A, A], (sides, (0.0, 0.0)))
    assert host.converged
    assert found._posterior.solution.method in ("fast", "cholesky", "qr")


@pytest.mark.parametrize("method", ["fast", "iterative", "cholesky", "qr"])
def test_every_grid_solver(device, method):
    from pysolve._gp_pde_grid import solve_grid
    from pysolve._gp_pde_grid_basis import GridAxis
    from pysolve._gp_pde_grid_problem import GridProblem

    x = np.linspace(0, 1, 24)
    V = np.polynomial.chebyshev.chebvander(2 * x - 1, 11)
    second = np.stack([np.polynomial.Chebyshev.basis(k, [0, 1]).deriv(2)(x) for k in range(12)], axis=1)
    axis = GridAxis({0: V, 2: second}, {0: V[0]}, {0: V[-1]})
    f, exact = np.exp(x[:, None] + x), method == "fast"

    def solved(like, right):
        problem = GridProblem([axis, axis], like=like)
        problem.equation(LAPLACE, right, 1e-10 if exact else 0.1)
        for j in (0, 1):
            for high in (False, True):
                problem.face(j, high, 0.0, 1e-12 if exact else 1e-4)
        return solve_grid(problem, method=method, leading_size=140)

    host, found = solved(None, f), solved(device.empty(0), device.asarray(f))
    assert found.method == host.method == method
    assert found.status is host.status
    np.testing.assert_allclose(device.asnumpy(found.z), host.z, rtol=0, atol=1e-9 * np.abs(host.z).max())
    rows = [V[::5]] * 2
    here = host.posterior.variance(rows)
    there = device.asnumpy(found.posterior.variance([device.asarray(part) for part in rows]))
    most = 1e-4 if method == "iterative" else 1e-6  # whose draws are solved to 1e-6
    np.testing.assert_allclose(there, here, rtol=0, atol=most * here.max())


def test_a_plane_with_varying_coefficients_calls_functions_with_device_arrays(device):
    seen = []

    def a(x, y):
        seen.append(type(x).__module__)
        return 1 + x * y

    both(device, {(2, 0): a, (0, 2): 1 + GRID[0] ** 2}, np.sin(WAVE), [A, A], CLOSED, frequencies=FEW)
    assert seen[-1] == "cupy"


def test_a_plane_with_noise_and_holes(device):
    f = F + 2 * np.random.default_rng(1).standard_normal(F.shape)
    f[10:14, 10:18] = np.nan
    host, _ = both(device, LAPLACE, f, [A, A], CLOSED, noise=2.0, **BY_EVIDENCE)
    assert host.converged


def test_a_nonlinear_plane(device):
    cubic = (lambda u: u**3, lambda u: 3 * u**2)
    both(device, LAPLACE, F + WAVE**3, [A, A], CLOSED, nonlinear=cubic)


@pytest.mark.parametrize("dense", [True, False])
def test_measurements_in_the_plane(device, dense):
    at = np.random.default_rng(2).random((30, 2))
    values = np.prod(np.sin(np.pi * at), axis=1)
    f = -2 * np.pi**2 * np.prod(np.sin(np.pi * np.array(GRID)), axis=0)
    how = {"kernel": SpectralMixture(0.0, rho=1.0)} if dense else {"frequencies": FEW}
    data = (at, values, 1e-3 if dense else 0.0)
    # of exact data the deviation is 1e-8 of u, and its digits are those that conditions of 1e12 leave
    both(
        device, LAPLACE, f, [A, A], ((0.0, 0.0), (0.0, None)), data, u=1e-6, std=1e-4 if dense else 0.1, **how
    )


def test_predictions_draws_pickles_and_pictures(device):
    host, found = both(device, LAPLACE, F, [A, A], CLOSED)
    at = np.random.default_rng(3).random((9, 2))
    expected = host.predict(at)
    for where in (at, device.asarray(at)):
        mean = found.predict(where)
        assert isinstance(mean, device.ndarray)
        np.testing.assert_allclose(device.asnumpy(mean), expected, atol=1e-9)
    slope = found.predict([device.asarray(A[:3].copy()), A[:4]], deriv=(1, 0))
    np.testing.assert_allclose(
        device.asnumpy(slope), host.predict([A[:3], A[:4]], deriv=(1, 0)), atol=1e-7 * 2 * np.pi
    )
    draws = found.sample(2, rng=0)
    assert isinstance(draws, device.ndarray)
    np.testing.assert_allclose(device.asnumpy(draws), host.sample(2, rng=0), atol=1e-7)
    again = pickle.loads(pickle.dumps(found))
    np.testing.assert_array_equal(device.asnumpy(again.u), device.asnumpy(found.u))
    pytest.importorskip("matplotlib")
    found.plot(truth=device.asarray(WAVE))
    with pytest.raises(TypeError, match="where is an array on a device"):
        host.predict(device.asarray(at))


def test_axes_may_be_on_either_side(device):
    f = -4 * np.sin(2 * X)
    found = gp_pde({2: 1.0}, device.asarray(f), device.asarray(X), (0.0, 0.0))
    assert isinstance(found.axes[0], np.ndarray)
    other = gp_pde({2: 1.0}, lambda x: -4 * np.sin(2 * x), device.asarray(X), (0.0, 0.0))
    np.testing.assert_allclose(device.asnumpy(other.u), device.asnumpy(found.u), atol=1e-9)
    assert other.held_out_residual < 1e-6


def test_arrays_of_other_libraries_types_and_strides_are_taken(device):
    class Tensor:
        def __init__(self, x):
            self.x, self.__cuda_array_interface__ = x, x.__cuda_array_interface__

    f = device.asarray(-4 * np.sin(2 * X))
    expected = device.asnumpy(gp_pde({2: 1.0}, f, X, (0.0, 0.0)).u)
    wide = device.asarray(np.stack([-4 * np.sin(2 * X)] * 2, axis=1))
    for given, axis, most in (
        (Tensor(f), Tensor(device.asarray(X)), 0.0),
        (wide[:, 1], X, 0.0),
        (f.astype("f4"), X, 1e-6),
    ):
        found = gp_pde({2: 1.0}, given, axis, (0.0, 0.0))
        assert found.u.dtype == np.float64
        np.testing.assert_allclose(device.asnumpy(found.u), expected, rtol=0, atol=most + 1e-12)


def test_arrays_in_two_places_are_refused_by_name(device):
    f, g = device.asarray(F), np.zeros(A.size)
    with pytest.raises(
        TypeError, match=r"f .* is on GPU 0, but boundary\[1\]\[0\] .* is on the host: move one"
    ):
        gp_pde(LAPLACE, f, [A, A], ((0.0, 0.0), (Neumann(g), 0.0)))
    with pytest.raises(TypeError, match=r"f .* is on the host, but operator\[\(0, 2\)\] .* is on GPU 0"):
        gp_pde({(2, 0): 1.0, (0, 2): f}, F, [A, A], CLOSED)
    with pytest.raises(TypeError, match=r"f .* is on the host, but axes\[1\] .* is on GPU 0"):
        gp_pde(LAPLACE, F, [A, device.asarray(A)], CLOSED)
    with pytest.raises(TypeError, match=r"data\[0\] .* is on the host"):
        gp_pde(LAPLACE, f, [A, A], CLOSED, data=([[0.5, 0.5]], device.ones(1), 0.1))
    with pytest.raises(TypeError, match="what f returns is a NumPy array, but the problem is on the GPU"):
        gp_pde(LAPLACE, [lambda x, y: F, "source"], [A, A], ((device.asarray(g), 0.0), (0.0, 0.0)))


def test_what_the_device_does_not_do_is_said_at_once(device):
    f = device.asarray(F)
    with pytest.raises(TypeError, match=r"method='joint' takes NumPy arrays.*cupy.asnumpy\(f\)"):
        gp_pde(LAPLACE, f, [A, A], CLOSED, method="joint")
    with pytest.raises(TypeError, match=r"frequencies\[0\] is an array on a device.*cupy.asnumpy"):
        gp_pde(LAPLACE, f, [A, A], CLOSED, frequencies=[device.zeros(1), [0.0]])


def test_bad_numbers_are_named(device):
    with pytest.raises(ValueError, match="f must be finite, or NaN where it is unknown; got inf"):
        gp_pde({2: 1.0}, device.asarray(np.full(X.size, np.inf)), X, (0.0, 0.0))
    with pytest.raises(ValueError, match="f is NaN everywhere and there is no data"):
        gp_pde({2: 1.0}, device.asarray(np.full(X.size, np.nan)), X, (0.0, 0.0))
    with pytest.raises(ValueError, match=r"operator\[\(2,\)\] must be finite, got nan"):
        gp_pde({2: device.asarray(np.full(X.size, np.nan))}, 0.0, X, (0.0, 0.0))
    with pytest.raises(TypeError, match="f must hold real numbers, got dtype complex128"):
        gp_pde({2: 1.0}, device.ones(X.size, complex), X, (0.0, 0.0))
    with pytest.raises(ValueError, match=r"axes\[0\] must increase"):
        gp_pde({2: 1.0}, device.ones(X.size), device.asarray(X[::-1].copy()), (0.0, 0.0))


def test_a_nonlinear_term_that_overflows_ends_with_a_status(device):
    explode = (lambda u: u + np.inf, lambda u: u + np.inf)
    found = gp_pde({2: 1.0}, device.asarray(-np.sin(X)), X, (0.0, 5.0), nonlinear=explode)
    assert found.status is not GPStatus.SOLVED
    assert bool(np.isfinite(found.u).all())


def test_covariances_of_a_mixture_are_where_the_distances_are(device):
    kernel = SpectralMixture([1.0, 3.0], kind="stm")
    x = np.linspace(0, 2, 30)
    for found, expected in (
        (kernel.covariance(device.asarray(x), order=2), kernel.covariance(x, order=2)),
        (kernel.toeplitz_column(device.asarray(x)), kernel.toeplitz_column(x)),
    ):
        assert isinstance(found, device.ndarray)
        np.testing.assert_allclose(device.asnumpy(found), expected, rtol=1e-13, atol=1e-13)
