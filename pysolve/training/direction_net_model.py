"""The network of `pysolve.DirectionNet` in torch: what is trained, and what the compiled one is tested against."""

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import torch
from torch.nn import functional

CHANNELS = 16
BLOCKS = {"64": (4, 6, 4), "128": (6, 10, 6)}  # convolutions before the pool, on the coarse grid, after it
VERSION = 1  # of the file of weights


def n_convolutions(architecture: str) -> int:
    """Convolutions of 16 to 16 channels."""
    return sum(BLOCKS[architecture])


def initial(architecture: str, seed: int) -> list[Any]:
    """Glorot's uniform kernels and zero biases: [kernel, bias] of the first, the inner ones, and the last."""
    generator = torch.Generator().manual_seed(seed)

    def glorot(n_out: int, n_in: int, width: int) -> Any:
        limit = (6 / ((n_in + n_out) * width**3)) ** 0.5
        kernel = torch.empty((n_out, n_in, width, width, width))
        return kernel.uniform_(-limit, limit, generator=generator)

    parameters = [glorot(CHANNELS, 1, 3), torch.zeros(CHANNELS)]
    for _ in range(n_convolutions(architecture)):
        parameters += [glorot(CHANNELS, CHANNELS, 3), torch.zeros(CHANNELS)]
    return [*parameters, glorot(1, CHANNELS, 1), torch.zeros(1)]


def network(parameters: list[Any], x: Any, architecture: str) -> Any:
    """The direction for a batch of residuals, both of shape (batch, 1, n0, n1, n2)."""
    layers = zip(parameters[0:-2:2], parameters[1:-2:2], strict=True)
    fine, coarse, up = BLOCKS[architecture]
    y = _convolve(layers, x.contiguous(memory_format=torch.channels_last_3d))
    y = functional.relu(_convolve(layers, y))
    y = _pairs(layers, y, (fine - 2) // 2)
    y = functional.relu(_convolve(layers, y))
    z = _average(y)
    z = _pairs(layers, z, coarse // 2)
    for axis in (2, 3, 4):
        z = z.repeat_interleave(2, axis).narrow(axis, 0, y.shape[axis])
    y = _pairs(layers, z + y, up // 2)
    return functional.conv3d(y, parameters[-2], parameters[-1])


def _convolve(layers: Iterator[Any], x: Any) -> Any:
    kernel, bias = next(layers)
    return functional.conv3d(x, kernel, bias, padding=1)


def _average(y: Any) -> Any:
    """Means over blocks of 2 x 2 x 2 cells; over those that there are at an odd end, doubled for the pool."""
    for axis in (2, 3, 4):
        if y.shape[axis] % 2:
            y = torch.cat([y, y.narrow(axis, y.shape[axis] - 1, 1)], axis)
    return functional.avg_pool3d(y, 2)


def _pairs(layers: Iterator[Any], x: Any, count: int) -> Any:
    """Pairs of convolutions; after its ReLU the second one adds the input of the pair."""
    for _ in range(count):
        y = functional.relu(_convolve(layers, x))
        x = functional.relu(_convolve(layers, y)) + x
    return x


def to_arrays(parameters: list[Any], architecture: str) -> dict[str, np.ndarray]:
    """What a file of weights holds: kernels as [x, y, z, in, out]."""
    values = [p.detach().numpy().astype(np.float32) for p in parameters]
    kernels = [np.transpose(kernel, (2, 3, 4, 1, 0)) for kernel in values[0:-2:2]]
    return {
        "version": np.array(VERSION),
        "architecture": np.array(architecture),
        "first_kernel": kernels[0],
        "first_bias": values[1],
        "kernels": np.stack(kernels[1:]),
        "biases": np.stack(values[3:-2:2]),
        "last_kernel": values[-2].reshape(CHANNELS),
        "last_bias": values[-1].reshape(()),
    }


def from_arrays(arrays: Mapping[str, np.ndarray]) -> list[Any]:
    """The parameters from what a file of weights holds."""
    kernels = [arrays["first_kernel"], *arrays["kernels"]]
    biases = [arrays["first_bias"], *arrays["biases"]]
    parameters = []
    for kernel, bias in zip(kernels, biases, strict=True):
        in_torch = np.ascontiguousarray(np.transpose(kernel, (4, 3, 0, 1, 2)), dtype=np.float32)
        parameters += [torch.from_numpy(in_torch), torch.tensor(np.array(bias, dtype=np.float32))]
    last = torch.tensor(np.array(arrays["last_kernel"], dtype=np.float32)).reshape(1, CHANNELS, 1, 1, 1)
    return [*parameters, last, torch.tensor(np.array(arrays["last_bias"], dtype=np.float32)).reshape(1)]


def product(faces: list[Any], shift: Any, x: Any) -> Any:
    """A x for a batch of operators without periodic axes; x of shape (batch, 1, n0, n1, n2)."""
    y = shift * x
    for axis, weights in enumerate(faces):
        pad = [0, 0] * (2 - axis) + [1, 1] + [0, 0] * axis
        flux = weights * torch.diff(functional.pad(x, pad), dim=axis + 2)
        y = y - torch.diff(flux, dim=axis + 2)
    return y


def step_along(faces: list[Any], shift: Any, b: Any, d: Any) -> tuple[Any, Any]:
    """b - alpha A d with alpha = b.d / d.A d, the exact line search along d, and the energy that it gains."""
    q = product(faces, shift, d)
    axes = (1, 2, 3, 4)
    slope, curvature = (b * d).sum(axes, keepdim=True), (d * q).sum(axes, keepdim=True)
    alpha = slope / curvature.clamp_min(torch.finfo(d.dtype).tiny)
    return b - alpha * q, (alpha * slope).flatten()
