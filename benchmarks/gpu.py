"""Every figure to reach on a GPU with its bar, measured in one run beside the peers and the machine's limits.

    python benchmarks/gpu.py [--quick] [--simulated] [--rows NAME ...] [--output [FILE.md]]

matvec: stencil and CSR products; cg: an iteration; cycle: solves with the learned V-cycle; sweep: red-black SOR;
network: DirectionNet; completion: matrix completion; kron: Kronecker products. The peers are CuPy's solvers, cuSPARSE,
cuBLAS and torch, where they are installed. `--output` also writes Markdown, whole or not at all, by default to
benchmarks/results/<date>-<device>.md. `--quick` takes seconds: it shows that everything works, its figures mean
nothing. `--simulated` runs the same on the simulated kernels (`make simulated`), on a machine without a GPU.
"""

import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE / "comparison")]
import command  # noqa: E402

ROWS = ("matvec", "cg", "cycle", "sweep", "network", "completion", "kron")


def main() -> int:
    """Measure, print, and write where that was asked for."""
    made = command.parser(__doc__, ROWS)
    made.add_argument("--simulated", action="store_true", help="on simulated kernels; implies --quick")
    chosen = command.parsed(made, None, ROWS)
    if chosen.simulated and chosen.output == "":
        made.error("simulated figures are no result: name the file that they go to")
    chosen.quick = chosen.quick or chosen.simulated
    import gpu_run

    return gpu_run.run(chosen.rows, chosen, chosen.simulated)


if __name__ == "__main__":
    sys.exit(main())
