"""solve_sequence: what a call adds to its solve, and what learning saves on a short run of the heat equation."""

from . import cases

NX, STEPS, RTOL = 40, 600, 1e-8


class Call(cases.Limited):
    """One solve of a system of 100 unknowns, alone and through a sequence with one arm."""

    params = (("ssor_cg", "SolveSequence"),)
    param_names = ("library",)

    def setup(self, library: str) -> None:
        self.begin("pysolve", 1)
        import numpy as np

        import pysolve

        self.A, self.b = pysolve.gallery.poisson((10, 10), format="csr"), np.ones(100)
        workspace = pysolve.SorWorkspace()
        if library == "ssor_cg":
            self.solve = lambda: pysolve.ssor_cg(self.A, self.b, rtol=RTOL, omega=1.5, workspace=workspace)
            return
        sequence = pysolve.SolveSequence("ssor_cg", arms=[1.5], default=1.5, rng=0)
        self.solve = lambda: sequence(self.A, self.b, rtol=RTOL, context=0.5)

    def time_solve(self, library: str) -> None:
        self.solve()


class Heat(cases.Limited):
    """The iterations, and the seconds, of a run."""

    params = (("cg", "ssor_cg omega 1", "SolveSequence"),)
    param_names = ("library",)

    def setup(self, library: str) -> None:
        self.begin("pysolve", 1)
        self.library = library

    def run(self) -> int:
        import pysolve

        flow = pysolve.gallery.HeatEquation(NX)
        sequence = pysolve.SolveSequence("ssor_cg", domain=flow.domain, rng=0)
        solve = {"cg": pysolve.cg, "ssor_cg omega 1": pysolve.ssor_cg}.get(self.library)
        total = 0
        for _ in range(STEPS):
            A, b, x0, kappa = flow.advance()
            found = solve(A, b, x0, rtol=RTOL) if solve else sequence(A, b, x0, rtol=RTOL, context=kappa)
            flow.accept(found.x)
            total += found.iterations
        return total

    def time_run(self, library: str) -> None:
        self.run()

    def track_iterations(self, library: str) -> int:
        return self.run()


Heat.track_iterations.unit = "iterations"
