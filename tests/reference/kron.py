"""The kernels of kron in obvious NumPy: the specification."""

import numpy as np


def kron_mode_product(A, x, y):
    """y[l, i, r] = sum_k A[i, k] x[l, k, r]."""
    y[...] = np.einsum("ik,lkr->lir", A, x)


def kron_work_size(factors, columns=1):
    """The reference needs no work."""
    return 0


def kron_matvec(factors, x, y, work):
    """y = (A_1 x ... x A_d) x, by the Kronecker product itself."""
    K = np.ones((1, 1), x.dtype)
    for A in factors:
        K = np.kron(K, A)
    y[...] = K @ x
