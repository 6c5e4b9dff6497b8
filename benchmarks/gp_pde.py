"""PDE solves with Gaussian processes: the paper's cases beside a spectral method, and problems beyond them.

    python benchmarks/gp_pde.py [--quick] [--rows NAME ...] [--output [FILE.md]]

The peer is Chebyshev collocation, written here with NumPy and SciPy. One thread. Progress goes to stderr. `--output`
also writes Markdown, by default to benchmarks/results/<date>-<cpu>-gp-pde.md, anew after every table. `--quick` takes
seconds on small sizes: it shows that everything works, its figures mean nothing.
"""

import argparse
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE / "comparison")]
for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[variable] = "1"
import command  # noqa: E402
import environment  # noqa: E402  before NumPy

ROWS = ("lines", "squares", "noise", "scattered", "more", "inverse", "cube")


def arguments(given: list[str] | None = None) -> argparse.Namespace:
    """The command line."""
    return command.parsed(command.parser(__doc__, ROWS), given, ROWS)


def main() -> int:
    """Measure, print, and write where that was asked for."""
    chosen = arguments()
    path = command.result_path(chosen, "gp-pde")
    title = command.titled("PDE solves with Gaussian processes", chosen.quick)
    return command.run(title, environment.described(), measurements(chosen), path)


def measurements(chosen: argparse.Namespace) -> list[tuple[str, Callable[[], Any]]]:
    """Name and what measures it, in order."""
    import rows_gp_cases as cases
    import rows_gp_cube as cube
    import rows_gp_inverse as inverse
    import rows_gp_more as more
    import rows_gp_noise as noise

    makers = {
        "lines": cases.lines_section,
        "squares": cases.squares_section,
        "noise": noise.noise_section,
        "scattered": noise.scattered_section,
        "more": more.more_section,
        "inverse": inverse.inverse_section,
        "cube": cube.cube_section,
    }
    return [
        (name, lambda make=make: make(chosen.quick)) for name, make in makers.items() if name in chosen.rows
    ]


if __name__ == "__main__":
    sys.exit(main())
