"""`pysolve compare`: one system, every solver at hand, timed in interleaved order."""

from argparse import Namespace
from typing import Any

import numpy as np
import scipy.sparse as sp

from pysolve._cli_files import InputError, first_line, read_system
from pysolve._cli_peers import INSTALL, Peer, Problem, peers, relative_residual
from pysolve._cli_progress import Progress
from pysolve._cli_table import aligned, ratio, seconds, threads_text
from pysolve._cli_threads import rerun
from pysolve._cli_writing import check_picture_path, write_picture

HEADER = [
    *("library", "method", "preconditioner", "set-up s", "solve s", "iterations", "rel. residual"),
    *("vs scipy", ""),
]
NOTE = """vs scipy: seconds (set-up + solve) of scipy's cg with the same preconditioner over those of the
line, so above 1 is sooner than scipy"""

SOLID = "the stored matrix has a row for each solid cell; the operator, matrix-free, passes over them"


def compare(arguments: Namespace) -> int:
    """Run `pysolve compare`; 0 when every line of pysolve converged, else 1."""
    if arguments.plot:
        check_picture_path(arguments.plot, (arguments.system, arguments.rhs))
    if (code := rerun(arguments)) is not None:
        return code
    problem, name = _problem(arguments)
    lines, absent = peers(problem)
    failed = _measure(lines, problem, arguments.repeat)
    A = problem.csr
    title = f"{name}: n = {A.shape[0]}, nnz = {A.nnz}, {A.dtype}, rtol {problem.rtol:g}"
    print(f"{title}\nmedians of {arguments.repeat}, interleaved; {threads_text()}\n")
    print(aligned(HEADER, [_row(line, lines, problem, failed) for line in lines]))
    print(f"\n{NOTE}")
    if problem.operator is not None and problem.operator.decoupled.any():
        print(SOLID)
    if absent:
        print("not installed: " + "; ".join(f"{name} ({INSTALL[name]})" for name in absent))
    if arguments.plot:
        write_picture(arguments.plot, _picture(lines, problem, title))
        print(f"drawn: {arguments.plot}")
    return 0 if all(_converged(line, problem) for line in lines if line.library == "pysolve") else 1


def _problem(arguments: Namespace) -> tuple[Problem, str]:
    with Progress(f"reading {arguments.system}"):
        system = read_system(arguments.system, arguments.rhs)
    A, b = system.A, system.b
    if b.ndim != 1:
        raise InputError(f"compare takes one right-hand side, {system.b_text} has {b.shape[1]} columns")
    operator = None if sp.issparse(A) or isinstance(A, np.ndarray) else A
    stored = sp.csr_array(A) if operator is None else A.tocsr()
    return Problem(stored, b, arguments.rtol, arguments.maxiter, operator), system.name


def _measure(lines: list[Peer], problem: Problem, repeat: int) -> dict[str, str]:
    """Fill the outcomes of the lines; label -> sentence of those that raised.

    The first round is not timed: it warms up and keeps the residual norms.
    """
    failed: dict[str, str] = {}
    for turn in range(repeat + 1):
        for line in lines:
            name = label(line)
            if name in failed:
                continue
            try:
                with Progress(f"{name}, {f'run {turn} of {repeat}' if turn else 'warming up'}"):
                    line.outcomes.append(line.run(problem, turn == 0))
            except Exception as error:  # one solver's failure is its own line's news, the others go on
                failed[name] = first_line(error)
                line.outcomes.clear()
    return failed


def label(line: Peer) -> str:
    """The name of a line where there is no table around it."""
    return f"{line.library} {line.method} ({line.preconditioner})"


def _times(line: Peer, what: str) -> list[float]:
    return [getattr(outcome, what) for outcome in line.outcomes[1:]]


def _total(line: Peer) -> float:
    return float(np.median(np.add(_times(line, "setup"), _times(line, "solve"))))


def _residual(line: Peer, problem: Problem) -> float:
    return relative_residual(problem.csr, problem.b, line.outcomes[-1].x)


def _converged(line: Peer, problem: Problem) -> bool:
    """Judged by the true residual; scipy and PETSc stop on an updated one, which may be a hair off."""
    return bool(line.outcomes) and _residual(line, problem) <= 1.01 * problem.rtol


def _row(line: Peer, lines: list[Peer], problem: Problem, failed: dict[str, str]) -> list[str]:
    names = [line.library, line.method, line.preconditioner]
    if not line.outcomes:
        return [*names, "-", "-", "-", "-", "-", f"failed: {failed[label(line)]}"]
    times = [seconds(_times(line, "setup")), seconds(_times(line, "solve"))]
    good, said = _converged(line, problem), line.outcomes[-1].said
    verdict = "" if good else "not converged, though it says so" if said else "not converged"
    faster = ratio(_total(base), _total(line)) if good and (base := _base(line, lines, problem)) else "-"
    return [
        *names,
        *times,
        str(line.outcomes[0].iterations),
        f"{_residual(line, problem):.1e}",
        faster,
        verdict,
    ]


def _base(line: Peer, lines: list[Peer], problem: Problem) -> Peer | None:
    """Scipy's cg with the same preconditioner, if it converged."""
    same = (p for p in lines if p.library == "scipy" and p.preconditioner == line.preconditioner)
    return next((p for p in same if _converged(p, problem)), None)


def _picture(lines: list[Peer], problem: Problem, title: str) -> Any:
    from pysolve._cli_pictures import Bar, compare_picture

    b_norm = np.linalg.norm(problem.b) or 1.0
    bars = []
    for line in (line for line in lines if line.outcomes):
        curve = np.asarray(line.outcomes[0].norms) / b_norm
        own = line.library == "pysolve"
        bars.append(Bar(label(line), _total(line), _converged(line, problem), own, curve))
    return compare_picture(bars, problem.rtol, title)
