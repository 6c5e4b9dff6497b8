"""kron: products with a Kronecker product of dense matrices, each library with one thread."""

from typing import Any

from . import cases, environment, kron_products, machine, products

SHAPES = {
    "16^3": ([(16, 16)] * 3, 1),
    "32^3": ([(32, 32)] * 3, 1),
    "side^3": ([(cases.SIDE, cases.SIDE)] * 3, 1),
    "64^2, 10 columns": ([(64, 64)] * 2, 10),
    "rectangular": ([(80, 25), (60, 30), (100, 20)], 1),
}


class Kronecker:
    """Product into a given result where the library has that."""

    params = (kron_products.LIBRARIES, tuple(SHAPES))
    param_names = ("library", "factors")
    limit: Any = None

    def setup(self, library: str, factors: str) -> None:
        products.require(library)
        self.shapes, self.columns = SHAPES[factors]
        if not kron_products.takes(library, self.shapes):
            raise NotImplementedError(f"{library} has no such factors")
        self.call = kron_products.call_of(library, *kron_products.problem(self.shapes, self.columns))
        self.call()
        self.limit = environment.threads(1)
        self.limit.__enter__()

    def teardown(self, *_: Any) -> None:
        if self.limit is not None:
            self.limit.__exit__(None, None, None)

    def time_matvec(self, library: str, factors: str) -> None:
        self.call()

    def track_share_of_limit(self, library: str, factors: str) -> float:
        rate = kron_products.flops(self.shapes, self.columns) / cases.seconds(self.call) / 1e9
        return rate / machine.gigaflops(1, seconds=0.2)


Kronecker.track_share_of_limit.unit = "of NumPy's product of two matrices"
