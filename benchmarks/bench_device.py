"""What runs on the host and on a GPU under the same names: `device` is the parameter. Skipped where there is no GPU."""

from typing import Any

import numpy as np

from . import cases, network, products

STEPS = 50  # of conjugate gradients


def namespace(device: str) -> Any:
    """NumPy, or CuPy where there is a device and a build for it; else the benchmark is skipped."""
    if device == "cpu":
        return np
    import pysolve

    if not pysolve.show_config()["cuda_devices"]:
        raise NotImplementedError("no CUDA backend in this build, or no device")
    products.require("cupy")
    import cupy

    return cupy


class OnDevice:
    """Calls of which the last has ended when the time is taken."""

    params = (("cpu", "cuda"),)
    param_names = ("device",)

    def setup(self, device: str) -> None:
        self.xp = namespace(device)
        self.x = self.xp.asarray(products.random_vector(cases.SIDE**3))

    def ended(self, call: Any) -> None:
        """Make the call, and wait for the device."""
        call()
        if self.xp is not np:
            self.xp.cuda.get_current_stream().synchronize()


class Stencil(OnDevice):
    """Products with constant and with variable weights, and conjugate gradients."""

    def setup(self, device: str) -> None:
        super().setup(device)
        import pysolve

        self.pysolve = pysolve
        self.constant, self.variable = (
            cases.poisson(form).to_device(device) for form in ("constant", "variable")
        )

    def time_matvec(self, device: str) -> None:
        self.ended(lambda: self.constant @ self.x)

    def time_matvec_variable(self, device: str) -> None:
        self.ended(lambda: self.variable @ self.x)

    def time_cg(self, device: str) -> None:
        self.ended(lambda: self.pysolve.cg(self.variable, self.x, rtol=0.0, maxiter=STEPS))


class Sparse(OnDevice):
    """The same with a stored matrix."""

    def setup(self, device: str) -> None:
        super().setup(device)
        import pysolve

        self.pysolve, A = pysolve, cases.poisson("csr")
        if device == "cuda":
            from cupyx.scipy.sparse import csr_matrix

            A = csr_matrix(A)
        self.A, self.packed = A, pysolve.PackedMatrix(A)

    def time_matvec(self, device: str) -> None:
        self.ended(lambda: self.packed @ self.x)

    def time_cg(self, device: str) -> None:
        self.ended(lambda: self.pysolve.cg(self.A, self.x, rtol=0.0, maxiter=STEPS))


class Learned(OnDevice):
    """A solve with the learned V-cycle, and an application of the direction network."""

    def setup(self, device: str) -> None:
        super().setup(device)
        import pysolve

        self.pysolve = pysolve
        self.A = pysolve.gallery.obstacle_box((cases.SIDE,) * 3).to_device(device)
        self.x[self.A.decoupled.ravel()] = 0
        self.M = pysolve.Multilevel(self.A)
        self.net = pysolve.DirectionNet(self.A, model=network.arrays_of("128"))

    def time_cycle_cg(self, device: str) -> None:
        self.ended(lambda: self.pysolve.cg(self.A, self.x, rtol=1e-6, M=self.M))

    def time_direction(self, device: str) -> None:
        self.ended(lambda: self.net @ self.x)


class Kron(OnDevice):
    """A Kronecker product with three square factors."""

    def setup(self, device: str) -> None:
        super().setup(device)
        import pysolve

        rng = np.random.default_rng(0)
        side = cases.SIDE
        self.K = pysolve.KronOperator(*(self.xp.asarray(rng.standard_normal((side, side))) for _ in range(3)))

    def time_matvec(self, device: str) -> None:
        self.ended(lambda: self.K @ self.x)
