"""The network on the device: split products on tensor cores and plain ones, and solves with device arrays."""

import itertools

import numpy as np
import pytest
import reference.direction_net as reference
from cuda_cases import PLACES, kernels_at
from direction_net_cases import for_kernels, random_model

import pysolve
from pysolve import DirectionNet, _backend, gallery

# Of the largest value. Split products keep 16 bits of each operand; plain ones are of float32.
SPLIT, PLAIN = 4e-5, 2e-6


@pytest.fixture(scope="module", params=PLACES)
def kernels(request):
    return kernels_at(request)


def applied(kernels, weights, n, r):
    d = np.full(r.size, np.nan, np.float32)
    work = np.full(kernels.direction_net_work_size(n), np.nan, np.float32)
    kernels.direction_net_apply(weights, n, r, d, work)
    return d


def residual(n, seed=1):
    return np.random.default_rng(seed).standard_normal(np.prod(n)).astype(np.float32)


def without_packed(weights):
    """The weights of a network in plain float32."""
    return (*weights[:4], None, *weights[5:])


# ---- the kernels -------------------------------------------------------------------------------------------


# Boxes around the 4 x 8 x 16 cells of a block.
@pytest.mark.parametrize(
    ("n", "blocks"),
    [
        *itertools.product([(1, 1, 1), (2, 3, 4), (5, 1, 7)], [(4, 6, 4), (2, 2, 2), (6, 4, 2)]),
        *itertools.product([(4, 8, 16), (5, 9, 17), (3, 7, 33), (9, 2, 15)], [(2, 2, 2)]),
    ],
)
def test_direction_net_equals_the_reference(kernels, n, blocks):
    weights, r, expected = (
        for_kernels(random_model(blocks=blocks), blocks, kernels),
        residual(n),
        np.empty(np.prod(n)),
    )
    reference.direction_net_apply(weights, n, r, expected)
    size = float(abs(expected).max())
    np.testing.assert_allclose(applied(kernels, weights, n, r), expected, rtol=0, atol=SPLIT * size)
    plain = applied(kernels, without_packed(weights), n, r)
    np.testing.assert_allclose(plain, expected, rtol=0, atol=PLAIN * size)


@pytest.mark.parametrize("size", [1e-30, 1e-6, 1e6, 1e30])
def test_activations_of_any_size_are_split_alike(kernels, size):
    model, n = random_model(blocks=(2, 2, 2)), (2, 3, 5)
    model["first_bias"][:] = model["biases"][:] = model["last_bias"] = 0
    weights, r, expected = for_kernels(model, (2, 2, 2), kernels), residual(n), np.empty(30)
    reference.direction_net_apply(weights, n, r, expected)
    d = applied(kernels, weights, n, np.float32(size) * r) / np.float32(size)
    np.testing.assert_allclose(d, expected, rtol=0, atol=SPLIT * float(abs(expected).max()))


def test_packed_weights_are_split_in_two(kernels):
    inner = random_model(blocks=(2, 2, 2))["kernels"]
    packed = np.full(2 * inner.size, np.nan, np.float32)
    kernels.direction_net_pack(inner, packed)
    used, rest = packed.reshape(2, -1)
    rows = (used.view(np.uint16).astype(np.uint32) << 16).view(np.float32).reshape(-1, 27, 16, 2, 16)
    high, low = (rows[..., part, :].swapaxes(2, 3).reshape(inner.shape) for part in range(2))
    assert not rest.any()
    assert (abs(high - inner) <= 2.0**-8 * abs(inner)).all()
    assert (abs(low + (high - inner)) <= 2.0**-16 * abs(inner)).all()


def test_an_application_has_the_same_bits_every_time_and_in_every_launch(simulation):
    from cuda_cases import SimulatedKernels

    weights, n, found = None, (5, 9, 18), []
    for launch in [(32, 1), (64, 3), (256, 2048), (256, 2048)]:
        kernels = SimulatedKernels(simulation, *launch)
        weights = weights or for_kernels(random_model(blocks=(2, 2, 2)), (2, 2, 2), kernels)
        found.append(applied(kernels, weights, n, residual(n)))
    for d in found[1:]:
        np.testing.assert_array_equal(d, found[0])


def test_weights_and_workspace_must_start_at_a_multiple_of_16_bytes(device):
    n, module = (2, 2, 2), _backend._cuda
    moved = [device.asarray(x) for x in residual_and_space(module, n)]
    weights = for_kernels(random_model(blocks=(2, 2, 2)), (2, 2, 2), reference)
    weights = [device.asarray(x) if isinstance(x, np.ndarray) else x for x in weights]
    module.direction_net_apply(tuple(weights), n, *moved)
    module.direction_net_apply(tuple(weights), n, moved[0], device.empty(9, "f4")[1:], moved[2])
    for k, name in enumerate(["first_kernel", "first_bias", "kernels", "packed", "biases"], start=1):
        shifted = device.empty(weights[k].size + 1, "f4")[1:]
        wrong = (*weights[:k], shifted, *weights[k + 1 :])
        with pytest.raises(ValueError, match=f"^{name} must start at a multiple of 16 bytes"):
            module.direction_net_apply(wrong, n, *moved)
    with pytest.raises(ValueError, match=r"^work must start at a multiple of 16 bytes"):
        module.direction_net_apply(tuple(weights), n, *moved[:2], device.empty(moved[2].size + 1, "f4")[1:])


def residual_and_space(module, n):
    """Arguments r, d and work."""
    r = residual(n)
    return r, np.empty_like(r), np.empty(module.direction_net_work_size(n), np.float32)


# ---- the map of residuals to directions --------------------------------------------------------------------


def stays(device):
    """Nothing but scalars and norms has been copied to the host."""
    return max(getattr(device, "transfers", []), default=0) <= 4096


def made(shape=(4, 5, 6), **options):
    """An operator with solid cells, its network on the host and on the device, and a residual."""
    A = gallery.obstacle_box(shape)
    D = A.to_device("cuda")
    return D, DirectionNet(A, **options), DirectionNet(D, **options), residual(shape).astype(float)


@pytest.mark.parametrize(("precision", "tolerance"), [("mixed", SPLIT), ("single", PLAIN)])
def test_directions_on_the_device_are_those_on_the_host(device, precision, tolerance):
    _, host, net, r = made(precision=precision)
    expected, d = host @ r, net @ device.asarray(r)
    assert isinstance(d, device.ndarray)
    assert (d.dtype, d.shape) == (expected.dtype, expected.shape)
    assert stays(device)
    np.testing.assert_allclose(device.asnumpy(d), expected, rtol=0, atol=tolerance * abs(expected).max())
    both = net @ device.asarray(np.stack([r, 2 * r], axis=1))
    np.testing.assert_array_equal(device.asnumpy(both[:, 0]), device.asnumpy(d))


def test_a_direction_looks_at_no_number_of_the_device(device):
    _, _, net, r = made()
    r = device.asarray(r)
    net @ r  # the operator finds its components once
    getattr(device, "transfers", []).clear()
    net @ r
    assert not getattr(device, "transfers", [])


@pytest.mark.parametrize("value", [0.0, np.nan, np.inf, 1e-300, 1e300])
def test_residuals_of_any_size_have_directions(device, value):
    _, _, net, r = made((3, 4, 5))
    d = device.asnumpy(net @ device.asarray(value * r))
    if np.isfinite(value):
        expected = device.asnumpy(net @ device.asarray(r))
        np.testing.assert_allclose(d, value * expected, rtol=1e-4, atol=1e-5 * value)
    else:
        assert not np.isfinite(d).any()


def test_an_operator_without_arrays_serves_both_places_with_weights_moved_once(device):
    net, r = DirectionNet(gallery.poisson((3, 4, 5))), residual((3, 4, 5)).astype(float)
    there = device.asarray(r)
    expected, d = net @ r, net @ there
    np.testing.assert_allclose(device.asnumpy(d), expected, rtol=0, atol=SPLIT * abs(expected).max())
    twin = net._twin
    net @ there
    assert net._twin is twin
    assert net.to_device("cuda").to_device("cpu")._place == "cpu"


def test_arrays_in_two_places_are_refused(device):
    D, host, net, r = made((3, 4, 5))
    with pytest.raises(TypeError, match="on the host"):
        net @ r
    with pytest.raises(TypeError, match="on the host"):
        host @ device.asarray(r)
    with pytest.raises(TypeError, match=r"\(DirectionNet\) is on the host"):
        pysolve.conjugate_directions(D, device.asarray(r), M=host)
    with pytest.raises(ValueError, match=r'precision must be "mixed" or "single", not .half.'):
        DirectionNet(D, precision="half")


def test_solves_with_the_network_run_on_the_device(device):
    D, host, net, r = made()
    b = np.where(device.asnumpy(D.decoupled).ravel(), 0.0, r)
    result = pysolve.conjugate_directions(D, device.asarray(b), M=net, rtol=1e-4)
    A = D.to_device("cpu")
    expected = pysolve.conjugate_directions(A, b, M=host, rtol=1e-4)
    assert isinstance(result.x, device.ndarray)
    assert stays(device)
    assert result.converged
    assert result.iterations <= expected.iterations + 1
    assert np.linalg.norm(b - A @ device.asnumpy(result.x)) <= 1e-4 * np.linalg.norm(b)


@pytest.mark.parametrize("precision", ["mixed", "single"])
def test_a_network_that_knows_nothing_cannot_make_a_solve_wrong(device, precision):
    D, _, net, r = made((3, 4, 5), model=random_model(seed=3), precision=precision)
    b = np.where(device.asnumpy(D.decoupled).ravel(), 0.0, r)
    result = pysolve.conjugate_directions(D, device.asarray(b), M=net, rtol=1e-6, maxiter=20)
    true = np.linalg.norm(b - D.to_device("cpu") @ device.asnumpy(result.x))
    assert result.residual_norms[-1] == pytest.approx(true, rel=1e-9)
    assert result.converged == (true <= 1e-6 * np.linalg.norm(b))
