"""The kernels of kron among the simulated ones of ``cuda_cases``."""

import math


class KronCalls:
    """What ``SimulatedKernels`` calls for them."""

    def _kron(self, kernel, factors, columns, *arrays, left=1):
        extents = [e for A in factors for e in (*A.shape, *(s // A.itemsize for s in A.strides))]
        return self._run(
            kernel, [factors[0].dtype], (len(factors), columns, *extents, left), (*factors, *arrays)
        )

    def kron_mode_product(self, A, x, y):
        self._kron("kron_mode_product", [A], x.shape[2], x, y, left=x.shape[0])

    def kron_work_size(self, factors, columns=1):
        return int(self._kron("kron_work_size", factors, columns)[0])

    def kron_matvec(self, factors, x, y, work):
        """Tells the passes through memory."""
        return int(self._kron("kron_matvec", factors, math.prod(x.shape[1:]), x, y, work)[0])
