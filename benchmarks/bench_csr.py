"""csr: y = A x on the 7-point matrix, the result made by every call."""

from . import cases, products


class Product(cases.Limited):
    """pysolve's kernel beside scipy's and PETSc's products."""

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
            self.call = products.csr_new(self.A, x)
        else:
            self.call = products.petsc_into(self.A)

    def time_matvec(self, library: str, threads: int) -> None:
        self.call()

    def track_share_of_limit(self, library: str, threads: int) -> float:
        return cases.share(self.n_bytes, self.call, threads, "reading")


Product.track_share_of_limit.unit = "of the fastest read or copy"
