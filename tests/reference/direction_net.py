"""The network of direction_net in plain NumPy and double precision: the specification.

Residual and directions are boxes of cells in C order; inside, arrays are [x, y, z, channel]. What the paper's table
leaves open is taken from its figure: a pair of convolutions adds the pair's own input to the second one's ReLU. An
odd extent's last block of the pool averages the cells that there are, and the up-sampled box is cut to the fine one.
"""

import itertools

import numpy as np

CHANNELS = 16


def direction_net_apply(weights, n, r, d, work=None):
    """d = f(r); `packed` among the weights, and `work`, are what the compiled kernels need, and are not used."""
    (fine, coarse, up), first_kernel, first_bias, kernels, _, biases, last_kernel, last_bias = weights
    kernels = np.reshape(kernels, (fine + coarse + up, 3, 3, 3, CHANNELS, CHANNELS))
    layers = iter(zip(kernels, np.reshape(biases, (-1, CHANNELS)), strict=True))
    x = np.asarray(r, dtype=np.float64).reshape(*n, 1)
    y = convolve(x, np.reshape(first_kernel, (3, 3, 3, 1, CHANNELS)), first_bias)
    y = relu(convolve(y, *next(layers)))
    y = pairs(y, (fine - 2) // 2, layers)
    y = relu(convolve(y, *next(layers)))
    z = pairs(average(y), coarse // 2, layers)
    y = pairs(nearest(z, n) + y, up // 2, layers)
    d[:] = (y @ np.asarray(last_kernel, dtype=np.float64) + float(last_bias)).ravel()


def convolve(x, kernel, bias):
    """Sum over the 27 neighbours, x = 0 beyond the box; kernel [x, y, z, in, out]."""
    padded = np.pad(x, ((1, 1), (1, 1), (1, 1), (0, 0)))
    y = np.zeros((*x.shape[:3], kernel.shape[-1])) + bias
    for a, b, c in itertools.product(range(3), repeat=3):
        part = padded[a : a + x.shape[0], b : b + x.shape[1], c : c + x.shape[2]]
        y += part @ kernel[a, b, c].astype(np.float64)
    return y


def relu(x):
    return np.maximum(x, 0)


def pairs(x, count, layers):
    for _ in range(count):
        y = relu(convolve(x, *next(layers)))
        x = relu(convolve(y, *next(layers))) + x
    return x


def average(y):
    """Means over blocks of 2 x 2 x 2 cells, of the cells that there are at an odd end."""
    coarse = np.zeros([(k + 1) // 2 for k in y.shape[:3]] + [CHANNELS])
    for i, j, k in np.ndindex(*coarse.shape[:3]):
        block = y[2 * i : 2 * i + 2, 2 * j : 2 * j + 2, 2 * k : 2 * k + 2]
        coarse[i, j, k] = block.mean(axis=(0, 1, 2))
    return coarse


def nearest(z, n):
    """Every cell's value in its 2 x 2 x 2 cells, cut to the extents n."""
    for axis in range(3):
        z = np.repeat(z, 2, axis=axis)
    return z[: n[0], : n[1], : n[2]]


def direction_net_pack(kernels, packed):
    """[layer][x][y][z][in][out] -> [layer][point][x][y][in][out]: the polynomial in z that has the three weights as
    coefficients, at the points 0, +-1/sqrt(2), +-sqrt(2), each divided by the product of its distances to the other
    points, and its leading coefficient."""
    w = np.reshape(kernels, (-1, 3, 3, 3, CHANNELS, CHANNELS)).astype(np.float64)
    points = [0.0, 0.5**0.5, -(0.5**0.5), 2**0.5, -(2**0.5)]
    out = np.empty((w.shape[0], 6, 3, 3, CHANNELS, CHANNELS))
    for k, p in enumerate(points):
        distances = np.prod([p - q for q in points if q != p])
        out[:, k] = (w[:, :, :, 0] + p * w[:, :, :, 1] + p * p * w[:, :, :, 2]) / distances
    out[:, 5] = w[:, :, :, 2]
    packed[:] = out.ravel()
