"""conjugate_directions and cg: seconds per hundred iterations, small solves, iterations, memory."""

from typing import Any

from . import cases, products, solves

STEPS = 100


def _solve(library: str, A: Any, b: Any, make_inverse: Any = None, **options: Any) -> solves.Solve:
    if library == "petsc4py":
        from pysolve._cli_peers import petsc_solver

        kind = "jacobi" if make_inverse else "none"
        rtol, maxiter = options.get("rtol", 1e-5) or 1e-300, options.get("maxiter")
        return solves.petsc_solve(petsc_solver(products.petsc_matrix(A), kind, rtol, maxiter), b)
    make = {"scipy": solves.scipy_cg, "pysolve": solves.pysolve_cg, "pyamg": solves.pyamg_cg}[library]
    return make(A, b, make_inverse, **options)


class Iterations(cases.Limited):
    """A hundred iterations of cg, the whole call; only pysolve has a stencil operator."""

    params = (("scipy", "pysolve", "pysolve stencil", "pyamg", "petsc4py"), cases.THREADS)
    param_names = ("library", "threads")

    def setup(self, library: str, threads: int) -> None:
        name, _, stencil = library.partition(" ")
        self.begin(name, threads)
        A = cases.poisson("constant" if stencil else "csr")
        self.solve = _solve(name, A, products.random_vector(A.shape[0]), rtol=0.0, maxiter=STEPS)

    def time_iterate(self, library: str, threads: int) -> None:
        self.solve()


class Memory(Iterations):
    """The same, once, by Python's count of what it allocates; PETSc's memory is not Python's to count."""

    params = (("scipy", "pysolve", "pysolve stencil", "pyamg"), (1,))
    time_iterate = None

    def track_memory(self, library: str, threads: int) -> float:
        return solves.memory_of(self.solve) / (8 * cases.SIDE**3)


Memory.track_memory.unit = "vectors, the result among them"


class Small(cases.Limited):
    """A hundred unknowns: what a call costs."""

    params = (cases.LIBRARIES,)
    param_names = ("library",)

    def setup(self, library: str) -> None:
        self.begin(library, 1)
        from pysolve import gallery

        A = gallery.poisson((10, 10), format="csr")
        self.solve = _solve(library, A, products.random_vector(100), rtol=1e-10)

    def time_solve(self, library: str) -> None:
        self.solve()


class Preconditioned(cases.Limited):
    """A log-normal coefficient, Jacobi, to 1e-8: preconditioner and solve."""

    params = (("scipy", "pysolve", "pysolve directions", "pyamg", "petsc4py"), cases.THREADS)
    param_names = ("library", "threads")

    def setup(self, library: str, threads: int) -> None:
        name, _, directions = library.partition(" ")
        self.begin(name, threads)
        import pysolve
        from pysolve._cli_peers import scipy_jacobi

        side = cases.SIDE // 2
        self.A = pysolve.gallery.log_normal((side,) * 3, rng=0, format="csr")
        self.b = products.random_vector(side**3)
        inverse = pysolve.Jacobi if name == "pysolve" else scipy_jacobi
        if directions:
            self.solve = solves.pysolve_cg(self.A, self.b, inverse, "conjugate_directions", rtol=1e-8)
        else:
            self.solve = _solve(name, self.A, self.b, inverse, rtol=1e-8)

    def time_solve(self, library: str, threads: int) -> None:
        self.solve()


class Counted(Preconditioned):
    """How many iterations that takes; scipy does not count."""

    params = (("pysolve", "pysolve directions", "pyamg", "petsc4py"), (1,))
    time_solve = None

    def track_iterations(self, library: str, threads: int) -> int:
        return self.solve()[1]
