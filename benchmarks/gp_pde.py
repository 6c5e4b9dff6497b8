"""PDE solves with Gaussian processes: the paper's cases beside a spectral method, and problems beyond them.

    python benchmarks/gp_pde.py [--quick] [--rows NAME ...] [--output [FILE.md]]

The peer is Chebyshev collocation, written here with NumPy and SciPy. One thread. Progress goes to stderr. `--output`
also writes Markdown, by default to benchmarks/results/<date>-<cpu>-gp-pde.md, anew after every table. `--quick` takes
seconds on small sizes: it shows that everything works, its figures mean nothing.
"""

import argparse
import os
import sys
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE / "comparison")]
for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[variable] = "1"
import environment  # noqa: E402  before NumPy

ROWS = ("lines", "squares", "noise", "scattered", "more", "inverse", "cube")


def arguments(given: list[str] | None = None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="small sizes, to see that everything works")
    parser.add_argument("--rows", nargs="+", choices=ROWS, help="which tables")
    parser.add_argument("--output", nargs="?", const="", metavar="FILE.md", help="also write Markdown")
    chosen = parser.parse_args(given)
    if chosen.output == "" and (chosen.quick or chosen.rows):
        parser.error("a quick or partial table is no result: name the file that it goes to")
    chosen.rows = chosen.rows or ROWS
    return chosen


def main() -> int:
    """Measure, print, and write where that was asked for."""
    chosen = arguments()
    import report

    head, sections = environment.described(), []
    title = "PDE solves with Gaussian processes"
    title += " (quick: the figures mean nothing)" if chosen.quick else ""
    path = None if chosen.output is None else Path(chosen.output) if chosen.output else default_path()
    print("\n".join([title, *head, ""]))
    for name, measure in measurements(chosen):
        try:
            sections.append(measure())
        except Exception as error:  # one table must not take the others with it
            traceback.print_exc()
            sections.append(report.Section(name, [], notes=[f"failed: {type(error).__name__}: {error}"]))
        print(report.as_text(sections[-1]), flush=True)
        if path is not None:
            write(path, title, head, sections)
    print(report.as_text(report.summary(sections)))
    return int(any(not section.header for section in sections))  # one that failed


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


def default_path() -> Path:
    """benchmarks/results/<date>-<cpu>-gp-pde.md."""
    import datetime

    import report

    return HERE / "results" / report.file_name(datetime.date.today(), f"{environment.cpu_model()} gp-pde")


def write(path: Path, title: str, head: list[str], sections: list[Any]) -> None:
    """The bars and tables so far."""
    import report

    body = "\n".join(report.as_markdown(section) for section in [report.summary(sections), *sections])
    report.write_whole(path, "\n".join([f"# {title}", "", *(f"- {line}" for line in head), "", body]))


if __name__ == "__main__":
    sys.exit(main())
