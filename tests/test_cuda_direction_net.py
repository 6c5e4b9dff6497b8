"""The network on the device: split products on tensor cores and plain ones, and solves with device arrays."""

import itertools

import numpy as np
import pytest
import reference.direction_net as reference
from cuda_cases import PLACES, kernels_at
from direction_net_cases import for_kernels, random_model

from pysolve import _backend

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
