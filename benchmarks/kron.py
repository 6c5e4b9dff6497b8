"""Products with Kronecker products beside their peers: every figure to reach, and its bar.

    python benchmarks/kron.py [--quick] [--rows NAME ...] [--output [FILE.md]]

The peers are NumPy (a chain of np.matmul into arrays that are made once), pykronecker and linear_operator (`pip
install pykronecker linear_operator`); without one its rows are not there. All in one process, float64, one thread but
for the rows that say two, calls interleaved; `of dgemm` is the share of the rate of NumPy's product of two 1024 x 1024
matrices in the same run. NumPy's BLAS picks its kernels by OPENBLAS_CORETYPE, which holds for all: run the table once
with OPENBLAS_CORETYPE=SkylakeX and once with Haswell, and take the one that is better for NumPy. `--output` also
writes Markdown, by default to benchmarks/results/<date>-<cpu>-kron.md. `--quick` takes seconds on small sizes: it
shows that everything works, its figures mean nothing.
"""

import argparse
import datetime
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE / "comparison")]
import environment  # noqa: E402  before NumPy

ROWS = ("cubes", "others", "threads")


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
    import rows_kron

    import pysolve  # noqa: F401  before the threads are limited

    quick = chosen.quick
    makers = {
        "cubes": lambda: rows_kron.section("equal square factors", rows_kron.cubes(quick), quick),
        "others": lambda: rows_kron.section("other factors", rows_kron.others(quick), quick),
        "threads": lambda: rows_kron.section("two threads", rows_kron.cubes(quick)[-3:], quick, threads=2),
    }
    if environment.n_cores() < 2:
        del makers["threads"]
    title = "Kronecker products and their peers" + (" (quick: the figures mean nothing)" if quick else "")
    head = environment.described()
    print("\n".join([title, *head, ""]))
    sections = []
    for name in chosen.rows:
        if name in makers:
            sections.append(makers[name]())
            print(report.as_text(sections[-1]), flush=True)
    final = report.summary(sections)
    print(report.as_text(final))
    if chosen.output is not None:
        name = report.file_name(datetime.date.today(), f"{environment.cpu_model()} kron")
        body = "\n".join(report.as_markdown(section) for section in [final, *sections])
        path = Path(chosen.output) if chosen.output else HERE / "results" / name
        report.write_whole(path, "\n".join([f"# {title}", "", *(f"- {line}" for line in head), "", body]))
    return 0


if __name__ == "__main__":
    sys.exit(main())
