"""stencil: matrix-free products. The peers have no such operator and multiply the same matrix, stored."""

from . import cases, products


class Product(cases.Limited):
    """StencilOperator beside the stored matrices of scipy and PETSc."""

    params = (cases.LIBRARIES, cases.THREADS, ("constant", "variable"))
    param_names = ("library", "threads", "weights")

    def setup(self, library: str, threads: int, weights: str) -> None:
        cases.no_product_of_its_own(library)
        self.begin(library, threads)
        A = cases.poisson(weights)
        x = products.random_vector(A.shape[0])
        self.n_bytes = products.stencil_bytes(A)
        if library == "pysolve":
            self.call = lambda: A.matvec(x)
            return
        matrix = A.tocsr()
        self.n_bytes = products.csr_bytes(matrix)
        self.call = (lambda: matrix @ x) if library == "scipy" else products.petsc_into(matrix)

    def time_matvec(self, library: str, threads: int, weights: str) -> None:
        self.call()

    def track_share_of_limit(self, library: str, threads: int, weights: str) -> float:
        return cases.share(self.n_bytes, self.call, threads, "mixed" if library == "pysolve" else "reading")


Product.track_share_of_limit.unit = "of the fastest copy"
