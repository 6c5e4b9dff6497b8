"""Relaxation beside its peers: sweeps, SSOR-CG and small solves, with every figure to reach and its bar.

    python benchmarks/relaxation.py [--quick] [--rows NAME ...] [--output [FILE.md]]

All in one process, with the threads limited on both sides by threadpoolctl; PETSc in one of its own, by the interpreter
that the environment variable PETSC_PYTHON names. `--output` also writes Markdown, by default to
benchmarks/results/<date>-<cpu>-relaxation.md. `--quick` takes seconds on small sizes: it shows that everything
works, its figures mean nothing.
"""

import argparse
import datetime
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE / "comparison")]
import environment  # noqa: E402  before NumPy

ROWS = ("csr", "stencil", "colours", "ssor_cg", "small")


def arguments(given: list[str] | None = None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="small sizes, to see that everything works")
    parser.add_argument("--rows", nargs="+", choices=ROWS, default=ROWS, help="which tables")
    parser.add_argument("--output", nargs="?", const="", metavar="FILE.md", help="also write Markdown")
    chosen = parser.parse_args(given)
    if chosen.output == "" and (chosen.quick or set(ROWS) - set(chosen.rows)):
        parser.error("a quick or partial table is no result: name the file that it goes to")
    return chosen


def main() -> int:
    """Measure, print, and write where that was asked for."""
    chosen = arguments()
    import machine
    import plain
    import report
    import rows_ssor_cg as solves
    import rows_sweeps as sweeps
    from timing import say

    makers = dict(
        zip(
            ROWS,
            (
                sweeps.csr_sweeps,
                sweeps.stencil_sweeps,
                sweeps.colour_sweeps,
                solves.ssor_iterations,
                solves.small_solves,
            ),
            strict=True,
        )
    )
    threads, loops = environment.thread_counts(), plain.compiled()
    beyond = 1 << 18 if chosen.quick else 4 * environment.cache_bytes() // 8
    known = {}
    for n in threads:
        say(f"the machine's limits, {n} thread(s)")
        known[n] = machine.bandwidth(beyond, n, 0.05 if chosen.quick else 0.5, loops)
    plan = report.plan(chosen.quick, threads, lambda n, n_threads: [known[n_threads]], loops)
    sections = [makers[name](plan) for name in chosen.rows]
    title = "Relaxation and its peers" + (" (quick: the figures mean nothing)" if chosen.quick else "")
    head = [*environment.described(), *machine.lines(list(known.values()), {})]
    final = report.summary(sections)
    print("\n".join([title, *head, ""]))
    for section in [*sections, final]:
        print(report.as_text(section))
    if chosen.output is not None:
        name = report.file_name(datetime.date.today(), f"{environment.cpu_model()} relaxation")
        body = "\n".join(report.as_markdown(section) for section in [final, *sections])
        path = Path(chosen.output) if chosen.output else HERE / "results" / name
        report.write_whole(path, "\n".join([f"# {title}", "", *(f"- {line}" for line in head), "", body]))
    return 0


if __name__ == "__main__":
    sys.exit(main())
