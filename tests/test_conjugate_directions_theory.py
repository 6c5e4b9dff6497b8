"""What theorems promise of conjugate directions: rates, finite termination, descent for any M, conjugacy."""

import numpy as np
import pytest
import scipy.sparse as sp
import scipy.sparse.linalg as sla
from hypothesis import given, settings
from hypothesis import strategies as st

import pysolve

seeds = st.integers(0, 2**16)
thorough = settings(max_examples=60, deadline=None)


def orthogonal(n, rng):
    return np.linalg.qr(rng.standard_normal((n, n)))[0]


def with_eigenvalues(values, rng):
    """A symmetric matrix with these eigenvalues, and no structure."""
    Q = orthogonal(len(values), rng)
    A = (Q * values) @ Q.T
    return (A + A.T) / 2


def spectrum(kind, n, condition, rng):
    if kind == "even":
        return np.linspace(1, condition, n)
    if kind == "geometric":
        return np.geomspace(1, condition, n)
    return np.concatenate(([1.0, condition], rng.uniform(1, condition, n)))[:n]


def system(values, rng):
    """A with these eigenvalues, a solution, and its right-hand side."""
    A, x = with_eigenvalues(values, rng), rng.standard_normal(len(values))
    return A, x, A @ x


def energy_norms(A, x, iterates):
    return np.array([max(0.0, (e := y - x) @ (A @ e)) ** 0.5 for y in iterates])


class Seen:
    """A preconditioner that notes what it was asked and answered, and a callback that notes the iterates."""

    dtype = np.dtype("f8")

    def __init__(self, function, n):
        self.function, self.shape = function, (n, n)
        self.iterates, self.proposals = [np.zeros(n)], [None]

    def matvec(self, r):
        assert np.linalg.norm(r) == pytest.approx(1.0)
        self.proposals[-1] = self.function(r)
        return self.proposals[-1]

    def callback(self, x):
        self.iterates.append(x.copy())
        self.proposals.append(None)

    @property
    def steps(self):
        return np.diff(self.iterates, axis=0)


# ---- conjugate gradients -----------------------------------------------------------------------------------


@given(
    n=st.integers(2, 60),
    kind=st.sampled_from(["even", "geometric", "random"]),
    condition=st.sampled_from([1.0, 2.0, 1e2, 1e4]),
    preconditioned=st.booleans(),
    seed=seeds,
)
@thorough
def test_error_is_below_the_bound_of_chebyshev_at_every_iteration(n, kind, condition, preconditioned, seed):
    """|e_i|_A <= 2 ((sqrt(k) - 1) / (sqrt(k) + 1))^i |e_0|_A, k the condition number of M A."""
    rng = np.random.default_rng(seed)
    A, x, b = system(spectrum(kind, n, condition, rng), rng)
    M = with_eigenvalues(np.geomspace(1, 10, n), rng) if preconditioned else np.eye(n)
    iterates = [np.zeros(n)]
    result = pysolve.cg(
        sp.csr_array(A),
        b,
        M=sla.aslinearoperator(M) if preconditioned else None,
        rtol=1e-10,
        callback=lambda y: iterates.append(y.copy()),
    )
    assert result.converged
    root = np.linalg.cholesky(M)
    values = np.linalg.eigvalsh(root.T @ A @ root)
    k = (values[-1] / values[0]) ** 0.5
    errors = energy_norms(A, x, iterates)
    bound = 2 * ((k - 1) / (k + 1)) ** np.arange(len(errors))
    assert (errors <= (bound * (1 + 1e-6) + 1e-13 * k) * errors[0]).all()


@pytest.mark.parametrize("scene", [(40,), (12, 15)])
@pytest.mark.parametrize("jacobi", [False, True])
def test_stencil_run_keeps_the_bound_too(scene, jacobi):
    A = pysolve.gallery.poisson((1, *scene) if len(scene) == 1 else scene)
    dense, rng, iterates = A.tocsr().toarray(), np.random.default_rng(0), [np.zeros(A.shape[0])]
    x = rng.standard_normal(A.shape[0])
    M = pysolve.Jacobi(A) if jacobi else None
    result = pysolve.cg(A, A @ x, M=M, rtol=1e-8, callback=lambda y: iterates.append(y.copy()))
    values = np.linalg.eigvalsh(
        dense / np.diag(dense) ** 0.5 / np.diag(dense)[:, None] ** 0.5 if jacobi else dense
    )
    k, errors = (values[-1] / values[0]) ** 0.5, energy_norms(dense, x, iterates)
    assert result.iterations == len(errors) - 1 > 10
    assert (errors <= 2 * ((k - 1) / (k + 1)) ** np.arange(len(errors)) * errors[0]).all()


@given(m=st.integers(1, 12), seed=seeds, solve=st.sampled_from([pysolve.cg, pysolve.conjugate_directions]))
@thorough
def test_as_many_iterations_as_distinct_eigenvalues(m, seed, solve):
    # At a condition number of 100 rounding does not cost a step: no slack.
    rng = np.random.default_rng(seed)
    values = np.linspace(1, 100, m)[rng.permutation(np.arange(60) % m)]
    A, _, b = system(values, rng)
    for operator in (sp.csr_array(A), sla.aslinearoperator(A)):
        result = solve(operator, b, rtol=1e-9)
        assert result.converged
        assert result.iterations <= m
    assert solve(sp.csr_array(system(np.linspace(1, 100, 60), rng)[0]), b, rtol=1e-9).iterations > 12


# ---- any M -------------------------------------------------------------------------------------------------


def noise(n, A, rng):
    return lambda r: rng.standard_normal(n)


def some_matrix(n, A, rng):
    B = rng.standard_normal((n, n))
    return lambda r: B @ r


def indefinite(n, A, rng):
    B = with_eigenvalues(rng.standard_normal(n), rng)
    return lambda r: B @ r


def negative(n, A, rng):
    B = -np.linalg.inv(A)
    return lambda r: B @ r + 0.1 * np.linalg.norm(r) * rng.standard_normal(n) / n**0.5


def nonlinear(n, A, rng):
    B = np.linalg.inv(A + 0.3 * np.trace(A) / n * np.eye(n))
    return lambda r: np.sign(B @ r) * abs(B @ r) ** 0.5


def network(n, A, rng):
    W, V = rng.standard_normal((2, n, n)) / n**0.5
    return lambda r: r + V.T @ np.maximum(W @ r, 0)


MAPS = [noise, some_matrix, indefinite, negative, nonlinear, network]
maps = pytest.mark.parametrize("make", MAPS)


def solve_and_see(make, n, condition, n_keep, seed, rtol=1e-7, maxiter=50):
    """No more iterations than come before M is compared by the clock: the same on every machine."""
    rng = np.random.default_rng(seed)
    A, x, b = system(spectrum("random", n, condition, rng), rng)
    seen = Seen(make(n, A, rng), n)
    result = pysolve.conjugate_directions(
        sp.csr_array(A), b, M=seen, n_keep=n_keep, rtol=rtol, callback=seen.callback, maxiter=maxiter
    )
    return A, x, b, seen, result


@maps
@given(n=st.integers(2, 40), condition=st.sampled_from([2.0, 1e2, 1e3]), n_keep=st.integers(1, 5), seed=seeds)
@thorough
def test_error_falls_by_what_the_direction_promises_for_any_map(make, n, condition, n_keep, seed):
    """|e_i|_A^2 - |e_{i+1}|_A^2 >= (r^T d)^2 / (d^T A d), also where d is rejected for gaining little."""
    A, x, b, seen, result = solve_and_see(make, n, condition, n_keep, seed)
    assert result.status in (pysolve.Status.CONVERGED, pysolve.Status.MAXITER), result.message
    errors = energy_norms(A, x, seen.iterates)
    slack = 1e-13 * condition * errors[0]
    assert (errors[1:] <= errors[:-1] + slack).all()
    certain = 1 / 16 / abs(A).sum(axis=1).max()  # times r^T r: what the safeguard lets no step gain less than
    n_checked = 0
    for i, d in enumerate(seen.proposals[:-1]):
        r = b - A @ seen.iterates[i]
        promised = max(0.0 if d is None else (r @ d) ** 2 / (d @ A @ d), certain * (r @ r))
        gained = errors[i] ** 2 - errors[i + 1] ** 2
        assert gained >= promised * (1 - 1e-6) - slack * errors[i]
        n_checked += d is not None
    assert n_checked > 0


@maps
@pytest.mark.parametrize("n_keep", [1, 2, 5])
def test_steps_are_conjugate_to_the_last_n_keep_ones(make, n_keep):
    A, _, _, seen, _ = solve_and_see(make, 50, 1e2, n_keep, 0, rtol=1e-4, maxiter=40)
    s = seen.steps
    gram = s @ A @ s.T
    cosines = abs(gram) / np.sqrt(np.outer(np.diag(gram), np.diag(gram)))
    assert len(s) > 2 * n_keep + 2
    for distance in range(1, n_keep + 1):
        assert np.diag(cosines, distance).max() < 1e-9
    assert np.diag(cosines, n_keep + 1).max() > 1e-4  # those before are not: the map is not a symmetric one


@given(n=st.integers(1, 8), condition=st.sampled_from([2.0, 1e2]), kind=st.integers(0, 2), seed=seeds)
@thorough
def test_keeping_all_directions_ends_in_n_steps_for_any_nonsingular_map(n, condition, kind, seed):
    rng = np.random.default_rng(seed)
    A, _, b = system(spectrum("random", n, condition, rng), rng)
    Q = orthogonal(n, rng)
    M = [Q, np.diag(rng.uniform(1, 2, n)) @ Q, with_eigenvalues(rng.choice([-1.0, 1.0], n), rng)][kind]
    result = pysolve.conjugate_directions(A, b, M=M, n_keep=n, rtol=1e-8)
    assert result.converged
    assert result.iterations <= n


@given(n=st.sampled_from([2, 4, 6]), seed=seeds)
@thorough
def test_keeping_all_directions_ends_in_n_steps_for_a_skew_map(n, seed):
    """Here d is orthogonal to r, and soon in the span of the directions kept: only rounding is left of p."""
    rng = np.random.default_rng(seed)
    A, _, b = system(np.linspace(1, 2, n), rng)
    upper = np.triu(rng.uniform(1, 2, (n, n)), 1)
    result = pysolve.conjugate_directions(A, b, M=upper - upper.T, n_keep=n, rtol=1e-8)
    assert result.converged
    assert result.iterations <= n


# ---- a linear, symmetric, positive definite M --------------------------------------------------------------


def preconditioned_cg(A, b, M, n_steps):
    """Textbook PCG: its iterates."""
    x, r = np.zeros_like(b), b.copy()
    p = z = M @ r
    iterates = [x]
    for _ in range(n_steps):
        q = A @ p
        alpha = (r @ z) / (p @ q)
        x, rest = x + alpha * p, r - alpha * q
        z_next = M @ rest
        p = z_next + (rest @ z_next) / (r @ z) * p
        r, z = rest, z_next
        iterates.append(x)
    return np.array(iterates)


@given(n=st.integers(20, 60), n_keep=st.sampled_from([1, 2, 4]), seed=seeds)
@thorough
def test_linear_map_that_is_positive_definite_gives_preconditioned_cg(n, n_keep, seed):
    rng = np.random.default_rng(seed)
    A, x, b = system(np.geomspace(1, 1e2, n), rng)
    root = orthogonal(n, rng) * 0.1 + np.eye(n)
    M = root @ np.linalg.inv(A + np.eye(n)) @ root.T
    M = (M + M.T) / 2
    for solve, keep in ((pysolve.cg, {}), (pysolve.conjugate_directions, {"n_keep": n_keep})):
        iterates = [np.zeros(n)]
        result = solve(
            sp.csr_array(A),
            b,
            M=sla.aslinearoperator(M),
            rtol=1e-6,
            maxiter=12,
            callback=lambda y, seen=iterates: seen.append(y.copy()),
            **keep,
        )
        assert (len(iterates), result.n_fallbacks) == (result.iterations + 1, 0)
        expected = preconditioned_cg(A, b, M, result.iterations)
        errors = energy_norms(A, x, expected)
        differences = [((y - z) @ A @ (y - z)) ** 0.5 for y, z in zip(iterates, expected, strict=True)]
        assert max(differences) <= 1e-9 * errors[0]
