"""Relaxation beside its peers: sweeps, SSOR-CG and small solves, with every figure to reach and its bar.

    python benchmarks/relaxation.py [--quick] [--rows NAME ...] [--device cuda] [--output [FILE.md]]

All in one process, with the threads limited on both sides by threadpoolctl; PETSc in one of its own, by the interpreter
that the environment variable PETSC_PYTHON names. `--output` also writes Markdown, by default to
benchmarks/results/<date>-<cpu>-relaxation.md. `--quick` takes seconds on small sizes: it shows that everything
works, its figures mean nothing.
"""

import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE / "comparison")]
import command  # noqa: E402
import environment  # noqa: E402  before NumPy

ROWS = ("csr", "stencil", "colours", "ssor_cg", "small")


def main() -> int:
    """Measure, print, and write where that was asked for."""
    chosen = command.parsed(command.parser(__doc__, ROWS, on_gpu=True), None, ROWS)
    if chosen.device == "cuda":
        return command.on_gpu(("sweep",), chosen, "relaxation")
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
    head = [*environment.described(), *machine.lines(list(known.values()), {})]
    wanted = [(name, lambda make=makers[name]: make(plan)) for name in chosen.rows]
    title = command.titled("Relaxation and its peers", chosen.quick)
    return command.run(title, head, wanted, command.result_path(chosen, "relaxation"))


if __name__ == "__main__":
    sys.exit(main())
