"""Sequences of systems: the paper's experiments with every policy and baseline, in iterations and in seconds.

    python benchmarks/sequences.py [--quick | --full] [--rows NAME ...] [--seeds 10] [--tables FOLDER]
                                   [--output [FILE.md]]

What every omega costs on every system is worked out once, and policies are then tried on that table; `--tables` keeps
the tables from run to run. Progress goes to stderr. `--output` also writes Markdown, by default to
benchmarks/results/<date>-<cpu>-sequences.md, anew after every table. `--full` adds nx = 400. `--quick` takes seconds
on short sequences: it shows that everything works, its figures mean nothing. One thread, for all.
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

ROWS = ("low", "high", "heat25", "heat50", "heat100", "heat200", "seconds", "heat400")


def arguments(given: list[str] | None = None) -> argparse.Namespace:
    """The command line."""
    parser = command.parser(__doc__, ROWS)
    parser.add_argument("--full", action="store_true", help="nx = 400 too: hours")
    parser.add_argument("--seeds", type=int, default=10, help="runs of each policy")
    parser.add_argument("--tables", type=Path, metavar="FOLDER", help="keep the tables of costs here")
    full = "--full" in (sys.argv[1:] if given is None else given)
    chosen = command.parsed(parser, given, ROWS if full else ROWS[:-1])
    if chosen.seeds < 1:
        parser.error("--seeds must be at least 1")
    return chosen


def main() -> int:
    """Measure, print, and write where that was asked for."""
    chosen = arguments()
    path = command.result_path(chosen, "sequences")
    title = command.titled("Sequences of systems: the choice of omega", chosen.quick)
    return command.run(title, environment.described(), measurements(chosen), path)


def measurements(chosen: argparse.Namespace) -> list[tuple[str, Callable[[], Any]]]:
    """Name and what measures it, in order."""
    import rows_heat_seconds as wall
    import rows_sequences as iterations

    T, seeds = (60, 2) if chosen.quick else (5000, chosen.seeds)
    side = 40 if chosen.quick else 200

    def measurement(row: str) -> Callable[[], Any]:
        if row in ("low", "high"):
            return lambda: iterations.shifted_section(row, T, seeds, chosen.tables)
        if row.startswith("heat"):
            nx = int(row.removeprefix("heat")) // (5 if chosen.quick else 1)
            return lambda: iterations.heat_section(nx, T, seeds, chosen.tables)
        format = row.removeprefix("seconds, ")
        return lambda: wall.seconds_section(side, T, format, wall.best_omega(side, T))

    rows = [row for row in chosen.rows if row != "seconds"]
    rows += [f"seconds, {format}" for format in ("csr", "stencil") if "seconds" in chosen.rows]
    return [(row, measurement(row)) for row in rows]


if __name__ == "__main__":
    sys.exit(main())
