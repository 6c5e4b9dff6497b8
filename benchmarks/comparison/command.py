"""What the commands that print tables have in common: their options, the run, and the file of its result."""

import argparse
import datetime
import traceback
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

import environment  # before NumPy
import report

RESULTS = Path(__file__).resolve().parents[1] / "results"


def parser(doc: str, rows: Sequence[str], on_gpu: bool = False) -> argparse.ArgumentParser:
    """The options of every command; `doc` is its docstring, `rows` its tables, and whether there are some of a GPU."""
    made = argparse.ArgumentParser(description=doc.splitlines()[0])
    made.add_argument("--quick", action="store_true", help="small sizes, to see that everything works")
    made.add_argument("--rows", nargs="+", choices=rows, help="which tables")
    made.add_argument("--output", nargs="?", const="", metavar="FILE.md", help="also write Markdown")
    if on_gpu:
        made.add_argument(
            "--device", choices=("cpu", "cuda"), default="cpu", help="cuda: its tables of gpu.py"
        )
    return made


def parsed(
    made: argparse.ArgumentParser, given: list[str] | None, whole: Sequence[str]
) -> argparse.Namespace:
    """The command line; without --rows it is for the tables `whole`, and only those make a result."""
    chosen = made.parse_args(given)
    if chosen.rows and getattr(chosen, "device", "cpu") == "cuda":
        made.error("--rows names tables of the CPU: for those of a GPU, gpu.py --rows")
    partial = chosen.rows is not None and bool(set(whole) - set(chosen.rows))
    if chosen.output == "" and (chosen.quick or partial):
        made.error("a quick or partial table is no result: name the file that it goes to")
    chosen.rows = chosen.rows or list(whole)
    return chosen


def on_gpu(rows: Sequence[str], chosen: argparse.Namespace, what: str) -> int:
    """These tables of gpu.py, in the place of the command's own."""
    import gpu_run

    return gpu_run.run(rows, chosen, what=what)


def result_path(chosen: argparse.Namespace, what: str) -> Path | None:
    """The file of the result, if one was asked for: by default benchmarks/results/<date>-<cpu>-<what>.md."""
    if chosen.output is None:
        return None
    name = report.file_name(datetime.date.today(), f"{environment.cpu_model()} {what}")
    return Path(chosen.output) if chosen.output else RESULTS / name


def write(path: Path | None, title: str, head: list[str], sections: list[Any]) -> None:
    """The bars and tables so far."""
    if path is None:
        return
    body = "\n".join(report.as_markdown(section) for section in [report.summary(sections), *sections])
    report.write_whole(path, "\n".join([f"# {title}", "", *(f"- {line}" for line in head), "", body]))


def titled(title: str, quick: bool) -> str:
    """The title, with a warning over quick tables."""
    return title + (" (quick: the figures mean nothing)" if quick else "")


def run(
    title: str, head: list[str], measurements: Iterable[tuple[str, Callable[[], Any]]], path: Path | None
) -> int:
    """Measure, print, and write after every table; one that fails does not take the others with it."""
    sections: list[Any] = []
    print("\n".join([title, *head, ""]))
    for name, measure in measurements:
        try:
            sections.append(measure())
        except Exception as error:
            traceback.print_exc()
            sections.append(report.Section(name, [], notes=[f"failed: {type(error).__name__}: {error}"]))
        print(report.as_text(sections[-1]), flush=True)
        write(path, title, head, sections)
    print(report.as_text(report.summary(sections)))
    return int(any(not section.header for section in sections))
