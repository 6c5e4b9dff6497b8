"""`gallery.HeatEquation`: Crank-Nicolson as it is in the books, cheap from step to step."""

import copy
import math
import pickle
import time

import numpy as np
import pytest
import scipy.sparse as sp
from scipy.integrate import solve_ivp
from scipy.sparse.linalg import spsolve

import pysolve
from pysolve.gallery import HeatEquation

formats = pytest.mark.parametrize("format", ["csr", "stencil"])


def run(heat, n_steps, rtol=1e-12):
    """Steps with a direct solve's accuracy; the last system."""
    for _ in range(n_steps):
        A, b, x0, context = heat.advance()
        heat.accept(pysolve.cg(A, b, x0, rtol=rtol).x)
    return A, b, x0, context


def mode(nx, p=1, q=1):
    points = np.arange(1, nx) / nx
    return np.outer(np.sin(p * np.pi * points), np.sin(q * np.pi * points)).ravel()


def laplacian(nx):
    line = sp.diags_array([-1.0, 2.0, -1.0], offsets=(-1, 0, 1), shape=(nx - 1, nx - 1))
    return sp.kronsum(line, line).tocsr() * nx**2


@formats
@pytest.mark.parametrize(("p", "q"), [(1, 1), (2, 3), (7, 1)])
def test_eigenmode_decays_by_the_factor_of_crank_nicolson(format, p, q):
    nx, dt, n_steps = 16, 2e-3, 25
    heat = HeatEquation(nx, dt=dt, kappa=lambda t: 0.5 + t, u0=mode(nx, p, q), strength=0, format=format)
    run(heat, n_steps)
    eigenvalue = 4 * nx**2 * sum(math.sin(k * math.pi / (2 * nx)) ** 2 for k in (p, q))
    factor = 1.0
    for k in range(n_steps):
        z = (0.5 + (k + 0.5) * dt) * dt * eigenvalue / 2
        factor *= (1 - z) / (1 + z)
    np.testing.assert_allclose(heat.u, factor * mode(nx, p, q), atol=1e-9)


def test_scheme_is_of_second_order_in_time():
    """Against the system of ordinary differential equations, integrated to 1e-11."""
    nx, end = 10, 0.1
    K, u0 = laplacian(nx), mode(nx) + 0.3 * mode(nx, 2, 1)

    def kappa(t):
        return 0.4 + math.cos(7 * t)

    exact = solve_ivp(lambda t, u: -kappa(t) * (K @ u), (0, end), u0, method="DOP853", rtol=1e-11, atol=1e-13)
    errors = []
    for n_steps in (10, 20, 40):
        heat = HeatEquation(nx, dt=end / n_steps, kappa=kappa, u0=u0, strength=0)
        run(heat, n_steps)
        errors.append(np.abs(heat.u - exact.y[:, -1]).max())
    assert errors[0] / errors[1] == pytest.approx(4, rel=0.25)
    assert errors[1] / errors[2] == pytest.approx(4, rel=0.1)


@formats
def test_system_is_that_of_the_formula(format):
    nx, dt = 13, 1e-3
    heat = HeatEquation(nx, format=format)
    K, points = laplacian(nx), np.arange(1, nx) / nx
    x, y = np.meshgrid(points, points, indexing="ij")
    for k in (0, 1, 520):
        heat.n_steps = k
        A, b, x0, kappa = heat.advance()
        t = (k + 0.5) * dt
        assert kappa == max(0.1 * math.sin(2 * math.pi * t), -10 * math.sin(2 * math.pi * t))
        s = (x - 0.5 - math.cos(16 * math.pi * t) / 4) ** 2 + (y - 0.5 - math.sin(16 * math.pi * t) / 4) ** 2
        s = s.ravel() / 0.125**2
        f = np.zeros_like(s)
        f[s < 1] = 32 * np.exp(1 - 1 / (1 - s[s < 1]))
        half = kappa * dt / 2 * K
        matrix = A if format == "csr" else A.tocsr()
        np.testing.assert_allclose(matrix.toarray(), (sp.eye_array(len(f)) + half).toarray(), atol=1e-13)
        np.testing.assert_allclose(b, heat.u - half @ heat.u + dt * f, atol=1e-14)
        assert x0 is heat.u


def test_first_temperature_is_the_bump():
    heat = HeatEquation(40)
    u = heat.u.reshape(39, 39)
    assert u.max() == u[19, 19] == 1
    assert u[19, 19 + 9] == pytest.approx(math.exp(1 - 1 / (1 - 0.9**2)))
    assert np.count_nonzero(u[19]) == 19  # radius 0.25
    np.testing.assert_array_equal(u, u.T)


@formats
def test_long_run_stays_positive_bounded_and_follows_the_source(format):
    heat = HeatEquation(24, format=format)
    run(heat, 200, rtol=1e-10)
    u = heat.u.reshape(23, 23)
    assert u.min() > -1e-3
    assert u.max() < 10
    assert heat.time == 0.2
    assert np.isfinite(u).all()


def test_formats_agree_and_equal_a_direct_solve():
    a, b = HeatEquation(17, format="csr"), HeatEquation(17, format="stencil")
    for _ in range(5):
        A, right, _, _ = a.advance()
        a.accept(spsolve(A.tocsc(), right))
    run(b, 5)
    np.testing.assert_allclose(a.u, b.u, atol=1e-11)


def test_csr_matrix_is_one_object_of_which_only_the_values_change():
    heat = HeatEquation(20)
    A, *_ = heat.advance()
    parts = A.indptr, A.indices, A.data
    first = A.data.copy()
    heat.accept(heat.u)
    again, *_ = heat.advance()
    assert again is A
    assert all(new is old for new, old in zip((A.indptr, A.indices, A.data), parts, strict=True))
    assert (A.data != first).any()
    assert A.has_canonical_format
    assert A.indices.dtype == np.int32


def test_stencil_operator_is_a_new_object_each_step():
    heat = HeatEquation(20, format="stencil")
    A, *_ = heat.advance()
    x = np.ones(361)
    before = A @ x
    heat.accept(heat.u)
    assert heat.advance()[0] is not A
    np.testing.assert_array_equal(A @ x, before)


@pytest.mark.parametrize("nx", [2, 3, 4, 5])
@formats
def test_smallest_grids_work(nx, format):
    heat = HeatEquation(nx, format=format)
    A, *_ = run(heat, 3)
    assert A.shape == ((nx - 1) ** 2,) * 2


@formats
def test_advance_can_be_called_again_and_accept_cannot(format):
    heat = HeatEquation(9, format=format)
    with pytest.raises(ValueError, match="call advance first"):
        heat.accept(heat.u)
    _, b, *_ = heat.advance()
    _, again, *_ = heat.advance()
    np.testing.assert_array_equal(b, again)
    x = np.zeros(64)
    heat.accept(x)
    x[:] = 9  # not what the flow goes on with
    assert heat.u.max() == 0
    with pytest.raises(ValueError, match="call advance first"):
        heat.accept(x)


@formats
@pytest.mark.parametrize("way", [copy.deepcopy, lambda heat: pickle.loads(pickle.dumps(heat))])
def test_copy_goes_on_alone(format, way):
    heat = HeatEquation(12, format=format)
    run(heat, 4)
    twin = way(heat)
    run(heat, 4)
    run(twin, 4)
    np.testing.assert_array_equal(heat.u, twin.u)


@pytest.mark.parametrize(("format", "limit"), [("csr", 400e-6), ("stencil", 400e-6)])
def test_a_step_costs_little_beside_its_right_hand_side(format, limit):
    heat = HeatEquation(200, format=format)
    best = math.inf
    for _ in range(30):
        start = time.perf_counter()
        if format == "csr":
            heat._matrix.shifted(0.3)
        else:
            pysolve.StencilOperator((199, 199), (0.3, 0.3), shift=1.0)
        best = min(best, time.perf_counter() - start)
    assert best < limit  # 40 to 60 microseconds on the machine it was written on


@pytest.mark.parametrize(
    ("given", "error", "text"),
    [
        ({"nx": 1}, ValueError, "nx must be an integer, at least 2, got 1"),
        ({"nx": 2.0}, TypeError, "nx must be an integer"),
        ({"dt": 0}, ValueError, "dt must be finite and positive"),
        ({"dt": "1"}, TypeError, "dt must be a number"),
        ({"format": "dense"}, ValueError, "format must be 'csr' or 'stencil'"),
        ({"kappa": 1.0}, TypeError, "kappa must be a callable or None"),
        ({"u0": np.ones(3)}, ValueError, r"u0 must have shape \(9801,\), got \(3,\)"),
        ({"strength": math.nan}, ValueError, "strength must be finite"),
    ],
)
def test_wrong_argument_is_named(given, error, text):
    with pytest.raises(error, match=text):
        HeatEquation(**given)


def test_conductivity_that_is_negative_is_named():
    heat = HeatEquation(5, kappa=lambda t: -1.0)
    assert heat.domain is None
    with pytest.raises(ValueError, match=r"kappa\(0.0005\) must be finite and at least 0"):
        heat.advance()
