"""The comparison table: every figure to reach with its bar, measured in one run beside the peers.

    python benchmarks/table.py [--quick] [--only SECTION ...] [--device cuda] [--output [FILE.md]]

Medians of interleaved repetitions; the machine's limits and settings stand on top. Progress goes to stderr, since
the whole takes minutes. `--output` also writes the table as Markdown, whole or not at all, by default to
benchmarks/results/<date>-<cpu>.md. `--quick` takes seconds on small sizes: it shows that everything works, its
figures mean nothing. Real systems are read from the folder that PYSOLVE_MATRICES names.
"""

import argparse
import sys
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
SECTIONS = ("csr", "stencil", "iterations", "small", "memory", "systems", "large", "peers")


def arguments(given: list[str] | None = None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="small sizes, to see that everything works")
    parser.add_argument(
        "--only", action="append", choices=SECTIONS, metavar="SECTION", help=", ".join(SECTIONS)
    )
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cpu", help="cuda: its tables of gpu.py")
    parser.add_argument("--output", nargs="?", const="", metavar="FILE.md", help="also write Markdown")
    chosen = parser.parse_args(given)
    if chosen.output == "" and (chosen.quick or chosen.only):
        parser.error("a quick or partial table is no result: name the file that it goes to")
    return chosen


def main() -> int:
    """Measure, print, and write where that was asked for."""
    chosen = arguments()
    sys.path[:0] = [str(HERE), str(HERE / "comparison")]
    import environment  # before NumPy
    import report

    if chosen.device == "cuda":
        import command

        return command.on_gpu(("matvec", "cg"), chosen, "kernels")
    head, sections = measured(chosen)
    title = "pysolve and its peers" + (
        " (quick: small sizes, the figures mean nothing)" if chosen.quick else ""
    )
    final = report.summary(sections)
    print("\n".join([title, *head, ""]))
    for section in [*sections, final]:
        print(report.as_text(section))
    if chosen.output is not None:
        import datetime

        default = HERE / "results" / report.file_name(datetime.date.today(), environment.cpu_model())
        path = Path(chosen.output) if chosen.output else default
        body = "\n".join(report.as_markdown(section) for section in [final, *sections])
        report.write_whole(path, "\n".join([f"# {title}", "", *(f"- {line}" for line in head), "", body]))
        print(f"written: {path}", file=sys.stderr)
    return 0


def measured(chosen: argparse.Namespace) -> tuple[list[str], list[Any]]:
    """(lines about the machine, sections)."""
    import environment
    import machine
    import plain
    import report
    import rows_iterations as iterations
    import rows_kernels as kernels
    import rows_large as large
    import rows_systems as systems
    from timing import say

    makers = dict(
        zip(
            SECTIONS,
            (
                *(kernels.csr_section, kernels.stencil_section, iterations.iteration_section),
                *(iterations.small_section, iterations.memory_section, systems.systems_section),
                *(large.large_section, large.peers_section),
            ),
            strict=True,
        )
    )
    loops, threads = plain.compiled(), environment.thread_counts()
    known: dict[tuple[int, int], machine.Limits] = {}
    beyond = 1 << 18 if chosen.quick else 4 * environment.cache_bytes() // 8

    def limits(n: int, n_threads: int) -> list[machine.Limits]:
        """Those on arrays far beyond the caches, and on arrays of n doubles; each measured once."""
        for size in (beyond, n):
            if (size, n_threads) not in known:
                say(f"the machine's limits, {size * 8 >> 20} MiB, {n_threads} thread(s)")
                seconds = 0.05 if chosen.quick else 0.5
                known[size, n_threads] = machine.bandwidth(size, n_threads, seconds, loops)
        return [known[beyond, n_threads], known[n, n_threads]]

    plan = report.plan(chosen.quick, threads, limits, loops)
    for n_threads in threads:
        limits(plan.n**3, n_threads)
    flops = {n_threads: machine.gigaflops(n_threads) for n_threads in threads}
    sections = [makers[name](plan) for name in SECTIONS if not chosen.only or name in chosen.only]
    if not chosen.only:
        by_hand = report.Bar(
            "clean `make test` on two cores", "< 6 minutes", "time it on a fresh clone", None
        )
        sections[-1].bars.append(by_hand)
    note = "limits: compiled loops and NumPy" if loops else "limits: NumPy alone, as no compiler was found"
    head = [*environment.described(), note, *machine.lines(list(known.values()), flops)]
    return head, sections


if __name__ == "__main__":
    sys.exit(main())
