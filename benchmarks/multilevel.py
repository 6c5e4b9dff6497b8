"""The learned V-cycle beside its peers: every figure to reach with its bar, measured in one run.

    python benchmarks/multilevel.py [--quick] [--rows NAME ...] [--threads 1 2] [--device cuda] [--output [FILE.md]]

Each number of threads is measured in a process of its own, where OpenMP, BLAS and threadpoolctl are all given that
number. Progress goes to stderr. `--output` also writes Markdown, by default to
benchmarks/results/<date>-<cpu>-multilevel.md, anew after every table, so that a run that is ended leaves what it
had. `--quick` takes seconds on small sizes: it shows that everything works, its figures mean nothing.
"""

import argparse
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE / "comparison")]
import command  # noqa: E402
import environment  # noqa: E402  before NumPy

# All but `large`, which is for machines with the memory, are measured where nothing is named.
ROWS = (
    *("iterations", "peers", "dst", "log_normal", "hard", "cycle", "setup", "tight", "smoke"),
    *("direction_net", "large"),
)


def arguments(given: list[str] | None = None) -> argparse.Namespace:
    """The command line; `--worker` is what this script calls itself with."""
    parser = command.parser(__doc__, ROWS, on_gpu=True)
    parser.add_argument("--threads", nargs="+", type=int, default=environment.thread_counts())
    parser.add_argument("--worker", type=int, help=argparse.SUPPRESS)
    return command.parsed(parser, given, ROWS[:-1])


def main() -> int:
    """Measure, print, and write where that was asked for."""
    chosen = arguments()
    if chosen.device == "cuda":
        return command.on_gpu(("cycle", "network"), chosen, "multilevel")
    if chosen.worker:
        for found in measured(chosen):
            print(json.dumps(found), flush=True)
        return 0
    import report

    head, sections = environment.described(), []
    title, path = (
        command.titled("The learned V-cycle and its peers", chosen.quick),
        command.result_path(chosen, "multilevel"),
    )
    print("\n".join([title, *head, ""]))
    for found in from_workers(chosen):
        if "line" in found:
            head.append(found["line"])
            print(found["line"])
            continue
        bars = [report.Bar(**bar) for bar in found.pop("bars")]
        sections.append(report.Section(**found, bars=bars))
        print(report.as_text(sections[-1]), flush=True)
        command.write(path, title, head, sections)
    print(report.as_text(report.summary(sections)))
    return int(any(not section.header for section in sections))  # one that failed


def from_workers(chosen: argparse.Namespace) -> Iterator[dict[str, Any]]:
    """What the processes find, a number of threads after the other."""
    for n in chosen.threads:
        command = [sys.executable, __file__, "--worker", str(n), "--rows", *chosen.rows]
        command += ["--quick"] if chosen.quick else []
        limits = {name: str(n) for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")}
        with subprocess.Popen(command, env=os.environ | limits, stdout=subprocess.PIPE, text=True) as worker:
            yield from map(json.loads, worker.stdout)
        if worker.returncode != 0:
            raise SystemExit(f"the measurements with {n} thread(s) ended with status {worker.returncode}")


def measured(chosen: argparse.Namespace) -> Iterator[dict[str, Any]]:
    """The machine's limits as a line each, then the tables, with the threads of this process."""
    import dataclasses
    import traceback

    import machine
    import plain
    import report
    from multigrid import plan
    from timing import say

    found, loops = plan(chosen.quick, chosen.worker), plain.compiled()
    seconds = 0.01 if chosen.quick else 0.5
    n = 1 << 18 if chosen.quick else 4 * environment.cache_bytes() // 8
    say(f"the machine's limits, {found.threads} thread(s)")
    found.limits = machine.bandwidth(n, found.threads, seconds, loops)
    yield from ({"line": line} for line in machine.lines([found.limits], {}))
    makers = sections()
    for name in chosen.rows:
        try:
            with environment.threads(found.threads):
                section = makers[name](found)
        except Exception as error:  # one table must not take the hours of the others with it
            traceback.print_exc()
            why = f"failed: {type(error).__name__}: {error}"
            section = report.Section(f"{name}, {found.threads} thread(s)", [], notes=[why])
            section.bars.append(report.Bar(section.title, "as below", why, None))
        yield dataclasses.asdict(section)


def sections() -> dict[str, Any]:
    """Name of a table -> what measures it."""
    import rows_cycle as cycle
    import rows_direction_net as net
    import rows_multilevel as solves
    import rows_pressure as pressure

    makers = (
        *(solves.iterations_section, solves.peers_section, pressure.dst_section, solves.log_normal_section),
        *(solves.hard_section, cycle.cycle_section, cycle.setup_section, cycle.tight_section),
        *(pressure.smoke_section, net.direction_net_section, pressure.large_section),
    )
    return dict(zip(ROWS, makers, strict=True))


if __name__ == "__main__":
    sys.exit(main())
