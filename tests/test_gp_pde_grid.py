"""The least-squares solve on a grid of product features equals the one written out, whatever the rows."""

import functools

import numpy as np
import pytest

from pysolve._gp_pde_grid import solve_grid
from pysolve._gp_pde_grid_basis import GridAxis, axis_basis
from pysolve._gp_pde_grid_posterior import ExactPosterior
from pysolve._gp_pde_grid_problem import GridProblem
from pysolve._gp_pde_grid_result import GridStatus


def axis(rng, N, R, orders=(0, 1, 2)):
    """Random features: any matrices will do, they need not be derivatives of each other."""
    scale = 10.0 ** -np.linspace(0, 2, R)
    draw = {k: rng.standard_normal((N + 2, R)) * scale for k in orders}
    return GridAxis(
        {k: F[:N] for k, F in draw.items()},
        {k: F[N] for k, F in draw.items()},
        {k: F[N + 1] for k, F in draw.items()},
    )


class Dense:
    """The same problem with every row written out in the caller's features, by numpy.kron."""

    def __init__(self, axes):
        self.axes, self.rows, self.right, self.log_weight = axes, [], [], 0.0

    def add(self, rows, right, sd):
        right = np.asarray(right, dtype=float).ravel()
        sd = np.broadcast_to(sd, right.shape) if np.ndim(sd) == 0 else np.asarray(sd).ravel()
        known = np.isfinite(right) & np.isfinite(sd)
        self.rows.append(rows[known] / sd[known, None])
        self.right.append(right[known] / sd[known])
        self.log_weight -= np.log(sd[known]).sum()

    def kron(self, factors):
        return functools.reduce(np.kron, factors)

    def equation(self, terms, f, sd):
        rows = 0
        for orders, a in terms.items():
            part = self.kron([axis.features[k] for axis, k in zip(self.axes, orders, strict=True)])
            rows = rows + np.broadcast_to(a, f.shape).reshape(-1, 1) * part
        self.add(rows, f, sd)

    def face(self, j, high, g, sd, a=1.0, b=0.0):
        end = self.axes[j].high if high else self.axes[j].low
        row = (a * end[0] + (b if high else -b) * end[1])[None]
        self.add(self.kron([row if i == j else axis.features[0] for i, axis in enumerate(self.axes)]), g, sd)

    def periodic(self, j, sd):
        for k in (0, 1):
            row = (self.axes[j].high[k] - self.axes[j].low[k])[None]
            rows = self.kron([row if i == j else axis.features[0] for i, axis in enumerate(self.axes)])
            self.add(rows, np.zeros(len(rows)), sd)

    def points(self, rows, values, sd):
        product = rows[0]
        for F in rows[1:]:
            product = np.einsum("pi,pj->pij", product, F).reshape(len(F), -1)
        self.add(product, values, sd)

    def solve(self):
        n = int(np.prod([axis.features[0].shape[1] for axis in self.axes]))
        A, b = np.vstack([*self.rows, np.zeros((0, n))]), np.concatenate([*self.right, np.zeros(0)])
        c = np.linalg.lstsq(np.vstack([A, np.eye(n)]), np.concatenate([b, np.zeros(n)]), rcond=None)[0]
        R = np.linalg.qr(np.vstack([A, np.eye(n)]), mode="r")
        half = np.linalg.inv(R)
        m = len(b)
        S = A @ A.T + np.eye(m)
        evidence = -0.5 * (b @ np.linalg.solve(S, b) + np.linalg.slogdet(S)[1] + m * np.log(2 * np.pi))
        return c, half @ half.T, evidence + self.log_weight


def both(shape, sizes, seed=0, **kwargs):
    rng = np.random.default_rng(seed)
    axes = [axis(rng, N, R) for N, R in zip(shape, sizes, strict=True)]
    return GridProblem(axes, **kwargs), Dense(axes), rng


LAPLACE = {(2, 0): 1.0, (0, 2): 0.5, (0, 0): -2.0}


def fill(kind, problem, dense, rng):
    """Rows of one kind into both; returns nothing."""
    shape, d = problem.grid, len(problem.grid)
    f = rng.standard_normal(shape)
    terms = {tuple(2 * (i == j) for i in range(d)): 1.0 + j for j in range(d)} | {(0,) * d: -2.0}
    sd = 0.3
    if kind == "mask":
        f[rng.random(shape) < 0.3] = np.nan
    if kind == "variable":
        terms[(0,) * d] = rng.standard_normal(shape)
        terms[(1,) * d] = rng.standard_normal(shape)
    if kind == "separable":
        terms[(0,) * d] = np.multiply.outer(rng.standard_normal(shape[0]), np.ones(shape[1:]))
        terms[(1,) * d] = rng.standard_normal((1,) * (d - 1) + shape[-1:])
    if kind == "sd":
        sd = 0.1 + rng.random(shape)
        sd.flat[3] = np.inf
    for target in (problem, dense):
        target.equation(terms, f, sd)
    for j in range(d):
        others = shape[:j] + shape[j + 1 :]
        g = rng.standard_normal(others)
        if kind == "mask":
            g = np.where(rng.random(others) < 0.3, np.nan, g)
        for target in (problem, dense):
            if kind == "periodic" and j == 0:
                target.periodic(j, 0.2)
                continue
            target.face(j, False, g, 0.1)
            if kind == "robin":
                target.face(j, True, 2 * g, 0.2, a=0.5, b=1.5)
    if kind == "points":
        rows = [rng.standard_normal((9, axis.features[0].shape[1])) for axis in dense.axes]
        values, sd = rng.standard_normal(9), 0.05 + rng.random(9)
        for target in (problem, dense):
            target.points(rows, values, sd)


KINDS = ["plain", "mask", "variable", "separable", "sd", "periodic", "robin", "points"]
SIZES = {1: ((9,), (5,)), 2: ((9, 8), (5, 6)), 3: ((6, 5, 4), (3, 4, 2))}


@pytest.mark.parametrize("method", ["qr", "cholesky", "iterative"])
@pytest.mark.parametrize("d", [1, 2, 3])
@pytest.mark.parametrize("kind", KINDS)
def test_coefficients_equal_the_dense_solve(kind, d, method):
    problem, dense, rng = both(*SIZES[d])
    fill(kind, problem, dense, rng)
    found = solve_grid(problem, method=method, leading_size=8)
    c = dense.solve()[0].reshape(found.c.shape)
    assert found.status is GridStatus.CONVERGED
    np.testing.assert_allclose(found.c, c, rtol=1e-8, atol=1e-10 * np.abs(c).max())


@pytest.mark.parametrize("method", ["qr", "cholesky"])
@pytest.mark.parametrize("d", [1, 2, 3])
@pytest.mark.parametrize("kind", KINDS)
def test_posterior_and_evidence_equal_the_dense_formulas(kind, d, method):
    problem, dense, rng = both(*SIZES[d], seed=1)
    fill(kind, problem, dense, rng)
    found = solve_grid(problem, method=method)
    _, covariance, evidence = dense.solve()
    rows = [rng.standard_normal((4, axis.features[0].shape[1])) for axis in dense.axes]
    product = dense.kron(rows)
    variance = np.einsum("pi,ij,pj->p", product, covariance, product)
    np.testing.assert_allclose(found.posterior.variance(rows).ravel(), variance, rtol=1e-8)
    at = np.arange(4) * (4**d - 1) // 3
    np.testing.assert_allclose(found.posterior.variance_at(rows), variance[at], rtol=1e-8)
    assert found.log_evidence == pytest.approx(evidence, rel=1e-9)


def test_covariance_acts_and_samples_have_it():
    problem, dense, rng = both(*SIZES[2])
    fill("plain", problem, dense, rng)
    posterior = solve_grid(problem).posterior
    assert isinstance(posterior, ExactPosterior)
    assert posterior.exact
    T = np.kron(problem.bases[0].T, problem.bases[1].T)
    Z = rng.standard_normal(problem.size)
    wanted = np.linalg.solve(T.T @ np.linalg.inv(dense.solve()[1]) @ T, Z.ravel())
    np.testing.assert_allclose(posterior.covariance(Z).ravel(), wanted, rtol=1e-8, atol=1e-12)
    drawn = posterior.samples(20000, rng).reshape(20000, -1)
    np.testing.assert_allclose(
        drawn.T @ drawn / 20000, np.linalg.inv(T.T @ np.linalg.inv(dense.solve()[1]) @ T), atol=0.05
    )


def test_perturbed_solves_have_the_exact_variance():
    problem, dense, rng = both(*SIZES[2])
    fill("mask", problem, dense, rng)
    exact = solve_grid(problem, method="qr").posterior
    sampled = solve_grid(problem, method="iterative", leading_size=8).posterior
    assert not sampled.exact
    sampled.count = 600
    rows = [axis.features[0][:3] for axis in dense.axes]
    np.testing.assert_allclose(sampled.variance(rows), exact.variance(rows), rtol=0.35)
    at = [F[:3] for F in rows]
    np.testing.assert_allclose(sampled.variance_at(at), np.diag(sampled.variance(rows)), rtol=1e-12)
    assert sampled.samples(2, rng).shape == (2, *problem.size)


def test_fewer_points_than_features_keeps_the_whole_prior():
    problem, dense, rng = both((3, 1), (5, 4))
    fill("plain", problem, dense, rng)
    found = solve_grid(problem)
    c, _, evidence = dense.solve()
    np.testing.assert_allclose(found.c.ravel(), c, rtol=1e-9, atol=1e-12)
    assert found.log_evidence == pytest.approx(evidence, rel=1e-10)


def test_without_rows_the_prior_is_left():
    problem, dense, _ = both((6, 5), (4, 3))
    problem.equation(LAPLACE, np.full((6, 5), np.nan), 0.1)
    for found in (
        solve_grid(problem),
        solve_grid(GridProblem(dense.axes)),
        solve_grid(problem, method="iterative"),
    ):
        assert found.status is GridStatus.CONVERGED
        assert not found.c.any()
        if found.posterior.exact:
            rows = [axis.features[0] for axis in dense.axes]
            prior = np.outer((rows[0] ** 2).sum(axis=1), (rows[1] ** 2).sum(axis=1))
            np.testing.assert_allclose(found.posterior.variance(rows), prior, rtol=1e-9)
            assert found.log_evidence == pytest.approx(0.0, abs=1e-9)


def test_zero_right_side_gives_zero():
    problem, _, _ = both((6, 5), (4, 3))
    problem.equation(LAPLACE, np.zeros((6, 5)), 1e-12)
    found = solve_grid(problem)
    assert found.status is GridStatus.CONVERGED
    assert not found.z.any()


def test_repeated_features_are_no_trouble():
    rng = np.random.default_rng(3)
    one = axis(rng, 9, 4)
    twice = GridAxis(
        *[
            {k: np.concatenate([F, F], axis=-1) for k, F in part.items()}
            for part in (one.features, one.low, one.high)
        ]
    )
    problem, dense = GridProblem([twice, one]), Dense([twice, one])
    fill("plain", problem, dense, rng)
    assert problem.size == (4, 4)
    found = solve_grid(problem)
    c, _, evidence = dense.solve()
    np.testing.assert_allclose(found.c.ravel(), c, rtol=1e-7, atol=1e-10)
    assert found.log_evidence == pytest.approx(evidence, rel=1e-9)


def test_basis_is_orthonormal_with_the_prior_of_the_features():
    x = np.linspace(-1, 1, 60)
    Phi = np.array([10.0**-k * x**k for k in range(14)]).T
    basis = axis_basis(GridAxis({0: Phi}))
    Q = basis.features[0]
    np.testing.assert_allclose(Q.T @ Q, np.eye(basis.size), atol=1e-8)
    np.testing.assert_allclose(Q * basis.s**2 @ Q.T, Phi @ Phi.T, atol=1e-12 * np.abs(Phi @ Phi.T).max())
    assert basis.size == 14
    assert basis.s.min() < 1e-12 * basis.s.max()


def test_rows_that_only_the_prior_completes_take_qr():
    problem, dense, rng = both((40, 40), (18, 18))
    f = rng.standard_normal((40, 40))
    f[4:] = np.nan
    for target in (problem, dense):
        target.equation(LAPLACE, f, 1e-9)
    found = solve_grid(problem)
    assert found.method == "qr"
    _, covariance, _ = dense.solve()
    other = [axis.features[0][20:24] for axis in dense.axes]
    far = dense.kron(other)
    np.testing.assert_allclose(
        found.posterior.variance(other).ravel(), np.einsum("pi,ij,pj->p", far, covariance, far), rtol=1e-3
    )


def test_callback_stops():
    problem, dense, rng = both((9, 8), (5, 6))
    fill("variable", problem, dense, rng)
    import pysolve._gp_pde_grid as grid

    calls = []

    def callback(stage, step, size):
        calls.append(stage)
        return True

    watch = grid.Watch(callback)
    watch.next = 0.0
    assert watch("factor", 0, 1.0)
    assert calls == ["factor"]


def test_a_wrong_method_is_named():
    problem, _, _ = both((6, 5), (4, 3))
    with pytest.raises(ValueError, match="method must be one of"):
        solve_grid(problem, method="magic")
    with pytest.raises(ValueError, match="method='fast' needs"):
        solve_grid(problem, method="fast")
