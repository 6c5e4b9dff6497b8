"""Eigenvalues of a sum of Kronecker products, sum_t c_t w_1^(t)[i_1] ... w_d^(t)[i_d], some at a time."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import numpy as np

from pysolve import _arrays
from pysolve._backend import empty, namespace, on_device, zeros
from pysolve._kron_structured import outer

# Eigenvalues at a time: a quarter of a megabyte, so that they stay in the cache; on the device few launches.
BLOCK, BLOCK_ON_DEVICE = 1 << 15, 1 << 26


class Spectrum:
    """The eigenvalues in Kronecker order; along the first axis they are made when they are asked for.

    Parameters
    ----------
    terms : list of (coefficient, vectors)
        One 1-D array for each axis; the same object where terms share it.
    """

    def __init__(self, terms: list[tuple[Any, list[np.ndarray]]]) -> None:
        self.n, self._like = terms[0][1][0].size, terms[0][1][0]
        rests: dict[int, list] = {}
        for c, (first, *others) in terms:
            rest = c * outer(others) if others else namespace(first).full(1, c)
            group = rests.setdefault(id(first), [first, 0])
            group[1] = group[1] + rest
        self.width = rest.size
        self.dtype = np.result_type(*(array for group in rests.values() for array in group))
        # sum_g first_g[i] rest_g: what does not depend on i, or is a number, needs one operation less.
        self._base = zeros(self.width, self.dtype, self._like)
        self._scaled: list[tuple[np.ndarray, Any]] = []
        for first, rest in rests.values():
            if (first == 1).all():
                self._base += rest
            else:
                self._scaled.append((first, rest[0] if rest.size and (rest == rest[0]).all() else rest))
        sizes = ([abs(c), *map(_arrays.largest_magnitude, vectors)] for c, vectors in terms)
        self.bound = float(sum(math.prod(map(float, parts)) for parts in sizes))  # on the absolute values
        self._extremes: tuple[float, float, Any] | None = None

    def blocks(self) -> Iterator[tuple[slice, np.ndarray]]:
        """Rows along the first axis, and their eigenvalues (rows, rest): a buffer that is used again."""
        rows = max((BLOCK_ON_DEVICE if on_device(self._like) else BLOCK) // max(self.width, 1), 1)
        buffer = empty((min(rows, self.n), self.width), self.dtype, self._like)
        product = empty(buffer.shape, self.dtype, self._like)
        for start in range(0, self.n, rows):
            part = slice(start, min(start + rows, self.n))
            values, scratch = buffer[: part.stop - start], product[: part.stop - start]
            values[...] = self._base
            for first, rest in self._scaled:
                if np.ndim(rest) == 0:
                    np.add(values, first[part, None] * rest, out=values)
                else:
                    np.multiply(first[part, None], rest, out=scratch)
                    np.add(values, scratch, out=values)
            yield part, values

    @property
    def extremes(self) -> tuple[float, float, Any]:
        """Smallest and largest absolute value, and the eigenvalue that is the smallest one."""
        if self._extremes is None:
            low, high, smallest = np.inf, 0.0, self.dtype.type(0)
            for _, values in self.blocks() if self.width else ():
                size = np.abs(values)
                at = int(size.argmin())
                if (least := float(size.ravel()[at])) < low:
                    low, smallest = least, values.ravel()[at].item()
                high = max(high, float(size.max()))
            self._extremes = low, high, smallest
        return self._extremes

    def divide(self, x: np.ndarray, least: float = 0.0) -> None:
        """Divide x (N, columns) by the eigenvalues; by infinity where their absolute value is at most `least`."""
        x = x.reshape(self.n, self.width, x.shape[1])
        for part, values in self.blocks() if x.size else ():
            if least > 0:
                values[np.abs(values) <= least] = np.inf
            x[part] /= values[:, :, None]

    def slogdet(self) -> tuple[Any, float]:
        """Phase of the product of all eigenvalues, and the sum of the logarithms of their absolute values."""
        sign, total = self.dtype.type(1), 0.0
        for _, values in self.blocks() if self.width else ():
            size = np.abs(values)
            if not size.all():
                return self.dtype.type(0), -np.inf
            total += float(np.log(size).sum(dtype=float))
            sign *= np.prod(np.sign(values) if self.dtype.kind == "f" else values / size).item()
        return sign, total
