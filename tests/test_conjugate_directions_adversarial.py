"""Maps that mean harm: `conjugate_directions` never answers wrongly, nor takes three times the steps of plain CG.

The maps of test_conjugate_directions_safeguards.py are of no use on easy systems; these are the worst that could be
thought of, on systems that are hard, to two tolerances and with several seeds.
"""

import functools

import numpy as np
import pytest
import scipy.io
import scipy.sparse as sp
from direction_maps import Clock, Map, without_r

import pysolve
from pysolve import _conjugate_directions_steps
from pysolve.gallery import log_normal, obstacle_box


@pytest.fixture(autouse=True)
def clock(monkeypatch):
    """Steps with M and without it take the same time: what is counted are steps."""
    monkeypatch.setattr(_conjugate_directions_steps, "time", Clock())


def badly_scaled():
    """A log-normal coefficient with rows and columns scaled by factors from 1/6 to 6: plain CG takes 3 n steps."""
    scales = sp.diags_array(10.0 ** np.random.default_rng(0).uniform(-0.75, 0.75, 576))
    return sp.csr_array(scales @ log_normal((24, 24), format="csr") @ scales)


SYSTEMS = {
    "obstacle_box": lambda: obstacle_box((16, 16, 16)),
    "log_normal": lambda: log_normal((40, 40)),
    "badly_scaled": badly_scaled,
}


@functools.cache
def prepared(name, rtol, seed, folder=None):
    """The system, a right-hand side, and the iterations of plain CG."""
    A = SYSTEMS[name]() if folder is None else sp.csr_array(scipy.io.mmread(folder / f"{name}.mtx.gz"))
    b = np.random.default_rng(seed).standard_normal(A.shape[0])
    return A, b, pysolve.cg(A, b, rtol=rtol).raise_if_failed().iterations


# ---- the maps: function(A, seed) -> function(r, k) --------------------------------------------------------------


def scaled_by(factor):
    return lambda A, seed: lambda r, k: factor * (r / A.diagonal())


def random(A, seed):
    return lambda r, k: np.random.default_rng([seed, k]).standard_normal(r.size)


def huge_and_random(A, seed):
    return lambda r, k: 1e200 * random(A, seed)(r, k)


def scale_that_jumps(A, seed):
    return lambda r, k: 10.0 ** np.random.default_rng([seed, k]).integers(-150, 150) * r / A.diagonal()


def random_signs(A, seed):
    signs = np.random.default_rng(seed).choice([-1.0, 1.0], A.shape[0])
    return lambda r, k: signs * r / A.diagonal()


def every_third(A, seed):
    return lambda r, k: np.full_like(r, np.nan) if k % 3 == 0 else r / A.diagonal()


def every_second(A, seed):
    return lambda r, k: np.full_like(r, np.nan) if k % 2 else r / A.diagonal()


def nine_of_ten(A, seed):
    return lambda r, k: 0 * r if k % 10 else r


def alternating(A, seed):
    return lambda r, k: r if k % 2 else r / A.diagonal()


def orthogonal(A, seed):
    return lambda r, k: without_r(random(A, seed)(r, k), r)


def nearly_orthogonal(A, seed):
    """Just good enough not to be rejected: the part along r is what the safeguard asks for, and little more."""

    def direction(r, k):
        d = orthogonal(A, seed)(r, k)
        return d / np.linalg.norm(d) + 0.4 * r / np.linalg.norm(r)

    return direction


def stiffest(A, seed):
    """Mostly along A r, which the residual's own step needs least."""

    def direction(r, k):
        d = without_r(A @ r, r)
        return d / np.linalg.norm(d) + 0.5 * r / np.linalg.norm(r)

    return direction


def operator_itself(A, seed):
    """Linear, symmetric and positive, as a preconditioner should be; it squares the condition number."""
    return lambda r, k: A @ r


def saturated(A, seed):
    return lambda r, k: np.tanh(10 * r) / A.diagonal()


def squared(A, seed):
    return lambda r, k: r**2 / A.diagonal()


def noisy(A, seed):
    """The residual, half lost in noise: each step gains a little, and conjugacy is gone."""
    return lambda r, k: r + 0.5 * random(A, seed)(r, k) / r.size**0.5


def random_diagonal(A, seed):
    return lambda r, k: np.random.default_rng([seed, k]).uniform(0.01, 1, r.size) * r


def always_the_same(A, seed):
    v = np.random.default_rng(seed).standard_normal(A.shape[0])
    return lambda r, k: v


def stale(A, seed):
    """The residual of the step before."""
    kept = {}

    def direction(r, k):
        kept[k] = r.copy()
        return kept.pop(k - 1, r)

    return direction


def writing(A, seed):
    """Spoils its argument, and returns that very array."""

    def direction(r, k):
        r *= -3
        r[::2] = 0
        return r

    return direction


def writing_nan(A, seed):
    def direction(r, k):
        d = r / A.diagonal()
        r[:] = np.nan
        return d

    return direction


def good_at_first(then):
    return lambda A, seed: lambda r, k: r / A.diagonal() if k <= 10 else then(A, seed)(r, k)


MUST_BE_REJECTED = {
    "zero": scaled_by(0.0),
    "huge": scaled_by(1e200),
    "tiny": scaled_by(1e-200),
    "huge and random": huge_and_random,
    "orthogonal": orthogonal,
    "always the same": always_the_same,
    "good for 10 calls, then random": good_at_first(random),
    "good for 10 calls, then NaN": good_at_first(scaled_by(np.nan)),
    "random": random,
    "every third NaN": every_third,
    "every second NaN": every_second,
    "one of ten": nine_of_ten,
    "stale": stale,
}
MAY_BE_TAKEN = {
    "wrong sign": scaled_by(-1.0),
    "random signs": random_signs,
    "scale that jumps": scale_that_jumps,
    "alternating": alternating,
    "nearly orthogonal": nearly_orthogonal,
    "stiffest": stiffest,
    "A itself": operator_itself,
    "saturated": saturated,
    "squared": squared,
    "noisy": noisy,
    "random diagonal": random_diagonal,
    "writes": writing,
    "writes NaN": writing_nan,
    "good for 10 calls, then stiffest": good_at_first(stiffest),
}
MAPS = MUST_BE_REJECTED | MAY_BE_TAKEN


def check(name, A, b, plain, rtol, seed):
    result = pysolve.conjugate_directions(A, b, M=Map(MAPS[name](A, seed), A.shape[0]), rtol=rtol)
    residual = np.linalg.norm(b - (A.tocsr() if hasattr(A, "tocsr") else A) @ result.x)
    assert (result.info, result.status) == (0, pysolve.Status.CONVERGED), result.message
    assert residual <= rtol * np.linalg.norm(b) * (1 + 1e-6)
    assert result.iterations <= 3 * plain, result.message
    assert len(result.residual_norms) == result.iterations + 1
    if name in MUST_BE_REJECTED:
        assert result.n_fallbacks > 0
    if result.n_fallbacks:
        assert f"{result.n_fallbacks} directions of M were rejected" in result.message


@pytest.mark.parametrize("seed", [0, 1])
@pytest.mark.parametrize("rtol", [1e-6, 1e-10])
@pytest.mark.parametrize("system", SYSTEMS)
@pytest.mark.parametrize("name", MAPS)
def test_harm_costs_at_most_three_times_the_steps(name, system, rtol, seed):
    check(name, *prepared(system, rtol, seed), rtol, seed)


@pytest.mark.parametrize("rtol", [1e-6, 1e-10])
@pytest.mark.parametrize("name", MAPS)
def test_harm_on_a_power_grid_too(matrices, name, rtol):
    check(name, *prepared("1138_bus", rtol, 0, matrices), rtol, 0)


@pytest.mark.parametrize("limit", [1, 7, 45, 130])
@pytest.mark.parametrize("name", MAPS)
def test_answer_at_the_limit_is_what_it_says(name, limit):
    A, b, _ = prepared("log_normal", 1e-10, 0)
    M = Map(MAPS[name](A, 0), A.shape[0])
    result = pysolve.conjugate_directions(A, b, M=M, rtol=1e-10, maxiter=limit)
    assert (result.info, result.iterations, result.status) == (limit, limit, pysolve.Status.MAXITER)
    norm = np.linalg.norm(b - A @ result.x)
    assert result.residual_norms[-1] == pytest.approx(norm, rel=1e-8)


# ---- how conjugate gradients take over, and give way -----------------------------------------------------------


def test_conjugate_gradients_take_over_from_the_residual_alone():
    """Conjugate to directions that are not their own they would converge linearly (Crowder and Wolfe 1972)."""
    A, b, _ = prepared("badly_scaled", 1e-8, 0)
    n, seen = A.shape[0], []
    result = pysolve.conjugate_directions(
        A, b, M=Map(good_at_first(scaled_by(np.nan))(A, 0), n), rtol=1e-8,
        callback=lambda x: seen.append(x.copy()) if len(seen) < 19 else None,
    )  # fmt: skip
    assert "M was dropped: 10 of its directions in a row were rejected" in result.message
    alone = pysolve.cg(A, b, x0=seen[18], rtol=1e-8).iterations
    assert abs(result.iterations - 19 - alone) <= 0.05 * alone


def test_comparison_that_a_symmetric_map_wins_is_undone():
    A, b, plain = prepared("log_normal", 1e-10, 0)
    M = Map(lambda r, k: r / A.diagonal(), A.shape[0])
    uninterrupted = pysolve.cg(A, b, rtol=1e-10, M=M).iterations
    result = pysolve.conjugate_directions(A, b, rtol=1e-10, M=M)
    assert (result.converged, "dropped" in result.message) == (True, False)
    extra = result.iterations - uninterrupted
    assert 100 < uninterrupted < plain / 3
    assert min(abs(extra - steps) for steps in (0, 20, 40)) <= 2


def test_map_that_is_nearly_done_is_let_finish():
    """Nonlinear, and done soon after the 40 steps that it has until the first comparison."""
    import scipy.sparse.linalg as sla

    A, b, plain = prepared("log_normal", 1e-10, 0)
    inverse = sla.splu(A.tocsr().tocsc()).solve

    def direction(r, k):
        d = inverse(r)
        return d + 0.4 * np.linalg.norm(d) / r.size**0.5 * random(A, 0)(r, k)

    M = Map(direction, A.shape[0])
    result = pysolve.conjugate_directions(A, b, rtol=1e-10, M=M)
    assert result.converged
    assert 40 < result.iterations < 61 < plain
    assert next(M.calls) - 1 == result.iterations
