"""Products with Kronecker products beside their peers: every figure to reach, and its bar.

    python benchmarks/kron.py [--quick] [--rows NAME ...] [--device cuda] [--output [FILE.md]]

The peers are NumPy (a chain of np.matmul into arrays that are made once), pykronecker and linear_operator (`pip
install pykronecker linear_operator`); without one its rows are not there. All in one process, float64, one thread but
for the rows that say two, calls interleaved; `of dgemm` is the share of the rate of NumPy's product of two 1024 x 1024
matrices in the same run. NumPy's BLAS picks its kernels by OPENBLAS_CORETYPE, which holds for all: run the table once
with OPENBLAS_CORETYPE=SkylakeX and once with Haswell, and take the one that is better for NumPy. `--output` also
writes Markdown, by default to benchmarks/results/<date>-<cpu>-kron.md. `--quick` takes seconds on small sizes: it
shows that everything works, its figures mean nothing.
"""

import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE / "comparison")]
import command  # noqa: E402
import environment  # noqa: E402  before NumPy

ROWS = ("cubes", "others", "threads")


def main() -> int:
    """Measure, print, and write where that was asked for."""
    chosen = command.parsed(command.parser(__doc__, ROWS, on_gpu=True), None, ROWS)
    if chosen.device == "cuda":
        return command.on_gpu(("kron",), chosen, "kron")
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
    title = command.titled("Kronecker products and their peers", quick)
    wanted = [(name, make) for name, make in makers.items() if name in chosen.rows]
    return command.run(title, environment.described(), wanted, command.result_path(chosen, "kron"))


if __name__ == "__main__":
    sys.exit(main())
