"""Matrix completion beside its peers: every figure to reach, and its bar.

    python benchmarks/completion.py [--quick] [--rows NAME ...] [--ratings FILE] [--output [FILE.md]]

The peer is cmfrec (`pip install cmfrec`); without it its rows say so. `--ratings` names a file of ratings like
MovieLens's u.data (user, item, rating and time in a line). One thread, but for the rows that say two. Progress goes to
stderr. `--output` also writes Markdown, by default to benchmarks/results/<date>-<cpu>-completion.md, anew after every
table, and a picture of the costs beside it. `--quick` takes seconds on small sizes: it shows that everything works, its
figures mean nothing.
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

ROWS = ("uniform", "large", "threads", "cost", "recovery", "power", "ratings")


def arguments(given: list[str] | None = None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="small sizes, to see that everything works")
    parser.add_argument("--rows", nargs="+", choices=ROWS, help="which tables")
    parser.add_argument("--ratings", type=Path, metavar="FILE", help="ratings: user, item, rating in a line")
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
    title = "Matrix completion and its peers"
    title += " (quick: the figures mean nothing)" if chosen.quick else ""
    path = None if chosen.output is None else Path(chosen.output) if chosen.output else default_path()
    print("\n".join([title, *head, ""]))
    for name, measure in measurements(chosen, path):
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


def measurements(chosen: argparse.Namespace, path: Path | None) -> list[tuple[str, Callable[[], Any]]]:
    """Name and what measures it, in order."""
    import rows_completion as uniform
    import rows_completion_cost as cost
    import rows_completion_large as large
    import rows_completion_noise as noise
    import rows_completion_ratings as ratings
    import rows_completion_recovery as recovery

    quick = chosen.quick
    picture = None if path is None else path.with_suffix(".png")
    makers = {
        "uniform": lambda: uniform.uniform_section(quick),
        "large": lambda: large.large_section(quick),
        "threads": lambda: uniform.threads_section(quick),
        "cost": lambda: cost.cost_section(quick, picture),
        "recovery": lambda: recovery.recovery_section(quick),
        "power": lambda: noise.power_section(quick),
        "made-up ratings": lambda: ratings.made_up_section(quick),
        "ratings": lambda: ratings.file_section(quick, chosen.ratings),
    }
    wanted = {*chosen.rows, *(["made-up ratings"] if "ratings" in chosen.rows else [])}
    return [(name, make) for name, make in makers.items() if name in wanted]


def default_path() -> Path:
    """benchmarks/results/<date>-<cpu>-completion.md."""
    import datetime

    import report

    return HERE / "results" / report.file_name(datetime.date.today(), f"{environment.cpu_model()} completion")


def write(path: Path, title: str, head: list[str], sections: list[Any]) -> None:
    """The bars and tables so far."""
    import report

    body = "\n".join(report.as_markdown(section) for section in [report.summary(sections), *sections])
    report.write_whole(path, "\n".join([f"# {title}", "", *(f"- {line}" for line in head), "", body]))


if __name__ == "__main__":
    sys.exit(main())
