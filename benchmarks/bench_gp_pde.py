"""gp_pde: seconds and error of the paper's cases, beside Chebyshev collocation with as many points."""

import sys
from pathlib import Path
from typing import Any

from . import environment

sys.path.append(str(Path(__file__).resolve().parent / "comparison"))
CASES = {
    "small": ("P1", "P3", "A3"),
    "full": ("P1", "P2", "P3", "P4", "P5", "A1", "A3", "P6", "P7", "A2D", "ADV"),
}


class PDE:
    """A whole call, with the method's defaults."""

    params = (("pysolve", "chebyshev"), CASES[environment.SIZE])
    param_names = ("library", "case")

    def setup(self, library: str, case: str) -> None:
        import gp_chebyshev

        import pysolve

        self.limit = environment.threads(1)
        self.limit.__enter__()
        self.case = pysolve.gallery.pde_case(case)
        if library == "pysolve":
            self.call = lambda: pysolve.gp_pde(**self.case.arguments)
        else:
            self.call = lambda: gp_chebyshev.solve_case(self.case, len(self.case.axes[0]))

    def teardown(self, *_: Any) -> None:
        self.limit.__exit__(None, None, None)

    def time_solve(self, library: str, case: str) -> None:
        self.call()

    def track_error(self, library: str, case: str) -> float:
        return self.case.error(self.call())

    track_error.unit = "relative 2-norm"
