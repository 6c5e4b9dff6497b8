"""StencilOperator: 5-point and 7-point operators on a box of cells, kept as face weights."""

import math
from typing import Any

import numpy as np
from scipy.sparse import csr_array

from pysolve import _placed, _stencil_csr, _stencil_faces, _stencil_null_space, _stencil_products
from pysolve._backend import as_array, beside, kernels, zeros


class StencilOperator(_placed.Placed, _stencil_null_space.NullSpace):
    r"""A symmetric 5-point (2-D) or 7-point (3-D) operator on a box of cells, given by face weights.

    .. math:: (A x)_c = \sum_{f \in \text{faces}(c)} w_f \, (x_c - x_{\text{neighbour}(c, f)}) + s_c \, x_c

    With weights and shift at least 0 the operator is positive semi-definite. It is the finite-volume form of
    :math:`-\nabla \cdot (a \nabla x) + s x`, and keeps at most one number a face where a matrix keeps 5 or 7
    numbers and as many column indices a row.

    Parameters
    ----------
    shape : tuple of int
        Extents of the box, ``(n0, n1)`` or ``(n0, n1, n2)``, each at least 1. Unknowns are numbered in C
        order.
    weights : sequence of float or of ndarray, one entry for each axis
        Face weights, finite and at least 0: all scalars (one weight for all faces along the axis), or all
        arrays of shape `shape` with 1 added along the axis: face ``i`` lies between the cells ``i - 1`` and
        ``i``, face 0 and the last one are the boundary. Weights of Neumann boundary faces are read as 0.
    boundary : str or sequence, default "dirichlet"
        "dirichlet" (``x = 0`` beyond the face), "neumann" (the face is closed) or "periodic" (the first and
        the last face are the same face, with the same weight); for all sides, or one entry for each axis: a
        string or a pair ``(low, high)`` of strings.
    shift : float or ndarray of shape `shape`, default 0
        Added to the diagonal; finite and at least 0.
    dtype : {float32, float64}, optional
        By default float32 when all arrays given are float32, else float64.

    Attributes
    ----------
    shape : tuple of int
        ``(n, n)`` with ``n = prod(grid_shape)``, as for every operator.
    grid_shape : tuple of int
        Extents of the box.
    dtype : dtype
        float32 or float64.
    weights, shift, boundary
        As given, checked: floats or read-only arrays of type `dtype`; one ``(low, high)`` pair for each axis.

    See Also
    --------
    pysolve.gallery.poisson : Poisson problems with walls, solids and variable coefficients.

    Notes
    -----
    A cell with a shift of 0 and no open face is *decoupled* (a solid cell): its row is that of the identity.
    The faces of a periodic axis of extent 1 join a cell to itself and count as closed. Arrays are copied,
    except those that nobody can write to. A product with a vector of a wider type is computed and returned in
    that type, as NumPy does.

    References
    ----------
    .. [1] R. J. LeVeque, *Finite Difference Methods for Ordinary and Partial Differential Equations*, SIAM,
           2007.

    Examples
    --------
    >>> import numpy as np
    >>> from pysolve import StencilOperator
    >>> A = StencilOperator((2, 3), (1.0, 1.0))
    >>> A @ np.ones(6)
    array([2., 1., 2., 2., 1., 2.])
    >>> print(A.tocsr().toarray()[0])
    [ 4. -1.  0. -1.  0.  0.]

    A wall on every side: the constant is in the null space.

    >>> A = StencilOperator((2, 3), (1.0, 1.0), boundary="neumann")
    >>> A.n_components
    1
    """

    _kind = "stencil"
    __array_ufunc__ = None  # ``ndarray @ A`` is refused by Python instead of NumPy making an array of objects

    def __init__(
        self, shape: Any, weights: Any, *, boundary: Any = "dirichlet", shift: Any = 0.0, dtype: Any = None
    ) -> None:
        self.grid_shape = _stencil_faces.check_shape(shape)
        self.boundary = _stencil_faces.check_boundary(boundary, len(self.grid_shape))
        weights = tuple(weights) if np.iterable(weights) else weights
        self.dtype = _stencil_faces.check_dtype(dtype, (*weights, shift) if np.iterable(weights) else ())
        self.weights = _stencil_faces.check_weights(weights, self.grid_shape, self.boundary, self.dtype)
        self.shift = _stencil_faces.check_shift(shift, self.grid_shape, self.dtype)
        self.shape = (math.prod(self.grid_shape),) * 2
        self._place = _stencil_faces.check_place(self.weights, self.shift)
        self._decoupled = _stencil_faces.decoupled_cells(self._faces, self.shift, self.grid_shape)
        self._forget()

    def _forget(self) -> None:
        """Start without what is made on first use; the arrays are sealed."""
        self._grid: Any = None
        self._components: tuple[np.ndarray, int] | None = None
        self._wide: StencilOperator | None = None
        self._norm: float | None = None
        self._twin = None
        self._keeps_arrays = not all(isinstance(x, float) for x in (*self.weights, self.shift))
        for array in (*self.weights, self.shift):
            if isinstance(array, np.ndarray):
                array.setflags(write=False)

    def matvec(self, x: Any) -> np.ndarray:
        """Product with one vector.

        Parameters
        ----------
        x : array_like of shape (n,) or (n, 1)
            Real or complex, of any memory layout.

        Returns
        -------
        ndarray of the shape of `x`
            ``A x`` in the wider of the two types, at most double precision.
        """
        x, n = as_array(x), self.shape[0]
        if x.shape not in ((n,), (n, 1)):
            raise ValueError(f"x must have shape ({n},) or ({n}, 1), got {x.shape}")
        return _stencil_products.product(self._at(x), x.reshape(n, 1)).reshape(x.shape)

    def matmat(self, X: Any) -> np.ndarray:
        """Product with the columns of an array.

        Parameters
        ----------
        X : array_like of shape (n, k)
            Real or complex, of any memory layout.

        Returns
        -------
        ndarray of shape (n, k)
            ``A X`` in the wider of the two types, at most double precision.
        """
        X, n = as_array(X), self.shape[0]
        if X.ndim != 2 or X.shape[0] != n:
            raise ValueError(f"X must have shape ({n}, k), got {X.shape}")
        return _stencil_products.product(self._at(X), X)

    def rmatvec(self, x: Any) -> np.ndarray:
        """Product of the adjoint with a vector: that of `matvec`, the operator being symmetric."""
        return self.matvec(x)

    def __matmul__(self, x: Any) -> np.ndarray:
        return self.matvec(x) if np.ndim(x) == 1 else self.matmat(x)

    # What the methods call: one pass over contiguous arrays of A.dtype, writing into y or r.
    def _matvec(self, x: Any, y: Any) -> None:
        kernels(x).stencil_matvec(self._kernel_args[0], x, y)

    def _matvec_dot(self, x: Any, y: Any) -> float:
        return float(kernels(x).stencil_matvec_dot(self._kernel_args[0], x, y))

    def _residual(self, b: Any, x: Any, r: Any) -> float:
        return float(kernels(x).stencil_residual(self._kernel_args[0], b, x, r))

    @property
    def _kernel_args(self) -> tuple[Any, ...]:
        if self._grid is None:
            self._grid = _stencil_products.make_grid(self)
        return (self._grid,)

    @property
    def _faces(self) -> tuple[np.ndarray, ...]:
        """Face weights along every axis, 0 on closed sides; scalars with extent 1 along the other axes."""
        if not isinstance(self.weights[0], float):
            return self.weights
        return tuple(
            _stencil_faces.constant_faces(weight, axis, self.grid_shape, self.boundary[axis], self.dtype)
            for axis, weight in enumerate(self.weights)
        )

    @property
    def norm(self) -> float:
        """float: a bound on the coupled cells' eigenvalues."""
        if self._norm is None:
            self._norm = _stencil_faces.eigenvalue_bound(self)
        return self._norm

    def diagonal(self) -> np.ndarray:
        """Diagonal of the matrix, ndarray of shape (n,); 1 in decoupled cells."""
        diagonal = zeros(self.grid_shape, self.dtype, self)
        for axis, faces in enumerate(self._faces):
            faces = beside(faces, self)
            diagonal += _stencil_faces.below(faces, axis) + _stencil_faces.above(faces, axis)
        diagonal += self.shift
        diagonal = diagonal.ravel()
        diagonal[self._decoupled] = 1
        return diagonal

    def tocsr(self, index_dtype: Any = np.int32) -> csr_array:
        """The same operator as a canonical ``scipy.sparse.csr_array`` with indices of type int32 or int64."""
        if self._place == "cuda":
            raise TypeError("tocsr makes a SciPy matrix: take that of A.to_device('cpu')")
        return _stencil_csr.to_csr(
            self._faces, self.boundary, self.shift, self._decoupled, self.grid_shape, index_dtype
        )

    @classmethod
    def from_csr(cls, A: Any, shape: Any) -> "StencilOperator":
        """The operator that equals a 5-point or 7-point matrix.

        Parameters
        ----------
        A : sparse array, sparse matrix or ndarray of shape (n, n)
            Symmetric, with off-diagonal entries at most 0 and only between cells with a face in common, and
            diagonally dominant. Constant coefficients are recognised and give scalar weights, which are the
            fastest.
        shape : tuple of int
            Extents of the box, with ``prod(shape) == n``.

        Returns
        -------
        StencilOperator
            ``from_csr(A, shape).tocsr()`` equals `A` up to rounding. What the diagonal exceeds the other
            entries by becomes Dirichlet faces when only cells at the boundary have it, else `shift`.

        Raises
        ------
        ValueError, TypeError
            Saying what does not fit, and in which row and column.

        Examples
        --------
        >>> from pysolve import StencilOperator, gallery
        >>> A = gallery.poisson((30, 40), format="csr")
        >>> StencilOperator.from_csr(A, (30, 40))
        StencilOperator((30, 40), weights=(1.0, 1.0), boundary='dirichlet', shift=0.0, dtype=float64)
        """
        return cls(**_stencil_csr.recognise(A, shape))

    def update(self, coefficient: Any = None, *, anisotropy: Any = None, shift: Any = None) -> None:
        """Change the operator where it stands, as from one time step to the next.

        Parameters
        ----------
        coefficient : array_like of shape `grid_shape`, optional
            One in each cell, finite and at least 0. Faces get the harmonic mean of their two cells, or on a Dirichlet
            side the coefficient of the cell. 0 closes the faces of a cell; it is solid where the shift is 0 too.
        anisotropy : sequence of float, optional
            A factor for the faces along each axis, if not 1.
        shift : float or array_like of shape `grid_shape`, optional
            The new shift; if omitted the old one stays.

        Raises
        ------
        ValueError, TypeError
            For values that are not allowed, or none at all; the operator is as it was then.

        Examples
        --------
        >>> import numpy as np, pysolve
        >>> A = pysolve.gallery.poisson((2, 3))
        >>> A.update(np.array([[1.0, 1.0, 1.0], [1.0, 3.0, 0.0]]))
        >>> print(A.weights[1])
        [[1.  1.  1.  1. ]
         [1.  1.5 0.  0. ]]
        """
        _stencil_faces.update(self, coefficient, anisotropy, shift)
        self._forget()

    def astype(self, dtype: Any) -> "StencilOperator":
        """The same operator with weights of type float32 or float64; itself when that is its type already."""
        if _stencil_faces.check_dtype(dtype, ()) == self.dtype:
            return self
        faces, sides = self.weights, self.boundary
        other = type(self)(self.grid_shape, faces, boundary=sides, shift=self.shift, dtype=dtype)
        return other.to_device(self._place)

    def _move(self, copied: Any) -> None:
        self.weights, self.shift = tuple(copied(w) for w in self.weights), copied(self.shift)
        self._decoupled = copied(self._decoupled)
        self._forget()

    def __getstate__(self) -> dict[str, Any]:
        made_on_use = ("_grid", "_components", "_wide", "_norm", "_twin")
        return {name: value for name, value in self.__dict__.items() if name not in made_on_use}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self._forget()

    def __repr__(self) -> str:
        weights = self.weights if isinstance(self.weights[0], float) else "arrays"
        kinds = {side for pair in self.boundary for side in pair}
        boundary = kinds.pop() if len(kinds) == 1 else self.boundary
        shift = self.shift if isinstance(self.shift, float) else "array"
        return (
            f"{type(self).__name__}({self.grid_shape}, weights={weights}, boundary={boundary!r}, "
            f"shift={shift}, dtype={self.dtype})"
        )
