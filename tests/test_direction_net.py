"""DirectionNet: the compiled network equals the reference and torch, and solves with it end at the true residual."""

import pickle
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import reference.direction_net as reference
from direction_net_cases import BLOCKS, for_kernels, random_model
from hypothesis import given, settings
from hypothesis import strategies as st
from threadpoolctl import threadpool_limits

import pysolve
from pysolve import DirectionNet, gallery
from pysolve._backend import kernels

core = kernels(np.empty(0))
TOLERANCE = 1e-5  # relative to the largest value


def assert_close(found, expected):
    np.testing.assert_allclose(found, expected, rtol=0, atol=TOLERANCE * float(np.abs(expected).max()))


def applied(model, blocks, n, r):
    """f(r) by the compiled kernel and by the reference."""
    weights = for_kernels(model, blocks, core)
    d = np.full(r.size, np.nan, np.float32)
    work = np.full(core.direction_net_work_size(n), np.nan, np.float32)
    core.direction_net_apply(weights, n, r, d, work)
    expected = np.empty(r.size)
    reference.direction_net_apply(weights, n, r, expected)
    return d, expected


def residual(n, seed=0):
    return np.random.default_rng(seed).standard_normal(int(np.prod(n))).astype(np.float32)


def small_net(shape=(6, 5, 7), seed=0, **options):
    A = gallery.obstacle_box(shape)
    return A, DirectionNet(A, model=random_model(seed=seed), **options)


# ---- the network -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("architecture", ["64", "128"])
@pytest.mark.parametrize(
    "n", [(1, 1, 1), (2, 2, 2), (1, 1, 9), (9, 1, 1), (3, 1, 4), (4, 5, 6), (7, 3, 17), (2, 3, 70), (8, 8, 8)]
)
def test_compiled_network_equals_the_reference(n, architecture):
    d, expected = applied(random_model(architecture), BLOCKS[architecture], n, residual(n))
    assert_close(d, expected)


@given(
    n=st.tuples(st.integers(1, 5), st.integers(1, 5), st.sampled_from([1, 2, 3, 4, 5, 8, 12, 13, 33])),
    blocks=st.tuples(*[st.sampled_from([2, 4])] * 3),
    seed=st.integers(0, 99),
)
@settings(max_examples=40, deadline=None)
def test_networks_of_any_depth_equal_the_reference(n, blocks, seed):
    d, expected = applied(random_model(seed=seed, blocks=blocks), blocks, n, residual(n, seed))
    assert_close(d, expected)


def test_transformed_kernels_equal_the_reference():
    inner = random_model()["kernels"]
    packed, expected = np.empty((2, 2 * inner.size), np.float32)
    core.direction_net_pack(inner, packed)
    reference.direction_net_pack(inner, expected)
    np.testing.assert_allclose(packed, expected, rtol=0, atol=1e-7 * abs(expected).max())


@pytest.mark.parametrize("architecture", ["64", "128"])
@pytest.mark.parametrize("n", [(8, 6, 10), (5, 7, 9), (1, 2, 3), (20, 18, 22)])
def test_compiled_network_equals_the_one_in_torch(n, architecture):
    torch = pytest.importorskip("torch", reason="torch is not installed")
    from pysolve.training import direction_net_model as model

    arrays, r = random_model(architecture), residual(n)
    weights = for_kernels(arrays, BLOCKS[architecture], core)
    d = np.empty_like(r)
    core.direction_net_apply(weights, n, r, d, np.empty(core.direction_net_work_size(n), np.float32))
    with torch.inference_mode():
        x = torch.from_numpy(r.reshape(1, 1, *n))
        expected = model.network(model.from_arrays(arrays), x, architecture).numpy().ravel()
    assert_close(d, expected)


def test_number_of_threads_does_not_change_the_bits():
    A, net = small_net((24, 20, 22))
    r = residual(A.grid_shape)
    with threadpool_limits(1):
        one = net @ r
    with threadpool_limits(4):
        np.testing.assert_array_equal(net @ r, one)


def test_threads_that_share_a_network_get_the_same_answers():
    A, net = small_net((16, 12, 14))
    residuals = [residual(A.grid_shape, seed) for seed in range(12)]
    expected = [net @ r for r in residuals]
    with ThreadPoolExecutor(4) as pool:
        for found, wanted in zip(pool.map(net.matvec, residuals), expected, strict=True):
            np.testing.assert_array_equal(found, wanted)


def test_parameters_are_as_many_as_in_the_paper():
    A = gallery.poisson((2, 2, 2))
    counts = {name: DirectionNet(A, model=random_model(name)).n_parameters for name in BLOCKS}
    assert counts == {"64": 97_457, "128": 152_881}


def test_kernels_refuse_arrays_they_cannot_use():
    n, model = (2, 3, 4), random_model()
    weights = for_kernels(model, BLOCKS["64"], core)
    r, d = residual(n), np.empty(24, np.float32)
    work = np.empty(core.direction_net_work_size(n), np.float32)
    for wrong in ((0, 3, 4), (2, 3), (2**31, 2**31, 2**31)):
        with pytest.raises(ValueError, match="n "):
            core.direction_net_apply(weights, wrong, r, d, work)
    with pytest.raises(ValueError, match="work must have"):
        core.direction_net_apply(weights, n, r, d, work[:-1])
    with pytest.raises(TypeError, match="r must have dtype f4"):
        core.direction_net_apply(weights, n, r.astype(float), d, work)
    with pytest.raises(ValueError, match="blocks must be even"):
        core.direction_net_apply(((3, 6, 4), *weights[1:]), n, r, d, work)
    with pytest.raises(ValueError, match="kernels must have"):
        core.direction_net_apply(((4, 8, 4), *weights[1:]), n, r, d, work)
    with pytest.raises(ValueError, match="packed must be an array, not None, on the host"):
        core.direction_net_apply((*weights[:4], None, *weights[5:]), n, r, d, work)


# ---- the map of residuals to directions --------------------------------------------------------------------


def test_direction_is_that_of_the_masked_residual_of_unit_mean_square():
    A, net = small_net()
    r = residual(A.grid_shape).astype(float)
    fluid = ~A.decoupled.ravel()
    masked = np.where(fluid, r, 0)
    rms = np.sqrt((masked**2).sum() / fluid.sum())
    expected = np.empty(r.size)
    reference.direction_net_apply(net._weights, A.grid_shape, masked / rms, expected)
    assert A.decoupled.any()
    assert_close(net @ r, np.where(fluid, rms * expected, 0))


@pytest.mark.parametrize("scale", [1e-300, 1e-20, 3.0, 1e20, 1e300])
def test_scale_of_the_residual_is_that_of_the_direction(scale):
    A, net = small_net()
    r = residual(A.grid_shape).astype(float)
    np.testing.assert_allclose(net @ (scale * r), scale * (net @ r), rtol=1e-4, atol=1e-5 * scale)


def test_direction_is_zero_in_solid_cells_and_has_no_constant_that_walls_enclose():
    solid = np.zeros((6, 7, 8), bool)
    solid[3] = True
    A = gallery.poisson(solid.shape, solid=solid, boundary="neumann")
    d = DirectionNet(A, model=random_model()) @ residual(solid.shape).astype(float)
    assert A.n_components == 2
    assert not d[solid.ravel()].any()
    labels = A.components[0]
    for k in range(2):
        assert abs(d[labels == k].mean()) < 1e-12 * abs(d).max()


def test_zero_gives_zero_and_so_does_what_the_operator_cannot_see():
    A, net = small_net()
    assert not (net @ np.zeros(A.shape[0])).any()
    assert not (net @ np.where(A.decoupled.ravel(), 1.0, 0.0)).any()
    walls = DirectionNet(gallery.poisson((3, 4, 5), boundary="neumann"), model=random_model())
    assert not (walls @ np.full(60, 2.0)).any()
    nothing = gallery.poisson((2, 2, 2), solid=np.ones((2, 2, 2), bool))
    assert not (DirectionNet(nothing, model=random_model()) @ np.ones(8)).any()


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_residual_that_is_not_finite_gives_no_finite_direction(value):
    A, net = small_net()
    r = residual(A.grid_shape).astype(float)
    r[np.flatnonzero(~A.decoupled.ravel())[3]] = value
    assert not np.isfinite(net @ r).any()


def test_any_type_and_layout_of_residual_is_taken():
    A, net = small_net()
    r = residual(A.grid_shape)
    expected = net @ r
    assert (expected.dtype, (net @ r.astype("f8")).dtype) == (np.dtype("f8"),) * 2
    for other in (r.astype(float), r.astype(">f4"), r.tolist(), np.repeat(r, 2)[::2]):
        np.testing.assert_array_equal(net @ other, expected)
    np.testing.assert_array_equal(
        net @ np.stack([r, 2 * r], axis=1), np.stack([expected, 2 * expected], axis=1)
    )
    assert net.matvec(r[:, None]).shape == (r.size, 1)
    single = DirectionNet(A.astype("f4"), model=random_model())
    assert ((single @ r).dtype, (single @ r.astype("f8")).dtype) == (np.dtype("f4"), np.dtype("f8"))
    with pytest.raises(ValueError, match=r"r must have shape \(210,\)"):
        net @ r[1:]
    with pytest.raises(TypeError, match="r must be real"):
        net @ (1j * r)


def test_network_of_a_matrix_is_that_of_the_operator():
    A, net = small_net((6, 5, 8))
    matrix = A.tocsr()
    other = DirectionNet(matrix, shape=A.grid_shape, model=random_model())
    r = np.where(A.decoupled.ravel(), 0, residual(A.grid_shape))
    assert_close(other @ r, net @ r)


def test_network_pickles_and_shows_itself():
    A, net = small_net()
    r = residual(A.grid_shape)
    again = pickle.loads(pickle.dumps(net))
    np.testing.assert_array_equal(again @ r, net @ r)
    assert repr(again) == "DirectionNet((6, 5, 7), architecture='64', dtype=float64)"
    assert (again.shape, again.grid_shape) == (A.shape, A.grid_shape)


# ---- solves ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("shape", [(16, 16, 16), (13, 9, 18)])
@pytest.mark.parametrize("architecture", ["64", "128"])
def test_solve_with_weights_that_nobody_trained_ends_at_the_true_residual(architecture, shape):
    A = gallery.obstacle_box(shape, rng=3)
    b = np.random.default_rng(4).standard_normal(A.shape[0])
    result = pysolve.conjugate_directions(
        A, b, M=DirectionNet(A, model=random_model(architecture)), rtol=1e-8
    )
    assert result.converged
    assert np.linalg.norm(b - A @ result.x) <= 1.0001e-8 * np.linalg.norm(b)
