"""`pysolve complete`: a matrix of low rank from a file of ratings, and `pysolve predict` from what it wrote."""

import dataclasses
import sys
import time
from argparse import Namespace
from typing import Any

import numpy as np

import pysolve
from pysolve._cli_files import InputError, first_line, must_be_file
from pysolve._cli_progress import Progress
from pysolve._cli_ratings import Ratings, read_ratings
from pysolve._cli_table import aligned
from pysolve._cli_writing import check_model_path, check_picture_path, write_model, write_picture

CONVERGED, NOT_CONVERGED, INTERRUPTED = 0, 1, 130
FAILURES = (ArithmeticError, RuntimeError, np.linalg.LinAlgError)


def complete(arguments: Namespace) -> int:
    """Run `pysolve complete`; everything that can be refused is refused before the work."""
    files = [arguments.ratings]
    for path in filter(None, (arguments.output, arguments.checkpoint)):
        check_model_path(path, files)
        files.append(path)
    if arguments.plot:
        check_picture_path(arguments.plot, files)
    start, quiet = time.perf_counter(), arguments.quiet
    with Progress(f"reading {arguments.ratings}", quiet=quiet) as progress:
        ratings = read_ratings(arguments.ratings, lambda text: _tell(progress, arguments.ratings, text))
    parts = _split(ratings, arguments.validation, arguments.seed)
    middle = time.perf_counter()
    result = _completed(ratings, parts, arguments)
    seconds = middle - start, time.perf_counter() - middle
    if arguments.output:
        with Progress(f"writing {arguments.output}", quiet=quiet):
            write_model(arguments.output, result)
    if not quiet:
        print(_report(ratings, parts, result, arguments, seconds))
    if arguments.plot:
        write_picture(arguments.plot, result.plot())
    return _ending(result)


def _tell(progress: Progress, path: str, text: str) -> None:
    progress.text = f"reading {path}: {text}"


def _split(ratings: Ratings, share: float, seed: int) -> list[np.ndarray]:
    """Which entries are fitted, and which are kept for validation."""
    count = ratings.values.size
    kept = round(share * count)
    if share > 0 and not 0 < kept < count:
        raise InputError(f"--validation {share:g} of {count} entries leaves none on one side")
    for_validation = np.zeros(count, bool)
    for_validation[np.random.default_rng(seed).choice(count, kept, replace=False)] = True
    return [np.flatnonzero(~for_validation), np.flatnonzero(for_validation)]


def _entries(ratings: Ratings, part: np.ndarray) -> Any:
    return (ratings.rows[part], ratings.cols[part], ratings.values[part]), ratings.shape


def _completed(ratings: Ratings, parts: list[np.ndarray], arguments: Namespace) -> "pysolve.CompletionResult":
    fitted, kept = parts
    doing = f"completing {ratings.shape[0]} x {ratings.shape[1]}"
    with Progress(doing, quiet=arguments.quiet) as progress:

        def watch(state: dict[str, float]) -> None:
            text = f"{doing}: iteration {state['iteration']:.0f}, relative residual {state['training']:.4g}"
            held = state["held_out"]
            progress.text = text if np.isnan(held) else f"{text}, {held:.4g} on entries held out"

        try:
            result = pysolve.matrix_completion(
                _entries(ratings, fitted),
                arguments.rank,
                reg=arguments.reg,
                bias=arguments.bias,
                nonneg=arguments.nonneg,
                loss=arguments.loss,
                maxiter=arguments.maxiter,
                rtol=arguments.rtol,
                validation=_entries(ratings, kept) if kept.size else None,
                callback=watch,
                checkpoint=arguments.checkpoint,
                rng=arguments.seed,
            )
        except FAILURES as error:  # NotImplementedError is one
            raise InputError(f"completing failed: {first_line(error)}") from error
        except (ValueError, TypeError, OSError) as error:
            raise InputError(first_line(error)) from error
    return dataclasses.replace(result, row_ids=ratings.row_ids, col_ids=ratings.col_ids)


def _report(
    ratings: Ratings,
    parts: list[np.ndarray],
    result: "pysolve.CompletionResult",
    arguments: Namespace,
    seconds: tuple[float, float],
) -> str:
    m, n = ratings.shape
    values = ratings.values
    share = values.size / (m * n)
    lines = [
        (
            "ratings",
            f"{arguments.ratings}: {m} x {n}, {values.size} entries ({share:.3g} of all) "
            f"from {values.min():g} to {values.max():g}",
        ),
        ("fit", f"rank {result.rank}, reg {arguments.reg:g}{', biases' if result.bias is not None else ''}"),
        ("status", result.message),
        ("seconds", f"reading {seconds[0]:.3g}, completing {seconds[1]:.3g}"),
    ]
    if arguments.output:
        lines.append(("written", arguments.output))
    text = "\n".join(f"{name:<9} {what}" for name, what in lines)
    table, better = _errors(ratings, parts, result)
    if not better:
        table += "\n\nThe mean alone predicts better: raise --reg, lower --rank, or try --bias."
    return f"{text}\n\n{table}"


def _errors(ratings: Ratings, parts: list[np.ndarray], result: Any) -> tuple[str, bool]:
    """The table of root-mean-square errors, and whether the last column is below the mean's."""
    mean = float(ratings.values[parts[0]].mean())
    rows, header = [["completed"], ["mean alone"]], ["error (rms)"]
    figures = (0.0, 0.0)
    for part, name in zip(parts, ("training", "validation"), strict=True):
        if part.size:
            found = result.predict(ratings.rows[part], ratings.cols[part])
            figures = _rms(found - ratings.values[part]), _rms(mean - ratings.values[part])
            header.append(name)
            for row, figure in zip(rows, figures, strict=True):
                row.append(f"{figure:.4g}")
    return aligned(header, rows), figures[0] <= figures[1]


def _rms(x: np.ndarray) -> float:
    return float(np.sqrt(np.mean(np.square(x, dtype=np.float64))))


def _ending(result: "pysolve.CompletionResult") -> int:
    if result.converged:
        return CONVERGED
    if result.status is pysolve.CompletionStatus.INTERRUPTED:
        print("pysolve: interrupted; the best so far was kept", file=sys.stderr)
        return INTERRUPTED
    print(f"pysolve: not converged: {result.message}", file=sys.stderr)
    return NOT_CONVERGED


def predict(arguments: Namespace) -> int:
    """Run `pysolve predict`: one line for each item, its name and what is predicted."""
    must_be_file(arguments.model)
    try:
        model = pysolve.CompletionResult.load(arguments.model)
        row = _place(model.row_ids, model.rows_of, arguments.user, "user", model.shape[0])
        if arguments.items:
            find, extent = model.cols_of, model.shape[1]
            cols = np.array([_place(model.col_ids, find, item, "item", extent) for item in arguments.items])
            values = model.predict(row, cols)
        else:
            cols, values = model.top(row, arguments.top, exclude_seen=model.seen is not None)
    except (ValueError, OSError) as error:
        raise InputError(first_line(error)) from error
    names = cols if model.col_ids is None else model.col_ids[cols]
    for name, value in zip(names, values, strict=True):
        print(f"{name}\t{value:.6g}")
    return CONVERGED


def _place(ids: Any, find: Any, name: str, what: str, extent: int) -> int:
    """The row or column of this name; of a matrix without names, of this number."""
    try:
        if ids is not None:
            return int(find(name))
        if 0 <= int(name) < extent:
            return int(name)
    except (KeyError, ValueError):
        pass
    raise InputError(f"the model knows no {what} {name!r}")
