"""sor: sweeps, and SSOR-CG, whose peers apply the same preconditioner in a pass of its own."""

import numpy as np

from . import cases


class Sweep(cases.Limited):
    """Eight forward sweeps in the natural order, on a CSR matrix; pysolve's on a stencil operator too."""

    params = (("pyamg", "pysolve", "pysolve stencil", "pysolve multicolor"), cases.THREADS)
    param_names = ("library", "threads")

    def setup(self, library: str, threads: int) -> None:
        name, _, form = library.partition(" ")
        self.begin(name, threads)
        A = cases.poisson("constant" if form == "stencil" else "csr")
        b, x = np.ones(A.shape[0]), np.zeros(A.shape[0])
        if name == "pyamg":
            import scipy.sparse as sp
            from pyamg.relaxation.relaxation import sor

            matrix = sp.csr_matrix(A)
            self.call = lambda: sor(matrix, x, b, 1.5, iterations=8)
            return
        from pysolve import SorWorkspace
        from pysolve import sor as relax

        order, workspace = form if form == "multicolor" else "natural", SorWorkspace()
        self.call = lambda: relax(A, b, rtol=0.0, maxiter=8, omega=1.5, order=order, workspace=workspace)

    def time_sweeps(self, library: str, threads: int) -> None:
        self.call()


class SsorCg(cases.Limited):
    """CG with the SSOR preconditioner to 1e-8: in shared passes, and as cg with M."""

    params = (("scipy", "pysolve cg", "pysolve ssor_cg"), ("csr", "constant"), cases.THREADS)
    param_names = ("library", "form", "threads")

    def setup(self, library: str, form: str, threads: int) -> None:
        name, _, method = library.partition(" ")
        if name == "scipy" and form != "csr":
            raise NotImplementedError("scipy has no stencil operators")
        self.begin(name, threads)
        import pysolve

        A = cases.poisson(form)
        b, M = np.random.default_rng(0).standard_normal(A.shape[0]), pysolve.SSOR(A, 1.8)
        if name == "scipy":
            from scipy.sparse.linalg import cg

            self.call = lambda: cg(A, b, M=M, rtol=1e-8)
        elif method == "cg":
            self.call = lambda: pysolve.cg(A, b, M=M, rtol=1e-8)
        else:
            self.call = lambda: pysolve.ssor_cg(A, b, omega=1.8, rtol=1e-8)

    def time_solve(self, library: str, form: str, threads: int) -> None:
        self.call()
