"""direction_net: one application of the network, beside the same network in torch."""

from timeit import repeat
from typing import Any

import numpy as np

from . import cases, environment, products
from .network import FLOPS, arrays_of

SIDE = {"small": 16, "full": 64}[environment.SIZE]


def torch_call(architecture: str, r: np.ndarray, threads: int) -> products.Call:
    """The network in torch's fastest setting that was found: channels last, inference mode."""
    import torch

    from pysolve.training import direction_net_model as model

    torch.set_num_threads(threads)
    parameters = model.from_arrays(arrays_of(architecture))
    in_order = [p.contiguous(memory_format=torch.channels_last_3d) if p.ndim == 5 else p for p in parameters]
    x = torch.from_numpy(r.astype(np.float32).reshape(1, 1, *(SIDE,) * 3))

    def call() -> Any:
        with torch.inference_mode():
            return model.network(in_order, x, architecture)

    return call


def peak(threads: int) -> float:
    """Flops per second of NumPy's product of two matrices in single precision, with threads as set."""
    x, y, z = (np.ones((1024, 1024), np.float32) for _ in range(3))
    return 2 * 1024**3 / min(repeat(lambda: np.matmul(x, y, out=z), number=1, repeat=20))


class Application(cases.Limited):
    """d = net @ r on a box of 64^3 cells; of pysolve the whole call, with masks and norms."""

    params = (("torch", "pysolve"), ("64", "128"), cases.THREADS)
    param_names = ("library", "architecture", "threads")

    def setup(self, library: str, architecture: str, threads: int) -> None:
        self.begin(library, threads)
        r = products.random_vector(SIDE**3)
        if library == "torch":
            self.call = torch_call(architecture, r, threads)
            return
        import pysolve

        A = pysolve.gallery.obstacle_box((SIDE,) * 3)
        net = pysolve.DirectionNet(A, model=arrays_of(architecture))
        self.call = lambda: net @ r

    def time_apply(self, library: str, architecture: str, threads: int) -> None:
        self.call()

    def track_share_of_peak(self, library: str, architecture: str, threads: int) -> float:
        rate = FLOPS[architecture] * SIDE**3 / cases.seconds(self.call)
        return rate / peak(threads)


Application.track_share_of_peak.unit = "flops of plain convolutions, of those of sgemm"
