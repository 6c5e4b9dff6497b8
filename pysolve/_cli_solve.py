"""`pysolve solve`: one system from files to files."""

import importlib.util
import sys
import time
from argparse import Namespace
from typing import Any

import numpy as np

import pysolve
from pysolve._cli_files import InputError, System, first_line, read_system
from pysolve._cli_peers import pyamg_inverse, relative_residual
from pysolve._cli_progress import Progress
from pysolve._cli_writing import check_picture_path, check_vector_path, write_picture, write_vector

CONVERGED, NOT_CONVERGED = 0, 1
FAILURES = (ArithmeticError, RuntimeError, np.linalg.LinAlgError)  # of libraries, such as pyamg's set-up


def solve(arguments: Namespace) -> int:
    """Run `pysolve solve`; everything that can be refused is refused before the solve."""
    _check_targets(arguments)
    say = _nothing if arguments.quiet else print
    with Progress(f"reading {arguments.system}", quiet=arguments.quiet):
        system = read_system(arguments.system, arguments.rhs)
    result, setup = _solved(system, arguments)
    say(_report(system, arguments, result, setup))
    if arguments.output:
        with Progress(f"writing {arguments.output}", quiet=arguments.quiet):
            write_vector(arguments.output, result.x)
        say(f"written   {arguments.output}")
    if arguments.plot:
        with Progress(f"drawing {arguments.plot}", quiet=arguments.quiet):
            write_picture(arguments.plot, _picture(system, arguments, result))
        say(f"drawn     {arguments.plot}")
    if result.converged:
        return CONVERGED
    print(f"pysolve: not converged: {result.message}", file=sys.stderr)
    return NOT_CONVERGED


def _nothing(text: str) -> None:
    pass


def _check_targets(arguments: Namespace) -> None:
    inputs = (arguments.system, arguments.rhs)
    if arguments.output:
        check_vector_path(arguments.output, inputs)
    if arguments.plot:
        check_picture_path(arguments.plot, (*inputs, arguments.output))
    if arguments.preconditioner == "pyamg" and importlib.util.find_spec("pyamg") is None:
        raise InputError("--preconditioner pyamg needs pyamg: pip install pyamg")


def _solved(system: System, arguments: Namespace) -> "tuple[pysolve.SolveResult, float]":
    """(result, seconds of all set-up)."""
    A, b, quiet = system.A, system.b, arguments.quiet
    method = getattr(pysolve, arguments.method)
    options = {"rtol": arguments.rtol, "atol": arguments.atol, "maxiter": arguments.maxiter}
    doing = f"setting up {arguments.preconditioner}"
    try:
        start = time.perf_counter()
        with Progress(doing, quiet=quiet):
            M = _inverse(arguments.preconditioner, A)
        setup = time.perf_counter() - start
        doing = f"solving with {arguments.method}"
        with Progress(doing, quiet=quiet) as progress:
            result = method(A, b, M=M, callback=progress.callback(A, b), **options)
    except FAILURES as error:
        raise InputError(f"{doing} failed: {first_line(error)}") from error
    except (ValueError, TypeError) as error:  # these name what is wrong with the system
        raise InputError(first_line(error)) from error
    return result, setup + result.setup_time


def _inverse(name: str, A: Any) -> Any:
    if name == "jacobi":
        return pysolve.Jacobi(A)
    if name == "multilevel":
        if not isinstance(A, pysolve.StencilOperator):
            raise InputError(
                "--preconditioner multilevel needs a built-in problem on a grid, such as poisson:64x64"
            )
        return pysolve.Multilevel(A)
    return pyamg_inverse(A) if name == "pyamg" else None


def _report(system: System, arguments: Namespace, result: "pysolve.SolveResult", setup: float) -> str:
    A = system.A
    nnz = np.count_nonzero(A) if isinstance(A, np.ndarray) else getattr(A, "nnz", None)
    stored = "matrix-free" if nnz is None else f"nnz = {nnz}"
    true = relative_residual(A, system.b, result.x)
    lines = [
        ("system", f"{system.name}: n = {A.shape[0]}, {stored}, {A.dtype}"),
        ("b", system.b_text),
        ("method", f"{arguments.method}, preconditioner {arguments.preconditioner}, rtol {arguments.rtol:g}"),
        ("status", result.message),
        ("", f"{result.iterations} iterations, true relative residual {true:.2e}"),
        ("seconds", f"set-up {setup:.3g}, solve {result.solve_time:.3g}"),
    ]
    return "\n".join(f"{name:<9} {text}" for name, text in lines)


def _picture(system: System, arguments: Namespace, result: "pysolve.SolveResult") -> Any:
    from pysolve._cli_pictures import curves_picture

    norms = np.reshape(result.residual_norms, (len(result.residual_norms), -1))
    b_norms = np.atleast_1d(np.linalg.norm(system.b, axis=0))
    names = [f"column {k}" for k in range(len(b_norms))] if len(b_norms) > 1 else [arguments.method]
    curves = {name: norms[:, k] / (b_norms[k] or 1.0) for k, name in enumerate(names)}
    target = max(arguments.rtol, arguments.atol / (b_norms.max() or 1.0))
    title = f"{system.name}, n = {system.A.shape[0]}, preconditioner {arguments.preconditioner}"
    return curves_picture(curves, target, title)
