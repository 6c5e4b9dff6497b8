"""sell: products with a packed matrix, and what packing costs. Scipy multiplies its CSR matrix."""

from . import cases, products


class Product(cases.Limited):
    """PackedMatrix beside scipy's CSR product and PETSc's own sliced format."""

    params = (cases.MULTIPLYING, cases.THREADS)
    param_names = ("library", "threads")

    def setup(self, library: str, threads: int) -> None:
        self.begin(library, threads)
        self.A = cases.poisson("csr")
        self.n_bytes = products.csr_bytes(self.A)
        x = products.random_vector(self.A.shape[0])
        if library == "scipy":
            self.call = lambda: self.A @ x
        elif library == "pysolve":
            import pysolve

            packed = pysolve.PackedMatrix(self.A)
            self.n_bytes = packed.nbytes + 2 * x.nbytes
            self.call = lambda: packed.matvec(x)
        else:
            self.call = products.petsc_into(self.A, "sell")

    def time_matvec(self, library: str, threads: int) -> None:
        self.call()

    def track_share_of_limit(self, library: str, threads: int) -> float:
        return cases.share(self.n_bytes, self.call, threads, "reading")


Product.track_share_of_limit.unit = "of the fastest read or copy"


class Packing(cases.Limited):
    """Once for every matrix, with all its checks."""

    params = (("pysolve",), cases.THREADS)
    param_names = ("library", "threads")

    def setup(self, library: str, threads: int) -> None:
        self.begin(library, threads)
        self.A = cases.poisson("csr")

    def time_pack(self, library: str, threads: int) -> None:
        import pysolve

        pysolve.PackedMatrix(self.A)

    def track_cost_in_products(self, library: str, threads: int) -> float:
        import pysolve

        x = products.random_vector(self.A.shape[0])
        product = cases.seconds(products.csr_new(self.A, x))
        return cases.seconds(lambda: pysolve.PackedMatrix(self.A), repeat=3) / product


Packing.track_cost_in_products.unit = "csr products"
