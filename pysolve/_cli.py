"""The command `pysolve`: `pysolve solve | compare | complete | predict | demo`.

Exit codes: 0 done and converged, 1 not converged, 2 the input cannot be used, memory is short or a library
failed, 130 interrupted, 141 nobody reads the output.
"""

import argparse
import os
import sys
from typing import Any

import pysolve
from pysolve._cli_completion_arguments import add_complete, add_predict
from pysolve._cli_files import InputError
from pysolve._cli_numbers import demo_size, tolerance, whole_number

BAD_INPUT, INTERRUPTED, NO_READER = 2, 130, 141
METHODS = ("cg", "conjugate_directions")
PRECONDITIONERS = ("none", "jacobi", "multilevel", "pyamg")

SYSTEM_HELP = "a .mtx, .mtx.gz, .mtx.bz2 or .npz file, or a gallery problem such as poisson:64x64x64"


def main(argv: list[str] | None = None) -> int:
    """Run the command line.

    Parameters
    ----------
    argv : list of str, optional
        The arguments; those of the process by default.

    Returns
    -------
    int
        The exit code: 0 done and converged, 1 not converged, 2 the input cannot be used, 130 interrupted.

    Examples
    --------
    >>> from pysolve._cli import main
    >>> main(["solve", "poisson:8x8", "--quiet"])
    0
    """
    if hasattr(sys.stdout, "reconfigure"):  # a file name may hold what the terminal cannot show
        sys.stdout.reconfigure(errors="backslashreplace")
    try:
        arguments = _parser().parse_args(argv)
        arguments.argv = list(sys.argv[1:] if argv is None else argv)
        code: int = arguments.run(arguments)
        sys.stdout.flush()
        return code
    except SystemExit as stop:  # argparse: 0 after --help, 2 after a usage error
        return stop.code if isinstance(stop.code, int) else BAD_INPUT
    except InputError as error:
        return _fail(str(error), BAD_INPUT)
    except MemoryError:
        return _fail("there is not enough memory for this", BAD_INPUT)
    except KeyboardInterrupt:
        return _fail("interrupted", INTERRUPTED)
    except BrokenPipeError:  # the reader of our output, such as `head`, has gone
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return NO_READER


def _fail(sentence: str, code: int) -> int:
    print(f"pysolve: {sentence}", file=sys.stderr)
    return code


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="pysolve",
        description="Solve symmetric positive definite systems A x = b; complete matrices of low rank.",
    )
    parser.add_argument("--version", action="version", version=f"pysolve {pysolve.__version__}")
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    _add_solve(commands)
    _add_compare(commands)
    add_complete(commands)
    add_predict(commands)
    _add_demo(commands)
    return parser


def _add_solve(commands: Any) -> None:
    solve = commands.add_parser("solve", help="solve one system", description="Solve one system A x = b.")
    solve.set_defaults(run=_run_solve)
    _add_system(solve)
    solve.add_argument("--method", choices=METHODS, default="cg", help="default: cg")
    solve.add_argument("--preconditioner", choices=PRECONDITIONERS, default="none", help="default: none")
    solve.add_argument("--atol", type=tolerance, default=0.0, help="absolute tolerance (default: 0)")
    solve.add_argument("--output", metavar="FILE", help="write x to this .npy, .npz or .mtx file")
    solve.add_argument(
        "--plot", metavar="FILE", help="draw the residual of every iteration (.png, .pdf, .svg)"
    )
    solve.add_argument("--quiet", action="store_true", help="print nothing but errors")


def _add_compare(commands: Any) -> None:
    text = "Time pysolve, scipy and other solvers that are installed on one system, in interleaved order."
    compare = commands.add_parser("compare", help="pysolve beside scipy, pyamg and PETSc", description=text)
    compare.set_defaults(run=_run_compare)
    _add_system(compare)
    compare.add_argument(
        "--repeat",
        type=whole_number,
        default=3,
        metavar="N",
        help="timed runs, medians are shown (default: 3)",
    )
    compare.add_argument("--threads", type=whole_number, metavar="N", help="OMP_NUM_THREADS for all of them")
    compare.add_argument("--plot", metavar="FILE", help="draw the table (.png, .pdf, .svg)")


def _add_demo(commands: Any) -> None:
    text = "scipy's cg and pysolve's side by side on built-in problems and in a simulation; under a minute."
    demo = commands.add_parser("demo", help="see it work, no files needed", description=text)
    demo.set_defaults(run=_run_demo)
    demo.add_argument(
        "--plot",
        metavar="FILE",
        default=None,
        help="draw the results, and the simulation beside them (default: demo.png if matplotlib is there)",
    )
    demo.add_argument(
        "--size",
        type=demo_size,
        default=64,
        metavar="N",
        help="cells along a side of the boxes (default: 64)",
    )
    demo.add_argument(
        "--threads",
        type=whole_number,
        default=1,
        metavar="N",
        help="OMP_NUM_THREADS for both (default: 1, as scipy's cg uses one)",
    )


def _add_system(command: argparse.ArgumentParser) -> None:
    command.add_argument("system", metavar="A", help=SYSTEM_HELP)
    command.add_argument(
        "--rhs",
        metavar="FILE",
        help="b as .mtx, .npy or .npz (default: the b of an .npz system, else A @ ones)",
    )
    command.add_argument("--rtol", type=tolerance, default=1e-8, help="relative tolerance (default: 1e-8)")
    command.add_argument("--maxiter", type=whole_number, metavar="N", help="most iterations (default: 10 n)")


def _run_solve(arguments: argparse.Namespace) -> int:
    # The commands are imported late: `pysolve --help` needs none of them.
    from pysolve._cli_solve import solve

    return solve(arguments)


def _run_compare(arguments: argparse.Namespace) -> int:
    from pysolve._cli_compare import compare

    return compare(arguments)


def _run_demo(arguments: argparse.Namespace) -> int:
    from pysolve._cli_demo import demo

    return demo(arguments)
