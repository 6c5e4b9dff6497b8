"""DirectionNet: the network that proposes the directions of the deep conjugate direction method."""

from __future__ import annotations

from typing import Any

import numpy as np

from pysolve import _direction_net_weights
from pysolve._arrays import as_numbers
from pysolve._backend import empty, kernels, module_at, namespace, on_device
from pysolve._placed import Placed
from pysolve._stencil import StencilOperator

PRECISIONS = ("mixed", "single")


class DirectionNet(Placed):
    r"""The convolutional network of the deep conjugate direction method, as a map of residuals to directions.

    .. math:: d = \varrho \, f(r / \varrho), \qquad
        \varrho^2 = \frac{1}{n_\text{fluid}} \sum_{c \in \text{fluid}} r_c^2

    with a network f of 3 x 3 x 3 convolutions of 16 channels with zeros beyond the box and ReLU: one linear
    convolution 1 to 16, a fine block, an average over 2 x 2 x 2 cells, a coarse block, up-sampling by repetition
    to which the fine block's result is added, a second fine block, and one linear combination of the channels
    in every cell. f is not linear: pass it to `conjugate_directions`, which does not trust it, and not to `cg`.

    Parameters
    ----------
    A : StencilOperator, or sparse array, matrix or ndarray with `shape`
        On a 3-D box. The network sees the residual alone; of `A` it takes the box, which cells are decoupled
        (the direction is 0 there), and the components without a Dirichlet face (the direction has mean 0 there).
    shape : tuple of int, optional
        Extents of the box, for a matrix that `StencilOperator.from_csr` recognises.
    model : str, path or dict of ndarray, default "default"
        Weights: those shipped with pysolve (architecture "64"), a file that ``python -m pysolve.training
        direction_net`` wrote, or the arrays of such a file by name.
    precision : {"mixed", "single"}, default "mixed"
        Of the products on a GPU. "mixed" takes each number as a sum of two in bfloat16, for tensor cores, with sums in
        float32; the direction is within 5e-6 of its largest value. "single" is plain float32, and many times slower.
        On the host both are float32.

    Attributes
    ----------
    shape : tuple of int
        ``(n, n)``, as for every operator.
    grid_shape : tuple of int
        Extents of the box.
    dtype : dtype
        That of `A`. The network computes in float32.
    architecture : str
        "64" (4, 6 and 4 convolutions in the blocks) or "128" (6, 10 and 6).
    n_parameters : int
        97,457 or 152,881.

    Raises
    ------
    ValueError
        If the box of `A` is not 3-D, the matrix is not one of a 7-point operator, the weights are not whole, of
        another version, of the wrong shapes or not finite, or there is no such `precision`.
    TypeError
        If `A` is not an operator or matrix, or `model` nothing that weights can be read from.
    FileNotFoundError
        If there is no file `model`.

    See Also
    --------
    pysolve.conjugate_directions : the method that follows the directions.

    Notes
    -----
    The paper divides by the norm of the residual; by its root mean square, as here, is the same on one box up to a
    factor that the first, linear convolution absorbs, and lets one set of weights serve boxes of all sizes.
    Convolutions come in pairs, ``x <- relu(conv(relu(conv(x)))) + x``; those of the first fine block stand between
    two single convolutions with ReLU. Along an odd extent the pool's last block averages the cells that there are.
    Sides of the box, periodic ones too, are zeros to the convolutions.

    An application costs 0.12 or 0.18 Mflop a cell, as much as several hundred products with `A`, and a workspace of
    260 bytes a cell (136 on a GPU), which the host keeps for the next call. It is here for fidelity to the paper and
    for research: a solve with it takes fewer iterations than `cg`, and more time.

    Made from an operator on a GPU it is there, with its weights; `to_device` makes a copy that is elsewhere. One made
    from constant weights serves residuals in both places.

    A residual that is not finite in the fluid gives a direction that is not finite, which the method rejects.

    References
    ----------
    .. [1] A. Kaneda, O. Akar, J. Chen, V. A. T. Kala, D. Hyde, J. Teran, "A Deep Conjugate Direction Method for
           Iteratively Solving Linear Systems", ICML 2023, arXiv:2205.10763.

    Examples
    --------
    >>> import numpy as np, pysolve
    >>> A = pysolve.gallery.obstacle_box((16, 16, 16))
    >>> net = pysolve.DirectionNet(A)
    >>> net
    DirectionNet((16, 16, 16), architecture='64', dtype=float64)
    >>> b = np.where(A.decoupled.ravel(), 0.0, 1.0)
    >>> result = pysolve.conjugate_directions(A, b, M=net)
    >>> result.converged, bool((net @ b)[A.decoupled.ravel()].any())
    (True, False)
    """

    __array_ufunc__ = None

    def __init__(
        self, A: Any, *, shape: Any = None, model: Any = "default", precision: str = "mixed"
    ) -> None:
        if precision not in PRECISIONS:
            raise ValueError(f'precision must be "mixed" or "single", not {precision!r}')
        self._A = _operator(A, shape)
        self.shape, self.grid_shape, self.dtype = self._A.shape, self._A.grid_shape, self._A.dtype
        self.architecture, self._arrays = _direction_net_weights.read(model)
        self.precision = precision
        self._place, self._keeps_arrays = self._A._place, self._A._keeps_arrays
        self._prepare()

    def _prepare(self) -> None:
        self._weights = _direction_net_weights.for_kernels(
            self.architecture, self._arrays, self._place, self.precision
        )
        self._work_size = module_at(self._place).direction_net_work_size(self.grid_shape)
        self._spare: list[np.ndarray] = []  # workspaces that no thread is using
        self._twin = None

    def _move(self, copied: Any) -> None:
        self._A = self._A.to_device(self._place)
        self._prepare()

    @property
    def n_parameters(self) -> int:
        """int: number of weights and biases."""
        return sum(array.size for array in self._arrays.values())

    def matvec(self, r: Any) -> Any:
        """The direction for a residual.

        Parameters
        ----------
        r : array_like of shape (n,) or (n, 1)
            Real, of any memory layout.

        Returns
        -------
        ndarray of the shape of `r`
            Of the wider of the types of `A` and `r`. 0 for a residual that is 0; not finite for one that is not
            finite.
        """
        r, n = _real(r), self.shape[0]
        if r.shape not in ((n,), (n, 1)):
            raise ValueError(f"r must have shape ({n},) or ({n}, 1), got {r.shape}")
        dtype = np.result_type(self.dtype, r.dtype if r.dtype.kind == "f" else np.float64)
        return self._at(r)._direction(r.reshape(n), dtype).reshape(r.shape)

    def matmat(self, R: Any) -> Any:
        """The directions for the columns of an array of shape (n, k), each on its own."""
        R, n = _real(R), self.shape[0]
        if R.ndim != 2 or R.shape[0] != n:
            raise ValueError(f"R must have shape ({n}, k), got {R.shape}")
        columns = [self.matvec(R[:, j]) for j in range(R.shape[1])]
        xp = namespace(R)
        return xp.stack(columns, axis=1) if columns else xp.zeros(R.shape, self.dtype)

    def __matmul__(self, r: Any) -> Any:
        return self.matvec(r) if np.ndim(r) == 1 else self.matmat(r)

    def _direction(self, r: Any, dtype: Any) -> Any:
        """Without a look at a number on the device: what is not finite, and 0, take their course through it all."""
        xp = namespace(r)
        unit = self._masked(xp.array(r, dtype=np.float64))
        with np.errstate(over="ignore", invalid="ignore"):
            largest = xp.maximum(unit.max(), -unit.min())
            unit /= xp.where(largest == 0, 1.0, largest)  # so that no square overflows
            squares = xp.einsum("i,i", unit, unit)  # BLAS would leave a thread spinning beside the kernel's
            rms = xp.sqrt(squares / max(unit.size - self._A._decoupled.size, 1))
            d = self._apply((unit / xp.where(rms == 0, 1.0, rms)).astype(np.float32))
            return (self._masked(d.astype(np.float64)) * (rms * largest)).astype(dtype, copy=False)

    def _apply(self, r: Any) -> Any:
        """f(r) by the kernel, in a workspace that is this call's alone."""
        # The device may still be at work when the call returns: CuPy keeps what it frees for the same stream.
        try:
            work = self._spare.pop()
        except IndexError:
            work = empty(self._work_size, np.float32, r)
        d = empty(r.shape, np.float32, r)
        kernels(r).direction_net_apply(self._weights, self.grid_shape, r, d, work)
        if not on_device(r):
            self._spare.append(work)
        return d

    def _masked(self, d: Any) -> Any:
        """d, in place, without decoupled cells and constants that `A` cannot see."""
        d[self._A._decoupled] = 0
        if self._A.n_components:
            with np.errstate(over="ignore", invalid="ignore"):
                self._A.project_out_null_space(d)
        return d

    def __getstate__(self) -> dict[str, Any]:
        made = ("_weights", "_spare", "_work_size", "_twin")
        return {name: value for name, value in self.__dict__.items() if name not in made}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self._prepare()

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.grid_shape}, architecture={self.architecture!r}, dtype={self.dtype})"


def _operator(A: Any, shape: Any) -> StencilOperator:
    """A as a stencil operator on a 3-D box."""
    if not isinstance(A, StencilOperator):
        if shape is None:
            raise TypeError(
                "A must be a StencilOperator, or a matrix of a 7-point operator with shape=(n0, n1, n2), "
                f"not {type(A).__name__} without shape"
            )
        A = StencilOperator.from_csr(A, shape)
    elif shape is not None and tuple(np.atleast_1d(shape).tolist()) != A.grid_shape:
        raise ValueError(f"shape must be that of the box of A, {A.grid_shape}, but is {shape}")
    if len(A.grid_shape) != 3:
        raise ValueError(f"A must be on a 3-D box, but its grid_shape is {A.grid_shape}")
    return A


def _real(r: Any) -> Any:
    r = as_numbers(r, "r", device=True)
    if r.dtype.kind == "c":
        raise TypeError(f"r must be real: the network has no meaning for dtype {r.dtype}")
    return r
