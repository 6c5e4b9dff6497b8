"""The direction network of the benchmarks: random weights, for what they are makes no difference to the time."""

import numpy as np

FLOPS = {
    "64": (8 + 6 / 8) * 13824 + 896,
    "128": (12 + 10 / 8) * 13824 + 896,
}  # a cell, with plain convolutions


def arrays_of(architecture: str) -> dict[str, np.ndarray]:
    """The arrays of a file of weights."""
    rng = np.random.default_rng(0)
    inner = {"64": 14, "128": 22}[architecture]

    def normal(scale: float, *shape: int) -> np.ndarray:
        return (scale * rng.standard_normal(shape)).astype(np.float32)

    return {
        "version": np.array(1),
        "architecture": np.array(architecture),
        "first_kernel": normal(0.2, 3, 3, 3, 1, 16),
        "first_bias": normal(0.1, 16),
        "kernels": normal(0.06, inner, 3, 3, 3, 16, 16),
        "biases": normal(0.1, inner, 16),
        "last_kernel": normal(0.3, 16),
        "last_bias": normal(0.1),
    }
