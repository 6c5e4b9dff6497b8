"""Matrix completion beside its peers: every figure to reach, and its bar.

    python benchmarks/completion.py [--quick] [--rows NAME ...] [--ratings FILE] [--device cuda] [--output [FILE.md]]

The peer is cmfrec (`pip install cmfrec`); without it its rows say so. `--ratings` names a file of ratings like
MovieLens's u.data (user, item, rating and time in a line). One thread, but for the rows that say two. Progress goes to
stderr. `--output` also writes Markdown, by default to benchmarks/results/<date>-<cpu>-completion.md, anew after every
table, and a picture of the costs beside it. `--quick` takes seconds on small sizes: it shows that everything works, its
figures mean nothing.
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

ROWS = ("uniform", "large", "threads", "cost", "recovery", "power", "ratings")


def arguments(given: list[str] | None = None) -> argparse.Namespace:
    """The command line."""
    parser = command.parser(__doc__, ROWS, on_gpu=True)
    parser.add_argument("--ratings", type=Path, metavar="FILE", help="ratings: user, item, rating in a line")
    return command.parsed(parser, given, ROWS)


def main() -> int:
    """Measure, print, and write where that was asked for."""
    chosen = arguments()
    if chosen.device == "cuda":
        return command.on_gpu(("completion",), chosen, "completion")
    path = command.result_path(chosen, "completion")
    title = command.titled("Matrix completion and its peers", chosen.quick)
    return command.run(title, environment.described(), measurements(chosen, path), path)


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


if __name__ == "__main__":
    sys.exit(main())
