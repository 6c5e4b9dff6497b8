"""`gallery.ShiftedLaplacians`: the matrices and the distributions of the paper's first experiment."""

import math

import numpy as np
import pytest
from scipy import stats

import pysolve
from pysolve.gallery import ShiftedLaplacians

variances = pytest.mark.parametrize("variance", ["low", "high"])


@variances
def test_matrices_are_shifted_laplacians_and_definite(variance):
    plain = pysolve.gallery.poisson((10, 10), format="csr").toarray()
    for A, b, c in ShiftedLaplacians(variance=variance, n_systems=50):
        np.testing.assert_allclose(A.toarray(), plain + c * np.eye(100), atol=1e-14)
        assert np.linalg.eigvalsh(A.toarray())[0] > 0
        assert b.shape == (100,)
        assert np.linalg.norm(b) <= 10
        assert isinstance(c, float)


@pytest.mark.parametrize("m", [1, 2, 5, 10, 17, 40])
def test_every_grid_has_definite_matrices(m):
    systems = ShiftedLaplacians(m, "high", n_systems=20)
    least = 4 - 4 * math.cos(math.pi / (m + 1))
    assert systems.domain[0] == pytest.approx(-0.15 * least / (4 - 4 * math.cos(math.pi / 11)))
    assert least + systems.domain[0] > 0
    assert all(A.shape == (m * m, m * m) for A, _, _ in systems)


@pytest.mark.parametrize(("variance", "a", "b"), [("low", 2, 6), ("high", 0.5, 1.5)])
def test_shifts_have_the_distribution_of_the_paper(variance, a, b):
    systems = ShiftedLaplacians(variance=variance, n_systems=5000, rng=7)
    assert stats.kstest((systems.contexts + 0.15) / 0.6, stats.beta(a, b).cdf).pvalue > 0.01
    low, high = systems.domain
    assert low <= systems.contexts.min()
    assert systems.contexts.max() <= high
    assert systems.domain == pytest.approx((-0.15, 0.45))


def test_right_hand_sides_are_normal_in_a_ball():
    """norm(b)^2 is chi-squared with n degrees of freedom, cut off at n; the direction is uniform."""
    bs = np.array([b for _, b, _ in ShiftedLaplacians(n_systems=2000, rng=4)])
    squares = (bs**2).sum(axis=1)
    chi = stats.chi2(100)
    assert stats.kstest(chi.cdf(squares) / chi.cdf(100), "uniform").pvalue > 0.01
    directions = bs / np.sqrt(squares)[:, None]
    assert np.abs(directions.mean(axis=0)).max() < 5 * 0.1 / math.sqrt(2000)


def test_sequence_is_the_same_each_time_and_differs_with_rng():
    systems = ShiftedLaplacians(n_systems=5, rng=1)
    first, again = list(systems), list(systems)
    assert len(systems) == 5 == len(first)
    for (A, b, c), (A2, b2, c2) in zip(first, again, strict=True):
        assert (A != A2).nnz == 0
        assert c == c2
        np.testing.assert_array_equal(b, b2)
    other = list(ShiftedLaplacians(n_systems=5, rng=2))
    assert first[0][2] != other[0][2]
    assert not np.array_equal(first[0][1], other[0][1])
    drawn = ShiftedLaplacians(n_systems=5, rng=np.random.default_rng(1))
    np.testing.assert_array_equal(drawn.contexts, systems.contexts)


def test_matrices_share_their_pattern_and_nothing_else():
    (A, _, _), (B, _, _) = ShiftedLaplacians(n_systems=2)
    assert np.shares_memory(A.indptr, B.indptr)
    assert np.shares_memory(A.indices, B.indices)
    assert not np.shares_memory(A.data, B.data)
    assert not ShiftedLaplacians(n_systems=2).contexts.flags.writeable


@pytest.mark.parametrize(
    ("given", "error", "text"),
    [
        ({"m": 0}, ValueError, "m must be an integer, at least 1, got 0"),
        ({"m": 2.5}, TypeError, "m must be an integer"),
        ({"variance": "middle"}, ValueError, "variance must be 'low' or 'high'"),
        ({"n_systems": 0}, ValueError, "n_systems must be an integer, at least 1"),
        ({"rng": -1}, ValueError, "rng must be None"),
    ],
)
def test_wrong_argument_is_named(given, error, text):
    with pytest.raises(error, match=text):
        ShiftedLaplacians(**given)
