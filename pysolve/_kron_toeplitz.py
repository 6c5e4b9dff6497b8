"""Toeplitz: a matrix with constant diagonals, by FFT where that is faster than the dense product."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import scipy.fft
import scipy.linalg

from pysolve import _arrays
from pysolve._backend import namespace, on_device, same_device, zeros
from pysolve._kron_factors import Factor, read_only
from pysolve._kron_linear import LinearMap, double_of, finite_number
from pysolve._kron_products import dense_product, mode_product
from pysolve._kron_workspace import Workspace

MOST_DENSE = 300 * 300  # entries up to which the dense product was the faster one
# Of the buffer that is transformed at once: about a cache; on the device what leaves room for the vectors.
CHUNK_BYTES, CHUNK_BYTES_ON_DEVICE = 1 << 20, 1 << 30


class ToeplitzFactor(Factor):
    """A[i, j] = c[i - j] for i >= j, else r[j - i]."""

    def __init__(self, c: np.ndarray, r: np.ndarray) -> None:
        super().__init__()
        self.c, self.r = c, r
        self.shape, self.dtype = (c.size, r.size), c.dtype
        self.place = "cuda" if on_device(c) else "cpu"
        for array in (c, r):
            read_only(array)

    def apply(self, x: np.ndarray, y: np.ndarray, workspace: Workspace) -> None:
        if self.shape[0] * self.shape[1] <= MOST_DENSE:
            dense_product(self._dense(), x, y)
            return
        spectrum = self._spectrum()
        per_line = spectrum.size * self.dtype.itemsize
        here = self.place == "cpu"
        chunk = max((CHUNK_BYTES if here else CHUNK_BYTES_ON_DEVICE) // per_line, 2)
        convolve = self._convolve if here else self._convolve_on_device
        slices = max(chunk // x.shape[2], 1)
        for l in range(0, x.shape[0], slices):
            for r in range(0, x.shape[2], chunk):
                part = np.s_[l : l + slices, :, r : r + chunk]
                convolve(x[part].transpose(1, 0, 2), y[part].transpose(1, 0, 2), spectrum, workspace)

    def _convolve_on_device(self, x: Any, y: Any, spectrum: Any, workspace: Workspace) -> None:
        """The same by cuFFT, which transforms along any axis; real lines have half a spectrum."""
        fft, n = namespace(x).fft, spectrum.size
        if self.dtype.kind == "f":
            lines = fft.rfft(x, n, axis=0)
            lines *= spectrum[: n // 2 + 1, None, None]
            y[...] = fft.irfft(lines, n, axis=0)[: y.shape[0]]
        else:
            lines = fft.fft(x, n, axis=0)
            lines *= spectrum[:, None, None]
            y[...] = fft.ifft(lines, axis=0)[: y.shape[0]]

    def _convolve(self, x: np.ndarray, y: np.ndarray, spectrum: np.ndarray, workspace: Workspace) -> None:
        """The product with (n, slices, columns) into (m, ...), in place in a buffer of complex numbers.

        Two real lines are the real and the imaginary part of one complex line: the matrix being real,
        they stay apart, and half as many lines are transformed.
        """
        n, slices, columns = x.shape
        lines = slices * columns
        real = self.dtype.kind == "f"
        width = -(-lines // 2) if real else lines
        buffer = workspace.array("toeplitz", (spectrum.size, width), spectrum.dtype)
        flat = buffer.view(self.dtype)
        flat[:n, :lines].reshape(x.shape)[...] = x
        flat[:n, lines:] = 0
        flat[n:] = 0
        buffer = scipy.fft.fft(buffer, axis=0, overwrite_x=True)
        buffer *= spectrum[:, None]
        flat = scipy.fft.ifft(buffer, axis=0, overwrite_x=True).view(self.dtype)
        y[...] = flat[: y.shape[0], :lines].reshape(y.shape)

    def _spectrum(self) -> np.ndarray:
        """Transform of the first column of the circulant matrix that has this one in its corner."""
        if "spectrum" not in self.kept:
            m, n = self.shape
            length, dtype = scipy.fft.next_fast_len(m + n - 1), np.result_type(self.dtype, np.complex64)
            column = zeros(length, dtype, self.c)
            column[:m] = self.c
            if n > 1:
                column[1 - n :] = self.r[:0:-1]
            fft = scipy.fft if self.place == "cpu" else namespace(column).fft
            self.kept["spectrum"] = fft.fft(column)
        return self.kept["spectrum"]

    def _dense(self) -> np.ndarray:
        if "dense" not in self.kept:
            self.kept["dense"] = self.toarray()
        return self.kept["dense"]

    def toarray(self) -> np.ndarray:
        m, n = self.shape
        if m * n == 0 or self.place == "cpu":
            return scipy.linalg.toeplitz(self.c, self.r) if m * n else zeros(self.shape, self.dtype, self.c)
        xp = namespace(self.c)
        diagonals = xp.concatenate(
            [self.r[:0:-1], self.c]
        )  # from the upper right corner to the lower left one
        return diagonals[xp.arange(m)[:, None] - xp.arange(n) + (n - 1)]

    def public(self) -> Toeplitz:
        return Toeplitz(self.c, self.r)

    @property
    def T(self) -> Factor:
        return ToeplitzFactor(self.r, self.c)  # they begin alike

    def conj(self) -> Factor:
        return self if self.dtype.kind == "f" else ToeplitzFactor(self.c.conj(), self.r.conj())

    def scaled(self, c: Any) -> Factor:
        return ToeplitzFactor(self.c * c, self.r * c)

    def astype(self, dtype: np.dtype) -> Factor:
        return ToeplitzFactor(self.c.astype(dtype), self.r.astype(dtype))

    def moved(self, copied: Callable[[Any], Any]) -> Factor:
        return ToeplitzFactor(copied(self.c), copied(self.r))

    def diagonal(self) -> np.ndarray:
        return zeros(min(self.shape), self.dtype, self.c) + self.c[:1]

    def _arrays(self) -> tuple[np.ndarray, ...]:
        return self.c, self.r

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        for array in (self.c, self.r):
            read_only(array)


class Toeplitz(LinearMap):
    r"""A Toeplitz matrix, given by its first column and row: a factor for `KronOperator`.

    .. math:: A_{ij} = c_{i - j} \; (i \ge j), \qquad A_{ij} = r_{j - i} \; (i < j)

    Covariances of stationary processes on uniform grids have this form. Up to 300 by 300 entries a product is that
    of the dense matrix; a larger matrix is never formed, and multiplies by FFT in ``O((m + n) log(m + n))``.

    Parameters
    ----------
    c : array_like of shape (m,)
        First column, finite.
    r : array_like of shape (n,), optional
        First row; ``r[0]`` is not used. By default the conjugate of `c`: a Hermitian matrix.

    Attributes
    ----------
    c, r : ndarray
        Read-only copies; ``r[0]`` is ``c[0]``.
    shape : tuple of int
        ``(m, n)``.
    dtype : dtype
        float32, float64, complex64 or complex128; of other numbers float64.

    Raises
    ------
    ValueError, TypeError
        If `c` or `r` is not 1-D, does not hold numbers or is not finite, or `r` is missing and ``c[0]`` is
        not real.

    See Also
    --------
    scipy.linalg.toeplitz : The dense matrix.

    Notes
    -----
    The matrix is the corner of a circulant one of order ``m + n - 1`` or a little more, which the Fourier
    transform diagonalises [1]_.

    References
    ----------
    .. [1] G. H. Golub, C. F. Van Loan, *Matrix Computations*, 4th edition, section 4.8.2, 2013.

    Examples
    --------
    >>> from pysolve import Toeplitz
    >>> A = Toeplitz([2.0, -1.0, 0.0])
    >>> A.toarray()
    array([[ 2., -1.,  0.],
           [-1.,  2., -1.],
           [ 0., -1.,  2.]])
    >>> A @ [1.0, 2.0, 3.0]
    array([0., 0., 4.])
    >>> A.solve([0.0, 0.0, 4.0])
    array([1., 2., 3.])
    """

    def __init__(self, c: Any, r: Any = None) -> None:
        c, r = _vector(c, "c"), None if r is None else _vector(r, "r")
        same_device(c=c, r=r)
        if r is None and c.size and c[0].imag:
            raise ValueError(f"c[0] must be real where r is not given, got {c[0]}")
        r = c.conj() if r is None else r
        dtype = _arrays.value_type(c.dtype, r.dtype)
        xp = namespace(c)
        c, r = xp.array(c, dtype), xp.array(r, dtype)
        if c.size:
            r[:1] = c[:1]
        self._set(ToeplitzFactor(c, r))

    def _set(self, factor: ToeplitzFactor) -> None:
        self._factor, self.c, self.r = factor, factor.c, factor.r
        super().__init__(factor.shape, factor.dtype, factor.place)

    def _move(self, copied: Callable[[Any], Any]) -> None:
        self._set(ToeplitzFactor(copied(self.c), copied(self.r)))

    def _apply(self, x: np.ndarray, y: np.ndarray) -> None:
        mode_product(self._factor, x.reshape(-1), y.reshape(-1), 1, x.shape[1], self._workspace)

    def _changed(self, how: str) -> Toeplitz:
        factor = self._factor
        if how == "double":
            return factor.astype(double_of(self.dtype)).public()
        return (factor.T if how == "T" else factor.conj()).public()

    def _scaled(self, c: Any) -> Toeplitz:
        c = finite_number(c, "c")
        return Toeplitz(self.c * c, self.r * c)

    def solve(self, b: Any) -> np.ndarray:
        """Solution of ``A x = b``; as `KronOperator.solve` with this one factor.

        Parameters
        ----------
        b : array_like of shape (n,) or (n, k)
            Right sides, finite.

        Returns
        -------
        ndarray of the shape of `b`

        Raises
        ------
        numpy.linalg.LinAlgError
            If the matrix is singular.
        """
        from pysolve._kron import KronOperator

        return KronOperator(self).solve(b)

    def toarray(self) -> np.ndarray:
        """The dense matrix."""
        return namespace(self.c).array(self._factor.toarray())

    def diagonal(self) -> np.ndarray:
        """The diagonal, of ``min(m, n)`` equal values."""
        return self._factor.diagonal()


def _vector(x: Any, name: str) -> np.ndarray:
    x = _arrays.as_numbers(x, name, device=True)
    if x.ndim != 1:
        raise ValueError(f"{name} must be 1-D, but its shape is {x.shape}")
    x = x.astype(_arrays.value_type(x.dtype))
    _arrays.check_finite(x, name)
    return x
