"""Random weights for direction networks, as files hold them and as the kernels take them."""

import numpy as np

BLOCKS = {"64": (4, 6, 4), "128": (6, 10, 6)}


def random_model(architecture="64", seed=0, blocks=None):
    """Arrays of a file of weights that keep activations at the size of the input, with biases that matter."""
    rng = np.random.default_rng(seed)
    inner = sum(blocks or BLOCKS[architecture])
    return {
        "version": np.array(1),
        "architecture": np.array(architecture),
        "first_kernel": normal(rng, 0.2, 3, 3, 3, 1, 16),
        "first_bias": normal(rng, 0.1, 16),
        "kernels": normal(rng, 0.06, inner, 3, 3, 3, 16, 16),
        "biases": normal(rng, 0.1, inner, 16),
        "last_kernel": normal(rng, 0.3, 16),
        "last_bias": np.float32(0.1),
    }


def normal(rng, scale, *shape):
    return (scale * rng.standard_normal(shape)).astype(np.float32)


def for_kernels(model, blocks, kernels):
    """The tuple that a module of kernels takes, with the kernels transformed by that module."""
    packed = np.full(2 * model["kernels"].size, np.nan, np.float32)
    kernels.direction_net_pack(model["kernels"], packed)
    names = "first_kernel", "first_bias", "kernels"
    last = model["biases"], model["last_kernel"], float(model["last_bias"])
    return (blocks, *(model[name] for name in names), packed, *last)
