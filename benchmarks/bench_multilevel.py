"""multilevel: a cycle, its set-up, and whole solves to 1e-6 of flow around obstacles, beside the peers' multigrids."""

from typing import Any

from . import cases, products

WEIGHTS = ("textbook", "tuned", "untrained", "default")
RTOL = 1e-6


def _system(decoupled: bool = True) -> tuple[Any, Any]:
    """The obstacle box and a right-hand side; without the solid cells, which cost the peers a row each, stored."""
    from pysolve import gallery

    A = gallery.obstacle_box((cases.SIDE,) * 3)
    fluid = ~A.decoupled.ravel()
    b = products.random_vector(A.shape[0]) * fluid
    return (A, b) if decoupled else (A.tocsr()[fluid][:, fluid], b[fluid])


class Cycle(cases.Limited):
    """One application, and what it costs to make the hierarchy, and to make it again for new coefficients."""

    params = (WEIGHTS, cases.THREADS)
    param_names = ("weights", "threads")

    def setup(self, weights: str, threads: int) -> None:
        self.begin("pysolve", threads)
        import pysolve

        self.A, self.r = _system()
        self.make = lambda: pysolve.Multilevel(self.A, weights=weights)
        self.M = self.make()

    def time_apply(self, weights: str, threads: int) -> None:
        self.M.matvec(self.r)

    def time_set_up(self, weights: str, threads: int) -> None:
        self.make()

    def time_update(self, weights: str, threads: int) -> None:
        self.M.update(self.A)

    def track_products(self, weights: str, threads: int) -> float:
        """A cycle in products of the operator with a vector, in double precision."""
        cycle, product = (
            cases.seconds(call) for call in (lambda: self.M.matvec(self.r), lambda: self.A @ self.r)
        )
        return cycle / product

    def track_share_of_limit(self, weights: str, threads: int) -> float:
        return cases.share(self.M.bytes_per_cycle, lambda: self.M.matvec(self.r), threads, "mixed")


Cycle.track_products.unit = "products"
Cycle.track_share_of_limit.unit = "of the fastest copy"


class Iterations:
    """Iterations to 1e-6 by each set of weights; they depend on neither threads nor machine."""

    params = (WEIGHTS, ("obstacle_box", "free_surface", "bubbles", "log_normal", "anisotropic"))
    param_names = ("weights", "scene")

    def track_iterations(self, weights: str, scene: str) -> int:
        import pysolve

        A = pysolve.gallery.scenes[scene]((cases.SIDE,) * 3, rng=1000)
        b = products.random_vector(A.shape[0]) * ~A.decoupled.ravel()
        return pysolve.cg(A, b, rtol=RTOL, M=pysolve.Multilevel(A, weights=weights)).iterations


class Solve(cases.Limited):
    """Set-up and solve."""

    params = (("pysolve", "pysolve cg", "pyamg", "pyamgcl"), cases.THREADS)
    param_names = ("library", "threads")

    def setup(self, library: str, threads: int) -> None:
        name, _, plain = library.partition(" ")
        self.begin(name, threads)
        self.A, self.b = _system(name == "pysolve")
        self.solve = getattr(self, f"_{name}_{plain or 'multigrid'}")

    def time_solve(self, library: str, threads: int) -> None:
        self.solve()

    def _pysolve_multigrid(self) -> None:
        import pysolve

        pysolve.cg(self.A, self.b, rtol=RTOL, M=pysolve.Multilevel(self.A))

    def _pysolve_cg(self) -> None:
        import pysolve

        pysolve.cg(self.A, self.b, rtol=RTOL)

    def _pyamg_multigrid(self) -> None:
        import pyamg
        import scipy.sparse as sp

        pyamg.smoothed_aggregation_solver(sp.csr_matrix(self.A)).solve(self.b, tol=RTOL, accel="cg")

    def _pyamgcl_multigrid(self) -> None:
        import pyamgcl

        options = {"coarsening.type": "smoothed_aggregation", "relax.type": "spai0"}
        pyamgcl.solver(pyamgcl.amg(self.A, options), {"type": "cg", "tol": RTOL})(self.b)
