"""stencil: matrix-free products. The peers have no such operator and multiply the same matrix, stored."""

from . import cases, products


class Product(cases.Limited):
    """StencilOperator, with constant and with variable weights, beside the stored matrices of scipy and PETSc."""

    params = (("scipy", "pysolve", "pysolve variable", "petsc4py"), cases.THREADS)
    param_names = ("library", "threads")

    def setup(self, library: str, threads: int) -> None:
        name, _, variable = library.partition(" ")
        self.begin(name, threads)
        A = cases.poisson("variable" if variable else "constant")
        x = products.random_vector(A.shape[0])
        self.n_bytes = products.stencil_bytes(A)
        if name == "pysolve":
            self.call = lambda: A.matvec(x)
            return
        matrix = A.tocsr()
        self.n_bytes = products.csr_bytes(matrix)
        self.call = (lambda: matrix @ x) if library == "scipy" else products.petsc_into(matrix)

    def time_matvec(self, library: str, threads: int) -> None:
        self.call()

    def track_share_of_limit(self, library: str, threads: int) -> float:
        return cases.share(
            self.n_bytes, self.call, threads, "mixed" if library.startswith("pysolve") else "reading"
        )


Product.track_share_of_limit.unit = "of the fastest copy, for stored matrices read"
